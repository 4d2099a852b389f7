/* store.c: STORE and UID STORE (RFC 9051 6.4.6; CONDSTORE, RFC 7162 3.1.3). */
#include <stdlib.h>
#include <string.h>

#include "server/batch.h"
#include "server/commands.h"
#include "server/private.h"
#include "server/sync.h"
#include "wire/respond.h"

#define KEYWORDS_MAX 1000 /* different ones in a mailbox */

static const struct {
    const char *name;
    uint32_t flag;
    char right; /* RFC 4314 4 */
} system_flags[] = {
    { "\\Seen", PH_F_SEEN, 's' },     { "\\Answered", PH_F_ANSWERED, 'w' }, { "\\Flagged", PH_F_FLAGGED, 'w' },
    { "\\Deleted", PH_F_DELETED, 't' }, { "\\Draft", PH_F_DRAFT, 'w' },
};

int session_parse_flags(const struct ph_words *words, uint32_t *flags, struct ph_buf *keywords, struct ph_err *err)
{
    *flags = 0;
    for (size_t i = 0; i < words->n; i++) {
        struct ph_str w = words->w[i];
        uint32_t bit = 0;
        for (size_t k = 0; k < sizeof system_flags / sizeof *system_flags; k++)
            if (ph_str_caseis(w, system_flags[k].name))
                bit = system_flags[k].flag;
        *flags |= bit;
        if (bit || ph_str_caseis(w, "\\Recent")) /* RFC 3501: a client cannot change it; some send it back */
            continue;
        if (w.n && w.p[0] == '\\')
            return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_BAD, "%.*s is not a flag that a client can set", PH_FMT(w));
        if (ph_buf_len(keywords))
            ph_buf_add_char(keywords, ' ');
        ph_buf_add_str(keywords, w);
    }
    return keywords->failed ? ph_fail_memory(err) : 0;
}

/* Which of the flags the user may not change are left out (RFC 4314 4); none left is a refusal. */
static int allowed_flags(struct session *s, struct ph_flag_change *ch, struct ph_err *err)
{
    char rights[32];
    struct ph_session *store = session_store(s, err);
    uint32_t may = 0;

    if (!store)
        return -1;
    if (!store->ops->serve || !store->ops->serve->my_rights)
        return 0;
    if (store->ops->serve->my_rights(store, s->view->name, rights, err))
        return -1;
    for (size_t k = 0; k < sizeof system_flags / sizeof *system_flags; k++)
        if (strchr(rights, system_flags[k].right))
            may |= system_flags[k].flag;
    bool keywords = strchr(rights, 'w');
    if (ch->mode == PH_FLAGS_SET && (may != (PH_F_SEEN | PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DELETED | PH_F_DRAFT) || !keywords)) {
        if (!may && !keywords)
            return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "You may not change flags in this mailbox");
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION,
                       "You may not change all flags in this mailbox: use +FLAGS and -FLAGS with those that you may");
    }
    bool asked = ch->flags || *ch->keywords;
    ch->flags &= may;
    if (!keywords)
        ch->keywords = "";
    if (asked && !ch->flags && !*ch->keywords)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "You may not change these flags");
    return 0;
}

/* The flags that a silent client believes in: as they were, with its change. The rows, by UID; NULL without memory. */
static struct mailbox_row *expected(struct session *s, const struct ph_flag_change *ch, size_t *n)
{
    uint64_t count = ph_numset_count(ch->uids);
    struct mailbox_row *rows = malloc((count ? count : 1) * sizeof *rows);

    *n = 0;
    for (uint32_t uid = 0; rows && (uid = ph_numset_next(ch->uids, uid)) != 0;) {
        struct mailbox_row *r = &rows[*n];
        if (!mailbox_row(s->view->mailbox, uid, r))
            continue;
        r->flags = ch->mode == PH_FLAGS_SET ? ch->flags
                   : ch->mode == PH_FLAGS_ADD ? r->flags | ch->flags : r->flags & ~ch->flags;
        ++*n;
    }
    return rows;
}

/* Are all words of `some`, but those of `without`, in `all`? */
static bool words_in(const char *some, const char *without, const char *all, const char *or_in)
{
    for (; *some; some += strspn(some, " ")) {
        struct ph_str word = { some, strcspn(some, " ") };
        if (!ph_words_have(without, word) && !ph_words_have(all, word) && !ph_words_have(or_in, word))
            return false;
        some += word.n;
    }
    return true;
}

/* Did the keywords become what the client asked for, and nothing else? */
static bool keywords_expected(struct session *s, const struct ph_flag_change *asked, uint32_t was_set, uint32_t now_set)
{
    const char *was = mailbox_keywords(s->view->mailbox, was_set), *now = mailbox_keywords(s->view->mailbox, now_set);
    const char *want = asked->keywords;

    switch (asked->mode) {
    case PH_FLAGS_SET:
        return words_in(want, "", now, "") && words_in(now, "", want, "");
    case PH_FLAGS_ADD:
        return words_in(want, "", now, "") && words_in(was, "", now, "") && words_in(now, "", was, want);
    default:
        for (const char *w = now; *w; w += strspn(w, " ")) {
            struct ph_str word = { w, strcspn(w, " ") };
            if (ph_words_have(want, word) || !ph_words_have(was, word))
                return false;
            w += word.n;
        }
        return words_in(was, want, now, "");
    }
}

/* Keywords of a mailbox are told to every session that has it, again with each new one. */
static int room_for_keywords(struct session *s, const struct ph_flag_change *ch, struct ph_err *err)
{
    struct ph_buf all = PH_BUF_INIT;
    bool fine = true;

    if (!*ch->keywords || ch->mode == PH_FLAGS_REMOVE || mailbox_all_keywords(s->view->mailbox, NULL) < KEYWORDS_MAX)
        return 0;
    mailbox_all_keywords(s->view->mailbox, &all);
    fine = words_in(ch->keywords, "", ph_buf_z(&all), "");
    ph_buf_done(&all);
    return fine ? 0 : ph_fail(err, PH_SCOPE_FOLDER, PH_E_LIMIT, "The mailbox has %d keywords, which is the limit", KEYWORDS_MAX);
}

/* What has to be said though the client wants silence: nothing where the flags became what it expects; the new mod-sequence
 * where it knows of them (RFC 7162 3.1.3). */
static int tell_silent(struct session *s, const struct ph_flag_change *asked, const struct ph_flag_change *ch,
                       const struct mailbox_row *was, size_t n, bool uid, struct ph_numset *told)
{
    struct mailbox_row now;

    for (size_t i = 0; i < n; i++) {
        if (ch->modified && ph_numset_contains(ch->modified, was[i].uid))
            continue;
        if (!mailbox_row(s->view->mailbox, was[i].uid, &now))
            continue;
        bool as_expected = now.flags == was[i].flags &&
                           (now.kwset == was[i].kwset || keywords_expected(s, asked, was[i].kwset, now.kwset));
        if (!as_expected)
            continue; /* somebody else changed them, too: told like any change */
        if ((s->enabled & PH_EN_CONDSTORE) && (now.modseq != was[i].modseq || ch->unchanged_since)) /* RFC 7162 3.1.3 */
            sync_tell_row(s, &now, uid, false);
        if (ph_numset_add(told, was[i].uid) || session_push(s))
            return -1;
    }
    return 0;
}

/* RFC 9051 6.4.6: the new value of every message, changed or not. */
static int tell_all(struct session *s, const struct ph_flag_change *ch, bool uid, struct ph_numset *told)
{
    struct mailbox_row now;

    for (uint32_t u = 0; (u = ph_numset_next(ch->uids, u)) != 0;) {
        if (ch->modified && ph_numset_contains(ch->modified, u))
            continue;
        if (!mailbox_row(s->view->mailbox, u, &now))
            continue;
        sync_tell_row(s, &now, uid, true);
        if (ph_numset_add(told, u) || session_push(s))
            return -1;
    }
    return 0;
}

/* The MODIFIED code has message numbers for STORE, UIDs for UID STORE. */
static int modified_code(struct session *s, struct ph_command *c, const struct ph_numset *modified)
{
    struct ph_numset seqs = PH_NUMSET_INIT;
    const struct ph_numset *tell = modified;

    if (!c->uid) {
        for (uint32_t u = 0; (u = ph_numset_next(modified, u)) != 0;)
            if (uidlist_seq(s->view->uids, u) && ph_numset_add(&seqs, uidlist_seq(s->view->uids, u)))
                return -1;
        tell = &seqs;
    }
    struct ph_writer code;
    ph_writer_init(&code, PH_LITERAL_SYNC);
    ph_write_raw(&code, "MODIFIED ");
    ph_write_set(&code, tell);
    session_ok_code(s, c, ph_buf_str(&code.out), "Some have changed since: they are as they were");
    ph_writer_done(&code);
    ph_numset_done(&seqs);
    return 0;
}

static int store_flags(struct session *s, struct ph_command *c, const struct ph_flag_change *asked, struct ph_flag_change *ch,
                       struct ph_err *err)
{
    struct view *v = s->view;
    struct ph_session *store = session_store(s, err);
    struct ph_flag_batch batch = { .folder = v->name, .uidvalidity = v->uidvalidity, .changes = ch, .n = 1 };
    struct ph_numset told = PH_NUMSET_INIT;
    struct mailbox_row *was = NULL;
    size_t n = 0;
    uint64_t modseq;
    bool gone = false;
    int rc = -1;

    if (!store || session_sync(s, 0, err)) /* so that what others did is told before, and is not taken for ours */
        return -1;
    if (c->store.silent && !(was = expected(s, asked, &n)))
        return ph_fail_memory(err);
    if (store->ops->store_flags(store, &batch, 1, err))
        goto out;
    mailbox_touch(v->mailbox);
    const struct ph_err *result = batch.result.kind != PH_OK ? &batch.result : &ch->result;
    if (result->kind != PH_OK && !(result->kind == PH_E_CHANGED && !ph_numset_empty(ch->modified))) { /* those get MODIFIED */
        *err = *result;
        goto out;
    }
    if (mailbox_refresh(v->mailbox, store, false, &gone, err) || gone)
        goto out;
    uidlist_free(mailbox_uids(v->mailbox, &modseq));
    if (mailbox_all_keywords(v->mailbox, NULL) != v->keywords_told)
        sync_tell_keywords(s);
    rc = c->store.silent ? tell_silent(s, asked, ch, was, n, c->uid, &told) : tell_all(s, ch, c->uid, &told);
    if (rc == 0)
        rc = session_sync_but(s, c->uid ? SYNC_EXPUNGE : 0, &told, modseq, err);
out:
    free(was);
    ph_numset_done(&told);
    return gone ? session_sync(s, SYNC_EXPUNGE, err) : rc;
}

int cmd_store(struct session *s, struct ph_command *c, struct ph_err *err)
{
    static const int modes[] = { ['+'] = PH_FLAGS_ADD, ['-'] = PH_FLAGS_REMOVE };
    struct ph_numset uids = PH_NUMSET_INIT, modified = PH_NUMSET_INIT;
    struct ph_buf keywords = PH_BUF_INIT;
    struct ph_flag_change ch = { .uids = &uids, .modified = &modified };
    uint32_t lowest = 0;
    int rc = -1;

    if (s->view->read_only)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "The mailbox is open read-only");
    if (session_parse_flags(&c->store.flags, &ch.flags, &keywords, err) ||
        session_set_uids(s, &c->store.set, c->uid, &uids, err) || session_limit_uids(s, &uids, &lowest, err))
        goto out;
    ch.mode = c->store.op ? modes[(unsigned char)c->store.op] : PH_FLAGS_SET;
    ch.keywords = ph_buf_z(&keywords);
    if (c->store.has_unchangedsince) {
        if (session_use_modseq(s, err)) /* RFC 7162 3.1: using it enables it */
            goto out;
        ch.unchanged_since = c->store.unchangedsince ? c->store.unchangedsince : 1;
    }
    const struct ph_flag_change asked = ch; /* what a silent client believes in */
    if (allowed_flags(s, &ch, err) || room_for_keywords(s, &ch, err))
        goto out;
    struct ph_session *store = session_store(s, err);
    if (!store)
        goto out;
    if (!store->ops->store_flags) {
        ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "Flags cannot be changed here");
        goto out;
    }
    rc = ph_numset_empty(&uids) ? 0 : store_flags(s, c, &asked, &ch, err);
    if (rc == 0 && !s->closing) {
        if (ph_numset_empty(&modified) && lowest) {
            session_ok_limit(s, c, s->server->config.limits.messages, lowest, "STORE completed for the last of the messages");
        } else if (ph_numset_empty(&modified)) {
            session_ok(s, c, "STORE completed");
        } else {
            if (lowest) { /* a tagged answer has one code */
                ph_write_status_begin(&s->w, PH_STR_NIL, PH_ST_NO);
                ph_write_code_messagelimit(&s->w, s->server->config.limits.messages, lowest);
                ph_write_status_end(&s->w, PH_STR("STORE completed for the last of the messages"));
            }
            rc = modified_code(s, c, &modified);
        }
    }
out:
    ph_numset_done(&uids);
    ph_numset_done(&modified);
    ph_buf_done(&keywords);
    return rc;
}
