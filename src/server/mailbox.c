/* mailbox.c: finding, sharing and reading out a struct mailbox. What a user's sessions have selected stays loaded for
 * a while after the last of them has let go, so that selecting it again costs nothing. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/mailbox_private.h"
#include "server/session.h"

#define KEEP_UNUSED 8 /* mailboxes a user, when nobody has them selected */

size_t mailbox_find(const struct mailbox *m, uint32_t uid)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->rows[mid].uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void free_mailbox(struct mailbox *m)
{
    for (size_t i = 1; i < m->n_kwsets; i++)
        free(m->kwsets[i]);
    free(m->kwsets);
    free(m->rows);
    free(m->listeners);
    uidlist_free(m->uids);
    ph_buf_done(&m->keywords);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->refreshing);
    for (size_t i = 0; i < m->n_names; i++)
        free(m->names[i]);
    free(m->names);
    free(m);
}

static int set_name(struct mailbox *m, char *name) /* takes it over */
{
    char **grown = name ? realloc(m->names, (m->n_names + 1) * sizeof *grown) : NULL;

    if (!grown) {
        free(name);
        return -1;
    }
    m->names = grown;
    m->names[m->n_names++] = name;
    atomic_store(&m->name, name);
    return 0;
}

static struct mailbox *new_mailbox(struct server_user *u, const char *name)
{
    struct mailbox *m = calloc(1, sizeof *m);
    struct ph_numset none = PH_NUMSET_INIT;

    if (!m)
        return NULL;
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->refreshing, NULL);
    m->user = u;
    m->n_kwsets = 1;
    m->uids = uidlist_new(&none);
    atomic_init(&m->changes, 1);
    if (set_name(m, ph_str_dup(ph_str(name))) == 0 && m->uids)
        return m;
    free_mailbox(m);
    return NULL;
}

static void unlink_mailbox(struct mailbox *m)
{
    for (struct mailbox **at = &m->user->mailboxes; *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            return;
        }
}

/* The one that was let go longest ago, when there are too many of them; unlinked, for the caller to free. */
static struct mailbox *surplus(struct server_user *u)
{
    struct mailbox *oldest = NULL;
    unsigned unused = 0;

    for (struct mailbox *m = u->mailboxes; m; m = m->next)
        if (m->refs == 0) {
            unused++;
            if (!oldest || m->used < oldest->used)
                oldest = m;
        }
    if (unused <= KEEP_UNUSED)
        return NULL;
    unlink_mailbox(oldest);
    return oldest;
}

static struct mailbox *find_or_make(struct server_user *u, const char *name)
{
    struct mailbox *m, *old = NULL;

    pthread_mutex_lock(&u->mailboxes_lock);
    for (m = u->mailboxes; m; m = m->next)
        if (strcmp(m->name, name) == 0)
            break;
    if (m) {
        m->refs++;
    } else if ((m = new_mailbox(u, name)) != NULL) {
        m->refs = 1; /* before there is a look at those that nobody has */
        m->next = u->mailboxes;
        u->mailboxes = m;
        old = surplus(u);
    }
    pthread_mutex_unlock(&u->mailboxes_lock);
    if (old)
        free_mailbox(old);
    return m;
}

void mailbox_close(struct mailbox *m)
{
    struct server_user *u = m->user;
    bool forget;

    pthread_mutex_lock(&u->mailboxes_lock);
    m->refs--;
    m->used = ++u->mailboxes_used;
    pthread_mutex_lock(&m->lock);
    forget = m->refs == 0 && m->gone; /* unlinked already */
    pthread_mutex_unlock(&m->lock);
    pthread_mutex_unlock(&u->mailboxes_lock);
    if (forget)
        free_mailbox(m);
}

void mailbox_disown(struct mailbox *m)
{
    pthread_mutex_lock(&m->user->mailboxes_lock);
    unlink_mailbox(m);
    pthread_mutex_unlock(&m->user->mailboxes_lock);
}

int mailbox_open(struct server_user *u, const char *name, struct ph_session *store, struct mailbox **out,
                 struct ph_err *err)
{
    for (int tries = 0; tries < 3; tries++) {
        bool gone = false;
        struct mailbox *m = find_or_make(u, name);
        if (!m)
            return ph_fail_memory(err);
        if (mailbox_refresh(m, store, true, &gone, err) == 0 && !gone) {
            *out = m;
            return 0;
        }
        mailbox_close(m); /* one that could not be loaded stays, empty, for the next try, until there are too many */
        if (!gone)
            return -1;
    }
    return ph_fail(err, PH_SCOPE_FOLDER, PH_E_CHANGED, "the mailbox is being made anew all the time");
}

/* The new name of a mailbox that is `from` or below it; NULL: it is neither, or no memory. */
static char *moved_name(const char *name, const char *from, const char *to, char delim)
{
    size_t n = strlen(from), more = strlen(name), len = strlen(to);

    if (strncmp(name, from, n) != 0 || (name[n] && (name[n] != delim || !delim)))
        return NULL;
    char *moved = malloc(len + more - n + 1);
    if (moved) {
        memcpy(moved, to, len);
        memcpy(moved + len, name + n, more - n + 1);
    }
    return moved;
}

void mailbox_renamed(struct server_user *u, const char *from, const char *to, char delim)
{
    pthread_mutex_lock(&u->mailboxes_lock);
    for (struct mailbox *m = u->mailboxes; m; m = m->next) {
        char *moved = moved_name(m->name, from, to, delim);
        if (moved)
            set_name(m, moved);
    }
    pthread_mutex_unlock(&u->mailboxes_lock);
}

void mailbox_forget_all(struct server_user *u)
{
    while (u->mailboxes) {
        struct mailbox *m = u->mailboxes;
        u->mailboxes = m->next;
        free_mailbox(m);
    }
}

void mailbox_changed(struct server_user *u, const char *folder)
{
    pthread_mutex_lock(&u->mailboxes_lock);
    for (struct mailbox *m = u->mailboxes; m; m = m->next)
        if (!folder || strcmp(m->name, folder) == 0)
            mailbox_touch(m);
    pthread_mutex_unlock(&u->mailboxes_lock);
}

void mailbox_touch(struct mailbox *m)
{
    atomic_fetch_add(&m->changes, 1);
    mailbox_wake(m);
}

bool mailbox_dirty(struct mailbox *m)
{
    return atomic_load(&m->changes) != atomic_load(&m->known);
}

void mailbox_get_state(struct mailbox *m, struct mailbox_state *out)
{
    pthread_mutex_lock(&m->lock);
    *out = m->state;
    pthread_mutex_unlock(&m->lock);
}

uint32_t mailbox_first_unseen(struct mailbox *m)
{
    uint32_t uid = 0;

    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n && !uid; i++)
        if (!(m->rows[i].flags & PH_F_SEEN))
            uid = m->rows[i].uid;
    pthread_mutex_unlock(&m->lock);
    return uid;
}

struct uidlist *mailbox_uids(struct mailbox *m, uint64_t *modseq)
{
    pthread_mutex_lock(&m->lock);
    struct uidlist *l = uidlist_ref(m->uids);
    *modseq = m->state.modseq;
    pthread_mutex_unlock(&m->lock);
    return l;
}

bool mailbox_row(struct mailbox *m, uint32_t uid, struct mailbox_row *out)
{
    pthread_mutex_lock(&m->lock);
    size_t i = mailbox_find(m, uid);
    bool found = i < m->n && m->rows[i].uid == uid;
    if (found)
        *out = m->rows[i];
    pthread_mutex_unlock(&m->lock);
    return found;
}

size_t mailbox_rows(struct mailbox *m, uint32_t after, uint64_t changed_since, struct mailbox_row *out, size_t max)
{
    size_t n = 0;

    if (after == UINT32_MAX)
        return 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = mailbox_find(m, after + 1); i < m->n && n < max; i++)
        if (m->rows[i].modseq > changed_since || !changed_since)
            out[n++] = m->rows[i];
    pthread_mutex_unlock(&m->lock);
    return n;
}

const char *mailbox_keywords(struct mailbox *m, uint32_t kwset)
{
    if (!kwset)
        return "";
    pthread_mutex_lock(&m->lock);
    const char *text = kwset < m->n_kwsets ? m->kwsets[kwset] : "";
    pthread_mutex_unlock(&m->lock);
    return text;
}

unsigned mailbox_all_keywords(struct mailbox *m, struct ph_buf *out)
{
    pthread_mutex_lock(&m->lock);
    unsigned n = m->n_keywords;
    if (out)
        ph_buf_add_str(out, ph_buf_str(&m->keywords));
    pthread_mutex_unlock(&m->lock);
    return n;
}

const char *mailbox_name(const struct mailbox *m)
{
    return atomic_load(&m->name);
}

void mailbox_listen(struct mailbox *m, struct session *s)
{
    pthread_mutex_lock(&m->lock);
    if (m->n_listeners == m->cap_listeners) {
        size_t cap = m->cap_listeners ? 2 * m->cap_listeners : 4;
        struct session **grown = realloc(m->listeners, cap * sizeof(struct session *));
        if (grown) {
            m->listeners = grown;
            m->cap_listeners = cap;
        }
    }
    if (m->n_listeners < m->cap_listeners) /* without memory it learns of changes with its next command */
        m->listeners[m->n_listeners++] = s;
    pthread_mutex_unlock(&m->lock);
}

void mailbox_unlisten(struct mailbox *m, struct session *s)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_listeners; i++)
        if (m->listeners[i] == s) {
            m->listeners[i] = m->listeners[--m->n_listeners];
            break;
        }
    pthread_mutex_unlock(&m->lock);
}

void mailbox_wake(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_listeners; i++)
        server_wake(m->listeners[i]);
    pthread_mutex_unlock(&m->lock);
}
