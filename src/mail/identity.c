#include "mail/identity.h"

#include <string.h>

/* ---- SipHash-2-4, fed in pieces ---- */

struct sip {
    uint64_t v0, v1, v2, v3, word;
    size_t n;
};

static inline uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static inline uint64_t load64(const unsigned char *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static void sip_init(struct sip *s, const struct ph_hash_key *key)
{
    uint64_t k0 = load64(key->k), k1 = load64(key->k + 8);

    s->v0 = k0 ^ 0x736f6d6570736575u;
    s->v1 = k1 ^ 0x646f72616e646f6du;
    s->v2 = k0 ^ 0x6c7967656e657261u;
    s->v3 = k1 ^ 0x7465646279746573u;
    s->word = 0;
    s->n = 0;
}

static inline void sip_word(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    sip_round(s);
    s->v0 ^= m;
}

static inline void sip_byte(struct sip *s, unsigned char c)
{
    s->word |= (uint64_t)c << 8 * (s->n++ & 7);
    if ((s->n & 7) == 0) {
        sip_word(s, s->word);
        s->word = 0;
    }
}

static void sip_add(struct sip *s, const char *p, size_t n)
{
    while (n && (s->n & 7)) {
        sip_byte(s, (unsigned char)*p++);
        n--;
    }
    for (; n >= 8; p += 8, n -= 8, s->n += 8)
        sip_word(s, load64((const unsigned char *)p));
    while (n--)
        sip_byte(s, (unsigned char)*p++);
}

static uint64_t sip_end(struct sip *s)
{
    sip_word(s, s->word | (uint64_t)s->n << 56);
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t ph_siphash(const struct ph_hash_key *key, const void *p, size_t n)
{
    struct sip s;

    sip_init(&s, key);
    sip_add(&s, p, n);
    return sip_end(&s);
}

/* ---- header fields ---- */

static inline bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct ph_str trim(struct ph_str s)
{
    while (s.n && space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* What follows the colon when the line [p, end) is the field `name`, else NULL. RFC 5322 4.5.8: blanks may stand before
 * the colon. */
static const char *field_at(const char *p, const char *end, const char *name, size_t n)
{
    if ((size_t)(end - p) <= n || ph_upper((unsigned char)*p) != ph_upper((unsigned char)*name))
        return NULL;
    for (size_t i = 1; i < n; i++)
        if (ph_upper((unsigned char)p[i]) != ph_upper((unsigned char)name[i]))
            return NULL;
    for (p += n; p < end && blank(*p); p++)
        ;
    return p < end && *p == ':' ? p + 1 : NULL;
}

struct ph_str ph_header_field(struct ph_str header, const char *name)
{
    const char *p = header.p, *end = header.p + header.n;
    size_t n = strlen(name);

    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *line = p, *stop = nl ? nl : end;
        p = nl ? nl + 1 : end;
        if (stop > line && stop[-1] == '\r')
            stop--;
        if (stop == line)
            break; /* the empty line: what follows is the body */
        const char *value = field_at(line, stop, name, n);
        if (!value)
            continue;
        while (p < end && blank(*p)) {
            nl = memchr(p, '\n', (size_t)(end - p));
            stop = nl ? nl : end;
            p = nl ? nl + 1 : end;
            if (stop[-1] == '\r') /* there is a blank before stop, if nothing else */
                stop--;
        }
        return (struct ph_str){ value, (size_t)(stop - value) };
    }
    return PH_STR_NIL;
}

/* ---- the key ---- */

/* Where a key goes: text, or a hash on the way. */
struct sink {
    struct ph_buf *out;
    struct sip *sip;
    bool any;
};

static inline void put(struct sink *k, char c)
{
    k->any = true;
    if (k->sip)
        sip_byte(k->sip, (unsigned char)c);
    else
        ph_buf_add_char(k->out, c);
}

/* The value unfolded: without line ends, which are all that a fold adds (RFC 5322 2.2.3). */
static void put_unfolded(struct sink *k, struct ph_str s)
{
    if (s.n && !memchr(s.p, '\n', s.n) && !memchr(s.p, '\r', s.n)) {
        k->any = true;
        if (k->sip)
            sip_add(k->sip, s.p, s.n);
        else
            ph_buf_add(k->out, s.p, s.n);
        return;
    }
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\r' && s.p[i] != '\n')
            put(k, s.p[i]);
}

static bool put_message_id(struct sink *k, struct ph_str header)
{
    struct ph_str id = trim(ph_header_field(header, "Message-ID"));
    const char *lt = id.n ? memchr(id.p, '<', id.n) : NULL;
    const char *gt = lt ? memchr(lt, '>', id.n - (size_t)(lt - id.p)) : NULL;

    if (gt)
        id = trim((struct ph_str){ lt + 1, (size_t)(gt - lt - 1) });
    put_unfolded(k, id);
    return k->any;
}

static inline bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters, digits and `_`, of ASCII. */
static void put_words(struct sink *k, struct ph_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            put(k, c);
    }
}

/* `Sat, 3 Feb 2001 04:05:06 +0700 (ICT)` as `Sat, 03 Feb 2001 04:05:06`. */
static void put_plain_date(struct sink *k, struct ph_str s)
{
    size_t day = 0, colon = 1;

    while (colon < s.n && !(s.p[colon] == ':' && digit(s.p[colon - 1])))
        colon++;
    if (colon < s.n) {
        size_t end = colon;
        while (end < s.n && (digit(s.p[end]) || s.p[end] == ':'))
            end++;
        s.n = end;
    }
    while (day < s.n && !digit(s.p[day]))
        day++;
    put_words(k, (struct ph_str){ s.p, day });
    if (day < s.n && (day + 1 == s.n || !digit(s.p[day + 1])))
        put(k, '0');
    if (day < s.n)
        put_words(k, (struct ph_str){ s.p + day, s.n - day });
}

static bool put_built(struct sink *k, struct ph_str header, bool normalise_date)
{
    struct ph_str date = ph_header_field(header, "Date"), from = ph_header_field(header, "From");

    if (normalise_date)
        put_plain_date(k, date);
    else
        put_words(k, date);
    put_words(k, ph_header_field(header, "Subject"));
    for (size_t i = 0; i < from.n; i++)
        if (!space(from.p[i]) && (!from.p[i] || !strchr("+<>?*\"'()@[]", from.p[i])))
            put(k, from.p[i]);
    return k->any;
}

bool ph_identity_key(struct ph_str header, bool force_built, bool normalise_date, struct ph_buf *out, bool *built)
{
    struct sink k = { .out = out };

    ph_buf_clear(out);
    if (built)
        *built = false;
    if (!force_built && put_message_id(&k, header))
        return true;
    if (built)
        *built = true;
    return put_built(&k, header, normalise_date);
}

uint64_t ph_identity_hash(const struct ph_hash_key *key, struct ph_str header)
{
    struct sip sip;
    struct sink k = { .sip = &sip };

    sip_init(&sip, key);
    if (!put_message_id(&k, header) && !put_built(&k, header, false))
        return 0;
    uint64_t h = sip_end(&sip);
    return h ? h : 1;
}
