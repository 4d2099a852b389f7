#include "common.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    return remove(path);
}

void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int place_setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    if (!p)
        return -1;
    /* in memory where there is such a place: a disk's speed is not what is tested */
    snprintf(p->dir, sizeof p->dir, "/dev/shm/ph-ledger-XXXXXX");
    if (!mkdtemp(p->dir)) {
        snprintf(p->dir, sizeof p->dir, "/tmp/ph-ledger-XXXXXX");
        if (!mkdtemp(p->dir))
            return -1;
    }
    *state = p;
    return 0;
}

int place_teardown(void **state)
{
    struct place *p = *state;

    remove_tree(p->dir);
    free(p);
    return 0;
}

struct ph_ledger *open_ledger(const char *dir)
{
    struct ph_ledger *l;
    struct ph_err err = { 0 };

    OK(ph_ledger_open(dir, SRC, DST, NULL, &l, &err));
    return l;
}

void close_ledger(struct ph_ledger *l)
{
    struct ph_err err = { 0 };

    OK(ph_ledger_close(l, &err));
}

int64_t folder_of(struct ph_ledger *l, const char *name)
{
    struct ph_err err = { 0 };
    int64_t id;

    OK(ph_ledger_folder(l, name, name, &id, &err));
    assert_true(id > 0);
    return id;
}

struct ph_ledger_row row_of(uint32_t uid)
{
    struct ph_ledger_row r = { .src_uid = uid, .dst_uid = uid + 7, .flags_hash = uid * 0x9e3779b97f4a7c15u,
                               .size = 0x123456789ull + uid, .state = uid % 3 };

    for (int i = 0; i < 32; i++)
        r.sha256[i] = (unsigned char)(uid >> (8 * (i & 3))) ^ (unsigned char)i;
    return r;
}

struct ph_intent_message message_of(uint32_t uid)
{
    return (struct ph_intent_message){ .src_uid = uid, .key = ~(uint64_t)uid, .size = uid * 1000003ull,
                                       .flags_hash = uid * 0x9e3779b97f4a7c15u };
}

void assert_row(const struct ph_ledger_row *row, uint32_t uid)
{
    struct ph_ledger_row want = row_of(uid);

    assert_int_equal(row->src_uid, want.src_uid);
    assert_int_equal(row->dst_uid, want.dst_uid);
    assert_int_equal(row->flags_hash, want.flags_hash);
    assert_int_equal(row->size, want.size);
    assert_int_equal(row->state, want.state);
    assert_memory_equal(row->sha256, want.sha256, 32);
}

void assert_message(const struct ph_intent_message *m, uint32_t uid)
{
    struct ph_intent_message want = message_of(uid);

    assert_int_equal(m->src_uid, want.src_uid);
    assert_int_equal(m->key, want.key);
    assert_int_equal(m->size, want.size);
    assert_int_equal(m->flags_hash, want.flags_hash);
}

void put_rows(struct ph_ledger *l, int64_t folder, uint32_t first, size_t n)
{
    struct ph_ledger_row *rows = calloc(n, sizeof *rows);
    struct ph_err err = { 0 };

    for (size_t i = 0; i < n; i++)
        rows[i] = row_of(first + (uint32_t)i);
    OK(ph_ledger_put(l, folder, rows, n, &err));
    free(rows);
}

size_t count_rows(struct ph_ledger *l, int64_t folder)
{
    struct ph_ledger_cursor *c;
    struct ph_ledger_row row;
    struct ph_err err = { 0 };
    size_t n = 0;
    int r;

    OK(ph_ledger_rows(l, folder, &c, &err));
    while ((r = ph_ledger_rows_next(c, &row, &err)) == 1)
        n++;
    if (r)
        fail_msg("%s", err.text);
    ph_ledger_rows_end(c);
    return n;
}

uint64_t count_intents(struct ph_ledger *l, int64_t folder)
{
    struct ph_err err = { 0 };
    uint64_t n;

    OK(ph_ledger_unresolved_count(l, folder, &n, &err));
    return n;
}
