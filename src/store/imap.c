/* imap.c: opening and closing: the store, its sessions, their abilities. */
#include "store/imap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/imap_internal.h"

static uint32_t imap_abilities(struct ph_session *base)
{
    struct imap_session *s = imap_session(base);
    uint32_t caps = s->conn->caps.bits;
    uint32_t ab = PH_AB_FLAGS | PH_AB_KEYWORDS | PH_AB_DATES | PH_AB_UIDS | PH_AB_SUBSCRIBE | PH_AB_WRITE;

    if (caps & PH_CAP_UIDPLUS)
        ab |= PH_AB_NEWUID | PH_AB_UID_EXPUNGE;
    if (caps & PH_CAP_MULTIAPPEND)
        ab |= PH_AB_BATCH;
    if (caps & PH_CAP_CONDSTORE)
        ab |= PH_AB_MODSEQ;
    if (s->conn->enabled_qresync)
        ab |= PH_AB_QRESYNC;
    if (caps & PH_CAP_LIST_STATUS)
        ab |= PH_AB_STATUS_LIST;
    if (caps & PH_CAP_CREATE_SPECIAL_USE)
        ab |= PH_AB_SPECIAL_USE;
    if (caps & PH_CAP_GMAIL)
        ab |= PH_AB_GMAIL;
    if (caps & PH_CAP_OBJECTID)
        ab |= PH_AB_OBJECTID;
    if (imap_pipelines_select(s))
        ab |= PH_AB_PIPELINE_SELECT;
    if (s->conn->greeting.n && memmem(s->conn->greeting.p, s->conn->greeting.n, "Microsoft Exchange", 18))
        ab |= PH_AB_EXCHANGE;
    return ab;
}

static uint64_t imap_append_limit(struct ph_session *base)
{
    return imap_session(base)->conn->caps.append_limit;
}

static void imap_close(struct ph_session *base)
{
    struct imap_session *s = imap_session(base);

    /* commands live in these structs: the connection goes first */
    ph_conn_close(s->conn);
    imap_scans_free(s);
    imap_bodies_free(s);
    imap_appends_free(s);
    ph_buf_done(&s->prefix);
    free(s->selected);
    free(s);
}

int imap_noop(struct ph_session *base, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);
    struct ph_cmd cmd = { 0 };

    ph_write_raw(ph_conn_begin(s->conn, &cmd, NULL), "NOOP");
    if (ph_conn_end(s->conn, err))
        return -1;
    int r = ph_conn_wait_ok(s->conn, &cmd, err);
    if (cmd.queued)
        ph_conn_give_up(s->conn, err); /* stopped: it must not outlive this call */
    return r;
}

/* Exchange hangs up at the tenth error of a session; and what is broken stays so. */
static bool imap_worn(struct ph_session *base)
{
    struct imap_session *s = imap_session(base);

    return s->conn->broken.kind != PH_OK || (s->conn->bads >= 9 && !s->st->opt.keep_on_errors && (imap_abilities(base) & PH_AB_EXCHANGE));
}

static int imap_join(struct ph_session *base, struct ph_loop *loop, struct ph_err *err)
{
    struct imap_session *s = imap_session(base);

    if (ph_loop_add(loop, &s->conn->member))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_LIMIT, "too many connections in one loop");
    ph_loop_remove(s->conn->loop, &s->conn->member);
    s->conn->loop = base->loop = loop;
    return 0;
}

static const struct ph_session_ops session_ops = {
    .join = imap_join,
    .abilities = imap_abilities,
    .append_limit = imap_append_limit,
    .close = imap_close,
    .list = imap_list,
    .status = imap_status,
    .create = imap_create,
    .subscribe = imap_subscribe,
    .remove = imap_remove,
    .rename = imap_rename,
    .scan_begin = imap_scan_begin,
    .scan_wait = imap_scan_wait,
    .bodies_add = imap_bodies_add,
    .bodies_next = imap_bodies_next,
    .body_read = imap_body_read,
    .append_open = imap_append_open,
    .append_message = imap_append_message,
    .append_write = imap_append_write,
    .append_finish = imap_append_finish,
    .append_poll = imap_append_poll,
    .append_wait = imap_append_wait,
    .append_free = imap_append_free,
    .store_flags = imap_store_flags,
    .expunge = imap_expunge,
    .copy = imap_copy,
    .noop = imap_noop,
    .worn = imap_worn,
};

/* ENABLE goes with the first flight that lists or scans; sessions that only move messages do without, and without its answer. */
int imap_send_enable(struct imap_session *s, struct ph_err *err)
{
    uint32_t caps = s->conn->caps.bits;

    if (s->enable_sent || !(caps & PH_CAP_ENABLE) || !(caps & PH_CAP_QRESYNC))
        return 0;
    s->enable_sent = true;
    ph_write_raw(ph_conn_begin(s->conn, &s->enable, NULL), "ENABLE QRESYNC");
    s->enabling = true;
    return ph_conn_end(s->conn, err);
}

int imap_set_up(struct imap_session *s, struct ph_err *err)
{
    if (imap_send_enable(s, err))
        return -1;
    if (!s->enabling)
        return 0;
    s->enabling = false;
    return ph_conn_wait(s->conn, &s->enable, err);
}

static int imap_open(struct ph_store *base, struct ph_loop *loop, struct ph_session **out, struct ph_err *err)
{
    struct imap_store *st = (struct imap_store *)base;
    struct imap_session *s = calloc(1, sizeof *s);

    if (!s)
        return ph_fail_memory(err);
    s->base = (struct ph_session){ .ops = &session_ops, .store = base, .loop = loop };
    s->st = st;
    s->bodies.spool_fd = -1;
    s->bodies.window = 16 << 20;
    if (ph_conn_open(&st->opt, loop, &s->conn, err)) {
        free(s);
        return -1;
    }
    s->conn->owner = s;
    *out = &s->base;
    return 0;
}

static void imap_free(struct ph_store *base)
{
    struct imap_store *st = (struct imap_store *)base;

    while (st->odd_names) {
        struct odd_name *o = st->odd_names;
        st->odd_names = o->next;
        free(o->utf8);
        free(o->wire);
        free(o);
    }
    const char *const strings[] = {
        st->opt.host, st->opt.socket_path, st->opt.tls.ca_file, st->opt.tls.ca_path, st->opt.tls.cert_file,
        st->opt.tls.key_file, st->opt.tls.pin_sha256, st->opt.mechanism, st->opt.user, st->opt.admin, st->opt.gw_app,
        st->opt.gw_key, st->opt.without,
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free((char *)(uintptr_t)strings[i]);
    pthread_mutex_destroy(&st->lock);
    free(base->label);
    free(base->identity);
    free(st);
}

static const struct ph_store_ops store_ops = { .kind = "imap", .open = imap_open, .free = imap_free };

static const char *copy(const char *z, bool *failed)
{
    char *c = z ? strdup(z) : NULL;

    if (z && !c)
        *failed = true;
    return c;
}

int ph_imap_store_new(const struct ph_imap_options *o, struct ph_store **out, struct ph_err *err)
{
    struct imap_store *st = calloc(1, sizeof *st);
    bool failed = false;

    if (!st)
        return ph_fail_memory(err);
    pthread_mutex_init(&st->lock, NULL);
    st->base.ops = &store_ops;
    st->opt = *o;
    st->opt.host = copy(o->host, &failed);
    st->opt.socket_path = copy(o->socket_path, &failed);
    st->opt.tls.ca_file = copy(o->tls.ca_file, &failed);
    st->opt.tls.ca_path = copy(o->tls.ca_path, &failed);
    st->opt.tls.cert_file = copy(o->tls.cert_file, &failed);
    st->opt.tls.key_file = copy(o->tls.key_file, &failed);
    st->opt.tls.pin_sha256 = copy(o->tls.pin_sha256, &failed);
    st->opt.mechanism = copy(o->mechanism, &failed);
    st->opt.user = copy(o->user, &failed);
    st->opt.admin = copy(o->admin, &failed);
    st->opt.gw_app = copy(o->gw_app, &failed);
    st->opt.gw_key = copy(o->gw_key, &failed);
    st->opt.without = copy(o->without, &failed);
    const char *where = o->host ? o->host : o->socket_path ? o->socket_path : "?";
    const char *user = o->user ? o->user : "";
    if (asprintf(&st->base.label, "%s@%s", user, where) < 0 ||
        asprintf(&st->base.identity, "imap\t%s\t%u\t%s", where, o->port, user) < 0 || failed) {
        imap_free(&st->base);
        return ph_fail_memory(err);
    }
    *out = &st->base;
    return 0;
}
