/* Two messages side by side, parted by the octets "\xff\xfe\xff", and the repairs of the first.
 *
 * Checked beyond memory: a message equals itself and nothing else does; a repair says its size beforehand and leaves nothing to
 * repair.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mail/differ.h"
#include "mail/digest.h"
#include "mail/repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

struct text {
    struct ph_str s;
    size_t piece;
};

static int read_some(void *ctx, const char **p, size_t *n, struct ph_err *err)
{
    struct text *t = ctx;

    *p = t->s.p;
    *n = t->s.n < t->piece ? t->s.n : t->piece;
    t->s.p += *n;
    t->s.n -= *n;
    return 0;
}

static unsigned differ(struct ph_str a, struct ph_str b, size_t piece)
{
    struct text s = { a, piece }, d = { b, 17 };
    struct ph_reader rs = { read_some, &s }, rd = { read_some, &d };
    struct ph_difference out;

    CHECK(ph_differ(&rs, &rd, piece & 1, &out, NULL) == 0);
    CHECK(s.s.n == 0 && d.s.n == 0);
    return out.what;
}

static void repair(struct ph_str in, unsigned what, struct ph_buf *out, size_t piece)
{
    struct ph_repairer m, a;

    ph_repair_init(&m, what, 20);
    ph_repair_measure(&m, in.p, in.n);
    ph_repair_measure_end(&m);
    ph_repair_init(&a, what, 20);
    for (size_t i = 0; i < in.n; i += piece)
        CHECK(ph_repair_apply(&a, in.p + i, in.n - i < piece ? in.n - i : piece, out) == 0);
    CHECK(ph_repair_apply_end(&a, out) == 0);
    CHECK(m.size == ph_buf_len(out) && a.size == m.size && a.did == m.did);
    CHECK(m.did || ph_str_eq(in, ph_buf_str(out)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_buf once = PH_BUF_INIT, twice = PH_BUF_INIT;
    struct ph_digest_set facts = { 0 };

    if (size < 2)
        return 0;
    size_t piece = data[0] % 32 + 1;
    unsigned what = data[1] & PH_REPAIR_ALL;
    struct ph_str a = { (const char *)data + 2, size - 2 }, b = { a.p, 0 };
    const char *cut = memmem(a.p, a.n, "\xff\xfe\xff", 3);
    if (cut) {
        b = (struct ph_str){ cut + 3, a.n - (size_t)(cut + 3 - a.p) };
        a.n = (size_t)(cut - a.p);
    }
    CHECK(differ(a, a, piece) == 0);
    CHECK((differ(a, b, piece) == 0) == ph_str_eq(a, b));
    repair(a, what, &once, piece);
    repair(ph_buf_str(&once), what, &twice, piece + 1);
    CHECK(ph_str_eq(ph_buf_str(&once), ph_buf_str(&twice)));
    ph_digest_scan(&facts, ph_buf_str(&once).p, ph_buf_len(&once));
    ph_digest_scan_end(&facts);
    if (what & PH_REPAIR_CRLF)
        CHECK(!(facts.flags & (PH_BYTES_BARE_LF | PH_BYTES_BARE_CR | PH_BYTES_NO_FINAL_CRLF)));
    if (what & PH_REPAIR_NUL)
        CHECK(!(facts.flags & PH_BYTES_NUL));
    ph_buf_done(&once);
    ph_buf_done(&twice);
    return 0;
}
