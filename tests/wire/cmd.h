/* cmd.h: one command from text, as the tests of the parser want it. */
#ifndef TESTS_WIRE_CMD_H
#define TESTS_WIRE_CMD_H

#include "resp.h"
#include "wire/command.h"

struct cmd {
    struct ph_framer f;
    struct ph_buf in;
    struct ph_arena arena;
    struct ph_command c;
    struct ph_err err;
    int rc;
};

static inline void cmd_parse(struct cmd *t, struct ph_str bytes, const struct ph_args_limits *limits)
{
    memset(t, 0, sizeof *t);
    ph_framer_init(&t->f, NULL);
    t->f.commands = true;
    ph_arena_init(&t->arena, 0);
    assert_int_equal(ph_buf_add_str(&t->in, bytes), 0);
    enum ph_frame_event ev;
    while ((ev = ph_framer_next(&t->f, &t->in, &t->err)) == PH_FRAME_LITERAL)
        assert_int_equal(ph_framer_collect(&t->f, &t->err), 0);
    assert_int_equal(ev, PH_FRAME_DONE);
    t->rc = ph_command_parse(&t->f, limits, &t->arena, &t->c, &t->err);
}

static inline void cmd_done(struct cmd *t)
{
    ph_arena_done(&t->arena);
    ph_framer_done(&t->f);
    ph_buf_done(&t->in);
}

static inline void cmd_good(struct cmd *t, struct ph_str bytes)
{
    cmd_parse(t, bytes, NULL);
    if (t->rc)
        fail_msg("%.*s: %s", PH_FMT(bytes), t->err.text);
}

/* For blocks: CMD(t, "a NOOP\r\n") { … } */
#define CMD(t, bytes) \
    for (struct cmd t, *t##_once = (cmd_good(&t, PH_STR(bytes)), &t); t##_once; cmd_done(&t), t##_once = NULL)

static inline void bad(const char *line, const char *tag, const char *text)
{
    struct cmd t;

    cmd_parse(&t, ph_str(line), NULL);
    if (t.rc != -1)
        fail_msg("%s was taken", line);
    assert_int_equal(t.err.kind, PH_E_PROTOCOL);
    assert_int_equal(t.err.scope, PH_SCOPE_NONE);
    assert_str(t.c.tag, tag);
    assert_string_equal(t.err.text, text);
    cmd_done(&t);
}

#endif
