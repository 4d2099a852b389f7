/* APPEND and REPLACE with CATENATE and UTF8: the whole command, and the heads at which a server decides. Examples are
 * from RFC 4469 4, RFC 6855 4 and RFC 8508 3 and 4. */
#include "cmd.h"

static void test_catenate(void **state)
{
    CMD(t, "A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL \"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER\""
           " TEXT {9+}\r\n\r\n--abc\r\n URL {5}\r\n/a/;U)\r\n") {
        const struct ph_append_message *m = t.c.append.messages;
        assert_int_equal(t.c.append.n, 1);
        assert_words(&m->flags, "\\Seen|\\Draft|$MDNSent");
        assert_true(m->catenate && m->announced);
        assert_int_equal(m->stream, -1);
        assert_int_equal(m->n_parts, 3);
        assert_true(m->parts[0].url);
        assert_str(m->parts[0].text, "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER");
        assert_false(m->parts[1].url);
        assert_str(m->parts[1].text, "\r\n--abc\r\n");
        assert_str(m->parts[2].text, "/a/;U");
    }
    CMD(t, "a APPEND x catenate (url a) \" 7-Feb-1994 21:52:25 -0800\" CATENATE (UTF8 (~{2+}\r\n\xc3\xbc) TEXT {0+}\r\n) "
           "(k) utf8 (~{1+}\r\nx) {1+}\r\ny\r\n") {
        const struct ph_append_message *m = t.c.append.messages;
        assert_int_equal(t.c.append.n, 4);
        assert_true(m[1].has_date && m[1].catenate);
        assert_true(m[1].parts[0].utf8);
        assert_str(m[1].parts[0].text, "\xc3\xbc");
        assert_str(m[1].parts[1].text, "");
        assert_true(m[2].utf8 && m[2].binary);
        assert_str(m[2].text, "x");
        assert_str(m[3].text, "y");
    }
    CMD(t, "A003 REPLACE 4 Drafts (\\Seen \\Draft) {3+}\r\nabc\r\n") { /* RFC 8508 3.2 */
        assert_int_equal(t.c.id, PH_CMD_REPLACE);
        assert_int_equal(t.c.states, PH_STATE_SELECTED);
        assert_str(t.c.append.replaces.text, "4");
        assert_str(t.c.append.mailbox, "Drafts");
        assert_str(t.c.append.messages[0].text, "abc");
    }
    CMD(t, "A011 UID REPLACE 3002 Drafts CATENATE (TEXT {1+}\r\nx URL \"/Drafts/;UID=3002\")\r\n") {
        assert_true(t.c.uid);
        assert_int_equal(t.c.append.messages[0].n_parts, 2);
    }
    CMD(t, "a REPLACE * x {1+}\r\ny\r\n") assert_true(t.c.append.replaces.star);
    const char *parts = "expected TEXT, URL or UTF8";
    bad("a APPEND x CATENATE ()\r\n", "a", parts);
    bad("a APPEND x CATENATE (FOO)\r\n", "a", "expected TEXT, URL or UTF8: FOO");
    bad("a APPEND x CATENATE (TEXT)\r\n", "a", "expected a literal");
    bad("a APPEND x CATENATE (TEXT \"y\")\r\n", "a", "TEXT without a literal: y");
    bad("a APPEND x CATENATE (TEXT ~{1+}\r\ny)\r\n", "a", "TEXT without a literal: y");
    bad("a APPEND x CATENATE (URL)\r\n", "a", "expected a URL");
    bad("a APPEND x CATENATE (URL ~{1+}\r\ny)\r\n", "a", "expected a URL");
    bad("a APPEND x CATENATE TEXT\r\n", "a", "a list is missing behind CATENATE or UTF8: TEXT");
    bad("a APPEND x CATENATE\r\n", "a", "expected a list of parts");
    bad("a APPEND x CATENATE (TEXT {1+}\r\ny\r\n", "a", "a list without its end");
    bad("a APPEND x UTF8 ({1+}\r\ny)\r\n", "a", "UTF8 without a literal8");
    bad("a APPEND x UTF8 (~{1+}\r\ny z)\r\n", "a", "an argument too many: z");
    bad("a APPEND x UTF8 ()\r\n", "a", "expected a literal8");
    bad("a APPEND x UTF8 ~{1+}\r\ny\r\n", "a", "a list is missing behind CATENATE or UTF8: y");
    bad("a APPEND x CATENATE (URL y) (k)\r\n", "a", "a message is missing");
    bad("a REPLACE 1:2 x {1+}\r\ny\r\n", "a", "expected one message number: 1:2");
    bad("a REPLACE $ x {1+}\r\ny\r\n", "a", "expected one message number: $");
    bad("a REPLACE 1 x {1+}\r\ny {1+}\r\nz\r\n", "a", "one message takes the place of one");
    bad("a REPLACE 1\r\n", "a", "expected a mailbox name");
    bad("a REPLACE 1 x\r\n", "a", "a message is missing");
}

/* A server that streams all content and collects the rest. What it was told at the heads, one after the other. */
struct told {
    struct ph_buf log;
    struct ph_framer f;
    struct ph_buf in;
    struct ph_arena arena;
    struct ph_err err;
    int rc;
};

static void log_part(struct ph_buf *b, const struct ph_cat_part *p)
{
    ph_buf_add_z(b, p->url ? " url" : p->utf8 ? " utf8" : " text");
    if (p->announced && p->url) {
        ph_buf_add_char(b, '=');
        ph_buf_add_str(b, p->text);
    }
    if (p->stream >= 0) {
        ph_buf_add_char(b, '#');
        ph_buf_add_u64(b, (uint64_t)p->stream);
    }
    ph_buf_add_z(b, p->announced ? "" : "?");
}

static void log_message(struct ph_buf *b, const struct ph_append_message *m)
{
    ph_buf_add_z(b, m->catenate ? " [cat" : m->utf8 ? " [utf8" : " [");
    for (size_t i = 0; i < m->flags.n; i++)
        ph_buf_add_str(b, m->flags.w[i]);
    for (size_t i = 0; i < m->n_parts; i++)
        log_part(b, &m->parts[i]);
    if (m->stream >= 0) {
        ph_buf_add_char(b, '#');
        ph_buf_add_u64(b, (uint64_t)m->stream);
    }
    ph_buf_add_z(b, m->announced ? "]" : "?]");
}

static int at_head(struct told *t, struct ph_append_place *at, bool *stream)
{
    struct ph_command c;
    struct ph_append_head h;

    if (t->f.n_streamed == 0) {
        if (ph_command_parse_head(&t->f, NULL, &t->arena, &c, &t->err))
            return -1;
        for (size_t i = 0; i < c.append.n; i++)
            log_message(&t->log, &c.append.messages[i]);
        h.place = c.append.place;
    } else {
        if (ph_append_next_head(&t->f, NULL, &t->arena, *at, &h, &t->err))
            return -1;
        for (size_t i = 0; i < h.n_rest; i++)
            log_part(&t->log, &h.rest[i]);
        for (size_t i = 0; i < h.n; i++)
            log_message(&t->log, &h.messages[i]);
    }
    *stream = h.place.content;
    if (*stream)
        *at = h.place;
    ph_buf_add_z(&t->log, *stream ? " S;" : " C;");
    return 0;
}

/* The log ends with the whole command, or with the error. */
static void tell(struct ph_str bytes, const char *want)
{
    struct told t = { 0 };
    struct ph_append_place at = { 0 };
    struct ph_command c;
    enum ph_frame_event ev;
    bool stream;

    ph_framer_init(&t.f, NULL);
    t.f.commands = true;
    ph_arena_init(&t.arena, 0);
    ph_buf_add_str(&t.in, bytes);
    while ((ev = ph_framer_next(&t.f, &t.in, &t.err)) != PH_FRAME_DONE && !t.rc) {
        if (ev == PH_FRAME_STREAM) {
            ph_framer_streamed(&t.f, &t.in, t.f.literal_left);
            continue;
        }
        assert_int_equal(ev, PH_FRAME_LITERAL);
        t.rc = at_head(&t, &at, &stream);
        if (!t.rc)
            assert_int_equal(stream ? ph_framer_stream(&t.f, &t.in, &t.err) : ph_framer_collect(&t.f, &t.err), 0);
    }
    if (!t.rc)
        t.rc = ph_command_parse(&t.f, NULL, &t.arena, &c, &t.err);
    if (t.rc) {
        ph_buf_add_z(&t.log, " ");
        ph_buf_add_z(&t.log, t.err.text);
    }
    for (size_t i = 0; !t.rc && i < c.append.n; i++)
        log_message(&t.log, &c.append.messages[i]);
    assert_string_equal(ph_buf_z(&t.log), want);
    ph_buf_done(&t.log);
    ph_buf_done(&t.in);
    ph_arena_done(&t.arena);
    ph_framer_done(&t.f);
}

static void test_heads(void **state)
{
    tell(PH_STR("a APPEND x CATENATE (URL /a TEXT {2+}\r\nhi URL {3+}\r\n/bc TEXT {3+}\r\nyou URL \"/d\")\r\n"),
         " [cat url=/a text??] S; url? C; url=/bc text? S; [cat url=/a text#0 url=/bc text#1 url=/d]");
    tell(PH_STR("a APPEND x CATENATE (TEXT {2+}\r\nhi) (k) CATENATE (URL /b) UTF8 (~{3+}\r\nyou) {1+}\r\nx (l) {1+}\r\ny\r\n"),
         " [cat text??] S; [catk url=/b] [utf8?] S; [?] S; [l?] S; [cat text#0] [catk url=/b] [utf8#1] [#2] [l#3]");
    tell(PH_STR("a APPEND x CATENATE (UTF8 (~{2+}\r\nhi) UTF8 (~{0+}\r\n) TEXT {1+}\r\nx)\r\n"),
         " [cat utf8??] S; utf8? S; text? S; [cat utf8#0 utf8#1 text#2]");
    tell(PH_STR("a APPEND {1+}\r\nx (k) UTF8 (~{1+}\r\ny)\r\n"), " C; [utf8k?] S; [utf8k#0]");
    tell(PH_STR("a REPLACE 7 {1+}\r\nx CATENATE (URL {2+}\r\n/a TEXT {1+}\r\ny)\r\n"),
         " C; [cat url??] C; [cat url=/a text??] S; [cat url=/a text#0]");
    /* refused before the octets come, or at the end */
    tell(PH_STR("a APPEND x CATENATE (FOO {1+}\r\n"), " expected TEXT, URL or UTF8: FOO");
    tell(PH_STR("a APPEND x CATENATE (URL /a {1+}\r\n"), " expected TEXT, URL or UTF8");
    tell(PH_STR("a APPEND x CATENATE ({1+}\r\n"), " expected TEXT, URL or UTF8");
    tell(PH_STR("a APPEND x CATENATE (TEXT ~{1+}\r\n"), " TEXT without a literal");
    tell(PH_STR("a APPEND x CATENATE (TEXT{1+}\r\n"), " a blank is missing before the literal");
    tell(PH_STR("a APPEND x UTF8 ({1+}\r\n"), " UTF8 without a literal8");
    tell(PH_STR("a APPEND x UTF8 (y ~{1+}\r\n"), " UTF8 without a literal8");
    tell(PH_STR("a APPEND x (k {1+}\r\n"), " a list without its end");
    tell(PH_STR("a APPEND x CATENATE (TEXT {1+}\r\nx{1+}\r\n"), " [cat text??] S; a blank is missing between messages");
    tell(PH_STR("a APPEND x CATENATE (TEXT {1+}\r\nx){1+}\r\n"), " [cat text??] S; a blank is missing between messages");
    tell(PH_STR("a APPEND x CATENATE (TEXT {1+}\r\nx ({1+}\r\n"), " [cat text??] S; expected TEXT, URL or UTF8");
    tell(PH_STR("a APPEND x CATENATE (TEXT {1+}\r\nx FOO) {1+}\r\n"), " [cat text??] S; expected TEXT, URL or UTF8: FOO");
    tell(PH_STR("a APPEND x UTF8 (~{1+}\r\nx {1+}\r\n"), " [utf8?] S; ) is missing behind a literal8");
    tell(PH_STR("a APPEND x UTF8 (~{1+}\r\nx){1+}\r\n"), " [utf8?] S; a blank is missing between messages");
    tell(PH_STR("a APPEND x {1+}\r\nx CATENATE (URL /b){1+}\r\n"), " [?] S; no message is announced");
    tell(PH_STR("a APPEND x {1+}\r\nx) {1+}\r\n"), " [?] S; a blank is missing between messages");
    tell(PH_STR("a APPEND x CATENATE (TEXT {1+}\r\nx URL y\r\n"), " [cat text??] S; a list without its end");
    tell(PH_STR("a REPLACE 1:2 x {1+}\r\n"), " expected one message number: 1:2");
}

/* As many parts as one likes cost what they are long. */
static void test_many_parts(void **state)
{
    struct ph_buf line = PH_BUF_INIT;
    const struct ph_frame_limits limits = { 8 << 20, 1 << 20, 100000 };
    struct ph_framer f;
    struct ph_arena arena;
    struct ph_command c;
    struct ph_append_head h;
    struct ph_err err;
    enum ph_frame_event ev;

    ph_framer_init(&f, &limits);
    f.commands = true;
    ph_arena_init(&arena, 0);
    ph_buf_add_z(&line, "a APPEND x CATENATE (TEXT {1+}\r\nx");
    for (int i = 0; i < 40000; i++)
        ph_buf_add_z(&line, " URL /Drafts/;UID=1 TEXT {1+}\r\ny");
    ph_buf_add_z(&line, ")\r\n");
    h.place = (struct ph_append_place){ 0 };
    while ((ev = ph_framer_next(&f, &line, &err)) != PH_FRAME_DONE) {
        if (ev == PH_FRAME_STREAM) {
            ph_framer_streamed(&f, &line, f.literal_left);
            continue;
        }
        assert_int_equal(ev, PH_FRAME_LITERAL);
        if (f.n_streamed) {
            assert_int_equal(ph_append_next_head(&f, NULL, &arena, h.place, &h, &err), 0);
            assert_int_equal(h.n_rest, 2);
        } else {
            assert_int_equal(ph_command_parse_head(&f, NULL, &arena, &c, &err), 0);
            h.place = c.append.place;
        }
        assert_true(h.place.content && h.place.in_catenate);
        assert_int_equal(ph_framer_stream(&f, &line, &err), 0);
        ph_arena_reset(&arena);
    }
    const struct ph_args_limits many = { 50, 200000, 10 };
    assert_int_equal(ph_command_parse(&f, &many, &arena, &c, &err), 0);
    assert_int_equal(c.append.messages[0].n_parts, 80001);
    assert_int_equal(ph_command_parse(&f, NULL, &arena, &c, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    ph_arena_done(&arena);
    ph_framer_done(&f);
    ph_buf_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catenate),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_many_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
