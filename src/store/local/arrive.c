/* arrive.c: octets that are in a pack become messages of a mailbox: the part of an append that runs in the transaction. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/sha.h>

#include "mail/identity.h"
#include "store/local/incoming.h"
#include "store/local/rows.h"

static struct ph_str first_id(struct ph_str value)
{
    const char *from = value.p ? memchr(value.p, '<', value.n) : NULL;
    const char *to = from ? memchr(from, '>', value.n - (size_t)(from - value.p)) : NULL;

    return to ? (struct ph_str){ from, (size_t)(to - from) + 1 } : PH_STR_NIL;
}

/* The first message of the conversation, as far as this one knows it: the same for all that name it, whatever order they come
 * in, and without looking at any other message. */
int64_t ph_local_thread_of(const char *message, size_t n)
{
    static const char *const fields[] = { "References", "In-Reply-To", "Message-ID" };
    unsigned char md[SHA256_DIGEST_LENGTH];
    struct ph_str header = { message, n < 65536 ? n : 65536 }, id = PH_STR_NIL;
    const char *end = memmem(header.p, header.n, "\r\n\r\n", 4);
    uint64_t v = 0;

    if (end)
        header.n = (size_t)(end - header.p) + 2;
    for (size_t i = 0; i < 3 && !id.p; i++)
        id = first_id(ph_header_field(header, fields[i]));
    if (!id.p || !SHA256((const unsigned char *)id.p, id.n, md))
        return 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | md[i];
    return v ? (int64_t)v : 1;
}

uint32_t ph_local_allowed_flags(unsigned rights)
{
    return (rights & R_SEEN ? PH_F_SEEN : 0u) | (rights & R_MARK ? PH_F_DELETED : 0u) |
           (rights & R_WRITE ? PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DRAFT : 0u);
}

int ph_local_body_add(struct local_user *u, struct local_db *db, uint32_t pack, uint64_t off, uint64_t size,
                      const unsigned char hash[32], int64_t thread, int64_t *id, struct ph_err *err)
{
    uint64_t end = off + RECORD_HEADER + size;

    *id = ++u->state.body;
    if (pack > u->state.pack)
        u->state.pack = pack;
    if (local_exec(db, err,
                   "INSERT INTO body(id, pack, off, size, refs, hash, thread) VALUES(?1, ?2, ?3, ?4, 1, ?5, ?6)", LI(*id),
                   LI(pack), LI(off), LI(size), LB(hash, 16), LI(thread)))
        return -1;
    return local_exec(db, err,
                      "INSERT INTO pack(id, tail, live, sealed) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(id) DO UPDATE SET"
                      " tail = max(tail, ?2), live = live + ?3, sealed = max(sealed, ?4)",
                      LI(pack), LI(end), LI(RECORD_HEADER + size), LI(end >= u->root->opt.pack_size));
}

static int add_one(struct ph_append *a, struct local_user *u, struct local_db *db, struct local_mailbox *mb, size_t i,
                   uint64_t modseq, struct ph_err *err)
{
    const struct local_incoming *in = &a->m[i];
    struct local_message m = { .flags = in->flags & ph_local_allowed_flags(mb->rights), .epoch = in->epoch,
                               .zone_min = in->zone_min, .size = in->size, .modseq = modseq,
                               .saved = (int64_t)time(NULL) };

    if (ph_local_pack_lost(u, in->pack))
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_SYSTEM, "the message could not be written to the disk");
    if (ph_local_kwset(db, mb->rights & R_WRITE ? in->keywords : "", &m.kwset, err) ||
        ph_local_body_add(u, db, in->pack->number, in->off, in->size, in->hash, in->thread, &m.body, err) ||
        ph_local_message_add(u, db, mb, &m, err))
        return -1;
    a->uids[i] = m.uid;
    return 0;
}

static int remove_replaced(struct ph_append *a, struct local_user *u, struct local_db *db, struct local_mailbox *mb,
                           uint64_t modseq, struct ph_err *err)
{
    struct ph_numset one = PH_NUMSET_INIT;
    struct local_message *m;
    struct local_walk walk;

    if (ph_numset_add(&one, a->replaces_uid))
        return ph_fail_memory(err);
    ph_local_walk_init(&walk, db, mb->id, &one);
    int r = ph_local_walk_next(&walk, &m, err);
    if (r == 0)
        r = ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "the message to replace is not there any more");
    else if (r > 0)
        r = ph_local_message_remove(u, db, mb, m, err) || ph_local_gone(u, db, mb, &one, modseq, err) ? -1 : 0;
    mb->modseq = modseq;
    ph_numset_done(&one);
    return r;
}

int ph_local_run_append(struct local_user *u, struct local_db *db, void *ctx, struct ph_err *err)
{
    struct ph_append *a = ctx;
    struct local_mailbox mb, from;
    uint64_t octets = 0;

    a->bad_index = SIZE_MAX;
    if (ph_local_find_open(db, &a->where, 0, R_INSERT, &mb, err)) {
        if (err->kind == PH_E_NOTFOUND)
            memcpy(err->code, "TRYCREATE", 10);
        return -1;
    }
    for (size_t i = 0; i < a->n; i++)
        octets += a->m[i].size;
    if (ph_local_quota_check(u, db, &u->state, a->n, octets, err))
        return -1;
    uint64_t modseq = ph_local_next_modseq(u);
    for (size_t i = 0; i < a->n; i++)
        if (add_one(a, u, db, &mb, i, modseq, err)) {
            a->bad_index = i;
            return -1;
        }
    mb.modseq = modseq;
    a->uidvalidity = mb.uidvalidity;
    if (!a->replaces.name)
        return ph_local_mailbox_save(db, &mb, err);
    if (ph_local_find_open(db, &a->replaces, a->replaces_validity, R_MARK | R_EXPUNGE, &from, err))
        return -1;
    if (from.id == mb.id)
        return remove_replaced(a, u, db, &mb, modseq, err) || ph_local_mailbox_save(db, &mb, err) ? -1 : 0;
    return ph_local_mailbox_save(db, &mb, err) || remove_replaced(a, u, db, &from, modseq, err) ||
                   ph_local_mailbox_save(db, &from, err)
               ? -1
               : 0;
}
