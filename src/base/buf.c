#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

void ph_buf_done(struct ph_buf *b)
{
    free(b->mem);
    memset(b, 0, sizeof *b);
}

char *ph_buf_reserve(struct ph_buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (b->cap - b->tail >= n)
        return b->mem + b->tail;
    size_t len = b->tail - b->head;
    if (n > SIZE_MAX / 2 - len) {
        b->failed = true;
        return NULL;
    }
    /* moving the bytes down is enough when at least half of the memory comes free */
    if (b->cap - len >= n && b->head >= len) {
        memmove(b->mem, b->mem + b->head, len);
    } else {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < len + n)
            cap *= 2;
        char *mem = malloc(cap);
        if (!mem) {
            b->failed = true;
            return NULL;
        }
        if (len)
            memcpy(mem, b->mem + b->head, len);
        free(b->mem);
        b->mem = mem;
        b->cap = cap;
    }
    b->head = 0;
    b->tail = len;
    return b->mem + b->tail;
}

void ph_buf_consume(struct ph_buf *b, size_t n)
{
    b->head += n;
    if (b->head == b->tail)
        b->head = b->tail = 0;
}

void ph_buf_clear(struct ph_buf *b)
{
    b->head = b->tail = 0;
    b->failed = false;
}

void ph_buf_shrink(struct ph_buf *b, size_t keep)
{
    if (b->head == b->tail && b->cap > keep)
        ph_buf_done(b);
}

int ph_buf_add(struct ph_buf *b, const void *p, size_t n)
{
    if (n == 0) /* an empty buffer has no place to reserve, and that is no failure */
        return b->failed ? -1 : 0;
    char *to = ph_buf_reserve(b, n);

    if (!to)
        return -1;
    memcpy(to, p, n);
    b->tail += n;
    return 0;
}

int ph_buf_add_str(struct ph_buf *b, struct ph_str s)
{
    return ph_buf_add(b, s.p, s.n);
}

int ph_buf_add_z(struct ph_buf *b, const char *z)
{
    return ph_buf_add(b, z, strlen(z));
}

int ph_buf_add_char(struct ph_buf *b, char c)
{
    return ph_buf_add(b, &c, 1);
}

int ph_buf_add_u64(struct ph_buf *b, uint64_t v)
{
    char tmp[20], *p = tmp + sizeof tmp;

    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    return ph_buf_add(b, p, (size_t)(tmp + sizeof tmp - p));
}

const char *ph_buf_z(struct ph_buf *b)
{
    char *to = ph_buf_reserve(b, 1);

    if (!to)
        return "";
    *to = '\0';
    return b->mem + b->head;
}
