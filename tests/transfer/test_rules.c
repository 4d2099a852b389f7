/* Rules of a run besides the copying itself: what is proven before the source loses anything, what a run that leaves flags out must not
 * forget, a dry run, what is counted once, and when a folder is said to be done. */
#include "scene.h"

#include <stdio.h>
#include <string.h>

/* ---- before anything is taken off the source ---- */

static uint32_t first_uid(struct ph_store *st, const char *folder)
{
    struct ph_memory_view v;

    return ph_memory_view(st, folder, 0, &v) ? v.uid : 0;
}

/* The ledger says that they are there; one is not any more. */
static void test_present_is_proven(void **state)
{
    static const uint32_t without[] = { 0, PH_AB_NEWUID };

    for (size_t k = 0; k < 2; k++) {
        struct ph_memory_options src = { 0 }, dst = { .without = without[k] };
        struct scene s;
        begin(&s, &src, &dst);
        copy_well(&s);
        assert_int_equal(ph_memory_remove(s.dst, "folder 1", 5), 0);
        s.job.after = PH_AFTER_DELETE_PRESENT;
        copy_well(&s);
        if (k == 0) {
            assert_int_equal(in_all(s.src), 1);
            assert_int_equal(first_uid(s.src, "folder 1"), 5);
        } else { /* known by its key alone: it may also be found missing, and then it is copied again */
            assert_true(in_all(s.src) <= 1);
            assert_true(in_all(s.src) + in_all(s.dst) >= ALL);
        }
        end(&s);
    }
}

/* Somebody removes a copy while the run is still at work elsewhere. */
static void thief(struct scene *s, const char *op, const char *folder)
{
    if (strcmp(op, "append") == 0 && strcmp(folder, "folder 2") == 0 && s->seen++ == 0)
        ph_memory_remove(s->dst, "folder 0", 7);
}

static void test_copied_is_proven(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct scene s;

    begin(&s, &src, &dst);
    s.meanwhile = thief;
    s.job.after = PH_AFTER_DELETE_COPIED;
    copy_well(&s);
    assert_int_equal(s.totals.copied, ALL);
    assert_int_equal(in_all(s.src), 1);
    assert_int_equal(first_uid(s.src, "folder 0"), 7);
    end(&s);
}

/* A folder that was made anew has none of the copies, whatever UIDs it has. */
static void maker(struct scene *s, const char *op, const char *folder)
{
    if (strcmp(op, "append") == 0 && strcmp(folder, "folder 2") == 0 && s->seen++ == 0)
        ph_memory_set_uidvalidity(s->dst, "folder 0", 4711);
}

static void test_made_anew_loses_nothing(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct scene s;

    begin(&s, &src, &dst);
    s.meanwhile = maker;
    s.job.after = PH_AFTER_DELETE_COPIED;
    copy(&s);
    assert_true(s.totals.failed > 0);
    assert_int_equal(ph_memory_count(s.src, "folder 0"), MESSAGES);
    assert_int_equal(ph_memory_count(s.src, "folder 1"), 0);
    end(&s);
}

/* ---- flags ---- */

/* A run without flag updates must not make the next one believe that it has seen the changes. */
static void test_flags_left_out(void **state)
{
    for (int news = 0; news < 2; news++) {
        struct ph_memory_options src = { 0 }, dst = { 0 };
        struct scene s;
        begin(&s, &src, &dst);
        copy_well(&s);
        ph_memory_set_flags(s.src, "folder 1", 3, PH_F_FLAGGED, "Later");
        if (news)
            deliver(s.src, "folder 1", "Message-ID: <new@example.org>\r\n\r\nnew\r\n", 1600001000, PH_F_SEEN, "");
        s.job.no_flag_scan = true;
        s.job.policy.update_flags = false;
        copy_well(&s);
        assert_int_equal(s.totals.flags, 0);
        s.job.no_flag_scan = false;
        s.job.policy.update_flags = true;
        copy_well(&s);
        assert_int_equal(s.totals.flags, 1);
        check_same(&s, "after flags were carried again");
        end(&s);
    }
}

/* Somebody changes the very message on the destination just before our change, which is then told (RFC 7162 3.1.3). On another session
 * than the one that told the mod-sequence it means nothing, and guards nothing. */
static void rival(struct scene *s, const char *op, const char *folder)
{
    if (strcmp(op, "flags") == 0)
        ph_memory_set_flags(s->dst, folder, 3, PH_F_DRAFT, "");
}

static void test_guard_is_of_this_session(void **state)
{
    for (int cut = 0; cut < 2; cut++) {
        struct ph_memory_options src = { 0 }, dst = { 0 };
        struct ph_memory_fault f = { .kind = PH_MF_CUT, .op = "flags", .times = 1 };
        struct scene s;
        begin(&s, &src, &dst);
        copy_well(&s);
        ph_memory_set_flags(s.src, "folder 1", 3, PH_F_FLAGGED, "");
        s.meanwhile = rival;
        if (cut)
            ph_memory_fault(s.dst, &f);
        copy(&s);
        assert_int_equal(ph_memory_faults_met(s.dst), cut);
        assert_int_equal(s.totals.failed, cut ? 0 : 1);
        assert_int_equal(s.totals.flags, cut ? 1 : 0);
        end(&s);
    }
}

/* ---- a dry run ---- */

static uint64_t rows_of(struct scene *s, const char *folder)
{
    struct ph_ledger_cursor *c;
    struct ph_ledger_row row;
    struct ph_ledger *l;
    int64_t id;
    uint64_t n = 0;

    assert_int_equal(ph_ledger_open(s->dir, s->src->identity, s->dst->identity, NULL, &l, &s->err), 0);
    assert_int_equal(ph_ledger_folder(l, folder, folder, &id, &s->err), 0);
    assert_int_equal(ph_ledger_rows(l, id, &c, &s->err), 0);
    while (ph_ledger_rows_next(c, &row, &s->err) == 1)
        n++;
    ph_ledger_rows_end(c);
    assert_int_equal(ph_ledger_close(l, &s->err), 0);
    return n;
}

static void count_would(struct scene *s, const struct ph_event *e)
{
    s->seen += e->kind == PH_EV_MESSAGE && e->action == PH_ACT_WOULD_COPY;
}

static void test_dry_run_leaves_the_ledger(void **state)
{
    for (int side = 0; side < 2; side++) {
        struct ph_memory_options src = { 0 }, dst = { 0 };
        struct scene s;
        begin(&s, &src, &dst);
        copy_well(&s);
        struct ph_store *st = side ? s.dst : s.src;
        ph_memory_set_uidvalidity(st, "folder 1", 99);
        deliver(s.src, "folder 1", "Message-ID: <new@example.org>\r\n\r\nnew\r\n", 1600001000, 0, "");
        s.job.dry_run = true;
        s.on_event = count_would;
        copy_well(&s);
        assert_int_equal(s.seen, 1); /* the others are known by what they are */
        assert_int_equal(rows_of(&s, "folder 1"), MESSAGES);
        assert_int_equal(in_all(s.dst), ALL);
        s.job.dry_run = false;
        copy_well(&s);
        assert_int_equal(s.totals.copied, 1);
        check_same(&s, "after the dry run");
        end(&s);
    }
}

/* ---- what is told ---- */

/* Looking again for what may have arrived is not another plan. */
static void test_skipped_are_counted_once(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct ph_memory_fault f = { .kind = PH_MF_CUT_NOT_IN, .skip = 30, .times = 1 };
    struct scene s;

    begin(&s, &src, &dst);
    for (uint32_t uid = 1; uid <= 4; uid++)
        ph_memory_set_flags(s.src, "folder 0", uid, PH_F_DELETED, "");
    s.job.policy.skip_deleted = true;
    ph_memory_fault(s.dst, &f);
    copy_well(&s);
    assert_int_equal(ph_memory_faults_met(s.dst), 1);
    assert_int_equal(s.totals.skipped, 4);
    assert_int_equal(s.totals.messages, ALL - 4);
    assert_int_equal(s.totals.copied, ALL - 4);
    end(&s);
}

static void count_done(struct scene *s, const struct ph_event *e)
{
    if (e->kind == PH_EV_FOLDER_DONE && strcmp(e->folder, "INBOX") != 0) {
        assert_int_equal(e->messages, MESSAGES);
        s->seen++;
    }
    /* the messages of the last folder come after the first one is done */
    if (e->kind == PH_EV_MESSAGE && strcmp(e->folder, "folder 2") == 0 && e->uid == MESSAGES)
        assert_true(s->seen >= 1);
}

static void test_folders_are_done_one_by_one(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct scene s;

    begin(&s, &src, &dst);
    s.on_event = count_done;
    copy_well(&s);
    assert_int_equal(s.seen, FOLDERS);
    assert_int_equal(s.totals.folders_done, FOLDERS + 1); /* INBOX is always there */
    end(&s);
}

/* imapcopy -U says how many different Message-IDs the destination has. */
static void note_unique(struct scene *s, const struct ph_event *e)
{
    if (e->kind == PH_EV_FOLDER_START && strcmp(e->folder, "folder 0") == 0)
        s->seen = (unsigned)e->unique;
}

static void test_unique_keys_are_counted(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct scene s;

    begin(&s, &src, &dst);
    assert_int_equal(ph_memory_folder(s.dst, "folder 0", 0), 0);
    for (int i = 0; i < 5; i++)
        deliver(s.dst, "folder 0", i < 3 ? "Message-ID: <same@example.org>\r\n\r\nx\r\n" : "Message-ID: <other@example.org>\r\n\r\nx\r\n",
                1600000000, 0, "");
    deliver(s.dst, "folder 0", "X-None: here\r\n\r\nx\r\n", 1600000000, 0, "");
    s.on_event = note_unique;
    s.job.policy.classic_match = true;
    copy(&s);
    assert_int_equal(s.seen, 2);
    end(&s);
}

/* A folder that fails in a lane while others are still being listed. */
static void test_a_folder_fails_in_a_lane(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct ph_memory_fault f = { .kind = PH_MF_REFUSE_FOLDER, .op = "append", .folder = "folder 0" };
    struct scene s;

    begin(&s, &src, &dst);
    s.job.lanes = 4;
    ph_memory_fault(s.dst, &f);
    copy(&s);
    assert_int_equal(s.totals.folders_failed, 1);
    assert_int_equal(s.totals.folders_done, FOLDERS); /* INBOX is always there */
    assert_int_equal(ph_memory_count(s.dst, "folder 0"), 0);
    assert_int_equal(in_all(s.dst), ALL - MESSAGES);
    end(&s);
}

static const struct ph_store_ops *real;
static _Atomic unsigned opened;

static int count_open(struct ph_store *st, struct ph_loop *loop, struct ph_session **out, struct ph_err *err)
{
    opened++;
    return real->open(st, loop, out, err);
}

/* An account that the ledger does not know gets its second lane early; an audit has no lanes at all. */
static void test_lanes_of_an_unknown_account(void **state)
{
    struct ph_memory_options src = { 0 }, dst = { 0 };
    struct ph_store_ops counting;
    unsigned known = 0;
    struct scene s;

    begin(&s, &src, &dst);
    real = s.dst->ops;
    counting = *real;
    counting.open = count_open;
    s.dst->ops = &counting;
    s.job.lanes = 2;
    opened = 0;
    copy_well(&s);
    assert_int_equal(opened, 2);
    s.job.audit_bytes = true;
    for (int lost = 0; lost < 2; lost++) {
        if (lost)
            lose_ledger(&s);
        opened = 0;
        if (ph_audit_run(&s.job, &s.totals, &s.err))
            fail_msg("%s", s.err.text);
        assert_int_equal(s.totals.equal, ALL);
        known = lost ? known : opened;
    }
    assert_int_equal(opened, known);
    s.dst->ops = real;
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_present_is_proven),       cmocka_unit_test(test_copied_is_proven),
        cmocka_unit_test(test_made_anew_loses_nothing), cmocka_unit_test(test_flags_left_out),
        cmocka_unit_test(test_guard_is_of_this_session), cmocka_unit_test(test_dry_run_leaves_the_ledger),
        cmocka_unit_test(test_skipped_are_counted_once), cmocka_unit_test(test_folders_are_done_one_by_one),
        cmocka_unit_test(test_unique_keys_are_counted), cmocka_unit_test(test_a_folder_fails_in_a_lane),
        cmocka_unit_test(test_lanes_of_an_unknown_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
