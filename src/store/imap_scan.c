/* imap_scan.c: what a folder holds: EXAMINE and UID FETCH of metadata into a snapshot, several folders under way. */
#include <stdlib.h>
#include <string.h>

#include "store/imap_internal.h"

#define SET_OCTETS 7000 /* of one number set in a command; lines above 8000 are refused by some servers */

struct scan_cmd { /* a FETCH or SEARCH that knows its scan */
    struct ph_cmd cmd;
    struct imap_scan *scan;
};

struct imap_scan {
    struct imap_scan *next;
    struct imap_session *s;
    char *folder;
    struct ph_scan_request req;
    struct ph_numset uids;     /* copy of req.uids, or what SEARCH found */
    bool has_uids;
    struct ph_snapshot *out;
    struct imap_select select, again; /* again: opened once more, when others have opened theirs meanwhile */
    struct scan_cmd *fetches;  /* one for each part of a large set; or the one SEARCH */
    size_t n_fetches;
    bool started, vanished_seen;
    uint32_t limit_uid;        /* of [MESSAGELIMIT n uid]: not done below it */
    uint32_t *index;           /* once rows come in another order than that of their UIDs: number of the row + 1 by UID, open addressing */
    size_t index_size;         /* a power of two, more than twice the rows; 0: all in order so far */
    struct ph_err err;
};

/* ---- rows ---- */

static void set_flags(struct imap_scan *sc, struct ph_row *row, const struct ph_words *words)
{
    struct ph_str kw[64];
    uint32_t flags = 0;
    size_t n = 0;

    for (size_t i = 0; i < words->n; i++) {
        uint32_t bit = imap_flag_bit(words->w[i]);
        flags |= bit;
        if (!bit && words->w[i].n && words->w[i].p[0] != '\\' && n < sizeof kw / sizeof *kw)
            kw[n++] = words->w[i];
    }
    int set = n ? ph_snapshot_kwset(sc->out, kw, n) : 0;
    if (set < 0)
        ph_fail_memory(&sc->err);
    row->flags = flags & 0xff;
    row->kwset = set > 0 ? (uint32_t)set & 0xffffff : 0;
}

/* Where a UID's row is noted, or would be. */
static uint32_t *index_slot(const struct imap_scan *sc, uint32_t uid)
{
    size_t mask = sc->index_size - 1, i = (uid * 2654435761u) & mask;

    while (sc->index[i] && ph_snapshot_row(sc->out, sc->index[i] - 1)->uid != uid)
        i = (i + 1) & mask;
    return &sc->index[i];
}

static int index_rows(struct imap_scan *sc)
{
    size_t size = sc->index_size ? sc->index_size : 1024;

    while (size <= 2 * (sc->out->n + 1))
        size *= 2;
    if (size == sc->index_size)
        return 0;
    free(sc->index);
    sc->index = calloc(size, sizeof *sc->index);
    sc->index_size = sc->index ? size : 0;
    if (!sc->index)
        return -1;
    for (size_t i = 0; i < sc->out->n; i++)
        *index_slot(sc, ph_snapshot_row(sc->out, i)->uid) = (uint32_t)i + 1;
    return 0;
}

static struct ph_row *known_row(const struct imap_scan *sc, uint32_t uid)
{
    struct ph_snapshot *s = sc->out;

    if (sc->index_size) {
        uint32_t at = *index_slot(sc, uid);
        return at ? ph_snapshot_row(s, at - 1) : NULL;
    }
    return s->n && ph_snapshot_row(s, s->n - 1)->uid < uid ? NULL : ph_snapshot_find(s, uid);
}

/* NULL: no memory. Servers tell their messages in ascending order; those that do not have it noted where each is. */
static struct ph_row *new_row(struct imap_scan *sc, uint32_t uid)
{
    struct ph_snapshot *s = sc->out;
    bool ordered = !sc->index_size && (!s->n || ph_snapshot_row(s, s->n - 1)->uid < uid);

    if (!ordered && index_rows(sc))
        return NULL;
    struct ph_row *row = ph_snapshot_add(s);
    if (!row)
        return NULL;
    if (!ordered)
        *index_slot(sc, uid) = (uint32_t)s->n;
    row->uid = uid;
    return row;
}

static uint64_t key_of(struct imap_scan *sc, struct ph_str header)
{
    struct ph_buf text = PH_BUF_INIT;
    uint64_t h = 0;

    if (!sc->req.built_keys && !sc->req.normalise_date)
        return ph_identity_hash(sc->req.hash_key, header);
    if (ph_identity_key(header, sc->req.built_keys, sc->req.normalise_date, &text, NULL))
        h = ph_siphash(sc->req.hash_key, ph_buf_data(&text), ph_buf_len(&text));
    ph_buf_done(&text);
    return h;
}

static void set_key(struct imap_scan *sc, struct ph_row *row, const struct ph_fetch *f)
{
    if (sc->req.want & PH_WANT_MSGID) {
        if (f->has_gm_msgid)
            row->key = f->gm_msgid;
        else if (f->emailid.n && sc->req.hash_key)
            row->key = ph_siphash(sc->req.hash_key, f->emailid.p, f->emailid.n);
        row->has_key = 1;
    }
    if (!(sc->req.want & PH_WANT_KEY))
        return;
    for (size_t i = 0; i < f->n_bodies; i++)
        if (f->bodies[i].stream < 0 && ph_str_caseprefix(f->bodies[i].section, "HEADER")) {
            row->key = f->bodies[i].nil ? 0 : key_of(sc, f->bodies[i].text);
            row->has_key = 1;
        }
}

static void on_row(struct imap_scan *sc, const struct ph_fetch *f)
{
    uint32_t want = sc->req.want;
    bool whole = (!(want & PH_WANT_SIZE) || f->has_size) && (!(want & PH_WANT_FLAGS) || f->has_flags) &&
                 (!(want & PH_WANT_KEY) || f->n_bodies);
    struct ph_row *row = known_row(sc, f->uid);

    if (!row) {
        if (!whole)
            return; /* news about a message whose own row is still to come */
        row = new_row(sc, f->uid);
        if (!row) {
            ph_fail_memory(&sc->err);
            return;
        }
    }
    if (f->has_flags)
        set_flags(sc, row, &f->flags);
    if (f->has_size)
        row->size = f->size;
    if (f->internaldate.valid) {
        row->epoch = f->internaldate.epoch;
        row->zone = f->internaldate.zone_min;
        row->has_date = 1;
    }
    set_key(sc, row, f);
}

static bool on_scan_data(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct imap_scan *sc = ((struct scan_cmd *)cmd)->scan;

    switch (r->kind) {
    case PH_RESP_FETCH:
        if (r->fetch.has_uid && sc->err.kind == PH_OK)
            on_row(sc, &r->fetch);
        return true;
    case PH_RESP_VANISHED:
        if (sc->req.vanished && ph_numset_add_set(sc->req.vanished, &r->set))
            ph_fail_memory(&sc->err);
        return true;
    case PH_RESP_EXISTS:
    case PH_RESP_EXPUNGE:
        return true;
    default:
        return false;
    }
}

static void on_scan_tagged(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct imap_scan *sc = ((struct scan_cmd *)cmd)->scan;

    if (r->code.id == PH_CODE_MESSAGELIMIT && r->code.uid)
        sc->limit_uid = r->code.uid;
}

static bool on_search_data(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct imap_scan *sc = ((struct scan_cmd *)cmd)->scan;

    if (r->kind != PH_RESP_SEARCH)
        return false;
    if (ph_numset_add_set(&sc->uids, &r->set))
        ph_fail_memory(&sc->err);
    return true;
}

static const struct ph_cmd_ops fetch_ops = { .untagged = on_scan_data, .tagged = on_scan_tagged };
static const struct ph_cmd_ops search_ops = { .untagged = on_search_data };

/* ---- commands ---- */

static void write_items(struct imap_scan *sc, struct ph_writer *w)
{
    uint32_t want = sc->req.want, caps = sc->s->conn->caps.bits;

    ph_write_raw(w, " (UID");
    if (want & PH_WANT_FLAGS)
        ph_write_raw(w, " FLAGS");
    if (want & PH_WANT_DATE)
        ph_write_raw(w, " INTERNALDATE");
    if (want & PH_WANT_SIZE)
        ph_write_raw(w, " RFC822.SIZE");
    if (want & PH_WANT_MSGID)
        ph_write_raw(w, caps & PH_CAP_GMAIL ? " X-GM-MSGID" : caps & PH_CAP_OBJECTID ? " EMAILID" : "");
    if (want & PH_WANT_KEY)
        ph_write_raw(w, " BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE SUBJECT FROM)]");
    ph_write_char(w, ')');
    if (sc->req.changed_since) {
        ph_write_raw(w, " (CHANGEDSINCE ");
        ph_write_u64(w, sc->req.changed_since);
        if (sc->req.vanished && sc->s->conn->enabled_qresync)
            ph_write_raw(w, " VANISHED");
        ph_write_char(w, ')');
    }
}

static struct ph_writer *begin_fetch(struct imap_scan *sc)
{
    struct scan_cmd *c = &sc->fetches[sc->n_fetches++];

    c->scan = sc;
    c->cmd.selected_state = true;
    struct ph_writer *w = ph_conn_begin(sc->s->conn, &c->cmd, &fetch_ops);
    ph_write_raw(w, "UID FETCH ");
    return w;
}

/* Commands for sc->uids, or for from_uid:to (to 0: `*`). */
static int queue_fetches(struct imap_scan *sc, uint32_t to, struct ph_err *err)
{
    size_t parts = 1, from = 0;

    if (sc->has_uids) { /* an element is at most 22 octets: an upper bound of the number of parts */
        if (ph_numset_empty(&sc->uids))
            return 0;
        parts = sc->uids.n * 22 / (SET_OCTETS - 22) + 1;
    }
    sc->fetches = calloc(parts, sizeof(struct scan_cmd));
    sc->n_fetches = 0;
    if (!sc->fetches)
        return ph_fail_memory(err);
    if (!sc->has_uids) {
        struct ph_writer *w = begin_fetch(sc);
        ph_write_u64(w, sc->req.from_uid ? sc->req.from_uid : 1);
        ph_write_char(w, ':');
        if (to)
            ph_write_u64(w, to);
        else
            ph_write_char(w, '*');
        write_items(sc, w);
        return ph_conn_end(sc->s->conn, err);
    }
    while (from < sc->uids.n) {
        struct ph_writer *w = begin_fetch(sc);
        ph_numset_format_part(&sc->uids, &from, SET_OCTETS, &w->out);
        write_items(sc, w);
        if (ph_conn_end(sc->s->conn, err))
            return -1;
    }
    return 0;
}

static int start(struct imap_scan *sc, struct ph_err *err)
{
    struct imap_session *s = sc->s;

    if (imap_set_up(s, err))
        return -1;
    sc->started = true;
    if (imap_select_begin(s, &sc->select, sc->folder, sc->req.read_write, err))
        return -1;
    if (!sc->req.search)
        return queue_fetches(sc, 0, err);
    struct scan_cmd *search = calloc(1, sizeof *search);
    if (!search)
        return ph_fail_memory(err);
    sc->fetches = search;
    search->scan = sc;
    struct ph_writer *w = ph_conn_begin(s->conn, &search->cmd, &search_ops);
    ph_write_raw(w, "UID SEARCH ");
    ph_write_raw(w, sc->req.search);
    sc->n_fetches = 1;
    return ph_conn_end(s->conn, err);
}

int imap_scan_begin(struct ph_session *base, const char *folder, const struct ph_scan_request *req,
                    struct ph_snapshot *out, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct imap_scan *sc = calloc(1, sizeof *sc);

    if (!sc || !(sc->folder = strdup(folder))) {
        free(sc);
        return ph_fail_memory(err);
    }
    sc->s = s;
    sc->req = *req;
    sc->out = out;
    if (req->uids) {
        sc->has_uids = true;
        if (ph_numset_add_set(&sc->uids, req->uids)) {
            free(sc->folder);
            free(sc);
            return ph_fail_memory(err);
        }
    }
    bool now = !s->first_scan || imap_pipelines_select(s);
    if (s->last_scan)
        s->last_scan->next = sc;
    else
        s->first_scan = sc;
    s->last_scan = sc;
    return now ? start(sc, err) : 0;
}

static void scan_free(struct imap_scan *sc)
{
    imap_select_done(&sc->select);
    imap_select_done(&sc->again);
    ph_numset_done(&sc->uids);
    free(sc->fetches);
    free(sc->folder);
    free(sc->index);
    free(sc);
}

void imap_scans_free(struct imap_session *s)
{
    while (s->first_scan) {
        struct imap_scan *sc = s->first_scan;
        s->first_scan = sc->next;
        scan_free(sc);
    }
    s->last_scan = NULL;
}

static int wait_fetches(struct imap_scan *sc, struct ph_err *err)
{
    struct scan_cmd *cmds = sc->fetches;

    for (size_t i = 0; i < sc->n_fetches; i++) {
        if (ph_conn_wait(sc->s->conn, &cmds[i].cmd, err))
            return -1;
        /* nothing there: a few servers call 1:* of an empty mailbox an error */
        if (cmds[i].cmd.status == PH_ST_OK || sc->select.exists == 0)
            continue;
        if (sc->select.cmd.status == PH_ST_OK && sc->err.kind == PH_OK) {
            sc->err = cmds[i].cmd.err;
            ph_err_prefix(&sc->err, "%s could not be listed", sc->folder);
            if (sc->err.scope < PH_SCOPE_FOLDER)
                sc->err.scope = PH_SCOPE_FOLDER;
            if (sc->req.search && !sc->has_uids && cmds[i].cmd.status == PH_ST_BAD) { /* it is the user's own expression */
                sc->err.scope = PH_SCOPE_JOB;
                ph_err_prefix(&sc->err, "search expression \"%s\"", sc->req.search);
            }
        }
    }
    free(sc->fetches);
    sc->fetches = NULL;
    sc->n_fetches = 0;
    return 0;
}

/* More commands for this folder: scans of other folders may have been sent since, so that another mailbox is open. */
static int open_again(struct imap_scan *sc, struct ph_err *err)
{
    struct imap_session *s = sc->s;

    if (s->last_scan == sc)
        return 0;
    imap_select_done(&sc->again);
    if (imap_select_begin(s, &sc->again, sc->folder, sc->req.read_write, err) ||
        ph_conn_wait(s->conn, &sc->again.cmd, err))
        return -1;
    imap_select_check(&sc->again, sc->folder, sc->select.uidvalidity, &sc->err);
    return 0;
}

/* SEARCH has answered: now the messages it found. */
static int after_search(struct imap_scan *sc, struct ph_err *err)
{
    sc->has_uids = true;
    if (open_again(sc, err))
        return -1;
    if (sc->err.kind != PH_OK)
        return 0;
    return queue_fetches(sc, 0, err) || wait_fetches(sc, err) ? -1 : 0;
}

/* [MESSAGELIMIT n uid] (RFC 9738 3.1): the answer stopped at uid, going down; ask for what is below. */
static int below_limit(struct imap_scan *sc, struct ph_err *err)
{
    while (sc->limit_uid && sc->err.kind == PH_OK) {
        uint32_t below = sc->limit_uid - 1, from = sc->req.from_uid ? sc->req.from_uid : 1;
        sc->limit_uid = 0;
        if (sc->has_uids && ph_numset_remove_range(&sc->uids, below + 1, UINT32_MAX))
            return ph_fail_memory(err);
        if (below < from || (sc->has_uids && ph_numset_empty(&sc->uids)))
            return 0;
        if (open_again(sc, err))
            return -1;
        if (sc->err.kind == PH_OK && (queue_fetches(sc, below, err) || wait_fetches(sc, err)))
            return -1;
    }
    return 0;
}

/* Messages are there, and the answers do not say which is which: that must not look like an empty folder. */
static bool lists_nothing(const struct imap_scan *sc)
{
    bool all = !sc->has_uids && sc->req.from_uid <= 1 && !sc->req.changed_since && !sc->req.search;

    return all && sc->out->n == 0 && sc->select.exists > 0;
}

static void finish(struct imap_scan *sc)
{
    struct ph_snapshot *out = sc->out;
    const struct imap_select *sel = &sc->select;

    out->uidvalidity = sel->uidvalidity;
    out->uidnext = sel->uidnext;
    out->exists = sel->exists;
    out->modseq = sel->modseq;
    out->permanent_flags = sel->permanent_flags;
    out->keywords_ok = sel->keywords_ok;
    out->permanent_keywords = ph_arena_strdup(&out->strings, ph_buf_str(&sel->permanent_keywords));
    out->changes_only = sc->req.changed_since != 0;
    out->complete = true;
    ph_snapshot_sort_uid(out);
    /* `n:*` also answers with the last message when n is above it (RFC 9051 9 seq-number) */
    if (!sc->has_uids && sc->req.from_uid)
        while (out->n && ph_snapshot_row(out, 0)->uid < sc->req.from_uid) {
            for (size_t i = 1; i < out->n; i++)
                *ph_snapshot_row(out, i - 1) = *ph_snapshot_row(out, i);
            ph_snapshot_truncate(out, out->n - 1);
        }
}

int imap_scan_wait(struct ph_session *base, struct ph_snapshot *out, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct imap_scan *sc = s->first_scan;
    int r = -1;
    bool cut = true; /* commands may be under way */

    if (!sc || sc->out != out)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "scan_wait out of order");
    if ((!sc->started && start(sc, err)) || ph_conn_wait(s->conn, &sc->select.cmd, err))
        goto out;
    if (imap_select_check(&sc->select, sc->folder, sc->req.uidvalidity, &sc->err))
        ph_snapshot_truncate(out, 0);
    if (wait_fetches(sc, err))
        goto out;
    if (sc->req.search && sc->err.kind == PH_OK && after_search(sc, err))
        goto out;
    if (sc->err.kind == PH_OK && below_limit(sc, err))
        goto out;
    cut = false;
    if (sc->err.kind == PH_OK && lists_nothing(sc))
        ph_fail(&sc->err, PH_SCOPE_FOLDER, PH_E_PROTOCOL, "%s has %u messages, but the server does not tell their UIDs",
                sc->folder, sc->select.exists);
    if (sc->err.kind != PH_OK) {
        out->complete = false;
        if (err)
            *err = sc->err;
        goto out;
    }
    finish(sc);
    r = 0;
out:
    if (cut)
        ph_conn_give_up(s->conn, err); /* its commands must not outlive the scan */
    s->first_scan = sc->next;
    if (!s->first_scan)
        s->last_scan = NULL;
    scan_free(sc);
    return r;
}
