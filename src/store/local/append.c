/* append.c: messages on their way in.
 *
 * A short message is collected in memory and put into a pack whole, together with its neighbours of the batch; one that
 * grows beyond SPILL streams into a pack of its own choosing. In front of each stands its header, filled in when the last
 * octet is there. Finishing hands the rows to the queue; waiting commits them, with whatever else waits. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "store/local/incoming.h"
#include "store/local/rows.h"

#define SPILL (256u << 10)

/* ---- beginning and end ---- */

int ph_local_append_open(struct ph_session *base, const char *folder, size_t n, struct ph_append **out,
                         struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct ph_append *a;

    *out = NULL;
    if (n == 0 || n > LOCAL_BATCH_MAX)
        return ph_fail(err, PH_SCOPE_JOB, n ? PH_E_LIMIT : PH_E_USAGE, "an append takes 1 to %d messages", LOCAL_BATCH_MAX);
    if (ph_local_begin(s, err))
        return -1;
    a = calloc(1, sizeof *a);
    if (!a || !(a->folder = strdup(folder)) || !(a->md = EVP_MD_CTX_new())) {
        ph_local_append_free(a);
        return ph_fail_memory(err);
    }
    a->s = s;
    a->n_messages = n;
    *s->appends_end = a;
    s->appends_end = &a->next;
    *out = a;
    return 0;
}

static void give_up_pack(struct ph_append *a)
{
    if (a->pack) {
        ph_local_pack_cut(a->pack, a->pack->tail);
        ph_local_pack_free(a->where.u, a->pack, false);
    }
    a->pack = NULL;
}

void ph_local_append_alone(struct ph_append *a)
{
    for (struct ph_append **at = a->s ? &a->s->appends : &a->next; *at; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            if (!*at)
                a->s->appends_end = at;
            break;
        }
}

void ph_local_append_free(struct ph_append *a)
{
    if (!a)
        return;
    if (a->submitted)
        ph_local_await(a->where.u, &a->op, NULL);
    give_up_pack(a);
    for (size_t i = 0; i < a->n_used; i++)
        ph_local_pack_unuse(a->where.u, a->used[i]);
    ph_local_append_alone(a);
    for (size_t i = 0; i < a->n && a->m; i++)
        free(a->m[i].keywords);
    ph_local_where_done(&a->where);
    ph_local_where_done(&a->replaces);
    EVP_MD_CTX_free(a->md);
    ph_buf_done(&a->buf);
    free(a->used);
    free(a->m);
    free(a->uids);
    free(a->folder);
    free(a);
}

/* Known to append_wait, and to whoever goes on writing. */
static int refuse(struct ph_append *a, const struct ph_err *why, struct ph_err *err)
{
    give_up_pack(a);
    a->refused = true;
    a->err = *why;
    a->failed_index = a->n ? a->n - 1 : SIZE_MAX;
    if (err)
        *err = *why;
    return -1;
}

/* ---- packs ---- */

static int use_pack(struct ph_append *a, struct local_pack *p)
{
    struct local_pack **grown = realloc(a->used, (a->n_used + 1) * sizeof(struct local_pack *));

    if (!grown) {
        ph_local_pack_unuse(a->where.u, p);
        return -1;
    }
    a->used = grown;
    a->used[a->n_used++] = p;
    return 0;
}

/* Put what is collected into a pack; the message in hand, if there is one, is not part of it. */
static int flush(struct ph_append *a, size_t end, size_t octets, struct ph_err *err)
{
    struct local_pack *p;
    uint64_t off;

    if (octets == 0)
        return 0;
    if (ph_local_pack_add(a->where.u, ph_buf_data(&a->buf), octets, &p, &off, err))
        return -1;
    if (use_pack(a, p))
        return ph_fail_memory(err);
    for (size_t i = a->first; i < end; i++) {
        a->m[i].pack = p;
        a->m[i].off = off + a->m[i].off;
    }
    a->first = end;
    ph_buf_consume(&a->buf, octets);
    return 0;
}

/* The message in hand is long: from here on it goes straight into a pack. */
static int spill(struct ph_append *a, struct ph_err *err)
{
    struct local_incoming *m = &a->m[a->n - 1];
    struct ph_str have;

    m->thread = ph_local_thread_of(ph_buf_data(&a->buf) + m->off + RECORD_HEADER,
                                   ph_buf_len(&a->buf) - m->off - RECORD_HEADER);
    if (flush(a, a->n - 1, m->off, err) || ph_local_pack_take(a->where.u, &a->pack, err))
        return -1;
    if (use_pack(a, a->pack)) {
        ph_local_pack_free(a->where.u, a->pack, false);
        a->pack = NULL;
        return ph_fail_memory(err);
    }
    m->pack = a->pack;
    m->off = a->pack->tail;
    have = ph_buf_str(&a->buf);
    if (ph_local_pack_write(a->pack, m->off, have.p, have.n, err))
        return -1;
    ph_buf_clear(&a->buf);
    a->first = a->n;
    return 0;
}

static int end_message(struct ph_append *a, struct ph_err *err)
{
    struct local_incoming *m = a->n ? &a->m[a->n - 1] : NULL;
    struct local_record rec;
    unsigned char head[RECORD_HEADER];

    if (!m || m->ended)
        return 0;
    if (m->size != UINT64_MAX && m->got < m->size)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_USAGE, "the message did not come whole");
    if (m->got == 0)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_USAGE, "a message without octets cannot be appended");
    m->size = m->got;
    m->ended = true;
    rec = (struct local_record){ .size = m->size, .epoch = m->epoch, .zone_min = m->zone_min, .flags = m->flags };
    if (EVP_DigestFinal_ex(a->md, rec.hash, NULL) != 1)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "SHA-256 failed");
    memcpy(m->hash, rec.hash, sizeof m->hash);
    ph_local_record_put(&rec, head);
    if (a->pack) {
        if (ph_local_pack_write(a->pack, m->off, head, sizeof head, err))
            return -1;
        a->pack->tail = m->off + RECORD_HEADER + m->size;
        ph_local_pack_free(a->where.u, a->pack, true);
        a->pack = NULL;
        return 0;
    }
    memcpy(ph_buf_data(&a->buf) + m->off, head, sizeof head);
    m->thread = ph_local_thread_of(ph_buf_data(&a->buf) + m->off + RECORD_HEADER, m->size);
    return ph_buf_len(&a->buf) > SPILL ? flush(a, a->n, ph_buf_len(&a->buf), err) : 0;
}

/* ---- store.h ---- */

/* What can be said before the octets come: there is such a folder, with room, for this user. */
static int look(struct ph_append *a, uint64_t size, struct ph_err *err)
{
    struct local_mailbox m;
    struct local_db *db;

    if (!a->where.name && ph_local_where(a->s, a->folder, &a->where, err))
        return -1;
    if (ph_local_read_begin(a->where.u, &db, err))
        return -1;
    int r = ph_local_find_open(db, &a->where, 0, R_INSERT, &m, err);
    if (r && err && err->kind == PH_E_NOTFOUND)
        memcpy(err->code, "TRYCREATE", 10);
    if (!r)
        r = ph_local_quota_check(a->where.u, db, NULL, 1, size == UINT64_MAX ? 0 : size, err);
    ph_local_read_end(a->where.u, db);
    return r;
}

static int check_head(struct ph_append *a, const struct ph_message *m, struct ph_err *err)
{
    uint64_t limit = a->s->user->root->opt.append_limit;

    if (m->size != UINT64_MAX && m->size > limit) {
        ph_fail(err, PH_SCOPE_MESSAGE, PH_E_TOOBIG, "the message is larger than %llu octets", (unsigned long long)limit);
        memcpy(err->code, "TOOBIG", 7);
        return -1;
    }
    /* the size of each, the folder once */
    return a->n == 0 || m->size > SPILL ? look(a, m->size, err) : 0;
}

/* For one more; whoever opens a batch may not know how many there will be, so the bound is not reserved. */
static int room(struct ph_append *a)
{
    size_t cap = a->cap ? 2 * a->cap : 4;

    if (a->n < a->cap)
        return 0;
    struct local_incoming *m = realloc(a->m, cap * sizeof *m);
    if (m)
        a->m = m;
    uint32_t *uids = realloc(a->uids, cap * sizeof *uids);
    if (uids)
        a->uids = uids;
    if (!m || !uids)
        return -1;
    memset(a->m + a->cap, 0, (cap - a->cap) * sizeof *m);
    memset(a->uids + a->cap, 0, (cap - a->cap) * sizeof *uids);
    a->cap = cap;
    return 0;
}

int ph_local_append_message(struct ph_append *a, const struct ph_message *m, struct ph_err *err)
{
    struct ph_err why;

    if (a->refused)
        return err ? *err = a->err, -1 : -1;
    if (m->size == 0)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_USAGE, "a message without octets cannot be appended");
    if (a->finished || a->n == a->n_messages ||
        (a->n && a->m[a->n - 1].size != UINT64_MAX && a->m[a->n - 1].got < a->m[a->n - 1].size))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "append_message out of order");
    ph_err_clear(&why);
    if (end_message(a, &why) || check_head(a, m, &why) || (room(a) && ph_fail_memory(&why)))
        return refuse(a, &why, err);
    struct local_incoming *in = &a->m[a->n++];
    *in = (struct local_incoming){ .size = m->size, .off = ph_buf_len(&a->buf), .flags = m->flags & 0x1f };
    in->keywords = strdup(m->keywords ? m->keywords : "");
    in->epoch = m->has_date ? m->epoch : (int64_t)time(NULL);
    in->zone_min = m->has_date ? m->zone_min : 0;
    static const char placeholder[RECORD_HEADER];
    if (!in->keywords || ph_buf_add(&a->buf, placeholder, sizeof placeholder) ||
        EVP_DigestInit_ex(a->md, EVP_sha256(), NULL) != 1) {
        ph_fail_memory(&why);
        return refuse(a, &why, err);
    }
    return 0;
}

int ph_local_append_write(struct ph_append *a, const char *p, size_t n, struct ph_err *err)
{
    uint64_t limit = a->s->user->root->opt.append_limit;
    struct local_incoming *m = a->n ? &a->m[a->n - 1] : NULL;
    struct ph_err why;
    int r;

    if (a->refused)
        return err ? *err = a->err, -1 : -1;
    if (!m || m->ended || n > m->size - m->got)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "more octets than the message was said to have");
    if (n == 0)
        return 0;
    ph_err_clear(&why);
    if (m->got + n > limit) {
        ph_fail(&why, PH_SCOPE_MESSAGE, PH_E_TOOBIG, "the message is larger than %llu octets", (unsigned long long)limit);
        memcpy(why.code, "TOOBIG", 7);
        return refuse(a, &why, err);
    }
    if (EVP_DigestUpdate(a->md, p, n) != 1)
        r = ph_fail(&why, PH_SCOPE_JOB, PH_E_SYSTEM, "SHA-256 failed");
    else if (a->pack)
        r = ph_local_pack_write(a->pack, m->off + RECORD_HEADER + m->got, p, n, &why);
    else
        r = ph_buf_add(&a->buf, p, n) ? ph_fail_memory(&why) : 0;
    m->got += n;
    if (!r && !a->pack && ph_buf_len(&a->buf) - m->off > SPILL)
        r = spill(a, &why);
    return r ? refuse(a, &why, err) : 0;
}

int ph_local_append_replaces(struct ph_append *a, const char *folder, uint32_t uidvalidity, uint32_t uid,
                             struct ph_err *err)
{
    if (a->finished || a->replaces.name)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "append_replaces out of order");
    if (ph_local_where(a->s, folder, &a->replaces, err))
        return -1;
    a->replaces_validity = uidvalidity;
    a->replaces_uid = uid;
    return 0;
}

int ph_local_append_finish(struct ph_append *a, struct ph_err *err)
{
    struct ph_err why;

    if (a->finished)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "finished twice");
    a->finished = true;
    ph_err_clear(&why);
    if (!a->refused && a->n == 0) {
        ph_fail(&why, PH_SCOPE_MESSAGE, PH_E_USAGE, "the batch was given up before its first message");
        refuse(a, &why, NULL);
    }
    if (!a->refused && (end_message(a, &why) || flush(a, a->n, ph_buf_len(&a->buf), &why)))
        refuse(a, &why, NULL);
    ph_buf_done(&a->buf);
    if (a->refused)
        return 0;
    if (a->replaces.name && a->replaces.u != a->where.u) {
        ph_fail(&why, PH_SCOPE_MESSAGE, PH_E_UNSUPPORTED, "a message can be replaced only within an account");
        refuse(a, &why, NULL);
        return 0;
    }
    a->op = (struct local_op){ .run = ph_local_run_append, .ctx = a };
    a->submitted = true;
    ph_local_submit(a->where.u, &a->op);
    return 0;
}

bool ph_local_append_poll(struct ph_session *base)
{
    struct ph_append *a = local_session(base)->appends;

    return a && a->finished && (!a->submitted || ph_local_submitted_done(a->where.u, &a->op));
}

int ph_local_append_wait(struct ph_session *base, struct ph_append **done, struct ph_append_result *res,
                         struct ph_err *err)
{
    struct local_session *s = local_session(base);
    struct ph_append *a = s->appends;

    *done = NULL;
    *res = (struct ph_append_result){ .failed_index = SIZE_MAX };
    if (!a || !a->finished)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "no append under way");
    if (a->submitted && ph_local_await(a->where.u, &a->op, &a->err)) {
        a->refused = true;
        a->failed_index = a->bad_index;
    }
    a->submitted = false;
    s->appends = a->next;
    if (!s->appends)
        s->appends_end = &s->appends;
    *done = a;
    res->ok = !a->refused;
    res->err = a->err;
    if (res->ok) {
        res->uidvalidity = a->uidvalidity;
        res->uids = a->uids;
        res->n_uids = a->n;
    } else {
        res->failed_index = a->failed_index;
        if (res->err.scope > PH_SCOPE_FOLDER && res->err.scope < PH_SCOPE_STORE)
            res->err.scope = PH_SCOPE_FOLDER;
    }
    return 0;
}
