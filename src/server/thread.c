/* thread.c: THREAD and UID THREAD (RFC 5256 3). */
#include <sys/random.h>

#include "mail/thread.h"
#include "server/commands.h"
#include "server/fields.h"
#include "server/private.h"
#include "wire/respond.h"

struct threading {
    struct search *q;
    struct ph_thread *thread;
    bool uid;
};

static int add(void *ctx, const struct fields *f, struct ph_err *err)
{
    struct threading *t = ctx;
    uint32_t uid = f->m->row.uid, number = t->uid ? uid : uidlist_seq(t->q->s->view->uids, uid);
    struct ph_thread_message m = { .number = number, .date = fields_sent(f), .subject = f->value[FIELD_SUBJECT],
                                   .message_id = f->value[FIELD_MESSAGE_ID], .references = f->value[FIELD_REFERENCES],
                                   .in_reply_to = f->value[FIELD_IN_REPLY_TO] };

    if (f->structure) {
        m.subject = ph_structure_field(f->structure, PH_FIELD_SUBJECT);
        m.message_id = ph_structure_field(f->structure, PH_FIELD_MESSAGE_ID);
        m.references = ph_structure_field(f->structure, PH_FIELD_REFERENCES);
        m.in_reply_to = ph_structure_field(f->structure, PH_FIELD_IN_REPLY_TO);
    }
    return number ? ph_thread_add(t->thread, &m, err) : 0;
}

static int thread(struct search *q, struct ph_command *c, enum ph_thread_by by, struct ph_err *err)
{
    struct ph_numset found = PH_NUMSET_INIT;
    struct threading t = { .q = q, .uid = c->uid };
    struct ph_hash_key key;
    unsigned want = 1u << FIELD_DATE | 1u << FIELD_SUBJECT;
    int rc = -1;

    if (by == PH_THREAD_REFERENCES)
        want |= 1u << FIELD_MESSAGE_ID | 1u << FIELD_REFERENCES | 1u << FIELD_IN_REPLY_TO;
    if (getrandom(&key, sizeof key, 0) != sizeof key)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_SYSTEM, "no random numbers");
    t.thread = ph_thread_new(by, &key, err);
    if (t.thread && search_run(q, UINT64_MAX, false, &found, err) == 0 &&
        fields_each(q, &found, want, PH_WANT_DATE, add, &t, err) == 0 && ph_thread_finish(t.thread, err) == 0) {
        ph_write_raw(&q->s->w, "* THREAD");
        if (!ph_numset_empty(&found))
            ph_write_char(&q->s->w, ' ');
        ph_thread_write(t.thread, &q->s->w);
        ph_write_crlf(&q->s->w);
        rc = 0;
    }
    ph_thread_free(t.thread);
    ph_numset_done(&found);
    return rc;
}

int cmd_thread(struct session *s, struct ph_command *c, struct ph_err *err)
{
    enum ph_thread_by by = PH_THREAD_REFERENCES;
    struct search *q;
    int rc = -1;

    if (!c->uid && (s->enabled & PH_EN_UIDONLY))
        return session_uid_required(err);
    if (ph_str_caseis(c->search.algorithm, "ORDEREDSUBJECT"))
        by = PH_THREAD_ORDEREDSUBJECT;
    else if (!ph_str_caseis(c->search.algorithm, "REFERENCES"))
        return ph_fail(err, PH_SCOPE_NONE, PH_E_BAD, "Threads are made by ORDEREDSUBJECT or REFERENCES");
    if (session_sync(s, 0, err) || s->closing)
        return s->closing ? 0 : -1;
    q = search_new(s, c, err);
    if (q && q->lowest) {
        search_free(q);
        session_no_limit(s, c, s->server->config.limits.messages, 0, "Too many messages to thread");
        return 0;
    }
    if (q && (rc = thread(q, c, by, err)) == 0)
        search_warn(q);
    search_free(q);
    if (rc == 0)
        session_ok(s, c, "THREAD completed");
    return rc;
}
