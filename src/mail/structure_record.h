/* structure_record.h: how the fields of one part are kept in the text of a structure (structure.h), for the files that make, write and
 * check them.
 *
 * A record is a sequence of nstrings and lists. A number is LEB128; an nstring is its length and one (0: NIL) and its octets;
 * a list is the number of its strings and then these. The order is that of struct structure_record.
 */
#ifndef PH_MAIL_STRUCTURE_RECORD_H
#define PH_MAIL_STRUCTURE_RECORD_H

#include "mail/structure.h"

struct structure_list {
    uint64_t n;          /* strings */
    const char *p, *end; /* the first of them; end: of the record */
};

enum { STRUCTURE_FIELDS = 5, STRUCTURE_LISTS = 6 };

struct structure_record {
    struct ph_str type, subtype; /* NIL: text/plain, or message/rfc822 in a digest */
    struct structure_list params;
    struct ph_str id, description, encoding, md5, disposition;
    struct structure_list disposition_params, language;
    struct ph_str location;
    bool envelope; /* of a message */
    struct ph_str fields[STRUCTURE_FIELDS];         /* enum ph_structure_field */
    struct structure_list addresses[STRUCTURE_LISTS]; /* enum ph_structure_list; four strings each */
};

/* false: not a whole record, or more than one. */
bool structure_record_read(struct ph_str text, struct structure_record *out);
void structure_record_of(const struct ph_structure *s, uint32_t part, struct structure_record *out);
/* The next string of a list. */
struct ph_str structure_list_next(struct structure_list *list);

bool structure_number_get(const char **p, const char *end, uint64_t *v);
void structure_number_put(struct ph_buf *out, uint64_t v);

/* Header fields of one part into the text. */
struct structure_make {
    struct ph_buf *text;
    size_t text_limit, addresses_left, params_left;
    bool limited;
    struct ph_buf scratch, entries;
    struct ph_addresses addresses;
};
int structure_record_make(struct structure_make *m, struct ph_str header, bool envelope);

#endif
