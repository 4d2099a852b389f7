#include "base/str.h"

#include <stdlib.h>

static bool same_folded(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ph_upper((unsigned char)a[i]) != ph_upper((unsigned char)b[i]))
            return false;
    return true;
}

bool ph_str_caseeq(struct ph_str a, struct ph_str b)
{
    return a.n == b.n && same_folded(a.p, b.p, a.n);
}

bool ph_str_caseis(struct ph_str a, const char *z)
{
    return a.n == strlen(z) && same_folded(a.p, z, a.n);
}

bool ph_str_prefix(struct ph_str a, const char *z)
{
    size_t n = strlen(z);

    return a.n >= n && memcmp(a.p, z, n) == 0;
}

bool ph_str_caseprefix(struct ph_str a, const char *z)
{
    size_t n = strlen(z);

    return a.n >= n && same_folded(a.p, z, n);
}

char *ph_str_dup(struct ph_str s)
{
    if (!s.p)
        return NULL;
    char *z = malloc(s.n + 1);
    if (z) {
        memcpy(z, s.p, s.n);
        z[s.n] = '\0';
    }
    return z;
}

bool ph_words_have(const char *words, struct ph_str word)
{
    while (*words) {
        size_t n = strcspn(words, " ");
        if (ph_str_caseeq((struct ph_str){ words, n }, word))
            return true;
        words += n;
        words += strspn(words, " ");
    }
    return false;
}
