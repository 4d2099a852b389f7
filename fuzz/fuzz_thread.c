/* Threads from ids that answer each other in every way.
 *
 * Each message is octets: its id, how many references, these, its subject; a few ids and subjects only, so that they meet. Checked beyond memory:
 * every message is in the answer once, and the answer is a forest.
 */
#include <stdlib.h>

#include "mail/thread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) ((what) ? (void)0 : abort())

static void put_id(struct ph_buf *b, unsigned v)
{
    ph_buf_add_char(b, '<');
    ph_buf_add_u64(b, v);
    ph_buf_add_z(b, "@x> ");
}

static void check_answer(struct ph_str s, uint32_t n)
{
    unsigned char *seen = calloc(n + 1, 1);
    size_t depth = 0;

    CHECK(seen);
    for (size_t i = 0; i < s.n; i++) {
        CHECK(s.p[i] == '(' || s.p[i] == ')' || s.p[i] == ' ' || (s.p[i] >= '1' && s.p[i] <= '9'));
        CHECK(s.p[i] != ' ' || (i + 1 < s.n && s.p[i + 1] != ')' && s.p[i + 1] != ' '));
        CHECK(s.p[i] != '(' || (i + 1 < s.n && s.p[i + 1] != ')'));
        depth += s.p[i] == '(';
        CHECK(s.p[i] != ')' || depth-- > 0);
        if (s.p[i] >= '1' && s.p[i] <= '9') {
            char *end;
            unsigned long v = strtoul(s.p + i, &end, 10);
            CHECK(v <= n && !seen[v] && depth > 0);
            seen[v] = 1;
            i = (size_t)(end - s.p) - 1;
        }
    }
    CHECK(depth == 0);
    for (uint32_t i = 1; i <= n; i++)
        CHECK(seen[i]);
    free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const subjects[] = { "", "a", "Re: a", "b", "Fwd: b", "[x] c", "c (fwd)", "d" };
    static const struct ph_hash_key key;
    struct ph_buf id = PH_BUF_INIT, refs = PH_BUF_INIT;
    struct ph_writer w;

    ph_writer_init(&w, PH_LITERAL_SYNC);
    for (int by = 0; by < 2; by++) {
        struct ph_thread *t = ph_thread_new((enum ph_thread_by)by, &key, NULL);
        uint32_t n = 0;
        for (size_t i = 0; i + 3 < size;) {
            ph_buf_clear(&id);
            ph_buf_clear(&refs);
            put_id(&id, data[i] % 32);
            size_t count = data[i + 1] % 8;
            struct ph_thread_message m = { ++n, data[i + 2] >> 4, ph_str(subjects[data[i + 2] % 8]), ph_buf_str(&id), PH_STR_NIL, PH_STR_NIL };
            for (i += 3; count && i < size; count--, i++)
                put_id(&refs, data[i] % 32);
            m.references = ph_buf_str(&refs);
            CHECK(ph_thread_add(t, &m, NULL) == 0);
        }
        CHECK(ph_thread_finish(t, NULL) == 0);
        ph_writer_clear(&w);
        ph_thread_write(t, &w);
        CHECK(!w.failed);
        ph_buf_add_char(&w.out, 0); /* for strtoul */
        check_answer((struct ph_str){ ph_buf_data(&w.out), ph_buf_len(&w.out) - 1 }, n);
        ph_thread_free(t);
    }
    ph_buf_done(&id);
    ph_buf_done(&refs);
    ph_writer_done(&w);
    return 0;
}
