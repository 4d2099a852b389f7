/* resp.h: one response from text, as the tests of the parser want it. */
#ifndef TESTS_WIRE_RESP_H
#define TESTS_WIRE_RESP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/response.h"

struct resp {
    struct ph_framer f;
    struct ph_buf in;
    struct ph_arena arena;
    struct ph_resp r;
    struct ph_err err;
    int rc;
};

/* Frames and parses `bytes`, which hold one response with its CRLF; all literals are collected. */
static inline struct ph_resp *resp_parse_limits(struct resp *t, struct ph_str bytes,
                                                const struct ph_resp_limits *limits)
{
    memset(t, 0, sizeof *t);
    ph_framer_init(&t->f, NULL);
    ph_arena_init(&t->arena, 0);
    assert_int_equal(ph_buf_add_str(&t->in, bytes), 0);
    enum ph_frame_event ev;
    while ((ev = ph_framer_next(&t->f, &t->in, &t->err)) == PH_FRAME_LITERAL)
        assert_int_equal(ph_framer_collect(&t->f, &t->err), 0);
    assert_int_equal(ev, PH_FRAME_DONE);
    t->rc = ph_resp_parse(&t->f, limits, &t->arena, &t->r, &t->err);
    return &t->r;
}

static inline void resp_done(struct resp *t)
{
    ph_resp_done(&t->r);
    ph_arena_done(&t->arena);
    ph_framer_done(&t->f);
    ph_buf_done(&t->in);
}

static inline struct ph_resp *resp_parse(struct resp *t, struct ph_str bytes)
{
    struct ph_resp *r = resp_parse_limits(t, bytes, NULL);

    assert_int_equal(t->rc, 0);
    return r;
}

/* For blocks: RESP(t, "* OK\r\n") { … } */
#define RESP(t, bytes)                                                                     \
    for (struct resp t, *t##_once = (resp_parse(&t, PH_STR(bytes)), &t); t##_once; resp_done(&t), t##_once = NULL)

static inline void assert_str(struct ph_str s, const char *want)
{
    if (!want) {
        assert_null(s.p);
        return;
    }
    assert_non_null(s.p);
    if (!ph_str_is(s, want))
        fail_msg("\"%.*s\" is not \"%s\"", PH_FMT(s), want);
}

static inline void assert_words(const struct ph_words *w, const char *joined)
{
    struct ph_buf b = PH_BUF_INIT;

    for (size_t i = 0; i < w->n; i++) {
        if (i)
            ph_buf_add_char(&b, '|');
        if (w->w[i].p)
            ph_buf_add_str(&b, w->w[i]);
        else
            ph_buf_add_z(&b, "<nil>");
    }
    assert_string_equal(ph_buf_z(&b), joined);
    ph_buf_done(&b);
}

static inline void assert_set(const struct ph_numset *s, const char *want)
{
    struct ph_buf b = PH_BUF_INIT;

    assert_int_equal(ph_numset_format(s, &b), 0);
    assert_string_equal(ph_buf_z(&b), want);
    ph_buf_done(&b);
}

#endif
