/* Grammar of NOTIFY, and of the mailboxes that NOTIFY and ESEARCH name: RFC 5465 8, RFC 7377 4. */
#include "wire/command.h"

static const struct {
    const char *word;
    enum ph_filter_what what;
    bool names, notify, esearch;
} filters[] = {
    { "selected", PH_MF_SELECTED, false, true, true },
    { "selected-delayed", PH_MF_SELECTED_DELAYED, false, true, false },
    { "inboxes", PH_MF_INBOXES, false, true, true },
    { "personal", PH_MF_PERSONAL, false, true, true },
    { "subscribed", PH_MF_SUBSCRIBED, false, true, true },
    { "subtree", PH_MF_SUBTREE, true, true, true },
    { "subtree-one", PH_MF_SUBTREE_ONE, true, false, true },
    { "mailboxes", PH_MF_MAILBOXES, true, true, true },
};

static const struct ph_bit_row events[] = {
    { "MessageNew", PH_EV_MESSAGE_NEW },
    { "MessageExpunge", PH_EV_MESSAGE_EXPUNGE },
    { "FlagChange", PH_EV_FLAG_CHANGE },
    { "AnnotationChange", PH_EV_ANNOTATION_CHANGE },
    { "MailboxName", PH_EV_MAILBOX_NAME },
    { "SubscriptionChange", PH_EV_SUBSCRIPTION_CHANGE },
    { "MailboxMetadataChange", PH_EV_MAILBOX_METADATA_CHANGE },
    { "ServerMetadataChange", PH_EV_SERVER_METADATA_CHANGE },
};

/* One name, or a list of them. */
static int take_names(struct ph_args *c, struct ph_words *names)
{
    struct ph_args in = *c;
    bool list = ph_args_at_list(c);
    size_t cap = 0;

    if (list && ph_args_list(c, "names of mailboxes", &in))
        return -1;
    do {
        names->w = ph_args_grow(c, names->w, names->n, &cap, sizeof *names->w);
        if (!names->w || ph_args_mailbox(list ? &in : c, &names->w[names->n++]))
            return -1;
    } while (list && ph_args_more(&in));
    return 0;
}

int ph_grammar_filter(struct ph_args *c, bool esearch, struct ph_mailbox_filter *f)
{
    struct ph_str word;

    *f = (struct ph_mailbox_filter){ 0 };
    if (ph_args_atom(c, "which mailboxes", &word))
        return -1;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (ph_str_caseis(word, filters[i].word) && (esearch ? filters[i].esearch : filters[i].notify)) {
            f->what = filters[i].what;
            return filters[i].names ? take_names(c, &f->names) : 0;
        }
    return ph_args_fail(c, "unknown or not supported", word);
}

static int take_event(struct ph_args *c, struct ph_notify_group *g)
{
    struct ph_str word;
    unsigned bit = PH_EV_UNKNOWN;

    if (ph_args_atom(c, "an event", &word))
        return -1;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (ph_str_caseis(word, events[i].word))
            bit = events[i].bit;
    if (bit != PH_EV_UNKNOWN && (g->events & bit))
        return ph_args_fail(c, "an event given twice", word);
    g->events |= bit;
    return bit == PH_EV_MESSAGE_NEW && ph_args_at_list(c) ? ph_grammar_fetch_atts(c, &g->atts, &g->n_atts) : 0;
}

/* What RFC 5465 5 and 6.1 forbid. */
static int check_group(struct ph_args *c, const struct ph_notify_group *g)
{
    const unsigned both = PH_EV_MESSAGE_NEW | PH_EV_MESSAGE_EXPUNGE;
    bool selected = g->filter.what == PH_MF_SELECTED || g->filter.what == PH_MF_SELECTED_DELAYED;

    if ((g->events & PH_EV_MESSAGE) && (g->events & both) != both)
        return ph_args_fail(c, "MessageNew and MessageExpunge belong to each other and to all events of messages",
                            PH_STR(""));
    if (selected && (g->events & ~(unsigned)(PH_EV_MESSAGE | PH_EV_UNKNOWN)))
        return ph_args_fail(c, "the selected mailbox has only events of messages", PH_STR(""));
    if (!selected && g->n_atts)
        return ph_args_fail(c, "data items are for the selected mailbox", PH_STR(""));
    return 0;
}

static int take_group(struct ph_args *c, struct ph_notify_group *g)
{
    struct ph_args in, list;

    *g = (struct ph_notify_group){ 0 };
    if (ph_args_list(c, "mailboxes and events", &in) || ph_grammar_filter(&in, false, &g->filter))
        return -1;
    if (!ph_args_word(&in, "NONE")) {
        if (ph_args_list(&in, "a list of events, or NONE", &list))
            return -1;
        do {
            if (take_event(&list, g))
                return -1;
        } while (ph_args_more(&list));
    }
    return ph_args_end(&in) || check_group(c, g) ? -1 : 0;
}

int ph_grammar_notify(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_notify *n = &out->notify;
    unsigned selected = 0;
    size_t cap = 0;

    if (ph_args_word(c, "NONE"))
        return 0;
    if (!ph_args_word(c, "SET"))
        return ph_args_fail(c, "expected SET or NONE", ph_args_more(c) ? ph_args_peek(c)->text : PH_STR(""));
    n->set = true;
    n->status = ph_args_word(c, "STATUS");
    do {
        n->groups = ph_args_grow(c, n->groups, n->n, &cap, sizeof *n->groups);
        if (!n->groups || take_group(c, &n->groups[n->n++]))
            return -1;
        enum ph_filter_what what = n->groups[n->n - 1].filter.what;
        selected += what == PH_MF_SELECTED || what == PH_MF_SELECTED_DELAYED;
    } while (ph_args_more(c));
    return selected > 1 ? ph_args_fail(c, "the selected mailbox given twice", PH_STR("")) : 0;
}
