/* Grammar of the commands for quotas and access rights: RFC 9208 4.1 (and 2087), RFC 4314 3 (and 2086). */
#include "wire/chars.h"
#include "wire/command.h"

int ph_grammar_quota(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_quota *q = &out->quota;
    struct ph_args in;
    size_t cap = 0;

    if (out->id == PH_CMD_GETQUOTAROOT)
        return ph_args_mailbox(c, &q->mailbox);
    if (ph_args_astring(c, "a quota root", &q->root))
        return -1;
    if (out->id == PH_CMD_GETQUOTA)
        return 0;
    if (ph_args_list(c, "a list of resources and limits", &in))
        return -1;
    while (ph_args_more(&in)) {
        q->resources = ph_args_grow(c, q->resources, q->n, &cap, sizeof *q->resources);
        if (!q->resources)
            return -1;
        struct ph_cmd_quota_limit *r = &q->resources[q->n++];
        if (ph_args_atom(&in, "a resource", &r->name) || ph_args_number64(&in, "a limit", &r->limit))
            return -1;
    }
    return 0;
}

/* RFC 4314 2: capitals are not allowed, and nothing that is not understood may be passed over. */
static int take_rights(struct ph_args *c, struct ph_cmd_acl *a)
{
    struct ph_str given;

    if (ph_args_astring(c, "rights", &given))
        return -1;
    a->rights = given;
    if (given.n && (given.p[0] == '+' || given.p[0] == '-')) {
        a->op = given.p[0];
        a->rights = (struct ph_str){ given.p + 1, given.n - 1 };
    }
    for (size_t i = 0; i < a->rights.n; i++) {
        char right = a->rights.p[i];
        if (!ph_char_is(right, PH_C_DIGIT) && !(right >= 'a' && right <= 'z'))
            return ph_args_fail(c, "rights are letters from a to z and digits", given);
    }
    return 0;
}

int ph_grammar_acl(struct ph_args *c, struct ph_command *out)
{
    struct ph_cmd_acl *a = &out->acl;

    if (ph_args_mailbox(c, &a->mailbox))
        return -1;
    if (out->id == PH_CMD_GETACL || out->id == PH_CMD_MYRIGHTS)
        return 0;
    if (ph_args_astring(c, "an identifier", &a->identifier))
        return -1;
    return out->id == PH_CMD_SETACL ? take_rights(c, a) : 0;
}
