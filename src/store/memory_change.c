/* memory_change.c: flags and removal in the memory store. */
#include <stdlib.h>
#include <string.h>

#include "store/memory_private.h"

static int change_one(struct memory_store *st, struct memory_folder *f, struct memory_message *m,
                      const struct ph_flag_change *c)
{
    uint32_t flags = c->flags & 0xff & ~(uint32_t)PH_F_RECENT, ab = memory_abilities(st);
    const char *only = st->opt.no_new_keywords ? st->opt.permanent_keywords : NULL;
    struct ph_buf words = PH_BUF_INIT;
    const char *set;

    flags = ab & PH_AB_FLAGS ? flags : 0;
    flags = c->mode == PH_FLAGS_SET ? flags : c->mode == PH_FLAGS_ADD ? m->flags | flags : m->flags & ~flags;
    if (c->mode != PH_FLAGS_SET)
        for (const char *k = m->keywords; *k;) {
            struct ph_str w = { k, strcspn(k, " ") };
            k += w.n + (k[w.n] == ' ');
            if (c->mode == PH_FLAGS_REMOVE && ph_memory_has_word(c->keywords, w))
                continue;
            ph_buf_add_str(&words, w);
            ph_buf_add_char(&words, ' ');
        }
    if (c->mode != PH_FLAGS_REMOVE && c->keywords && ab & PH_AB_KEYWORDS)
        ph_buf_add_z(&words, c->keywords);
    set = words.failed ? NULL : ph_memory_words(st, ph_buf_z(&words), only, NULL);
    ph_buf_done(&words);
    if (!set)
        return -1;
    if (flags != m->flags || set != m->keywords) {
        m->flags = flags;
        m->keywords = set;
        m->modseq = ++f->modseq;
        ph_memory_changed(st, f->name, PH_WATCH_MESSAGES);
    }
    return 0;
}

static void change(struct memory_store *st, struct memory_folder *f, struct ph_flag_change *c)
{
    ph_err_clear(&c->result);
    if (!(memory_abilities(st) & PH_AB_WRITE)) {
        ph_fail(&c->result, PH_SCOPE_FOLDER, PH_E_PERMISSION, "the account is read-only");
        return;
    }
    uint64_t guard = memory_abilities(st) & PH_AB_MODSEQ ? c->unchanged_since : 0;
    for (size_t i = 0; i < f->n; i++) {
        if (!ph_numset_contains(c->uids, f->m[i].uid))
            continue;
        if (guard && f->m[i].modseq > guard) {
            ph_fail(&c->result, PH_SCOPE_MESSAGE, PH_E_CHANGED, "somebody else changed it meanwhile");
            if (c->modified && ph_numset_add(c->modified, f->m[i].uid))
                ph_fail_memory(&c->result);
        } else if (change_one(st, f, &f->m[i], c))
            ph_fail_memory(&c->result);
    }
}

int ph_memory_store_flags(struct ph_session *base, struct ph_flag_batch *batches, size_t n, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);

    if (ph_memory_begin(s, MOP_FLAGS, n ? batches[0].folder : NULL, err))
        return -1;
    for (size_t i = 0; i < n && s->broken.kind == PH_OK; i++) {
        struct ph_flag_batch *b = &batches[i];
        ph_err_clear(&b->result);
        struct memory_folder *f = ph_memory_open(s, "flags", b->folder, b->uidvalidity, &b->result);
        for (size_t k = 0; k < b->n && f; k++)
            change(s->st, f, &b->changes[k]);
    }
    return ph_memory_end(s, err);
}

int ph_memory_expunge_uids(struct ph_session *base, const char *folder, uint32_t uidvalidity,
                           const struct ph_numset *uids, bool expunge_all, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = 0;

    if (ph_numset_empty(uids) && !expunge_all)
        return 0;
    if (ph_memory_begin(s, MOP_EXPUNGE, folder, err))
        return -1;
    bool chosen = memory_abilities(s->st) & PH_AB_UID_EXPUNGE;
    struct memory_folder *f = ph_memory_open(s, "expunge", folder, uidvalidity, err);
    if (!f)
        r = -1;
    for (size_t i = f ? f->n : 0; i-- > 0;) {
        bool mine = ph_numset_contains(uids, f->m[i].uid);
        if (mine && !(f->m[i].flags & PH_F_DELETED)) {
            f->m[i].flags |= PH_F_DELETED;
            f->m[i].modseq = ++f->modseq;
        }
        if (chosen ? mine : expunge_all && f->m[i].flags & PH_F_DELETED)
            ph_memory_expunge(s->st, f, i);
    }
    ph_memory_unlock(s->st);
    if (r == 0 && !chosen && !expunge_all)
        r = ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED,
                    "chosen messages cannot be removed here; they are only marked as deleted");
    return r;
}

static int copy_messages(struct memory_store *st, struct memory_folder *from, struct memory_folder *to,
                         const struct ph_numset *uids, struct ph_err *err)
{
    size_t n = from->n; /* from and to may be one folder */

    for (size_t i = 0; i < n; i++) {
        if (!ph_numset_contains(uids, from->m[i].uid))
            continue;
        struct memory_message m = from->m[i];
        m.bytes->refs++;
        if (!ph_memory_put(st, to, &m))
            return ph_fail_memory(err);
    }
    return 0;
}

int ph_memory_copy(struct ph_session *base, const char *folder, uint32_t uidvalidity, const struct ph_numset *uids,
                   const char *to, struct ph_err *err)
{
    struct memory_session *s = memory_session(base);
    int r = -1;

    if (ph_memory_begin(s, MOP_COPY, folder, err))
        return -1;
    struct memory_folder *f = ph_memory_open(s, "copy", folder, uidvalidity, err);
    struct memory_folder *t = f ? ph_memory_find(s->st, to) : NULL;
    if (f && !t)
        r = ph_memory_no_folder(to, err);
    else if (f)
        r = copy_messages(s->st, f, t, uids, err);
    ph_memory_unlock(s->st);
    return r;
}
