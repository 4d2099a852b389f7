#include "cli/settings.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "cli/text.h"

void ph_settings_init(struct ph_settings *s, const char *invoked)
{
    memset(s, 0, sizeof *s);
    ph_arena_init(&s->arena, 0);
    ph_job_init(&s->job);
    ph_side_init(&s->src, true);
    ph_side_init(&s->dst, false);
    s->invoked = invoked;
}

static void wipe(const char *secret)
{
    if (secret)
        ph_wipe((char *)(uintptr_t)secret, strlen(secret));
}

void ph_settings_done(struct ph_settings *s)
{
    ph_side_wipe(&s->src);
    ph_side_wipe(&s->dst);
    for (size_t i = 0; i < s->n_users; i++) {
        wipe(s->users[i].src_secret);
        wipe(s->users[i].dst_secret);
    }
    ph_arena_done(&s->arena);
}

/* ---- setters ---- */

static void *field(void *target, const struct ph_option *o)
{
    return (char *)target + o->offset;
}

int ph_set_day_modern(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    return ph_day_parse(arg, PH_DAY_ISO, field(target, o), err);
}

int ph_set_day_classic(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    return ph_day_parse(arg, PH_DAY_CLASSIC, field(target, o), err);
}

int ph_set_day_numeric(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    return ph_day_parse(arg, PH_DAY_NUMERIC, field(target, o), err);
}

int ph_set_list(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    return ph_list_split(arg, false, &((struct ph_settings *)target)->arena, field(target, o), err);
}

int ph_set_regex_list(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    return ph_list_split(arg, true, &((struct ph_settings *)target)->arena, field(target, o), err);
}

int ph_set_conn(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    return ph_side_take_conn(field(target, o), arg, &((struct ph_settings *)target)->arena, err);
}

int ph_set_src_delimiter(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    struct ph_settings *s = target;
    return ph_delimiter_parse(arg, &s->arena, &s->job.names.src_delim, &s->job.names.src_prefix, err);
}

int ph_set_dst_delimiter(void *target, const struct ph_option *o, char *arg, struct ph_err *err)
{
    struct ph_settings *s = target;
    return ph_delimiter_parse(arg, &s->arena, &s->job.names.dst_delim, &s->job.names.dst_prefix, err);
}

/* ---- finish ---- */

static struct ph_pattern_list patterns(const struct ph_strings *s)
{
    return (struct ph_pattern_list){ s->item, s->n };
}

static void both_sides(struct ph_settings *s)
{
    struct ph_side *sides[] = { &s->src, &s->dst };

    for (size_t i = 0; i < 2; i++) {
        sides[i]->insecure |= s->insecure;
        if (!sides[i]->ca_file)
            sides[i]->ca_file = s->ca_file;
        if (!sides[i]->ca_path)
            sides[i]->ca_path = s->ca_path;
        sides[i]->imap.keep_on_errors = s->keep_on_errors;
        sides[i]->imap.trace = s->trace;
    }
}

static int read_map(struct ph_settings *s, void (*warn)(void *, const char *), void *ctx, struct ph_err *err)
{
    struct ph_name_rule *rules = NULL;
    size_t n = 0;

    if (!s->map_file)
        return 0;
    if (ph_name_rules_read(s->map_file, &s->arena, &rules, &n, warn, ctx, err)) {
        if (!strstr(err->text, s->map_file))
            ph_err_prefix(err, "%s", s->map_file);
        return -1;
    }
    s->job.names.rules = rules;
    s->job.names.n_rules = n;
    return 0;
}

int ph_settings_finish(struct ph_settings *s, void (*warn)(void *, const char *), void *ctx, struct ph_err *err)
{
    s->job.include = patterns(&s->include);
    s->job.exclude = patterns(&s->exclude);
    s->job.exclude_regex = patterns(&s->exclude_regex);
    s->job.repair |= s->repair;
    if (ph_search_program(&s->since, &s->before, s->search, &s->arena, &s->job.search, err) || read_map(s, warn, ctx, err))
        return -1;
    if (s->users_file && ph_user_pairs_read(s->users_file, &s->arena, &s->users, &s->n_users, &s->bad_users, warn, ctx, err))
        return -1;
    both_sides(s);
    if (s->users_file)
        return 0;
    return ph_side_finish(&s->src, &s->rules, &s->arena, err) || ph_side_finish(&s->dst, &s->rules, &s->arena, err) ? -1 : 0;
}

static int user_side(struct ph_settings *s, const struct ph_side *host, const char *user, const char *secret,
                     struct ph_side *out, struct ph_err *err)
{
    *out = *host;
    out->imap.user = user;
    out->secret = ph_arena_strdup(&s->arena, ph_str(secret)); /* wiped after use; the list is needed to the end */
    if (!out->secret)
        return ph_fail_memory(err);
    if (host->admin_pair && !(out->admin_pair = ph_arena_strdup(&s->arena, ph_str(host->admin_pair))))
        return ph_fail_memory(err);
    if (host->kerio_secret && !(out->kerio_secret = ph_arena_strdup(&s->arena, ph_str(host->kerio_secret))))
        return ph_fail_memory(err);
    if (ph_side_finish(out, &s->rules, &s->arena, err))
        return -1;
    if (!*out->secret && !out->kerio_secret && !host->password_file && !host->password_env && !host->password_command)
        return ph_fail(err, PH_SCOPE_STORE, PH_E_USAGE, "%s on the %s has no password, and there is no administrator's", user,
                       out->name);
    return 0;
}

int ph_settings_user(struct ph_settings *s, const struct ph_user_pair *u, struct ph_side *src, struct ph_side *dst,
                     struct ph_err *err)
{
    return user_side(s, &s->src, u->src, u->src_secret, src, err) || user_side(s, &s->dst, u->dst, u->dst_secret, dst, err)
               ? -1
               : 0;
}

void ph_settings_output(const struct ph_settings *s, bool audit, struct ph_output_options *out)
{
    *out = (struct ph_output_options){
        .style = s->json ? PH_STYLE_JSON : s->style,
        .printer = { .program = s->invoked, .quiet = s->quiet, .verbose = s->verbose, .debug = s->debug, .trace = s->trace,
                     .audit = audit, .dry_run = s->job.dry_run, .every = s->every, .size_limit_mb = s->size_limit_mb,
                     .show_keys = s->show_keys, .counts_only = s->job.audit_counts_only },
        .log = s->log,
        .no_progress = s->no_progress,
        .screen = 1,
        .errors = 2,
    };
}

/* ---- the ledger's name ---- */

static void add_list(struct ph_buf *b, const char *name, const struct ph_pattern_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        ph_text_add(b, "%s=%zu:%s\n", name, strlen(l->item[i]), l->item[i]);
}

static void add_text(struct ph_buf *b, const char *name, const char *value)
{
    if (value)
        ph_text_add(b, "%s=%zu:%s\n", name, strlen(value), value);
}

static void describe(const struct ph_job *j, struct ph_buf *b)
{
    add_list(b, "include", &j->include);
    add_list(b, "exclude", &j->exclude);
    add_list(b, "regex", &j->exclude_regex);
    add_text(b, "search", j->search);
    add_text(b, "single", j->single_folder);
    add_text(b, "archive", j->archive_folder);
    add_text(b, "root", j->names.root);
    add_text(b, "src-prefix", j->names.src_prefix);
    add_text(b, "dst-prefix", j->names.dst_prefix);
    add_text(b, "skip", j->skip_ids_file);
    add_text(b, "remember", j->remember_file);
    for (size_t i = 0; i < j->names.n_rules; i++) {
        add_text(b, "rule", j->names.rules[i].src);
        add_text(b, "to", j->names.rules[i].dst);
    }
    ph_text_add(b, "%d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d\n", j->include_children, j->gmail_all, j->keywords,
                j->mark_seen, j->clear_deleted, j->headers_only, j->empty_destination_first, j->classic_expunge, (int)j->after,
                (int)j->repair, j->repair_always, j->names.strip_gmail, j->names.src_delim, j->names.dst_delim,
                j->subscribe_all, j->policy.update_flags);
    ph_text_add(b, "%d %d %d %d %d %d %llu %llu %lu %lu %lld %lld\n", j->policy.expunge, j->policy.dedup, j->policy.classic_match,
                j->policy.ignore_destination, j->policy.skip_deleted, j->policy.only_seen,
                (unsigned long long)j->policy.max_size, (unsigned long long)j->max_per_folder, (unsigned long)j->first_seq,
                (unsigned long)j->last_seq, (long long)j->since_day, (long long)j->before_day);
}

const char *ph_settings_variant(struct ph_settings *s, const char *tool)
{
    struct ph_buf b = PH_BUF_INIT;
    unsigned char digest[SHA256_DIGEST_LENGTH];

    describe(&s->job, &b);
    SHA256((const unsigned char *)ph_buf_z(&b), ph_buf_len(&b), digest);
    ph_buf_clear(&b);
    ph_text_add(&b, "%s-", tool);
    for (size_t i = 0; i < 8; i++)
        ph_text_add(&b, "%02x", digest[i]);
    const char *out = b.failed ? NULL : ph_arena_strdup(&s->arena, ph_buf_str(&b));
    ph_buf_done(&b);
    return out;
}

int ph_exit_status(int rc, const struct ph_err *err, const struct ph_totals *t, enum ph_audit_kind audit, int stop_signal)
{
    if (rc && stop_signal && err->kind == PH_E_CANCELLED)
        return 128 + stop_signal;
    if (rc)
        return 1;
    if (t->failed || t->folders_failed || t->refused || t->missing)
        return 2;
    return (audit && t->absent) || (audit == PH_AUDIT_ALL && t->different) ? 3 : 0;
}
