/* contract_write.c: appending, changing, removing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "contract.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static size_t count(struct contract *c, const char *folder)
{
    struct ph_snapshot snap;

    c_scan(c, folder, &snap);
    size_t n = snap.n;
    ph_snapshot_done(&snap);
    return n;
}

static struct ph_append *begin(struct contract *c, const char *folder, size_t n)
{
    struct ph_append *a = NULL;

    OK(c->s->ops->append_open(c->s, folder, n, &a, &said));
    assert_non_null(a);
    return a;
}

static void add(struct contract *c, struct ph_append *a, unsigned id, size_t size)
{
    struct ph_message m = { .keywords = "", .size = size };
    char *p = c_make(id, size);

    OK(c->s->ops->append_message(a, &m, &said));
    OK(c->s->ops->append_write(a, p, size, &said));
    free(p);
}

static void append_uids(struct contract *c)
{
    const char *a = c_folder(c, "a");
    uint32_t validity = c_uidvalidity(c, a);
    struct ph_append_result res;
    struct ph_append *done;
    struct ph_snapshot snap;

    if (!(c->ab & PH_AB_NEWUID))
        return;
    for (size_t i = 0; i < 3; i++) {
        struct ph_append *ap = begin(c, a, 1);
        add(c, ap, (unsigned)i, 400);
        OK(c->s->ops->append_finish(ap, &said));
        OK(c->s->ops->append_wait(c->s, &done, &res, &said));
        assert_true(res.ok);
        assert_false(res.unknown);
        assert_int_equal(res.uidvalidity, validity);
        assert_int_equal(res.n_uids, 1);
        uint32_t uid = res.uids[0];
        c->s->ops->append_free(done);
        c_scan(c, a, &snap);
        assert_int_equal(snap.n, i + 1);
        assert_int_equal(ph_snapshot_row(&snap, i)->uid, uid);
        ph_snapshot_done(&snap);
    }
}

static void append_batch(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_append_result res;
    struct ph_append *done, *ap;
    struct ph_snapshot snap;

    if (!(c->ab & PH_AB_BATCH)) {
        FAILS(PH_E_USAGE, c->s->ops->append_open(c->s, a, 2, &ap, &said));
        return;
    }
    ap = begin(c, a, 60); /* at most so many */
    for (unsigned i = 0; i < 50; i++)
        add(c, ap, i, 250 + i);
    OK(c->s->ops->append_finish(ap, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    assert_true(res.ok);
    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 50);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(ph_snapshot_row(&snap, i)->size, 250 + i);
        if (c->ab & PH_AB_NEWUID) {
            assert_int_equal(res.n_uids, 50);
            assert_int_equal(res.uids[i], ph_snapshot_row(&snap, i)->uid);
        }
    }
    ph_snapshot_done(&snap);
    c->s->ops->append_free(done);
}

static void append_pipeline(struct contract *c)
{
    const char *folder[] = { c_folder(c, "a"), c_folder(c, "b") };
    struct ph_append *ap[6], *done;
    struct ph_append_result res;

    for (unsigned i = 0; i < 6; i++) {
        ap[i] = begin(c, folder[i % 2], 1);
        add(c, ap[i], i, 1000 * (i + 1));
        OK(c->s->ops->append_finish(ap[i], &said));
    }
    for (unsigned i = 0; i < 6; i++) {
        c->s->ops->append_poll(c->s);
        OK(c->s->ops->append_wait(c->s, &done, &res, &said));
        assert_ptr_equal(done, ap[i]); /* the oldest */
        assert_true(res.ok);
        c->s->ops->append_free(done);
    }
    assert_false(c->s->ops->append_poll(c->s));
    FAILS(PH_E_USAGE, c->s->ops->append_wait(c->s, &done, &res, &said));
    assert_int_equal(count(c, folder[0]), 3);
    assert_int_equal(count(c, folder[1]), 3);
}

/* Nothing of it goes out, and the session goes on (RFC 3502: one empty literal would abort a whole batch). */
static void append_empty(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_message m = { .keywords = "", .size = 0 };
    struct ph_append_result res;
    struct ph_append *done, *ap = begin(c, a, 1);

    assert_int_equal(c->s->ops->append_message(ap, &m, &said), -1);
    assert_int_equal(said.scope, PH_SCOPE_MESSAGE);
    OK(c->s->ops->append_finish(ap, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    assert_ptr_equal(done, ap);
    assert_false(res.ok);
    assert_false(res.unknown);
    assert_int_not_equal(res.err.kind, PH_OK);
    c->s->ops->append_free(done);
    assert_int_equal(count(c, a), 0);
    c_append_plain(c, a, 1, 1, NULL);
    assert_int_equal(count(c, a), 1);
}

static void append_nowhere(struct contract *c)
{
    const char *a = c_folder(c, "a"), *none = c_name(c, "none");
    size_t n = c->ab & PH_AB_BATCH ? 3 : 1;
    struct ph_append_result res;
    struct ph_append *done, *ap = begin(c, none, n);
    char *p = c_make(1, 500);
    struct ph_message m = { .keywords = "", .size = 500 };

    for (size_t i = 0; i < n; i++)
        if (c->s->ops->append_message(ap, &m, &said) || c->s->ops->append_write(ap, p, 500, &said))
            break; /* known already */
    free(p);
    OK(c->s->ops->append_finish(ap, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    assert_ptr_equal(done, ap);
    assert_false(res.ok);
    assert_false(res.unknown);
    /* kind and scope where the connection lived to tell; it may have been given up, never be out of step */
    if (res.err.scope <= PH_SCOPE_FOLDER)
        assert_int_equal(res.err.kind, PH_E_NOTFOUND);
    else
        assert_int_equal(res.err.retry, PH_RETRY_RECONNECT);
    c->s->ops->append_free(done);
    if (c->s->ops->noop(c->s, &said)) {
        c->s->ops->close(c->s);
        c->s = c_open(c);
    }
    c_append_plain(c, a, 1, 1, NULL);
    struct ph_folder_list list;
    OK(c->s->ops->list(c->s, false, &list, &said));
    assert_null(ph_folder_list_find(&list, none)); /* nothing made it by the way */
    ph_folder_list_done(&list);
}

static void append_too_big(struct contract *c)
{
    const char *a = c_folder(c, "a");
    uint64_t limit = c->s->ops->append_limit(c->s);
    struct ph_message m = { .keywords = "", .size = limit + 1 };
    struct ph_append_result res;
    struct ph_append *done;

    if (limit > 100u << 20)
        return; /* not known, or too large to try */
    struct ph_append *ap = begin(c, a, 1);
    char *p = c_make(1, m.size);
    if (c->s->ops->append_message(ap, &m, &said) == 0)
        c->s->ops->append_write(ap, p, m.size, &said);
    free(p);
    OK(c->s->ops->append_finish(ap, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    assert_false(res.ok);
    assert_int_equal(res.err.kind, PH_E_TOOBIG);
    assert_int_equal(res.err.scope, PH_SCOPE_MESSAGE);
    c->s->ops->append_free(done);
}

/* A message that does not come whole costs the session at most, never leaves anything. */
static void append_broken_off(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_message m = { .keywords = "", .size = 5000 };
    struct ph_append_result res;
    struct ph_append *done, *ap = begin(c, a, 1);
    char *p = c_make(1, 5000);

    OK(c->s->ops->append_message(ap, &m, &said));
    OK(c->s->ops->append_write(ap, p, 4999, &said));
    FAILS(PH_E_USAGE, c->s->ops->append_write(ap, p, 2, &said));
    free(p);
    OK(c->s->ops->append_finish(ap, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    assert_false(res.ok);
    assert_false(res.unknown); /* certainly not in: the last octet never went out */
    c->s->ops->append_free(done);
    c->s->ops->close(c->s);
    c->s = c_open(c);
    assert_int_equal(count(c, a), 0);
}

static void change(struct contract *c, const char *folder, const uint32_t *uids, size_t n, int mode, uint32_t flags,
                   const char *keywords)
{
    struct ph_numset set = c_set(uids, n);
    struct ph_flag_change ch = { .uids = &set, .flags = flags, .keywords = keywords };
    struct ph_flag_batch b = { .folder = folder, .uidvalidity = c_uidvalidity(c, folder), .changes = &ch, .n = 1 };

    ch.mode = mode == 0 ? PH_FLAGS_SET : mode == 1 ? PH_FLAGS_ADD : PH_FLAGS_REMOVE;
    OK(c->s->ops->store_flags(c->s, &b, 1, &said));
    if (b.result.kind != PH_OK || ch.result.kind != PH_OK)
        fail_msg("flags: %s%s", b.result.text, ch.result.text);
    ph_numset_done(&set);
}

static void check_flags(struct contract *c, const char *folder, size_t i, uint32_t flags, const char *keywords)
{
    struct ph_snapshot snap;

    c_scan(c, folder, &snap);
    struct ph_row *r = ph_snapshot_row(&snap, i);
    assert_int_equal(r->flags & ~(uint32_t)PH_F_RECENT, flags);
    if (c->ab & PH_AB_KEYWORDS)
        assert_string_equal(ph_snapshot_keywords(&snap, r), keywords);
    ph_snapshot_done(&snap);
}

static void flags(struct contract *c)
{
    const char *a = c_folder(c, "a");
    const char *kw = c->ab & PH_AB_KEYWORDS ? "Work $Later" : "";
    uint32_t uids[3];

    if (!(c->ab & PH_AB_FLAGS))
        return;
    c_append_plain(c, a, 1, 3, uids);
    change(c, a, uids, 2, 0, PH_F_SEEN | PH_F_FLAGGED, kw);
    check_flags(c, a, 0, PH_F_SEEN | PH_F_FLAGGED, "$Later Work");
    check_flags(c, a, 1, PH_F_SEEN | PH_F_FLAGGED, "$Later Work");
    check_flags(c, a, 2, 0, "");
    change(c, a, uids, 1, 1, PH_F_DRAFT, "");
    check_flags(c, a, 0, PH_F_SEEN | PH_F_FLAGGED | PH_F_DRAFT, "$Later Work");
    change(c, a, uids, 1, 2, PH_F_SEEN, *kw ? "Work" : "");
    check_flags(c, a, 0, PH_F_FLAGGED | PH_F_DRAFT, "$Later");
    check_flags(c, a, 1, PH_F_SEEN | PH_F_FLAGGED, "$Later Work");
    change(c, a, uids, 3, 0, 0, "");
    for (size_t i = 0; i < 3; i++)
        check_flags(c, a, i, 0, "");
    /* a message that is not there is no error */
    uint32_t gone = uids[2] + 1000;
    change(c, a, &gone, 1, 0, PH_F_SEEN, "");
}

static void flags_of_folders(struct contract *c)
{
    const char *folder[] = { c_folder(c, "a"), c_name(c, "none"), c_folder(c, "b") };
    struct ph_flag_change ch[3][2];
    struct ph_flag_batch b[3];
    struct ph_numset set[3][2];
    uint32_t uids[3][2];

    if (!(c->ab & PH_AB_FLAGS))
        return;
    for (int i = 0; i < 3; i++) {
        uids[i][0] = 1;
        uids[i][1] = 2;
        if (i != 1)
            c_append_plain(c, folder[i], 1, 2, uids[i]);
        for (int k = 0; k < 2; k++) {
            set[i][k] = c_set(&uids[i][k], 1);
            ch[i][k] = (struct ph_flag_change){ .uids = &set[i][k], .flags = k ? PH_F_SEEN : PH_F_FLAGGED,
                                                .keywords = "", .mode = PH_FLAGS_ADD };
        }
        b[i] = (struct ph_flag_batch){ .folder = folder[i], .changes = ch[i], .n = 2,
                                       .uidvalidity = i == 1 ? 0 : c_uidvalidity(c, folder[i]) };
    }
    OK(c->s->ops->store_flags(c->s, b, 3, &said));
    assert_int_equal(b[0].result.kind, PH_OK);
    assert_int_not_equal(b[1].result.kind, PH_OK); /* harms no other */
    assert_int_equal(b[2].result.kind, PH_OK);
    for (int i = 0; i < 3; i += 2) {
        check_flags(c, folder[i], 0, PH_F_FLAGGED, "");
        check_flags(c, folder[i], 1, PH_F_SEEN, "");
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            ph_numset_done(&set[i][k]);
}

/* Somebody else's change is not overwritten (RFC 7162 3.1.3). */
static void flags_guarded(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_snapshot snap;
    uint32_t uids[2];

    if (!(c->ab & PH_AB_MODSEQ) || !(c->ab & PH_AB_FLAGS))
        return;
    c_append_plain(c, a, 1, 2, uids);
    c_scan(c, a, &snap);
    uint64_t modseq = snap.modseq;
    uint32_t validity = snap.uidvalidity;
    ph_snapshot_done(&snap);
    change(c, a, uids, 1, 0, PH_F_ANSWERED, ""); /* the other one */
    struct ph_numset set = c_set(uids, 2), second = c_set(uids + 1, 1);
    struct ph_flag_change ch = { .uids = &set, .flags = PH_F_FLAGGED, .keywords = "", .mode = PH_FLAGS_SET,
                                 .unchanged_since = modseq };
    struct ph_flag_batch b = { .folder = a, .uidvalidity = validity, .changes = &ch, .n = 1 };
    OK(c->s->ops->store_flags(c->s, &b, 1, &said));
    assert_int_equal(b.result.kind, PH_OK);
    assert_int_equal(ch.result.kind, PH_E_CHANGED);
    check_flags(c, a, 0, PH_F_ANSWERED, "");
    check_flags(c, a, 1, PH_F_FLAGGED, ""); /* the rest of the set was not held up */
    c_scan(c, a, &snap);
    ch.uids = &second;
    ch.flags = PH_F_SEEN;
    ch.unchanged_since = snap.modseq;
    ph_snapshot_done(&snap);
    OK(c->s->ops->store_flags(c->s, &b, 1, &said));
    assert_int_equal(ch.result.kind, PH_OK);
    check_flags(c, a, 1, PH_F_SEEN, "");
    ph_numset_done(&set);
    ph_numset_done(&second);
}

static void expunge(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_snapshot snap;
    uint32_t uids[5];

    c_append_plain(c, a, 1, 5, uids);
    change(c, a, &uids[0], 1, 1, PH_F_DELETED, ""); /* somebody's mark, which is not ours to act on */
    uint32_t ours[] = { uids[1], uids[3], uids[4] + 1000 };
    struct ph_numset set = c_set(ours, 3);
    int r = c->s->ops->expunge(c->s, a, c_uidvalidity(c, a), &set, false, &said);
    enum ph_kind kind = said.kind;
    c_scan(c, a, &snap);
    if (c->ab & PH_AB_UID_EXPUNGE) {
        assert_int_equal(r, 0);
        assert_int_equal(snap.n, 3);
        assert_int_equal(ph_snapshot_row(&snap, 0)->uid, uids[0]);
        assert_int_equal(ph_snapshot_row(&snap, 1)->uid, uids[2]);
        assert_int_equal(ph_snapshot_row(&snap, 2)->uid, uids[4]);
        assert_true(ph_snapshot_row(&snap, 0)->flags & PH_F_DELETED);
        assert_false(ph_snapshot_row(&snap, 1)->flags & PH_F_DELETED);
    } else {
        assert_int_equal(r, -1);
        assert_int_equal(kind, PH_E_UNSUPPORTED);
        assert_int_equal(snap.n, 5);
        assert_true(ph_snapshot_row(&snap, 1)->flags & PH_F_DELETED);
        assert_false(ph_snapshot_row(&snap, 2)->flags & PH_F_DELETED);
        OK(c->s->ops->expunge(c->s, a, 0, &set, true, &said));
        assert_int_equal(count(c, a), 2);
    }
    assert_true(snap.uidnext > uids[4]); /* numbers are not used again */
    ph_snapshot_done(&snap);
    ph_numset_done(&set);
    struct ph_numset none = PH_NUMSET_INIT;
    OK(c->s->ops->expunge(c->s, a, 0, &none, false, &said));
}

static void copy(struct contract *c)
{
    const char *a = c_folder(c, "a"), *b = c_folder(c, "b"), *none = c_name(c, "none");
    const struct c_message m[] = { { .id = 1, .size = 300, .m = { .flags = PH_F_SEEN, .has_date = true, .epoch = 1e9 } },
                                   { .id = 2, .size = 301 }, { .id = 3, .size = 302, .m = { .keywords = "Work" } } };
    struct ph_snapshot snap;
    uint32_t uids[3];

    if (!c->s->ops->copy)
        return;
    c_append(c, a, m, 3, uids);
    uint32_t some[] = { uids[0], uids[2] }, validity = c_uidvalidity(c, a);
    struct ph_numset set = c_set(some, 2);
    OK(c->s->ops->copy(c->s, a, validity, &set, b, &said));
    assert_int_equal(count(c, a), 3);
    c_scan(c, b, &snap);
    assert_int_equal(snap.n, 2);
    assert_int_equal(ph_snapshot_row(&snap, 0)->size, 300);
    assert_int_equal(ph_snapshot_row(&snap, 1)->size, 302);
    if (c->ab & PH_AB_FLAGS)
        assert_true(ph_snapshot_row(&snap, 0)->flags & PH_F_SEEN);
    if (c->ab & PH_AB_KEYWORDS)
        assert_string_equal(ph_snapshot_keywords(&snap, ph_snapshot_row(&snap, 1)), "Work");
    if (c->ab & PH_AB_DATES)
        assert_int_equal(ph_snapshot_row(&snap, 0)->epoch, 1e9);
    ph_snapshot_done(&snap);
    assert_int_equal(c->s->ops->copy(c->s, a, validity, &set, none, &said), -1);
    assert_true(said.scope <= PH_SCOPE_FOLDER);
    FAILS(PH_E_CHANGED, c->s->ops->copy(c->s, a, validity + 1, &set, b, &said));
    assert_int_equal(count(c, b), 2);
    ph_numset_done(&set);
}

/* ---- the big message ---- */

static long resident_kb(void)
{
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

/* Octets `at`… of an endless text in lines of 64 */
static void big_piece(char *p, size_t n, uint64_t at)
{
    for (size_t i = 0; i < n; i++, at++)
        p[i] = at % 64 == 62 ? '\r' : at % 64 == 63 ? '\n' : (char)('a' + (at * 7 + at / 64) % 26);
}

static void big_message(struct contract *c)
{
    static const char head[] = "Subject: big\r\n\r\n";
    const char *a = c_folder(c, "a");
    const uint64_t size = c->opt->big / 64 * 64 + sizeof head - 1;
    struct ph_message m = { .keywords = "", .size = size };
    struct ph_append_result res;
    struct ph_append *done, *ap = begin(c, a, 1);
    struct ph_snapshot snap;
    struct ph_body body;
    uint32_t uid;
    char piece[8192], want[65536];

    long before = resident_kb(), most = before;
    OK(c->s->ops->append_message(ap, &m, &said));
    OK(c->s->ops->append_write(ap, head, sizeof head - 1, &said));
    for (uint64_t at = 0, n; at < size - (sizeof head - 1); at += n) {
        n = size - (sizeof head - 1) - at < sizeof piece ? size - (sizeof head - 1) - at : sizeof piece;
        big_piece(piece, n, at);
        OK(c->s->ops->append_write(ap, piece, n, &said));
        if (at % (1 << 20) == 0 && resident_kb() > most)
            most = resident_kb();
    }
    OK(c->s->ops->append_finish(ap, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    if (!res.ok)
        fail_msg("%s", res.err.text);
    c->s->ops->append_free(done);

    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 1);
    assert_int_equal(ph_snapshot_row(&snap, 0)->size, size);
    uid = ph_snapshot_row(&snap, 0)->uid;
    struct ph_numset set = c_set(&uid, 1);
    OK(c->s->ops->bodies_add(c->s, a, 0, &set, &snap, &said));
    OK(c->s->ops->bodies_next(c->s, &body, &said) - 1);
    assert_int_equal(body.size, size);
    uint64_t at = 0, looked = 0;
    for (;;) {
        const char *p;
        size_t n;
        OK(c->s->ops->body_read(c->s, &p, &n, &said));
        if (n == 0)
            break;
        for (size_t i = 0; i < n;) {
            size_t h = sizeof head - 1, k = n - i < sizeof want ? n - i : sizeof want;
            if (at < h) {
                k = k < h - at ? k : (size_t)(h - at);
                memcpy(want, head + at, k);
            } else {
                big_piece(want, k, at - h);
            }
            if (memcmp(p + i, want, k) != 0)
                fail_msg("octets differ after %llu", (unsigned long long)at);
            i += k;
            at += k;
        }
        if (at - looked > 1 << 20 && (looked = at) && resident_kb() > most)
            most = resident_kb();
    }
    assert_int_equal(at, size);
    OK(c->s->ops->bodies_next(c->s, &body, &said));
    if (!c->opt->holds_messages && !SANITIZED && most - before > 6 * 1024)
        fail_msg("memory grew by %ld KB for one message", most - before);
    ph_numset_done(&set);
    ph_snapshot_done(&snap);
}

const struct contract_case contract_write_cases[] = {
    { "append_uids", append_uids },
    { "append_batch", append_batch },
    { "append_pipeline", append_pipeline },
    { "append_empty", append_empty },
    { "append_nowhere", append_nowhere },
    { "append_too_big", append_too_big },
    { "append_broken_off", append_broken_off },
    { "flags", flags },
    { "flags_of_folders", flags_of_folders },
    { "flags_guarded", flags_guarded },
    { "expunge", expunge },
    { "copy", copy },
    { "big_message", big_message },
    { NULL, NULL },
};
