/* imap_flags.c: changing flags and removing messages, by UID only, in the mailbox that was meant (UIDVALIDITY). */
#include <stdlib.h>
#include <string.h>

#include "store/imap_internal.h"

#define SET_OCTETS 7000

struct store_cmd {
    struct ph_cmd cmd;
    struct ph_flag_change *change;
    struct store_cmd *next;
};

struct folder_work {
    struct imap_select select;
    struct store_cmd *first;
    bool opened;
};

static bool swallow(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    return r->kind == PH_RESP_FETCH || r->kind == PH_RESP_EXPUNGE || r->kind == PH_RESP_VANISHED ||
           r->kind == PH_RESP_EXISTS;
}

static const struct ph_cmd_ops swallow_ops = { .untagged = swallow };

static int queue_change(struct imap_session *s, struct folder_work *w, struct ph_flag_change *ch, struct ph_err *err)
{
    static const char *const words[] = { [PH_FLAGS_SET] = " FLAGS.SILENT ", [PH_FLAGS_ADD] = " +FLAGS.SILENT ",
                                         [PH_FLAGS_REMOVE] = " -FLAGS.SILENT " };
    bool modseq = ch->unchanged_since && (s->conn->caps.bits & PH_CAP_CONDSTORE);

    for (size_t from = 0; from < ch->uids->n;) {
        struct store_cmd *c = calloc(1, sizeof *c);
        if (!c)
            return ph_fail_memory(err);
        c->change = ch;
        c->next = w->first;
        w->first = c;
        c->cmd.selected_state = true;
        struct ph_writer *wr = ph_conn_begin(s->conn, &c->cmd, &swallow_ops);
        ph_write_raw(wr, "UID STORE ");
        ph_numset_format_part(ch->uids, &from, SET_OCTETS, &wr->out);
        if (modseq) {
            ph_write_raw(wr, " (UNCHANGEDSINCE ");
            ph_write_u64(wr, ch->unchanged_since);
            ph_write_char(wr, ')');
        }
        ph_write_raw(wr, words[ch->mode]);
        imap_write_flags(wr, ch->flags, ch->keywords);
        if (ph_conn_end(s->conn, err))
            return -1;
    }
    return 0;
}

/* A changing command may follow the SELECT in one flight only when a mod-sequence of this session guards it. */
static bool guarded(struct imap_session *s, const struct ph_flag_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (!b->changes[i].unchanged_since)
            return false;
    return imap_pipelines_select(s) && b->uidvalidity;
}

static int open_and_queue(struct imap_session *s, struct folder_work *w, struct ph_flag_batch *b, struct ph_err *err)
{
    bool now = guarded(s, b);

    if (imap_select_begin(s, &w->select, b->folder, true, err))
        return -1;
    w->opened = true;
    if (!now) {
        if (ph_conn_wait(s->conn, &w->select.cmd, err))
            return -1;
        if (imap_select_check(&w->select, b->folder, b->uidvalidity, &b->result))
            return 0;
    }
    for (size_t i = 0; i < b->n; i++)
        if (queue_change(s, w, &b->changes[i], err))
            return -1;
    return 0;
}

static int collect(struct imap_session *s, struct folder_work *w, struct ph_flag_batch *b, struct ph_err *err)
{
    if (ph_conn_wait(s->conn, &w->select.cmd, err))
        return -1;
    if (b->result.kind == PH_OK)
        imap_select_check(&w->select, b->folder, b->uidvalidity, &b->result);
    for (struct store_cmd *c = w->first; c; c = c->next) {
        if (ph_conn_wait(s->conn, &c->cmd, err))
            return -1;
        if (c->cmd.status != PH_ST_OK)
            c->change->result = c->cmd.err;
        else if (c->cmd.code == PH_CODE_MODIFIED)
            ph_fail(&c->change->result, PH_SCOPE_MESSAGE, PH_E_CHANGED, "somebody else changed it meanwhile");
    }
    return 0;
}

int imap_store_flags(struct ph_session *base, struct ph_flag_batch *batches, size_t n, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct folder_work *w = calloc(n ? n : 1, sizeof *w);
    int r = 0;

    if (!w)
        return ph_fail_memory(err);
    if (imap_set_up(s, err))
        r = -1;
    bool pipeline = imap_pipelines_select(s);
    for (size_t i = 0; i < n && r == 0; i++) {
        ph_err_clear(&batches[i].result);
        for (size_t k = 0; k < batches[i].n; k++)
            ph_err_clear(&batches[i].changes[k].result);
        r = open_and_queue(s, &w[i], &batches[i], err);
        if (r == 0 && !pipeline)
            r = collect(s, &w[i], &batches[i], err);
    }
    for (size_t i = 0; i < n && r == 0 && pipeline; i++)
        r = collect(s, &w[i], &batches[i], err);
    if (r)
        ph_conn_give_up(s->conn, err);
    for (size_t i = 0; i < n; i++) {
        if (w[i].opened)
            imap_select_done(&w[i].select);
        while (w[i].first) {
            struct store_cmd *c = w[i].first;
            w[i].first = c->next;
            free(c);
        }
    }
    free(w);
    return r;
}

static int run_expunge(struct imap_session *s, const struct ph_numset *uids, bool all, struct ph_err *err)
{
    bool uidplus = s->conn->caps.bits & PH_CAP_UIDPLUS;

    if (!uidplus && !all)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED,
                       "the server cannot remove chosen messages (no UIDPLUS); they are only marked \\Deleted");
    for (size_t from = 0; from < uids->n;) {
        struct ph_cmd cmd = { .selected_state = true };
        struct ph_writer *w = ph_conn_begin(s->conn, &cmd, &swallow_ops);
        if (uidplus) {
            ph_write_raw(w, "UID EXPUNGE ");
            ph_numset_format_part(uids, &from, SET_OCTETS, &w->out);
        } else {
            ph_write_raw(w, "EXPUNGE");
            from = uids->n;
        }
        if (ph_conn_end(s->conn, err) || ph_conn_wait_ok(s->conn, &cmd, err)) {
            if (cmd.queued)
                ph_conn_give_up(s->conn, err);
            return -1;
        }
    }
    return 0;
}

int imap_expunge(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                 bool expunge_all, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct ph_flag_change mark = { .uids = uids, .flags = PH_F_DELETED, .keywords = "", .mode = PH_FLAGS_ADD };
    struct ph_flag_batch b = { .folder = folder, .uidvalidity = uidvalidity, .changes = &mark, .n = 1 };

    if (ph_numset_empty(uids))
        return 0;
    if (imap_store_flags(base, &b, 1, err))
        return -1;
    if (b.result.kind != PH_OK || mark.result.kind != PH_OK) {
        if (err)
            *err = b.result.kind != PH_OK ? b.result : mark.result;
        return -1;
    }
    return run_expunge(s, uids, expunge_all, err);
}

int imap_copy(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
              const char *to, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct imap_select sel;
    int r = -1;

    if (imap_set_up(s, err) || imap_select_begin(s, &sel, folder, false, err))
        return -1;
    if (ph_conn_wait(s->conn, &sel.cmd, err) || imap_select_check(&sel, folder, uidvalidity, err))
        goto out;
    for (size_t from = 0; from < uids->n;) {
        struct ph_cmd cmd = { .selected_state = true };
        struct ph_writer *w = ph_conn_begin(s->conn, &cmd, &swallow_ops);
        ph_write_raw(w, "UID COPY ");
        ph_numset_format_part(uids, &from, SET_OCTETS, &w->out);
        ph_write_char(w, ' ');
        imap_write_folder(s, w, to);
        if (ph_conn_end(s->conn, err) || ph_conn_wait_ok(s->conn, &cmd, err)) {
            if (cmd.queued)
                ph_conn_give_up(s->conn, err);
            goto out;
        }
    }
    r = 0;
out:
    if (!sel.cmd.done)
        ph_conn_give_up(s->conn, err);
    imap_select_done(&sel);
    return r;
}
