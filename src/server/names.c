/* names.c: names of mailboxes between the wire and the store (RFC 9051 5.1, RFC 3501 5.1.3, RFC 6855 3), and rights (RFC 4314). */
#include "server/private.h"
#include "server/user.h"
#include "wire/mutf7.h"
#include "wire/utf8.h"

#define NAME_MAX_OCTETS 1000

static int bad_name(struct ph_err *err, const char *why)
{
    return ph_fail(err, PH_SCOPE_FOLDER, PH_E_USAGE, "%s", why);
}

static int check_name(struct ph_str name, struct ph_err *err)
{
    uint32_t cp;

    if (name.n == 0)
        return bad_name(err, "The name of the mailbox is empty");
    if (name.n > NAME_MAX_OCTETS)
        return bad_name(err, "The name of the mailbox is too long");
    for (size_t i = 0; i < name.n;) {
        unsigned len = ph_utf8_get(name.p + i, name.n - i, &cp);
        if (!len)
            return bad_name(err, "The name of the mailbox is not UTF-8");
        /* RFC 5198 2 by way of RFC 9051 5.1: no controls, no line or paragraph separators */
        if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029)
            return bad_name(err, "Controls may not stand in the name of a mailbox");
        i += len;
    }
    return 0;
}

const char *session_mailbox_name(struct session *s, struct ph_str wire, struct ph_err *err)
{
    struct ph_buf utf8 = PH_BUF_INIT;
    const char *name = NULL;
    bool exact = true;

    if (ph_str_caseis(wire, "INBOX"))
        return "INBOX";
    if (wire.n > 2 * NAME_MAX_OCTETS) {
        bad_name(err, "The name of the mailbox is too long");
        return NULL;
    }
    if (s->enabled & PH_EN_UTF8) {
        ph_buf_add_str(&utf8, wire);
    } else if (ph_mutf7_decode(wire, &utf8, &exact) == 0 && !exact) {
        ph_buf_done(&utf8);
        bad_name(err, "The name of the mailbox is not modified UTF-7");
        return NULL;
    }
    if (utf8.failed)
        ph_fail_memory(err);
    else if (check_name(ph_buf_str(&utf8), err) == 0 && !(name = ph_arena_strdup(&s->arena, ph_buf_str(&utf8))))
        ph_fail_memory(err);
    ph_buf_done(&utf8);
    return name;
}

void session_write_mailbox(struct session *s, const char *name)
{
    ph_write_mailbox_utf8(&s->w, ph_str(name));
}

int session_need_right(struct session *s, const char *name, char right, struct ph_err *err)
{
    char rights[32];
    struct ph_session *store;

    if (!s->user->serve->my_rights)
        return 0;
    store = session_store(s, err);
    if (!store || store->ops->serve->my_rights(store, name, rights, err))
        return -1;
    if (strchr(rights, right))
        return 0;
    /* RFC 4314 6: whoever may not even look it up is not told that it exists */
    return strchr(rights, 'l') ? ph_fail(err, PH_SCOPE_FOLDER, PH_E_PERMISSION, "You have not the right to do that")
                               : ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "No such mailbox");
}
