/* fetch_plan.c: what a FETCH needs: rows alone, the store's index, the structure, or octets. */
#include "server/fetch.h"

#include "server/user.h"

static bool is_fields(enum ph_section_what w)
{
    return w == PH_SEC_HEADER || w == PH_SEC_FIELDS || w == PH_SEC_FIELDS_NOT;
}

static unsigned section_needs(const struct ph_fetch_att *a)
{
    if (a->section.n_part)
        return NEED_STRUCTURE | NEED_OCTETS;
    return is_fields(a->section.what) ? NEED_HEADER : NEED_OCTETS;
}

static unsigned needs(const struct fetch *f, const struct ph_fetch_att *a)
{
    const struct server_user *u = f->s->user;

    switch (a->what) {
    case PH_FA_ENVELOPE:
        return NEED_ENVELOPE;
    case PH_FA_BODY:
    case PH_FA_BODYSTRUCTURE:
        return NEED_STRUCTURE;
    case PH_FA_INTERNALDATE:
        return NEED_SCAN_DATE;
    case PH_FA_SIZE:
        return u->abilities & PH_AB_EXACT_SIZE ? NEED_SCAN_SIZE : NEED_SIZE;
    case PH_FA_SECTION:
        return section_needs(a);
    case PH_FA_BINARY:
        return a->section.n_part ? NEED_STRUCTURE | NEED_OCTETS : NEED_OCTETS;
    case PH_FA_BINARY_SIZE:
        return a->section.n_part ? NEED_STRUCTURE | NEED_OCTETS : NEED_SIZE;
    case PH_FA_RFC822:
    case PH_FA_RFC822_TEXT:
        return NEED_OCTETS;
    case PH_FA_RFC822_HEADER:
        return NEED_HEADER;
    case PH_FA_PREVIEW:
        return NEED_PREVIEW | NEED_STRUCTURE;
    case PH_FA_EMAILID:
    case PH_FA_THREADID:
    case PH_FA_SAVEDATE:
        return u->serve->info ? NEED_INFO : 0;
    case PH_FA_FLAGS:
    case PH_FA_UID:
    case PH_FA_MODSEQ:
        break;
    }
    return 0;
}

static bool is_whole(const struct ph_fetch_att *a)
{
    return a->what == PH_FA_RFC822 || (a->what == PH_FA_SECTION && !a->section.n_part && a->section.what == PH_SEC_ALL);
}

void fetch_plan(struct fetch *f)
{
    size_t n_whole = 0;

    for (size_t i = 0; i < f->n; i++) {
        f->need |= needs(f, &f->atts[i]);
        n_whole += is_whole(&f->atts[i]);
    }
    /* sizes do no harm: they are known when the message is open */
    if (n_whole == 1 && !(f->need & (NEED_ENVELOPE | NEED_STRUCTURE | NEED_HEADER))) {
        size_t n_octets = 0;
        for (size_t i = 0; i < f->n; i++)
            n_octets += (needs(f, &f->atts[i]) & NEED_OCTETS) != 0;
        if (n_octets == 1)
            f->need |= NEED_WHOLE;
    }
}

bool fetch_marks_seen(const struct ph_fetch_att *atts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct ph_fetch_att *a = &atts[i];
        if (a->what == PH_FA_RFC822 || a->what == PH_FA_RFC822_TEXT ||
            ((a->what == PH_FA_SECTION || a->what == PH_FA_BINARY) && !a->peek))
            return true;
    }
    return false;
}

static bool all_lazy(const struct fetch *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->atts[i].what == PH_FA_PREVIEW && !f->atts[i].lazy)
            return false;
    return true;
}

int fetch_is_kept(struct fetch *f, const struct message *m, struct ph_err *err)
{
    if (!(f->need & NEED_BODY))
        return 1;
    if ((f->need & (NEED_HEADER | NEED_OCTETS)) || !f->reader.serve->cache_get)
        return 0;
    if (!(f->need & (NEED_STRUCTURE | NEED_PREVIEW)) && reader_is_random(&f->reader))
        return 0; /* reading a header is cheaper than looking up what was made of it */
    int found = reader_kept_structure(&f->reader, m->row.uid, err);
    if (found != 1)
        return found;
    return !(f->need & NEED_PREVIEW) || f->reader.has_preview || (all_lazy(f) && !reader_is_random(&f->reader));
}

bool fetch_needs_return(const struct fetch *f)
{
    if ((f->need & NEED_WHOLE) || reader_can_return(&f->reader))
        return false;
    /* the structure alone is found by reading once; its preview, and octets, are not */
    return (f->need & (NEED_HEADER | NEED_OCTETS)) || ((f->need & NEED_PREVIEW) && !all_lazy(f));
}
