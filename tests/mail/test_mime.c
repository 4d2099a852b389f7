/* The structure of messages, in whatever pieces they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mail/mime.h"

/* Leaf bodies as the callbacks bring them. */
struct seen {
    struct ph_buf body[64];
    unsigned ended;
    int fail_at; /* part whose header callback fails */
};

static int on_header(void *ctx, uint32_t part, struct ph_str header, struct ph_err *err)
{
    struct seen *s = ctx;

    if ((int)part == s->fail_at)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_CANCELLED, "planted");
    return 0;
}

static int on_body(void *ctx, uint32_t part, const char *p, size_t n, struct ph_err *err)
{
    struct seen *s = ctx;

    assert_true(n > 0);
    return part < 64 ? ph_buf_add(&s->body[part], p, n) : 0;
}

static int on_end(void *ctx, uint32_t part, struct ph_err *err)
{
    ((struct seen *)ctx)->ended++;
    return 0;
}

static void parse(struct ph_mime *m, struct seen *s, struct ph_str text, size_t cut, const struct ph_mime_limits *limits)
{
    struct ph_mime_calls calls = { on_header, on_body, on_end, s };
    struct ph_err err;

    memset(s, 0, sizeof *s);
    s->fail_at = -1;
    assert_int_equal(ph_mime_init(m, limits, &calls, &err), 0);
    for (size_t i = 0; i < text.n; i += cut)
        assert_int_equal(ph_mime_feed(m, text.p + i, text.n - i < cut ? text.n - i : cut, &err), 0);
    assert_int_equal(ph_mime_finish(m, &err), 0);
    assert_int_equal(s->ended, m->n_parts);
}

static void forget(struct ph_mime *m, struct seen *s)
{
    for (int i = 0; i < 64; i++)
        ph_buf_done(&s->body[i]);
    ph_mime_done(m);
}

/* `(type/subtype child child)` with the body of each leaf in brackets, its line ends shown as | and CR left out. */
static void outline(const struct ph_mime *m, struct ph_str text, uint32_t part, struct ph_buf *out)
{
    const struct ph_mime_part *p = &m->parts[part];

    assert_true(p->header <= p->body && p->body <= p->end && p->end <= text.n);
    ph_buf_add_z(out, "(");
    ph_buf_add_z(out, p->type);
    ph_buf_add_z(out, "/");
    ph_buf_add_z(out, p->subtype);
    for (uint32_t c = p->child; c != PH_MIME_NO_PART; c = m->parts[c].next) {
        assert_int_equal(m->parts[c].parent, part);
        assert_int_equal(m->parts[c].depth, p->depth + 1);
        assert_true(m->parts[c].header >= p->body && m->parts[c].end <= p->end);
        ph_buf_add_z(out, " ");
        outline(m, text, c, out);
    }
    if (p->kind == PH_MIME_LEAF) {
        ph_buf_add_z(out, " [");
        for (uint64_t i = p->body; i < p->end; i++)
            if (text.p[i] != '\r')
                ph_buf_add_char(out, text.p[i] == '\n' ? '|' : text.p[i]);
        ph_buf_add_z(out, "]");
    }
    ph_buf_add_z(out, ")");
}

struct mime_case {
    const char *text, *want;
};

#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"

static const struct mime_case cases[] = {
    { "", "(text/plain [])" },
    { "Subject: x", "(text/plain [])" },
    { "Subject: x\n", "(text/plain [])" },
    { "Subject: x\n\n", "(text/plain [])" },
    { "Subject: x\n\nhello\nyou\n", "(text/plain [hello|you|])" },
    { "Subject: x\n\nhello", "(text/plain [hello])" },
    { "\nhello\n", "(text/plain [hello|])" },
    { "Content-Type: IMAGE/Gif; name=x\n\nGIF\n", "(image/gif [GIF|])" },
    { "Content-Type: nonsense\n\nx\n", "(text/plain [x|])" },
    { "Content-Type: text/\n\nx\n", "(text/plain [x|])" },
    /* RFC 2046 5.1.1: the line end before a boundary is the boundary's */
    { MIXED "preamble\n--b\n\none\n--b\nContent-Type: text/html\n\n<b>\n\n--b--\nepilogue\n",
      "(multipart/mixed (text/plain [one]) (text/html [<b>|]))" },
    { MIXED "--b\n\none\n--b--", "(multipart/mixed (text/plain [one]))" },
    { MIXED "--b\n\none\n--b", "(multipart/mixed (text/plain [one]) (text/plain []))" },
    { MIXED "--b\n\none\n", "(multipart/mixed (text/plain [one|]))" },         /* no end */
    { MIXED "--b--\n", "(multipart/mixed)" },
    { MIXED, "(multipart/mixed)" },
    { MIXED "no parts\n", "(multipart/mixed)" },
    { MIXED "--b\nContent-Type: text/x\n--b\n\ntwo\n--b--\n", "(multipart/mixed (text/x []) (text/plain [two]))" },
    { MIXED "--b\n--b\n\n\n--b--\n", "(multipart/mixed (text/plain []) (text/plain []))" },
    { MIXED "--b\n\n--b\n\n\n\n--b--\n", "(multipart/mixed (text/plain []) (text/plain [|]))" },
    { MIXED "--b  \t\n\none\n--b-- \n", "(multipart/mixed (text/plain [one]))" }, /* blanks behind it */
    { MIXED "--b\n\n--bc\n --b\n-b\n--b-\n--b---\n--b--\n", "(multipart/mixed (text/plain [--bc| --b|-b|--b-|--b---]))" },
    { MIXED "--b\n\none\n--b--\n--b\n\nepilogue\n", "(multipart/mixed (text/plain [one]))" },
    { "Content-Type: multipart/mixed\n\n--b\n\none\n", "(multipart/mixed [--b||one|])" }, /* no boundary: a leaf */
    { "Content-Type: multipart/mixed; boundary=\"\"\n\nx\n", "(multipart/mixed [x|])" },
    { "Content-Type: multipart/mixed; boundary=\" b \"\n\n-- b\n\none\n-- b--\n", "(multipart/mixed (text/plain [one]))" },
    { "Content-Type: multipart/mixed;\n\tboundary=\"a\n b\" (c)\n\n--a b\n\none\n--a b--\n",
      "(multipart/mixed (text/plain [one]))" },
    /* one in another */
    { MIXED "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--c\n\ntwo\n--c--\n--b\n\nthree\n--b--\n",
      "(multipart/mixed (multipart/alternative (text/plain [one]) (text/plain [two])) (text/plain [three]))" },
    { MIXED "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--b\n\nthree\n--b--\n", /* the inner has no end */
      "(multipart/mixed (multipart/alternative (text/plain [one])) (text/plain [three]))" },
    { MIXED "--b\nContent-Type: multipart/x; boundary=bb\n\n--bb\n\none\n--bb--\n--b--\n", /* one a prefix of the other */
      "(multipart/mixed (multipart/x (text/plain [one])))" },
    { MIXED "--b\nContent-Type: multipart/x; boundary=b\n\n--b\n\none\n--b--\n", /* the same twice: the inner */
      "(multipart/mixed (multipart/x (text/plain [one])))" },
    { MIXED "--b\nContent-Type: multipart/x; boundary=c\n\n--b\n\none\n--b--\n",
      "(multipart/mixed (multipart/x) (text/plain [one]))" },
    /* messages */
    { "Content-Type: message/rfc822\n\nSubject: y\n\ninner\n", "(message/rfc822 (text/plain [inner|]))" },
    { "Content-Type: message/rfc822\n\n", "(message/rfc822 (text/plain []))" },
    { "Content-Type: message/rfc822", "(message/rfc822 (text/plain []))" },
    { "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdA==\n", "(message/rfc822 [U3ViamVjdA==|])" },
    { "Content-Type: message/delivery-status\n\nx\n", "(message/delivery-status [x|])" },
    { MIXED "--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/y; boundary=c\n\n--c\n\none\n--c--\n\n--b\n\ntwo\n--b--\n",
      "(multipart/mixed (message/rfc822 (multipart/y (text/plain [one]))) (text/plain [two]))" },
    { MIXED "--b\nContent-Type: message/rfc822\n--b--\n", "(multipart/mixed (message/rfc822 (text/plain [])))" },
    { "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: y\n\none\n--b\nContent-Type: text/z\n\ntwo\n--b--\n",
      "(multipart/digest (message/rfc822 (text/plain [one])) (text/z [two]))" },
};

static void run_case(const struct mime_case *c, bool crlf)
{
    struct ph_buf text = PH_BUF_INIT, got = PH_BUF_INIT;
    struct ph_mime m;
    struct seen s;

    for (const char *p = c->text; *p; p++) {
        if (crlf && *p == '\n')
            ph_buf_add_char(&text, '\r');
        ph_buf_add_char(&text, *p);
    }
    struct ph_str t = ph_buf_str(&text);
    size_t cuts[] = { t.n + 1, 1, 2, 3, 5, 7, 11 };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        parse(&m, &s, t, cuts[i], NULL);
        ph_buf_clear(&got);
        outline(&m, t, 0, &got);
        if (strcmp(ph_buf_z(&got), c->want) != 0)
            fail_msg("%s\n  got  %s\n  want %s", c->text, ph_buf_z(&got), c->want);
        for (uint32_t k = 0; k < m.n_parts && k < 64; k++) {
            const struct ph_mime_part *p = &m.parts[k];
            if (p->kind == PH_MIME_LEAF)
                assert_true(ph_str_eq(ph_buf_str(&s.body[k]), (struct ph_str){ t.p + p->body, p->end - p->body }));
            uint64_t lines = 0, header_lines = 0;
            for (uint64_t o = p->body; o < p->end; o++)
                lines += t.p[o] == '\n';
            for (uint64_t o = p->header; o < p->body; o++)
                header_lines += t.p[o] == '\n';
            if (p->body_lines != lines || p->header_lines != header_lines)
                fail_msg("%s\n part %u: %u and %u lines, not %u and %u", c->text, k, (unsigned)p->header_lines,
                         (unsigned)p->body_lines, (unsigned)header_lines, (unsigned)lines);
        }
        forget(&m, &s);
    }
    ph_buf_done(&text);
    ph_buf_done(&got);
}

static void test_structure(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_case(&cases[i], false);
        run_case(&cases[i], true);
    }
}

/* Lines longer than what is kept of them, with boundaries around, in all pieces. */
static void test_long_lines(void **state)
{
    for (size_t n = 240; n < 270; n++) {
        char text[1024], want[600], xs[300];
        memset(xs, 'x', n);
        xs[n] = 0;
        snprintf(text, sizeof text, MIXED "--b\n\n%s\n%s\n--b\n\n--b%s\n--b--\n", xs, xs, xs);
        snprintf(want, sizeof want, "%s", "(multipart/mixed (text/plain [");
        struct ph_buf w = PH_BUF_INIT;
        ph_buf_add_z(&w, want);
        ph_buf_add_z(&w, xs);
        ph_buf_add_z(&w, "|");
        ph_buf_add_z(&w, xs);
        ph_buf_add_z(&w, "]) (text/plain [--b");
        ph_buf_add_z(&w, xs);
        ph_buf_add_z(&w, "]))");
        struct mime_case c = { text, ph_buf_z(&w) };
        run_case(&c, false);
        run_case(&c, true);
        ph_buf_done(&w);
    }
}

static void test_fields(void **state)
{
    static const char text[] = "Content-Type: TEXT/html (really); charset=\"ISO-8859-1\"; x=y\r\n"
                               "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n=20\r\n";
    struct ph_mime m;
    struct seen s;

    parse(&m, &s, PH_STR(text), 4, NULL);
    assert_string_equal(m.parts[0].charset, "iso-8859-1");
    assert_int_equal(m.parts[0].cte, PH_CTE_QP);
    assert_false(m.limited);
    forget(&m, &s);
}

/* ---- limits ---- */

static void nest(struct ph_buf *b, int depth)
{
    for (int i = 0; i < depth; i++) {
        ph_buf_add_z(b, "Content-Type: multipart/mixed; boundary=b");
        ph_buf_add_u64(b, (uint64_t)i);
        ph_buf_add_z(b, "\n\n--b");
        ph_buf_add_u64(b, (uint64_t)i);
        ph_buf_add_z(b, "\n");
    }
    ph_buf_add_z(b, "\nx\n");
}

static void test_depth(void **state)
{
    struct ph_mime_limits limits = { .depth = 5 };
    struct ph_buf b = PH_BUF_INIT;
    struct ph_mime m;
    struct seen s;

    nest(&b, 5);
    parse(&m, &s, ph_buf_str(&b), 100, &limits);
    assert_int_equal(m.n_parts, 6);
    assert_false(m.limited);
    forget(&m, &s);
    ph_buf_clear(&b);
    nest(&b, 50);
    parse(&m, &s, ph_buf_str(&b), 100, &limits);
    assert_int_equal(m.n_parts, 6);
    assert_int_equal(m.parts[5].kind, PH_MIME_LEAF);
    assert_true(m.limited);
    forget(&m, &s);
    ph_buf_clear(&b);
    nest(&b, 100000); /* by default a hundred, and quickly */
    parse(&m, &s, ph_buf_str(&b), 65536, NULL);
    assert_int_equal(m.n_parts, 101);
    assert_true(m.limited);
    forget(&m, &s);
    ph_buf_clear(&b);
    for (int i = 0; i < 100000; i++)
        ph_buf_add_z(&b, "Content-Type: message/rfc822\n\n");
    parse(&m, &s, ph_buf_str(&b), 65536, NULL);
    assert_int_equal(m.n_parts, 101);
    assert_true(m.limited);
    forget(&m, &s);
    ph_buf_done(&b);
}

static void test_count(void **state)
{
    struct ph_mime_limits limits = { .parts = 10 };
    struct ph_buf b = PH_BUF_INIT;
    struct ph_mime m;
    struct seen s;

    ph_buf_add_z(&b, MIXED);
    for (int i = 0; i < 9; i++)
        ph_buf_add_z(&b, "--b\n\nx\n");
    size_t n = ph_buf_len(&b);
    parse(&m, &s, ph_buf_str(&b), 1000, &limits);
    assert_int_equal(m.n_parts, 10);
    assert_false(m.limited);
    forget(&m, &s);
    ph_buf_add_z(&b, "--b\n\nx\n");
    parse(&m, &s, ph_buf_str(&b), 1000, &limits);
    assert_int_equal(m.n_parts, 10);
    assert_true(m.limited);
    assert_int_equal(m.parts[0].end, n + 7);
    forget(&m, &s);
    ph_buf_done(&b);
}

static void test_header_limit(void **state)
{
    struct ph_mime_limits limits = { .header = 40 };
    struct ph_mime m;
    struct seen s;
    static const char text[] = "Subject: 1\nContent-Type: text/html\nX: y\nContent-Transfer-Encoding: base64\n\nbody";

    parse(&m, &s, PH_STR(text), 3, &limits);
    assert_true(m.parts[0].header_cut);
    assert_string_equal(m.parts[0].subtype, "html");
    assert_int_equal(m.parts[0].cte, PH_CTE_7BIT); /* not seen */
    assert_int_equal(m.parts[0].body, sizeof text - 1 - 4);
    forget(&m, &s);
}

static void test_callback_fails(void **state)
{
    struct ph_mime_calls calls = { .header = on_header };
    struct seen s = { .fail_at = 1 };
    struct ph_mime m;
    struct ph_err err;

    calls.ctx = &s;
    assert_int_equal(ph_mime_init(&m, NULL, &calls, &err), 0);
    assert_int_equal(ph_mime_feed(&m, PH_STR(MIXED "--b\n\nx\n").p, sizeof MIXED "--b\n\nx\n" - 1, &err), -1);
    assert_int_equal(err.kind, PH_E_CANCELLED);
    ph_mime_done(&m);
}

/* Any mixture of the pieces that matter: the offsets hold, and the pieces it comes in change nothing. */
static void test_noise(void **state)
{
    static const char *const pieces[] = { "\n", "\r\n", "\r", "--b", "--b\n", "--b--\n", "--c\r\n", "--c--", "x", " ",
                                          "Content-Type: multipart/mixed; boundary=b\n", "Content-Type: message/rfc822\r\n",
                                          "Content-Type: multipart/digest; boundary=\"c\"\r\n", "\n\n", "--", "-" };
    struct ph_buf b = PH_BUF_INIT, one = PH_BUF_INIT, two = PH_BUF_INIT;
    uint32_t seed = 5;

    for (int round = 0; round < 20000; round++) {
        struct ph_mime m;
        struct seen s;
        ph_buf_clear(&b);
        seed = seed * 1664525 + 1013904223;
        for (unsigned n = seed >> 24 & 31; n; n--) {
            seed = seed * 1664525 + 1013904223;
            ph_buf_add_z(&b, pieces[seed >> 28]);
        }
        ph_buf_clear(&one);
        ph_buf_clear(&two);
        parse(&m, &s, ph_buf_str(&b), ph_buf_len(&b) + 1, NULL);
        outline(&m, ph_buf_str(&b), 0, &one);
        forget(&m, &s);
        parse(&m, &s, ph_buf_str(&b), 1 + (seed >> 20) % 9, NULL);
        outline(&m, ph_buf_str(&b), 0, &two);
        for (uint32_t k = 0; k < m.n_parts && k < 64; k++)
            if (m.parts[k].kind == PH_MIME_LEAF)
                assert_true(ph_str_eq(ph_buf_str(&s.body[k]),
                                      (struct ph_str){ ph_buf_str(&b).p + m.parts[k].body, m.parts[k].end - m.parts[k].body }));
        forget(&m, &s);
        assert_string_equal(ph_buf_z(&one), ph_buf_z(&two));
    }
    ph_buf_done(&b);
    ph_buf_done(&one);
    ph_buf_done(&two);
}

/* ---- parameters ---- */

static void test_type(void **state)
{
    struct ph_str t, s;

    assert_true(ph_mime_type(PH_STR(" text / plain ; a=b"), &t, &s));
    assert_true(ph_str_is(t, "text") && ph_str_is(s, "plain"));
    assert_true(ph_mime_type(PH_STR("(c (d\\)) e) text/x-y\r\n"), &t, &s));
    assert_true(ph_str_is(t, "text") && ph_str_is(s, "x-y"));
    assert_false(ph_mime_type(PH_STR("text"), &t, &s));
    assert_false(ph_mime_type(PH_STR("/plain"), &t, &s));
    assert_false(ph_mime_type(PH_STR(""), &t, &s));
    assert_false(ph_mime_type(PH_STR_NIL, &t, &s));
    assert_false(ph_mime_type(PH_STR("(text/plain"), &t, &s));
}

static void test_params(void **state)
{
    static const struct {
        const char *value, *name, *want; /* NULL: not there */
    } table[] = {
        { "text/plain; charset=us-ascii", "charset", "us-ascii" },
        { "text/plain; CHARSET = \"us-ascii\" ; x=y", "charset", "us-ascii" },
        { "text/plain; x=\"; charset=no\"; charset=yes", "charset", "yes" },
        { "text/plain; charset=us-ascii (Plain text)", "charset", "us-ascii" }, /* RFC 2045 5.1 */
        { "text/plain; a=\"x\\\"y\\\\z\"", "a", "x\"y\\z" },
        { "text/plain; boundary=a/b=c?d", "boundary", "a/b=c?d" },               /* should have been quoted */
        { "text/plain; xcharset=a; charsetx=b", "charset", NULL },
        { "text/plain; charset", "charset", NULL },
        { "text/plain; charset=", "charset", "" },
        { "text/plain", "charset", NULL },
        { "charset=x", "charset", NULL },
        { "text/plain; a=\"open", "a", "open" },
        { "text/plain;a=1;a=2", "a", "1" },
        /* RFC 2231 3, 4, 4.1 */
        { "message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
          "url", "ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar" },
        { "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title", "This is ***fun***" },
        { "application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
          "title", "This is even more ***fun*** isn't it!" },
        { "x/y; a*1=2; a*0=1", "a", "12" },
        { "x/y; a*1=2", "a", NULL },
        { "x/y; a*0=1; a*2=3", "a", "1" },
        { "x/y; a*=\"us-ascii''b%20c'd\"; e=f", "a", "b c'd" }, /* quoted against the rules */
        { "x/y; a*=%zz%4", "a", "%zz%4" },
    };
    struct ph_buf out = PH_BUF_INIT;

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ph_buf_clear(&out);
        assert_int_equal(ph_mime_param(ph_str(table[i].value), table[i].name, &out), table[i].want != NULL);
        assert_string_equal(ph_buf_z(&out), table[i].want ? table[i].want : "");
    }
    ph_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),  cmocka_unit_test(test_long_lines),   cmocka_unit_test(test_fields),
        cmocka_unit_test(test_depth),      cmocka_unit_test(test_count),        cmocka_unit_test(test_header_limit),
        cmocka_unit_test(test_callback_fails), cmocka_unit_test(test_noise),    cmocka_unit_test(test_type),
        cmocka_unit_test(test_params),
    };
    return cmocka_run_group_tests_name("mail/mime", tests, NULL, NULL);
}
