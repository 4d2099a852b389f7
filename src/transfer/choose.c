/* choose.c: which folders take part, and what they are called on the other side. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "transfer/choose.h"

#define MATCH_LIMIT 1000000

struct ph_patterns {
    pcre2_code **code;
    size_t n;
    pcre2_match_data *md;
    pcre2_match_context *ctx;
};

int ph_patterns_new(const struct ph_pattern_list *list, struct ph_patterns **out, struct ph_err *err)
{
    struct ph_patterns *p = calloc(1, sizeof *p);

    if (!p || !(p->code = calloc(list->n + 1, sizeof *p->code)))
        goto memory;
    for (; p->n < list->n; p->n++) {
        int code;
        PCRE2_SIZE at;
        const char *z = list->item[p->n];
        p->code[p->n] = pcre2_compile((PCRE2_SPTR)z, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
        if (!p->code[p->n]) {
            PCRE2_UCHAR why[128];
            pcre2_get_error_message(code, why, sizeof why);
            ph_patterns_free(p);
            return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "regular expression \"%s\", at character %zu: %s", z, at + 1,
                           (const char *)why);
        }
    }
    p->md = pcre2_match_data_create(1, NULL);
    p->ctx = pcre2_match_context_create(NULL);
    if (!p->md || !p->ctx)
        goto memory;
    pcre2_set_match_limit(p->ctx, MATCH_LIMIT);
    *out = p;
    return 0;
memory:
    ph_patterns_free(p);
    return ph_fail_memory(err);
}

bool ph_patterns_match(struct ph_patterns *p, const char *name)
{
    for (size_t i = 0; p && i < p->n; i++)
        if (pcre2_match(p->code[i], (PCRE2_SPTR)name, PCRE2_ZERO_TERMINATED, 0, 0, p->md, p->ctx) >= 0)
            return true;
    return false;
}

void ph_patterns_free(struct ph_patterns *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        pcre2_code_free(p->code[i]);
    free(p->code);
    pcre2_match_data_free(p->md);
    pcre2_match_context_free(p->ctx);
    free(p);
}

/* 1 the same, 2 below it, 0 neither. `/` in the item stands for the delimiter, too. */
static int relation(const struct ph_folder *f, const char *item)
{
    size_t i;

    if (strcasecmp(item, "INBOX") == 0 && strcmp(f->name, "INBOX") == 0)
        return 1;
    for (i = 0; item[i]; i++) {
        bool same = f->name[i] == item[i] || (item[i] == '/' && f->delim && f->name[i] == f->delim);
        if (!same && !(i < 5 && strncasecmp(item, "INBOX", 5) == 0 && strncmp(f->name, "INBOX", 5) == 0))
            return 0;
    }
    if (!f->name[i])
        return 1;
    return f->delim && f->name[i] == f->delim ? 2 : 0;
}

static bool listed(const struct ph_pattern_list *l, bool children, const struct ph_folder *f)
{
    for (size_t i = 0; i < l->n; i++) {
        int r = relation(f, l->item[i]);
        if (r == 1 || (r == 2 && children))
            return true;
    }
    return false;
}

static bool is_gmail_view(const struct ph_folder *f)
{
    bool below = strncmp(f->name, "[Gmail]", 7) == 0 || strncmp(f->name, "[Google Mail]", 13) == 0;

    return below && ((f->attrs & (PH_MA_ALL | PH_MA_IMPORTANT | PH_MA_FLAGGED)) || strcmp(f->name, "[Gmail]/All Mail") == 0);
}

bool ph_folder_chosen(const struct ph_job *j, struct ph_patterns *exclude, const struct ph_folder *f)
{
    if (f->attrs & PH_MA_NONEXISTENT && !(f->attrs & PH_MA_HASCHILDREN))
        return false;
    if (j->include.n)
        return listed(&j->include, j->include_children, f) && !listed(&j->exclude, j->include_children, f) &&
               !ph_patterns_match(exclude, f->name);
    if (f->name[0] == '#')
        return false;
    if (!j->gmail_all && is_gmail_view(f))
        return false;
    if (j->subscribed_only && !(f->attrs & PH_MA_SUBSCRIBED))
        return false;
    if (j->archive_folder && strcmp(j->archive_folder, f->name) == 0)
        return false;
    return !listed(&j->exclude, j->include_children, f) && !ph_patterns_match(exclude, f->name);
}
