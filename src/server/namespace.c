/* namespace.c: NAMESPACE (RFC 9051 6.3.10, RFC 2342). */
#include "server/commands.h"
#include "server/names.h"
#include "server/user.h"
#include "wire/respond.h"

int cmd_namespace(struct session *s, struct ph_command *c, struct ph_err *err)
{
    struct ph_session *ps = session_store(s, err);
    struct ph_store_namespace one = { PH_NS_PERSONAL, "", 0 }, *ns = &one;
    struct ph_namespaces out = { 0 };
    size_t n = 1;

    if (!ps)
        return -1;
    if (s->user->serve->namespaces ? s->user->serve->namespaces(ps, &s->arena, &ns, &n, err)
                                   : names_delim(s, "", &one.delim, err))
        return -1;
    struct ph_namespace **kinds[] = { &out.personal, &out.other, &out.shared };
    size_t *counts[] = { &out.n_personal, &out.n_other, &out.n_shared };
    for (size_t k = 0; k < 3; k++) {
        *kinds[k] = ph_arena_alloc(&s->arena, (n + 1) * sizeof(struct ph_namespace));
        if (!*kinds[k])
            return ph_fail_memory(err);
        for (size_t i = 0; i < n; i++)
            if (ns[i].kind == (enum ph_namespace_kind)k)
                (*kinds[k])[(*counts[k])++] = (struct ph_namespace){ ph_str(ns[i].prefix), ns[i].delim };
    }
    ph_write_namespaces(&s->w, &out);
    session_ok(s, c, "NAMESPACE completed");
    return 0;
}
