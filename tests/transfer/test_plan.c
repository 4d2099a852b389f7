/* The planner: mailboxes before, ledger, and what is to be done (mailbox.h has the notation). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mailbox.h"

#define NONE .append_limit = UINT64_MAX
#define COPY { NONE, .update_flags = true }
#define MIRROR { NONE, .update_flags = true, .expunge = true }

struct plan_case {
    const char *name;
    const char *src, *dst, *ledger; /* dst NULL: there is no such folder */
    const char *want;
    const char *bytes;  /* what it asks to read first, or NULL */
    struct ph_policy policy;
    const char *wanted; /* source UIDs, NULL: all */
    const char *unsure; /* source UIDs that may have been sent */
    bool incomplete, changes;
    uint32_t exists;    /* of the source, 0: as many as there are */
};

static const struct plan_case cases[] = {
    { "first copy", "1a/A 2b/B 3-/C", NULL, "", "copy 1:3", NULL, COPY },
    { "first copy into an empty folder", "1a/A 2b/B", "", "", "copy 1:2", NULL, COPY },
    { "nothing there", "", "", "", "", NULL, COPY },
    { "rows in any order", "3c/C 1a/A 2b/B", "", "", "copy 1:3", NULL, COPY },
    { "repeat", "1a/A 2b/B", "11a/A 12b/B", "1>11 2>12", "known 1:2", NULL, COPY },
    { "repeat without looking at the destination", "1a/A 2b/B", NULL, "1>11 2>12", "known 1:2", NULL, COPY },
    { "new mail", "1a/A 2b/B 3c/C", "11a/A 12b/B", "1>11 2>12", "copy 3; known 1:2", NULL, COPY },
    { "ledger lost", "1a/A 2b/B 3c/C", "11c/C 12a/A 13b/B", "", "adopt 1>12 2>13 3>11", NULL, COPY },
    { "half filled by another program", "1a/A 2b/B 3c/C 4d/D", "11b/B 12x/X 13d/D", "", "copy 1,3; adopt 2>11 4>13", NULL,
      COPY },
    { "a copy that was deleted on the destination is not sent again", "1a/A", "", "1>11", "known 1", NULL, COPY },

    /* equal keys: bytes decide, then occurrence */
    { "duplicates 2:2", "1a/A 2a/A", "11a/A 12a/A", "", "adopt 1>11 2>12", "1:2/11:12", COPY },
    { "duplicates 2:1", "1a/A 2a/A", "11a/A", "", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "duplicates 1:2", "1a/A", "11a/A 12a/A", "", "adopt 1>11", "1/11:12", COPY },
    { "duplicates 3:2", "1a/A 2a/A 3a/A", "11a/A 12a/A", "", "copy 3; adopt 1>11 2>12", "1:3/11:12", COPY },
    { "duplicates 3:0", "1a/A 2a/A 3a/A", "", "", "copy 1:3", NULL, COPY },
    { "duplicates, the date tells which is there", "1a/A@5 2a/A@6", "11a/A@6", "", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "duplicates, the flags tell which is there", "1a/A@5 2a/A@5+S 3a/A@6", "11a/A@5+S", "", "copy 1,3; adopt 2>11", "1:3/11",
      COPY },
    { "duplicates, one by its date, one by what is left", "1a/A@5 2a/A@6", "11a/A@7 12a/A@5", "", "adopt 1>12 2>11", "1:2/11:12",
      COPY },
    { "one key, two messages, the second is there", "1a/A 2a/B", "11a/B", "", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "both there, the other way round", "1a/A 2a/B", "11a/B 12a/A", "", "adopt 1>12 2>11", "1:2/11:12", COPY },
    { "the destination rewrites: by occurrence", "1a/A 2a/B", "11a/X 12a/Y", "", "adopt 1>11 2>12", "1:2/11:12", COPY },
    { "it rewrites some", "1a/A 2a/B", "11a/B 12a/Y", "", "adopt 1>12 2>11", "1:2/11:12", COPY },
    { "it rewrites and has one of two", "1a/A 2a/B", "11a/Y", "", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "it rewrites, the date tells", "1a/A@5 2a/B@6", "11a/Y@6", "", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "it rewrites, the size tells", "1a/A#70 2a/B#80", "11a/Y#80", "", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "date and size before date", "1a/A@5#70 2a/B@5#80", "11a/Y@5#80", "", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "date before size", "1a/A@5#70 2a/B@6#80", "11a/Y@5#80", "", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "bytes before date", "1a/A@5 2a/B@6", "11a/A@6", "", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "bytes that cannot be read", "1a/? 2a/B", "11a/B", "", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "nothing can be read", "1a/? 2a/?", "11a/?", "", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "equal key and one each: a pair, whatever the bytes", "1a/A", "11a/X", "", "adopt 1>11", NULL, COPY },
    { "equal keys, another message known", "1a/A 2a/B", "11a/A 12a/B", "1>11", "adopt 2>12; known 1", "1:2/11:12",
      COPY },
    { "a second copy of a known one is not taken for the new one", "1a/A 2a/B", "11a/A 12a/A", "1>11", "copy 2; known 1",
      "1:2/11:12", COPY },
    { "nor where the destination rewrites", "1a/A 2a/B", "11a/X 12a/X", "1>11", "copy 2; known 1", "1:2/11:12", COPY },
    { "but a second copy of an equal one is", "1a/A 2a/A", "11a/X 12a/X", "1>11", "adopt 2>12; known 1", "1:2/11:12", COPY },
    { "the new one, rewritten", "1a/A 2a/B", "11a/X 12a/Y", "1>11", "adopt 2>12; known 1", "1:2/11:12", COPY },
    { "two copies of one are not two messages", "1a/A 2a/B", "11a/B 12a/B", "", "copy 1; adopt 2>11", "1:2/11:12", COPY },
    { "bytes that came through once come through again", "1a/A 2a/A", "11a/A 12a/X", "", "copy 2; adopt 1>11", "1:2/11:12",
      COPY },
    { "its copy is not mistaken for the new one", "1a/A 2a/B", "11a/A", "1>11", "copy 2; known 1", NULL, COPY },

    /* without a key: equal bytes or nothing */
    { "keyless, same bytes", "1-/A", "11-/A", "", "adopt 1>11", "1/11", COPY },
    { "keyless, same size, other bytes", "1-/A", "11-/B", "", "copy 1", "1/11", COPY },
    { "keyless, other size: not read", "1-/A#70", "11-/A#80", "", "copy 1", NULL, COPY },
    { "keyless twice, there once", "1-/A 2-/A", "11-/A", "", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "keyless twice, the date tells which is there", "1-/A@5 2-/A@6", "11-/A@6", "", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "keyless and keyed never meet", "1-/A", "11a/A", "", "copy 1", NULL, COPY },
    { "keyless, two sizes", "1-/A#70 2-/B#80 3-/C#90", "11-/B#80 12-/A#70", "", "copy 3; adopt 1>12 2>11", "1:2/11:12",
      COPY },
    { "keyless, unreadable", "1-/?", "11-/A", "", "copy 1", "1/11", COPY },
    { "keyless and known", "1-/A 2-/A", "11-/A", "1>11", "copy 2; known 1", NULL, COPY },

    /* the ledger */
    { "refused earlier", "1a/A 2b/B", "", "1>0!", "copy 2; refused 1", NULL, COPY },
    { "refused, try again", "1a/A 2b/B", "", "1>0!", "copy 1:2", NULL, { NONE, .retry_refused = true } },
    { "refused, but somebody else brought it", "1a/A", "11a/A", "1>0!", "adopt 1>11", NULL, COPY },
    { "refused, and another with its key", "1a/A 2a/B", "11a/A", "1>0!", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "there, under a UID that nobody told", "1a/A 2b/B", "11a/A 12b/B", "1>0 2>0", "adopt 1>11 2>12", NULL, COPY },
    { "there, and still not to be found", "1a/A", "", "1>0", "known 1", NULL, COPY },
    { "there, and an equal one is new", "1a/A 2a/A", "11a/A", "1>0", "copy 2; adopt 1>11", "1:2/11", COPY },
    { "there, and an equal one is new with a lower UID", "1a/A 2a/A", "11a/A", "2>0", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "there, rewritten, and an equal one is new", "1a/A 2a/B", "11a/X", "2>0", "copy 1; adopt 2>11", "1:2/11", COPY },
    { "UIDVALIDITY changed: no rows, all by key", "1a/A 2b/B", "1b/B 2a/A", "", "adopt 1>2 2>1", NULL, COPY },
    { "a row of a destination UID that is not in a partial list", "1a/A 2a/B", "12a/B", "1>11", "adopt 2>12; known 1",
      "1:2/12", COPY },

    /* flags */
    { "flags changed", "1a/A+S 2b/B", "11a/A 12b/B", "1>11~ 2>12", "flags 1>11; known 1:2", NULL, COPY },
    { "flags changed, not wanted", "1a/A+S", "11a/A", "1>11~", "known 1", NULL, { NONE } },
    { "flags not known to the ledger", "1a/A", "11a/A", "1>11?", "flags 1>11; known 1", NULL, COPY },
    { "flags changed, UID found now", "1a/A+S", "11a/A", "1>0~", "adopt 1>11; flags 1>11", NULL, COPY },
    { "flags changed, UID not known", "1a/A+S", "", "1>0~", "known 1", NULL, COPY },
    { "recent does not count", "1a/A+R", "11a/A", "1>11", "known 1", NULL, COPY },
    { "keywords count", "1a/A=work", "11a/A", "1>11~", "flags 1>11; known 1", NULL, COPY },
    { "other flags on what is adopted stay", "1a/A+S", "11a/A", "", "adopt 1>11", NULL, COPY },

    /* what vanished */
    { "vanished", "2b/B", "11a/A 12b/B", "1>11 2>12", "gone 1; known 2", NULL, COPY },
    { "vanished, mirror", "2b/B", "11a/A 12b/B", "1>11 2>12", "gone 1; expunge 11; known 2", NULL, MIRROR },
    { "vanished, in an incomplete list", "2b/B", "11a/A 12b/B", "1>11 2>12", "known 2", NULL, MIRROR, .incomplete = true },
    { "vanished, in a list of changes", "2b/B", "11a/A 12b/B", "1>11 2>12", "known 2", NULL, MIRROR, .changes = true },
    { "vanished, in a list shorter than the folder", "2b/B", "11a/A 12b/B", "1>11 2>12", "known 2", NULL, MIRROR,
      .exists = 2 },
    { "everything vanished", "", "11a/A 12b/B", "1>11 2>12", "gone 1:2; expunge 11:12", NULL, MIRROR },
    { "vanished, out of order", "", "", "1>15 2>11 3>13", "gone 1:3; expunge 11,13,15", NULL, MIRROR },
    { "vanished, merged with one that lives", "2a/A", "11a/A", "1>11 2>11m", "gone 1; known 2", NULL, MIRROR },
    { "vanished with all it was merged with", "3b/B", "11a/A 12b/B", "1>11 2>11m 3>12", "gone 1:2; expunge 11; known 3",
      NULL, MIRROR },
    { "vanished, was refused", "", "", "1>11!", "gone 1", NULL, MIRROR },
    { "vanished, UID not known", "", "", "1>0", "gone 1", NULL, MIRROR },
    { "strangers on the destination stay", "1a/A", "11a/A 12x/X", "1>11", "known 1", NULL, MIRROR },
    { "vanished and delivered again", "2a/A", "11a/A", "1>11", "copy 2; gone 1; expunge 11", NULL, MIRROR },

    /* the policy */
    { "only the first of a key", "1a/A 2a/B 3b/C", "", "", "copy 1,3; duplicate 2", NULL, { NONE, .dedup = true } },
    { "the first is known", "1a/A 2a/B", "11a/A", "1>11", "known 1; duplicate 2", NULL, { NONE, .dedup = true } },
    { "the first is there", "1a/A 2a/B", "11a/B", "", "adopt 1>11; duplicate 2", NULL, { NONE, .dedup = true } },
    { "the first is known, its UID not", "1a/A 2a/B", "11a/B", "2>0", "adopt 2>11; duplicate 1", NULL,
      { NONE, .dedup = true } },
    { "the first is left out", "1a/A+D 2a/B", "", "", "copy 2; deleted 1", NULL, { NONE, .dedup = true, .skip_deleted = true } },
    { "the first was refused", "1a/A 2a/B", "", "1>0!", "copy 2; refused 1", NULL, { NONE, .dedup = true } },
    { "keyless ones are no duplicates", "1-/A 2-/A", "", "", "copy 1:2", NULL, { NONE, .dedup = true } },
    { "classic: one is enough", "1a/A 2a/B 3b/C", "11a/X", "", "copy 3; exists 1:2", NULL, { NONE, .classic_match = true } },
    { "classic: without a key always", "1-/A", "11-/A", "", "copy 1", NULL, { NONE, .classic_match = true } },
    { "classic: one that the ledger maps is one", "1a/A 2a/B", "11a/A", "1>11", "known 1; exists 2", NULL,
      { NONE, .classic_match = true } },
    { "classic, only the first", "1a/A 2a/B 3b/C 4b/D", "11a/X", "", "copy 3; duplicate 4; exists 1:2", NULL,
      { NONE, .classic_match = true, .dedup = true } },
    { "the destination does not count", "1a/A 2a/A 3-/C", "11a/A 12-/C", "", "copy 1:3", NULL,
      { NONE, .ignore_destination = true } },
    { "but this run's rows do", "1a/A 2b/B", "11a/A 12b/B", "1>11", "copy 2; known 1", NULL,
      { NONE, .ignore_destination = true } },
    { "nor for the first of a key", "1a/A 2a/A", "11a/A", "", "copy 1; duplicate 2", NULL,
      { NONE, .ignore_destination = true, .dedup = true } },
    { "but what an interrupted run may have sent is looked for", "1a/A 2b/B 3c/C", "11b/B 12c/C", "",
      "copy 1,3; adopt 2>11", NULL, { NONE, .ignore_destination = true }, .unsure = "1:2" },
    { "also among equals", "1a/A 2a/A 3a/A", "11a/A 12a/A", "", "copy 2:3; adopt 1>11", "1/11:12",
      { NONE, .ignore_destination = true }, .unsure = "1" },
    { "and without a key", "1-/A 2-/A 3-/B", "11-/B 12-/A", "", "copy 2:3; adopt 1>12", "1/11:12",
      { NONE, .ignore_destination = true }, .unsure = "1" },
    { "what is known to be there holds its place", "1a/A 2a/A", "11a/A", "1>0", "copy 2; adopt 1>11", "1:2/11",
      { NONE, .ignore_destination = true }, .unsure = "2" },
    { "what was refused does not", "1a/A 2a/A", "11a/A", "1>0!", "adopt 2>11; refused 1", "2/11",
      { NONE, .ignore_destination = true }, .unsure = "2" },
    { "nothing unsure among equals", "1a/A 2a/A 3b/B", "11a/A 12a/A", "", "copy 1:3", NULL,
      { NONE, .ignore_destination = true }, .unsure = "3" },
    { "unsure, and only the first of a key", "1a/A 2a/A 3b/B", "11a/A 12b/B", "", "copy 1; adopt 3>12; duplicate 2", NULL,
      { NONE, .ignore_destination = true, .dedup = true }, .unsure = "3" },
    { "without ignoring, unsure or not is the same", "1a/A 2b/B", "11a/A 12b/B", "", "adopt 1>11 2>12", NULL, COPY,
      .unsure = "1" },
    { "too big", "1a/A#100 2b/B#101", "", "", "copy 1; big 2", NULL, { NONE, .max_size = 100 } },
    { "over the server's limit", "1a/A#100 2b/B#101", "", "", "copy 1; limit 2", NULL, { .append_limit = 100 } },
    { "a server that takes nothing", "1a/A#1", "", "", "limit 1", NULL, { .append_limit = 0 } },
    { "empty", "1a/A#0 2b/B", "", "", "copy 2; empty 1", NULL, COPY },
    { "deleted", "1a/A+D 2b/B", "", "", "copy 2; deleted 1", NULL, { NONE, .skip_deleted = true } },
    { "deleted, copied too", "1a/A+D 2b/B", "", "", "copy 1:2", NULL, COPY },
    { "only what was read", "1a/A+S 2b/B", "", "", "copy 1; unseen 2", NULL, { NONE, .only_seen = true } },
    { "only what was not", "1a/A+S 2b/B", "", "", "copy 2; seen 1", NULL, { NONE, .only_unseen = true } },
    { "wanted ones", "1a/A 2b/B 3c/C", "11c/C", "", "copy 2; adopt 3>11; filtered 1", NULL, COPY, .wanted = "2" },
    { "not wanted, but it holds its place", "1a/A+D 2a/B", "11a/A", "", "copy 2; adopt 1>11", "1:2/11",
      { NONE, .skip_deleted = true } },
    { "not wanted, and its equal is: that one is there", "1a/A+D 2a/A", "11a/A", "", "adopt 2>11; deleted 1", "1:2/11",
      { NONE, .skip_deleted = true } },
    { "too big, but there", "1a/A#101", "11a/A#101", "", "adopt 1>11", NULL, { NONE, .max_size = 100 } },
};

static void run_case(const struct plan_case *c)
{
    struct box src, dst;
    struct box_ledger ledger;
    struct ph_steps steps;
    struct ph_numset wanted = PH_NUMSET_INIT, unsure = PH_NUMSET_INIT;
    struct ph_err err;
    struct ph_known_hash *hashes = NULL;

    box_init(&src, c->src);
    box_init(&dst, c->dst ? c->dst : "");
    src.snap.complete = !c->incomplete;
    src.snap.changes_only = c->changes;
    if (c->exists)
        src.snap.exists = c->exists;
    ledger_init(&ledger, c->ledger, &src);
    if (c->wanted)
        assert_int_equal(ph_numset_parse(&wanted, ph_str(c->wanted), 0, 100, &err), 0);
    if (c->unsure)
        assert_int_equal(ph_numset_parse(&unsure, ph_str(c->unsure), 0, 100, &err), 0);
    struct ph_plan_input in = { .src = &src.snap, .dst = c->dst ? &dst.snap : NULL, .next_row = ledger_next,
                                .rewind = ledger_rewind, .rows_ctx = &ledger, .wanted = c->wanted ? &wanted : NULL,
                                .unsure = c->unsure ? &unsure : NULL };
    ph_steps_init(&steps);
    if (ph_plan_folder(&in, &c->policy, &steps, &err))
        fail_msg("%s: %s", c->name, err.text);
    bool asks = !ph_numset_empty(&steps.need_hash_src) || !ph_numset_empty(&steps.need_hash_dst);
    if (asks) {
        struct ph_buf need = PH_BUF_INIT;
        ph_numset_format(&steps.need_hash_src, &need);
        ph_buf_add_char(&need, '/');
        ph_numset_format(&steps.need_hash_dst, &need);
        if (!c->bytes || strcmp(ph_buf_z(&need), c->bytes) != 0)
            fail_msg("%s: asks for %s", c->name, ph_buf_z(&need));
        ph_buf_done(&need);
        hashes = plan_read(&steps, &src, &dst, &in.n_hashes);
        in.hashes = hashes;
        ph_steps_done(&steps);
        ph_steps_init(&steps);
        ledger.at = 0;
        if (ph_plan_folder(&in, &c->policy, &steps, &err))
            fail_msg("%s: %s", c->name, err.text);
    } else if (c->bytes) {
        fail_msg("%s: asks for nothing", c->name);
    }
    char *text = plan_text(&steps);
    if (strcmp(text, c->want) != 0)
        fail_msg("%s:\n  got  %s\n  want %s", c->name, text, c->want);
    for (size_t i = 1; i < src.snap.n; i++) /* sorted by UID, and the keys are as they were */
        assert_true(ph_snapshot_row(&src.snap, i - 1)->uid < ph_snapshot_row(&src.snap, i)->uid);
    for (size_t i = 0; i < src.n; i++)
        assert_true(ph_snapshot_find(&src.snap, src.m[i].uid)->key == src.m[i].key);
    for (size_t i = 0; i < dst.n; i++)
        assert_true(ph_snapshot_find(&dst.snap, dst.m[i].uid)->key == dst.m[i].key);
    free(text);
    free(hashes);
    ph_steps_done(&steps);
    ph_numset_done(&wanted);
    ph_numset_done(&unsure);
    box_done(&src);
    box_done(&dst);
}

static void test_cases(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&cases[i]);
}

static int plan(const char *src_text, const char *dst_text, const char *rows, const struct ph_policy *policy,
                void (*spoil)(struct box *src, struct box *dst, struct box_ledger *l), struct ph_err *err)
{
    struct box src, dst;
    struct box_ledger ledger;
    struct ph_steps steps;

    box_init(&src, src_text);
    box_init(&dst, dst_text);
    ledger_init(&ledger, rows, &src);
    struct ph_plan_input in = { .src = &src.snap, .dst = &dst.snap, .next_row = ledger_next, .rewind = ledger_rewind,
                                .rows_ctx = &ledger };
    spoil(&src, &dst, &ledger);
    if (ledger.rewinds < 0)
        in.rewind = NULL;
    ph_steps_init(&steps);
    int r = ph_plan_folder(&in, policy, &steps, err);
    ph_steps_done(&steps);
    box_done(&src);
    box_done(&dst);
    return r;
}

static void cut_destination(struct box *src, struct box *dst, struct box_ledger *l)
{
    dst->snap.complete = false;
}

static void cut_ledger(struct box *src, struct box *dst, struct box_ledger *l)
{
    l->fail = true;
}

static void mix_ledger(struct box *src, struct box *dst, struct box_ledger *l)
{
    struct ph_ledger_row t = l->row[0];

    l->row[0] = l->row[1];
    l->row[1] = t;
}

static void no_rewind(struct box *src, struct box *dst, struct box_ledger *l)
{
    l->rewinds = -1;
}

static void test_errors(void **state)
{
    static const struct ph_policy copy = COPY, mirror = MIRROR, blind = { NONE, .ignore_destination = true };
    struct ph_err err;

    /* RFC 9738: what was not listed may be there; sending it again would double it */
    assert_int_equal(plan("1a/A", "", "", &copy, cut_destination, &err), -1);
    assert_int_equal(err.kind, PH_E_LIMIT);
    assert_int_equal(err.scope, PH_SCOPE_FOLDER);
    assert_int_equal(plan("1a/A", "11a/A", "", &copy, cut_destination, &err), 0); /* it was found: nothing is sent */
    assert_int_equal(plan("1a/A", "", "", &blind, cut_destination, &err), 0);
    assert_int_equal(plan("1a/A", "", "", &copy, cut_ledger, &err), -1);
    assert_int_equal(err.kind, PH_E_SYSTEM);
    assert_int_equal(plan("1a/A 2b/B", "", "1>11 2>12", &copy, mix_ledger, &err), -1);
    assert_int_equal(err.kind, PH_E_CORRUPT);
    assert_int_equal(plan("1a/A", "", "1>11 2>12", &mirror, no_rewind, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
}

static void test_flags_hash(void **state)
{
    assert_true(ph_flags_hash(0, "") != 0);
    assert_true(ph_flags_hash(PH_F_RECENT, "") == ph_flags_hash(0, ""));
    for (uint32_t a = 0; a < PH_F_RECENT; a++)
        for (uint32_t b = 0; b < a; b++)
            assert_true(ph_flags_hash(a, "") != ph_flags_hash(b, ""));
    assert_true(ph_flags_hash(0, "a") != ph_flags_hash(0, "b"));
    assert_true(ph_flags_hash(PH_F_SEEN, "a b") == ph_flags_hash(PH_F_SEEN | PH_F_RECENT, "a b"));
}

/* ---- any mailbox ---- */

static uint64_t seed = 88172645463325252u;

static unsigned rnd(unsigned n) /* xorshift64 */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 20) % n;
}

/* A message is its key and its bytes: `a/A`. Two kinds share key a, two key b; two are without. */
static const char *const kinds[] = { "a/A", "a/B", "b/C", "b/D", "c/E", "-/F", "-/G" };
enum { KINDS = sizeof kinds / sizeof *kinds };

struct world {
    struct { unsigned uid, kind; } src[BOX_MAX], dst[BOX_MAX];
    struct { unsigned src, dst; } row[BOX_MAX]; /* dst 0: UID not known */
    unsigned n_src, n_dst, n_rows, next;
    bool rewrites; /* the destination changes all it is given */
};

static unsigned find_dst(const struct world *w, unsigned uid)
{
    for (unsigned i = 0; i < w->n_dst; i++)
        if (w->dst[i].uid == uid)
            return i;
    return UINT32_MAX;
}

/* Some messages, some of them copied with or without a word in the ledger, some copies deleted, some more brought by others. */
static void make_world(struct world *w)
{
    unsigned uid = 0;

    memset(w, 0, sizeof *w);
    w->next = 101;
    w->rewrites = rnd(4) == 0;
    for (unsigned n = rnd(10); w->n_src < n; w->n_src++) {
        w->src[w->n_src].uid = uid += 1 + rnd(3);
        w->src[w->n_src].kind = rnd(KINDS);
    }
    for (unsigned i = 0; i < w->n_src; i++) {
        unsigned how = rnd(5); /* not there; there; there and known; known without its UID; known and deleted there */
        if (how == 0)
            continue;
        if (how >= 2) {
            w->row[w->n_rows].src = w->src[i].uid;
            w->row[w->n_rows++].dst = how == 3 ? 0 : w->next;
        }
        if (how < 4) {
            w->dst[w->n_dst].uid = w->next;
            w->dst[w->n_dst++].kind = w->src[i].kind;
        }
        w->next += 1 + rnd(2);
    }
    for (unsigned n = w->n_src && rnd(3) == 0 ? rnd(3) : 0; n; n--) { /* others bring the same again */
        w->dst[w->n_dst].uid = w->next++;
        w->dst[w->n_dst++].kind = w->src[rnd(w->n_src)].kind;
    }
}

static void put_message(struct ph_buf *b, unsigned uid, unsigned kind, bool changed)
{
    ph_buf_add_char(b, ' ');
    ph_buf_add_u64(b, uid);
    ph_buf_add_z(b, kinds[kind]);
    if (changed)
        b->mem[b->tail - 1] |= 0x20;
}

static void plan_world(const struct world *w, struct ph_steps *steps)
{
    static const struct ph_policy policy = COPY;
    struct ph_buf src_text = PH_BUF_INIT, dst_text = PH_BUF_INIT, rows = PH_BUF_INIT;
    struct box src, dst;
    struct box_ledger ledger;
    struct ph_err err;

    for (unsigned i = 0; i < w->n_src; i++)
        put_message(&src_text, w->src[i].uid, w->src[i].kind, false);
    for (unsigned i = 0; i < w->n_dst; i++)
        put_message(&dst_text, w->dst[i].uid, w->dst[i].kind, w->rewrites);
    for (unsigned i = 0; i < w->n_rows; i++) {
        ph_buf_add_char(&rows, ' ');
        ph_buf_add_u64(&rows, w->row[i].src);
        ph_buf_add_char(&rows, '>');
        ph_buf_add_u64(&rows, w->row[i].dst);
    }
    box_init(&src, ph_buf_z(&src_text));
    box_init(&dst, ph_buf_z(&dst_text));
    ledger_init(&ledger, ph_buf_z(&rows), &src);
    struct ph_plan_input in = { .src = &src.snap, .dst = &dst.snap, .next_row = ledger_next, .rewind = ledger_rewind,
                                .rows_ctx = &ledger };
    ph_steps_init(steps);
    assert_int_equal(ph_plan_folder(&in, &policy, steps, &err), 0);
    if (!ph_numset_empty(&steps->need_hash_src) || !ph_numset_empty(&steps->need_hash_dst)) {
        struct ph_known_hash *hashes = plan_read(steps, &src, &dst, &in.n_hashes);
        in.hashes = hashes;
        ph_steps_done(steps);
        ph_steps_init(steps);
        ledger.at = 0;
        assert_int_equal(ph_plan_folder(&in, &policy, steps, &err), 0);
        free(hashes);
    }
    assert_true(ph_numset_empty(&steps->need_hash_src) && ph_numset_empty(&steps->need_hash_dst));
    assert_true(ph_numset_empty(&steps->gone) && ph_numset_empty(&steps->expunge));
    assert_int_equal(steps->n_flags, 0);
    box_done(&src);
    box_done(&dst);
    ph_buf_done(&src_text);
    ph_buf_done(&dst_text);
    ph_buf_done(&rows);
}

static void learn(struct world *w, unsigned src, unsigned dst)
{
    unsigned at = 0;

    while (at < w->n_rows && w->row[at].src < src)
        at++;
    if (at == w->n_rows || w->row[at].src != src) {
        memmove(&w->row[at + 1], &w->row[at], (w->n_rows - at) * sizeof *w->row);
        w->n_rows++;
    }
    w->row[at].src = src;
    w->row[at].dst = dst;
}

/* Carry the steps out. */
static void act(struct world *w, const struct ph_steps *s)
{
    for (size_t i = 0; i < s->n_adopt; i++) {
        unsigned d = find_dst(w, s->adopt[i].dst_uid);
        assert_true(d != UINT32_MAX);
        for (unsigned k = 0; k < w->n_rows; k++) /* nobody else's */
            assert_true(w->row[k].dst != s->adopt[i].dst_uid);
        learn(w, s->adopt[i].src_uid, s->adopt[i].dst_uid);
    }
    for (unsigned i = 0; i < w->n_src; i++) {
        if (!ph_numset_contains(&s->copy, w->src[i].uid))
            continue;
        w->dst[w->n_dst].uid = w->next;
        w->dst[w->n_dst++].kind = w->src[i].kind;
        learn(w, w->src[i].uid, w->next++);
    }
}

/* What is the same: messages of one kind; by key alone, if that is all one goes by. */
static bool alike(bool by_key, unsigned a, unsigned b)
{
    return a == b || (by_key && kinds[a][0] == kinds[b][0] && kinds[a][0] != '-');
}

struct count {
    unsigned open, hidden, free; /* sources not known; known without a UID; destinations that nobody is mapped to */
};

static void count(const struct world *w, bool by_key, unsigned kind, struct count *c)
{
    memset(c, 0, sizeof *c);
    for (unsigned i = 0; i < w->n_src; i++) {
        unsigned k = 0;
        while (k < w->n_rows && w->row[k].src != w->src[i].uid)
            k++;
        if (alike(by_key, w->src[i].kind, kind)) {
            c->open += k == w->n_rows;
            c->hidden += k < w->n_rows && w->row[k].dst == 0;
        }
    }
    for (unsigned i = 0; i < w->n_dst; i++) {
        unsigned k = 0;
        while (k < w->n_rows && w->row[k].dst != w->dst[i].uid)
            k++;
        c->free += k == w->n_rows && alike(by_key, w->dst[i].kind, kind);
    }
}

static unsigned copies_of(const struct world *w, bool by_key, const struct ph_steps *s, unsigned kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->n_src; i++)
        n += alike(by_key, w->src[i].kind, kind) && ph_numset_contains(&s->copy, w->src[i].uid);
    return n;
}

static unsigned less(unsigned a, unsigned b)
{
    return a > b ? a - b : 0;
}

static void fail_world(const struct world *w, const struct ph_steps *steps, const char *kind, unsigned got, unsigned want)
{
    print_error("source:");
    for (unsigned i = 0; i < w->n_src; i++)
        print_error(" %u%s", w->src[i].uid, kinds[w->src[i].kind]);
    print_error("\ndestination%s:", w->rewrites ? ", which rewrites" : "");
    for (unsigned i = 0; i < w->n_dst; i++)
        print_error(" %u%s", w->dst[i].uid, kinds[w->dst[i].kind]);
    print_error("\nledger:");
    for (unsigned i = 0; i < w->n_rows; i++)
        print_error(" %u>%u", w->row[i].src, w->row[i].dst);
    char *text = plan_text(steps);
    print_error("\nplan: %s\n", text);
    free(text);
    fail_msg("%s: %u copied, %u expected", kind, got, want);
}

static unsigned missing(const struct world *w, bool by_key, unsigned kind)
{
    struct count c;

    count(w, by_key, kind, &c);
    return less(c.open, less(c.free, c.hidden));
}

/* Without changed bytes exactly what is missing is sent. With them the key has to do, and what evidence there is: never less than
 * the keys say, never more than what somebody who knows would send; and what has no key is sent. */
static void check_copies(const struct world *w, const struct ph_steps *steps)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        bool keyed = kinds[kind][0] != '-';
        unsigned got = copies_of(w, w->rewrites, steps, kind), least = missing(w, w->rewrites, kind), most = 0;
        struct count c;
        for (unsigned k = 0; k < KINDS; k++)
            most += alike(w->rewrites, k, kind) ? missing(w, false, k) : 0;
        count(w, false, kind, &c);
        if (w->rewrites && !keyed)
            least = most = c.open;
        if (got < least || got > most)
            fail_world(w, steps, kinds[kind], got, most);
    }
}

/* What is sent is exactly what is not there, whatever was there before and whatever the ledger knows; and once it is
 * sent there is nothing left to do, with the ledger or without. */
static void test_any_mailbox(void **state)
{
    struct ph_steps steps;
    struct world w;
    unsigned sent = 0;

    for (int round = 0; round < 20000; round++) {
        make_world(&w);
        plan_world(&w, &steps);
        check_copies(&w, &steps);
        sent += (unsigned)ph_numset_count(&steps.copy);
        unsigned had = w.n_rows;
        act(&w, &steps);
        ph_steps_done(&steps);
        assert_true(w.n_rows >= had);
        plan_world(&w, &steps);
        assert_true(ph_numset_empty(&steps.copy));
        assert_int_equal(steps.n_adopt, 0);
        ph_steps_done(&steps);
        bool all_there = true; /* unless a copy was deleted on the destination, or cannot be known again */
        for (unsigned kind = 0; kind < KINDS; kind++) {
            unsigned here = 0, there = 0;
            for (unsigned i = 0; i < w.n_src; i++)
                here += w.src[i].kind == kind;
            for (unsigned i = 0; i < w.n_dst; i++)
                there += w.dst[i].kind == kind;
            all_there &= here <= there && !(w.rewrites && here && kinds[kind][0] == '-');
        }
        w.n_rows = 0;
        plan_world(&w, &steps);
        assert_true(!all_there || ph_numset_empty(&steps.copy));
        ph_steps_done(&steps);
    }
    assert_true(sent > 10000);
}

/* ---- a large folder ---- */

static void test_large_folder(void **state)
{
    enum { N = 500000 };
    static const struct ph_policy policy = COPY;
    struct ph_snapshot src, dst;
    struct ph_steps steps;
    struct timespec a, b;
    struct ph_err err;

    ph_snapshot_init(&src);
    ph_snapshot_init(&dst);
    for (unsigned i = 0; i < N; i++) {
        struct ph_row *s = ph_snapshot_add(&src), *d = ph_snapshot_add(&dst);
        s->uid = d->uid = i + 1;
        s->key = (i + 1) * 0x9e3779b97f4a7c15u;
        d->key = (N - i / 2) * 0x9e3779b97f4a7c15u; /* half of it is there, twice */
        s->size = d->size = 1000;
    }
    src.complete = dst.complete = true;
    struct ph_plan_input in = { .src = &src, .dst = &dst };
    ph_steps_init(&steps);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    assert_int_equal(ph_plan_folder(&in, &policy, &steps, &err), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    print_message("%.2f s\n", seconds);
    assert_true(seconds < 30); /* the sanitizers' share is large */
    assert_int_equal(ph_numset_count(&steps.copy), N / 2);
    assert_int_equal(ph_numset_count(&steps.need_hash_src), N / 2);
    assert_int_equal(ph_numset_count(&steps.need_hash_dst), N);
    ph_steps_done(&steps);
    ph_snapshot_done(&src);
    ph_snapshot_done(&dst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_flags_hash),
        cmocka_unit_test(test_any_mailbox),
        cmocka_unit_test(test_large_folder),
    };
    return cmocka_run_group_tests_name("transfer/plan", tests, NULL, NULL);
}
