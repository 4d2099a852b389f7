#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local_mail.h"

struct ph_err said;

struct ph_local_root *mail_root(const char *dir, const struct ph_local_options *o)
{
    struct ph_local_root *root;

    OK(ph_local_root_new(dir, o, &root, &said));
    return root;
}

struct who mail_user(struct ph_local_root *root, const char *name)
{
    struct who w = { 0 };

    OK(ph_local_store_new(root, name, true, &w.st, &said));
    OK(w.st->ops->open(w.st, NULL, &w.s, &said));
    return w;
}

void mail_leave(struct who *w)
{
    w->s->ops->close(w->s);
    w->st->ops->free(w->st);
}

void mail_create(struct who *w, const char *folder)
{
    struct ph_err result;

    OK(w->s->ops->create(w->s, &folder, NULL, 1, &result, &said));
    if (result.kind != PH_OK)
        fail_msg("create %s: %s", folder, result.text);
}

char *mail_text(unsigned id)
{
    char *z = NULL;
    size_t n = 40 + id * 37 % 3000;

    if (asprintf(&z, "From: anna@example.org\r\nSubject: %u\r\nMessage-ID: <%u@example.org>\r\n\r\n%0*u\r\n", id, id, (int)n,
                 id) < 0)
        return NULL;
    return z;
}

struct ph_append_result mail_try(struct who *w, const char *folder, const char *text)
{
    struct ph_message m = { .keywords = "", .size = strlen(text) };
    struct ph_append_result res;
    struct ph_append *a, *done;

    OK(w->s->ops->append_open(w->s, folder, 1, &a, &said));
    if (w->s->ops->append_message(a, &m, &said) == 0)
        w->s->ops->append_write(a, text, m.size, &said);
    OK(w->s->ops->append_finish(a, &said));
    OK(w->s->ops->append_wait(w->s, &done, &res, &said));
    w->s->ops->append_free(done);
    res.uids = NULL;
    return res;
}

uint32_t mail_put(struct who *w, const char *folder, const char *text, unsigned id, uint32_t flags)
{
    char *made = text ? NULL : mail_text(id);
    struct ph_message m = { .keywords = "", .size = strlen(made ? made : text), .flags = flags, .has_date = true,
                            .epoch = 1600000000 + id, .zone_min = 60 };
    struct ph_append_result res;
    struct ph_append *a, *done;

    OK(w->s->ops->append_open(w->s, folder, 1, &a, &said));
    OK(w->s->ops->append_message(a, &m, &said));
    OK(w->s->ops->append_write(a, made ? made : text, m.size, &said));
    free(made);
    OK(w->s->ops->append_finish(a, &said));
    OK(w->s->ops->append_wait(w->s, &done, &res, &said));
    if (!res.ok)
        fail_msg("append: %s", res.err.text);
    uint32_t uid = res.uids[0];
    w->s->ops->append_free(done);
    return uid;
}

struct ph_folder mail_status(struct who *w, const char *folder)
{
    struct ph_folder f = { .name = folder }, *pf = &f;

    OK(w->s->ops->status(w->s, &pf, 1, &said));
    return f;
}

size_t mail_count(struct who *w, const char *folder)
{
    struct ph_folder f = mail_status(w, folder);

    return f.has_status ? f.messages : SIZE_MAX;
}

struct ph_snapshot mail_scan(struct who *w, const char *folder, uint64_t since, struct ph_numset *vanished, bool read_write)
{
    struct ph_scan_request req = { .want = PH_WANT_FLAGS | PH_WANT_SIZE | PH_WANT_DATE | PH_WANT_MODSEQ,
                                   .changed_since = since, .vanished = vanished, .read_write = read_write };
    struct ph_snapshot snap;

    ph_snapshot_init(&snap);
    OK(w->s->ops->scan_begin(w->s, folder, &req, &snap, &said));
    OK(w->s->ops->scan_wait(w->s, &snap, &said));
    return snap;
}

char *mail_body(struct who *w, const char *folder, uint32_t uid, size_t *n)
{
    const struct ph_serve_ops *serve = w->s->ops->serve;
    struct ph_body body;
    const char *p;
    size_t got;

    ph_err_clear(&said);
    if (serve->body_open(w->s, folder, 0, uid, &body, &said))
        return NULL;
    char *all = malloc(body.size + 1);
    for (*n = 0; *n < body.size; *n += got) {
        if (serve->body_at(w->s, *n, 100000, &p, &got, &said)) {
            free(all);
            return NULL;
        }
        memcpy(all + *n, p, got);
    }
    all[*n] = '\0';
    return all;
}

void mail_flags(struct who *w, const char *folder, uint32_t uid, uint32_t flags, const char *keywords)
{
    struct ph_numset set = mail_set(uid, uid);
    struct ph_flag_change ch = { .uids = &set, .flags = flags, .keywords = keywords, .mode = PH_FLAGS_SET };
    struct ph_flag_batch b = { .folder = folder, .changes = &ch, .n = 1 };

    OK(w->s->ops->store_flags(w->s, &b, 1, &said));
    if (b.result.kind != PH_OK || ch.result.kind != PH_OK)
        fail_msg("flags: %s%s", b.result.text, ch.result.text);
    ph_numset_done(&set);
}

uint32_t mail_attrs(struct who *w, const char *folder)
{
    struct ph_folder_list list;

    OK(w->s->ops->list(w->s, true, &list, &said));
    struct ph_folder *f = ph_folder_list_find(&list, folder);
    uint32_t attrs = f ? f->attrs : UINT32_MAX;
    ph_folder_list_done(&list);
    return attrs;
}

struct ph_numset mail_set(uint32_t first, uint32_t last)
{
    struct ph_numset s = PH_NUMSET_INIT;

    assert_int_equal(ph_numset_add_range(&s, first, last), 0);
    return s;
}
