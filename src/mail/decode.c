#include "mail/decode.h"

#include <string.h>

enum ph_cte ph_cte_parse(struct ph_str v)
{
    static const struct {
        const char *name;
        enum ph_cte cte;
    } table[] = { { "7bit", PH_CTE_7BIT },        { "8bit", PH_CTE_7BIT },     { "binary", PH_CTE_BINARY },
                  { "base64", PH_CTE_BASE64 },    { "quoted-printable", PH_CTE_QP } };
    size_t n = 0;

    while (v.n && (*v.p == ' ' || (*v.p >= '\t' && *v.p <= '\r'))) {
        v.p++;
        v.n--;
    }
    while (n < v.n && v.p[n] > ' ' && v.p[n] != ';' && v.p[n] != '(')
        n++;
    if (n == 0)
        return PH_CTE_7BIT;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (ph_str_caseis((struct ph_str){ v.p, n }, table[i].name))
            return table[i].cte;
    return PH_CTE_UNKNOWN;
}

void ph_decoder_init(struct ph_decoder *d, enum ph_cte cte)
{
    memset(d, 0, sizeof *d);
    d->cte = cte;
}

/* ---- base64 ---- */

static int base64_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Characters outside the alphabet do not count (RFC 2045 6.8); `=` ends a quantum, and data may follow where several
 * encoded pieces were put one behind the other. */
static int feed_base64(struct ph_decoder *d, const char *p, size_t n, struct ph_buf *out)
{
    char *o = ph_buf_reserve(out, n / 4 * 3 + 3), *start = o;

    if (!o)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int v = base64_value((unsigned char)p[i]);
        if (p[i] == '=') {
            d->acc = d->n_acc = 0;
            continue;
        }
        if (v < 0)
            continue;
        d->acc = d->acc << 6 | (uint32_t)v;
        switch (++d->n_acc) {
        case 2:
            *o++ = (char)(d->acc >> 4);
            break;
        case 3:
            *o++ = (char)(d->acc >> 2);
            break;
        case 4:
            *o++ = (char)d->acc;
            d->acc = d->n_acc = 0;
            break;
        default:
            break;
        }
    }
    ph_buf_commit(out, (size_t)(o - start));
    return 0;
}

/* ---- quoted-printable ---- */

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ph_upper(c);
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* How many octets the escape at p takes (p[0] is `=`), 0: more input is needed. *c: the octet, -1 for none. */
static size_t qp_escape(const char *p, size_t n, bool last, int *c)
{
    size_t i = 1;

    *c = -1;
    if (n >= 3 && hex_value((unsigned char)p[1]) >= 0 && hex_value((unsigned char)p[2]) >= 0) {
        *c = hex_value((unsigned char)p[1]) << 4 | hex_value((unsigned char)p[2]);
        return 3;
    }
    while (i < n && (p[i] == ' ' || p[i] == '\t'))
        i++; /* blanks that a carrier put behind a soft line break */
    if (i < n && p[i] == '\n')
        return i + 1;
    if (i + 1 < n && p[i] == '\r' && p[i + 1] == '\n')
        return i + 2;
    if (!last && (i == n || (i + 1 == n && (p[i] == '\r' || i == 1))))
        return 0;
    if (last && i == n)
        return i;
    *c = '=';
    return 1;
}

static int put_blanks(struct ph_decoder *d, struct ph_buf *out)
{
    for (; d->blanks; d->blanks--)
        if (ph_buf_add_char(out, ' '))
            return -1;
    return 0;
}

static size_t qp_some(struct ph_decoder *d, const char *p, size_t n, bool last, struct ph_buf *out)
{
    size_t i = 0;

    while (i < n) {
        int c = (unsigned char)p[i];
        size_t take = 1;
        if (c == '=') {
            take = qp_escape(p + i, n - i, last, &c);
            if (take == 0)
                break;
            if (c < 0) {
                i += take;
                if (put_blanks(d, out))
                    break;
                continue;
            }
        } else if (!d->words && c == ' ') {
            if (++d->blanks == 998) /* no line is longer: they are held no more */
                put_blanks(d, out);
            i++;
            continue;
        } else if (c == '\n' || (c == '\r' && i + 1 < n && p[i + 1] == '\n')) {
            d->blanks = 0;
        } else if (c == '\r' && i + 1 == n && !last) {
            break;
        } else if (d->words && c == '_') {
            c = ' ';
        }
        put_blanks(d, out);
        ph_buf_add_char(out, (char)c);
        i += take;
    }
    return i;
}

static int feed_qp(struct ph_decoder *d, const char *p, size_t n, struct ph_buf *out)
{
    /* what was held back is a cut escape or a CR: octets join it one by one until it is decided */
    while (d->n_hold && n) {
        if (d->n_hold == sizeof d->hold) { /* blanks without end behind a `=`: it was none */
            ph_buf_add(out, d->hold, d->n_hold);
            d->n_hold = 0;
            break;
        }
        d->hold[d->n_hold++] = *p++;
        n--;
        size_t used = qp_some(d, d->hold, d->n_hold, false, out);
        memmove(d->hold, d->hold + used, d->n_hold - used);
        d->n_hold -= used;
    }
    if (n) {
        size_t used = qp_some(d, p, n, false, out);
        p += used;
        n -= used;
        if (n > sizeof d->hold) {
            ph_buf_add(out, p, n);
            n = 0;
        }
        memcpy(d->hold, p, n);
        d->n_hold = n;
    }
    return out->failed ? -1 : 0;
}

/* ---- */

int ph_decoder_feed(struct ph_decoder *d, const char *p, size_t n, struct ph_buf *out)
{
    if (d->cte == PH_CTE_BASE64)
        return feed_base64(d, p, n, out);
    if (d->cte == PH_CTE_QP)
        return feed_qp(d, p, n, out);
    return ph_buf_add(out, p, n);
}

int ph_decoder_finish(struct ph_decoder *d, struct ph_buf *out)
{
    if (d->cte == PH_CTE_QP) {
        qp_some(d, d->hold, d->n_hold, true, out);
        d->n_hold = 0;
        if (d->words)
            put_blanks(d, out);
        d->blanks = 0;
    }
    d->acc = d->n_acc = 0;
    return out->failed ? -1 : 0;
}
