/* search_command.c: SEARCH and UID SEARCH (RFC 9051 6.4.4; RFC 3501; RFC 4731; RFC 5032; RFC 5182; RFC 7162 3.1.5; RFC 8474; RFC 8514;
 * RFC 9394; RFC 9585; RFC 9586; RFC 9738).
 */
#include "server/commands.h"
#include "server/private.h"
#include "server/search.h"
#include "wire/respond.h"

/* The answer of old: every number, passed on as it grows. */
static int write_search(struct search *q, const struct ph_command *c, const struct ph_numset *uids, struct ph_err *err)
{
    struct session *s = q->s;
    struct mailbox_row row;
    uint64_t modseq = 0;

    ph_write_raw(&s->w, "* SEARCH");
    for (size_t i = 0; i < uids->n; i++)
        for (uint64_t uid = uids->r[i].first; uid <= uids->r[i].last; uid++) {
            uint32_t number = c->uid ? (uint32_t)uid : uidlist_seq(s->view->uids, (uint32_t)uid);
            if (!number)
                continue;
            ph_write_char(&s->w, ' ');
            ph_write_u64(&s->w, number);
            if (q->uses_modseq && mailbox_row(s->view->mailbox, (uint32_t)uid, &row) && row.modseq > modseq)
                modseq = row.modseq;
            if (session_push_some(s))
                return ph_fail(err, PH_SCOPE_NONE, PH_E_CLOSED, "The client is gone");
        }
    if (modseq) {
        ph_write_raw(&s->w, " (MODSEQ ");
        ph_write_u64(&s->w, modseq);
        ph_write_char(&s->w, ')');
    }
    ph_write_crlf(&s->w);
    return 0;
}

static int search(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct search_result r = { 0 };
    unsigned options = search_options(s, &c->search);
    struct search *q;
    int rc = -1;

    if (!c->uid && (s->enabled & PH_EN_UIDONLY))
        return session_uid_required(err);
    if (session_sync(s, 0, err) || s->closing)
        return s->closing ? 0 : -1;
    q = search_new(s, c, err);
    if (q && search_results(q, &c->search, options, &r, err) == 0)
        rc = options ? search_write_esearch(q, c, &r, NULL, err) : write_search(q, c, &r.first, err);
    search_results_done(&r);
    if (rc == 0) {
        uint32_t lowest = q->lowest;
        search_warn(q);
        search_free(q); /* what is under way in the store ends before it is asked for news */
        if (lowest)
            session_ok_limit(s, c, s->server->config.limits.messages, lowest, "SEARCH completed for the last of the messages");
        else
            session_ok(s, c, "SEARCH completed");
    } else {
        search_free(q);
    }
    return rc;
}

int cmd_search(struct session *s, struct ph_command *c, struct ph_err *err)
{
    int rc = search(s, c, err);

    /* RFC 5182 2.1: one that fails with NO empties the variable, one that is BAD does not */
    if (rc && (c->search.options & PH_SR_SAVE) && err->kind != PH_E_BAD)
        ph_numset_clear(&s->saved);
    return rc;
}
