/* status.c: STATUS (RFC 9051 6.3.11, RFC 3501, CONDSTORE 7162 3.1.7, STATUS=SIZE 8438, APPENDLIMIT 7889, OBJECTID 8474 4.3,
 * QUOTA 9208 4.1.4). */
#include <string.h>

#include "server/batch.h"
#include "server/commands.h"
#include "server/private.h"
#include "server/rights.h"
#include "server/status.h"
#include "server/user.h"

/* Items that only some stores count. */
#define COUNTED (PH_SI_UNSEEN | PH_SI_DELETED | PH_SI_DELETED_STORAGE)

bool status_is_known(const struct ph_folder *f, unsigned items)
{
    if (!f->has_status)
        return !(items & ~(unsigned)PH_SI_APPENDLIMIT);
    return f->has_counts || !(items & COUNTED);
}

static void count(const struct ph_snapshot *snap, bool sizes, struct ph_folder *f, uint32_t *recent)
{
    uint32_t unseen = 0, deleted = 0;
    uint64_t size = 0, deleted_size = 0;

    for (size_t i = 0; i < snap->n; i++) {
        const struct ph_row *r = ph_snapshot_row(snap, i);
        unseen += !(r->flags & PH_F_SEEN);
        *recent += !!(r->flags & PH_F_RECENT);
        size += r->size;
        if (r->flags & PH_F_DELETED) {
            deleted++;
            deleted_size += r->size;
        }
    }
    f->unseen = unseen;
    f->deleted = deleted;
    if (sizes) {
        f->size = size;
        f->deleted_size = deleted_size;
    }
    f->has_counts = true;
}

/* All that can be had from reading the flags, and the sizes where they are asked for. */
static int look(struct ph_session *ps, struct ph_folder *f, bool sizes, uint32_t *recent, struct ph_err *err)
{
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | (sizes ? PH_WANT_SIZE : 0) };
    struct ph_snapshot snap;
    int r;

    ph_snapshot_init(&snap);
    r = ps->ops->scan_begin(ps, f->name, &req, &snap, err) || ps->ops->scan_wait(ps, &snap, err) ? -1 : 0;
    if (r == 0) {
        count(&snap, sizes, f, recent);
        f->has_status = true;
        f->messages = snap.exists;
        f->uidnext = snap.uidnext;
        f->uidvalidity = snap.uidvalidity;
        f->modseq = snap.modseq;
    }
    ph_snapshot_done(&snap);
    return r;
}

static bool is_selected(const struct session *s, const char *name)
{
    return s->view && strcmp(s->view->name, name) == 0;
}

int status_fill(struct session *s, struct ph_session *ps, struct ph_folder *f, unsigned items,
                struct ph_status_line *out, struct ph_err *err)
{
    bool recent_scan = items & PH_SI_RECENT && !is_selected(s, f->name) &&
                       s->user->serve_abilities & PH_SV_MARKED_RECENT;
    bool size_scan = items & PH_SI_SIZE && f->size == UINT64_MAX;
    uint32_t recent = 0;

    if ((!status_is_known(f, items) || recent_scan || size_scan) &&
        look(ps, f, size_scan || (items & PH_SI_DELETED_STORAGE && !f->has_counts), &recent, err))
        return -1;
    if (is_selected(s, f->name))
        recent = (uint32_t)ph_numset_count(&s->view->recent);
    if (!f->mailboxid || !*f->mailboxid)
        items &= ~(unsigned)PH_SI_MAILBOXID;
    *out = (struct ph_status_line){ .name = ph_str(f->name), .items = items, .messages = f->messages, .recent = recent,
                                    .uidnext = f->uidnext, .uidvalidity = f->uidvalidity, .unseen = f->unseen,
                                    .deleted = f->deleted, .size = f->size, .highestmodseq = f->modseq,
                                    .deleted_storage = f->deleted_size, .appendlimit = session_append_limit(s),
                                    .mailboxid = ph_str(f->mailboxid) };
    return 0;
}

void status_enables(struct session *s, unsigned items)
{
    struct ph_err ignored;

    if (!(items & PH_SI_HIGHESTMODSEQ) || !(s->user->abilities & PH_AB_MODSEQ))
        return;
    if (s->view)
        session_use_modseq(s, &ignored); /* and tells it of the selected mailbox: RFC 7162 3.1.2 */
    s->enabled |= PH_EN_CONDSTORE;
}

int cmd_status(struct session *s, struct ph_command *c, struct ph_err *err)
{
    const char *name = session_mailbox_name(s, c->status.mailbox, err);
    struct ph_session *ps = name ? session_store(s, err) : NULL;
    struct ph_folder f = { .name = name, .size = UINT64_MAX }, *one = &f;
    struct ph_status_line line;

    if (!ps || rights_check(s, c->id, name, err))
        return -1;
    status_enables(s, c->status.items);
    if (ps->ops->status) {
        if (ps->ops->status(ps, &one, 1, err))
            return -1;
        if (f.status_err.kind != PH_OK) {
            *err = f.status_err;
            return -1;
        }
    }
    if (status_fill(s, ps, &f, c->status.items, &line, err))
        return -1;
    ph_write_mailbox_status(&s->w, &line);
    session_ok(s, c, "STATUS completed");
    return 0;
}
