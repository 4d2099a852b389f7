/* What real servers said, where the transcripts are at hand (PH_SHARED, or ../shared beside the checkout):
 * every file is framed and parsed without an error, and the odd ones give the values read from them by eye.
 * Passes without the folder. */
#include <dirent.h>
#include <stdio.h>

#include "resp.h"

static char root[4096];

static bool have_root(void)
{
    const char *shared = getenv("PH_SHARED");

    if (shared)
        snprintf(root, sizeof root, "%s/transcripts/mailkit/imap", shared);
    else
        snprintf(root, sizeof root, "%s/../shared/transcripts/mailkit/imap", SOURCE_ROOT);
    DIR *d = opendir(root);
    if (!d)
        return false;
    closedir(d);
    return true;
}

static void slurp(const char *path, struct ph_buf *b)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    do {
        char *to = ph_buf_reserve(b, 65536);
        assert_non_null(to);
        n = fread(to, 1, 65536, f);
        ph_buf_commit(b, n);
    } while (n);
    fclose(f);
    /* the tag stands there as A########, of the same length as a real one */
    char *p = ph_buf_data(b), *end = p + ph_buf_len(b);
    while ((p = memmem(p, (size_t)(end - p), "A########", 9)))
        memcpy(p, "A00000001", 9);
}

typedef void see(const struct ph_resp *r, unsigned i, void *ctx);

/* Calls f for each response. Returns how many there are. Octets may be left: some files are cut short. */
static unsigned each(const char *path, see *f, void *ctx)
{
    const struct ph_frame_limits limits = { 1 << 20, 64 << 20, 16 };
    struct ph_framer fr;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_arena arena;
    struct ph_err err;
    unsigned n = 0;

    slurp(path, &in);
    ph_framer_init(&fr, &limits);
    ph_arena_init(&arena, 16 << 20);
    for (;;) {
        enum ph_frame_event ev = ph_framer_next(&fr, &in, &err);
        if (ev == PH_FRAME_LITERAL) {
            assert_int_equal(ph_framer_collect(&fr, &err), 0);
            continue;
        }
        if (ev == PH_FRAME_MORE)
            break;
        if (ev != PH_FRAME_DONE)
            fail_msg("%s: %s", path, err.text);
        struct ph_resp r;
        if (ph_resp_parse(&fr, NULL, &arena, &r, &err))
            fail_msg("%s: %s", path, err.text);
        if (f)
            f(&r, n, ctx);
        n++;
        ph_resp_done(&r);
        ph_framer_release(&fr, &in);
        ph_arena_reset(&arena);
    }
    ph_framer_done(&fr);
    ph_arena_done(&arena);
    ph_buf_done(&in);
    return n;
}

static unsigned one(const char *name, see *f, void *ctx)
{
    char path[8192];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return each(path, f, ctx);
}

struct totals {
    unsigned files, kinds[PH_RESP_ID + 1], others;
};

/* Words that no row of the parser knows, on purpose; and one stray `)` in a file whose literal is too short. */
static void count(const struct ph_resp *r, unsigned i, void *ctx)
{
    static const char *const expected[] = {"METADATA", "QUOTA",      "QUOTAROOT", "THREAD",
                                           "MYRIGHTS", "LISTRIGHTS", "ACL",       ""};
    struct totals *t = ctx;

    t->kinds[r->kind]++;
    if (r->kind != PH_RESP_UNKNOWN)
        return;
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
        if (ph_str_is(r->word, expected[k]))
            return;
    fail_msg("unknown: %.*s", PH_FMT(r->word));
}

static void test_all(void **state)
{
    struct totals t = { 0 };
    char dir[8192], path[16384];
    struct dirent *e, *g;

    if (!have_root())
        skip();
    DIR *top = opendir(root);
    while ((e = readdir(top))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(dir, sizeof dir, "%s/%s", root, e->d_name);
        DIR *d = opendir(dir);
        if (!d)
            continue;
        while ((g = readdir(d)))
            if (strlen(g->d_name) > 4 && strcmp(g->d_name + strlen(g->d_name) - 4, ".txt") == 0) {
                snprintf(path, sizeof path, "%s/%s", dir, g->d_name);
                each(path, count, &t);
                t.files++;
            }
        closedir(d);
    }
    closedir(top);
    assert_true(t.files >= 300);
    /* counted with grep over the same files */
    assert_int_equal(t.kinds[PH_RESP_EXPUNGE], 92);
    assert_int_equal(t.kinds[PH_RESP_NAMESPACE], 9);
    assert_int_equal(t.kinds[PH_RESP_ESEARCH], 17);
}

static void exchange(const struct ph_resp *r, unsigned i, void *ctx)
{
    if (i == 0) {
        assert_int_equal(r->code.id, PH_CODE_COPYUID);
        assert_int_equal(r->code.number, 55);
    }
    if (i == 2)
        assert_int_equal(r->kind, PH_RESP_EXISTS);
    if (i == 3)
        assert_str(r->tag, "A00000001");
}

static void yandex(const struct ph_resp *r, unsigned i, void *ctx)
{
    if (i)
        return;
    assert_int_equal(r->fetch.uid, 3016);
    assert_int_equal(r->fetch.n_bodies, 2);
    assert_int_equal(r->fetch.bodies[0].text.n, 145);
    assert_true(r->fetch.bodies[1].nil);
}

static void zoho(const struct ph_resp *r, unsigned i, void *ctx)
{
    unsigned *n = ctx;

    if (r->kind != PH_RESP_FETCH)
        return;
    n[0]++;
    n[1] += r->fetch.has_modseq;
    assert_true(r->fetch.has_uid && r->fetch.has_flags && r->fetch.flags.n >= 1);
    if (r->number == 3)
        assert_int_equal(r->fetch.uid, 23);
    if (r->fetch.has_modseq)
        assert_true(r->fetch.modseq <= INT64_MAX && r->fetch.modseq > 0);
}

static void domino(const struct ph_resp *r, unsigned i, void *ctx)
{
    if (r->kind != PH_RESP_FETCH)
        return;
    assert_int_equal(r->fetch.uid, 14933 + r->number);
    assert_int_equal(r->fetch.envelope->n, 10);
    assert_int_equal(r->fetch.bodystructure->n, 9);
}

static void unsolicited(const struct ph_resp *r, unsigned i, void *ctx)
{
    if (i)
        return;
    assert_int_equal(r->fetch.uid, 1);
    assert_int_equal(r->fetch.modseq, 29233);
    assert_words(&r->fetch.flags, "\\Seen|\\Deleted");
    assert_words(&r->fetch.gm_labels, "Trash");
    assert_int_equal(r->fetch.bodies[0].text.n, 181614);
    assert_str(r->fetch.others[0].name, "ANNOTATION");
}

static void literal_status(const struct ph_resp *r, unsigned i, void *ctx)
{
    if (i == 0) {
        assert_str(r->mstatus.name, "Literal Folder Name");
        assert_int_equal(r->mstatus.messages, 60);
    }
}

static void nil_delim(const struct ph_resp *r, unsigned i, void *ctx)
{
    static const char *const names[] = { "INBOX", "Folder1", "Folder2" };

    if (i < 3) {
        assert_str(r->list.name, names[i]);
        assert_int_equal(r->list.delim, i ? 0 : '/');
    }
}

static void sort_by_date(const struct ph_resp *r, unsigned i, void *ctx)
{
    if (r->kind == PH_RESP_SEARCH)
        assert_true(ph_numset_count(&r->set) + r->n_numbers == 14);
}

static void test_odd_ones(void **state)
{
    unsigned n[2] = { 0, 0 };

    if (!have_root())
        skip();
    assert_int_equal(one("exchange/issue115.txt", exchange, NULL), 4);
    assert_int_equal(one("yandex/getbodypart-missing-content.txt", yandex, NULL), 2);
    one("zoho/fetch-negative-modseq-values.txt", zoho, n);
    assert_int_equal(n[0], 74);
    assert_int_equal(n[1], 5);
    assert_true(one("domino/fetch-extra-parens.txt", domino, NULL) > 9);
    one("gmail/fetch.1+unsolicited-info.txt", unsolicited, NULL);
    assert_int_equal(one("common/status-literal-folder.txt", literal_status, NULL), 2);
    assert_int_equal(one("common/list-nil-folder-delim.txt", nil_delim, NULL), 4);
    one("dovecot/search-raw.txt", sort_by_date, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_odd_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
