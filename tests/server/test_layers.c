/* STARTTLS, TLS and COMPRESS=DEFLATE: what is said inside, what was said before, and what a record or block holds. */
#include "pair.h"

#include <string.h>

static void starttls(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_with_tls(&p);
    pair_start(&p);
    client_open(&c, &p);
    client_ask(&c, "a STARTTLS", "a OK *");
    client_tls(&c, &p, false);
    client_ask(&c, "b SELECT INBOX", "b BAD Log in first"); /* the state is as before */
    client_login(&c, "joe");
    client_ask(&c, "c STARTTLS", "c BAD *");
    client_close(&c);
    /* without a certificate there is none */
    pair_stop(&p);
    pair_init(&p);
    pair_start(&p);
    client_open(&c, &p);
    assert_null(strstr(c.line, "STARTTLS"));
    client_ask(&c, "a STARTTLS", "a BAD *");
    client_close(&c);
    pair_stop(&p);
}

/* Plain text behind STARTTLS is never taken for something said inside (CVE-2011-0411 and many more). */
static void starttls_injection(void **state)
{
    static const char *const after[] = { "b NOOP\r\n", "b", "\r\n", "b LOGIN joe secret\r\nc NOOP\r\n" };
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_with_tls(&p);
    pair_start(&p);
    for (size_t i = 0; i < 4; i++) {
        struct ph_buf b = PH_BUF_INIT;
        client_open(&c, &p);
        ph_buf_add_z(&b, "a STARTTLS\r\n");
        ph_buf_add_z(&b, after[i]);
        client_send_n(&c, ph_buf_data(&b), ph_buf_len(&b));
        ph_buf_done(&b);
        client_expect(&c, "a OK *");
        client_expect_end(&c);
        client_close(&c);
    }
    pair_expect_log(&p, "octets behind STARTTLS");
    pair_stop(&p);
}

/* Two commands in one record, or one block, are both answered, also when the client then waits. */
static void two_at_once(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_with_tls(&p);
    pair_start(&p);
    for (int how = 0; how < 4; how++) { /* 1: TLS, 2: DEFLATE */
        if (how & 1)
            client_open_tls(&c, &p);
        else
            client_open(&c, &p);
        client_login(&c, "joe");
        if (how & 2) {
            client_ask(&c, "c COMPRESS DEFLATE", "c OK *");
            client_deflate(&c);
        }
        client_send(&c, "a NOOP\r\nb NOOP\r\n");
        client_expect(&c, "a OK *");
        client_expect(&c, "b OK *");
        /* much more than one read's worth in one block */
        struct ph_buf b = PH_BUF_INIT;
        for (int i = 0; i < 4000; i++)
            ph_buf_add_z(&b, "d NOOP\r\n");
        client_send_n(&c, ph_buf_data(&b), ph_buf_len(&b));
        ph_buf_done(&b);
        for (int i = 0; i < 4000; i++)
            client_expect(&c, "d OK *");
        client_ask(&c, "e LOGOUT", "* BYE *");
        client_expect(&c, "e OK *");
        client_expect_end(&c);
        client_close(&c);
    }
    pair_stop(&p);
}

static void octets_one_by_one_in_tls(void **state)
{
    static const char script[] = "a LOGIN {3}\r\njoe secret\r\nb NOOP\r\n";
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_with_tls(&p);
    pair_start(&p);
    client_open_tls(&c, &p);
    for (size_t i = 0; i < sizeof script - 1; i++)
        client_send_n(&c, script + i, 1);
    client_expect(&c, "+ OK");
    client_expect(&c, "a OK *");
    client_expect(&c, "b OK *");
    client_close(&c);
    pair_stop(&p);
}

static void compress(void **state)
{
    struct pair p;
    struct client c;

    pair_init(&p);
    pair_start(&p);
    client_open(&c, &p);
    client_ask(&c, "a COMPRESS DEFLATE", "a BAD *");
    client_login(&c, "joe");
    client_ask(&c, "b COMPRESS LZW", "b BAD *");
    client_ask(&c, "c COMPRESS DEFLATE", "c OK *");
    client_deflate(&c);
    client_ask(&c, "d CAPABILITY", "* CAPABILITY *");
    assert_null(strstr(c.line, "COMPRESS"));
    client_expect(&c, "d OK *");
    client_ask(&c, "e COMPRESS DEFLATE", "e NO [COMPRESSIONACTIVE] *");
    client_ask(&c, "f UNAUTHENTICATE", "f NO *");
    client_select(&c, "INBOX");
    client_close(&c);
    pair_stop(&p);
}

/* Damaged octets in a layer end the connection, and nothing else. */
static void damage(void **state)
{
    struct pair p;
    struct client c, other;

    pair_init(&p);
    pair_with_tls(&p);
    pair_start(&p);
    client_open_as(&other, &p, "joe");
    client_open_as(&c, &p, "joe");
    client_ask(&c, "c COMPRESS DEFLATE", "c OK *");
    client_send(&c, "\xff\xff\xff\xff not deflate");
    client_expect_end(&c);
    client_close(&c);
    pair_expect_log(&p, "damaged compressed data");
    client_open(&c, &p);
    client_ask(&c, "a STARTTLS", "a OK *");
    client_send(&c, "b NOOP\r\nthis is not TLS");
    pair_expect_log(&p, "TLS failed");
    client_close(&c);
    client_ask(&other, "a NOOP", "a OK *");
    client_close(&other);
    pair_stop(&p);
}

static void certificate_is_replaced(void **state)
{
    struct pair p;
    struct client c, old;
    struct ph_err err;

    pair_init(&p);
    pair_with_tls(&p);
    pair_start(&p);
    client_open_tls(&old, &p);
    assert_int_equal(ph_server_set_tls(p.server, p.cert_file, NULL, NULL, &err), 0);
    assert_int_equal(ph_server_set_tls(p.server, "/nonexistent", NULL, NULL, &err), -1); /* and the one before stays */
    client_open_tls(&c, &p);
    client_login(&c, "joe");
    client_login(&old, "joe");
    client_close(&c);
    client_close(&old);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starttls),
        cmocka_unit_test(starttls_injection),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(octets_one_by_one_in_tls),
        cmocka_unit_test(compress),
        cmocka_unit_test(damage),
        cmocka_unit_test(certificate_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
