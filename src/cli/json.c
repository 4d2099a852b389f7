#include "cli/json.h"

#include <assert.h>
#include <stdio.h>

#include "wire/utf8.h"

void ph_json_init(struct ph_json *j, struct ph_buf *out)
{
    *j = (struct ph_json){ .out = out };
}

static void quoted(struct ph_buf *out, struct ph_str s)
{
    ph_buf_add_char(out, '"');
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        unsigned len = ph_utf8_get(s.p + i, s.n - i, &c);
        if (len == 0) {
            ph_buf_add(out, "\xef\xbf\xbd", 3);
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            ph_buf_add_char(out, '\\');
            ph_buf_add_char(out, (char)c);
        } else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029) {
            char esc[8];
            snprintf(esc, sizeof esc, "\\u%04x", (unsigned)c);
            ph_buf_add_z(out, esc);
        } else {
            ph_buf_add(out, s.p + i, len);
        }
        i += len;
    }
    ph_buf_add_char(out, '"');
}

static void before(struct ph_json *j, const char *key)
{
    if (j->comma >> j->depth & 1)
        ph_buf_add_char(j->out, ',');
    j->comma |= 1u << j->depth;
    if (key) {
        quoted(j->out, ph_str(key));
        ph_buf_add_char(j->out, ':');
    }
}

static void open_with(struct ph_json *j, const char *key, char c)
{
    before(j, key);
    assert(j->depth < 31);
    j->depth++;
    j->comma &= ~(1u << j->depth);
    ph_buf_add_char(j->out, c);
}

void ph_json_object(struct ph_json *j, const char *key)
{
    open_with(j, key, '{');
}

void ph_json_array(struct ph_json *j, const char *key)
{
    open_with(j, key, '[');
}

void ph_json_end_object(struct ph_json *j)
{
    assert(j->depth > 0);
    j->depth--;
    ph_buf_add_char(j->out, '}');
}

void ph_json_end_array(struct ph_json *j)
{
    assert(j->depth > 0);
    j->depth--;
    ph_buf_add_char(j->out, ']');
}

void ph_json_str(struct ph_json *j, const char *key, struct ph_str value)
{
    before(j, key);
    if (value.p)
        quoted(j->out, value);
    else
        ph_buf_add_z(j->out, "null");
}

void ph_json_text(struct ph_json *j, const char *key, const char *value)
{
    ph_json_str(j, key, value ? ph_str(value) : PH_STR_NIL);
}

void ph_json_u64(struct ph_json *j, const char *key, uint64_t value)
{
    before(j, key);
    ph_buf_add_u64(j->out, value);
}

void ph_json_i64(struct ph_json *j, const char *key, int64_t value)
{
    before(j, key);
    if (value < 0)
        ph_buf_add_char(j->out, '-');
    ph_buf_add_u64(j->out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void ph_json_bool(struct ph_json *j, const char *key, bool value)
{
    before(j, key);
    ph_buf_add_z(j->out, value ? "true" : "false");
}
