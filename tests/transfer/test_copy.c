/* A whole copy between two stores in memory, with everything going wrong that can: what counts is what both accounts
 * hold in the end, and after a repeat. */
#include "scene.h"

#include <stdio.h>
#include <string.h>

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
        lose_ledger(&s);
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
