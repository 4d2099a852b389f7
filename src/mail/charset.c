/* charset.c: charsets by the names mail gives them (decode.h). */
#include "mail/decode.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "wire/utf8.h"

/* The first column is matched in any case, `-` and `_` being equal; some names stand for more than they say, because that is what
 * the senders meant. */
static const struct {
    const char *name, *iconv;
} charsets[] = {
    { "utf-8", "UTF-8" },          { "utf8", "UTF-8" },           { "us-ascii", "UTF-8" },
    { "ascii", "UTF-8" },          { "ansi-x3.4-1968", "UTF-8" }, { "iso-8859-1", "CP1252" },
    { "latin1", "CP1252" },        { "iso8859-1", "CP1252" },     { "iso-8859-2", "ISO-8859-2" },
    { "iso-8859-3", "ISO-8859-3" }, { "iso-8859-4", "ISO-8859-4" }, { "iso-8859-5", "ISO-8859-5" },
    { "iso-8859-6", "ISO-8859-6" }, { "iso-8859-7", "ISO-8859-7" }, { "iso-8859-8", "ISO-8859-8" },
    { "iso-8859-8-i", "ISO-8859-8" }, { "iso-8859-9", "CP1254" }, { "iso-8859-10", "ISO-8859-10" },
    { "iso-8859-11", "CP874" },    { "iso-8859-13", "ISO-8859-13" }, { "iso-8859-14", "ISO-8859-14" },
    { "iso-8859-15", "ISO-8859-15" }, { "iso-8859-16", "ISO-8859-16" }, { "latin2", "ISO-8859-2" },
    { "windows-1250", "CP1250" },  { "windows-1251", "CP1251" },  { "windows-1252", "CP1252" },
    { "windows-1253", "CP1253" },  { "windows-1254", "CP1254" },  { "windows-1255", "CP1255" },
    { "windows-1256", "CP1256" },  { "windows-1257", "CP1257" },  { "windows-1258", "CP1258" },
    { "windows-874", "CP874" },    { "cp1250", "CP1250" },        { "cp1251", "CP1251" },
    { "cp1252", "CP1252" },        { "cp1253", "CP1253" },        { "cp1254", "CP1254" },
    { "cp1255", "CP1255" },        { "cp1256", "CP1256" },        { "cp1257", "CP1257" },
    { "cp1258", "CP1258" },        { "cp437", "CP437" },          { "cp850", "CP850" },
    { "ibm850", "CP850" },         { "cp852", "CP852" },          { "cp855", "CP855" },
    { "cp866", "CP866" },          { "ibm866", "CP866" },         { "cp874", "CP874" },
    { "tis-620", "CP874" },        { "koi8-r", "KOI8-R" },        { "koi8-u", "KOI8-U" },
    { "koi8-t", "KOI8-T" },        { "macintosh", "MACINTOSH" },  { "x-mac-roman", "MACINTOSH" },
    { "gb2312", "GB18030" },       { "gbk", "GB18030" },          { "gb18030", "GB18030" },
    { "cp936", "GB18030" },        { "x-gbk", "GB18030" },
    { "big5", "CP950" },           { "big5-hkscs", "BIG5-HKSCS" }, { "cp950", "CP950" },
    { "shift-jis", "CP932" },      { "sjis", "CP932" },           { "x-sjis", "CP932" },
    { "cp932", "CP932" },          { "windows-31j", "CP932" },    { "ms932", "CP932" },
    { "euc-jp", "EUC-JP" },        { "iso-2022-jp", "ISO-2022-JP-2" }, { "iso-2022-jp-1", "ISO-2022-JP-2" },
    { "iso-2022-jp-2", "ISO-2022-JP-2" }, { "euc-kr", "CP949" },  { "ks-c-5601-1987", "CP949" },
    { "cp949", "CP949" },          { "uhc", "CP949" },            { "iso-2022-kr", "ISO-2022-KR" },
    { "euc-tw", "EUC-TW" },        { "viscii", "VISCII" },        { "armscii-8", "ARMSCII-8" },
    { "georgian-ps", "GEORGIAN-PS" }, { "utf-7", "UTF-7" },       { "unicode-1-1-utf-7", "UTF-7" },
    { "utf-16", "UTF-16" },        { "utf-16be", "UTF-16BE" },    { "utf-16le", "UTF-16LE" },
};

static bool same_name(struct ph_str a, const char *z)
{
    for (size_t i = 0; i < a.n; i++) {
        char c = a.p[i] == '_' ? '-' : (char)ph_lower((unsigned char)a.p[i]);
        if (c != z[i]) /* z ends: its NUL differs, for c may be NUL but not where z goes on */
            return false;
        if (!c)
            return false;
    }
    return z[a.n] == 0;
}

const char *ph_charset_name(struct ph_str charset)
{
    const char *star = charset.n ? memchr(charset.p, '*', charset.n) : NULL;

    if (star)
        charset.n = (size_t)(star - charset.p);
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
        if (same_name(charset, charsets[i].name))
            return charsets[i].iconv;
    return NULL;
}

static int add_valid(struct ph_str s, struct ph_buf *out)
{
    uint32_t cp;

    for (size_t i = 0; i < s.n;) {
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &cp);
        if (len ? ph_buf_add(out, s.p + i, len) : ph_buf_add(out, "\xef\xbf\xbd", 3))
            return -1;
        i += len ? len : 1;
    }
    return 0;
}

int ph_charset_to_utf8(struct ph_str charset, struct ph_str text, struct ph_buf *out)
{
    const char *name = ph_charset_name(charset);

    if (!name)
        return 0;
    if (strcmp(name, "UTF-8") == 0)
        return add_valid(text, out) ? -1 : 1;
    iconv_t cd = iconv_open("UTF-8", name);
    if (cd == (iconv_t)-1)
        return 0;
    char *in = (char *)text.p;
    size_t left = text.n;
    int result = 1;
    while (left) {
        size_t room = left * 4 < 4096 ? left * 4 + 16 : 4096, before = left;
        char *o = ph_buf_reserve(out, room), *start = o;
        if (!o) {
            result = -1;
            break;
        }
        size_t r = iconv(cd, &in, &left, &o, &room);
        int why = errno;
        ph_buf_commit(out, (size_t)(o - start));
        if (r != (size_t)-1)
            break;
        if (why == E2BIG && (left < before || o > start))
            continue;
        if (ph_buf_add(out, "\xef\xbf\xbd", 3)) {
            result = -1;
            break;
        }
        if (why != EILSEQ)
            break; /* EINVAL: cut at the end */
        in++;
        left--;
    }
    iconv_close(cd);
    return result;
}

/* ---- in pieces ---- */

int ph_charset_open(struct ph_charset *c, struct ph_str charset)
{
    const char *name = ph_charset_name(charset);

    *c = (struct ph_charset){ 0 };
    if (!name || strcmp(name, "UTF-8") == 0)
        return name != NULL;
    iconv_t cd = iconv_open("UTF-8", name);
    if (cd == (iconv_t)-1)
        return 0;
    c->cd = cd;
    return 1;
}

void ph_charset_close(struct ph_charset *c)
{
    if (c->cd)
        iconv_close(c->cd);
    *c = (struct ph_charset){ 0 };
}

/* Converts what it can; returns the octets that are left because a character is cut. SIZE_MAX without memory. */
static size_t convert(struct ph_charset *c, const char *p, size_t n, struct ph_buf *out)
{
    char *in = (char *)p;
    size_t left = n;

    while (left) {
        size_t room = left < 1024 ? left * 4 + 16 : 4096;
        char *o = ph_buf_reserve(out, room), *start = o;
        if (!o)
            return SIZE_MAX;
        size_t r = iconv(c->cd, &in, &left, &o, &room);
        int why = errno;
        ph_buf_commit(out, (size_t)(o - start));
        if (r != (size_t)-1)
            break;
        if (why == E2BIG)
            continue;
        if (why == EINVAL && left < sizeof c->hold)
            break;
        if (ph_buf_add(out, "\xef\xbf\xbd", 3))
            return SIZE_MAX;
        in++;
        left--;
    }
    return left;
}

int ph_charset_feed(struct ph_charset *c, const char *p, size_t n, struct ph_buf *out)
{
    if (!c->cd)
        return ph_buf_add(out, p, n);
    while (c->n_hold && n) {
        c->hold[c->n_hold++] = *p++;
        n--;
        size_t left = convert(c, c->hold, c->n_hold, out);
        if (left == SIZE_MAX)
            return -1;
        memmove(c->hold, c->hold + c->n_hold - left, left);
        c->n_hold = left;
    }
    size_t left = n ? convert(c, p, n, out) : 0;
    if (left == SIZE_MAX)
        return -1;
    if (n) {
        memcpy(c->hold, p + n - left, left);
        c->n_hold = left;
    }
    return 0;
}

int ph_charset_finish(struct ph_charset *c, struct ph_buf *out)
{
    bool cut = c->n_hold > 0;

    c->n_hold = 0;
    if (c->cd)
        iconv(c->cd, NULL, NULL, NULL, NULL);
    return cut ? ph_buf_add(out, "\xef\xbf\xbd", 3) : 0;
}
