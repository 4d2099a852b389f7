/* append.c: APPEND and REPLACE (RFC 9051 6.3.12; MULTIAPPEND, RFC 3502; CATENATE, RFC 4469; BINARY, RFC 3516; UTF8,
 * RFC 6855 4; REPLACE, RFC 8508).
 *
 * All messages of a command are one batch of the store: with a store that can, they come in together or not at all. Octets go
 * straight to the store. Only a message whose size is not known beforehand (CATENATE), for a store that wants to know it, is
 * collected first, within a limit.
 *
 * An APPEND that is whole is held while the client has more to say: its OK, and those of the APPENDs behind it, wait for
 * the store together, which can sync them together. Whatever else is to be answered, or waited for, settles them first.
 */
#include "server/append.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "server/append_url.h"
#include "server/commands.h"
#include "server/private.h"
#include "server/sync.h"
#include "server/user.h"
#include "wire/respond.h"

#define COLLECT_MAX (8u << 20)
#define HELD_MAX 256     /* APPENDs that are whole and not answered */
#define HELD_MS 5

struct session_append {
    char *folder;
    struct session_append *next; /* of those that are held */
    char *tag;
    size_t tag_n, n_messages;
    struct ph_append_result result; /* when the store has answered; its uids are ours */
    struct ph_err err;              /* kind PH_OK: it is in */
    bool unknown;                   /* the store was lost before it said whether it is in */
    struct ph_append *batch;
    char rights[32];         /* on the folder; PH_RIGHTS_ALL when the store knows none */
    bool replace;
    uint32_t replaced;       /* UID in the selected mailbox */
    bool in_message;         /* one is open */
    bool binary;             /* the literal in hand is a literal8 */
    bool collecting;         /* the message goes to `collected` */
    struct ph_message message;
    struct ph_buf keywords, collected;
    uint64_t size;           /* of the message in hand, so far */
};

static uint64_t limit(const struct session *s)
{
    uint64_t ours = s->server->config.limits.append;

    return ours && ours < s->user->append_limit ? ours : s->user->append_limit;
}

static int too_big(struct session *s, struct ph_err *err)
{
    ph_fail(err, PH_SCOPE_MESSAGE, PH_E_TOOBIG, "The message is larger than %llu octets, which is the limit",
            (unsigned long long)limit(s));
    return -1;
}

static void free_append(struct session *s, struct session_append *a)
{
    if (a->batch)
        s->user->ops->append_free(a->batch);
    ph_buf_done(&a->keywords);
    ph_buf_done(&a->collected);
    free((void *)a->result.uids);
    free(a->tag);
    free(a->folder);
    free(a);
}

void append_abort(struct session *s)
{
    struct session_append *a = s->append;

    s->append = NULL;
    if (a)
        free_append(s, a);
}

/* ---- opening ---- */

static int insert_right(struct session *s, struct session_append *a, struct ph_session *store, struct ph_err *err)
{
    memcpy(a->rights, PH_RIGHTS_ALL, sizeof PH_RIGHTS_ALL);
    if (s->user->serve->my_rights && s->user->serve->my_rights(store, a->folder, a->rights, err))
        return -1;
    if (!strchr(a->rights, 'i'))
        return ph_fail(err, PH_SCOPE_FOLDER, strchr(a->rights, 'l') ? PH_E_PERMISSION : PH_E_NOTFOUND,
                       strchr(a->rights, 'l') ? "You may not put messages into this mailbox" : "No such mailbox");
    return 0;
}

static int what_is_replaced(struct session *s, struct session_append *a, const struct ph_command *c, struct ph_err *err)
{
    struct ph_numset uids = PH_NUMSET_INIT;
    int rc = -1;

    if (!s->user->serve->append_replaces)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "Messages cannot be replaced here");
    if (!s->view || s->view->read_only)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "The mailbox is open read-only");
    if (session_need_right(s, s->view->name, 't', err) || session_need_right(s, s->view->name, 'e', err))
        return -1;
    if (session_set_uids(s, &c->append.replaces, c->uid, &uids, err))
        goto out;
    a->replaced = ph_numset_next(&uids, 0);
    if (ph_numset_count(&uids) == 1)
        rc = 0;
    else
        ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "The message to replace does not exist");
out:
    ph_numset_done(&uids);
    return rc;
}

/* RFC 9051 6.3.12: a missing mailbox could be created by the client. */
static int try_create(struct ph_err *err)
{
    if (err->kind == PH_E_NOTFOUND)
        memcpy(err->code, "TRYCREATE", sizeof "TRYCREATE");
    return -1;
}

static int open_batch(struct session *s, const struct ph_command *c, struct ph_err *err)
{
    struct session_append *a = s->append;
    struct ph_session *store = session_store(s, err);
    const char *name;

    if (!store)
        return -1;
    if (a->batch)
        return 0;
    if (!s->user->ops->append_open)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_UNSUPPORTED, "Messages cannot be put in here");
    if (!(name = session_mailbox_name(s, c->append.mailbox, err)))
        return -1;
    if (!(a->folder = ph_str_dup(ph_str(name))))
        return ph_fail_memory(err);
    if (a->replace && what_is_replaced(s, a, c, err))
        return -1;
    if (insert_right(s, a, store, err))
        return try_create(err);
    /* how many there will be is not known before the end */
    size_t most = s->user->abilities & PH_AB_BATCH ? SERVER_STREAMS : 1;
    if (s->user->ops->append_open(store, name, most, &a->batch, err))
        return try_create(err);
    return 0;
}

static int prepare(struct session *s, const struct ph_command *c, struct ph_err *err)
{
    if (!s->append) {
        s->append = calloc(1, sizeof *s->append);
        if (!s->append)
            return ph_fail_memory(err);
        s->append->replace = c->id == PH_CMD_REPLACE;
    }
    return open_batch(s, c, err);
}

/* ---- messages ---- */

/* Flags the user may not set are left out without a word (RFC 4314 4). */
static uint32_t permitted(const struct session_append *a, uint32_t flags)
{
    uint32_t may = (strchr(a->rights, 's') ? PH_F_SEEN : 0) | (strchr(a->rights, 't') ? PH_F_DELETED : 0) |
                   (strchr(a->rights, 'w') ? PH_F_ANSWERED | PH_F_FLAGGED | PH_F_DRAFT : 0);

    return flags & may;
}

static int begin_message(struct session *s, const struct ph_append_message *m, uint64_t size, struct ph_err *err)
{
    struct session_append *a = s->append;
    struct ph_message *msg = &a->message;

    *msg = (struct ph_message){ .has_date = m->has_date, .epoch = m->epoch, .zone_min = m->zone_min, .size = size };
    ph_buf_clear(&a->keywords);
    if (session_parse_flags(&m->flags, &msg->flags, &a->keywords, err))
        return -1;
    msg->flags = permitted(a, msg->flags);
    msg->keywords = strchr(a->rights, 'w') ? ph_buf_z(&a->keywords) : "";
    a->size = 0;
    a->in_message = true;
    a->collecting = size == UINT64_MAX && !(s->user->serve_abilities & PH_SV_ANY_SIZE);
    if (size != UINT64_MAX && size > limit(s))
        return too_big(s, err);
    return a->collecting ? 0 : s->user->ops->append_message(a->batch, msg, err);
}

static int add(struct session *s, const char *p, size_t n, struct ph_err *err)
{
    struct session_append *a = s->append;

    a->size += n;
    if (a->size > limit(s))
        return too_big(s, err);
    if (!a->collecting)
        return n ? s->user->ops->append_write(a->batch, p, n, err) : 0;
    if (a->size > COLLECT_MAX)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_TOOBIG, "The parts together are larger than %u octets", COLLECT_MAX);
    return ph_buf_add(&a->collected, p, n) ? ph_fail_memory(err) : 0;
}

static int end_message(struct session *s, struct ph_err *err)
{
    struct session_append *a = s->append;
    int rc = 0;

    if (!a->in_message)
        return 0;
    a->in_message = false;
    if (a->collecting) {
        struct ph_str all = ph_buf_str(&a->collected);
        a->message.size = all.n;
        rc = s->user->ops->append_message(a->batch, &a->message, err);
        if (rc == 0 && all.n)
            rc = s->user->ops->append_write(a->batch, all.p, all.n, err);
        ph_buf_clear(&a->collected);
        ph_buf_shrink(&a->collected, 0);
        a->collecting = false;
    }
    return rc;
}

static int no_nul(struct ph_str text, bool binary, struct ph_err *err)
{
    if (!text.n || !memchr(text.p, 0, text.n))
        return 0;
    if (!binary)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_BAD, "A literal may not hold the octet NUL");
    ph_fail(err, PH_SCOPE_MESSAGE, PH_E_UNSUPPORTED, "Messages with the octet NUL cannot be kept: encode them");
    memcpy(err->code, "UNKNOWN-CTE", sizeof "UNKNOWN-CTE"); /* RFC 3516 4.4 */
    return -1;
}

static int add_url(void *ctx, const char *p, size_t n, struct ph_err *err)
{
    return add(ctx, p, n, err);
}

static int add_parts(struct session *s, const struct ph_cat_part *parts, size_t n, struct ph_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].url) {
            if (append_url(s, parts[i].text, add_url, s, err))
                return -1;
        } else if (!parts[i].announced) { /* its octets come now */
            return s->append->size + s->framer.literal_size > limit(s) ? too_big(s, err) : 0;
        } else if (parts[i].stream < 0 && (no_nul(parts[i].text, parts[i].utf8, err) ||
                                           add(s, parts[i].text.p, parts[i].text.n, err))) {
            return -1;
        }
    }
    return 0;
}

/* Messages as far as they stand in the command; the last may be waiting for octets. */
static int take_messages(struct session *s, const struct ph_append_message *m, size_t n, struct ph_err *err)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t size = m[i].catenate ? UINT64_MAX : m[i].announced ? m[i].text.n : s->framer.literal_size;
        if (end_message(s, err) || begin_message(s, &m[i], size, err))
            return -1;
        if (m[i].catenate) {
            if (add_parts(s, m[i].parts, m[i].n_parts, err))
                return -1;
        } else if (m[i].announced) {
            if (no_nul(m[i].text, m[i].binary || m[i].utf8, err) || add(s, m[i].text.p, m[i].text.n, err))
                return -1;
        }
    }
    return 0;
}

/* ---- as they come ---- */

int append_head(struct session *s, struct ph_command *c, struct ph_err *err)
{
    if (prepare(s, c, err))
        return -1;
    s->append->binary = s->framer.literal_binary;
    return take_messages(s, c->append.messages, c->append.n, err);
}

int append_next(struct session *s, const struct ph_append_head *h, struct ph_err *err)
{
    s->append->binary = s->framer.literal_binary;
    if (add_parts(s, h->rest, h->n_rest, err))
        return -1;
    return take_messages(s, h->messages, h->n, err);
}

int append_data(struct session *s, const char *p, size_t n, struct ph_err *err)
{
    if (no_nul((struct ph_str){ p, n }, s->append->binary, err))
        return -1;
    return add(s, p, n, err);
}

/* What stands in the command behind the last octets that were handed in. */
static int take_rest(struct session *s, const struct ph_command *c, struct ph_err *err)
{
    const struct ph_cmd_append *x = &c->append;
    size_t last = x->n, part = 0;

    /* the last message with a streamed literal, and in it the last such part: everything before was taken */
    for (size_t i = x->n; i-- > 0 && last == x->n;) {
        if (!x->messages[i].catenate && x->messages[i].stream >= 0)
            last = i;
        for (size_t k = x->messages[i].n_parts; x->messages[i].catenate && k-- > 0 && !part;)
            if (!x->messages[i].parts[k].url && x->messages[i].parts[k].stream >= 0)
                part = k + 1;
        if (part)
            last = i;
    }
    if (last == x->n)
        return take_messages(s, x->messages, x->n, err);
    if (part && add_parts(s, x->messages[last].parts + part, x->messages[last].n_parts - part, err))
        return -1;
    return take_messages(s, x->messages + last + 1, x->n - last - 1, err);
}

static void write_appenduid(struct session *s, struct ph_writer *w, const struct ph_append_result *r)
{
    ph_write_raw(w, "APPENDUID ");
    ph_write_u64(w, r->uidvalidity);
    ph_write_char(w, ' ');
    ph_write_uids(w, r->uids, r->n_uids);
}

/* What a client of REPLACE needs before the EXPUNGE (RFC 8508 3.1). */
static void announce(struct session *s, const struct session_append *a)
{
    if (!a->replace || !a->result.uidvalidity || !a->result.n_uids)
        return;
    ph_write_raw(&s->w, "* OK [");
    write_appenduid(s, &s->w, &a->result);
    ph_write_raw(&s->w, "] The new message is in");
    ph_write_crlf(&s->w);
}

static void answer(struct session *s, const struct session_append *a)
{
    struct ph_command c = { .id = a->replace ? PH_CMD_REPLACE : PH_CMD_APPEND, .tag = { a->tag, a->tag_n } };
    struct ph_writer code;

    if (a->unknown) { /* a NO would say that it is not in, and have it sent again */
        session_bye(s, "UNAVAILABLE", "The store was lost: whether the last messages are in is not known");
        return;
    }
    if (a->err.kind != PH_OK) {
        session_fail(s, &c, &a->err);
        return;
    }
    ph_writer_init(&code, PH_LITERAL_ANSWER);
    if (!a->replace && a->result.uidvalidity && a->result.n_uids)
        write_appenduid(s, &code, &a->result);
    session_ok_code(s, &c, ph_buf_str(&code.out), a->replace ? "REPLACE completed" : "APPEND completed");
    ph_writer_done(&code);
}

/* The store's answer to the oldest batch that is finished, into a: nothing of the store is needed for it any more. */
static void wait_for(struct session *s, struct session_append *a, bool *lost)
{
    struct ph_append *done = NULL;
    struct ph_append_result *r = &a->result;

    if (!s->store || *lost) {
        a->unknown = true;
        return;
    }
    if (s->user->ops->append_wait(s->store, &done, r, &a->err)) {
        *r = (struct ph_append_result){ 0 };
        a->unknown = *lost = a->err.scope >= PH_SCOPE_SESSION;
        s->store_failed = s->store_failed || *lost;
        return;
    }
    uint32_t *uids = r->ok && r->n_uids ? malloc(r->n_uids * sizeof *uids) : NULL;
    if (uids)
        memcpy(uids, r->uids, r->n_uids * sizeof *uids);
    else
        r->n_uids = 0; /* APPENDUID is left out */
    r->uids = uids;
    if (!r->ok) {
        a->err = r->err;
        a->unknown = r->unknown;
        if (!a->replace)
            try_create(&a->err);
        s->store_failed = s->store_failed || a->err.scope >= PH_SCOPE_SESSION;
    } else {
        atomic_fetch_add(&s->server->count.appended, r->n_uids ? r->n_uids : a->n_messages);
        mailbox_changed(s->user, a->folder);
    }
    s->user->ops->append_free(done);
}

void append_settle(struct session *s)
{
    struct session_append *all = s->held, *a;
    struct ph_err err = { 0 };
    bool lost = false;

    if (s->settling || !all)
        return;
    s->settling = true;
    for (a = all; a; a = a->next)
        wait_for(s, a, &lost);
    s->held = NULL; /* from here on the store's session may be another one */
    s->n_held = 0;
    for (a = all; a; a = a->next) {
        announce(s, a);
        if (a->replace && s->view)
            mailbox_touch(s->view->mailbox);
    }
    if (s->view && session_sync(s, SYNC_EXPUNGE, &err))
        server_log(s->server, s, LOG_WARNING, "cannot look for changes: %s", err.text);
    while ((a = all) != NULL) {
        all = a->next;
        answer(s, a);
        free_append(s, a);
    }
    s->settling = false;
}

static int hold(struct session *s, const struct ph_command *c, struct ph_err *err)
{
    struct session_append *a = s->append, **end = &s->held;
    struct ph_session *store = session_store(s, err);

    if (!store)
        return -1;
    if (!(a->tag = ph_str_dup(s->tag)))
        return ph_fail_memory(err);
    a->tag_n = s->tag.n;
    if (a->replace && s->user->serve->append_replaces(a->batch, s->view->name, s->view->uidvalidity, a->replaced, err))
        return -1;
    if (s->user->ops->append_finish(a->batch, err))
        return -1;
    a->batch = NULL; /* the store's, until it comes back */
    a->n_messages = c->append.n;
    s->append = NULL;
    while (*end)
        end = &(*end)->next;
    *end = a;
    if (s->n_held++ == 0)
        s->held_since = ph_now_ms();
    if (a->replace || s->n_held >= HELD_MAX || ph_now_ms() - s->held_since >= HELD_MS)
        append_settle(s);
    return 0;
}

int append_done(struct session *s, struct ph_command *c, struct ph_err *err)
{
    if (s->held && c->id == PH_CMD_REPLACE)
        append_settle(s);
    if (prepare(s, c, err) || take_rest(s, c, err) || end_message(s, err) || hold(s, c, err)) {
        append_abort(s); /* else the next one would go on with this one's batch, in this one's mailbox */
        return -1;
    }
    return 0;
}
