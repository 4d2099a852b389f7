/* refresh.c: keeping a struct mailbox what the store says.
 *
 * From a store that tells what has changed and what has vanished since a mod-sequence only that is read. From others
 * everything is read and compared; without mod-sequences of the store what differs gets one of our own, so that the rest
 * of the server need not know the difference.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/mailbox_private.h"

static bool has_keyword(const struct ph_buf *all, struct ph_str word)
{
    struct ph_str rest = ph_buf_str(all);

    while (rest.n) {
        const char *blank = memchr(rest.p, ' ', rest.n);
        struct ph_str one = { rest.p, blank ? (size_t)(blank - rest.p) : rest.n };
        if (ph_str_caseeq(one, word))
            return true;
        if (!blank)
            break;
        rest = (struct ph_str){ blank + 1, rest.n - one.n - 1 };
    }
    return false;
}

static void note_keywords(struct mailbox *m, const char *words)
{
    while (*words) {
        struct ph_str word = { words, strcspn(words, " ") };
        if (word.n && !has_keyword(&m->keywords, word)) {
            if (ph_buf_len(&m->keywords))
                ph_buf_add_char(&m->keywords, ' ');
            ph_buf_add_str(&m->keywords, word);
            m->n_keywords++;
        }
        words += word.n;
        words += strspn(words, " ");
    }
}

/* The mailbox's number for a set of keywords; 0 also when there is no room for it. */
static uint32_t kwset(struct mailbox *m, const char *words)
{
    if (!*words)
        return 0;
    for (size_t i = m->n_kwsets; i-- > 1;)
        if (strcmp(m->kwsets[i], words) == 0)
            return (uint32_t)i;
    if (m->n_kwsets >= m->cap_kwsets) {
        size_t cap = m->cap_kwsets ? 2 * m->cap_kwsets : 16;
        char **grown = realloc(m->kwsets, cap * sizeof *grown);
        if (!grown || cap > KWSETS_MAX)
            return 0;
        m->kwsets = grown;
        m->kwsets[0] = NULL;
        m->cap_kwsets = cap;
    }
    char *copy = ph_str_dup(ph_str(words));
    if (!copy)
        return 0;
    note_keywords(m, words);
    m->kwsets[m->n_kwsets] = copy;
    return (uint32_t)m->n_kwsets++;
}

/* The snapshot's keyword sets as the mailbox's. */
static uint32_t *kwset_map(struct mailbox *m, const struct ph_snapshot *snap)
{
    uint32_t *map = calloc(snap->n_kwsets + 1, sizeof *map);

    for (size_t i = 1; map && i < snap->n_kwsets; i++)
        map[i] = kwset(m, snap->kwsets[i]);
    return map;
}

static int room(struct mailbox *m, size_t n)
{
    if (n <= m->cap)
        return 0;
    size_t cap = m->cap ? m->cap + m->cap / 2 : 64;
    if (cap < n)
        cap = n;
    struct mailbox_row *rows = realloc(m->rows, cap * sizeof *rows);
    if (!rows)
        return -1;
    m->rows = rows;
    m->cap = cap;
    return 0;
}

static struct mailbox_row take(const struct ph_row *r, const uint32_t *map)
{
    return (struct mailbox_row){ .uid = r->uid, .flags = r->flags & ~PH_F_RECENT, .kwset = map[r->kwset], .modseq = r->key };
}

static struct uidlist *list_rows(const struct mailbox *m)
{
    struct ph_numset set = PH_NUMSET_INIT;
    struct uidlist *l = NULL;
    size_t i;

    for (i = 0; i < m->n; i++)
        if (ph_numset_add(&set, m->rows[i].uid))
            break;
    if (i == m->n)
        l = uidlist_new(&set);
    ph_numset_done(&set);
    return l;
}

static void remove_rows(struct mailbox *m, const struct ph_numset *vanished)
{
    size_t to = 0, k = 0;

    for (size_t i = 0; i < m->n; i++) {
        while (k < vanished->n && vanished->r[k].last < m->rows[i].uid)
            k++;
        if (k < vanished->n && vanished->r[k].first <= m->rows[i].uid)
            continue;
        m->rows[to++] = m->rows[i];
    }
    m->n = to;
}

/* Changed and new rows, sorted by UID, into the sorted rows. */
static int merge_changes(struct mailbox *m, const struct ph_snapshot *snap, const uint32_t *map, bool *members)
{
    size_t fresh = 0;

    for (size_t i = 0; i < snap->n; i++) {
        struct ph_row *r = ph_snapshot_row(snap, i);
        size_t at = mailbox_find(m, r->uid);
        if (at < m->n && m->rows[at].uid == r->uid)
            m->rows[at] = take(r, map);
        else
            fresh++;
    }
    if (!fresh)
        return 0;
    *members = true;
    if (room(m, m->n + fresh))
        return -1;
    /* from the back, so that nothing has to move twice */
    size_t old = m->n, to = m->n + fresh;
    m->n = to;
    for (size_t i = snap->n; i-- > 0 && to > old;) {
        struct mailbox_row row = take(ph_snapshot_row(snap, i), map);
        while (old > 0 && m->rows[old - 1].uid > row.uid)
            m->rows[--to] = m->rows[--old];
        if (old > 0 && m->rows[old - 1].uid == row.uid)
            m->rows[--to] = m->rows[--old];
        else
            m->rows[--to] = row;
    }
    return 0;
}

/* Everything was read: the rows are the snapshot's. Without mod-sequences of the store, what differs gets ours. */
static int replace_all(struct mailbox *m, const struct ph_snapshot *snap, const uint32_t *map, bool *members)
{
    struct mailbox_row *rows = malloc((snap->n ? snap->n : 1) * sizeof *rows);
    uint64_t ours = m->state.modseq + 1;
    bool differs = false;
    size_t k = 0, same = 0;

    if (!rows)
        return -1;
    for (size_t i = 0; i < snap->n; i++) {
        rows[i] = take(ph_snapshot_row(snap, i), map);
        while (k < m->n && m->rows[k].uid < rows[i].uid)
            k++;
        bool known = k < m->n && m->rows[k].uid == rows[i].uid;
        same += known;
        if (!m->state.real_modseq) {
            bool equal = known && m->rows[k].flags == rows[i].flags && m->rows[k].kwset == rows[i].kwset;
            rows[i].modseq = equal ? m->rows[k].modseq : ours;
            differs = differs || !equal;
        }
    }
    *members = same != m->n || same != snap->n;
    if (!m->state.real_modseq && (differs || *members))
        m->state.modseq = ours;
    free(m->rows);
    m->rows = rows;
    m->n = snap->n;
    m->cap = snap->n ? snap->n : 1;
    return 0;
}

static int apply(struct mailbox *m, struct ph_snapshot *snap, const struct ph_numset *vanished, bool changes, bool writable,
                 struct ph_err *err)
{
    bool members = false;
    int rc = -1;

    ph_snapshot_sort_uid(snap);
    pthread_mutex_lock(&m->lock);
    uint32_t *map = kwset_map(m, snap);
    if (map) {
        if (changes && !ph_numset_empty(vanished)) {
            size_t before = m->n;
            remove_rows(m, vanished);
            members = m->n != before;
        }
        rc = changes ? merge_changes(m, snap, map, &members) : replace_all(m, snap, map, &members);
    }
    if (rc == 0 && (members || !m->loaded)) {
        struct uidlist *l = list_rows(m);
        if (l) {
            uidlist_free(m->uids);
            m->uids = l;
        } else {
            rc = -1;
        }
    }
    if (rc == 0) {
        struct mailbox_state *st = &m->state;
        st->uidvalidity = snap->uidvalidity;
        st->uidnext = snap->uidnext > uidlist_last(m->uids) ? snap->uidnext : uidlist_last(m->uids) + 1;
        /* an IMAP store that was looked at read-only may say that nothing is kept, which is not so when something can be written */
        bool unknown = writable && !snap->permanent_flags && !snap->keywords_ok;
        st->permanent_flags = unknown ? PH_F_SEEN | PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DELETED | PH_F_DRAFT : snap->permanent_flags;
        st->keywords_ok = unknown || snap->keywords_ok;
        if (st->real_modseq && snap->modseq > st->modseq)
            st->modseq = snap->modseq;
        if (snap->permanent_keywords)
            note_keywords(m, snap->permanent_keywords);
    }
    pthread_mutex_unlock(&m->lock);
    free(map);
    return rc ? ph_fail_memory(err) : 0;
}

static int scan(struct mailbox *m, struct ph_session *store, const struct ph_scan_request *req, struct ph_snapshot *snap,
                struct ph_err *err)
{
    if (store->ops->scan_begin(store, m->name, req, snap, err))
        return -1;
    return store->ops->scan_wait(store, snap, err);
}

static int read_store(struct mailbox *m, struct ph_session *store, struct ph_err *err)
{
    uint32_t abilities = store->ops->abilities(store);
    bool real = abilities & PH_AB_MODSEQ, changes = real && m->loaded && (abilities & PH_AB_QRESYNC);
    struct ph_numset vanished = PH_NUMSET_INIT;
    struct ph_snapshot snap;
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | (real ? PH_WANT_MODSEQ : 0),
                                   .uidvalidity = m->loaded ? m->state.uidvalidity : 0,
                                   .changed_since = changes ? m->state.modseq : 0,
                                   .vanished = changes ? &vanished : NULL };

    ph_snapshot_init(&snap);
    int rc = scan(m, store, &req, &snap, err);
    if (rc == 0 && m->loaded && snap.uidvalidity != m->state.uidvalidity)
        rc = ph_fail(err, PH_SCOPE_FOLDER, PH_E_CHANGED, "the mailbox has another UIDVALIDITY");
    if (rc == 0) {
        if (!m->loaded) {
            m->state.real_modseq = real && snap.modseq;
            m->recent_from = snap.uidnext;
        }
        rc = apply(m, &snap, &vanished, changes && snap.changes_only,
                   (abilities & PH_AB_WRITE) && (abilities & PH_AB_FLAGS) && store->ops->store_flags, err);
    }
    m->loaded = m->loaded || rc == 0;
    ph_snapshot_done(&snap);
    ph_numset_done(&vanished);
    return rc;
}

int mailbox_refresh(struct mailbox *m, struct ph_session *store, bool force, bool *gone, struct ph_err *err)
{
    struct ph_err local;
    int rc = 0;

    if (!err)
        err = &local;
    *gone = false;
    pthread_mutex_lock(&m->refreshing);
    pthread_mutex_lock(&m->lock);
    *gone = m->gone;
    pthread_mutex_unlock(&m->lock);
    /* When the store tells of changes, nothing told means nothing changed. */
    bool told = m->user->watched;
    uint64_t changes = atomic_load(&m->changes);
    if (!*gone && (changes != atomic_load(&m->known) || !m->loaded || (force && !told))) {
        rc = read_store(m, store, err);
        if (rc == 0)
            atomic_store(&m->known, changes);
        if (rc && m->loaded && (err->kind == PH_E_CHANGED || err->kind == PH_E_NOTFOUND))
            *gone = true;
    }
    if (*gone) {
        pthread_mutex_lock(&m->lock);
        m->gone = true;
        pthread_mutex_unlock(&m->lock);
    }
    pthread_mutex_unlock(&m->refreshing);
    if (*gone)
        mailbox_disown(m);
    return *gone ? 0 : rc;
}

/* The store's own \Recent: asked for once, by the first session that may change the mailbox; from then on what comes is
 * \Recent, and the store is only told that it is not any more. One that only reads before that sees them, and leaves them
 * (RFC 3501 6.3.2). */
static int take_recent(struct mailbox *m, struct ph_session *store, uint32_t from, bool claim, struct ph_numset *out,
                       struct ph_err *err)
{
    struct ph_scan_request req = { .want = m->recent_taken ? 0 : PH_WANT_FLAGS, .from_uid = m->recent_taken ? from : 0,
                                   .read_write = claim };
    struct ph_snapshot snap;
    int rc;

    ph_snapshot_init(&snap);
    rc = scan(m, store, &req, &snap, err);
    for (size_t i = 0; rc == 0 && !m->recent_taken && i < snap.n; i++) {
        const struct ph_row *r = ph_snapshot_row(&snap, i);
        if ((r->flags & PH_F_RECENT) && r->uid < from && ph_numset_push(out, r->uid, r->uid))
            rc = ph_fail_memory(err);
    }
    ph_numset_sort(out);
    ph_snapshot_done(&snap);
    m->recent_taken = m->recent_taken || (claim && rc == 0);
    return rc;
}

int mailbox_recent(struct mailbox *m, struct ph_session *store, bool claim, struct ph_numset *out, struct ph_err *err)
{
    bool keeps = store->ops->serve && store->ops->serve->abilities &&
                 (store->ops->serve->abilities(store) & PH_SV_MARKED_RECENT);
    struct ph_numset fresh = PH_NUMSET_INIT;
    int rc = 0;

    pthread_mutex_lock(&m->refreshing);
    pthread_mutex_lock(&m->lock);
    uint32_t from = m->recent_from, to = m->state.uidnext;
    if (claim)
        m->recent_from = to;
    pthread_mutex_unlock(&m->lock);
    if (keeps && (!m->recent_taken || (claim && from < to)))
        rc = take_recent(m, store, from, claim, &fresh, err);
    if (rc == 0 && from < to && ph_numset_add_range(&fresh, from, to - 1))
        rc = ph_fail_memory(err);
    if (rc == 0 && ph_numset_add_set(out, &fresh))
        rc = ph_fail_memory(err);
    pthread_mutex_unlock(&m->refreshing);
    ph_numset_done(&fresh);
    return rc;
}
