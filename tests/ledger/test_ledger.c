/* What the ledger keeps, and gives back, within one process and after it was closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"

static struct ph_err err;

static void test_place(void **state)
{
    struct place *p = *state;
    char deep[128];
    struct stat st;
    struct ph_ledger *l, *other;

    snprintf(deep, sizeof deep, "%s/a/b", p->dir);
    l = open_ledger(deep);
    /* readable: both accounts are in the name */
    assert_non_null(strstr(ph_ledger_path(l), "anna@mail.example.org"));
    assert_non_null(strstr(ph_ledger_path(l), "anna@imap.example.net"));
    assert_int_equal(strncmp(ph_ledger_path(l), deep, strlen(deep)), 0);
    assert_int_equal(stat(ph_ledger_path(l), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    folder_of(l, "INBOX");
    OK(ph_ledger_flush(l, &err));
    char wal[256];
    snprintf(wal, sizeof wal, "%s-wal", ph_ledger_path(l));
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    /* other accounts, another direction, another purpose: another file */
    OK(ph_ledger_open(deep, DST, SRC, NULL, &other, &err));
    assert_string_not_equal(ph_ledger_path(l), ph_ledger_path(other));
    close_ledger(other);
    OK(ph_ledger_open(deep, SRC, DST, "imapcopy 5c1d", &other, &err));
    assert_string_not_equal(ph_ledger_path(l), ph_ledger_path(other));
    close_ledger(other);
    OK(ph_ledger_open(deep, "../../x\n/..", "\xff", NULL, &other, &err)); /* a name is only ever a name */
    assert_int_equal(strncmp(ph_ledger_path(other), deep, strlen(deep)), 0);
    assert_null(strchr(ph_ledger_path(other) + strlen(deep) + 1, '/'));
    close_ledger(other);
    close_ledger(l);
}

static void test_default_place(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l;
    char want[128];

    setenv("XDG_STATE_HOME", p->dir, 1);
    l = open_ledger(NULL);
    snprintf(want, sizeof want, "%s/posthaste/", p->dir);
    assert_int_equal(strncmp(ph_ledger_path(l), want, strlen(want)), 0);
    close_ledger(l);
    setenv("XDG_STATE_HOME", "relative", 1); /* to be ignored, says the XDG specification */
    setenv("HOME", p->dir, 1);
    l = open_ledger(NULL);
    snprintf(want, sizeof want, "%s/.local/state/posthaste/", p->dir);
    assert_int_equal(strncmp(ph_ledger_path(l), want, strlen(want)), 0);
    close_ledger(l);
    unsetenv("HOME");
    unsetenv("XDG_STATE_HOME");
    assert_int_equal(ph_ledger_open(NULL, SRC, DST, NULL, &l, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
    assert_null(l);
}

static void test_folders(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    struct ph_baseline b, got;
    int64_t id, other;
    char name[64];

    OK(ph_ledger_folder(l, "a/b", "a.b", &id, &err));
    OK(ph_ledger_folder(l, "a/b", "a.b", &other, &err));
    assert_int_equal(id, other);
    OK(ph_ledger_folder(l, "a", "/ba.b", &other, &err)); /* the same letters, cut elsewhere */
    assert_int_not_equal(id, other);
    OK(ph_ledger_folder(l, "", "", &other, &err));

    OK(ph_ledger_baseline_get(l, id, &got, &err));
    assert_int_equal(got.src_uidvalidity, 0);
    assert_false(got.complete);
    b = (struct ph_baseline){ 4294967295u, 4294967294u, 3, UINT64_MAX, 5, 6, 7, 1ull << 63, true };
    OK(ph_ledger_baseline_set(l, id, &b, &err));
    OK(ph_ledger_baseline_get(l, id, &got, &err));
    assert_memory_equal(&got, &b, sizeof b);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "\xc3\xa4/%d", i);
        assert_int_equal(folder_of(l, name), 4 + i);
    }
    assert_int_equal(ph_ledger_baseline_get(l, 999999, &got, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
    assert_int_equal(ph_ledger_baseline_set(l, 0, &b, &err), -1);
    close_ledger(l);

    l = open_ledger(p->dir);
    assert_int_equal(folder_of(l, "new"), 5004); /* numbers are not used again */
    OK(ph_ledger_folder(l, "a/b", "a.b", &other, &err));
    assert_int_equal(id, other);
    memset(&got, 0, sizeof got);
    OK(ph_ledger_baseline_get(l, id, &got, &err));
    assert_int_equal(got.src_uidvalidity, 4294967295u);
    assert_int_equal(got.src_uidnext, 4294967294u);
    assert_int_equal(got.src_messages, 3);
    assert_true(got.src_modseq == UINT64_MAX);
    assert_int_equal(got.dst_uidvalidity, 5);
    assert_int_equal(got.dst_uidnext, 6);
    assert_int_equal(got.dst_messages, 7);
    assert_true(got.dst_modseq == 1ull << 63);
    assert_true(got.complete);
    for (int i = 4999; i >= 0; i--) {
        snprintf(name, sizeof name, "\xc3\xa4/%d", i);
        assert_int_equal(folder_of(l, name), 4 + i);
    }
    close_ledger(l);
}

static void check_rows(struct ph_ledger *l, int64_t f, uint32_t first, size_t n)
{
    struct ph_ledger_cursor *c;
    struct ph_ledger_row row;

    OK(ph_ledger_rows(l, f, &c, &err));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ph_ledger_rows_next(c, &row, &err), 1);
        assert_row(&row, first + (uint32_t)i);
    }
    assert_int_equal(ph_ledger_rows_next(c, &row, &err), 0);
    assert_int_equal(ph_ledger_rows_next(c, &row, &err), 0);
    ph_ledger_rows_end(c);
}

static void test_rows(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a"), b = folder_of(l, "b");
    struct ph_ledger_row row;

    check_rows(l, a, 0, 0);
    put_rows(l, b, 4294967295u - 10, 11); /* the last UIDs there are */
    put_rows(l, a, 3000, 2500);
    put_rows(l, a, 1, 2999);
    check_rows(l, a, 1, 5499); /* what was queued is seen at once, in order */
    check_rows(l, b, 4294967295u - 10, 11);
    assert_int_equal(ph_ledger_row(l, a, 5499, &row, &err), 1);
    assert_row(&row, 5499);
    assert_int_equal(ph_ledger_row(l, a, 5500, &row, &err), 0);
    assert_int_equal(ph_ledger_row(l, b, 1, &row, &err), 0);

    /* replaced, without a hash, without a destination UID */
    struct ph_ledger_row again[] = { { .src_uid = 7, .state = PH_LR_ADOPTED, .size = 12 } };
    OK(ph_ledger_put(l, a, again, 1, &err));
    assert_int_equal(ph_ledger_row(l, a, 7, &row, &err), 1);
    assert_memory_equal(&row, again, sizeof row);
    again[0] = row_of(7);
    OK(ph_ledger_put(l, a, again, 1, &err));

    uint32_t gone[] = { 5499, 1, 77777 };
    OK(ph_ledger_forget(l, a, gone, 3, &err));
    check_rows(l, a, 2, 5497);
    close_ledger(l);

    l = open_ledger(p->dir);
    a = folder_of(l, "a");
    check_rows(l, a, 2, 5497);
    OK(ph_ledger_folder_reset(l, a, &err));
    check_rows(l, a, 0, 0);
    check_rows(l, folder_of(l, "b"), 4294967295u - 10, 11);
    close_ledger(l);

    l = open_ledger(p->dir);
    assert_int_equal(count_rows(l, folder_of(l, "a")), 0);
    struct ph_ledger_row none = { 0 };
    assert_int_equal(ph_ledger_put(l, 1, &none, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
    none.src_uid = 1;
    assert_int_equal(ph_ledger_put(l, 1ll << 31, &none, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
    assert_int_equal(ph_ledger_put(l, -1, &none, 1, &err), -1);
    close_ledger(l);
}

static void test_reset_baseline(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a");
    struct ph_baseline b = { .src_uidvalidity = 5, .complete = true };

    OK(ph_ledger_baseline_set(l, a, &b, &err));
    OK(ph_ledger_folder_reset(l, a, &err));
    OK(ph_ledger_baseline_get(l, a, &b, &err));
    assert_int_equal(b.src_uidvalidity, 0);
    assert_false(b.complete);
    close_ledger(l);
    l = open_ledger(p->dir);
    OK(ph_ledger_baseline_get(l, folder_of(l, "a"), &b, &err));
    assert_int_equal(b.src_uidvalidity, 0);
    close_ledger(l);
}

/* Single rows are right whether they are on disk, being written, or queued; and asking for them waits for nothing. */
static void test_row_between_puts(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a");
    struct ph_ledger_row row;

    put_rows(l, a, 1, 3000);
    OK(ph_ledger_flush(l, &err));
    for (uint32_t uid = 1; uid <= 3000; uid++) {
        assert_int_equal(ph_ledger_row(l, a, uid, &row, &err), 1);
        assert_row(&row, uid);
        if (uid % 3 == 0) {
            OK(ph_ledger_forget(l, a, &uid, 1, &err));
            assert_int_equal(ph_ledger_row(l, a, uid, &row, &err), 0);
        } else {
            row.flags_hash = 5;
            row.dst_uid = 9000 + uid;
            OK(ph_ledger_put(l, a, &row, 1, &err));
            memset(&row, 0, sizeof row);
            assert_int_equal(ph_ledger_row(l, a, uid, &row, &err), 1);
            assert_int_equal(row.flags_hash, 5);
            assert_int_equal(row.size, row_of(uid).size);
            assert_memory_equal(row.sha256, row_of(uid).sha256, 32);
        }
        if (uid % 500 == 1)
            assert_int_equal(ph_ledger_has_dst(l, a, 9000 + uid, &err), uid % 3 != 0);
    }
    assert_int_equal(count_rows(l, a), 2000);
    OK(ph_ledger_folder_reset(l, a, &err));
    assert_int_equal(ph_ledger_row(l, a, 1, &row, &err), 0);
    put_rows(l, a, 1, 1);
    assert_int_equal(ph_ledger_row(l, a, 1, &row, &err), 1);
    assert_int_equal(ph_ledger_row(l, a, 2, &row, &err), 0);
    OK(ph_ledger_refuse(l, a, 2, 7, "no", &err));
    assert_int_equal(ph_ledger_row(l, a, 2, &row, &err), 1);
    assert_int_equal(row.state, PH_LR_REFUSED);
    close_ledger(l);
}

/* A cursor sees the state of its beginning, while the ledger goes on. */
static void test_cursor_state(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a");
    struct ph_ledger_cursor *c, *d;
    struct ph_ledger_row row;

    put_rows(l, a, 1, 3000);
    OK(ph_ledger_rows(l, a, &c, &err));
    assert_int_equal(ph_ledger_rows_next(c, &row, &err), 1);
    put_rows(l, a, 3001, 3000);
    uint32_t gone[] = { 1500 };
    OK(ph_ledger_forget(l, a, gone, 1, &err));
    OK(ph_ledger_flush(l, &err));
    OK(ph_ledger_rows(l, a, &d, &err));
    size_t n = 1, m = 0;
    while (ph_ledger_rows_next(c, &row, &err) == 1)
        n++;
    while (ph_ledger_rows_next(d, &row, &err) == 1)
        m++;
    assert_int_equal(n, 3000);
    assert_int_equal(m, 5999);
    ph_ledger_rows_end(c);
    ph_ledger_rows_end(d);
    ph_ledger_rows_end(NULL);
    close_ledger(l);
}

static void test_has_dst(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a"), b = folder_of(l, "b");

    put_rows(l, a, 1, 100); /* destination UIDs 8 to 107 */
    assert_int_equal(ph_ledger_has_dst(l, a, 8, &err), 1);
    assert_int_equal(ph_ledger_has_dst(l, a, 107, &err), 1);
    assert_int_equal(ph_ledger_has_dst(l, a, 7, &err), 0);
    assert_int_equal(ph_ledger_has_dst(l, b, 8, &err), 0);
    put_rows(l, b, 1, 1);
    assert_int_equal(ph_ledger_has_dst(l, b, 8, &err), 1);
    close_ledger(l);
    l = open_ledger(p->dir);
    put_rows(l, b, 500, 1);
    assert_int_equal(ph_ledger_has_dst(l, b, 507, &err), 1);
    assert_int_equal(ph_ledger_has_dst(l, b, 508, &err), 0);
    close_ledger(l);
}

static void test_refused(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a");
    struct ph_ledger_row row;
    char buf[64], small[5];

    OK(ph_ledger_refuse(l, a, 5, 1234, "NO [TOOBIG] Message too large", &err));
    OK(ph_ledger_refuse(l, a, 6, 0, "", &err));
    OK(ph_ledger_refuse(l, a, 7, 0, "8-bit \xff bytes", &err));
    assert_int_equal(ph_ledger_row(l, a, 5, &row, &err), 1);
    assert_int_equal(row.state, PH_LR_REFUSED);
    assert_int_equal(row.size, 1234);
    assert_int_equal(ph_ledger_reason(l, a, 5, buf, sizeof buf, &err), 1);
    assert_string_equal(buf, "NO [TOOBIG] Message too large");
    assert_int_equal(ph_ledger_reason(l, a, 5, small, sizeof small, &err), 1);
    assert_string_equal(small, "NO [");
    assert_int_equal(ph_ledger_reason(l, a, 5, NULL, 0, &err), 1);
    assert_int_equal(ph_ledger_reason(l, a, 6, buf, sizeof buf, &err), 1);
    assert_string_equal(buf, "");
    assert_int_equal(ph_ledger_reason(l, a, 4, buf, sizeof buf, &err), 0);
    close_ledger(l);

    l = open_ledger(p->dir);
    a = folder_of(l, "a");
    assert_int_equal(ph_ledger_reason(l, a, 7, buf, sizeof buf, &err), 1);
    assert_string_equal(buf, "8-bit \xff bytes");
    /* tried again, and taken: the reason is history */
    put_rows(l, a, 5, 1);
    assert_int_equal(ph_ledger_reason(l, a, 5, buf, sizeof buf, &err), 0);
    uint32_t uid = 6;
    OK(ph_ledger_forget(l, a, &uid, 1, &err));
    assert_int_equal(ph_ledger_reason(l, a, 6, buf, sizeof buf, &err), 0);
    OK(ph_ledger_folder_reset(l, a, &err));
    assert_int_equal(ph_ledger_reason(l, a, 7, buf, sizeof buf, &err), 0);
    close_ledger(l);
}

static int64_t add_intent(struct ph_ledger *l, int64_t folder, uint32_t first, size_t n)
{
    struct ph_intent_message *m = calloc(n + 1, sizeof *m);
    struct ph_intent in = { .folder = folder, .dst_uidvalidity = 0xfffffff0u, .dst_uidnext = first, .messages = m, .n = n };
    uint64_t ticket;
    int64_t id;

    for (size_t i = 0; i < n; i++)
        m[i] = message_of(first + (uint32_t)i);
    OK(ph_ledger_intent(l, &in, &id, &ticket, &err));
    OK(ph_ledger_wait(l, ticket, &err));
    free(m);
    return id;
}

struct seen {
    struct ph_ledger *l;
    int n, stop_at;
    int64_t ids[16], folders[16];
    size_t messages;
};

static int see(void *ctx, const struct ph_intent *in)
{
    struct seen *s = ctx;

    assert_int_equal(in->dst_uidvalidity, 0xfffffff0u);
    for (size_t i = 0; i < in->n; i++)
        assert_message(&in->messages[i], in->dst_uidnext + (uint32_t)i);
    s->messages += in->n;
    s->folders[s->n] = in->folder;
    s->ids[s->n++] = in->id;
    if (s->l) /* the ledger may be used from here */
        OK(ph_ledger_drop(s->l, in->id, &err));
    return s->n == s->stop_at;
}

static void test_intents(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a"), b = folder_of(l, "b");
    struct seen s = { 0 };

    assert_int_equal(count_intents(l, 0), 0);
    int64_t i1 = add_intent(l, b, 1, 100), i2 = add_intent(l, a, 1, 1), i3 = add_intent(l, a, 5000, 2000);
    int64_t i4 = add_intent(l, a, 9, 0);
    assert_true(i1 != i2 && i2 != i3 && i3 != i4);
    assert_int_equal(count_intents(l, 0), 4);
    assert_int_equal(count_intents(l, a), 3);
    assert_int_equal(count_intents(l, b), 1);
    OK(ph_ledger_drop(l, i4, &err));
    assert_int_equal(count_intents(l, a), 2);
    struct ph_ledger_row row = row_of(1);
    OK(ph_ledger_confirm(l, i2, a, &row, 1, &err));
    assert_int_equal(count_intents(l, a), 1);
    assert_int_equal(count_rows(l, a), 1);
    OK(ph_ledger_folder_reset(l, a, &err)); /* forgets rows, keeps intents */
    close_ledger(l);

    l = open_ledger(p->dir);
    assert_int_equal(count_intents(l, 0), 2);
    OK(ph_ledger_unresolved(l, 0, see, &s, &err));
    assert_int_equal(s.n, 2);
    assert_int_equal(s.ids[0], i3); /* folder by folder */
    assert_int_equal(s.folders[0], a);
    assert_int_equal(s.ids[1], i1);
    assert_int_equal(s.messages, 2100);
    /* a new intent has a number of its own */
    int64_t i5 = add_intent(l, b, 300, 3);
    assert_true(i5 > i3);
    s = (struct seen){ .stop_at = 1 };
    assert_int_equal(ph_ledger_unresolved(l, b, see, &s, &err), -1);
    assert_int_equal(s.n, 1);
    s = (struct seen){ .l = l };
    OK(ph_ledger_unresolved(l, b, see, &s, &err));
    assert_int_equal(s.n, 2);
    assert_int_equal(count_intents(l, b), 0);
    assert_int_equal(count_intents(l, 0), 1);
    close_ledger(l);
}

static void test_no_intents(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    int64_t a = folder_of(l, "a");
    struct ph_ledger_row row = row_of(1);

    ph_ledger_no_intents(l);
    int64_t id = add_intent(l, a, 1, 100);
    assert_int_equal(count_intents(l, 0), 0);
    OK(ph_ledger_confirm(l, id, a, &row, 1, &err));
    assert_int_equal(count_rows(l, a), 1);
    close_ledger(l);
}

static void test_meta(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);
    unsigned char key[16], again[16], none[16] = { 0 };
    char buf[8];
    size_t n;

    assert_int_equal(ph_ledger_meta_get(l, "hash-key", key, sizeof key, &n, &err), 1);
    assert_int_equal(n, 16);
    assert_memory_not_equal(key, none, 16);
    assert_int_equal(ph_ledger_meta_get(l, "finished", buf, sizeof buf, &n, &err), 0);
    OK(ph_ledger_meta_set(l, "finished", "yes", 3, &err));
    assert_int_equal(ph_ledger_meta_get(l, "finished", buf, sizeof buf, &n, &err), 1);
    assert_int_equal(n, 3);
    assert_memory_equal(buf, "yes", 3);
    OK(ph_ledger_meta_set(l, "finished", "0123456789", 10, &err));
    assert_int_equal(ph_ledger_meta_get(l, "finished", buf, sizeof buf, &n, &err), 1);
    assert_int_equal(n, 10); /* as long as it is; as much of it as there was room */
    assert_memory_equal(buf, "01234567", 8);
    OK(ph_ledger_meta_set(l, "empty", NULL, 0, &err));
    assert_int_equal(ph_ledger_meta_set(l, "hash-key", "x", 1, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
    close_ledger(l);

    l = open_ledger(p->dir);
    assert_int_equal(ph_ledger_meta_get(l, "hash-key", again, sizeof again, &n, &err), 1);
    assert_memory_equal(key, again, 16);
    assert_int_equal(ph_ledger_meta_get(l, "empty", buf, sizeof buf, &n, &err), 1);
    assert_int_equal(n, 0);
    close_ledger(l);

    /* another ledger, another key */
    OK(ph_ledger_open(p->dir, DST, SRC, NULL, &l, &err));
    assert_int_equal(ph_ledger_meta_get(l, "hash-key", again, sizeof again, &n, &err), 1);
    assert_memory_not_equal(key, again, 16);
    close_ledger(l);
}

static void test_tickets(void **state)
{
    struct place *p = *state;
    struct ph_ledger *l = open_ledger(p->dir);

    OK(ph_ledger_flush(l, &err));
    OK(ph_ledger_wait(l, 0, &err));
    assert_int_equal(ph_ledger_wait(l, 1, &err), -1);
    assert_int_equal(err.kind, PH_E_USAGE);
    close_ledger(l);
    assert_int_equal(ph_ledger_close(NULL, &err), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        T(test_place),   T(test_default_place), T(test_folders),      T(test_rows),
        T(test_refused), T(test_intents),       T(test_no_intents),   T(test_meta),
        T(test_has_dst), T(test_row_between_puts), T(test_cursor_state),  T(test_reset_baseline), T(test_tickets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
