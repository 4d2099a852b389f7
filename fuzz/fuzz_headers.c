/* Values of header fields in every parser there is for them, and subsets of a header.
 *
 * The first octet is how many octets come at a time. Checked beyond memory: pieces change nothing, a subset and its complement have all
 * that is there, what is compared is UTF-8 without loose ends.
 */
#include <stdlib.h>

#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/subject.h"
#include "mail/thread.h"
#include "wire/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

static void check_string(struct ph_str s)
{
    CHECK(s.n == 0 || (!memchr(s.p, 0, s.n) && !memchr(s.p, '\r', s.n) && !memchr(s.p, '\n', s.n)));
}

static void addresses(struct ph_str text)
{
    struct ph_addresses a;
    struct ph_address one;
    size_t n = 0, octets = 0;
    bool group = false;

    ph_addresses_init(&a, text);
    while (ph_addresses_next(&a, &one) > 0) {
        check_string(one.name);
        check_string(one.adl);
        check_string(one.mailbox);
        check_string(one.host);
        octets += one.mailbox.n + one.host.n;
        bool begin = one.mailbox.p && !one.host.p, end = !one.mailbox.p;
        CHECK(!(begin && group) && !(end && !group));
        group = begin || (group && !end);
        CHECK(++n <= 2 * text.n + 2);
    }
    CHECK(!group && octets <= text.n);
    ph_addresses_done(&a);
}

static void pick(struct ph_str text, size_t piece, bool negate, struct ph_buf *out)
{
    static const struct ph_str names[] = { { "To", 2 }, { "subject", 7 }, { "From", 4 } };
    struct ph_fields_pick f;

    CHECK(ph_fields_pick_init(&f, names, 3, negate, NULL) == 0);
    for (size_t i = 0; i < text.n; i += piece)
        CHECK(ph_fields_pick_feed(&f, text.p + i, text.n - i < piece ? text.n - i : piece, out) == 0);
    CHECK(ph_fields_pick_finish(&f, out) == 0);
    ph_fields_pick_done(&f);
}

static void picks(struct ph_str text, size_t piece)
{
    struct ph_buf in = PH_BUF_INIT, out = PH_BUF_INIT, cut = PH_BUF_INIT;
    struct ph_header_iter it;
    struct ph_str name, value;

    pick(text, text.n + 1, false, &in);
    pick(text, text.n + 1, true, &out);
    CHECK(ph_buf_len(&in) + ph_buf_len(&out) <= text.n + 2);
    pick(text, piece, false, &cut);
    CHECK(ph_str_eq(ph_buf_str(&in), ph_buf_str(&cut)));
    ph_buf_clear(&cut);
    pick(text, piece, true, &cut);
    CHECK(ph_str_eq(ph_buf_str(&out), ph_buf_str(&cut)));
    for (ph_header_begin(&it, ph_buf_str(&out)); ph_header_next(&it, &name, &value);)
        CHECK(!ph_str_caseis(name, "to") && !ph_str_caseis(name, "from"));
    for (ph_header_begin(&it, text); ph_header_next(&it, &name, &value);) {
        CHECK(name.n && value.p >= text.p && value.p + value.n <= text.p + text.n);
        ph_buf_clear(&cut);
        CHECK(ph_header_unfold(value, &cut) == 0);
        check_string(ph_buf_str(&cut));
    }
    ph_buf_done(&in);
    ph_buf_done(&out);
    ph_buf_done(&cut);
}

static void casemap(struct ph_str text, size_t piece)
{
    struct ph_buf whole = PH_BUF_INIT, some = PH_BUF_INIT, hold = PH_BUF_INIT;

    CHECK(ph_casemap(text, &whole) == 0);
    for (size_t i = 0; i < text.n; i += piece) {
        ph_buf_add(&hold, text.p + i, text.n - i < piece ? text.n - i : piece);
        size_t took = ph_casemap_some(ph_buf_str(&hold), &some);
        CHECK(took <= ph_buf_len(&hold) && ph_buf_len(&hold) - took < 4);
        ph_buf_consume(&hold, took);
    }
    CHECK(ph_utf8_valid(ph_buf_str(&some)));
    if (ph_utf8_valid(text))
        CHECK(ph_buf_len(&hold) == 0 && ph_str_eq(ph_buf_str(&whole), ph_buf_str(&some)));
    ph_buf_done(&whole);
    ph_buf_done(&some);
    ph_buf_done(&hold);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_buf out = PH_BUF_INIT, more = PH_BUF_INIT;
    struct ph_mail_date date;
    bool reply;

    if (size < 1)
        return 0;
    size_t piece = data[0] % 64 + 1;
    struct ph_str text = { (const char *)data + 1, size - 1 }, rest = text, name;
    addresses(text);
    picks(text, piece);
    casemap(text, piece);
    if (ph_mail_date_parse(text, &date))
        CHECK(date.zone_min > -1440 && date.zone_min < 1440 && llabs(date.epoch - date.days * 86400) <= 2 * 86400);
    CHECK(ph_subject_base(text, &out, &reply) == 0 && ph_utf8_valid(ph_buf_str(&out)));
    CHECK(ph_subject_base(ph_buf_str(&out), &more, NULL) == 0);
    while (ph_msgid_next(&rest, &out) > 0)
        CHECK(ph_buf_len(&out) > 2 && memchr(ph_buf_data(&out), '@', ph_buf_len(&out)));
    for (rest = text; ph_mime_param_next(&rest, &name, &out) > 0;)
        CHECK(name.n && name.p >= text.p);
    ph_buf_done(&out);
    ph_buf_done(&more);
    return 0;
}
