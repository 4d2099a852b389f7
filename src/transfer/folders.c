/* folders.c: which folders take part, what they are called on the destination, and that they are there and subscribed. */
#include <stdlib.h>
#include <string.h>

#include "transfer/choose.h"
#include "transfer/folder.h"

static int load_ledger(struct run *r, struct folder_work *f, struct ph_err *err)
{
    if (!r->ledger) /* an audit looks for itself */
        return 0;
    if (ph_ledger_folder(r->ledger, f->src->name, f->dst_name, &f->id, err) ||
        ph_ledger_baseline_get(r->ledger, f->id, &f->base, err) || resolve_load(r, f, err))
        return -1;
    f->base_known = f->base.src_uidvalidity != 0;
    return 0;
}

static int add_folder(struct run *r, const struct ph_folder *src, const char *dst_name, bool unlabelled,
                      struct folder_work ***tail, struct ph_err *err)
{
    struct folder_work *f = ph_arena_alloc(&r->arena, sizeof *f);
    const struct ph_folder *d = ph_folder_list_find(&r->dst_list, dst_name);

    if (!f)
        return ph_fail_memory(err);
    f->src = src;
    f->dst_name = dst_name;
    f->unlabelled = unlabelled;
    f->dst = d ? *d : (struct ph_folder){ .name = dst_name, .size = UINT64_MAX };
    f->dst_exists = d && !(d->attrs & PH_MA_NONEXISTENT);
    **tail = f;
    *tail = &f->next;
    return load_ledger(r, f, err);
}

/* All Mail of a Gmail source, unless the user chose folders by name or asked for all of it. */
static const struct ph_folder *gmail_all_mail(struct run *r)
{
    const struct ph_job *j = r->job;

    if (!r->ledger || j->include.n || j->gmail_all || j->policy.classic_match || j->policy.ignore_destination ||
        !(r->src->ops->abilities(r->src) & PH_AB_GMAIL))
        return NULL;
    for (size_t i = 0; i < r->src_list.n; i++)
        if (r->src_list.f[i].attrs & PH_MA_ALL)
            return &r->src_list.f[i];
    return NULL;
}

static int choose_folders(struct run *r, struct folder_work **folders, struct ph_err *err)
{
    const struct ph_job *j = r->job;
    struct ph_folder_list chosen = r->src_list;
    struct ph_names names = j->names;
    struct ph_patterns *exclude = NULL;
    struct ph_name_pair *pairs = NULL;
    size_t n_pairs = 0;
    struct folder_work **tail = folders;

    if (ph_patterns_new(&j->exclude_regex, &exclude, err))
        return -1;
    chosen.f = ph_arena_alloc(&r->arena, (r->src_list.n + 1) * sizeof *chosen.f);
    chosen.n = 0;
    for (size_t i = 0; chosen.f && i < r->src_list.n; i++)
        if (ph_folder_chosen(j, exclude, &r->src_list.f[i]))
            chosen.f[chosen.n++] = r->src_list.f[i];
    ph_patterns_free(exclude);
    if (!chosen.f)
        return ph_fail_memory(err);
    const struct ph_folder *all_mail = gmail_all_mail(r);
    if (all_mail) /* last: what the others have is known by then */
        chosen.f[chosen.n++] = *all_mail;
    if (!names.src_delim)
        names.src_delim = r->src_list.delim;
    if (!names.dst_delim)
        names.dst_delim = r->dst_list.delim;
    if (!names.src_prefix)
        names.src_prefix = r->src_list.prefix;
    if (!names.dst_prefix)
        names.dst_prefix = r->dst_list.prefix;
    names.dst_folders = &r->dst_list;
    if (ph_names_map_all(&names, &chosen, false, &r->arena, &pairs, &n_pairs, err))
        return -1;
    for (size_t i = 0; i < n_pairs; i++) {
        const char *dst = j->single_folder ? j->single_folder : pairs[i].dst;
        bool unlabelled = all_mail && strcmp(pairs[i].src->name, all_mail->name) == 0;
        if (add_folder(r, pairs[i].src, dst, unlabelled, &tail, err))
            return -1;
        if (pairs[i].renamed)
            run_notice(r, NULL, 0, "%s becomes %s: the destination has a folder of that name in another case",
                       pairs[i].src->name, dst);
    }
    r->totals.folders = n_pairs;
    struct ph_event e = { .kind = PH_EV_FOLDERS, .number = n_pairs };
    run_event(r, &e);
    return 0;
}

/* A lane may be looking for work already: it sees the folders when they are all there. */
int run_choose_folders(struct run *r, struct ph_err *err)
{
    struct folder_work *folders = NULL;
    int result = choose_folders(r, &folders, err);

    pthread_mutex_lock(&r->lock);
    r->folders = folders;
    pthread_mutex_unlock(&r->lock);
    return result;
}

static bool is_new_name(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return false;
    return true;
}

static void created(struct run *r, struct folder_work *f, const struct ph_err *result)
{
    bool fine = result->kind == PH_OK || result->kind == PH_E_EXISTS;

    if (fine) {
        f->dst_exists = true;
        f->look_again = result->kind == PH_E_EXISTS && f->scanning; /* it was not listed: what is in it is not known */
        if (result->kind == PH_OK) {
            struct ph_event e = { .kind = PH_EV_FOLDER_CREATED, .folder = f->src->name, .dst_folder = f->dst_name };
            f->dst.has_status = f->made = true; /* nothing in it; its UIDVALIDITY is not known yet */
            run_event(r, &e);
        }
        return;
    }
    struct ph_err e = *result;
    ph_err_prefix(&e, "folder %s cannot be created", f->dst_name);
    queue_kill_folder(r, f, &e);
}

/* Without UIDPLUS nobody says which UIDVALIDITY a new folder has; without knowing it a later run could not tell whether it is
 * still the same one. */
static int ask_validity(struct run *r, size_t max, struct ph_err *err)
{
    struct ph_folder **d = ph_arena_alloc(&r->arena, max * sizeof *d);
    size_t n = 0;

    if (!d)
        return ph_fail_memory(err);
    if (r->dst_abilities & PH_AB_NEWUID)
        return 0;
    for (struct folder_work *f = r->folders; f; f = f->next)
        if (f->made && !f->dst.uidvalidity) {
            f->dst.name = f->dst_name;
            d[n++] = &f->dst;
        }
    return n ? r->dst->ops->status(r->dst, d, n, err) : 0;
}

/* Create what is missing, in one flight. */
int run_create_folders(struct run *r, struct ph_err *err)
{
    size_t max = 1, n = 0;

    for (struct folder_work *f = r->folders; f; f = f->next)
        max++;
    const char **names = ph_arena_alloc(&r->arena, max * sizeof *names);
    uint32_t *special = ph_arena_alloc(&r->arena, max * sizeof *special);
    struct ph_err *results = ph_arena_alloc(&r->arena, max * sizeof *results);
    if (!names || !special || !results)
        return ph_fail_memory(err);
    for (struct folder_work *f = r->folders; f; f = f->next)
        if (!f->dst_exists && !run_folder_dead(r, f) && is_new_name(names, n, f->dst_name)) {
            special[n] = r->job->keep_special_use ? f->src->attrs & PH_MA_SPECIAL & ~(uint32_t)PH_MA_INBOX : 0;
            names[n++] = f->dst_name;
        }
    if (r->job->create_longest_first) /* Dovecot over mbox files: a folder above must not be a file first */
        for (size_t i = 1; i < n; i++)
            for (size_t k = i; k && strlen(names[k]) > strlen(names[k - 1]); k--) {
                const char *name = names[k];
                uint32_t use = special[k];
                names[k] = names[k - 1];
                special[k] = special[k - 1];
                names[k - 1] = name;
                special[k - 1] = use;
            }
    if (n && r->dst->ops->create(r->dst, names, special, n, results, err))
        return -1;
    for (struct folder_work *f = r->folders; f; f = f->next)
        for (size_t i = 0; i < n && !f->dst_exists && !run_folder_dead(r, f); i++)
            if (strcmp(names[i], f->dst_name) == 0)
                created(r, f, &results[i]);
    return n ? ask_validity(r, max, err) : 0; /* of new folders: no lane is at work in them yet */
}

/* Subscribe what is subscribed, in one flight, while the lanes are at work. */
int run_subscribe_folders(struct run *r, struct ph_err *err)
{
    size_t max = 1, n = 0;

    for (struct folder_work *f = r->folders; f; f = f->next)
        max++;
    const char **names = ph_arena_alloc(&r->arena, max * sizeof *names);
    struct ph_err *results = ph_arena_alloc(&r->arena, max * sizeof *results);
    if (!names || !results)
        return ph_fail_memory(err);
    for (struct folder_work *f = r->folders; f; f = f->next) {
        const struct ph_folder *d = ph_folder_list_find(&r->dst_list, f->dst_name);
        bool wanted = r->job->subscribe_all || (r->job->keep_subscriptions && (f->src->attrs & PH_MA_SUBSCRIBED));
        if (wanted && f->dst_exists && !(d && (d->attrs & PH_MA_SUBSCRIBED)))
            names[n++] = f->dst_name;
    }
    return n && r->dst->ops->subscribe ? r->dst->ops->subscribe(r->dst, names, n, true, results, err) : 0;
}
