/* reader.c: opening messages and lending their octets. */
#include "server/reader.h"

#include <string.h>

#define ASK 64          /* messages that are asked of a store at once; always between one and two of these are under way */
#define LEND 65536
#define HEADER 8192 /* octets that have nearly every header */

static const struct ph_serve_ops nothing = { 0 };

void reader_init(struct reader *r, struct ph_session *store, const char *folder, uint32_t uidvalidity)
{
    *r = (struct reader){ .store = store, .folder = folder, .uidvalidity = uidvalidity,
                          .serve = store->ops->serve ? store->ops->serve : &nothing };
    ph_structure_init(&r->structure);
}

void reader_done(struct reader *r)
{
    struct ph_numset none = PH_NUMSET_INIT;

    ph_numset_done(&r->todo);
    r->todo = none;
    reader_finish(r, NULL);
    ph_structure_done(&r->structure);
    ph_buf_done(&r->prefix);
    ph_buf_done(&r->preview);
    *r = (struct reader){ 0 };
}

/* An error of the store's: does its session live on? */
static int failed(struct reader *r, struct ph_err *err, const struct ph_err *why)
{
    r->broken = r->broken || why->scope >= PH_SCOPE_SESSION;
    r->how = READER_CLOSED;
    if (err)
        *err = *why;
    return -1;
}

static void opened(struct reader *r, uint32_t uid, uint64_t size, int how)
{
    if (uid != r->uid || r->structure.size != size)
        r->has_structure = r->has_preview = false;
    r->uid = uid;
    r->size = size;
    r->how = how;
    r->piece = NULL;
    r->n_piece = 0;
    r->piece_at = r->at = 0;
    r->has_header_end = false;
    ph_buf_clear(&r->prefix);
}

/* ---- many ---- */

static int ask(struct reader *r, struct ph_err *err)
{
    struct ph_numset some = PH_NUMSET_INIT;
    struct ph_err why = { 0 };
    uint32_t first = ph_numset_next(&r->todo, 0), last = 0;
    unsigned n = 0;
    int rc;

    for (uint32_t uid = first; uid && n < ASK; uid = ph_numset_next(&r->todo, uid), n++) {
        last = uid;
        if (ph_numset_add(&some, uid))
            goto memory;
    }
    if (ph_numset_remove_range(&r->todo, first, last))
        goto memory;
    rc = r->store->ops->bodies_add(r->store, r->folder, r->uidvalidity, &some, r->sizes, &why);
    ph_numset_done(&some);
    if (rc)
        return failed(r, err, &why);
    r->waiting += n;
    r->busy = true;
    return 0;
memory:
    ph_numset_done(&some);
    return ph_fail_memory(err);
}

int reader_add(struct reader *r, const struct ph_numset *uids, const struct ph_snapshot *sizes, struct ph_err *err)
{
    r->sizes = sizes;
    r->how = READER_CLOSED;
    return ph_numset_add_set(&r->todo, uids) ? ph_fail_memory(err) : 0;
}

int reader_next(struct reader *r, struct ph_err *err)
{
    struct ph_body body;
    struct ph_err why = { 0 };

    while (r->waiting < ASK && !ph_numset_empty(&r->todo))
        if (ask(r, err))
            return -1;
    int rc = r->busy ? r->store->ops->bodies_next(r->store, &body, &why) : 0;
    if (rc < 0)
        return failed(r, err, &why);
    if (rc == 0) { /* only now the last one is out of the way, too */
        r->waiting = 0;
        r->busy = false;
        r->how = READER_CLOSED;
        return 0;
    }
    r->waiting -= r->waiting != 0;
    opened(r, body.uid, body.size, READER_PIPED);
    r->missing = body.missing;
    r->why = body.err;
    return 1;
}

int reader_finish(struct reader *r, struct ph_err *err)
{
    int rc = 0;

    while (!r->broken && (r->busy || !ph_numset_empty(&r->todo)) && (rc = reader_next(r, err)) == 1)
        ;
    return rc;
}

/* ---- one ---- */

static int open_alone(struct reader *r, uint32_t uid, struct ph_err *err)
{
    struct ph_numset one = PH_NUMSET_INIT;
    struct ph_body body = { 0 };
    struct ph_err why = { 0 };
    int rc;

    while ((rc = r->store->ops->bodies_next(r->store, &body, &why)) == 1)
        ; /* what is left of the message before */
    if (rc == 0 && (ph_numset_add(&one, uid) ||
                    r->store->ops->bodies_add(r->store, r->folder, r->uidvalidity, &one, NULL, &why)))
        rc = -1;
    ph_numset_done(&one);
    if (rc < 0)
        return failed(r, err, &why);
    r->busy = true;
    rc = r->store->ops->bodies_next(r->store, &body, &why);
    if (rc == 0)
        ph_fail(&why, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "The message is gone");
    if (rc <= 0)
        return failed(r, err, &why);
    if (body.missing)
        return failed(r, err, &body.err);
    opened(r, uid, body.size, READER_ALONE);
    return 0;
}

int reader_open(struct reader *r, uint32_t uid, struct ph_err *err)
{
    struct ph_body body = { 0 };
    struct ph_err why = { 0 };

    r->missing = false;
    if (!reader_is_random(r))
        return open_alone(r, uid, err);
    if (r->serve->body_open(r->store, r->folder, r->uidvalidity, uid, &body, &why))
        return failed(r, err, &why);
    if (body.missing)
        return failed(r, err, &body.err);
    opened(r, uid, body.size, READER_RANDOM);
    return 0;
}

/* ---- octets ---- */

static int next_piece(struct reader *r, struct ph_err *err)
{
    struct ph_err why = { 0 };

    r->piece_at = r->at;
    r->n_piece = 0;
    if (r->store->ops->body_read(r->store, &r->piece, &r->n_piece, &why))
        return failed(r, err, &why);
    if (r->n_piece == 0)
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_CORRUPT, "The message is shorter than the store said");
    if (r->n_piece > r->size - r->at)
        r->n_piece = (size_t)(r->size - r->at);
    if (!r->keep_nothing && r->at == ph_buf_len(&r->prefix) && r->at < READER_PREFIX) {
        size_t room = READER_PREFIX - (size_t)r->at;
        if (ph_buf_add(&r->prefix, r->piece, r->n_piece < room ? r->n_piece : room))
            return ph_fail_memory(err);
    }
    r->at += r->n_piece;
    return 0;
}

static int lend(const char *from, uint64_t n, size_t want, const char **p, size_t *out)
{
    *p = from;
    *out = n < want ? (size_t)n : want;
    return 0;
}

int reader_at(struct reader *r, uint64_t offset, size_t want, const char **p, size_t *n, struct ph_err *err)
{
    struct ph_err why = { 0 };

    *p = "";
    *n = 0;
    if (offset >= r->size)
        return 0;
    if (r->how == READER_RANDOM) {
        if (want > r->size - offset)
            want = (size_t)(r->size - offset);
        if (r->serve->body_at(r->store, offset, want, p, n, &why))
            return failed(r, err, &why);
        if (*n > want)
            *n = want;
        return *n ? 0 : ph_fail(err, PH_SCOPE_SESSION, PH_E_CORRUPT, "The message is shorter than the store said");
    }
    size_t kept = ph_buf_len(&r->prefix);
    if (offset < kept)
        return lend(ph_buf_data(&r->prefix) + offset, kept - offset, want, p, n);
    if (offset < r->piece_at) {
        if (r->how != READER_ALONE)
            return ph_fail(err, PH_SCOPE_SESSION, PH_E_USAGE, "A message cannot be read backwards here");
        uint64_t size = r->size;
        if (reader_open(r, r->uid, err))
            return -1;
        if (r->size != size)
            return ph_fail(err, PH_SCOPE_SESSION, PH_E_CHANGED, "The message has another size now");
    }
    while (offset >= r->at)
        if (next_piece(r, err))
            return -1;
    return lend(r->piece + (offset - r->piece_at), r->at - offset, want, p, n);
}

/* ---- the header ---- */

/* Octets up to and with the first empty line; 0: it is not in here. *line: how the piece before ended (0 at the beginning). */
enum { LINE_NEW, LINE_CR, LINE_TEXT };
static size_t find_end(const char *p, size_t n, int *line)
{
    for (size_t i = 0; i < n;) {
        if (*line != LINE_TEXT) {
            if (p[i] == '\n')
                return i + 1;
            *line = p[i++] == '\r' && *line == LINE_NEW ? LINE_CR : LINE_TEXT;
            continue;
        }
        const char *nl = memchr(p + i, '\n', n - i);
        if (!nl)
            return 0;
        *line = LINE_NEW;
        i = (size_t)(nl - p) + 1;
    }
    return 0;
}

int reader_header_end(struct reader *r, uint64_t *end, struct ph_err *err)
{
    int line = LINE_NEW;
    const char *p;
    size_t n;

    for (uint64_t at = 0; !r->has_header_end; at += n) {
        if (reader_at(r, at, at ? LEND : HEADER, &p, &n, err))
            return -1;
        size_t found = find_end(p, n, &line);
        if (!found && at + n < r->size)
            continue;
        r->has_header_end = true;
        r->header_end = found ? at + found : r->size;
    }
    *end = r->header_end;
    return 0;
}

int reader_header(struct reader *r, struct ph_str *header, bool *whole, struct ph_err *err)
{
    const char *p = "";
    size_t n = 0;

    if (r->how == READER_RANDOM) { /* nearly always it is in the first piece, and need not be copied */
        int line = LINE_NEW;
        if (reader_at(r, 0, HEADER, &p, &n, err))
            return -1;
        size_t found = find_end(p, n, &line);
        if (found || n == r->size) {
            *header = (struct ph_str){ p, found ? found : n };
            *whole = true;
            return 0;
        }
    }
    uint64_t end;
    if (reader_header_end(r, &end, err))
        return -1;
    *whole = end <= READER_PREFIX;
    if (!*whole)
        end = READER_PREFIX;
    if (r->how == READER_RANDOM)
        for (uint64_t at = ph_buf_len(&r->prefix); at < end; at += n) {
            if (reader_at(r, at, (size_t)(end - at), &p, &n, err))
                return -1;
            if (ph_buf_add(&r->prefix, p, n))
                return ph_fail_memory(err);
        }
    *header = ph_buf_str(&r->prefix);
    header->n = (size_t)end;
    return 0;
}
