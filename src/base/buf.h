/* buf.h: a growable byte buffer that is filled at its end and consumed at its front.
 *
 * Owned by one thread. The unread bytes are contiguous at ph_buf_data(), ph_buf_len() of them;
 * pointers into it die with the next call that adds or reserves. Memory errors are sticky: adds
 * return -1, set `failed`, and the caller may check once at the end.
 */
#ifndef PH_BASE_BUF_H
#define PH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct ph_buf {
    char *mem;
    size_t cap, head, tail;
    bool failed;
};

#define PH_BUF_INIT ((struct ph_buf){ 0 })

void ph_buf_done(struct ph_buf *b); /* frees the memory; the struct is empty and usable again */

static inline char *ph_buf_data(struct ph_buf *b)
{
    return b->mem ? b->mem + b->head : NULL; /* NULL + 0 is undefined in C */
}

static inline size_t ph_buf_len(const struct ph_buf *b)
{
    return b->tail - b->head;
}

static inline struct ph_str ph_buf_str(const struct ph_buf *b)
{
    return (struct ph_str){ b->mem ? b->mem + b->head : "", b->tail - b->head };
}

/* Room for n more bytes at the end: pointer to write to, or NULL without memory. Follow with
 * ph_buf_commit of what was really written. */
char *ph_buf_reserve(struct ph_buf *b, size_t n);

static inline void ph_buf_commit(struct ph_buf *b, size_t n)
{
    b->tail += n;
}

void ph_buf_consume(struct ph_buf *b, size_t n); /* n <= len */
void ph_buf_clear(struct ph_buf *b);             /* empties, keeps the memory */
/* Give memory back when the buffer is empty and larger than keep bytes. */
void ph_buf_shrink(struct ph_buf *b, size_t keep);

int ph_buf_add(struct ph_buf *b, const void *p, size_t n);
int ph_buf_add_str(struct ph_buf *b, struct ph_str s);
int ph_buf_add_z(struct ph_buf *b, const char *z);
int ph_buf_add_char(struct ph_buf *b, char c);
int ph_buf_add_u64(struct ph_buf *b, uint64_t v);
/* The bytes as a C string, a NUL put behind them; owned by the buffer. "" when memory failed. */
const char *ph_buf_z(struct ph_buf *b);

#endif
