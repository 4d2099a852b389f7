/* Untagged data about an account: capabilities, namespaces, quotas, access rights, annotations. */
#include "wire/mutf7.h"
#include "wire/respond.h"

void ph_write_words(struct ph_writer *w, const char *name, const struct ph_words *words)
{
    ph_write_raw(w, "* ");
    ph_write_raw(w, name);
    for (size_t i = 0; i < words->n; i++) {
        if (!ph_is_atom(words->w[i]))
            w->failed = true;
        ph_write_char(w, ' ');
        ph_write_bytes(w, words->w[i]);
    }
    ph_write_crlf(w);
}

void ph_write_id(struct ph_writer *w, const struct ph_words *pairs)
{
    ph_write_raw(w, pairs->n ? "* ID (" : "* ID NIL");
    for (size_t i = 0; i < pairs->n; i++) {
        if (i)
            ph_write_char(w, ' ');
        ph_write_nstring(w, pairs->w[i]);
    }
    if (pairs->n)
        ph_write_char(w, ')');
    ph_write_crlf(w);
}

/* The prefix is a string and no astring. */
static void write_prefix(struct ph_writer *w, struct ph_str prefix)
{
    struct ph_buf wire = PH_BUF_INIT;

    if (w->utf8)
        ph_write_string(w, prefix);
    else if (ph_mutf7_encode(prefix, &wire))
        w->failed = true;
    else
        ph_write_string(w, ph_buf_str(&wire));
    ph_buf_done(&wire);
}

static void write_namespace(struct ph_writer *w, const struct ph_namespace *ns, size_t n)
{
    ph_write_raw(w, n ? " (" : " NIL");
    for (size_t i = 0; i < n; i++) {
        ph_write_char(w, '(');
        write_prefix(w, ns[i].prefix);
        ph_write_char(w, ' ');
        ph_write_nstring(w, ns[i].delim ? (struct ph_str){ &ns[i].delim, 1 } : PH_STR_NIL);
        ph_write_char(w, ')');
    }
    if (n)
        ph_write_char(w, ')');
}

void ph_write_namespaces(struct ph_writer *w, const struct ph_namespaces *ns)
{
    ph_write_raw(w, "* NAMESPACE");
    write_namespace(w, ns->personal, ns->n_personal);
    write_namespace(w, ns->other, ns->n_other);
    write_namespace(w, ns->shared, ns->n_shared);
    ph_write_crlf(w);
}

void ph_write_quota(struct ph_writer *w, struct ph_str root, const struct ph_quota_usage *resources, size_t n)
{
    ph_write_raw(w, "* QUOTA ");
    ph_write_astring(w, root);
    ph_write_raw(w, " (");
    for (size_t i = 0; i < n; i++) {
        if (!ph_is_atom(resources[i].name))
            w->failed = true;
        if (i)
            ph_write_char(w, ' ');
        ph_write_bytes(w, resources[i].name);
        ph_write_char(w, ' ');
        ph_write_u64(w, resources[i].usage);
        ph_write_char(w, ' ');
        ph_write_u64(w, resources[i].limit);
    }
    ph_write_char(w, ')');
    ph_write_crlf(w);
}

static void begin(struct ph_writer *w, const char *name, struct ph_str mailbox)
{
    ph_write_raw(w, name);
    ph_write_mailbox_utf8(w, mailbox);
}

static void write_astrings(struct ph_writer *w, const struct ph_words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        ph_write_char(w, ' ');
        ph_write_astring(w, words->w[i]);
    }
}

void ph_write_quotaroot(struct ph_writer *w, struct ph_str mailbox, const struct ph_words *roots)
{
    begin(w, "* QUOTAROOT ", mailbox);
    write_astrings(w, roots);
    ph_write_crlf(w);
}

void ph_write_acl(struct ph_writer *w, struct ph_str mailbox, const struct ph_acl_pair *entries, size_t n)
{
    begin(w, "* ACL ", mailbox);
    for (size_t i = 0; i < n; i++) {
        ph_write_char(w, ' ');
        ph_write_astring(w, entries[i].identifier);
        ph_write_char(w, ' ');
        ph_write_astring(w, entries[i].rights);
    }
    ph_write_crlf(w);
}

void ph_write_listrights(struct ph_writer *w, struct ph_str mailbox, struct ph_str identifier, struct ph_str required,
                         const struct ph_words *optional)
{
    begin(w, "* LISTRIGHTS ", mailbox);
    ph_write_char(w, ' ');
    ph_write_astring(w, identifier);
    ph_write_char(w, ' ');
    ph_write_astring(w, required);
    write_astrings(w, optional);
    ph_write_crlf(w);
}

void ph_write_myrights(struct ph_writer *w, struct ph_str mailbox, struct ph_str rights)
{
    begin(w, "* MYRIGHTS ", mailbox);
    ph_write_char(w, ' ');
    ph_write_astring(w, rights);
    ph_write_crlf(w);
}

void ph_write_metadata(struct ph_writer *w, struct ph_str mailbox, const struct ph_metadata_entry *entries, size_t n)
{
    if (n == 0)
        return;
    begin(w, "* METADATA ", mailbox);
    for (size_t i = 0; i < n; i++) {
        ph_write_raw(w, i ? " " : " (");
        ph_write_astring(w, entries[i].name);
        ph_write_char(w, ' ');
        ph_write_nstring8(w, entries[i].value);
    }
    ph_write_char(w, ')');
    ph_write_crlf(w);
}

void ph_write_metadata_changed(struct ph_writer *w, struct ph_str mailbox, const struct ph_words *names)
{
    if (names->n == 0)
        return;
    begin(w, "* METADATA ", mailbox);
    write_astrings(w, names);
    ph_write_crlf(w);
}
