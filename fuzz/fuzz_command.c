/* What a hostile client can send: bytes → framer → command parser.
 *
 * The first octet is how many octets come at a time, and its last bit whether blanks are read loosely; the second from which
 * size on literals of APPEND are streamed. Checked
 * beyond memory: the text of each BAD can stand in one, a command that was taken has a tag and a name, sets that were taken can be
 * used, and what was said at the head of a message's literal is what the whole command says.
 */
#include <stdlib.h>

#include "wire/command.h"
#include "wire/imapurl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())
#define STREAMS 30

static uint64_t touched;

static void touch(struct ph_str s)
{
    for (size_t i = 0; i < s.n; i++)
        touched = (touched ^ (unsigned char)s.p[i]) * 0x100000001b3;
}

static void touch_words(const struct ph_words *w)
{
    for (size_t i = 0; i < w->n; i++)
        touch(w->w[i]);
}

static void touch_args(const struct ph_arg *a)
{
    touch(a->text);
    for (size_t i = 0; i < a->n; i++)
        touch_args(&a->items[i]);
}

static void check_set(const struct ph_seqset *set)
{
    struct ph_numset s = PH_NUMSET_INIT;
    struct ph_err err;

    if (set->text.p == NULL || set->saved)
        return;
    CHECK(ph_numset_parse(&s, set->text, set->star ? 77 : 0, 1000000, &err) == 0);
    CHECK(!ph_numset_empty(&s));
    ph_numset_done(&s);
}

static void check_key(const struct ph_search_key *k)
{
    touch(k->name);
    touch(k->text);
    check_set(&k->set);
    if (k->what == PH_SK_AND)
        CHECK(k->n >= 2);
    else
        CHECK(k->n == (k->what == PH_SK_OR ? 2 : k->what == PH_SK_NOT));
    for (size_t i = 0; i < k->n; i++)
        check_key(&k->kids[i]);
}

static void check_filters(const struct ph_mailbox_filter *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool named = f[i].what == PH_MF_SUBTREE || f[i].what == PH_MF_SUBTREE_ONE || f[i].what == PH_MF_MAILBOXES;
        CHECK(named == (f[i].names.n > 0));
        touch_words(&f[i].names);
    }
}

static void check_notify(const struct ph_cmd_notify *n)
{
    CHECK(n->set == (n->n > 0));
    for (size_t i = 0; i < n->n; i++) {
        const struct ph_notify_group *g = &n->groups[i];
        check_filters(&g->filter, 1);
        CHECK(!g->n_atts || (g->events & PH_EV_MESSAGE_NEW));
        CHECK(!(g->events & PH_EV_MESSAGE) || (g->events & PH_EV_MESSAGE_EXPUNGE));
    }
}

static void check_metadata(const struct ph_cmd_metadata *m)
{
    touch(m->mailbox);
    CHECK(m->n);
    for (size_t i = 0; i < m->n; i++) {
        CHECK(m->entries[i].name.n > 1 && m->entries[i].name.p[0] == '/');
        touch(m->entries[i].value);
    }
}

static void check_access(const struct ph_command *c)
{
    if (c->id >= PH_CMD_SETACL && c->id <= PH_CMD_MYRIGHTS) {
        touch(c->acl.mailbox);
        touch(c->acl.identifier);
        touch(c->acl.rights);
        return;
    }
    touch(c->quota.root);
    touch(c->quota.mailbox);
    for (size_t i = 0; i < c->quota.n; i++) {
        touch(c->quota.resources[i].name);
        CHECK(c->quota.resources[i].limit <= INT64_MAX);
    }
}

static void check_values(const struct ph_cmd_values *v)
{
    for (size_t i = 0; i < v->n; i++) {
        touch(v->v[i].text);
        check_set(&v->v[i].set);
        touch_words(&v->v[i].words);
        touch_args(v->v[i].arg);
    }
}

static void check_fetch(const struct ph_cmd_fetch *f)
{
    check_set(&f->set);
    CHECK(f->n);
    for (size_t i = 0; i < f->n; i++) {
        const struct ph_section *s = &f->atts[i].section;
        touch_words(&s->fields);
        CHECK((s->what == PH_SEC_FIELDS || s->what == PH_SEC_FIELDS_NOT) == (s->fields.n > 0));
        CHECK(s->what != PH_SEC_MIME || s->n_part);
        for (size_t k = 0; k < s->n_part; k++)
            CHECK(s->part[k]);
        CHECK(!f->atts[i].partial || f->atts[i].length);
    }
}

static void check_part(const struct ph_framer *f, const struct ph_cat_part *p)
{
    struct ph_imapurl url;
    struct ph_arena arena;
    struct ph_err err;

    touch(p->text);
    CHECK(p->stream < (int)f->n_streamed);
    CHECK(!p->url || p->stream < 0);
    if (!p->url || !p->announced)
        return;
    ph_arena_init(&arena, 1 << 20);
    if (ph_imapurl_parse(p->text, &arena, &url, &err) == 0) {
        touch(url.mailbox);
        touch(url.host);
        touch_words(&url.section.fields);
        CHECK(!url.partial || url.uid || url.has_section || !url.mailbox.p);
    }
    ph_arena_done(&arena);
}

/* The last one, and its last part, may be announced only when not `whole`. */
static void check_messages(const struct ph_framer *f, const struct ph_append_message *m, size_t n, bool whole)
{
    for (size_t i = 0; i < n; i++, m++) {
        touch_words(&m->flags);
        touch(m->text);
        CHECK(m->stream < (int)f->n_streamed);
        CHECK(m->announced || (!whole && i + 1 == n));
        CHECK(m->catenate == (m->n_parts > 0));
        for (size_t k = 0; k < m->n_parts; k++) {
            check_part(f, &m->parts[k]);
            CHECK(m->parts[k].announced || (!m->announced && k + 1 == m->n_parts));
        }
    }
}

static void check_append(const struct ph_framer *f, const struct ph_cmd_append *a, bool whole)
{
    touch(a->mailbox);
    check_set(&a->replaces);
    CHECK(!whole || a->n);
    check_messages(f, a->messages, a->n, whole);
}

static void check_command(const struct ph_framer *f, const struct ph_command *c)
{
    CHECK(c->tag.n && c->name.n && c->id && c->states);
    touch_args(&c->args);
    switch (c->id) {
    case PH_CMD_FETCH:
        check_fetch(&c->fetch);
        break;
    case PH_CMD_STORE:
        check_set(&c->store.set);
        touch_words(&c->store.flags);
        break;
    case PH_CMD_SEARCH:
    case PH_CMD_SORT:
    case PH_CMD_THREAD:
    case PH_CMD_ESEARCH:
        check_filters(c->search.sources, c->search.n_sources);
        touch(c->search.charset);
        touch(c->search.algorithm);
        check_key(&c->search.key);
        break;
    case PH_CMD_NOTIFY:
        check_notify(&c->notify);
        break;
    case PH_CMD_GETMETADATA:
    case PH_CMD_SETMETADATA:
        check_metadata(&c->metadata);
        break;
    case PH_CMD_APPLICATION:
        check_values(&c->values);
        break;
    case PH_CMD_APPEND:
    case PH_CMD_REPLACE:
        check_append(f, &c->append, true);
        break;
    case PH_CMD_COPY:
    case PH_CMD_MOVE:
    case PH_CMD_EXPUNGE:
        check_set(&c->copy.set);
        touch(c->copy.mailbox);
        break;
    case PH_CMD_SELECT:
    case PH_CMD_EXAMINE:
        touch(c->select.mailbox);
        check_set(&c->select.known_uids);
        check_set(&c->select.match_seqs);
        check_set(&c->select.match_uids);
        break;
    case PH_CMD_LIST:
    case PH_CMD_LSUB:
        touch(c->list.reference);
        touch_words(&c->list.patterns);
        CHECK(c->list.patterns.n);
        break;
    case PH_CMD_ID:
    case PH_CMD_ENABLE:
        touch_words(&c->words);
        break;
    default:
        if (c->id >= PH_CMD_GETQUOTA && c->id <= PH_CMD_MYRIGHTS)
            check_access(c);
        break;
    }
}

static void check_bad(const struct ph_command *c, const struct ph_err *err)
{
    CHECK(err->kind == PH_E_PROTOCOL || err->kind == PH_E_LIMIT);
    CHECK(err->scope == PH_SCOPE_NONE && err->text[0]);
    for (const char *p = err->text; *p; p++)
        CHECK(*p >= 0x20 && *p < 0x7f);
    touch(c->tag);
}

/* What the heads said about each streamed literal. */
struct told {
    struct ph_append_place place;
    bool begins; /* its message does, in this head: then n_flags is known */
    size_t n_flags;
};

static void check_told(const struct told *t, const struct ph_append_message *m, bool utf8)
{
    CHECK(t->place.in_catenate == m->catenate && t->place.in_utf8 == utf8);
    CHECK(!t->begins || t->n_flags == m->flags.n);
}

static void check_as_told(const struct ph_framer *f, const struct ph_cmd_append *a, const struct told *told)
{
    int next = 0;

    for (size_t i = 0; i < a->n; i++) {
        const struct ph_append_message *m = &a->messages[i];
        if (m->stream >= 0) {
            CHECK(m->stream == next);
            check_told(&told[next++], m, m->utf8);
        }
        for (size_t k = 0; k < m->n_parts; k++)
            if (m->parts[k].stream >= 0) {
                CHECK(m->parts[k].stream == next);
                check_told(&told[next++], m, m->parts[k].utf8);
            }
    }
    CHECK(next == (int)f->n_streamed);
}

static void tell(struct told *t, const struct ph_append_place *place, const struct ph_append_message *m, size_t n)
{
    *t = (struct told){ *place, n > 0, n ? m[n - 1].flags.n : 0 };
}

static bool at_first_head(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                          struct told *told)
{
    struct ph_command c;
    struct ph_err err = { 0 };

    if (ph_command_parse_head(f, limits, arena, &c, &err)) {
        check_bad(&c, &err);
        return false;
    }
    if (c.id != PH_CMD_APPEND && c.id != PH_CMD_REPLACE)
        return false;
    check_append(f, &c.append, false);
    tell(told, &c.append.place, c.append.messages, c.append.n);
    return c.append.place.content && c.append.n;
}

static bool at_next_head(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                         struct ph_append_place at, struct told *told)
{
    struct ph_append_head h;
    struct ph_err err = { 0 };

    if (ph_append_next_head(f, limits, arena, at, &h, &err))
        return false;
    check_messages(f, h.messages, h.n, false);
    for (size_t i = 0; i < h.n_rest; i++)
        check_part(f, &h.rest[i]);
    CHECK(h.n ? !h.messages[h.n - 1].announced : h.n_rest && !h.rest[h.n_rest - 1].announced);
    tell(told, &h.place, h.messages, h.n);
    return h.place.content;
}

/* False: the session is over. Streams content of messages only, as a server does. */
static bool at_literal(struct ph_framer *f, struct ph_buf *in, const struct ph_args_limits *limits,
                       struct ph_arena *arena, unsigned stream_from, struct told *told)
{
    struct told now = { 0 };
    struct ph_err err = { 0 };
    bool stream = f->n_streamed ? at_next_head(f, limits, arena, told[f->n_streamed - 1].place, &now)
                                : at_first_head(f, limits, arena, &now) && f->literal_size >= stream_from;

    if (stream && f->n_streamed < STREAMS)
        told[f->n_streamed] = now;
    return (stream ? ph_framer_stream(f, in, &err) : ph_framer_collect(f, &err)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ph_frame_limits frame_limits = { 20000, 20000, STREAMS };
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_arena arena;
    struct ph_err err;
    bool going = size > 2;
    static const struct ph_command_row more[] = {
        { "XSHAPE", PH_CMD_APPLICATION, PH_STATE_ANY, PH_UID_MAY, NULL,
          "atom [set number number64 [flags [mailbox pattern string nstring any...]]]" },
        { NULL },
    };
    const struct ph_args_limits limits = { 20, 3000, 300, going && (data[0] & 1), more };
    struct told told[STREAMS];

    ph_framer_init(&f, &frame_limits);
    f.commands = true;
    ph_arena_init(&arena, 64 << 20);
    for (size_t pos = 2; going;) {
        size_t n;
        struct ph_command c;
        switch (ph_framer_next(&f, &in, &err)) {
        case PH_FRAME_MORE:
            n = size - pos < data[0] + 1u ? size - pos : data[0] + 1u;
            going = n != 0;
            CHECK(ph_buf_add(&in, data + pos, n) == 0);
            pos += n;
            break;
        case PH_FRAME_LITERAL:
            going = at_literal(&f, &in, &limits, &arena, data[1], told);
            break;
        case PH_FRAME_STREAM:
            n = ph_buf_len(&in) < f.literal_left ? ph_buf_len(&in) : (size_t)f.literal_left;
            CHECK(n != 0);
            ph_framer_streamed(&f, &in, n);
            break;
        case PH_FRAME_DONE:
            if (ph_command_parse(&f, &limits, &arena, &c, &err) == 0) {
                check_command(&f, &c);
                if (f.n_streamed)
                    check_as_told(&f, &c.append, told);
            } else {
                check_bad(&c, &err);
            }
            ph_framer_release(&f, &in);
            ph_arena_reset(&arena);
            break;
        case PH_FRAME_ERROR:
            going = false;
            break;
        }
    }
    ph_framer_done(&f);
    ph_arena_done(&arena);
    ph_buf_done(&in);
    return 0;
}
