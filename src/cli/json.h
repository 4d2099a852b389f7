/* json.h: a small streaming JSON writer (RFC 8259). One value at a time into a ph_buf, no tree.
 *
 * Commas and quoting are its business; invalid UTF-8 becomes U+FFFD. Depth is at most 32. The output is pure ASCII
 * where escapes are needed and UTF-8 elsewhere, on one line.
 */
#ifndef PH_CLI_JSON_H
#define PH_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct ph_json {
    struct ph_buf *out;
    uint32_t comma;   /* bit d: a value stands at depth d already */
    unsigned depth;
};

void ph_json_init(struct ph_json *j, struct ph_buf *out);
/* `key` is NULL inside an array and for the outermost value. Keys are ours: ASCII without quotes. */
void ph_json_object(struct ph_json *j, const char *key);
void ph_json_array(struct ph_json *j, const char *key);
void ph_json_end_object(struct ph_json *j);
void ph_json_end_array(struct ph_json *j);
void ph_json_text(struct ph_json *j, const char *key, const char *value); /* NULL: null */
void ph_json_str(struct ph_json *j, const char *key, struct ph_str value);
void ph_json_u64(struct ph_json *j, const char *key, uint64_t value);
void ph_json_i64(struct ph_json *j, const char *key, int64_t value);
void ph_json_bool(struct ph_json *j, const char *key, bool value);

#endif
