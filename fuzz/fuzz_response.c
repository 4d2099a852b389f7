/* What a hostile server can send: bytes → framer → response parser.
 *
 * The first octet is how many octets come at a time, the second from which size on literals of bodies are streamed. Checked
 * beyond memory: the frames do not depend on how the bytes were cut up, number sets are in order, texts for people are printable,
 * and parsing ends with an error only at a limit.
 */
#include <stdlib.h>

#include "wire/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

static uint64_t mix(uint64_t h, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 0x100000001b3;
    return h;
}

static uint64_t touched;

static void touch(struct ph_str s)
{
    touched = mix(touched, s.p, s.n);
}

static void touch_words(const struct ph_words *w)
{
    for (size_t i = 0; i < w->n; i++)
        touch(w->w[i]);
}

static void touch_value(const struct ph_value *v)
{
    touch(v->text);
    CHECK(v->type == PH_V_LIST || v->n == 0);
    for (size_t i = 0; i < v->n; i++)
        touch_value(&v->items[i]);
}

static void touch_fetch(const struct ph_framer *f, const struct ph_fetch *x)
{
    touch_words(&x->flags);
    touch_words(&x->gm_labels);
    touch(x->emailid);
    touch(x->threadid);
    CHECK(!x->has_uid || x->uid);
    CHECK(!x->has_modseq || (x->modseq && x->modseq <= INT64_MAX));
    for (size_t i = 0; i < x->n_bodies; i++) {
        touch(x->bodies[i].section);
        touch(x->bodies[i].text);
        CHECK(x->bodies[i].stream < (int)f->n_streamed);
        CHECK(x->bodies[i].nil == (x->bodies[i].text.p == NULL));
    }
    for (size_t i = 0; i < x->n_others; i++) {
        touch(x->others[i].name);
        touch_value(&x->others[i].value);
    }
    if (x->envelope)
        touch_value(x->envelope);
    if (x->bodystructure)
        touch_value(x->bodystructure);
}

static void touch_spaces(const struct ph_namespace *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        touch(n[i].prefix);
}

static void touch_resp(const struct ph_framer *f, const struct ph_resp *r)
{
    const struct ph_str slices[] = {
        r->tag, r->word, r->text, r->code.atom, r->code.args, r->code.set1, r->code.set2, r->list.name, r->list.oldname,
        r->mstatus.name, r->mstatus.mailboxid, r->esearch.tag, r->esearch.all,
    };

    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
        touch(slices[i]);
    touch_words(&r->code.words);
    touch_words(&r->words);
    touch_words(&r->list.attr_words);
    touch_fetch(f, &r->fetch);
    touch_spaces(r->ns.personal, r->ns.n_personal);
    touch_spaces(r->ns.other, r->ns.n_other);
    touch_spaces(r->ns.shared, r->ns.n_shared);
    for (size_t i = 0; i < r->n_numbers; i++)
        CHECK(r->numbers[i]);
    for (size_t i = 0; i < r->set.n; i++) {
        CHECK(r->set.r[i].first && r->set.r[i].first <= r->set.r[i].last);
        CHECK(i == 0 || r->set.r[i].first > (uint64_t)r->set.r[i - 1].last + 1);
    }
}

static void check_error(const struct ph_err *err, bool limit_only)
{
    CHECK(err->kind == PH_E_LIMIT || (!limit_only && err->kind == PH_E_PROTOCOL));
    CHECK(err->scope == PH_SCOPE_SESSION);
    for (const char *p = err->text; *p; p++)
        CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void parse(const struct ph_framer *f, struct ph_arena *arena)
{
    const struct ph_resp_limits limits = { 30, 1000, 5000 };
    struct ph_resp r;
    struct ph_err err;

    if (ph_resp_parse(f, &limits, arena, &r, &err)) {
        check_error(&err, true);
        CHECK(r.kind == PH_RESP_UNKNOWN && r.set.n == 0);
    }
    touch_resp(f, &r);
    ph_resp_done(&r);
}

/* False: the session is over. */
static bool at_literal(struct ph_framer *f, struct ph_buf *in, unsigned stream_from)
{
    struct ph_err err;
    uint32_t seq, uid;
    bool whole;

    touch(f->head);
    bool body = ph_resp_body_literal(f->head, &seq, &uid, &whole);
    CHECK(!body || seq);
    if ((body && f->literal_size >= stream_from ? ph_framer_stream(f, in, &err) : ph_framer_collect(f, &err)) == 0)
        return true;
    check_error(&err, true);
    return false;
}

/* The whole conversation in steps; a digest of all frames. */
static uint64_t run(const uint8_t *data, size_t size, size_t step, unsigned stream_from, bool with_parser)
{
    const struct ph_frame_limits limits = { 20000, 20000, 8 };
    struct ph_framer f;
    struct ph_buf in = PH_BUF_INIT;
    struct ph_arena arena;
    struct ph_err err;
    uint64_t digest = 0xcbf29ce484222325;
    bool going = true;

    ph_framer_init(&f, &limits);
    ph_arena_init(&arena, 64 << 20);
    for (size_t at = 0; going;) {
        size_t n;
        switch (ph_framer_next(&f, &in, &err)) {
        case PH_FRAME_MORE:
            n = size - at < step ? size - at : step;
            going = n != 0;
            CHECK(ph_buf_add(&in, data + at, n) == 0);
            at += n;
            break;
        case PH_FRAME_LITERAL:
            going = at_literal(&f, &in, stream_from);
            break;
        case PH_FRAME_STREAM:
            n = ph_buf_len(&in) < f.literal_left ? ph_buf_len(&in) : (size_t)f.literal_left;
            CHECK(n != 0);
            ph_framer_streamed(&f, &in, n);
            break;
        case PH_FRAME_DONE:
            digest = mix(digest, f.frame.p, f.frame.n) * 31 + f.n_streamed;
            if (with_parser)
                parse(&f, &arena);
            ph_framer_release(&f, &in);
            ph_arena_reset(&arena);
            break;
        case PH_FRAME_ERROR:
            check_error(&err, false);
            digest = digest * 31 + (uint64_t)err.kind;
            going = false;
            break;
        }
    }
    ph_framer_done(&f);
    ph_arena_done(&arena);
    ph_buf_done(&in);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t step = data[0] + 1u;
    uint64_t pieces = run(data + 2, size - 2, step, data[1], true);
    uint64_t whole = run(data + 2, size - 2, size, data[1], false);
    CHECK(pieces == whole);
    return 0;
}
