/* memory.c: the account itself: folders, messages, keywords; making it and taking it apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/memory_private.h"

const char *const ph_memory_op_names[MOPS] = {
    [MOP_LIST] = "list",     [MOP_STATUS] = "status", [MOP_CREATE] = "create",   [MOP_SUBSCRIBE] = "subscribe",
    [MOP_REMOVE] = "remove", [MOP_RENAME] = "rename", [MOP_SCAN] = "scan",       [MOP_BODY] = "body",
    [MOP_APPEND] = "append", [MOP_FLAGS] = "flags",   [MOP_EXPUNGE] = "expunge", [MOP_COPY] = "copy",
    [MOP_BATCH] = "batch",   [MOP_INFO] = "info",     [MOP_RIGHTS] = "rights",   [MOP_QUOTA] = "quota",
    [MOP_METADATA] = "metadata",
};

/* ---- keywords ---- */

bool ph_memory_has_word(const char *set, struct ph_str word)
{
    while (set && *set) {
        struct ph_str w = { set, strcspn(set, " ") };
        if (ph_str_caseeq(w, word))
            return true;
        set += w.n + (set[w.n] == ' ');
    }
    return false;
}

const char *ph_memory_words(struct memory_store *st, const char *keywords, const char *only, bool *dropped)
{
    struct ph_str *w = NULL;
    size_t n = 0, cap = 0;
    int set;

    if (dropped)
        *dropped = false;
    for (const char *k = keywords ? keywords : ""; *k;) {
        struct ph_str word = { k, strcspn(k, " ") };
        k += word.n + (k[word.n] == ' ');
        if (!word.n)
            continue;
        if (only && !ph_memory_has_word(only, word)) {
            if (dropped)
                *dropped = true;
            continue;
        }
        if (n == cap) {
            struct ph_str *grown = realloc(w, (cap += 16) * sizeof *w);
            if (!grown) {
                free(w);
                return NULL;
            }
            w = grown;
        }
        w[n++] = word;
    }
    set = ph_snapshot_kwset(&st->words, w, n);
    free(w);
    return set < 0 ? NULL : set == 0 ? "" : st->words.kwsets[set];
}

/* ---- bytes ---- */

struct memory_bytes *ph_memory_bytes(struct memory_store *st, const char *p, size_t n)
{
    struct memory_bytes *b = n < SIZE_MAX / 2 ? malloc(sizeof *b + n) : NULL;

    if (!b)
        return NULL;
    b->refs = 1;
    b->id = ++st->last_bytes;
    b->cache = NULL;
    b->n_cache = 0;
    b->n = n;
    if (p)
        memcpy(b->p, p, n);
    return b;
}

void ph_memory_unref(struct memory_store *st, struct memory_bytes *b)
{
    if (!b || --b->refs)
        return;
    free(b->cache);
    free(b);
}

/* ---- folders ---- */

size_t ph_memory_place(const struct memory_store *st, const char *name, size_t n)
{
    size_t lo = 0, hi = st->n_folders;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int d = strncmp(st->index[mid]->name, name, n);
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void ph_memory_link(struct memory_store *st)
{
    for (size_t i = 0; i < st->n_folders; i++)
        st->index[i]->next = i + 1 < st->n_folders ? st->index[i + 1] : NULL;
    st->folders = st->n_folders ? st->index[0] : NULL;
}

struct memory_folder *ph_memory_find(struct memory_store *st, const char *name)
{
    const char *want = ph_str_caseis(ph_str(name), "INBOX") ? "INBOX" : name;
    size_t at = ph_memory_place(st, want, strlen(want) + 1);

    return at < st->n_folders && strcmp(st->index[at]->name, want) == 0 ? st->index[at] : NULL;
}

/* Not empty, no level of it empty, no control characters. */
bool ph_memory_name_ok(const struct memory_store *st, const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || name[0] == st->opt.delim || name[n - 1] == st->opt.delim)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || (name[i] == st->opt.delim && name[i + 1] == name[i]))
            return false;
    return true;
}

int ph_memory_insert(struct memory_store *st, struct memory_folder *f)
{
    size_t at = ph_memory_place(st, f->name, strlen(f->name) + 1);

    if (st->n_folders == st->cap_folders) {
        size_t cap = st->cap_folders ? st->cap_folders * 2 : 16;
        struct memory_folder **grown = realloc(st->index, cap * sizeof(struct memory_folder *));
        if (!grown)
            return -1;
        st->index = grown;
        st->cap_folders = cap;
    }
    memmove(st->index + at + 1, st->index + at, (st->n_folders - at) * sizeof(struct memory_folder *));
    st->index[at] = f;
    st->n_folders++;
    f->next = at + 1 < st->n_folders ? st->index[at + 1] : NULL;
    *(at ? &st->index[at - 1]->next : &st->folders) = f;
    return 0;
}

struct memory_folder *ph_memory_make(struct memory_store *st, const char *name, uint32_t attrs)
{
    struct memory_folder *f = ph_memory_find(st, name);

    if (!f) {
        f = calloc(1, sizeof *f);
        if (!f || !(f->name = strdup(ph_str_caseis(ph_str(name), "INBOX") ? "INBOX" : name)) || ph_memory_insert(st, f)) {
            if (f)
                free(f->name);
            free(f);
            return NULL;
        }
    }
    f->subscribed = f->subscribed || attrs & PH_MA_SUBSCRIBED;
    f->attrs = attrs & ~(uint32_t)(PH_MA_SUBSCRIBED | PH_MA_HASCHILDREN | PH_MA_HASNOCHILDREN);
    f->id = ++st->last_folder;
    f->uidvalidity = ++st->last_uidvalidity;
    f->uidnext = f->told = 1;
    f->modseq = 1;
    if (ph_memory_acl_inherit(st, f))
        return NULL;
    ph_memory_changed(st, f->name, PH_WATCH_FOLDERS);
    return f;
}

static void empty_folder(struct memory_store *st, struct memory_folder *f)
{
    for (size_t i = 0; i < f->n; i++) {
        st->octets -= f->m[i].bytes->n;
        ph_memory_unref(st, f->m[i].bytes);
    }
    st->messages -= f->n;
    free(f->m);
    free(f->gone);
    ph_memory_acl_free(f);
    ph_memory_notes_free(&f->notes);
    f->m = NULL;
    f->gone = NULL;
    f->n = f->cap = f->n_gone = f->cap_gone = 0;
}

static void free_folder(struct memory_store *st, struct memory_folder *f)
{
    empty_folder(st, f);
    free(f->name);
    free(f);
}

void ph_memory_drop(struct memory_store *st, struct memory_folder *f)
{
    size_t at = ph_memory_place(st, f->name, strlen(f->name) + 1);

    ph_memory_changed(st, f->name, PH_WATCH_FOLDERS | PH_WATCH_MESSAGES);
    if (f->subscribed) { /* RFC 9051 6.3.4: the name stays subscribed */
        empty_folder(st, f);
        f->attrs = PH_MA_NONEXISTENT;
        return;
    }
    *(at ? &st->index[at - 1]->next : &st->folders) = f->next;
    memmove(st->index + at, st->index + at + 1, (--st->n_folders - at) * sizeof(struct memory_folder *));
    free_folder(st, f);
}

/* ---- messages ---- */

struct memory_message *ph_memory_by_uid(const struct memory_folder *f, uint32_t uid)
{
    size_t lo = 0, hi = f->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (f->m[mid].uid < uid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < f->n && f->m[lo].uid == uid ? &f->m[lo] : NULL;
}

static const struct memory_message *find_equal(const struct memory_folder *f, const struct memory_bytes *b)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->m[i].bytes->n == b->n && memcmp(f->m[i].bytes->p, b->p, b->n) == 0)
            return &f->m[i];
    return NULL;
}

uint32_t ph_memory_put(struct memory_store *st, struct memory_folder *f, const struct memory_message *m)
{
    const struct memory_message *equal = st->opt.merge ? find_equal(f, m->bytes) : NULL;

    if (equal) {
        ph_memory_unref(st, m->bytes);
        return equal->uid;
    }
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        struct memory_message *grown = realloc(f->m, cap * sizeof *grown);
        if (!grown) {
            ph_memory_unref(st, m->bytes);
            return 0;
        }
        f->m = grown;
        f->cap = cap;
    }
    struct memory_message *in = &f->m[f->n++];
    *in = *m;
    in->uid = f->uidnext++;
    in->modseq = ++f->modseq;
    if (!in->has_date)
        in->epoch = ++st->clock;
    in->has_date = true; /* every message has a date: that of its arrival if need be */
    in->saved = st->opt.now ? st->opt.now : (int64_t)time(NULL);
    st->octets += in->bytes->n;
    st->messages++;
    ph_memory_changed(st, f->name, PH_WATCH_MESSAGES);
    return in->uid;
}

void ph_memory_expunge(struct memory_store *st, struct memory_folder *f, size_t at)
{
    if (f->n_gone == f->cap_gone) {
        size_t cap = f->cap_gone ? f->cap_gone * 2 : 16;
        struct memory_vanished *grown = realloc(f->gone, cap * sizeof *grown);
        if (!grown)
            return; /* it stays: better than going untold */
        f->gone = grown;
        f->cap_gone = cap;
    }
    f->gone[f->n_gone++] = (struct memory_vanished){ f->m[at].uid, ++f->modseq };
    st->octets -= f->m[at].bytes->n;
    st->messages--;
    ph_memory_changed(st, f->name, PH_WATCH_MESSAGES);
    ph_memory_unref(st, f->m[at].bytes);
    memmove(f->m + at, f->m + at + 1, (f->n - at - 1) * sizeof *f->m);
    f->n--;
}

/* ---- the store ---- */

static uint32_t abilities(struct ph_session *s)
{
    return memory_abilities(memory_session(s)->st);
}

static uint64_t append_limit(struct ph_session *s)
{
    const struct ph_memory_options *o = &memory_session(s)->st->opt;

    return o->append_limit && !o->hide_append_limit ? o->append_limit : UINT64_MAX;
}

static void close_session(struct ph_session *s)
{
    ph_memory_watch(s, NULL, NULL, NULL);
    ph_memory_session_free(memory_session(s));
}

static int join(struct ph_session *s, struct ph_loop *loop, struct ph_err *err)
{
    s->loop = loop;
    return 0;
}

static int noop(struct ph_session *base, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (s->broken.kind == PH_OK)
        return 0;
    if (err)
        *err = s->broken;
    return -1;
}

static const struct ph_session_ops session_ops = {
    .join = join,
    .abilities = abilities,
    .append_limit = append_limit,
    .close = close_session,
    .list = ph_memory_list,
    .status = ph_memory_status,
    .create = ph_memory_create,
    .subscribe = ph_memory_subscribe,
    .remove = ph_memory_delete,
    .rename = ph_memory_rename,
    .scan_begin = ph_memory_scan_begin,
    .scan_wait = ph_memory_scan_wait,
    .bodies_add = ph_memory_bodies_add,
    .bodies_next = ph_memory_bodies_next,
    .body_read = ph_memory_body_read,
    .append_open = ph_memory_append_open,
    .append_message = ph_memory_append_message,
    .append_write = ph_memory_append_write,
    .append_finish = ph_memory_append_finish,
    .append_poll = ph_memory_append_poll,
    .append_wait = ph_memory_append_wait,
    .append_free = ph_memory_append_free,
    .store_flags = ph_memory_store_flags,
    .expunge = ph_memory_expunge_uids,
    .copy = ph_memory_copy,
    .noop = noop,
};

static int open_session(struct ph_store *base, struct ph_loop *loop, struct ph_session **out, struct ph_err *err)
{
    struct memory_store *st = memory_store(base);
    struct memory_session *s = calloc(1, sizeof *s);
    const struct ph_memory_fault *f;

    *out = NULL;
    if (!s)
        return ph_fail_memory(err);
    pthread_mutex_lock(&st->mu);
    f = ph_memory_meet(st, PH_MF_OPEN, NULL, NULL, 0, NULL, 0);
    if (f)
        ph_memory_fault_err(f, PH_SCOPE_SESSION, PH_E_CONNECT, "nobody answers", err);
    ph_memory_unlock(st);
    if (f) {
        free(s);
        return -1;
    }
    s->base = (struct ph_session){ .ops = &st->session_ops, .store = base, .loop = loop };
    s->st = st;
    ph_arena_init(&s->strings, 0);
    s->scans_end = &s->scans;
    s->requests_end = &s->requests;
    s->appends_end = &s->appends;
    *out = &s->base;
    return 0;
}

static void free_store(struct ph_store *base)
{
    struct memory_store *st = memory_store(base);

    while (st->late) {
        struct memory_late *l = st->late;
        st->late = l->next;
        for (size_t i = 0; i < l->n; i++)
            ph_memory_unref(st, l->m[i].bytes);
        free(l->m);
        free(l->folder);
        free(l);
    }
    while (st->folders) {
        struct memory_folder *f = st->folders;
        st->folders = f->next;
        free_folder(st, f);
    }
    free(st->index);
    ph_memory_notes_free(&st->notes);
    ph_memory_changes_free(st);
    ph_memory_faults_free(st);
    ph_snapshot_done(&st->words);
    pthread_mutex_destroy(&st->mu);
    pthread_mutex_destroy(&st->watch_mu);
    free(base->label);
    free(base->identity);
    free(st);
}

static const struct ph_store_ops store_ops = { .kind = "memory", .open = open_session, .free = free_store };

static void default_options(struct memory_store *st)
{
    struct ph_memory_options *o = &st->opt;

    if (!o->delim)
        o->delim = '/';
    if (!o->prefix)
        o->prefix = "";
    if (!o->permanent_keywords)
        o->permanent_keywords = "";
    if (!o->piece)
        o->piece = 65536;
    if (!o->user)
        o->user = st->base.label ? st->base.label : "";
    if (!o->quota_root)
        o->quota_root = "";
    if (!o->metadata_size)
        o->metadata_size = 4096;
    if (!o->metadata_entries)
        o->metadata_entries = 100;
}

int ph_memory_store_new(const char *name, const struct ph_memory_options *opt, struct ph_store **out,
                        struct ph_err *err)
{
    struct memory_store *st = calloc(1, sizeof *st);

    *out = NULL;
    if (!st)
        return ph_fail_memory(err);
    if (pthread_mutex_init(&st->mu, NULL) || pthread_mutex_init(&st->watch_mu, NULL)) {
        free(st);
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "threads");
    }
    st->base.ops = &store_ops;
    st->base.label = strdup(name);
    if (opt)
        st->opt = *opt;
    default_options(st);
    st->session_ops = session_ops;
    if (!(memory_abilities(st) & PH_AB_SUBSCRIBE))
        st->session_ops.subscribe = NULL;
    ph_memory_serve(st);
    st->last_uidvalidity = 1000;
    st->clock = 1000000000;
    ph_snapshot_init(&st->words);
    if (asprintf(&st->base.identity, "memory\t%s", name) < 0)
        st->base.identity = NULL;
    if (!st->base.label || !st->base.identity || !ph_memory_make(st, "INBOX", PH_MA_INBOX)) {
        free_store(&st->base);
        return ph_fail_memory(err);
    }
    *out = &st->base;
    return 0;
}
