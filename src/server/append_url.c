/* append_url.c: reading what a URL of CATENATE names. A session of the store of its own does it: the other one is writing. */
#include "server/append_url.h"

#include <stdlib.h>
#include <string.h>

#include "mail/header.h"
#include "server/reader.h"
#include "server/user.h"
#include "wire/imapurl.h"

struct taking {
    int (*take)(void *ctx, const char *p, size_t n, struct ph_err *err);
    void *ctx;
};

/* RFC 4469 4: whatever is wrong with it, the answer names the URL. Failures of ours stay what they are. */
static int bad_url(struct session *s, struct ph_str url, struct ph_err *err)
{
    switch (err->kind) {
    case PH_E_MEMORY:
    case PH_E_TOOBIG:
    case PH_E_QUOTA:
        return -1;
    default:
        err->scope = PH_SCOPE_MESSAGE;
        err->kind = PH_E_REFUSED;
        memcpy(err->code, "BADURL", sizeof "BADURL");
        free(s->bad_url);
        s->bad_url = ph_str_dup(url);
        return -1;
    }
}

static int uid_is_there(struct ph_session *store, const char *name, const struct ph_imapurl *u, uint32_t *uidvalidity,
                        struct ph_err *err)
{
    struct ph_folder f = { .name = name }, *one = &f;

    if (store->ops->status(store, &one, 1, err))
        return -1;
    if (f.status_err.kind != PH_OK) {
        *err = f.status_err;
        return -1;
    }
    *uidvalidity = f.uidvalidity;
    if (u->uidvalidity && u->uidvalidity != f.uidvalidity)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_CHANGED, "The mailbox has another UIDVALIDITY than the URL says");
    return 0;
}

static int give(struct reader *r, uint64_t from, uint64_t to, const struct taking *t, struct ph_err *err)
{
    while (from < to) {
        const char *p;
        size_t n;
        if (reader_at(r, from, to - from > 65536 ? 65536 : (size_t)(to - from), &p, &n, err))
            return -1;
        if (n == 0)
            return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_CORRUPT, "The message ends too early");
        if (t->take(t->ctx, p, n, err))
            return -1;
        from += n;
    }
    return 0;
}

/* HEADER.FIELDS: picked out of the header, then cut by the partial. */
static int give_fields(struct reader *r, const struct ph_imapurl *u, const struct ph_extent *e, const struct taking *t,
                       struct ph_err *err)
{
    struct ph_fields_pick pick;
    struct ph_buf out = PH_BUF_INIT;
    int rc = ph_fields_pick_init(&pick, u->section.fields.w, u->section.fields.n, u->section.what == PH_SEC_FIELDS_NOT, err);

    if (rc)
        return -1;
    for (uint64_t at = e->begin; rc == 0 && at < e->end;) {
        const char *p;
        size_t n;
        rc = reader_at(r, at, e->end - at > 65536 ? 65536 : (size_t)(e->end - at), &p, &n, err);
        if (rc == 0 && (n == 0 || ph_fields_pick_feed(&pick, p, n, &out)))
            rc = ph_fail_memory(err);
        at += n;
    }
    if (rc == 0 && ph_fields_pick_finish(&pick, &out))
        rc = ph_fail_memory(err);
    struct ph_str all = ph_buf_str(&out);
    uint64_t from = u->partial && u->offset < all.n ? u->offset : u->partial ? all.n : 0;
    uint64_t n = u->partial && u->length && u->length < all.n - from ? u->length : all.n - from;
    if (rc == 0 && n)
        rc = t->take(t->ctx, all.p + from, (size_t)n, err);
    ph_fields_pick_done(&pick);
    ph_buf_done(&out);
    return rc;
}

static int give_section(struct reader *r, const struct ph_imapurl *u, const struct taking *t, struct ph_err *err)
{
    struct ph_extent e = { 0, r->size };

    if (u->has_section) {
        if (reader_structure(r, err))
            return -1;
        if (!ph_structure_section(&r->structure, &u->section, &e))
            return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "The message has no such section");
        if (u->section.what == PH_SEC_FIELDS || u->section.what == PH_SEC_FIELDS_NOT)
            return give_fields(r, u, &e, t, err);
    }
    if (u->partial) {
        uint64_t n = e.end - e.begin;
        e.begin += u->offset < n ? u->offset : n;
        if (u->length && u->length < e.end - e.begin)
            e.end = e.begin + u->length;
    }
    return give(r, e.begin, e.end, t, err);
}

static int read_url(struct session *s, const char *name, const struct ph_imapurl *u, struct ph_session *store,
                    const struct taking *t, struct ph_err *err)
{
    uint32_t uidvalidity;
    struct reader r;

    if (uid_is_there(store, name, u, &uidvalidity, err))
        return -1;
    reader_init(&r, store, name, uidvalidity);
    int rc = reader_open(&r, u->uid, err) ? -1 : give_section(&r, u, t, err);
    reader_done(&r);
    return rc;
}

int append_url(struct session *s, struct ph_str url, int (*take)(void *ctx, const char *p, size_t n, struct ph_err *err),
               void *ctx, struct ph_err *err)
{
    struct taking t = { take, ctx };
    struct ph_imapurl u;
    const char *name;

    if (ph_imapurl_parse(url, &s->arena, &u, err))
        return bad_url(s, url, err);
    if (u.network || !u.uid) {
        ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, u.uid ? "A URL must be of this server: /mailbox;UID=…"
                                                            : "The URL names no message");
        return bad_url(s, url, err);
    }
    name = u.mailbox.p ? ph_arena_strdup(&s->arena, u.mailbox) : s->view ? s->view->name : NULL;
    if (!name) {
        ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "The URL names no mailbox, and none is selected");
        return bad_url(s, url, err);
    }
    if (ph_str_caseis(ph_str(name), "INBOX"))
        name = "INBOX";
    if (session_need_right(s, name, 'r', err))
        return bad_url(s, url, err);
    struct ph_session *store = user_session_get(s->user, err);
    if (!store)
        return -1;
    int rc = read_url(s, name, &u, store, &t, err);
    user_session_put(s->user, store, rc && err->scope >= PH_SCOPE_SESSION);
    return rc ? bad_url(s, url, err) : 0;
}
