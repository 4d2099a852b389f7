/* Tells what we make of messages, for a program that compares (tests/integration/test_message_oracle.py): for each file named a line
 * `file`, then its parts, date and addresses, one a line. */
#include <stdio.h>
#include <stdlib.h>

#include "mail/date.h"
#include "mail/header.h"
#include "mail/structure.h"

/* Octets in hex: they may be anything. */
static void hex(struct ph_str s)
{
    putchar(' ');
    if (!s.p)
        putchar('-');
    for (size_t i = 0; i < s.n; i++)
        printf("%02x", (unsigned char)s.p[i]);
}

static void tell_addresses(struct ph_str value)
{
    struct ph_addresses a;
    struct ph_address one;

    ph_addresses_init(&a, value);
    while (ph_addresses_next(&a, &one) > 0) {
        printf("address");
        hex(one.name);
        hex(one.mailbox);
        hex(one.host);
        putchar('\n');
    }
    ph_addresses_done(&a);
}

static void tell(const char *path, struct ph_str text)
{
    struct ph_structure s;
    struct ph_structure_media m;
    struct ph_header_iter it;
    struct ph_str name, value;
    struct ph_mail_date date;

    ph_structure_init(&s);
    if (ph_structure_begin(&s, NULL, NULL) || ph_structure_feed(&s, text.p, text.n, NULL) || ph_structure_finish(&s, NULL))
        exit(1);
    printf("file %s\n", path);
    for (uint32_t i = 0; i < s.n_parts; i++) {
        ph_structure_media(&s, i, &m);
        printf("part %u", s.parts[i].depth);
        hex(m.type);
        hex(m.subtype);
        putchar('\n');
    }
    for (ph_header_begin(&it, (struct ph_str){ text.p, s.parts[0].body }); ph_header_next(&it, &name, &value);) {
        if (ph_str_caseis(name, "date") && ph_mail_date_parse(value, &date))
            printf("date %lld %lld\n", (long long)date.epoch, (long long)date.days);
        else if (ph_str_caseis(name, "date"))
            printf("date -\n");
        if (ph_str_caseis(name, "from") || ph_str_caseis(name, "to") || ph_str_caseis(name, "cc")) {
            printf("list");
            hex(value);
            putchar('\n');
            tell_addresses(value);
        }
    }
    ph_structure_done(&s);
}

int main(void)
{
    char line[4096];

    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        FILE *f = fopen(line, "rb");
        struct ph_buf b = PH_BUF_INIT;
        char *room;
        size_t n;
        if (!f)
            return 1;
        while ((room = ph_buf_reserve(&b, 65536)) && (n = fread(room, 1, 65536, f)) > 0)
            ph_buf_commit(&b, n);
        fclose(f);
        tell(line, ph_buf_str(&b));
        ph_buf_done(&b);
    }
    return 0;
}
