/* contract.c: running the cases, and what they share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "contract.h"

struct ph_err said;
static const struct contract_options *options;

static unsigned next_root(void)
{
    static unsigned n;

    return ++n;
}

struct ph_session *c_open(struct contract *c)
{
    struct ph_session *s = NULL;

    OK(c->st->ops->open(c->st, &c->loop, &s, &said));
    assert_non_null(s);
    return s;
}

static int set_up(void **state)
{
    struct contract *c = calloc(1, sizeof *c);
    struct ph_folder_list list;
    const char *prefix = "";

    *state = c;
    c->opt = options;
    if (ph_cancel_init(&c->cancel))
        return -1;
    c->loop.cancel = &c->cancel;
    c->st = options->make(options->ctx);
    if (!c->st || c->st->ops->open(c->st, &c->loop, &c->s, &said)) {
        print_error("cannot open the store: %s\n", said.text);
        return -1;
    }
    c->ab = c->s->ops->abilities(c->s);
    if (c->s->ops->list(c->s, false, &list, &said)) {
        print_error("cannot list: %s\n", said.text);
        return -1;
    }
    c->delim = list.delim;
    if (list.prefix && strlen(list.prefix) < 20)
        prefix = list.prefix;
    snprintf(c->root, sizeof c->root, "%sct %ld %u", prefix, (long)getpid(), next_root());
    ph_folder_list_done(&list);
    const char *name = c->root;
    struct ph_err result;
    if (c->s->ops->create(c->s, &name, NULL, 1, &result, &said) || result.kind != PH_OK) {
        print_error("cannot create %s: %s\n", name, result.kind ? result.text : said.text);
        return -1;
    }
    return 0;
}

static int compare_longest_first(const void *a, const void *b)
{
    const struct ph_folder *x = a, *y = b;
    size_t n = strlen(x->name), m = strlen(y->name);

    return n > m ? -1 : n < m;
}

/* With a session of its own: the case may have used up the other one. */
static void remove_folders(struct contract *c)
{
    struct ph_loop loop = { 0 };
    struct ph_session *s;
    struct ph_folder_list list;

    if (c->st->ops->open(c->st, &loop, &s, NULL))
        return;
    if (s->ops->list(s, false, &list, NULL) == 0) {
        qsort(list.f, list.n, sizeof *list.f, compare_longest_first);
        for (size_t i = 0; i < list.n; i++)
            if (strncmp(list.f[i].name, c->root, strlen(c->root)) == 0) {
                struct ph_err result;
                const char *name = list.f[i].name;
                if (s->ops->subscribe)
                    s->ops->subscribe(s, &name, 1, false, &result, NULL);
                s->ops->remove(s, name, NULL);
            }
        ph_folder_list_done(&list);
    }
    s->ops->close(s);
}

static int tear_down(void **state)
{
    struct contract *c = *state;

    if (c->s)
        c->s->ops->close(c->s);
    if (c->st) {
        remove_folders(c);
        c->st->ops->free(c->st);
    }
    ph_cancel_done(&c->cancel);
    free(c);
    return 0;
}

static const struct contract_case *running[128];
static size_t at;

/* cmocka runs the tests in the order of its array */
static void run_case(void **state)
{
    running[at++]->run(*state);
}

static int set_up_failed(void **state)
{
    int r = set_up(state);

    if (r)
        at++; /* cmocka leaves the test out */
    return r;
}

int contract_run(const char *name, const struct contract_options *opt)
{
    const struct contract_case *const lists[] = { contract_folder_cases, contract_read_cases, contract_write_cases };
    struct CMUnitTest tests[128];
    size_t n = 0;

    options = opt;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct contract_case *k = lists[i]; k->name && n < 128; k++) {
            if (opt->only && !strstr(k->name, opt->only))
                continue;
            running[n] = k;
            tests[n++] = (struct CMUnitTest){ .name = k->name, .test_func = run_case, .setup_func = set_up_failed,
                                              .teardown_func = tear_down };
        }
    at = 0;
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

/* ---- helpers ---- */

const char *c_name(struct contract *c, const char *leaf)
{
    assert_true(c->n_folders < 16);
    char *name = c->folder[c->n_folders++];
    snprintf(name, sizeof c->folder[0], "%s%c%s", c->root, c->delim ? c->delim : '-', leaf);
    return name;
}

const char *c_folder(struct contract *c, const char *leaf)
{
    const char *name = c_name(c, leaf);
    struct ph_err result = { 0 };

    OK(c->s->ops->create(c->s, &name, NULL, 1, &result, &said));
    if (result.kind != PH_OK)
        fail_msg("create %s: %s", name, result.text);
    return name;
}

char *c_make(unsigned id, size_t size)
{
    char *p = malloc(size + 1);
    uint64_t x = 0x9e3779b97f4a7c15u * (id + 1);

    assert_non_null(p);
    int n = snprintf(p, size + 1,
                     "From: Anna <anna@example.org>\r\nDate: Tue, 14 Nov 2023 22:%02u:%02u +0100\r\n"
                     "Subject: Message %u\r\nMessage-ID: <%u.%zu@example.org>\r\n\r\n",
                     id / 60 % 60, id % 60, id, id, size);
    assert_true((size_t)n < size);
    size_t i = (size_t)n, column = 0;
    while (i + 2 < size) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        if (column++ == 70 && i + 4 < size) {
            p[i++] = '\r';
            p[i++] = '\n';
            column = 0;
        } else {
            p[i++] = (char)(x % 94 + 33);
        }
    }
    p[i++] = '\r';
    p[i] = '\n';
    return p;
}

static void add_message(struct contract *c, struct ph_append *a, const struct c_message *in)
{
    char *made = in->text ? NULL : c_make(in->id, in->size);
    const char *p = made ? made : in->text;
    struct ph_message m = in->m;

    m.size = made ? in->size : strlen(in->text);
    if (!m.keywords)
        m.keywords = "";
    OK(c->s->ops->append_message(a, &m, &said));
    /* in two pieces, neither of them whole lines */
    OK(c->s->ops->append_write(a, p, m.size / 3, &said));
    OK(c->s->ops->append_write(a, p + m.size / 3, m.size - m.size / 3, &said));
    free(made);
}

static void finish_batch(struct contract *c, struct ph_append *a, size_t n, uint32_t *uids)
{
    struct ph_append_result res;
    struct ph_append *done;

    OK(c->s->ops->append_finish(a, &said));
    OK(c->s->ops->append_wait(c->s, &done, &res, &said));
    assert_ptr_equal(done, a);
    if (!res.ok)
        fail_msg("append refused: %s", res.err.text);
    if (uids && res.uids) {
        assert_int_equal(res.n_uids, n);
        memcpy(uids, res.uids, n * sizeof *uids);
    }
    c->s->ops->append_free(a);
}

void c_append(struct contract *c, const char *folder, const struct c_message *msgs, size_t n, uint32_t *uids)
{
    size_t batch = c->ab & PH_AB_BATCH ? n : 1;

    for (size_t i = 0; i < n; i += batch) {
        struct ph_append *a;
        OK(c->s->ops->append_open(c->s, folder, batch, &a, &said));
        for (size_t k = i; k < i + batch; k++)
            add_message(c, a, &msgs[k]);
        finish_batch(c, a, batch, uids ? uids + i : NULL);
    }
    if (uids && !(c->ab & PH_AB_NEWUID)) {
        struct ph_snapshot snap;
        c_scan(c, folder, &snap);
        assert_true(snap.n >= n);
        for (size_t i = 0; i < n; i++)
            uids[i] = ph_snapshot_row(&snap, snap.n - n + i)->uid;
        ph_snapshot_done(&snap);
    }
}

void c_append_plain(struct contract *c, const char *folder, unsigned first_id, size_t n, uint32_t *uids)
{
    struct c_message *m = calloc(n, sizeof *m);

    for (size_t i = 0; i < n; i++)
        m[i] = (struct c_message){ .id = first_id + (unsigned)i, .size = 300 + 7 * i };
    c_append(c, folder, m, n, uids);
    free(m);
}

void c_scan_req(struct contract *c, const char *folder, const struct ph_scan_request *req, struct ph_snapshot *snap)
{
    ph_snapshot_init(snap);
    OK(c->s->ops->scan_begin(c->s, folder, req, snap, &said));
    OK(c->s->ops->scan_wait(c->s, snap, &said));
    assert_true(snap->complete);
}

void c_scan(struct contract *c, const char *folder, struct ph_snapshot *snap)
{
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_DATE | PH_WANT_SIZE };

    c_scan_req(c, folder, &req, snap);
}

uint32_t c_uidvalidity(struct contract *c, const char *folder)
{
    struct ph_folder f = { .name = folder }, *pf = &f;

    OK(c->s->ops->status(c->s, &pf, 1, &said));
    assert_true(f.has_status);
    assert_true(f.uidvalidity != 0);
    return f.uidvalidity;
}

char *c_read(struct contract *c, size_t *n)
{
    struct ph_buf b = PH_BUF_INIT;

    for (;;) {
        const char *p;
        size_t got;
        OK(c->s->ops->body_read(c->s, &p, &got, &said));
        if (got == 0)
            break;
        assert_int_equal(ph_buf_add(&b, p, got), 0);
    }
    *n = ph_buf_len(&b);
    char *z = ph_str_dup(ph_buf_str(&b));
    ph_buf_done(&b);
    assert_non_null(z);
    return z;
}

struct ph_numset c_set(const uint32_t *uids, size_t n)
{
    struct ph_numset s = PH_NUMSET_INIT;

    for (size_t i = 0; i < n; i++)
        assert_int_equal(ph_numset_add(&s, uids[i]), 0);
    return s;
}
