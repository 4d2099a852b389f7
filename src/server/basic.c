/* basic.c: the small commands: NOOP, CHECK, LOGOUT (RFC 9051 6.1), ID (RFC 2971), ENABLE (RFC 9051 6.3.1), STARTTLS (6.2.1), COMPRESS
 * (RFC 4978), UNAUTHENTICATE (RFC 8437).
 */
#include <syslog.h>

#include "server/commands.h"
#include "server/private.h"
#include "server/sync.h"
#include "server/user.h"
#include "wire/respond.h"

int cmd_noop(struct session *s, struct ph_command *c, struct ph_err *err)
{
    if (s->view && session_sync(s, SYNC_EXPUNGE | SYNC_LOOK, err))
        return -1;
    if (!s->closing)
        session_ok(s, c, "NOOP completed");
    return 0;
}

int cmd_check(struct session *s, struct ph_command *c, struct ph_err *err)
{
    if (session_sync(s, SYNC_EXPUNGE | SYNC_LOOK, err))
        return -1;
    if (!s->closing)
        session_ok(s, c, "CHECK completed");
    return 0;
}

int cmd_logout(struct session *s, struct ph_command *c, struct ph_err *err)
{
    s->reason = "logged out";
    session_deselect(s);
    session_bye(s, NULL, "Logging out");
    session_ok(s, c, "LOGOUT completed");
    return 0;
}

/* A client's own words may be looked at by people: printable ones only, and not many. */
static void log_id(struct session *s, const struct ph_words *w)
{
    struct ph_buf line = PH_BUF_INIT;

    for (size_t i = 0; i + 1 < w->n && ph_buf_len(&line) < 400; i += 2) {
        struct ph_str v = w->w[i + 1];
        ph_buf_add_z(&line, i ? ", " : "");
        ph_buf_add_str(&line, w->w[i]);
        ph_buf_add_z(&line, "=");
        ph_buf_add(&line, v.p ? v.p : "NIL", v.p ? v.n : 3);
    }
    if (ph_buf_len(&line))
        server_log(s->server, s, LOG_INFO, "client: %s", ph_buf_z(&line));
    ph_buf_done(&line);
}

int cmd_id(struct session *s, struct ph_command *c, struct ph_err *err)
{
    log_id(s, &c->words);
    ph_write_raw(&s->w, "* ID (\"name\" ");
    ph_write_string(&s->w, ph_str(s->server->name));
    ph_write_raw(&s->w, " \"version\" ");
    ph_write_string(&s->w, ph_str(s->server->version));
    ph_write_raw(&s->w, ")\r\n");
    session_ok(s, c, "ID completed");
    return 0;
}

/* Those whose meaning depends on ENABLE; others are known, and nothing happens. */
static unsigned enable_bit(const struct session *s, struct ph_str word)
{
    if (ph_str_caseis(word, "CONDSTORE") && capability_is_offered(s, "CONDSTORE"))
        return PH_EN_CONDSTORE;
    if (ph_str_caseis(word, "QRESYNC") && capability_is_offered(s, "QRESYNC"))
        return PH_EN_QRESYNC | PH_EN_CONDSTORE; /* RFC 7162 3.2.3 */
    if (ph_str_caseis(word, "UTF8=ACCEPT") && command_exists(PH_CMD_FETCH))
        return PH_EN_UTF8;
    if (ph_str_caseis(word, "IMAP4REV2") && command_exists(PH_CMD_NAMESPACE))
        return PH_EN_REV2 | PH_EN_UTF8;
    if (ph_str_caseis(word, "UIDONLY") && capability_is_offered(s, "UIDONLY"))
        return PH_EN_UIDONLY;
    return 0;
}

int cmd_enable(struct session *s, struct ph_command *c, struct ph_err *err)
{
    bool condstore = s->enabled & PH_EN_CONDSTORE;
    struct mailbox_state st;

    ph_write_raw(&s->w, "* ENABLED");
    for (size_t i = 0; i < c->words.n; i++) {
        unsigned bits = enable_bit(s, c->words.w[i]);
        if (!bits)
            continue;
        s->enabled |= bits;
        ph_write_char(&s->w, ' ');
        ph_write_bytes(&s->w, c->words.w[i]); /* an atom: the grammar has seen to that */
    }
    ph_write_crlf(&s->w);
    s->w.utf8 = s->enabled & PH_EN_UTF8;
    if (s->view && !condstore && (s->enabled & PH_EN_CONDSTORE)) { /* RFC 7162 3.1 */
        mailbox_get_state(s->view->mailbox, &st);
        if (st.real_modseq) {
            ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_OK);
            ph_write_code_number(&s->w, PH_CODE_HIGHESTMODSEQ, s->view->modseq);
            ph_write_status_end(&s->w, PH_STR("Highest that you were told of"));
        }
    }
    session_ok(s, c, "ENABLE completed");
    return 0;
}

/* ---- layers ---- */

int cmd_starttls(struct session *s, struct ph_command *c, struct ph_err *err)
{
    pthread_mutex_lock(&s->server->tls_lock);
    bool tls = s->server->tls;
    pthread_mutex_unlock(&s->server->tls_lock);
    if (s->tls || !tls || s->own_transport) {
        session_bad(s, c, s->tls ? "TLS is active already" : "TLS is not offered");
        return 0;
    }
    session_ok(s, c, "Begin TLS negotiation now");
    s->tls_wanted = true;
    return 0;
}

int session_start_tls(struct session *s, struct ph_err *err)
{
    struct ph_stream *inner = s->stream;
    int rc;

    s->stream = NULL;
    pthread_mutex_lock(&s->server->tls_lock);
    if (s->server->tls) {
        rc = ph_tls_server_start(s->server->tls, inner, &s->stream, err);
    } else {
        ph_stream_free(inner);
        rc = ph_fail(err, PH_SCOPE_SESSION, PH_E_TLS, "no certificate is configured");
    }
    pthread_mutex_unlock(&s->server->tls_lock);
    s->tls = rc == 0;
    return rc;
}

int cmd_compress(struct session *s, struct ph_command *c, struct ph_err *err)
{
    if (c->words.n != 1 || !ph_str_caseis(c->words.w[0], "DEFLATE")) {
        session_bad(s, c, "Only DEFLATE is offered");
    } else if (s->compressed) {
        session_no(s, c, "COMPRESSIONACTIVE", "DEFLATE is active already");
    } else if (s->own_transport) {
        session_no(s, c, "CANNOT", "Not over this transport");
    } else {
        session_ok(s, c, "DEFLATE begins now");
        s->deflate_wanted = true;
    }
    return 0;
}

int session_start_deflate(struct session *s, struct ph_err *err)
{
    struct ph_stream *d = ph_deflate_stream_new(s->stream);

    if (!d)
        return ph_fail_memory(err);
    s->stream = d;
    s->compressed = true;
    return 0;
}

int cmd_unauthenticate(struct session *s, struct ph_command *c, struct ph_err *err)
{
    if (s->compressed) { /* RFC 8437 3: the layer would have to go */
        session_no(s, c, "CANNOT", "Not while compression is active");
        return 0;
    }
    session_logout_user(s);
    session_set_state(s, PH_ST_NOT_AUTHENTICATED);
    s->began = ph_now_ms(); /* the time for a login begins anew */
    session_reset_literals(s);
    ph_write_status(&s->w, c->tag, PH_ST_OK, PH_STR("UNAUTHENTICATE completed"));
    return 0;
}
