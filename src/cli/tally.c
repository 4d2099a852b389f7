#include "cli/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void ph_tallies_init(struct ph_tallies *t)
{
    *t = (struct ph_tallies){ 0 };
    t->end = &t->first;
}

void ph_tallies_done(struct ph_tallies *t)
{
    while (t->first) {
        struct ph_tally *f = t->first;
        t->first = f->next;
        free(f->name);
        free(f->dst);
        free(f);
    }
    ph_tallies_init(t);
}

static struct ph_tally *made(struct ph_tallies *t, const char *name)
{
    struct ph_tally *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->name = ph_str_dup(ph_str(name));
    if (!f->name) {
        free(f);
        return NULL;
    }
    *t->end = f;
    t->end = &f->next;
    return f;
}

static struct ph_tally *find(struct ph_tallies *t, const char *name)
{
    struct ph_tally **at = &t->recent, *f;

    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->recent;
    f = *at;
    if (f)
        *at = f->recent;
    else if (!(f = made(t, name)))
        return NULL;
    f->recent = t->recent;
    t->recent = f;
    return f;
}

static void count_message(struct ph_tally *f, const struct ph_event *e)
{
    uint64_t n = e->number ? e->number : 1;

    switch (e->action) {
    case PH_ACT_REPAIRED:
        f->repaired++;
        /* fall through */
    case PH_ACT_COPIED:
        f->copied++;
        f->copied_bytes += e->size;
        break;
    case PH_ACT_MERGED:
        f->merged++;
        break;
    case PH_ACT_REFUSED:
        f->refused++;
        break;
    case PH_ACT_MISSING:
        f->missing++;
        break;
    case PH_ACT_SKIPPED:
        f->skipped++;
        break;
    case PH_ACT_EXPUNGED:
        *(e->side == 's' ? &f->expunged_src : &f->expunged_dst) += n;
        break;
    case PH_ACT_FLAGS:
        f->flags++;
        break;
    case PH_ACT_WOULD_COPY:
    case PH_ACT_ADOPTED:
        break;
    }
}

struct ph_tally *ph_tallies_take(struct ph_tallies *t, const struct ph_event *e)
{
    struct ph_tally *f = e->folder ? find(t, e->folder) : NULL;

    if (!f)
        return NULL;
    if (e->dst_folder && !f->dst)
        f->dst = ph_str_dup(ph_str(e->dst_folder));
    switch (e->kind) {
    case PH_EV_FOLDER_START:
        f->src_messages = e->messages;
        f->dst_messages = e->number;
        break;
    case PH_EV_PLAN:
        f->planned = e->messages;
        f->planned_bytes = e->bytes;
        f->adopted = e->adopted;
        f->skipped += e->skipped;
        break;
    case PH_EV_MESSAGE:
        count_message(f, e);
        break;
    case PH_EV_DIFFERENCE:
        f->differences++;
        f->absent += e->reason && strcmp(e->reason, "missing") == 0;
        break;
    case PH_EV_PROBLEM:
        f->problems++;
        break;
    case PH_EV_FOLDER_DONE:
        f->done = true;
        break;
    default:
        break;
    }
    return f;
}

uint64_t ph_tally_settled(const struct ph_tally *f)
{
    return f->copied + f->merged + f->refused + f->missing;
}
