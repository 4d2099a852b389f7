/* What a hostile client can send: bytes → framer → command parser.
 *
 * The first octet is how many octets come at a time, and its last bit whether blanks are read loosely; the second from which
 * size on literals of APPEND are streamed. Checked
 * beyond memory: the text of each BAD can stand in one, a command that was taken has a tag and a name, sets that were taken can be
 * used, and what was said at the head of a message's literal is what the whole command says.
 */
#include <stdlib.h>

#include "wire/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

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

static void check_append(const struct ph_framer *f, const struct ph_cmd_append *a, bool whole)
{
    touch(a->mailbox);
    CHECK(!whole || a->n);
    for (size_t i = 0; i < a->n; i++) {
        touch_words(&a->messages[i].flags);
        touch(a->messages[i].text);
        CHECK(a->messages[i].stream < (int)f->n_streamed);
        CHECK(a->messages[i].announced || (!whole && i + 1 == a->n));
    }
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
        touch(c->search.charset);
        touch(c->search.algorithm);
        check_key(&c->search.key);
        break;
    case PH_CMD_APPEND:
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

/* False: the session is over. Streams messages of APPEND only, as a server does. */
static bool at_literal(struct ph_framer *f, struct ph_buf *in, const struct ph_args_limits *limits,
                       struct ph_arena *arena, unsigned stream_from)
{
    struct ph_command c;
    struct ph_append_head h;
    struct ph_err err = { 0 };
    bool stream = false;

    if (f->n_streamed) {
        stream = ph_append_next_head(f, limits, arena, (struct ph_append_place){ .content = true }, &h, &err) == 0;
        CHECK(!stream || !h.messages[h.n - 1].announced);
    } else if (ph_command_parse_head(f, limits, arena, &c, &err) == 0) {
        stream = c.id == PH_CMD_APPEND && c.append.n && f->literal_size >= stream_from;
        if (c.id == PH_CMD_APPEND)
            check_append(f, &c.append, false);
    } else {
        check_bad(&c, &err);
    }
    return (stream ? ph_framer_stream(f, in, &err) : ph_framer_collect(f, &err)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ph_frame_limits frame_limits = { 20000, 20000, 30 };
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_arena arena;
    struct ph_err err;
    bool going = size > 2;
    const struct ph_args_limits limits = { 20, 3000, 300, going && (data[0] & 1) };

    ph_framer_init(&f, &frame_limits);
    f.commands = true;
    ph_arena_init(&arena, 64 << 20);
    for (size_t at = 2; going;) {
        size_t n;
        struct ph_command c;
        switch (ph_framer_next(&f, &in, &err)) {
        case PH_FRAME_MORE:
            n = size - at < data[0] + 1u ? size - at : data[0] + 1u;
            going = n != 0;
            CHECK(ph_buf_add(&in, data + at, n) == 0);
            at += n;
            break;
        case PH_FRAME_LITERAL:
            going = at_literal(&f, &in, &limits, &arena, data[1]);
            break;
        case PH_FRAME_STREAM:
            n = ph_buf_len(&in) < f.literal_left ? ph_buf_len(&in) : (size_t)f.literal_left;
            CHECK(n != 0);
            ph_framer_streamed(&f, &in, n);
            break;
        case PH_FRAME_DONE:
            if (ph_command_parse(&f, &limits, &arena, &c, &err) == 0)
                check_command(&f, &c);
            else
                check_bad(&c, &err);
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
