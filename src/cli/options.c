/* options.c: parsing by table. */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

int ph_strings_add(struct ph_strings *s, struct ph_arena *arena, const char *item, struct ph_err *err)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 8;
        const char **bigger = ph_arena_alloc(arena, cap * sizeof *bigger);
        if (!bigger)
            return ph_fail_memory(err);
        if (s->n)
            memcpy(bigger, s->item, s->n * sizeof *bigger);
        s->item = bigger;
        s->cap = cap;
    }
    s->item[s->n++] = item;
    return 0;
}

bool ph_option_takes_value(const struct ph_option *o)
{
    switch (o->kind) {
    case PH_OPT_FLAG:
    case PH_OPT_BITS:
    case PH_OPT_CHOICE:
    case PH_OPT_END:
        return false;
    case PH_OPT_CALL:
    case PH_OPT_NOTHING:
        return o->arg != NULL;
    default:
        return true;
    }
}

#define FOR_EACH_OPTION(c, o)                                                                                          \
    for (const struct ph_option_group *g_ = (c)->groups; g_ && g_->heading; g_++)                                      \
        for (const struct ph_option *o = g_->options; o->kind != PH_OPT_END; o++)

const struct ph_option *ph_option_by_letter(const struct ph_command *c, char letter)
{
    FOR_EACH_OPTION(c, o)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

const struct ph_option *ph_option_by_name(const struct ph_command *c, struct ph_str name)
{
    FOR_EACH_OPTION(c, o)
        if (o->name && ph_str_is(name, o->name))
            return o;
    return NULL;
}

/* ---- values ---- */

int ph_parse_bytes(const char *text, uint64_t *out)
{
    char *end;

    if (!isdigit((unsigned char)*text) && *text != '.')
        return -1;
    errno = 0;
    double v = strtod(text, &end);
    if (errno || end == text || strcspn(text, "xXpP") < (size_t)(end - text))
        return -1;
    static const char units[] = "kMGT";
    while (*end == ' ')
        end++;
    if (*end && *end != 'B') {
        const char *u = strchr(units, *end == 'K' ? 'k' : *end == 'm' ? 'M' : *end == 'g' ? 'G' : *end);
        if (!u)
            return -1;
        for (const char *p = units; p <= u; p++)
            v *= 1000;
        end++;
    }
    if (*end == 'B')
        end++;
    if (*end || !isfinite(v) || v >= 9e18)
        return -1;
    *out = (uint64_t)(v + 0.5);
    return 0;
}

static int whole_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return -1;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || *end || v < least || v > most)
        return -1;
    *out = v;
    return 0;
}

static int seconds(const char *text, unsigned *out)
{
    char *end;

    if (!isdigit((unsigned char)*text) && *text != '.')
        return -1;
    errno = 0;
    double v = strtod(text, &end);
    if (errno || *end || strcspn(text, "xXpPeE") < strlen(text) || !(v > 0) || v > 4e6)
        return -1;
    *out = (unsigned)(v * 1000 + 0.5);
    return *out ? 0 : -1;
}

/* How the user wrote it: "-x" or "--name". */
static void spell(const struct ph_option *o, bool by_letter, char *buf, size_t n)
{
    if (by_letter || !o->name) {
        buf[0] = '-';
        buf[1] = o->letter;
        buf[2] = 0;
    } else {
        size_t len = strnlen(o->name, n - 3);
        memcpy(buf, "--", 2);
        memcpy(buf + 2, o->name, len);
        buf[2 + len] = 0;
    }
}

static int wrong_value(const struct ph_option *o, const char *as, const char *arg, const char *wanted,
                       struct ph_err *err)
{
    if (o->flags & PH_OPT_SECRET)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s wants %s", as, wanted);
    return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s wants %s, not \"%s\"", as, wanted, arg);
}

static int take_text(void *field, const struct ph_option *o, char *arg, struct ph_arena *arena, struct ph_err *err)
{
    const char *kept = arg;

    if (o->flags & PH_OPT_SECRET && !(kept = ph_arena_strdup(arena, ph_str(arg))))
        return ph_fail_memory(err);
    *(const char **)field = kept;
    return 0;
}

int ph_option_set(const struct ph_option *o, const char *as, void *target, char *arg, bool negated,
                  struct ph_arena *arena, struct ph_err *err)
{
    void *field = (char *)target + o->offset;
    uint64_t v;

    switch (o->kind) {
    case PH_OPT_FLAG:
        *(bool *)field = !negated ^ !!(o->flags & PH_OPT_INVERT);
        return 0;
    case PH_OPT_BITS:
        *(unsigned *)field |= (unsigned)o->value;
        return 0;
    case PH_OPT_CHOICE:
        *(int *)field = (int)o->value;
        return 0;
    case PH_OPT_TEXT:
        return take_text(field, o, arg, arena, err);
    case PH_OPT_STRINGS:
        return ph_strings_add(field, arena, arg, err);
    case PH_OPT_NUMBER:
        if (whole_number(arg, (uint64_t)o->value, UINT32_MAX, &v))
            return wrong_value(o, as, arg, o->value ? "a positive whole number" : "a whole number", err);
        *(unsigned *)field = (unsigned)v;
        return 0;
    case PH_OPT_U32:
        if (whole_number(arg, (uint64_t)o->value, UINT32_MAX, &v))
            return wrong_value(o, as, arg, o->value ? "a positive whole number" : "a whole number", err);
        *(uint32_t *)field = (uint32_t)v;
        return 0;
    case PH_OPT_U64:
        if (whole_number(arg, (uint64_t)o->value, UINT64_MAX, &v))
            return wrong_value(o, as, arg, o->value ? "a positive whole number" : "a whole number", err);
        *(uint64_t *)field = v;
        return 0;
    case PH_OPT_BYTES:
        if (ph_parse_bytes(arg, &v))
            return wrong_value(o, as, arg, "a size such as 500k or 1.5M", err);
        *(uint64_t *)field = v;
        return 0;
    case PH_OPT_SECONDS:
        if (seconds(arg, field))
            return wrong_value(o, as, arg, "a number of seconds", err);
        return 0;
    case PH_OPT_CALL:
        if (o->set(target, o, arg, err)) {
            ph_err_prefix(err, "%s", as);
            return -1;
        }
        return 0;
    case PH_OPT_NOTHING:
    case PH_OPT_END:
        break;
    }
    return 0;
}

static int apply_and_wipe(const struct ph_option *o, bool by_letter, void *target, char *arg, bool negated,
                          struct ph_arena *arena, struct ph_err *err)
{
    char as[80];

    spell(o, by_letter, as, sizeof as);
    int rc = ph_option_set(o, as, target, arg, negated, arena, err);
    if (arg && o->flags & PH_OPT_SECRET)
        memset(arg, '*', strlen(arg));
    return rc;
}

/* ---- mistyped names ---- */

unsigned ph_edit_distance(struct ph_str a, struct ph_str b)
{
    enum { MOST = 48 };
    unsigned rows[3][MOST + 1];

    if (a.n > MOST || b.n > MOST)
        return 99;
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.n; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            unsigned best = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] && older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a.n % 3][b.n];
}

static int unknown_name(const struct ph_command *c, struct ph_str name, struct ph_err *err)
{
    const char *nearest = NULL;
    unsigned best = name.n / 3 < 2 ? 2 : (unsigned)(name.n / 3);

    FOR_EACH_OPTION(c, o) {
        if (!o->name || o->flags & PH_OPT_HIDDEN)
            continue;
        struct ph_str known = ph_str(o->name);
        unsigned d = ph_edit_distance(name, known);
        if (name.n >= 3 && known.n > name.n && memcmp(known.p, name.p, name.n) == 0)
            d = 1; /* the beginning of a name */
        if (d <= best && !(nearest && d == best)) {
            best = d;
            nearest = o->name;
        }
    }
    if (nearest)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no option --%.*s; did you mean --%s?", PH_FMT(name),
                       nearest);
    return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no option --%.*s", PH_FMT(name));
}

/* ---- the parser ---- */

struct args {
    int argc, at;
    char **argv;
};

static int parse_long(const struct ph_command *c, void *target, struct args *a, struct ph_parse *p,
                      struct ph_err *err)
{
    char *text = a->argv[a->at] + 2;
    struct ph_str name = { text, strcspn(text, "=") };
    char *value = text[name.n] == '=' ? text + name.n + 1 : NULL;
    bool negated = false;
    const struct ph_option *o = ph_option_by_name(c, name);

    if (!o && ph_str_is(name, "help"))
        return p->outcome = PH_WANTS_HELP, 0;
    if (!o && ph_str_is(name, "version"))
        return p->outcome = PH_WANTS_VERSION, 0;
    if (!o && ph_str_prefix(name, "no-")) {
        o = ph_option_by_name(c, (struct ph_str){ name.p + 3, name.n - 3 });
        if (o && o->kind != PH_OPT_FLAG)
            o = NULL;
        negated = true;
    }
    if (!o && name.n < 60) { /* --x undoes --no-x */
        char no[64] = "no-";
        memcpy(no + 3, name.p, name.n);
        o = ph_option_by_name(c, (struct ph_str){ no, name.n + 3 });
        if (o && o->kind != PH_OPT_FLAG)
            o = NULL;
        negated = true;
    }
    if (!o)
        return unknown_name(c, name, err);
    if (!ph_option_takes_value(o)) {
        if (value)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "--%.*s takes no value", PH_FMT(name));
    } else if (!value) {
        if (a->at + 1 >= a->argc)
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "--%s needs a value (%s)", o->name, o->arg);
        value = a->argv[++a->at];
    }
    return apply_and_wipe(o, false, target, value, negated, p->arena, err);
}

static int parse_letters(const struct ph_command *c, void *target, struct args *a, struct ph_parse *p,
                         struct ph_err *err)
{
    for (char *text = a->argv[a->at] + 1; *text; text++) {
        const struct ph_option *o = ph_option_by_letter(c, *text);
        if (!o && *text == 'h') {
            p->outcome = PH_WANTS_HELP;
            return 0;
        }
        if (!o)
            return isgraph((unsigned char)*text)
                       ? ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "there is no option -%c", *text)
                       : ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "something that is no letter among the options");
        if (!ph_option_takes_value(o)) {
            if (apply_and_wipe(o, true, target, NULL, false, p->arena, err))
                return -1;
            continue;
        }
        char *value = text[1] ? text + 1 : NULL;
        if (!value) {
            if (a->at + 1 >= a->argc)
                return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "-%c needs a value (%s)", o->letter, o->arg);
            value = a->argv[++a->at];
        }
        return apply_and_wipe(o, true, target, value, false, p->arena, err);
    }
    return 0;
}

int ph_options_parse(const struct ph_command *c, void *target, int argc, char **argv, struct ph_parse *p,
                     struct ph_err *err)
{
    struct args a = { argc, 0, argv };
    bool only_operands = false;

    p->n_operands = 0;
    p->outcome = PH_PARSED;
    for (; a.at < a.argc; a.at++) {
        char *word = a.argv[a.at];
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (only_operands || word[0] != '-' || word[1] == 0) {
            if (p->n_operands == c->n_operands)
                return c->n_operands ? ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "too many operands: %s takes %s", c->name,
                                               c->operands)
                                     : ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s takes options only", c->name);
            p->operands[p->n_operands++] = word;
        } else if ((word[1] == '-' ? parse_long : parse_letters)(c, target, &a, p, err)) {
            return -1;
        }
        if (p->outcome != PH_PARSED)
            return 0;
    }
    if (p->n_operands + c->n_optional < c->n_operands)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "%s needs %s", c->name, c->operands);
    return 0;
}
