/* plan_bytes.c: a plan, and where identity keys leave it open, the plan with the bytes of both sides read. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "transfer/run.h"

static int hash_bodies(struct run *r, struct ph_session *s, const char *folder, const struct ph_snapshot *snap,
                       const struct ph_numset *uids, bool dst, struct ph_known_hash **out, size_t *n,
                       struct ph_err *err)
{
    size_t count = (size_t)ph_numset_count(uids);
    struct ph_body body;
    const char *p;
    size_t len;
    struct ph_err first = { 0 };
    int result = -1, more;

    if (!count)
        return 0;
    struct ph_known_hash *grown = realloc(*out, (*n + count) * sizeof **out);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!grown || !md) {
        *out = grown ? grown : *out;
        EVP_MD_CTX_free(md);
        return ph_fail_memory(err);
    }
    *out = grown;
    if (s->ops->bodies_add(s, folder, snap->uidvalidity, uids, snap, err))
        goto out;
    while ((more = s->ops->bodies_next(s, &body, err)) == 1) {
        if (!count)
            continue;
        /* says nothing about the messages; the rest has to be read, or the next folder would be given it */
        if (body.missing && body.err.scope >= PH_SCOPE_FOLDER && first.kind == PH_OK)
            first = body.err;
        if (body.missing) {
            count--;
            continue;
        }
        EVP_DigestInit_ex(md, EVP_sha256(), NULL);
        do {
            if (s->ops->body_read(s, &p, &len, err))
                goto out;
            EVP_DigestUpdate(md, p, len);
        } while (len);
        (*out)[*n].uid = body.uid;
        (*out)[*n].dst = dst;
        EVP_DigestFinal_ex(md, (*out)[*n].sha256, NULL);
        (*n)++;
        count--;
    }
    if (more == 0 && first.kind != PH_OK) {
        *err = first;
        more = -1;
    } else if (more == 0 && count) /* nobody may take them for different because they were not read */
        more = ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "%s: the messages that were to be compared did not come", folder);
    result = more;
out:
    EVP_MD_CTX_free(md);
    return result;
}

int plan_resolved(struct run *r, struct folder_work *f, struct ph_plan_input *in, struct ph_policy *policy,
                            struct ph_err *err)
{
    struct ph_known_hash *hashes = NULL;
    size_t n = 0;
    int result = -1;

    if (ph_plan_folder(in, policy, &f->steps, err))
        return -1;
    if (ph_numset_empty(&f->steps.need_hash_src) && ph_numset_empty(&f->steps.need_hash_dst))
        return 0;
    if (hash_bodies(r, r->src, f->src->name, &f->snap, &f->steps.need_hash_src, false, &hashes, &n, err) == 0 &&
        hash_bodies(r, r->dst, f->dst_name, &f->dst_snap, &f->steps.need_hash_dst, true, &hashes, &n, err) == 0) {
        ph_steps_done(&f->steps);
        ph_steps_init(&f->steps);
        in->hashes = hashes;
        in->n_hashes = n;
        result = in->rewind && in->rewind(in->rows_ctx, err) ? -1 : ph_plan_folder(in, policy, &f->steps, err);
    }
    free(hashes);
    return result;
}
