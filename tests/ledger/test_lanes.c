/* Several lanes at one ledger: for the thread sanitizer, and for the count. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#define LANES 4
#define BATCHES 40
#define SIZE 50

static struct ph_err err;
static struct ph_ledger *ledger;
static int failed[LANES + 1];

#define LANE(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: not so: %s (%s)\n", __LINE__, #condition, e.text);                               \
            failed[n] = 1;                                                                                             \
            return NULL;                                                                                               \
        }                                                                                                              \
    } while (0)

static void *run_lane(void *arg)
{
    size_t n = (size_t)arg;
    struct ph_err e = { 0 };
    struct ph_intent_message m[SIZE];
    struct ph_ledger_row rows[SIZE], row;
    char name[32];

    for (uint32_t k = 0; k < BATCHES; k++) {
        int64_t folder, id;
        uint64_t ticket, count;
        struct ph_baseline b;
        uint32_t first = (uint32_t)(n * BATCHES + k) * SIZE + 1;

        snprintf(name, sizeof name, "folder %u", k % 5); /* shared with the other lanes */
        LANE(ph_ledger_folder(ledger, name, name, &folder, &e) == 0);
        for (uint32_t i = 0; i < SIZE; i++) {
            m[i] = message_of(first + i);
            rows[i] = row_of(first + i);
        }
        struct ph_intent in = { .folder = folder, .messages = m, .n = SIZE, .dst_uidnext = first };
        LANE(ph_ledger_intent(ledger, &in, &id, &ticket, &e) == 0);
        LANE(ph_ledger_wait(ledger, ticket, &e) == 0);
        LANE(ph_ledger_unresolved_count(ledger, folder, &count, &e) == 0 && count >= 1);
        if (k % 8 == 7) {
            LANE(ph_ledger_drop(ledger, id, &e) == 0);
            LANE(ph_ledger_put(ledger, folder, rows, SIZE, &e) == 0);
        } else {
            LANE(ph_ledger_confirm(ledger, id, folder, rows, SIZE, &e) == 0);
        }
        LANE(ph_ledger_row(ledger, folder, first + 3, &row, &e) == 1 && row.size == rows[3].size);
        LANE(ph_ledger_baseline_get(ledger, folder, &b, &e) == 0);
        b.src_messages++;
        LANE(ph_ledger_baseline_set(ledger, folder, &b, &e) == 0);
        if (k % 10 == 9) {
            LANE(ph_ledger_has_dst(ledger, folder, rows[0].dst_uid, &e) == 1);
            LANE(ph_ledger_refuse(ledger, folder, 1000000 + first, 1, "no", &e) == 0);
            LANE(ph_ledger_meta_set(ledger, name, &k, sizeof k, &e) == 0);
        }
    }
    return NULL;
}

/* Reads whole folders while the lanes write. */
static void *run_reader(void *arg)
{
    size_t n = LANES;
    struct ph_err e = { 0 };
    struct ph_ledger_row row;

    for (int k = 0; k < 20; k++) {
        struct ph_ledger_cursor *c;
        int64_t folder;
        uint32_t last = 0;
        char name[32];
        int r;

        snprintf(name, sizeof name, "folder %d", k % 5);
        LANE(ph_ledger_folder(ledger, name, name, &folder, &e) == 0);
        LANE(ph_ledger_rows(ledger, folder, &c, &e) == 0);
        while ((r = ph_ledger_rows_next(c, &row, &e)) == 1) {
            LANE(row.src_uid > last);
            last = row.src_uid;
        }
        LANE(r == 0);
        ph_ledger_rows_end(c);
    }
    return NULL;
}

static void test_lanes(void **state)
{
    struct place *p = *state;
    pthread_t t[LANES + 1];
    size_t rows = 0;

    ledger = open_ledger(p->dir);
    for (size_t i = 0; i < LANES; i++)
        assert_int_equal(pthread_create(&t[i], NULL, run_lane, (void *)i), 0);
    assert_int_equal(pthread_create(&t[LANES], NULL, run_reader, NULL), 0);
    for (size_t i = 0; i <= LANES; i++)
        pthread_join(t[i], NULL);
    for (size_t i = 0; i <= LANES; i++)
        assert_int_equal(failed[i], 0);
    close_ledger(ledger);

    ledger = open_ledger(p->dir);
    for (int k = 0; k < 5; k++) {
        char name[32];
        snprintf(name, sizeof name, "folder %d", k);
        rows += count_rows(ledger, folder_of(ledger, name));
    }
    assert_int_equal(rows, LANES * BATCHES * SIZE + LANES * BATCHES / 10);
    assert_int_equal(count_intents(ledger, 0), 0);
    close_ledger(ledger);
}

/* Rows come faster than the disk takes them: the queue is bounded, and nothing is lost. */
static void test_flood(void **state)
{
    struct place *p = *state;

    ledger = open_ledger(p->dir);
    int64_t folder = folder_of(ledger, "a");
    for (uint32_t k = 0; k < 20; k++)
        put_rows(ledger, folder, k * 5000 + 1, 5000);
    OK(ph_ledger_flush(ledger, &err));
    assert_int_equal(count_rows(ledger, folder), 100000);
    close_ledger(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lanes, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_flood, place_setup, place_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
