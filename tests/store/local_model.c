#include "local_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDERS 4
#define CLIENTS 2000

struct msg {
    uint32_t uid, id, flags;
};

struct folder {
    bool there;
    uint32_t uidnext, uidvalidity;
    uint64_t modseq;
    struct msg *m;
    size_t n, cap;
};

struct client {
    struct folder f[FOLDERS];
    bool under_way;
    struct model_mark last;
};

struct model {
    struct client *c[CLIENTS];
    uint32_t highest_validity;
    uint64_t highest_modseq;
};

/* ---- what a step does ---- */

static void add(struct folder *f, uint32_t id, uint32_t flags)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->m = realloc(f->m, f->cap * sizeof *f->m);
    }
    f->m[f->n++] = (struct msg){ f->uidnext++, id, flags };
}

static void take_out(struct folder *f, uint32_t first, uint32_t last)
{
    size_t k = 0;

    for (size_t i = 0; i < f->n; i++)
        if (f->m[i].uid < first || f->m[i].uid > last)
            f->m[k++] = f->m[i];
    f->n = k;
}

static void apply(struct client *c, const struct model_mark *m)
{
    struct folder *f = &c->f[m->folder], *to = &c->f[m->to];
    size_t n = f->n;

    switch (m->step) {
    case STEP_CREATE:
        f->there = true;
        f->uidnext = 1;
        f->n = 0;
        f->uidvalidity = 0;
        break;
    case STEP_REMOVE:
        f->there = false;
        break;
    case STEP_APPEND:
        for (uint32_t i = 0; i < m->last; i++)
            add(f, m->first + i, m->flags);
        break;
    case STEP_FLAGS:
        for (size_t i = 0; i < f->n; i++)
            if (f->m[i].uid >= m->first && f->m[i].uid <= m->last)
                f->m[i].flags = m->flags;
        break;
    case STEP_COPY:
    case STEP_MOVE:
        for (size_t i = 0; i < n; i++)
            if (f->m[i].uid >= m->first && f->m[i].uid <= m->last)
                add(to, f->m[i].id, f->m[i].flags);
        if (m->step == STEP_MOVE)
            take_out(f, m->first, m->last);
        break;
    case STEP_EXPUNGE:
        take_out(f, m->first, m->last);
        break;
    }
}

static void name_of(uint32_t client, unsigned folder, char out[32])
{
    snprintf(out, 32, "c%u-%u", client, folder);
}

static size_t make_text(uint32_t client, uint32_t id, char **out)
{
    unsigned long long mixed = (id + 1) * 0x9e3779b97f4a7c15ull;
    size_t n = id % 50 == 17 ? 400000 : 200 + mixed % 5000; /* some stream, most do not */
    char *p = malloc(n + 1);
    int head = snprintf(p, n, "Subject: %u %u\r\nMessage-ID: <%u.%u@example.org>\r\n\r\n", client, id, client, id);

    for (size_t i = (size_t)head; i < n; i++)
        p[i] = (char)('a' + (i * 7 + mixed) % 26);
    *out = p;
    return n;
}

/* ---- working ---- */

struct worker {
    struct ph_session *s;
    uint32_t client;
    uint64_t x;
    struct client model;
    uint32_t next_id;
};

static uint32_t draw(struct worker *w, uint32_t below)
{
    w->x ^= w->x << 13, w->x ^= w->x >> 7, w->x ^= w->x << 17;
    return (uint32_t)((w->x >> 11) % below);
}

static struct model_mark choose(struct worker *w)
{
    struct model_mark m = { .client = w->client, .folder = (uint8_t)draw(w, FOLDERS), .to = (uint8_t)draw(w, FOLDERS) };
    struct folder *f = &w->model.f[m.folder], *to = &w->model.f[m.to];
    static const uint8_t often[] = { STEP_APPEND, STEP_APPEND, STEP_APPEND, STEP_FLAGS, STEP_COPY, STEP_MOVE, STEP_EXPUNGE };

    if (!f->there) {
        m.step = STEP_CREATE;
        return m;
    }
    m.step = often[draw(w, sizeof often)];
    if (f->n > 40)
        m.step = draw(w, 4) ? STEP_EXPUNGE : STEP_REMOVE;
    if (f->n == 0 || ((m.step == STEP_COPY || m.step == STEP_MOVE) && (!to->there || to == f)))
        m.step = STEP_APPEND;
    m.flags = draw(w, 32);
    if (m.step == STEP_APPEND) {
        m.first = w->next_id;
        m.last = draw(w, 5) ? 1 : 1 + draw(w, 5);
        w->next_id += m.last;
    } else {
        size_t i = draw(w, (uint32_t)(f->n ? f->n : 1)), k = i + draw(w, 4);
        m.first = f->n ? f->m[i].uid : 1;
        m.last = f->n ? f->m[k < f->n ? k : f->n - 1].uid : 1;
    }
    return m;
}

static int do_append(struct worker *w, const char *name, const struct model_mark *m, struct ph_err *err)
{
    struct ph_append_result res;
    struct ph_append *a, *done;
    int r = w->s->ops->append_open(w->s, name, m->last, &a, err);

    if (r)
        return -1;
    for (uint32_t i = 0; i < m->last; i++) {
        char *text;
        struct ph_message msg = { .keywords = "", .flags = m->flags, .size = make_text(w->client, m->first + i, &text) };
        r = w->s->ops->append_message(a, &msg, NULL) || w->s->ops->append_write(a, text, msg.size, NULL);
        free(text);
    }
    if (w->s->ops->append_finish(a, err) || w->s->ops->append_wait(w->s, &done, &res, err))
        return -1;
    if (!res.ok)
        *err = res.err;
    w->s->ops->append_free(done);
    return res.ok ? 0 : -1;
}

static int carry_out(struct worker *w, const struct model_mark *m, struct ph_err *err)
{
    struct ph_flag_change ch = { .flags = m->flags, .keywords = "", .mode = PH_FLAGS_SET };
    struct ph_flag_batch b = { .changes = &ch, .n = 1 };
    struct ph_numset set = PH_NUMSET_INIT;
    struct ph_copy_result copied;
    struct ph_err result = { 0 };
    char name[32], to[32];
    const char *z = name;
    int r = -1;

    name_of(w->client, m->folder, name);
    name_of(w->client, m->to, to);
    ph_numset_add_range(&set, m->first, m->last);
    switch (m->step) {
    case STEP_CREATE:
        r = w->s->ops->create(w->s, &z, NULL, 1, &result, err);
        break;
    case STEP_REMOVE:
        r = w->s->ops->remove(w->s, name, err);
        break;
    case STEP_APPEND:
        r = do_append(w, name, m, err);
        break;
    case STEP_FLAGS:
        b.folder = name;
        ch.uids = &set;
        r = w->s->ops->store_flags(w->s, &b, 1, err);
        result = b.result;
        break;
    case STEP_COPY:
    case STEP_MOVE:
        r = w->s->ops->serve->copy(w->s, name, 0, &set, to, m->step == STEP_MOVE, &copied, err);
        if (!r)
            ph_copy_result_done(&copied);
        break;
    case STEP_EXPUNGE:
        r = w->s->ops->expunge(w->s, name, 0, &set, false, err);
        break;
    }
    ph_numset_done(&set);
    if (!r && result.kind != PH_OK) {
        *err = result;
        r = -1;
    }
    return r;
}

int model_work(struct ph_local_root *root, const char *user, uint32_t client, unsigned steps, uint64_t seed,
               void (*mark)(void *ctx, const struct model_mark *m), void *ctx, struct ph_err *err)
{
    struct worker w = { .client = client, .x = seed * 0x9e3779b97f4a7c15u + client + 1 };
    struct ph_store *st;
    int r = ph_local_store_new(root, user, true, &st, err);

    if (r || st->ops->open(st, NULL, &w.s, err))
        return -1;
    for (unsigned i = 0; !r && i < steps; i++) {
        struct model_mark m = choose(&w);
        char name[32];
        mark(ctx, &m);
        r = carry_out(&w, &m, err);
        if (r)
            break;
        apply(&w.model, &m);
        name_of(client, m.folder, name);
        struct ph_folder f = { .name = name }, *pf = &f;
        if (m.step != STEP_REMOVE && (r = w.s->ops->status(w.s, &pf, 1, err)) == 0 && f.has_status) {
            m.uidvalidity = f.uidvalidity;
            m.modseq = f.modseq;
        }
        m.done = true;
        mark(ctx, &m);
    }
    for (int i = 0; i < FOLDERS; i++)
        free(w.model.f[i].m);
    w.s->ops->close(w.s);
    st->ops->free(st);
    return r;
}

/* ---- judging ---- */

struct model *model_new(void)
{
    return calloc(1, sizeof(struct model));
}

void model_free(struct model *m)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (m->c[i]) {
            for (int k = 0; k < FOLDERS; k++)
                free(m->c[i]->f[k].m);
            free(m->c[i]);
        }
    free(m);
}

void model_see(struct model *m, const struct model_mark *mark)
{
    if (mark->client >= CLIENTS)
        return;
    if (!m->c[mark->client])
        m->c[mark->client] = calloc(1, sizeof(struct client));
    struct client *c = m->c[mark->client];
    c->under_way = !mark->done;
    c->last = *mark;
    if (!mark->done)
        return;
    apply(c, mark);
    c->f[mark->folder].uidvalidity = mark->uidvalidity;
    c->f[mark->folder].modseq = mark->modseq;
    if (mark->uidvalidity > m->highest_validity)
        m->highest_validity = mark->uidvalidity;
    if (mark->modseq > m->highest_modseq)
        m->highest_modseq = mark->modseq;
}

/* The body is the one that was sent. */
static bool body_is(struct ph_session *s, const char *folder, uint32_t client, const struct msg *m)
{
    struct ph_body body;
    char *want;
    size_t n = make_text(client, m->id, &want), at = 0, got;
    const char *p;
    bool ok = s->ops->serve->body_open(s, folder, 0, m->uid, &body, NULL) == 0 && body.size == n;

    while (ok && at < n) {
        ok = s->ops->serve->body_at(s, at, n - at, &p, &got, NULL) == 0 && got && memcmp(p, want + at, got) == 0;
        at += ok ? got : 0;
    }
    free(want);
    return ok;
}

static bool folder_is(struct ph_session *s, uint32_t client, unsigned number, const struct folder *want, char *why, size_t n)
{
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_SIZE };
    struct ph_snapshot snap;
    struct ph_err err = { 0 };
    char name[32];

    name_of(client, number, name);
    ph_snapshot_init(&snap);
    bool there = s->ops->scan_begin(s, name, &req, &snap, &err) == 0 && s->ops->scan_wait(s, &snap, &err) == 0;
    bool ok = there == want->there && (there || err.kind == PH_E_NOTFOUND);
    if (!ok)
        snprintf(why, n, "%s: %s", name, there ? "should not be there" : err.text);
    if (ok && there) {
        ok = snap.n == want->n && snap.exists == want->n && (!want->n || snap.uidnext == want->uidnext) &&
             (!want->uidvalidity || snap.uidvalidity == want->uidvalidity);
        if (!ok)
            snprintf(why, n, "%s: %zu messages, UIDNEXT %u, UIDVALIDITY %u; should be %zu, %u, %u", name, snap.n,
                     snap.uidnext, snap.uidvalidity, want->n, want->uidnext, want->uidvalidity);
        for (size_t i = 0; ok && i < want->n; i++) {
            const struct ph_row *r = ph_snapshot_row(&snap, i);
            ok = r->uid == want->m[i].uid && (r->flags & 31) == want->m[i].flags;
            if (ok)
                ok = body_is(s, name, client, &want->m[i]);
            if (!ok)
                snprintf(why, n, "%s: UID %u flags %u or its octets; should be UID %u flags %u message %u", name, r->uid,
                         r->flags, want->m[i].uid, want->m[i].flags, want->m[i].id);
        }
    }
    ph_snapshot_done(&snap);
    return ok;
}

static bool client_is(struct ph_session *s, uint32_t number, const struct client *c, char *why, size_t n)
{
    for (unsigned i = 0; i < FOLDERS; i++)
        if (!folder_is(s, number, i, &c->f[i], why, n))
            return false;
    return true;
}

static bool client_holds(struct ph_session *s, uint32_t number, const struct client *c, char *why, size_t n)
{
    struct client after = *c;

    if (client_is(s, number, c, why, n))
        return true;
    if (!c->under_way)
        return false;
    for (int i = 0; i < FOLDERS; i++) {
        after.f[i].m = malloc((c->f[i].n + 1) * sizeof(struct msg));
        after.f[i].cap = c->f[i].n + 1;
        if (c->f[i].n)
            memcpy(after.f[i].m, c->f[i].m, c->f[i].n * sizeof(struct msg));
    }
    apply(&after, &c->last);
    bool ok = client_is(s, number, &after, why, n);
    for (int i = 0; i < FOLDERS; i++)
        free(after.f[i].m);
    return ok;
}

static void finding(void *ctx, const struct ph_local_finding *f)
{
    char *why = ctx;

    if (!strstr(f->what, "is not in the index")) /* a pack that was just begun may be left */
        snprintf(why, 200, "check: %.190s", f->what);
}

static bool numbers_go_on(struct model *m, struct ph_session *s, char *why, size_t n)
{
    struct ph_folder f = { .name = "after the end" }, *pf = &f;
    struct ph_err result = { 0 };
    const char *name = f.name;

    if (s->ops->create(s, &name, NULL, 1, &result, NULL) || result.kind != PH_OK || s->ops->status(s, &pf, 1, NULL) ||
        f.uidvalidity <= m->highest_validity || f.modseq <= m->highest_modseq) {
        snprintf(why, n, "a number comes again: UIDVALIDITY %u of %u, MODSEQ %llu of %llu %s", f.uidvalidity,
                 m->highest_validity, (unsigned long long)f.modseq, (unsigned long long)m->highest_modseq, result.text);
        return false;
    }
    return s->ops->remove(s, name, NULL) == 0;
}

bool model_holds(struct model *m, struct ph_local_root *root, const char *user, char *why, size_t n)
{
    struct ph_local_check_result check;
    struct ph_err err = { 0 };
    struct ph_session *s;
    struct ph_store *st;
    char found[200] = "";
    bool ok = true, any = false;

    for (size_t i = 0; i < CLIENTS; i++)
        for (int k = 0; m->c[i] && k < FOLDERS; k++)
            any = any || m->c[i]->f[k].there;
    if (ph_local_store_new(root, user, !any, &st, &err) || st->ops->open(st, NULL, &s, &err)) {
        snprintf(why, n, "cannot be opened: %s", err.text);
        return false;
    }
    for (uint32_t i = 0; ok && i < CLIENTS; i++)
        if (m->c[i])
            ok = client_holds(s, i, m->c[i], why, n);
    ok = ok && numbers_go_on(m, s, why, n);
    s->ops->close(s);
    st->ops->free(st);
    if (ok && ph_local_check(root, user, false, finding, found, &check, &err)) {
        snprintf(why, n, "check: %s", err.text);
        ok = false;
    }
    if (ok && *found) {
        snprintf(why, n, "%s", found);
        ok = false;
    }
    return ok;
}
