/* The contract, kept by the memory store as a good server and as several poor ones. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "store/memory.h"

/* Each case gets a store of its own. */
static struct ph_store *make(void *ctx)
{
    struct ph_store *st = NULL;

    return ph_memory_store_new("contract", ctx, &st, NULL) ? NULL : st;
}

static int run(const char *name, struct ph_memory_options *mem, size_t many)
{
    struct contract_options opt = { .make = make, .ctx = mem, .many = many, .big = 40u << 20, .holds_messages = true,
                                    .zones = true, .any_name = true };

    return contract_run(name, &opt);
}

int main(void)
{
    struct ph_memory_options good = { 0 };
    struct ph_memory_options odd = { .delim = '.', .prefix = "INBOX.", .bodies_backwards = true, .piece = 7,
                                     .append_limit = 50u << 20 };
    struct ph_memory_options bare = { .without = PH_AB_NEWUID | PH_AB_BATCH | PH_AB_MODSEQ | PH_AB_QRESYNC |
                                                 PH_AB_STATUS_LIST | PH_AB_SPECIAL_USE | PH_AB_UID_EXPUNGE |
                                                 PH_AB_SUBSCRIBE | PH_AB_PIPELINE_SELECT | PH_AB_EXACT_SIZE };

    int failed = run("memory", &good, 100000);
    failed += run("memory, another delimiter", &odd, 1000);
    failed += run("memory, without extensions", &bare, 1000);
    return failed;
}
