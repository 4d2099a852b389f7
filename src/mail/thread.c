#include "mail/thread.h"

#include <stdlib.h>
#include <string.h>

#include "mail/subject.h"
#include "mail/thread_links.h"

struct message {
    int64_t date;
    uint64_t subject; /* hash; 0: empty */
    uint32_t number, node;
    bool reply;
};

/* An item is a message (by its index), or behind them a dummy. */
struct item {
    uint32_t parent, child, next;
    uint32_t first; /* the message whose date and subject stand for it */
};

struct ph_thread {
    enum ph_thread_by by;
    struct ph_hash_key key;
    struct message *messages;
    uint32_t n, cap;
    struct thread_links links;
    struct ph_buf text, id;
    /* after finish */
    struct item *items;
    uint32_t n_items, cap_items;
    uint32_t *order; /* messages by date */
    uint32_t *roots; /* items */
    uint32_t n_roots;
};

struct ph_thread *ph_thread_new(enum ph_thread_by by, const struct ph_hash_key *key, struct ph_err *err)
{
    struct ph_thread *t = calloc(1, sizeof *t);

    if (!t) {
        ph_fail_memory(err);
        return NULL;
    }
    t->by = by;
    t->key = *key;
    return t;
}

void ph_thread_free(struct ph_thread *t)
{
    if (!t)
        return;
    free(t->messages);
    thread_links_done(&t->links);
    ph_buf_done(&t->text);
    ph_buf_done(&t->id);
    free(t->items);
    free(t->order);
    free(t->roots);
    free(t);
}

/* ---- message ids ---- */

/* Behind `<`: the id up to `>`, without quoting, comments and white space. s is behind what was looked at. */
static bool take_id(struct ph_str *s, struct ph_buf *out)
{
    bool quoted = false, at = false;
    size_t depth = 0, i = 0;

    ph_buf_clear(out);
    for (; i < s->n; i++) {
        char c = s->p[i];
        if (c == '\\' && (quoted || depth) && i + 1 < s->n) {
            c = s->p[++i];
            if (!depth)
                ph_buf_add_char(out, c);
        } else if (c == '"' && !depth) {
            quoted = !quoted;
        } else if (quoted) {
            ph_buf_add_char(out, c);
        } else if (c == '(' || (c == ')' && depth)) {
            depth = c == '(' ? depth + 1 : depth - 1;
        } else if (depth || (unsigned char)c <= ' ') {
            continue;
        } else if (c == '<' || c == '>') {
            break;
        } else {
            at |= c == '@';
            ph_buf_add_char(out, c);
        }
    }
    struct ph_str id = ph_buf_str(out);
    bool good = at && i < s->n && s->p[i] == '>' && id.p[0] != '@' && id.p[id.n - 1] != '@';
    *s = (struct ph_str){ s->p + i, s->n - i };
    return good;
}

int ph_msgid_next(struct ph_str *rest, struct ph_buf *out)
{
    const char *lt;

    while (rest->n && (lt = memchr(rest->p, '<', rest->n))) {
        rest->n -= (size_t)(lt - rest->p) + 1;
        rest->p = lt + 1;
        bool found = take_id(rest, out);
        if (out->failed)
            return -1;
        if (found)
            return 1;
    }
    rest->n = 0;
    return 0;
}

static int next_node(struct ph_thread *t, struct ph_str *rest, uint32_t *node, struct ph_err *err)
{
    int r = ph_msgid_next(rest, &t->id);

    if (r < 0)
        return ph_fail_memory(err);
    if (r == 0)
        return 0;
    *node = thread_links_id(&t->links, ph_siphash(&t->key, ph_buf_data(&t->id), ph_buf_len(&t->id)), err);
    return *node == THREAD_NONE ? -1 : 1;
}

/* ---- step 1 ---- */

/* The node of a message: that of its id, unless it has none or an earlier message has it. */
static int own_node(struct ph_thread *t, const struct ph_thread_message *m, uint32_t *node, struct ph_err *err)
{
    struct ph_str rest = m->message_id;
    int r = next_node(t, &rest, node, err);

    if (r < 0)
        return -1;
    if (r == 0 || t->links.nodes[*node].message != THREAD_NONE)
        *node = thread_links_add(&t->links, err);
    if (*node == THREAD_NONE)
        return -1;
    t->links.nodes[*node].message = t->n;
    return 0;
}

static int link_references(struct ph_thread *t, const struct ph_thread_message *m, uint32_t own, struct ph_err *err)
{
    struct ph_str rest = m->references;
    uint32_t last = THREAD_NONE, node = THREAD_NONE;
    int r;

    while ((r = next_node(t, &rest, &node, err)) > 0) {
        if (last != THREAD_NONE)
            thread_links_link(&t->links, last, node); /* (A) */
        last = node;
    }
    if (r == 0 && last == THREAD_NONE) {
        rest = m->in_reply_to;
        r = next_node(t, &rest, &last, err);
    }
    if (r < 0)
        return -1;
    thread_links_cut(&t->links, own); /* (B) */
    if (last != THREAD_NONE)
        thread_links_link(&t->links, last, own);
    return 0;
}

static int take_subject(struct ph_thread *t, struct ph_str raw, struct message *to, struct ph_err *err)
{
    ph_buf_clear(&t->text);
    ph_buf_clear(&t->id);
    if (ph_subject_base(raw, &t->text, &to->reply) || ph_casemap(ph_buf_str(&t->text), &t->id))
        return ph_fail_memory(err);
    struct ph_str mapped = ph_buf_str(&t->id);
    to->subject = mapped.n ? ph_siphash(&t->key, mapped.p, mapped.n) : 0;
    to->subject += mapped.n && !to->subject;
    return 0;
}

int ph_thread_add(struct ph_thread *t, const struct ph_thread_message *m, struct ph_err *err)
{
    if (t->n == t->cap) {
        uint32_t cap = t->cap ? 2 * t->cap : 64;
        struct message *messages = t->cap > UINT32_MAX / 4 ? NULL : realloc(t->messages, cap * sizeof *messages);
        if (!messages)
            return ph_fail_memory(err);
        t->messages = messages;
        t->cap = cap;
    }
    struct message *to = &t->messages[t->n];
    *to = (struct message){ .date = m->date, .number = m->number };
    if (take_subject(t, m->subject, to, err))
        return -1;
    if (t->by == PH_THREAD_REFERENCES && (own_node(t, m, &to->node, err) || link_references(t, m, to->node, err)))
        return -1;
    t->n++;
    return 0;
}

/* ---- items ---- */

static bool before(const struct ph_thread *t, uint32_t a, uint32_t b)
{
    const struct message *x = &t->messages[a], *y = &t->messages[b];

    return x->date != y->date ? x->date < y->date : a < b;
}

static int by_date(const void *va, const void *vb, void *ctx)
{
    uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;

    return a == b ? 0 : before(ctx, a, b) ? -1 : 1;
}

static int by_first(const void *va, const void *vb, void *ctx)
{
    const struct ph_thread *t = ctx;
    uint32_t a = t->items[*(const uint32_t *)va].first, b = t->items[*(const uint32_t *)vb].first;

    return a == b ? 0 : before(t, a, b) ? -1 : 1;
}

static bool is_dummy(const struct ph_thread *t, uint32_t item)
{
    return item >= t->n;
}

static uint32_t add_dummy(struct ph_thread *t, struct ph_err *err)
{
    if (t->n_items == t->cap_items) {
        uint32_t cap = t->cap_items + t->cap_items / 2 + 64;
        struct item *items = cap < t->cap_items ? NULL : realloc(t->items, cap * sizeof *items);
        if (!items) {
            ph_fail_memory(err);
            return THREAD_NONE;
        }
        t->items = items;
        t->cap_items = cap;
    }
    t->items[t->n_items] = (struct item){ THREAD_NONE, THREAD_NONE, THREAD_NONE, THREAD_NONE };
    return t->n_items++;
}

/* Steps 4 and 6 at once: all children below their parents by date, then the roots. Dummies are roots only. */
static int sort_all(struct ph_thread *t, struct ph_err *err)
{
    uint32_t *roots = realloc(t->roots, ((size_t)t->n_items + 1) * sizeof *roots);

    if (!roots)
        return ph_fail_memory(err);
    t->roots = roots;
    t->n_roots = 0;
    for (uint32_t i = 0; i < t->n_items; i++)
        t->items[i].child = t->items[i].next = THREAD_NONE;
    for (uint32_t k = t->n; k-- > 0;) {
        uint32_t i = t->order[k], parent = t->items[i].parent;
        t->items[i].first = i;
        if (parent == THREAD_NONE) {
            roots[t->n_roots++] = i;
            continue;
        }
        t->items[i].next = t->items[parent].child;
        t->items[parent].child = i;
    }
    for (uint32_t i = t->n; i < t->n_items; i++)
        if (t->items[i].child != THREAD_NONE) { /* else it is gone */
            t->items[i].first = t->items[i].child;
            roots[t->n_roots++] = i;
        }
    qsort_r(roots, t->n_roots, sizeof *roots, by_first, t);
    return 0;
}

/* ---- steps 2 and 3 ---- */

/* The real message above a dummy, or the dummy at the top, for each dummy of a path: kept in `left`, which has no other use now. */
static uint32_t above(struct thread_node *nodes, uint32_t dummy)
{
    uint32_t end = dummy, found;

    while (nodes[end].message == THREAD_NONE && nodes[end].left == THREAD_NONE && nodes[end].parent != THREAD_NONE)
        end = nodes[end].parent;
    found = nodes[end].message == THREAD_NONE && nodes[end].left != THREAD_NONE ? nodes[end].left : end;
    while (dummy != end) {
        nodes[dummy].left = found;
        dummy = nodes[dummy].parent;
    }
    if (nodes[end].message == THREAD_NONE)
        nodes[end].left = found;
    return found;
}

static int prune(struct ph_thread *t, struct ph_err *err)
{
    struct thread_node *nodes = t->links.nodes;

    /* the forest is done, its links are free: `right` counts a top dummy's children, `up` is its item */
    for (uint32_t i = 0; i < t->links.n; i++) {
        nodes[i].left = nodes[i].up = THREAD_NONE;
        nodes[i].right = 0;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t p = nodes[t->messages[i].node].parent;
        if (p != THREAD_NONE && nodes[p].message == THREAD_NONE)
            p = above(nodes, p);
        if (p != THREAD_NONE && nodes[p].message == THREAD_NONE)
            nodes[p].right++;
        nodes[t->messages[i].node].up = p; /* of a message: the node that it is below */
    }
    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t p = nodes[t->messages[i].node].up;
        if (p == THREAD_NONE)
            continue;
        if (nodes[p].message != THREAD_NONE) {
            t->items[i].parent = nodes[p].message;
        } else if (nodes[p].right > 1) { /* an only child is a root itself */
            if (nodes[p].up == THREAD_NONE && (nodes[p].up = add_dummy(t, err)) == THREAD_NONE)
                return -1;
            t->items[i].parent = nodes[p].up;
        }
    }
    return 0;
}

/* ---- step 5 ---- */

static uint64_t subject_of(const struct ph_thread *t, uint32_t item)
{
    return t->messages[t->items[item].first].subject;
}

static int fill_subjects(struct ph_thread *t, struct thread_table *table, struct ph_err *err)
{
    for (uint32_t k = 0; k < t->n_roots; k++) {
        uint32_t cur = t->roots[k];
        if (!subject_of(t, cur))
            continue;
        uint32_t *at = thread_table_at(table, subject_of(t, cur));
        if (!at)
            return ph_fail_memory(err);
        if (*at == THREAD_NONE ||
            (!is_dummy(t, *at) && (is_dummy(t, cur) || (t->messages[*at].reply && !t->messages[cur].reply))))
            *at = cur;
    }
    return 0;
}

static int merge(struct ph_thread *t, uint32_t cur, uint32_t *with, struct ph_err *err)
{
    uint32_t other = *with;

    if (is_dummy(t, cur)) { /* then the other is one, too */
        for (uint32_t c = t->items[cur].child; c != THREAD_NONE; c = t->items[c].next)
            t->items[c].parent = other;
    } else if (is_dummy(t, other) || (t->messages[cur].reply && !t->messages[other].reply)) {
        t->items[cur].parent = other;
    } else {
        uint32_t dummy = add_dummy(t, err);
        if (dummy == THREAD_NONE)
            return -1;
        t->items[cur].parent = t->items[other].parent = dummy;
        *with = dummy;
    }
    return 0;
}

static int gather_subjects(struct ph_thread *t, struct ph_err *err)
{
    struct thread_table table = { 0 };
    int r = fill_subjects(t, &table, err);

    for (uint32_t k = 0; k < t->n_roots && r == 0; k++) {
        uint32_t cur = t->roots[k];
        if (!subject_of(t, cur) || t->items[cur].parent != THREAD_NONE)
            continue;
        uint32_t *at = thread_table_at(&table, subject_of(t, cur));
        if (*at != cur)
            r = merge(t, cur, at, err);
    }
    thread_table_done(&table);
    return r;
}

/* ---- ORDEREDSUBJECT ---- */

static int group_subjects(struct ph_thread *t, struct ph_err *err)
{
    struct thread_table table = { 0 };

    for (uint32_t k = 0; k < t->n; k++) {
        uint32_t i = t->order[k], *at = thread_table_at(&table, t->messages[i].subject);
        if (!at) {
            thread_table_done(&table);
            return ph_fail_memory(err);
        }
        if (*at == THREAD_NONE)
            *at = i;
        else
            t->items[i].parent = *at;
    }
    thread_table_done(&table);
    return 0;
}

int ph_thread_finish(struct ph_thread *t, struct ph_err *err)
{
    t->order = malloc(((size_t)t->n + 1) * sizeof *t->order);
    t->items = malloc(((size_t)t->n + 1) * sizeof *t->items);
    if (!t->order || !t->items)
        return ph_fail_memory(err);
    t->n_items = t->cap_items = t->n;
    for (uint32_t i = 0; i < t->n; i++) {
        t->order[i] = i;
        t->items[i] = (struct item){ THREAD_NONE, THREAD_NONE, THREAD_NONE, i };
    }
    qsort_r(t->order, t->n, sizeof *t->order, by_date, t);
    if (t->by == PH_THREAD_ORDEREDSUBJECT)
        return group_subjects(t, err) ? -1 : sort_all(t, err);
    int r = prune(t, err);
    thread_links_done(&t->links);
    return r || sort_all(t, err) || gather_subjects(t, err) || sort_all(t, err) ? -1 : 0;
}

/* ---- the answer ---- */

static bool several(const struct ph_thread *t, uint32_t item)
{
    uint32_t child = t->items[item].child;

    return child != THREAD_NONE && t->items[child].next != THREAD_NONE;
}

static void write_thread(const struct ph_thread *t, uint32_t root, struct ph_writer *w)
{
    uint32_t at = root;

    ph_write_char(w, '(');
    for (;;) {
        uint32_t child = t->items[at].child;
        if (!is_dummy(t, at)) {
            ph_write_u64(w, t->messages[at].number);
            if (child != THREAD_NONE)
                ph_write_char(w, ' ');
        }
        if (child != THREAD_NONE) {
            if (several(t, at))
                ph_write_char(w, '(');
            at = child;
            continue;
        }
        while (at != root) { /* those that end with it */
            if (several(t, t->items[at].parent))
                ph_write_char(w, ')');
            if (t->items[at].next != THREAD_NONE)
                break;
            at = t->items[at].parent;
        }
        if (at == root)
            break;
        ph_write_char(w, '(');
        at = t->items[at].next;
    }
    ph_write_char(w, ')');
}

void ph_thread_write(const struct ph_thread *t, struct ph_writer *w)
{
    for (uint32_t k = 0; k < t->n_roots; k++)
        write_thread(t, t->roots[k], w);
}
