#include "wire/mutf7.h"

#include "wire/utf8.h"

/* Base64 with `,` in place of `/` and no padding: RFC 3501 5.1.3. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int sextet(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static bool stands_for_itself(uint32_t cp)
{
    return cp >= 0x20 && cp <= 0x7e;
}

struct bits {
    uint32_t v;
    unsigned n;
};

static int put_unit(struct bits *b, uint32_t unit, struct ph_buf *out)
{
    b->v = b->v << 16 | unit;
    b->n += 16;
    while (b->n >= 6) {
        b->n -= 6;
        if (ph_buf_add_char(out, alphabet[b->v >> b->n & 63]))
            return -1;
    }
    b->v &= (1u << b->n) - 1;
    return 0;
}

static int close_shift(struct bits *b, struct ph_buf *out)
{
    if (b->n && ph_buf_add_char(out, alphabet[b->v << (6 - b->n) & 63]))
        return -1;
    *b = (struct bits){ 0 };
    return ph_buf_add_char(out, '-');
}

static int encode_char(uint32_t cp, struct bits *b, struct ph_buf *out)
{
    if (cp < 0x10000)
        return put_unit(b, cp, out);
    cp -= 0x10000;
    return put_unit(b, 0xd800 + (cp >> 10), out) || put_unit(b, 0xdc00 + (cp & 0x3ff), out) ? -1 : 0;
}

int ph_mutf7_encode(struct ph_str utf8, struct ph_buf *out)
{
    struct bits b = { 0 };
    bool shifted = false;
    uint32_t cp = 0;

    if (!ph_utf8_valid(utf8) || (utf8.n && memchr(utf8.p, 0, utf8.n)))
        return -1;
    for (size_t i = 0; i < utf8.n;) {
        i += ph_utf8_get(utf8.p + i, utf8.n - i, &cp);
        if (!stands_for_itself(cp)) {
            if ((!shifted && ph_buf_add_char(out, '&')) || encode_char(cp, &b, out))
                return -1;
            shifted = true;
            continue;
        }
        if (shifted && close_shift(&b, out))
            return -1;
        shifted = false;
        if (ph_buf_add_char(out, (char)cp) || (cp == '&' && ph_buf_add_char(out, '-')))
            return -1;
    }
    return shifted ? close_shift(&b, out) : 0;
}

/* The shift sequence at name.p[0] == '&' as UTF-8. Its length, or 0 when it is not one: then nothing is added. A
 * printable US-ASCII character or NUL inside is refused as well: a hidden `/` would become a level of hierarchy. */
static size_t decode_shift(struct ph_str name, struct ph_buf *out)
{
    size_t mark = ph_buf_len(out), i;
    uint32_t v = 0, high = 0;
    unsigned bits = 0;
    char tmp[4];

    for (i = 1; i < name.n && name.p[i] != '-'; i++) {
        int s = sextet((unsigned char)name.p[i]);
        if (s < 0)
            goto bad;
        v = v << 6 | (uint32_t)s;
        bits += 6;
        if (bits < 16)
            continue;
        bits -= 16;
        uint32_t unit = v >> bits & 0xffff;
        v &= (1u << bits) - 1;
        if ((unit >= 0xdc00 && unit <= 0xdfff) != (high != 0))
            goto bad;
        if (unit >= 0xd800 && unit <= 0xdbff) {
            high = unit;
            continue;
        }
        if (high)
            unit = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
        high = 0;
        if (unit == 0 || stands_for_itself(unit))
            goto bad;
        if (ph_buf_add(out, tmp, ph_utf8_put(unit, tmp)))
            return 0;
    }
    if (i == name.n || high || bits >= 6 || ph_buf_len(out) == mark)
        goto bad;
    return i + 1;
bad:
    out->tail = out->head + mark;
    return 0;
}

/* Octets that are no UTF-8 are read as ISO 8859-1, so that different names stay different. */
static size_t decode_raw(struct ph_str name, struct ph_buf *out)
{
    uint32_t cp = 0;
    char tmp[4];
    unsigned len = ph_utf8_get(name.p, name.n, &cp);

    if (len) {
        ph_buf_add(out, name.p, len);
        return len;
    }
    ph_buf_add(out, tmp, ph_utf8_put((unsigned char)name.p[0], tmp));
    return 1;
}

static bool is_plain(struct ph_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!stands_for_itself((unsigned char)name.p[i]) || name.p[i] == '&')
            return false;
    return true;
}

int ph_mutf7_decode(struct ph_str name, struct ph_buf *out, bool *exact)
{
    size_t mark = ph_buf_len(out), len;

    if (exact)
        *exact = true;
    if (is_plain(name))
        return ph_buf_add_str(out, name);
    for (size_t i = 0; i < name.n && !out->failed; i += len) {
        struct ph_str rest = { name.p + i, name.n - i };
        if (rest.p[0] != '&') {
            len = decode_raw(rest, out);
        } else if (rest.n > 1 && rest.p[1] == '-') {
            ph_buf_add_char(out, '&');
            len = 2;
        } else {
            len = decode_shift(rest, out);
            if (len == 0)
                len = decode_raw(rest, out);
        }
    }
    if (exact && !out->failed) {
        struct ph_buf again = PH_BUF_INIT;
        struct ph_str got = { ph_buf_data(out) + mark, ph_buf_len(out) - mark };
        *exact = ph_mutf7_encode(got, &again) == 0 && ph_str_eq(ph_buf_str(&again), name);
        bool failed = again.failed;
        ph_buf_done(&again);
        if (failed)
            return -1;
    }
    return out->failed ? -1 : 0;
}
