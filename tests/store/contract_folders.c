/* contract_folders.c: folders: list, status, create, subscribe, remove, rename, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "contract.h"

static struct ph_folder *listed(struct contract *c, struct ph_folder_list *list, bool status, const char *name)
{
    OK(c->s->ops->list(c->s, status, list, &said));
    return ph_folder_list_find(list, name);
}

static void list_and_status(struct contract *c)
{
    const char *a = c_folder(c, "a"), *b = c_folder(c, "b");
    struct ph_folder_list list;
    uint32_t uids[3];

    c_append_plain(c, a, 1, 3, uids);
    struct ph_folder *f = listed(c, &list, true, a);
    assert_non_null(f);
    assert_int_equal(f->delim, c->delim);
    assert_false(f->attrs & (PH_MA_NOSELECT | PH_MA_NONEXISTENT));
    assert_true(f->has_status);
    assert_int_equal(f->messages, 3);
    assert_true(f->uidnext > uids[2]);
    assert_true(f->uidvalidity != 0);
    if (c->ab & PH_AB_MODSEQ)
        assert_true(f->modseq != 0);
    struct ph_folder *g = ph_folder_list_find(&list, b);
    assert_non_null(g);
    assert_true(g->has_status);
    assert_int_equal(g->messages, 0);
    assert_non_null(ph_folder_list_find(&list, "inbox")); /* in any case */
    assert_null(ph_folder_list_find(&list, c_name(c, "c")));
    /* each name once */
    for (size_t i = 0; i < list.n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(list.f[i].name, list.f[k].name);
    ph_folder_list_done(&list);

    f = listed(c, &list, false, b); /* with or without status, the same folders */
    assert_non_null(f);
    ph_folder_list_done(&list);
}

static void status_of_several(struct contract *c)
{
    const char *a = c_folder(c, "a"), *none = c_name(c, "none"), *b = c_folder(c, "b");
    struct ph_folder fa = { .name = a }, fn = { .name = none }, fb = { .name = b }, *f[] = { &fa, &fn, &fb };
    uint32_t uids[2];

    c_append_plain(c, b, 1, 2, uids);
    OK(c->s->ops->status(c->s, f, 3, &said));
    assert_true(fa.has_status);
    assert_int_equal(fa.messages, 0);
    assert_false(fn.has_status);
    assert_int_not_equal(fn.status_err.kind, PH_OK);
    assert_true(fn.status_err.scope <= PH_SCOPE_FOLDER);
    assert_true(fb.has_status);
    assert_int_equal(fb.messages, 2);
    assert_true(fb.uidnext > uids[1]);
    OK(c->s->ops->status(c->s, f, 0, &said));
}

static void create_and_exists(struct contract *c)
{
    const char *names[] = { c_name(c, "x"), c_folder(c, "there"), c_name(c, "y") };
    struct ph_err results[3];

    OK(c->s->ops->create(c->s, names, NULL, 3, results, &said));
    assert_int_equal(results[0].kind, PH_OK);
    assert_int_equal(results[1].kind, PH_E_EXISTS);
    assert_true(results[1].scope <= PH_SCOPE_FOLDER);
    assert_int_equal(results[2].kind, PH_OK);
    assert_true(c_uidvalidity(c, names[0]) != 0);
    OK(c->s->ops->create(c->s, names, NULL, 3, results, &said));
    for (int i = 0; i < 3; i++)
        assert_int_equal(results[i].kind, PH_E_EXISTS);
    const char *inbox = "INBOX";
    OK(c->s->ops->create(c->s, &inbox, NULL, 1, results, &said));
    assert_int_not_equal(results[0].kind, PH_OK);
}

static void create_nested(struct contract *c)
{
    struct ph_folder_list list;
    char deep[128];

    if (!c->delim)
        return;
    const char *a = c_folder(c, "a");
    snprintf(deep, sizeof deep, "a%cb", c->delim);
    const char *b = c_folder(c, deep);
    assert_non_null(listed(c, &list, false, a));
    assert_non_null(ph_folder_list_find(&list, b));
    ph_folder_list_done(&list);
    c_append_plain(c, b, 1, 1, NULL);
    assert_true(c_uidvalidity(c, a) != 0);
}

static void subscribe(struct contract *c)
{
    const char *names[] = { c_folder(c, "a"), c_folder(c, "b") };
    struct ph_folder_list list;
    struct ph_err results[2];

    if (!(c->ab & PH_AB_SUBSCRIBE)) {
        assert_null(c->s->ops->subscribe);
        return;
    }
    OK(c->s->ops->subscribe(c->s, names, 2, true, results, &said));
    assert_int_equal(results[0].kind, PH_OK);
    assert_int_equal(results[1].kind, PH_OK);
    assert_true(listed(c, &list, false, names[0])->attrs & PH_MA_SUBSCRIBED);
    assert_true(ph_folder_list_find(&list, names[1])->attrs & PH_MA_SUBSCRIBED);
    ph_folder_list_done(&list);
    OK(c->s->ops->subscribe(c->s, names, 1, false, results, &said));
    assert_int_equal(results[0].kind, PH_OK);
    assert_false(listed(c, &list, true, names[0])->attrs & PH_MA_SUBSCRIBED);
    assert_true(ph_folder_list_find(&list, names[1])->attrs & PH_MA_SUBSCRIBED);
    ph_folder_list_done(&list);
}

static void special_use(struct contract *c)
{
    const char *name = c_name(c, "sent");
    uint32_t special = PH_MA_SENT;
    struct ph_folder_list list;
    struct ph_err result;

    if (!(c->ab & PH_AB_SPECIAL_USE))
        return;
    OK(c->s->ops->create(c->s, &name, &special, 1, &result, &said));
    if (result.kind != PH_OK) /* servers may allow each use once (RFC 6154 3) */
        return;
    assert_true(listed(c, &list, false, name)->attrs & PH_MA_SENT);
    ph_folder_list_done(&list);
}

static void remove_and_rename(struct contract *c)
{
    const char *a = c_folder(c, "a"), *b = c_name(c, "b"), *none = c_name(c, "none");
    struct ph_folder_list list;
    struct ph_snapshot snap;

    c_append_plain(c, a, 1, 3, NULL);
    OK(c->s->ops->rename(c->s, a, b, &said));
    assert_null(listed(c, &list, false, a));
    assert_non_null(ph_folder_list_find(&list, b));
    ph_folder_list_done(&list);
    c_scan(c, b, &snap);
    assert_int_equal(snap.n, 3);
    ph_snapshot_done(&snap);
    assert_int_equal(c->s->ops->rename(c->s, none, a, &said), -1);
    assert_true(said.scope <= PH_SCOPE_FOLDER);
    OK(c->s->ops->remove(c->s, b, &said));
    assert_null(listed(c, &list, false, b));
    ph_folder_list_done(&list);
    assert_int_equal(c->s->ops->remove(c->s, b, &said), -1);
    assert_int_not_equal(said.kind, PH_OK);
    assert_true(said.scope <= PH_SCOPE_FOLDER);
    OK(c->s->ops->noop(c->s, &said)); /* the session has not suffered */
}

/* Made, listed under the very same name, filled, read: or refused. */
static void use_name(struct contract *c, const char *leaf)
{
    const char *name = c_name(c, leaf);
    struct ph_folder_list list;
    struct ph_snapshot snap;
    struct ph_err result = { 0 };

    c->n_folders--;
    OK(c->s->ops->create(c->s, &name, NULL, 1, &result, &said));
    if (result.kind != PH_OK) {
        assert_false(c->opt->any_name);
        assert_int_not_equal(result.kind, PH_E_EXISTS);
        assert_true(result.scope <= PH_SCOPE_FOLDER);
        return;
    }
    struct ph_folder *f = listed(c, &list, true, name);
    if (!f)
        fail_msg("%s was made, and is not in the list", name);
    assert_true(f->has_status);
    ph_folder_list_done(&list);
    c_append_plain(c, name, 1, 1, NULL);
    c_scan(c, name, &snap);
    assert_int_equal(snap.n, 1);
    ph_snapshot_done(&snap);
    if (c->s->ops->subscribe) {
        OK(c->s->ops->subscribe(c->s, &name, 1, true, &result, &said));
        assert_int_equal(result.kind, PH_OK);
    }
}

static void names(struct contract *c)
{
    static const char *const leaves[] = {
        "Entw\xc3\xbcrfe",
        "\xe5\x8f\xb0\xe5\x8c\x97",             /* RFC 2152's own Chinese */
        "\xf0\x9f\x93\xac mail",                /* beyond the 16-bit plane */
        "R&D",
        "&",
        "&AOQ-",                                /* looks like modified UTF-7, is ASCII */
        "two words",
        "a \"quoted\" name",
        "back\\slash",
        "100% of *",
        "{5+}",
        "(list) [x]",
        "NIL",
        "1:*",
        "~tilde",
        "A\xcc\x8a",                            /* A and a ring: not to be composed */
    };

    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++)
        use_name(c, leaves[i]);
    /* folders whose names differ little are not one folder */
    const char *a = c_folder(c, "one "), *b = c_name(c, "one");
    struct ph_err result;
    c_append_plain(c, a, 1, 1, NULL);
    OK(c->s->ops->create(c->s, &b, NULL, 1, &result, &said));
    if (result.kind == PH_OK) {
        struct ph_folder f = { .name = b }, *pf = &f;
        OK(c->s->ops->status(c->s, &pf, 1, &said));
        assert_int_equal(f.messages, 0);
    }
}

static void two_sessions(struct contract *c)
{
    const char *a = c_folder(c, "a");
    struct ph_session *first = c->s, *second = c_open(c);
    struct ph_snapshot snap;

    c_append_plain(c, a, 1, 2, NULL);
    c->s = second;
    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 2);
    ph_snapshot_done(&snap);
    c_append_plain(c, a, 3, 1, NULL);
    c->s = first;
    c_scan(c, a, &snap);
    assert_int_equal(snap.n, 3);
    ph_snapshot_done(&snap);
    second->ops->close(second);
    OK(c->s->ops->noop(c->s, &said));
}

static void cancelled(struct contract *c)
{
    struct ph_folder_list list;

    ph_cancel_raise(&c->cancel);
    assert_int_equal(c->s->ops->list(c->s, true, &list, &said), -1);
    assert_int_equal(said.kind, PH_E_CANCELLED);
}

const struct contract_case contract_folder_cases[] = {
    { "list_and_status", list_and_status },
    { "status_of_several", status_of_several },
    { "create_and_exists", create_and_exists },
    { "create_nested", create_nested },
    { "subscribe", subscribe },
    { "special_use", special_use },
    { "remove_and_rename", remove_and_rename },
    { "names", names },
    { "two_sessions", two_sessions },
    { "cancelled", cancelled },
    { NULL, NULL },
};
