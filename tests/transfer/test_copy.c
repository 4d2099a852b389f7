/* A whole copy between two stores in memory, with everything going wrong that can: what counts is what both accounts
 * hold in the end, and after a repeat. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/ledger.h"
#include "store/memory.h"
#include "transfer/job.h"

#define FOLDERS 3
#define MESSAGES 40
#define ALL (FOLDERS * MESSAGES)

/* What a server may lack, rung by rung. */
static const struct {
    const char *name;
    uint32_t without;
} servers[] = {
    { "everything", 0 },
    { "no UIDPLUS", PH_AB_NEWUID | PH_AB_UID_EXPUNGE },
    { "no MULTIAPPEND", PH_AB_BATCH },
    { "nothing", PH_AB_NEWUID | PH_AB_UID_EXPUNGE | PH_AB_BATCH | PH_AB_MODSEQ | PH_AB_QRESYNC | PH_AB_STATUS_LIST |
                     PH_AB_PIPELINE_SELECT },
};

struct scene {
    char dir[64];
    struct ph_store *src, *dst;
    struct ph_cancel cancel;
    struct ph_job job;
    struct ph_totals totals;
    struct ph_err err;
    _Atomic unsigned appends;  /* counted by all lanes */
    unsigned stop_at;          /* raise the cancellation before this append */
    _Atomic unsigned visits;   /* how many messages others have delivered to the destination */
    bool visitors;
};

static void sink(void *ctx, const struct ph_event *e)
{
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    return remove(path);
}

static void deliver(struct ph_store *st, const char *folder, const char *text, int64_t epoch, uint32_t flags,
                    const char *keywords)
{
    struct ph_memory_message m = { .p = text, .n = strlen(text), .flags = flags, .keywords = keywords, .epoch = epoch };

    assert_true(ph_memory_deliver(st, folder, &m) > 0);
}

static void fill(struct ph_store *st)
{
    char name[32], text[256];

    for (int f = 0; f < FOLDERS; f++) {
        snprintf(name, sizeof name, "folder %d", f);
        assert_int_equal(ph_memory_folder(st, name, 0), 0);
        for (int i = 0; i < MESSAGES; i++) {
            /* every tenth has no key at all, every ninth shares one, each body is its own */
            if (i % 10 == 0)
                snprintf(text, sizeof text, "X-None: here\r\n\r\nbody %d.%d.\r\n", f, i);
            else
                snprintf(text, sizeof text, "Message-ID: <%d@example.org>\r\nSubject: %d\r\n\r\nbody %d.%d.\r\n",
                         i % 9 == 0 ? 9 : i, i, f, i);
            deliver(st, name, text, 1600000000 + i, i % 3 ? PH_F_SEEN : 0, i % 4 ? "" : "Work");
        }
    }
}

/* Others deliver into the folder that is being filled; or the user stops the run. */
static void before(void *ctx, struct ph_store *st, const char *op, const char *folder)
{
    struct scene *s = ctx;
    char text[128];

    if (strcmp(op, "append") != 0)
        return;
    if (s->visitors && ph_memory_count(st, folder) < 1000 && s->visits < 30) {
        snprintf(text, sizeof text, "Message-ID: <visit%u@example.org>\r\n\r\nhello\r\n", s->visits++);
        deliver(st, folder, text, 1500000000, 0, "");
    }
    if (++s->appends == s->stop_at)
        ph_cancel_raise(&s->cancel);
}

static void begin(struct scene *s, struct ph_memory_options *src, struct ph_memory_options *dst)
{
    memset(s, 0, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s/ph-copy-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(ph_cancel_init(&s->cancel), 0);
    dst->before = before;
    dst->before_ctx = s;
    assert_int_equal(ph_memory_store_new("source", src, &s->src, &s->err), 0);
    assert_int_equal(ph_memory_store_new("destination", dst, &s->dst, &s->err), 0);
    ph_job_init(&s->job);
    s->job.src = s->src;
    s->job.dst = s->dst;
    s->job.state_dir = s->dir;
    s->job.sink = sink;
    s->job.batch_messages = 7;
    s->job.resolve_ms = 1;
    s->job.lanes = 1;
    fill(s->src);
}

static void end(struct scene *s)
{
    s->src->ops->free(s->src);
    s->dst->ops->free(s->dst);
    ph_cancel_done(&s->cancel);
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int copy(struct scene *s)
{
    s->job.cancel = &s->cancel;
    return ph_copy_run(&s->job, &s->totals, &s->err);
}

static void copy_well(struct scene *s)
{
    if (copy(s))
        fail_msg("%s", s->err.text);
    assert_int_equal(s->totals.failed, 0);
}

/* Equal lines, each as often; in the destination's the visitors' left out. */
static void check_same(struct scene *s, const char *what)
{
    struct ph_buf a = PH_BUF_INIT, b = PH_BUF_INIT;

    assert_int_equal(ph_memory_draw(s->src, true, &a), 0);
    assert_int_equal(ph_memory_draw(s->dst, true, &b), 0);
    if (strcmp(ph_buf_z(&a), ph_buf_z(&b)) != 0)
        fail_msg("%s: source\n%s\ndestination\n%s", what, ph_buf_z(&a), ph_buf_z(&b));
    ph_buf_done(&a);
    ph_buf_done(&b);
}

static size_t in_all(struct ph_store *st)
{
    size_t n = 0;
    char name[32];

    for (int f = 0; f < FOLDERS; f++) {
        snprintf(name, sizeof name, "folder %d", f);
        n += ph_memory_count(st, name);
    }
    return n;
}

static void test_plain_and_repeat(void **state)
{
    for (size_t k = 0; k < sizeof servers / sizeof *servers; k++)
        for (unsigned lanes = 1; lanes <= 4; lanes += 3) {
            struct ph_memory_options src = { .bodies_backwards = lanes == 4 }, dst = { .without = servers[k].without };
            struct scene s;
            begin(&s, &src, &dst);
            s.job.lanes = lanes;
            copy_well(&s);
            assert_int_equal(s.totals.copied, ALL);
            check_same(&s, servers[k].name);
            uint64_t appends = ph_memory_ops(s.dst, "append"), bodies = ph_memory_ops(s.src, "body");
            copy_well(&s);
            assert_int_equal(s.totals.copied, 0);
            assert_int_equal(ph_memory_ops(s.dst, "append"), appends);
            assert_int_equal(ph_memory_ops(s.src, "body"), bodies);
            check_same(&s, "repeat");
            end(&s);
        }
}

static void test_cuts(void **state)
{
    static const enum ph_memory_fault_kind kinds[] = { PH_MF_CUT_IN_LITERAL, PH_MF_CUT_NOT_IN, PH_MF_CUT_IN,
                                                       PH_MF_CUT_IN_LATER };
    static const unsigned skips[] = { 0, 39, ALL - 1 };
    char what[128];

    for (size_t k = 0; k < sizeof servers / sizeof *servers; k++)
        for (size_t i = 0; i < 4; i++)
            for (size_t n = 0; n < sizeof skips / sizeof *skips; n++) {
                struct ph_memory_options src = { 0 }, dst = { .without = servers[k].without };
                struct ph_memory_fault f = { .kind = kinds[i], .skip = skips[n], .times = 1, .delay = 1 };
                struct scene s;
                begin(&s, &src, &dst);
                ph_memory_fault(s.dst, &f);
                snprintf(what, sizeof what, "%s, kind %zu, after %u", servers[k].name, i, skips[n]);
                /* a run may give up; the next one goes on */
                for (int tries = 0; copy(&s) && tries < 3; tries++)
                    ;
                assert_int_equal(ph_memory_faults_met(s.dst), 1);
                check_same(&s, what);
                copy_well(&s);
                assert_int_equal(s.totals.copied, 0);
                check_same(&s, what);
                end(&s);
            }
}

static void test_source_cuts(void **state)
{
    for (unsigned skip = 0; skip < ALL; skip += 37) {
        struct ph_memory_options src = { .piece = 5 }, dst = { 0 };
        struct ph_memory_fault f = { .kind = PH_MF_BODY_CUT, .skip = skip, .times = 1 };
        struct scene s;
        begin(&s, &src, &dst);
        ph_memory_fault(s.src, &f);
        for (int tries = 0; copy(&s) && tries < 3; tries++)
            ;
        assert_int_equal(ph_memory_faults_met(s.src), 1);
        check_same(&s, "the source broke off");
        end(&s);
    }
}

/* Stopped by the user anywhere, and gone on. */
static void test_stops(void **state)
{
    for (size_t k = 0; k < sizeof servers / sizeof *servers; k++)
        for (unsigned at = 1; at < 18; at += 4) {
            struct ph_memory_options src = { 0 }, dst = { .without = servers[k].without };
            struct scene s;
            begin(&s, &src, &dst);
            s.stop_at = at;
            assert_int_equal(copy(&s), -1);
            assert_int_equal(s.err.kind, PH_E_CANCELLED);
            assert_true(in_all(s.dst) < ALL);
            ph_cancel_done(&s.cancel);
            assert_int_equal(ph_cancel_init(&s.cancel), 0);
            copy_well(&s);
            check_same(&s, servers[k].name);
            end(&s);
        }
}

static void test_refused(void **state)
{
    for (size_t k = 0; k < sizeof servers / sizeof *servers; k++)
        for (int vague = 0; vague < 2; vague++) {
            struct ph_memory_options src = { 0 }, dst = { .without = servers[k].without };
            struct ph_memory_fault f = { .kind = vague ? PH_MF_REFUSE_VAGUELY : PH_MF_REFUSE,
                                         .match = ph_memory_match_text, .ctx = (char *)"body 1.12." };
            struct scene s;
            begin(&s, &src, &dst);
            ph_memory_fault(s.dst, &f);
            copy(&s);
            assert_int_equal(s.totals.refused, 1);
            assert_int_equal(in_all(s.dst), ALL - 1); /* the rest is in, each once */
            unsigned met = ph_memory_faults_met(s.dst);
            copy(&s); /* not tried again */
            assert_int_equal(ph_memory_faults_met(s.dst), met);
            /* the very words are kept */
            struct ph_ledger *l;
            char words[128];
            int64_t folder;
            assert_int_equal(ph_ledger_open(s.dir, s.src->identity, s.dst->identity, NULL, &l, &s.err), 0);
            assert_int_equal(ph_ledger_folder(l, "folder 1", "folder 1", &folder, &s.err), 0);
            assert_int_equal(ph_ledger_reason(l, folder, 13, words, sizeof words, &s.err), 1);
            assert_non_null(strstr(words, "the message is not accepted"));
            assert_int_equal(ph_ledger_close(l, &s.err), 0);
            ph_memory_faults_clear(s.dst);
            assert_int_equal(ph_memory_remove(s.src, "folder 1", 13), 0);
            check_same(&s, "without the refused one");
            end(&s);
        }
}

static void test_missing(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct ph_memory_fault f = { .kind = PH_MF_BODY_MISSING, .match = ph_memory_match_text, .ctx = (char *)"body 2.20." };
    struct scene s;

    begin(&s, &src, &dst);
    ph_memory_fault(s.src, &f);
    copy(&s);
    assert_int_equal(s.totals.missing + s.totals.failed, 1);
    assert_int_equal(in_all(s.dst), ALL - 1);
    ph_memory_faults_clear(s.src); /* the server has thought better of it */
    copy_well(&s);
    check_same(&s, "the next run");
    end(&s);
}

/* Without its ledger a run takes for itself what is there; equal messages keep their number. */
static void test_ledger_lost(void **state)
{
    for (int part = 0; part < 2; part++) {
        struct ph_memory_options src = { 0 }, dst = { 0 };
        struct scene s;
        begin(&s, &src, &dst);
        for (int i = 0; i < 3; i++)
            deliver(s.src, "folder 0", "Message-ID: <same@example.org>\r\n\r\nthe very same\r\n", 1600000500, 0, "");
        copy_well(&s);
        check_same(&s, "first");
        nftw(s.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        size_t want = 0;
        if (part) { /* and a part of it went, one of the equal ones too */
            assert_int_equal(ph_memory_remove(s.dst, "folder 0", MESSAGES + 2), 0);
            assert_int_equal(ph_memory_remove(s.dst, "folder 0", 11), 0); /* has no key */
            assert_int_equal(ph_memory_remove(s.dst, "folder 2", 10), 0); /* shares its key */
            want = 3;
        }
        copy_well(&s);
        assert_int_equal(s.totals.copied, want);
        check_same(&s, "after the ledger was lost");
        end(&s);
    }
}

static void test_uidvalidity(void **state)
{
    for (int side = 0; side < 2; side++) {
        struct ph_memory_options src = { 0 }, dst = { 0 };
        struct scene s;
        begin(&s, &src, &dst);
        copy_well(&s);
        ph_memory_set_uidvalidity(side ? s.dst : s.src, "folder 1", 77);
        copy_well(&s);
        assert_int_equal(s.totals.copied, 0); /* known again by what they are */
        check_same(&s, "after the UIDVALIDITY changed");
        end(&s);
    }
}

static void test_visitors(void **state)
{
    for (size_t k = 0; k < sizeof servers / sizeof *servers; k++) {
        struct ph_memory_options src = { 0 }, dst = { .without = servers[k].without };
        struct ph_memory_fault f = { .kind = PH_MF_CUT_IN, .skip = 30, .times = 1 };
        struct scene s;
        begin(&s, &src, &dst);
        s.visitors = true;
        ph_memory_fault(s.dst, &f);
        for (int tries = 0; copy(&s) && tries < 3; tries++)
            ;
        assert_true(s.visits > 5);
        assert_int_equal(in_all(s.dst), ALL + s.visits);
        copy_well(&s);
        assert_int_equal(s.totals.copied, 0);
        assert_int_equal(in_all(s.dst), ALL + s.visits);
        end(&s);
    }
}

static void test_changes(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct scene s;

    begin(&s, &src, &dst);
    copy_well(&s);
    ph_memory_set_flags(s.src, "folder 0", 3, PH_F_FLAGGED | PH_F_ANSWERED, "Fresh Work");
    ph_memory_set_flags(s.src, "folder 2", 39, 0, "");
    deliver(s.src, "folder 1", "Message-ID: <new@example.org>\r\n\r\nnew\r\n", 1600001000, PH_F_SEEN, "");
    copy_well(&s);
    assert_int_equal(s.totals.copied, 1);
    assert_int_equal(s.totals.flags, 2);
    check_same(&s, "after changes");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_and_repeat), cmocka_unit_test(test_cuts),        cmocka_unit_test(test_source_cuts),
        cmocka_unit_test(test_stops),            cmocka_unit_test(test_refused),     cmocka_unit_test(test_missing),
        cmocka_unit_test(test_ledger_lost),      cmocka_unit_test(test_uidvalidity), cmocka_unit_test(test_visitors),
        cmocka_unit_test(test_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
