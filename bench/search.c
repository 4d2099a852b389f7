/* What a search costs a message, in instructions: run under `valgrind --tool=callgrind`, which is exact on any machine, or by hand for
 * time. Arguments: floor | header | headers | body | thread | sort, and how many messages.
 *
 *   floor    memchr for every line end of the header: what any reader of lines must do
 *   header   one HEADER key that no message has
 *   headers  From, To, Subject and List-Id together
 *   body     one BODY key over 4 KB of plain text, which no message has
 *   thread   THREAD=REFERENCES of so many messages, in conversations of ten
 *   sort     SORT (SUBJECT REVERSE DATE) of so many messages
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "mail/search.h"
#include "mail/sort.h"
#include "mail/thread.h"

/* A header as mailing lists make them: 3.2 KB in 30 fields. */
static void make(struct ph_buf *b, unsigned seed)
{
    static const char *const fields[] = { "From: \"Some Body\" <some.body@example.org>\r\n", "To: list@example.net, Other Person <other@example.com>\r\n",
                                          "Subject: Re: [list] a question about the thing that does not work as it should\r\n",
                                          "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n", "Message-ID: <20010203040506.1234@mail.example.org>\r\n",
                                          "List-Id: A list <list.example.net>\r\n", "MIME-Version: 1.0\r\n", "Content-Type: text/plain; charset=utf-8\r\n" };

    for (int i = 0; i < 8; i++) {
        ph_buf_add_z(b, "Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n\tby mail.example.net with ESMTPS id ");
        ph_buf_add_u64(b, seed * 1000 + (unsigned)i);
        ph_buf_add_z(b, "\r\n\tfor <list@example.net>; Fri, 21 Nov 1997 09:55:06 -0600 (CST)\r\n");
        ph_buf_add_z(b, fields[i]);
        ph_buf_add_z(b, i < 7 ? "X-Some-Field: a value that nobody looks at, but which is there all the same\r\n" : "");
        ph_buf_add_z(b, i < 7 ? "X-Another: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n" : "");
    }
    ph_buf_add_z(b, "\r\n");
    for (int i = 0; i < 60; i++)
        ph_buf_add_z(b, "This is a line of plain text, as mail has it, of about seventy octets\r\n");
}

static size_t floor_of(struct ph_str text)
{
    size_t lines = 0;

    for (const char *p = text.p, *nl; (nl = memchr(p, '\n', (size_t)(text.p + text.n - p))); p = nl + 1)
        lines++;
    return lines;
}

static void add_id(struct ph_buf *b, long n)
{
    ph_buf_add_z(b, "<message.");
    ph_buf_add_u64(b, (uint64_t)n);
    ph_buf_add_z(b, "@example.org> ");
}

static size_t thread_all(long n)
{
    static const struct ph_hash_key key = { { 9 } };
    struct ph_thread *t = ph_thread_new(PH_THREAD_REFERENCES, &key, NULL);
    struct ph_buf id = { 0 }, refs = { 0 }, subject = { 0 };
    struct ph_writer w;

    for (long i = 0; i < n; i++) {
        ph_buf_clear(&id);
        ph_buf_clear(&refs);
        ph_buf_clear(&subject);
        add_id(&id, i);
        for (long k = i / 10 * 10; k < i; k++)
            add_id(&refs, k);
        ph_buf_add_z(&subject, "Re: [list] subject ");
        ph_buf_add_u64(&subject, (uint64_t)i / 10);
        struct ph_thread_message m = { (uint32_t)i + 1, i, ph_buf_str(&subject), ph_buf_str(&id), ph_buf_str(&refs), PH_STR_NIL };
        if (ph_thread_add(t, &m, NULL))
            return 0;
    }
    ph_writer_init(&w, PH_LITERAL_SYNC);
    if (ph_thread_finish(t, NULL))
        return 0;
    ph_thread_write(t, &w);
    size_t octets = ph_buf_len(&w.out);
    ph_writer_done(&w);
    ph_thread_free(t);
    ph_buf_done(&id);
    ph_buf_done(&refs);
    ph_buf_done(&subject);
    return octets;
}

static size_t sort_all(long n)
{
    static const struct ph_sort_key keys[] = { { PH_SORT_SUBJECT, false }, { PH_SORT_DATE, true } };
    struct ph_sorter *s = ph_sorter_new(keys, 2, NULL);
    struct ph_buf subject = { 0 };
    const uint32_t *numbers;
    size_t sorted;

    for (long i = 0; i < n; i++) {
        ph_buf_clear(&subject);
        ph_buf_add_z(&subject, "Re: [list] subject ");
        ph_buf_add_u64(&subject, (uint64_t)i * 7919 % 50000);
        struct ph_sort_message m = { .number = (uint32_t)i + 1, .date = i * 104729 % 1000003, .subject = ph_buf_str(&subject) };
        if (ph_sorter_add(s, &m, NULL))
            return 0;
    }
    if (ph_sorter_finish(s, &numbers, &sorted, NULL))
        return 0;
    ph_sorter_free(s);
    ph_buf_done(&subject);
    return sorted;
}

int main(int argc, char **argv)
{
    static const struct ph_text_key keys[] = { { PH_TEXT_HEADER, { "Subject", 7 }, { "nowhere", 7 } }, { PH_TEXT_HEADER, { "From", 4 }, { "nobody", 6 } },
                                               { PH_TEXT_HEADER, { "To", 2 }, { "nobody", 6 } }, { PH_TEXT_HEADER, { "List-Id", 7 }, { "nowhere", 7 } } };
    static const struct ph_text_key body = { PH_TEXT_BODY, { "", 0 }, { "nowhere", 7 } };
    const char *what = argc > 1 ? argv[1] : "header";
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 100000;
    struct ph_buf messages[16] = { 0 };
    size_t hits = 0;
    struct timespec begin, end;

    for (unsigned i = 0; i < 16; i++)
        make(&messages[i], i);
    struct ph_text_search *s = strcmp(what, "body") == 0 ? ph_text_search_new(&body, 1, NULL)
                                                         : ph_text_search_new(keys, strcmp(what, "headers") == 0 ? 4 : 1, NULL);
    size_t header = (size_t)((const char *)memmem(ph_buf_data(&messages[0]), ph_buf_len(&messages[0]), "\r\n\r\n", 4) - ph_buf_data(&messages[0])) + 4;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    if (strcmp(what, "thread") == 0 || strcmp(what, "sort") == 0) {
        hits = *what == 't' ? thread_all(n) : sort_all(n);
    }
    for (long i = 0; i < n && *what != 't' && *what != 's'; i++) {
        struct ph_str text = ph_buf_str(&messages[i & 15]);
        if (strcmp(what, "floor") == 0) {
            hits += floor_of((struct ph_str){ text.p, header });
            continue;
        }
        ph_text_search_begin(s);
        if (ph_text_search_feed(s, text.p, text.n, NULL) < 0 || ph_text_search_finish(s, NULL))
            return 1;
        hits += ph_text_search_hit(s, 0);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double took = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%s: %ld messages of %zu octets, header %zu: %.0f ns a message, %zu\n", what, n, ph_buf_len(&messages[0]), header, took / (double)n * 1e9, hits);
    ph_text_search_free(s);
    for (unsigned i = 0; i < 16; i++)
        ph_buf_done(&messages[i]);
    return 0;
}
