/* mailbox.h: mailboxes, ledgers and plans as short texts, so that tests of the planner are tables of before and after.
 *
 *   mailbox  messages parted by blanks, each UIDkey/BYTES: `3a/X` is UID 3 with key a and bytes X. Key `-`: none.
 *            Behind it, in any order: +S seen, +D deleted, +R recent, #100 size, @5 internal date, =word a keyword.
 *            The size is 100 where it is not given, and there is no date.
 *   ledger   rows `3>13` (source UID, destination UID; 0: not known), with ! refused, m merged, ~ flags differ from what was
 *            carried over, ? flags not known
 *   plan     `copy 1:3; adopt 4>14; flags 5>15; gone 6; expunge 16; known 7; need 8/18`
 */
#ifndef PH_TESTS_TRANSFER_MAILBOX_H
#define PH_TESTS_TRANSFER_MAILBOX_H

#include "transfer/plan.h"

#define BOX_MAX 64

struct box_message {
    uint32_t uid;
    uint64_t key;
    char bytes;
};

struct box {
    struct ph_snapshot snap;
    struct box_message m[BOX_MAX];
    size_t n;
};

struct box_ledger {
    struct ph_ledger_row row[BOX_MAX];
    size_t n, at;
    int rewinds;
    bool fail; /* next_row says -1 */
};

void box_init(struct box *b, const char *text);
void box_done(struct box *b);
void ledger_init(struct box_ledger *l, const char *text, const struct box *src);
int ledger_next(void *ctx, struct ph_ledger_row *out, struct ph_err *err);
int ledger_rewind(void *ctx, struct ph_err *err);
/* The plan as a text; from the heap. */
char *plan_text(const struct ph_steps *s);
/* Hashes of what the plan asks for; bytes `?` cannot be read. From the heap, never NULL. */
struct ph_known_hash *plan_read(const struct ph_steps *s, const struct box *src, const struct box *dst, size_t *n);

#endif
