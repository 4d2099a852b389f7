/* local_missing.c: stands in for the store on disk (store/local/local.h) while that is not part of the library: the linker takes these
 * only where there are no others. */
#include "store/local/local.h"

#define WEAK __attribute__((weak))

WEAK int ph_local_root_new(const char *path, const struct ph_local_options *opt, struct ph_local_root **out, struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED, "this program was built without the store on disk");
}

WEAK void ph_local_root_free(struct ph_local_root *root)
{
}

WEAK int ph_local_store_new(struct ph_local_root *root, const char *user, bool create, struct ph_store **out, struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED, "this program was built without the store on disk");
}

WEAK int ph_local_user_exists(struct ph_local_root *root, const char *user, bool *exists, struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_JOB, PH_E_UNSUPPORTED, "this program was built without the store on disk");
}
