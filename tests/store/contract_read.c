/* contract_read.c: scans and bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "contract.h"

static void scan_empty(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_snapshot snap;

    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 0);
    assert_int_equal(snap.exists, 0);
    assert_int_equal(snap.uidvalidity, c_uidvalidity(c, a));
    ph_snapshot_done(&snap);

    ph_snapshot_init(&snap);
    struct ph_scan_request req = { .want = PH_WANT_FLAGS };
    int r = c->s->ops->scan_begin(c->s, c_name(c, "none"), &req, &snap, &said);
    assert_int_equal(r ? r : c->s->ops->scan_wait(c->s, &snap, &said), -1);
    assert_true(said.scope <= PH_SCOPE_FOLDER);
    assert_false(snap.complete);
    ph_snapshot_done(&snap);
    OK(c->s->ops->noop(c->s, &said));
}

static void scan_full(struct contract *c)
{
    const char *a = c_folder(c, "a");
    const struct c_message m[] = {
        { .id = 1, .size = 300, .m = { .has_date = true, .epoch = 100000000, .zone_min = 0 } },
        { .id = 2, .size = 1000, .m = { .flags = PH_F_SEEN | PH_F_FLAGGED, .keywords = "Work $Forwarded",
                                        .has_date = true, .epoch = 1700000000, .zone_min = 330 } },
        { .id = 3, .size = 8191, .m = { .flags = PH_F_ANSWERED | PH_F_DRAFT | PH_F_DELETED, .has_date = true,
                                        .epoch = 951827696, .zone_min = -480 } },
        { .id = 4, .size = 8193, .m = { .keywords = "work", .has_date = true, .epoch = 1609459199 } },
        { .id = 5, .size = 65536, .m = { .keywords = "$Forwarded Work" } },
    };
    struct ph_snapshot snap;
    uint32_t uids[5];

    c_append(c, a, m, 5, uids);
    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 5);
    assert_int_equal(snap.exists, 5);
    assert_int_equal(snap.uidvalidity, c_uidvalidity(c, a));
    assert_true(snap.uidnext > uids[4]);
    assert_false(snap.changes_only);
    if (c->ab & PH_AB_MODSEQ)
        assert_true(snap.modseq > 0);
    for (size_t i = 0; i < 5; i++) {
        struct ph_row *r = ph_snapshot_row(&snap, i);
        assert_int_equal(r->uid, uids[i]); /* in the order of the batch */
        assert_int_equal(r->size, m[i].size);
        if (c->ab & PH_AB_FLAGS)
            assert_int_equal(r->flags & ~(uint32_t)PH_F_RECENT, m[i].m.flags);
        assert_true(r->has_date);
        if (c->ab & PH_AB_DATES && m[i].m.has_date) {
            assert_int_equal(r->epoch, m[i].m.epoch);
            if (c->opt->zones)
                assert_int_equal(r->zone, m[i].m.zone_min);
        }
    }
    if (c->ab & PH_AB_KEYWORDS) {
        assert_string_equal(ph_snapshot_keywords(&snap, ph_snapshot_row(&snap, 0)), "");
        assert_string_equal(ph_snapshot_keywords(&snap, ph_snapshot_row(&snap, 1)), "$Forwarded Work");
        assert_true(strcasecmp(ph_snapshot_keywords(&snap, ph_snapshot_row(&snap, 3)), "work") == 0);
        assert_int_equal(ph_snapshot_row(&snap, 1)->kwset, ph_snapshot_row(&snap, 4)->kwset);
    }
    ph_snapshot_done(&snap);
}

static void permanent_flags(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_scan_request req = { .want = PH_WANT_FLAGS, .read_write = true };
    struct ph_snapshot snap;

    if (!(c->ab & PH_AB_FLAGS))
        return;
    c_scan_req(c, a, &req, &snap);
    const uint32_t all = PH_F_SEEN | PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DELETED | PH_F_DRAFT;
    assert_int_equal(snap.permanent_flags & all, all);
    assert_non_null(snap.permanent_keywords);
    ph_snapshot_done(&snap);
}

static void check_uids(const struct ph_snapshot *snap, const uint32_t *want, size_t n)
{
    assert_int_equal(snap->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ph_snapshot_row(snap, i)->uid, want[i]);
}

static void scan_parts(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_SIZE };
    struct ph_snapshot snap;
    uint32_t uids[6];

    c_append_plain(c, a, 1, 6, uids);
    req.from_uid = uids[4];
    c_scan_req(c, a, &req, &snap);
    check_uids(&snap, uids + 4, 2);
    assert_int_equal(snap.exists, 6);
    ph_snapshot_done(&snap);

    req.from_uid = uids[5] + 1; /* `n:*` must not bring the last one again (RFC 9051 9) */
    c_scan_req(c, a, &req, &snap);
    check_uids(&snap, NULL, 0);
    ph_snapshot_done(&snap);

    uint32_t some[] = { uids[0], uids[2], uids[3], uids[5] + 1, uids[5] + 1000 };
    struct ph_numset set = c_set(some, 5);
    req.from_uid = 0;
    req.uids = &set;
    c_scan_req(c, a, &req, &snap);
    check_uids(&snap, some, 3);
    ph_snapshot_done(&snap);
    ph_numset_clear(&set);
    c_scan_req(c, a, &req, &snap);
    check_uids(&snap, NULL, 0);
    ph_snapshot_done(&snap);
    ph_numset_done(&set);
}

static void set_flags(struct contract *c, const char *folder, uint32_t uid, uint32_t flags)
{
    struct ph_numset set = c_set(&uid, 1);
    struct ph_flag_change ch = { .uids = &set, .flags = flags, .keywords = "", .mode = PH_FLAGS_SET };
    struct ph_flag_batch b = { .folder = folder, .changes = &ch, .n = 1 };

    OK(c->s->ops->store_flags(c->s, &b, 1, &said));
    if (b.result.kind != PH_OK || ch.result.kind != PH_OK)
        fail_msg("flags: %s%s", b.result.text, ch.result.text);
    ph_numset_done(&set);
}

static void scan_changes(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_scan_request req = { .want = PH_WANT_FLAGS };
    struct ph_numset vanished = PH_NUMSET_INIT;
    struct ph_snapshot snap;
    uint32_t uids[4], fresh;

    if (!(c->ab & PH_AB_MODSEQ))
        return;
    c_append_plain(c, a, 1, 4, uids);
    c_scan_req(c, a, &req, &snap);
    req.changed_since = snap.modseq;
    ph_snapshot_done(&snap);
    c_scan_req(c, a, &req, &snap);
    assert_int_equal(snap.n, 0);
    assert_true(snap.changes_only);
    ph_snapshot_done(&snap);

    set_flags(c, a, uids[1], PH_F_SEEN);
    c_append_plain(c, a, 9, 1, &fresh);
    if (c->ab & PH_AB_UID_EXPUNGE) {
        struct ph_numset gone = c_set(&uids[2], 1);
        OK(c->s->ops->expunge(c->s, a, 0, &gone, false, &said));
        ph_numset_done(&gone);
    }
    req.vanished = c->ab & PH_AB_QRESYNC ? &vanished : NULL;
    c_scan_req(c, a, &req, &snap);
    uint32_t want[] = { uids[1], fresh };
    check_uids(&snap, want, 2);
    assert_int_equal(ph_snapshot_row(&snap, 0)->flags & ~(uint32_t)PH_F_RECENT, PH_F_SEEN);
    assert_true(snap.modseq > req.changed_since);
    if (c->ab & PH_AB_QRESYNC && c->ab & PH_AB_UID_EXPUNGE) {
        assert_true(ph_numset_contains(&vanished, uids[2]));
        assert_false(ph_numset_contains(&vanished, uids[1]));
        assert_false(ph_numset_contains(&vanished, fresh));
    }
    ph_numset_done(&vanished);
    ph_snapshot_done(&snap);
}

static void scans_under_way(struct contract *c)
{
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_SIZE };
    struct ph_snapshot snap[5];
    const char *folder[5];
    char leaf[8];

    for (int i = 0; i < 5; i++) {
        snprintf(leaf, sizeof leaf, "f%d", i);
        folder[i] = i == 3 ? c_name(c, leaf) : c_folder(c, leaf);
        if (i != 3)
            c_append_plain(c, folder[i], (unsigned)i, (size_t)i + 1, NULL);
    }
    for (int i = 0; i < 5; i++) {
        ph_snapshot_init(&snap[i]);
        OK(c->s->ops->scan_begin(c->s, folder[i], &req, &snap[i], &said));
    }
    for (int i = 0; i < 5; i++) {
        int r = c->s->ops->scan_wait(c->s, &snap[i], &said);
        assert_int_equal(r, i == 3 ? -1 : 0); /* a folder that is not there harms no other */
        if (i != 3) {
            assert_true(snap[i].complete);
            assert_int_equal(snap[i].n, i + 1);
            assert_int_equal(snap[i].exists, i + 1);
        }
        ph_snapshot_done(&snap[i]);
    }
}

static void other_uidvalidity(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_scan_request req = { .want = PH_WANT_FLAGS };
    struct ph_snapshot snap;
    struct ph_body body;
    uint32_t uid;

    c_append_plain(c, a, 1, 1, &uid);
    uint32_t right = c_uidvalidity(c, a), wrong = right + 1;
    struct ph_numset set = c_set(&uid, 1);

    ph_snapshot_init(&snap);
    req.uidvalidity = wrong;
    int r = c->s->ops->scan_begin(c->s, a, &req, &snap, &said);
    assert_int_equal(r ? r : c->s->ops->scan_wait(c->s, &snap, &said), -1);
    assert_int_equal(said.kind, PH_E_CHANGED);
    assert_int_equal(said.scope, PH_SCOPE_FOLDER);
    assert_int_equal(snap.n, 0);
    ph_snapshot_done(&snap);
    req.uidvalidity = right;
    c_scan_req(c, a, &req, &snap);
    assert_int_equal(snap.n, 1);

    OK(c->s->ops->bodies_add(c->s, a, wrong, &set, &snap, &said));
    assert_int_equal(c->s->ops->bodies_next(c->s, &body, &said), 1);
    assert_true(body.missing);
    assert_int_equal(body.err.kind, PH_E_CHANGED);
    assert_int_equal(c->s->ops->bodies_next(c->s, &body, &said), 0);
    ph_snapshot_done(&snap);

    struct ph_flag_change ch = { .uids = &set, .flags = PH_F_SEEN, .keywords = "", .mode = PH_FLAGS_ADD };
    struct ph_flag_batch b = { .folder = a, .uidvalidity = wrong, .changes = &ch, .n = 1 };
    OK(c->s->ops->store_flags(c->s, &b, 1, &said));
    assert_int_equal(b.result.kind, PH_E_CHANGED);
    if (c->ab & PH_AB_UID_EXPUNGE)
        FAILS(PH_E_CHANGED, c->s->ops->expunge(c->s, a, wrong, &set, false, &said));
    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 1);
    assert_int_equal(ph_snapshot_row(&snap, 0)->flags & ~(uint32_t)PH_F_RECENT, 0);
    ph_snapshot_done(&snap);
    ph_numset_done(&set);
}

static void keys(struct contract *c)
{
    static const struct ph_hash_key key = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
    static const struct ph_hash_key other = { { 16 } };
    const char *a = c_folder(c, "a");
    const struct c_message m[] = {
        { .text = "Message-ID: <one@example.org>\r\nSubject: a\r\n\r\nfirst\r\n" },
        { .text = "Subject: b\r\nmessage-id:\r\n  <one@example.org>\r\n\r\nsecond, folded\r\n" },
        { .text = "Message-ID: <two@example.org>\r\nSubject: a\r\n\r\nthird\r\n" },
        { .text = "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nSubject: no id\r\nFrom: x@example.org\r\n\r\nbuilt\r\n" },
        { .text = "X-Nothing: here\r\n\r\nMessage-ID: <one@example.org>\r\n" },
    };
    struct ph_scan_request req = { .want = PH_WANT_KEY | PH_WANT_FLAGS, .hash_key = &key };
    struct ph_snapshot snap;
    uint64_t k[5];

    c_append(c, a, m, 5, NULL);
    c_scan_req(c, a, &req, &snap);
    assert_int_equal(snap.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(ph_snapshot_row(&snap, i)->has_key);
        k[i] = ph_snapshot_row(&snap, i)->key;
        /* what the store read is what the message says */
        assert_true(k[i] == (i == 4 ? 0 : ph_identity_hash(&key, ph_str(m[i].text))));
    }
    assert_true(k[0] == k[1] && k[0] != k[2] && k[3] != 0 && k[3] != k[0]);
    ph_snapshot_done(&snap);
    req.hash_key = &other;
    c_scan_req(c, a, &req, &snap);
    assert_true(ph_snapshot_row(&snap, 0)->key != k[0]); /* keyed */
    ph_snapshot_done(&snap);
}

static void scan_many(struct contract *c)
{
    static const struct ph_hash_key key = { { 7 } };
    const char *a = c_folder(c, "a");
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_DATE | PH_WANT_SIZE | PH_WANT_KEY, .hash_key = &key };
    struct ph_snapshot snap;
    struct c_message m[100];

    for (size_t done = 0; done < c->opt->many; done += 100) {
        for (size_t i = 0; i < 100; i++)
            m[i] = (struct c_message){ .id = (unsigned)(done + i), .size = 250 + (done + i) % 50,
                                       .m = { .flags = (done + i) % 32, .keywords = i % 3 ? "" : "Third",
                                              .has_date = true, .epoch = 1600000000 + (int64_t)(done + i) } };
        c_append(c, a, m, 100, NULL);
    }
    c_scan_req(c, a, &req, &snap);
    assert_int_equal(snap.n, c->opt->many);
    assert_int_equal(snap.exists, c->opt->many);
    for (size_t i = 0; i < snap.n; i++) {
        struct ph_row *r = ph_snapshot_row(&snap, i);
        if (r->size != 250 + i % 50 || (r->flags & 31) != i % 32 || r->epoch != 1600000000 + (int64_t)i ||
            !r->key || strcmp(ph_snapshot_keywords(&snap, r), i % 100 % 3 ? "" : "Third") != 0)
            fail_msg("row %zu: uid %u size %u flags %u", i, r->uid, (unsigned)r->size, (unsigned)r->flags);
        if (i && r->uid <= ph_snapshot_row(&snap, i - 1)->uid)
            fail_msg("row %zu is out of order", i);
    }
    /* a set of as many ranges as can be */
    struct ph_numset odd = PH_NUMSET_INIT;
    for (size_t i = 0; i < snap.n; i += 2)
        ph_numset_add(&odd, ph_snapshot_row(&snap, i)->uid);
    size_t n = snap.n;
    ph_snapshot_done(&snap);
    req.uids = &odd;
    req.want = PH_WANT_FLAGS;
    c_scan_req(c, a, &req, &snap);
    assert_int_equal(snap.n, (n + 1) / 2);
    ph_snapshot_done(&snap);
    ph_numset_done(&odd);
}

/* ---- bodies ---- */

static void check_body(struct contract *c, unsigned id, size_t size)
{
    size_t n;
    char *got = c_read(c, &n), *want = c_make(id, size);

    assert_int_equal(n, size);
    assert_memory_equal(got, want, size);
    free(got);
    free(want);
}

static size_t index_of(const uint32_t *uids, size_t n, uint32_t uid)
{
    for (size_t i = 0; i < n; i++)
        if (uids[i] == uid)
            return i;
    fail_msg("nobody asked for UID %u", uid);
    return 0;
}

static void bodies(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_snapshot snap;
    struct ph_body body;
    uint32_t uids[8];
    unsigned seen = 0;

    c_append_plain(c, a, 1, 8, uids);
    c_scan(c, a, &snap);
    uint32_t gone = uids[7] + 1000, asked[] = { uids[0], uids[1], uids[3], uids[6], uids[7], gone };
    struct ph_numset set = c_set(asked, 6);
    OK(c->s->ops->bodies_add(c->s, a, snap.uidvalidity, &set, &snap, &said));
    ph_numset_done(&set); /* copied */
    for (int k = 0; k < 6; k++) {
        OK(c->s->ops->bodies_next(c->s, &body, &said) - 1);
        assert_string_equal(body.folder, a);
        size_t i = index_of(asked, 6, body.uid);
        assert_false(seen & 1u << i); /* each once */
        seen |= 1u << i;
        assert_int_equal(body.missing, body.uid == gone);
        if (body.missing) {
            assert_int_not_equal(body.err.kind, PH_OK);
            assert_true(body.err.scope <= PH_SCOPE_MESSAGE);
            continue;
        }
        size_t m = index_of(uids, 8, body.uid);
        assert_int_equal(body.size, 300 + 7 * m);
        check_body(c, 1 + (unsigned)m, 300 + 7 * m);
    }
    OK(c->s->ops->bodies_next(c->s, &body, &said));
    OK(c->s->ops->bodies_next(c->s, &body, &said));

    /* the flags are as they were: reading is not seeing */
    ph_snapshot_done(&snap);
    c_scan(c, a, &snap);
    for (size_t i = 0; i < snap.n; i++)
        assert_int_equal(ph_snapshot_row(&snap, i)->flags & ~(uint32_t)PH_F_RECENT, 0);
    ph_snapshot_done(&snap);
}

static void bodies_of_folders(struct contract *c)
{
    const char *folder[] = { c_folder(c, "a"), c_folder(c, "b"), c_folder(c, "c") };
    struct ph_snapshot snap[3];
    uint32_t uids[3][4];
    struct ph_body body;
    int seen[3] = { 0 };

    for (int i = 0; i < 3; i++) {
        c_append_plain(c, folder[i], (unsigned)(100 * i), 4, uids[i]);
        c_scan(c, folder[i], &snap[i]);
    }
    for (int i = 0; i < 3; i++) {
        struct ph_numset set = c_set(uids[i], 4);
        OK(c->s->ops->bodies_add(c->s, folder[i], snap[i].uidvalidity, &set, &snap[i], &said));
        ph_numset_done(&set);
    }
    for (int k = 0; k < 12; k++) {
        OK(c->s->ops->bodies_next(c->s, &body, &said) - 1);
        int i = strcmp(body.folder, folder[0]) == 0 ? 0 : strcmp(body.folder, folder[1]) == 0 ? 1 : 2;
        assert_string_equal(body.folder, folder[i]);
        assert_false(body.missing);
        size_t m = index_of(uids[i], 4, body.uid);
        check_body(c, (unsigned)(100 * i + (int)m), 300 + 7 * m);
        seen[i]++;
    }
    OK(c->s->ops->bodies_next(c->s, &body, &said));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seen[i], 4);
        ph_snapshot_done(&snap[i]);
    }
}

static void bodies_left_unread(struct contract *c)
{
    const char *a = c_folder(c, "a");
    const struct c_message m[] = { { .id = 1, .size = 300000 }, { .id = 2, .size = 5000 }, { .id = 3, .size = 300001 },
                                   { .id = 4, .size = 250 } };
    struct ph_snapshot snap;
    struct ph_body body;
    uint32_t uids[4];
    const char *p;
    size_t n;

    c_append(c, a, m, 4, uids);
    c_scan(c, a, &snap);
    struct ph_numset set = c_set(uids, 4);
    for (int round = 0; round < 3; round++) {
        OK(c->s->ops->bodies_add(c->s, a, 0, &set, &snap, &said));
        for (int k = 0; k < 4; k++) {
            OK(c->s->ops->bodies_next(c->s, &body, &said) - 1);
            size_t i = index_of(uids, 4, body.uid);
            assert_int_equal(body.size, m[i].size);
            if (i == 3 || (round == 2 && i == 2)) {
                check_body(c, m[i].id, m[i].size); /* whole, after others were left */
            } else if (round == 1) {
                OK(c->s->ops->body_read(c->s, &p, &n, &said));
                assert_true(n > 0);
            }
        }
        OK(c->s->ops->bodies_next(c->s, &body, &said));
    }
    /* nothing that was skipped turns up elsewhere */
    ph_snapshot_done(&snap);
    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 4);
    ph_snapshot_done(&snap);
    ph_numset_done(&set);
}

/* Put one message in that a server may refuse; false when it did, for the message's own sake. */
static bool put_odd(struct contract *c, const char *folder, const char *text)
{
    struct ph_message m = { .keywords = "", .size = strlen(text) };
    struct ph_append *a, *done;
    struct ph_append_result res;

    OK(c->s->ops->append_open(c->s, folder, 1, &a, &said));
    OK(c->s->ops->append_message(a, &m, &said));
    OK(c->s->ops->append_write(a, text, m.size, &said));
    OK(c->s->ops->append_finish(a, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    if (!res.ok)
        assert_int_equal(res.err.scope, PH_SCOPE_MESSAGE);
    c->s->ops->append_free(done);
    return res.ok;
}

/* Every octet but NUL, CR and LF, bodies that look like IMAP, no line end at the end: refused or kept, never changed,
 * and never taken for something else. */
static void body_octets(struct contract *c)
{
    const char *a = c_folder(c, "a");
    char all[400];
    size_t n = (size_t)snprintf(all, sizeof all, "Subject: octets\r\n\r\n"), taken = 0;
    for (int i = 1; i < 256; i++)
        if (i != '\r' && i != '\n')
            all[n++] = (char)i;
    all[n++] = '\r';
    all[n++] = '\n';
    all[n] = '\0';
    const char *const texts[] = {
        all,
        "Subject: x\r\n\r\n)\r\n* 1 FETCH (UID 1 BODY[] {5}\r\na1 OK done\r\n",
        "Subject: x\r\n\r\nx DELETE INBOX\r\n{100000+}\r\n",
        "Subject: x\r\n\r\nno end of line",
        "Subject: no body",
        "\r\nno header\r\n",
        "\r\n",
    };
    const char *in[7];
    struct ph_snapshot snap;
    struct ph_body body;
    uint32_t uids[7];

    for (size_t i = 0; i < 7; i++)
        if (put_odd(c, a, texts[i]))
            in[taken++] = texts[i];
    assert_true(taken >= 4); /* these are well-formed mail */
    c_scan(c, a, &snap);
    assert_int_equal(snap.n, taken);
    for (size_t i = 0; i < taken; i++)
        uids[i] = ph_snapshot_row(&snap, i)->uid;
    struct ph_numset set = c_set(uids, taken);
    OK(c->s->ops->bodies_add(c->s, a, 0, &set, &snap, &said));
    for (size_t k = 0; k < taken; k++) {
        OK(c->s->ops->bodies_next(c->s, &body, &said) - 1);
        const char *want = in[index_of(uids, taken, body.uid)];
        size_t got_n;
        char *got = c_read(c, &got_n);
        assert_int_equal(got_n, strlen(want));
        assert_memory_equal(got, want, got_n);
        free(got);
    }
    OK(c->s->ops->bodies_next(c->s, &body, &said));
    ph_numset_done(&set);
    ph_snapshot_done(&snap);
}

const struct contract_case contract_read_cases[] = {
    { "scan_empty", scan_empty },
    { "scan_full", scan_full },
    { "permanent_flags", permanent_flags },
    { "scan_parts", scan_parts },
    { "scan_changes", scan_changes },
    { "scans_under_way", scans_under_way },
    { "other_uidvalidity", other_uidvalidity },
    { "keys", keys },
    { "scan_many", scan_many },
    { "bodies", bodies },
    { "bodies_of_folders", bodies_of_folders },
    { "bodies_left_unread", bodies_left_unread },
    { "body_octets", body_octets },
    { NULL, NULL },
};
