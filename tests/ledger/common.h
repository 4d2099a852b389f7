/* common.h: a ledger in a folder of its own, for the tests of the ledger. */
#ifndef TEST_LEDGER_COMMON_H
#define TEST_LEDGER_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/ledger.h"

#define SRC "imap://anna@mail.example.org:143"
#define DST "imap://anna@imap.example.net:993"

struct place {
    char dir[64];
};

/* cmocka set-up and tear-down: *state is a struct place. */
int place_setup(void **state);
int place_teardown(void **state);
void remove_tree(const char *path);

struct ph_ledger *open_ledger(const char *dir);
void close_ledger(struct ph_ledger *l);
int64_t folder_of(struct ph_ledger *l, const char *name);

/* A row and an intent's message that can be told from their UID alone. */
struct ph_ledger_row row_of(uint32_t uid);
struct ph_intent_message message_of(uint32_t uid);
void assert_row(const struct ph_ledger_row *row, uint32_t uid);
void assert_message(const struct ph_intent_message *m, uint32_t uid);
/* Rows of UIDs first…first+n-1 */
void put_rows(struct ph_ledger *l, int64_t folder, uint32_t first, size_t n);
size_t count_rows(struct ph_ledger *l, int64_t folder);
uint64_t count_intents(struct ph_ledger *l, int64_t folder);

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct ph_err *ok_err = &err;                                                                                  \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s", #call, ok_err->text);                                                                   \
    } while (0)

#endif
