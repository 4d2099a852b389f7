#include "mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void read_message(struct box *b, char *text)
{
    struct ph_row *r = ph_snapshot_add(&b->snap);
    struct box_message *m = &b->m[b->n++];
    char *p;

    assert_non_null(r);
    assert_true(b->n < BOX_MAX);
    r->uid = m->uid = (uint32_t)strtoul(text, &p, 10);
    r->key = m->key = *p == '-' ? 0 : 0x1000000000000000u + (unsigned char)*p;
    r->has_key = 1;
    r->size = 100;
    assert_true(p[1] == '/');
    m->bytes = p[2];
    for (p += 3; *p;) {
        struct ph_str word;
        switch (*p++) {
        case '+':
            r->flags |= *p == 'S' ? PH_F_SEEN : *p == 'D' ? PH_F_DELETED : PH_F_RECENT;
            p++;
            break;
        case '#':
            r->size = strtoull(p, &p, 10);
            break;
        case '@':
            r->epoch = (int64_t)strtoull(p, &p, 10);
            r->has_date = 1;
            break;
        case '=':
            word = ph_str(p);
            p += word.n;
            r->kwset = (uint32_t)ph_snapshot_kwset(&b->snap, &word, 1) & 0xffffff;
            break;
        default:
            fail_msg("%s", text);
        }
    }
}

void box_init(struct box *b, const char *text)
{
    char *copy = strdup(text), *save;

    ph_snapshot_init(&b->snap);
    b->n = 0;
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
        read_message(b, t);
    free(copy);
    b->snap.complete = true;
    b->snap.exists = (uint32_t)b->n;
}

void box_done(struct box *b)
{
    ph_snapshot_done(&b->snap);
}

void ledger_init(struct box_ledger *l, const char *text, const struct box *src)
{
    char *copy = strdup(text), *save;

    memset(l, 0, sizeof *l);
    for (char *t = strtok_r(copy, " ", &save), *p; t; t = strtok_r(NULL, " ", &save)) {
        struct ph_ledger_row *row = &l->row[l->n++];
        assert_true(l->n < BOX_MAX);
        row->src_uid = (uint32_t)strtoul(t, &p, 10);
        assert_true(*p == '>');
        row->dst_uid = (uint32_t)strtoul(p + 1, &p, 10);
        row->flags_hash = ph_flags_hash(0, "");
        for (size_t i = 0; i < src->snap.n; i++) {
            struct ph_row *r = ph_snapshot_row(&src->snap, i);
            if (r->uid == row->src_uid)
                row->flags_hash = ph_flags_hash(r->flags, ph_snapshot_keywords(&src->snap, r));
        }
        for (; *p; p++) {
            if (*p == '!')
                row->state = PH_LR_REFUSED;
            else if (*p == 'm')
                row->state = PH_LR_MERGED;
            else if (*p == '~')
                row->flags_hash ^= 2;
            else if (*p == '?')
                row->flags_hash = 0;
            else
                fail_msg("%s", t);
        }
    }
    free(copy);
}

int ledger_next(void *ctx, struct ph_ledger_row *out, struct ph_err *err)
{
    struct box_ledger *l = ctx;

    if (l->fail)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "planted");
    if (l->at == l->n)
        return 0;
    *out = l->row[l->at++];
    return 1;
}

int ledger_rewind(void *ctx, struct ph_err *err)
{
    struct box_ledger *l = ctx;

    l->at = 0;
    l->rewinds++;
    return 0;
}

static void add_set(struct ph_buf *out, const char *name, const struct ph_numset *set)
{
    if (ph_numset_empty(set))
        return;
    ph_buf_add_z(out, ph_buf_len(out) ? "; " : "");
    ph_buf_add_z(out, name);
    ph_buf_add_char(out, ' ');
    ph_numset_format(set, out);
}

char *plan_text(const struct ph_steps *s)
{
    static const char *const reasons[PH_SKIP_REASONS] = {
        [PH_SKIP_KNOWN] = "known", [PH_SKIP_REFUSED] = "refused", [PH_SKIP_TOO_BIG] = "big",
        [PH_SKIP_APPEND_LIMIT] = "limit", [PH_SKIP_EMPTY] = "empty", [PH_SKIP_DUPLICATE] = "duplicate",
        [PH_SKIP_DELETED] = "deleted", [PH_SKIP_UNSEEN] = "unseen", [PH_SKIP_SEEN] = "seen", [PH_SKIP_EXISTS] = "exists",
        [PH_SKIP_FILTERED] = "filtered",
    };
    struct ph_buf out = PH_BUF_INIT;

    add_set(&out, "copy", &s->copy);
    for (size_t i = 0; i < s->n_adopt; i++) {
        ph_buf_add_z(&out, i ? " " : ph_buf_len(&out) ? "; adopt " : "adopt ");
        ph_buf_add_u64(&out, s->adopt[i].src_uid);
        ph_buf_add_char(&out, '>');
        ph_buf_add_u64(&out, s->adopt[i].dst_uid);
    }
    for (size_t i = 0; i < s->n_flags; i++) {
        ph_buf_add_z(&out, i ? " " : ph_buf_len(&out) ? "; flags " : "flags ");
        ph_buf_add_u64(&out, s->flags[i].src_uid);
        ph_buf_add_char(&out, '>');
        ph_buf_add_u64(&out, s->flags[i].dst_uid);
    }
    add_set(&out, "gone", &s->gone);
    add_set(&out, "expunge", &s->expunge);
    for (int i = 0; i < PH_SKIP_REASONS; i++)
        add_set(&out, reasons[i], &s->skipped[i]);
    if (!ph_numset_empty(&s->need_hash_src) || !ph_numset_empty(&s->need_hash_dst)) {
        ph_buf_add_z(&out, ph_buf_len(&out) ? "; need " : "need ");
        ph_numset_format(&s->need_hash_src, &out);
        ph_buf_add_char(&out, '/');
        ph_numset_format(&s->need_hash_dst, &out);
    }
    char *text = strdup(ph_buf_z(&out));
    ph_buf_done(&out);
    return text;
}

static size_t read_side(const struct ph_numset *need, const struct box *b, bool dst, struct ph_known_hash *h)
{
    size_t n = 0;

    for (size_t i = 0; b && i < b->n; i++) {
        if (!ph_numset_contains(need, b->m[i].uid) || b->m[i].bytes == '?')
            continue;
        h[n].uid = b->m[i].uid;
        h[n].dst = dst;
        memset(h[n].sha256, b->m[i].bytes, sizeof h[n].sha256);
        n++;
    }
    return n;
}

struct ph_known_hash *plan_read(const struct ph_steps *s, const struct box *src, const struct box *dst, size_t *n)
{
    struct ph_known_hash *h = calloc(2 * BOX_MAX, sizeof *h);

    /* destination first, and backwards order does not matter: any order is allowed */
    *n = read_side(&s->need_hash_dst, dst, true, h);
    *n += read_side(&s->need_hash_src, src, false, h + *n);
    return h;
}
