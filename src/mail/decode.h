/* decode.h: the transfer encodings of MIME, RFC 2045 6, undone piece by piece; and charsets, by name as mail writes them.
 *
 * Nothing here fails on bad input: what is no base64 or no quoted-printable is left out or passed through, as mail
 * programs do. Owned by one thread.
 */
#ifndef PH_MAIL_DECODE_H
#define PH_MAIL_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum ph_cte {
    PH_CTE_7BIT, /* also 8bit and no field: the bytes are the content */
    PH_CTE_BINARY,
    PH_CTE_QP,
    PH_CTE_BASE64,
    PH_CTE_UNKNOWN, /* the bytes are taken as they stand */
};

enum ph_cte ph_cte_parse(struct ph_str value); /* of a Content-Transfer-Encoding field; NIL: PH_CTE_7BIT */

struct ph_decoder {
    enum ph_cte cte;
    bool words;       /* the Q of encoded words, RFC 2047 4.2: `_` is a blank */
    bool ended;       /* base64: after `=` */
    uint32_t acc;
    unsigned n_acc;
    char hold[80];    /* quoted-printable: what a chunk's end cut */
    size_t n_hold;
    size_t blanks;    /* quoted-printable: blanks that go if the line ends here (RFC 2045 6.7 (3)) */
};

void ph_decoder_init(struct ph_decoder *d, enum ph_cte cte);
/* Decode n bytes more, added to out. -1 without memory. The output is never longer than the input so far. */
int ph_decoder_feed(struct ph_decoder *d, const char *p, size_t n, struct ph_buf *out);
int ph_decoder_finish(struct ph_decoder *d, struct ph_buf *out); /* what was held back; ready for the next */

/* Text of a charset (any case, RFC 2231 language allowed behind `*`) to UTF-8, added to out; what cannot be converted becomes
 * U+FFFD. Only charsets that mail uses are taken: a name from the network must not choose what iconv loads. Returns
 * 1 when the charset is known, 0 when it is not (nothing is added), -1 without memory. UTF-8 and US-ASCII are known. */
int ph_charset_to_utf8(struct ph_str charset, struct ph_str text, struct ph_buf *out);
/* The same for a text that comes in pieces; the shift states of ISO-2022 are kept between them. */
struct ph_charset {
    void *cd;      /* iconv_t; NULL: octets pass as they are, for UTF-8 and for what is not known */
    char hold[16]; /* a character that is cut */
    size_t n_hold;
};
int ph_charset_open(struct ph_charset *c, struct ph_str charset); /* 1 known, 0 not */
void ph_charset_close(struct ph_charset *c);
int ph_charset_feed(struct ph_charset *c, const char *p, size_t n, struct ph_buf *out); /* -1 without memory */
int ph_charset_finish(struct ph_charset *c, struct ph_buf *out);
/* iconv's name of a charset, or NULL; "UTF-8" for UTF-8 and US-ASCII. */
const char *ph_charset_name(struct ph_str charset);

#endif
