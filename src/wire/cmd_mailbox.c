/* Grammar of SELECT, EXAMINE, LIST, LSUB and STATUS: RFC 9051 6.3, 7162, 5258, 5819, 6154, 8440, 9590, 9208. */
#include "wire/command.h"

/* `(uidvalidity modseq [known-uids] [(seqs uids)])`: RFC 7162 3.2.5. None of the sets may have a `*`. */
static int qresync(struct ph_args *c, struct ph_cmd_select *s)
{
    struct ph_args in, match;

    if (ph_args_list(c, "the values of QRESYNC", &in) || ph_args_number(&in, "a UIDVALIDITY", &s->uidvalidity) ||
        ph_args_number64(&in, "a mod-sequence", &s->modseq))
        return -1;
    if (s->uidvalidity == 0 || s->modseq == 0)
        return ph_args_fail(c, "QRESYNC with a 0", PH_STR(""));
    if (ph_args_more(&in) && !ph_args_at_list(&in) && ph_args_set(&in, &s->known_uids))
        return -1;
    if (ph_args_more(&in) &&
        (ph_args_list(&in, "a list of message numbers and UIDs", &match) ||
         ph_args_set(&match, &s->match_seqs) || ph_args_set(&match, &s->match_uids) || ph_args_end(&match)))
        return -1;
    const struct ph_seqset *sets[] = { &s->known_uids, &s->match_seqs, &s->match_uids };
    for (size_t i = 0; i < 3; i++)
        if (sets[i]->star || sets[i]->saved)
            return ph_args_fail(c, "* in a set of QRESYNC", PH_STR(""));
    s->qresync = true;
    return ph_args_end(&in);
}

int ph_grammar_select(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_select *s = &out->select;
    struct ph_args params;

    if (ph_args_mailbox(c, &s->mailbox))
        return -1;
    if (!ph_args_more(c))
        return 0;
    if (ph_args_list(c, "a list of parameters", &params))
        return -1;
    do {
        if (!s->condstore && ph_args_word(&params, "CONDSTORE")) {
            s->condstore = true;
        } else if (!s->qresync && ph_args_word(&params, "QRESYNC")) {
            if (qresync(&params, s))
                return -1;
        } else {
            return ph_args_fail(c, "an unknown parameter, or one given twice",
                                ph_args_more(&params) ? ph_args_peek(&params)->text : PH_STR(""));
        }
    } while (ph_args_more(&params));
    return 0;
}

static const struct ph_bit_row status_items[] = {
    { "MESSAGES", PH_SI_MESSAGES },
    { "UIDNEXT", PH_SI_UIDNEXT },
    { "UIDVALIDITY", PH_SI_UIDVALIDITY },
    { "UNSEEN", PH_SI_UNSEEN },
    { "RECENT", PH_SI_RECENT },
    { "HIGHESTMODSEQ", PH_SI_HIGHESTMODSEQ },
    { "DELETED", PH_SI_DELETED },
    { "SIZE", PH_SI_SIZE },
    { "APPENDLIMIT", PH_SI_APPENDLIMIT },
    { "MAILBOXID", PH_SI_MAILBOXID },
    { "DELETED-STORAGE", PH_SI_DELETED_STORAGE },
    { NULL, 0 },
};

static int take_status_items(struct ph_args *c, unsigned *items)
{
    struct ph_args in;
    unsigned bit;

    if (ph_args_list(c, "a list of status items", &in))
        return -1;
    do {
        if (ph_grammar_bit(&in, status_items, "a status item", &bit))
            return -1;
        *items |= bit;
    } while (ph_args_more(&in));
    return 0;
}

int ph_grammar_status(struct ph_args *c, struct ph_command *out)
{
    return ph_args_mailbox(c, &out->status.mailbox) || take_status_items(c, &out->status.items) ? -1 : 0;
}

static const struct ph_bit_row select_options[] = {
    { "SUBSCRIBED", PH_LO_SUBSCRIBED },   { "REMOTE", PH_LO_REMOTE }, { "RECURSIVEMATCH", PH_LO_RECURSIVEMATCH },
    { "SPECIAL-USE", PH_LO_SPECIAL_USE }, { NULL, 0 },
};
static const struct ph_bit_row return_options[] = {
    { "SUBSCRIBED", PH_LO_SUBSCRIBED },   { "CHILDREN", PH_LO_CHILDREN }, { "STATUS", PH_LO_STATUS },
    { "SPECIAL-USE", PH_LO_SPECIAL_USE }, { "MYRIGHTS", PH_LO_MYRIGHTS }, { "METADATA", PH_LO_METADATA },
    { NULL, 0 },
};

static int take_select_options(struct ph_args *c, struct ph_cmd_list *l)
{
    struct ph_args in;
    unsigned bit;

    if (ph_args_list(c, "selection options", &in))
        return -1;
    while (ph_args_more(&in)) {
        if (ph_grammar_bit(&in, select_options, "a selection option", &bit))
            return -1;
        l->select |= bit;
    }
    if ((l->select & PH_LO_RECURSIVEMATCH) && !(l->select & PH_LO_SUBSCRIBED))
        return ph_args_fail(c, "RECURSIVEMATCH without SUBSCRIBED", PH_STR(""));
    return 0;
}

static int take_entries(struct ph_args *c, struct ph_words *entries)
{
    struct ph_args in;
    size_t cap = 0;

    *entries = (struct ph_words){ 0 };
    if (ph_args_list(c, "a list of entries", &in))
        return -1;
    do {
        entries->w = ph_args_grow(c, entries->w, entries->n, &cap, sizeof *entries->w);
        if (!entries->w || ph_grammar_entry(&in, &entries->w[entries->n++]))
            return -1;
    } while (ph_args_more(&in));
    return 0;
}

static int take_return_options(struct ph_args *c, struct ph_cmd_list *l)
{
    struct ph_args in;
    unsigned bit;

    if (ph_args_list(c, "return options", &in))
        return -1;
    while (ph_args_more(&in)) {
        if (ph_grammar_bit(&in, return_options, "a return option", &bit))
            return -1;
        l->options |= bit;
        if (bit == PH_LO_STATUS && take_status_items(&in, &l->status))
            return -1;
        if (bit == PH_LO_METADATA && take_entries(&in, &l->metadata))
            return -1;
    }
    return 0;
}

static int take_patterns(struct ph_args *c, struct ph_cmd_list *l)
{
    struct ph_args in = *c;
    bool many = ph_args_at_list(c);
    size_t cap = 0;

    if (many && ph_args_list(c, "patterns", &in))
        return -1;
    do {
        l->patterns.w = ph_args_grow(c, l->patterns.w, l->patterns.n, &cap, sizeof *l->patterns.w);
        if (!l->patterns.w || ph_args_list_mailbox(many ? &in : c, &l->patterns.w[l->patterns.n++]))
            return -1;
    } while (many && ph_args_more(&in));
    l->extended |= many;
    return 0;
}

int ph_grammar_list(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_list *l = &out->list;

    if (ph_args_at_list(c)) {
        l->extended = true;
        if (take_select_options(c, l))
            return -1;
    }
    if (ph_args_mailbox(c, &l->reference) || take_patterns(c, l))
        return -1;
    if (!ph_args_word(c, "RETURN"))
        return 0;
    l->extended = true;
    return take_return_options(c, l);
}

int ph_grammar_lsub(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_list *l = &out->list;

    l->patterns.w = ph_arena_alloc(c->arena, sizeof *l->patterns.w);
    if (!l->patterns.w)
        return ph_fail_memory(c->err);
    l->patterns.n = 1;
    return ph_args_mailbox(c, &l->reference) || ph_args_list_mailbox(c, l->patterns.w) ? -1 : 0;
}
