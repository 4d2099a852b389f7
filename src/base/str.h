/* str.h: borrowed slices of bytes. A slice never owns its memory and is not NUL-terminated. */
#ifndef PH_BASE_STR_H
#define PH_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct ph_str {
    const char *p; /* NULL means "no value" (NIL); an empty string has p != NULL and n == 0 */
    size_t n;
};

#define PH_STR(lit) ((struct ph_str){ (lit), sizeof(lit) - 1 })
#define PH_STR_NIL ((struct ph_str){ NULL, 0 })
/* For printf: "%.*s", PH_FMT(s) */
#define PH_FMT(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct ph_str ph_str(const char *z)
{
    return (struct ph_str){ z, z ? strlen(z) : 0 };
}

static inline bool ph_str_eq(struct ph_str a, struct ph_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool ph_str_is(struct ph_str a, const char *z)
{
    return a.n == strlen(z) && (a.n == 0 || memcmp(a.p, z, a.n) == 0);
}

/* ASCII case-insensitive, whatever the locale: IMAP atoms. */
bool ph_str_caseeq(struct ph_str a, struct ph_str b);
bool ph_str_caseis(struct ph_str a, const char *z);
bool ph_str_prefix(struct ph_str a, const char *z);
bool ph_str_caseprefix(struct ph_str a, const char *z);

/* Is the word one of these, which stand between blanks? ASCII case-insensitive: keywords. */
bool ph_words_have(const char *words, struct ph_str word);
static inline unsigned char ph_upper(unsigned char c)
{
    return c >= 'a' && c <= 'z' ? (unsigned char)(c - 32) : c;
}

static inline unsigned char ph_lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* A heap copy with a NUL behind it; NULL when out of memory or for NIL. The caller frees. */
char *ph_str_dup(struct ph_str s);

#endif
