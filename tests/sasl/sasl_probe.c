/* sasl_probe: log in to an IMAP server over TLS with one mechanism, and say how it went.
 *
 *   sasl_probe HOST PORT CA-FILE MECHANISM USER PASSWORD [AUTHZID]
 *
 * Prints the server's last line, and "satisfied" or "not satisfied". For the tests against real servers; the protocol
 * is spoken by hand here, line by line.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/stream.h"
#include "sasl/sasl.h"

static struct ph_stream *stream;
static struct ph_buf in;

static void die(const struct ph_err *err)
{
    printf("error %s: %s\n", ph_kind_name(err->kind), err->text);
    exit(1);
}

static void send_text(struct ph_str text)
{
    struct ph_err err;

    while (text.n) {
        ssize_t n = ph_stream_write(stream, text.p, text.n, &err);
        if (n == -1 || (n < 0 && ph_stream_wait(stream, stream->ops->want_write(stream), ph_deadline_in(30000), NULL, &err) < 0))
            die(&err);
        if (n > 0)
            text = (struct ph_str){ text.p + n, text.n - (size_t)n };
    }
    while (ph_stream_flush(stream, &err) == PH_AGAIN)
        if (ph_stream_wait(stream, stream->ops->want_write(stream), ph_deadline_in(30000), NULL, &err) < 0)
            die(&err);
}

/* The next line without its end, valid until the next call. */
static struct ph_str get_line(void)
{
    static size_t used;
    struct ph_err err;

    ph_buf_consume(&in, used);
    used = 0;
    for (;;) {
        struct ph_str all = ph_buf_str(&in);
        const char *nl = memchr(all.p, '\n', all.n);
        if (nl) {
            used = (size_t)(nl - all.p) + 1;
            return (struct ph_str){ all.p, used - (used > 1 && nl[-1] == '\r' ? 2 : 1) };
        }
        char *room = ph_buf_reserve(&in, 4096);
        ssize_t n = ph_stream_read(stream, room, 4096, &err);
        if (n == 0)
            ph_fail(&err, PH_SCOPE_SESSION, PH_E_CLOSED, "end of stream");
        if (n == 0 || n == -1 ||
            (n < 0 && ph_stream_wait(stream, stream->ops->want_read(stream), ph_deadline_in(30000), NULL, &err) < 0))
            die(&err);
        if (n > 0)
            ph_buf_commit(&in, (size_t)n);
    }
}

static int authenticate(struct ph_sasl *s)
{
    struct ph_buf answer = PH_BUF_INIT, line = PH_BUF_INIT, challenge = PH_BUF_INIT;
    struct ph_err err = { 0 };

    for (;;) {
        struct ph_str got = get_line();
        if (!ph_str_prefix(got, "+ ") && !ph_str_is(got, "+")) {
            if (ph_str_prefix(got, "* "))
                continue;
            printf("%.*s\n%s\n", PH_FMT(got), ph_sasl_client_satisfied(s) ? "satisfied" : "not satisfied");
            ph_buf_done(&answer);
            ph_buf_done(&line);
            ph_buf_done(&challenge);
            return !ph_str_prefix(got, "a OK");
        }
        ph_buf_clear(&challenge);
        if (got.n > 2 && ph_base64_decode((struct ph_str){ got.p + 2, got.n - 2 }, &challenge) < 0)
            ph_fail(&err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "not base64");
        if (err.kind || ph_sasl_client_step(s, ph_buf_str(&challenge), &answer, &err) < 0)
            die(&err);
        ph_buf_clear(&line);
        ph_base64_encode(ph_buf_str(&answer), &line);
        ph_buf_add_z(&line, "\r\n");
        send_text(ph_buf_str(&line));
    }
}

int main(int argc, char **argv)
{
    struct ph_tls_config tls = { .ca_file = argc > 3 ? argv[3] : NULL };
    struct ph_tls_info info;
    struct ph_sasl *s;
    struct ph_err err;

    if (argc < 7)
        return 2;
    struct ph_sasl_client_params p = { .authcid = argv[5], .authzid = argc > 7 ? argv[7] : NULL,
                                       .password = ph_str(argv[6]), .token = ph_str(argv[6]), .service = "imap",
                                       .host = argv[1], .port = (uint16_t)strtoul(argv[2], NULL, 10) };
    if (ph_tcp_connect(argv[1], p.port, ph_deadline_in(30000), NULL, &stream, &err) < 0 ||
        ph_tls_client(stream, &tls, argv[1], ph_deadline_in(30000), NULL, &stream, NULL, &err) < 0)
        die(&err);
    ph_tls_info(stream, &info);
    p.binding = info.binding;
    p.binding_len = info.binding_len;
    p.binding_is_exporter = info.binding_is_exporter;
    if (ph_sasl_client_new(argv[4], &p, &s, &err) < 0)
        die(&err);
    get_line(); /* the greeting */
    send_text(PH_STR("a AUTHENTICATE "));
    send_text(ph_str(argv[4]));
    send_text(PH_STR("\r\n"));
    int rc = authenticate(s);
    ph_sasl_free(s);
    ph_stream_free(stream);
    ph_buf_done(&in);
    return rc;
}
