/* Untagged data of a server: FETCH, LIST, STATUS, ESEARCH and their kin, RFC 9051 7.3 to 7.5. */
#include "wire/respond.h"

#define VANISHED_LINE 8000 /* octets of a set in one line */

void ph_write_count(struct ph_writer *w, uint32_t n, const char *word)
{
    ph_write_raw(w, "* ");
    ph_write_u64(w, n);
    ph_write_char(w, ' ');
    ph_write_raw(w, word);
    ph_write_crlf(w);
}

void ph_write_vanished(struct ph_writer *w, bool earlier, const struct ph_numset *uids)
{
    for (size_t from = 0; from < uids->n && !w->failed;) {
        ph_write_raw(w, earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
        if (ph_numset_format_part(uids, &from, VANISHED_LINE, &w->out))
            w->failed = true;
        ph_write_crlf(w);
    }
}

/* --- FETCH --- */

void ph_write_fetch_begin(struct ph_fetch_line *l, struct ph_writer *w, uint32_t number, bool uidonly)
{
    *l = (struct ph_fetch_line){ w, false };
    ph_write_raw(w, "* ");
    ph_write_u64(w, number);
    ph_write_raw(w, uidonly ? " UIDFETCH (" : " FETCH (");
}

void ph_write_fetch_end(struct ph_fetch_line *l)
{
    ph_write_char(l->w, ')');
    ph_write_crlf(l->w);
}

static void item(struct ph_fetch_line *l, const char *name)
{
    if (l->some)
        ph_write_char(l->w, ' ');
    l->some = true;
    ph_write_raw(l->w, name);
}

void ph_write_fetch_name(struct ph_fetch_line *l, const char *name)
{
    item(l, name);
    ph_write_char(l->w, ' ');
}

static void write_section(struct ph_writer *w, const struct ph_section *s)
{
    static const char *const texts[] = {
        [PH_SEC_ALL] = "",
        [PH_SEC_HEADER] = "HEADER",
        [PH_SEC_FIELDS] = "HEADER.FIELDS",
        [PH_SEC_FIELDS_NOT] = "HEADER.FIELDS.NOT",
        [PH_SEC_TEXT] = "TEXT",
        [PH_SEC_MIME] = "MIME",
    };

    ph_write_char(w, '[');
    for (size_t i = 0; i < s->n_part; i++) {
        if (i)
            ph_write_char(w, '.');
        ph_write_u64(w, s->part[i]);
    }
    if (s->n_part && s->what != PH_SEC_ALL)
        ph_write_char(w, '.');
    ph_write_raw(w, texts[s->what]);
    for (size_t i = 0; i < s->fields.n; i++) {
        ph_write_raw(w, i ? " " : " (");
        ph_write_astring(w, s->fields.w[i]);
    }
    ph_write_raw(w, s->fields.n ? ")]" : "]");
}

void ph_write_fetch_att(struct ph_fetch_line *l, const struct ph_fetch_att *att)
{
    static const char *const names[] = {
        [PH_FA_ENVELOPE] = "ENVELOPE",
        [PH_FA_FLAGS] = "FLAGS",
        [PH_FA_INTERNALDATE] = "INTERNALDATE",
        [PH_FA_SIZE] = "RFC822.SIZE",
        [PH_FA_BODY] = "BODY",
        [PH_FA_BODYSTRUCTURE] = "BODYSTRUCTURE",
        [PH_FA_UID] = "UID",
        [PH_FA_SECTION] = "BODY",
        [PH_FA_BINARY] = "BINARY",
        [PH_FA_BINARY_SIZE] = "BINARY.SIZE",
        [PH_FA_RFC822] = "RFC822",
        [PH_FA_RFC822_HEADER] = "RFC822.HEADER",
        [PH_FA_RFC822_TEXT] = "RFC822.TEXT",
        [PH_FA_MODSEQ] = "MODSEQ",
        [PH_FA_EMAILID] = "EMAILID",
        [PH_FA_THREADID] = "THREADID",
        [PH_FA_PREVIEW] = "PREVIEW",
        [PH_FA_SAVEDATE] = "SAVEDATE",
    };

    item(l, names[att->what]);
    if (att->what == PH_FA_SECTION || att->what == PH_FA_BINARY || att->what == PH_FA_BINARY_SIZE)
        write_section(l->w, &att->section);
    if (att->partial) {
        ph_write_char(l->w, '<');
        ph_write_u64(l->w, att->origin);
        ph_write_char(l->w, '>');
    }
    ph_write_char(l->w, ' ');
}

void ph_write_fetch_flags(struct ph_fetch_line *l, unsigned flags, const struct ph_words *keywords)
{
    ph_write_fetch_name(l, "FLAGS");
    ph_write_flags(l->w, flags, keywords);
}

void ph_write_fetch_number(struct ph_fetch_line *l, const char *name, uint64_t n)
{
    ph_write_fetch_name(l, name);
    ph_write_u64(l->w, n);
}

void ph_write_fetch_modseq(struct ph_fetch_line *l, uint64_t modseq)
{
    ph_write_fetch_name(l, "MODSEQ");
    ph_write_char(l->w, '(');
    ph_write_u64(l->w, modseq);
    ph_write_char(l->w, ')');
}

void ph_write_fetch_date(struct ph_fetch_line *l, const char *name, int64_t epoch, int zone_min)
{
    ph_write_fetch_name(l, name);
    ph_write_date_time(l->w, epoch, zone_min);
}

void ph_write_fetch_object(struct ph_fetch_line *l, const char *name, struct ph_str id)
{
    ph_write_fetch_name(l, name);
    if (!id.p) {
        ph_write_raw(l->w, "NIL");
        return;
    }
    if (!ph_is_atom(id))
        l->w->failed = true;
    ph_write_char(l->w, '(');
    ph_write_bytes(l->w, id);
    ph_write_char(l->w, ')');
}

void ph_write_fetch_nstring(struct ph_fetch_line *l, const char *name, struct ph_str value)
{
    ph_write_fetch_name(l, name);
    ph_write_nstring(l->w, value);
}

/* --- LIST, STATUS --- */

void ph_write_list(struct ph_writer *w, const struct ph_list_line *l)
{
    bool some = false;

    ph_write_raw(w, l->lsub ? "* LSUB (" : "* LIST (");
    for (unsigned bit = 0; bit < 32; bit++) {
        const char *word = l->attrs & (1u << bit) ? ph_mailbox_attr(1u << bit) : NULL;
        if (!word)
            continue;
        ph_write_raw(w, some ? " " : "");
        ph_write_raw(w, word);
        some = true;
    }
    ph_write_raw(w, ") ");
    if (l->delim)
        ph_write_string(w, (struct ph_str){ &l->delim, 1 });
    else
        ph_write_raw(w, "NIL");
    ph_write_char(w, ' ');
    ph_write_mailbox_utf8(w, l->name);
    if (l->oldname.p) {
        ph_write_raw(w, " (\"OLDNAME\" (");
        ph_write_mailbox_utf8(w, l->oldname);
        ph_write_char(w, ')');
    }
    if (l->childinfo_subscribed)
        ph_write_raw(w, l->oldname.p ? " \"CHILDINFO\" (\"SUBSCRIBED\")" : " (\"CHILDINFO\" (\"SUBSCRIBED\")");
    if (l->oldname.p || l->childinfo_subscribed)
        ph_write_char(w, ')');
    ph_write_crlf(w);
}

static void status_number(struct ph_writer *w, const struct ph_status_line *s, unsigned bit, const char *name,
                          uint64_t n, bool *some)
{
    if (!(s->items & bit))
        return;
    ph_write_raw(w, *some ? " " : "");
    *some = true;
    ph_write_raw(w, name);
    ph_write_char(w, ' ');
    if (bit == PH_SI_APPENDLIMIT && n == UINT64_MAX)
        ph_write_raw(w, "NIL");
    else
        ph_write_u64(w, n);
}

void ph_write_mailbox_status(struct ph_writer *w, const struct ph_status_line *s)
{
    bool some = false;

    ph_write_raw(w, "* STATUS ");
    ph_write_mailbox_utf8(w, s->name);
    ph_write_raw(w, " (");
    status_number(w, s, PH_SI_MESSAGES, "MESSAGES", s->messages, &some);
    status_number(w, s, PH_SI_RECENT, "RECENT", s->recent, &some);
    status_number(w, s, PH_SI_UIDNEXT, "UIDNEXT", s->uidnext, &some);
    status_number(w, s, PH_SI_UIDVALIDITY, "UIDVALIDITY", s->uidvalidity, &some);
    status_number(w, s, PH_SI_UNSEEN, "UNSEEN", s->unseen, &some);
    status_number(w, s, PH_SI_DELETED, "DELETED", s->deleted, &some);
    status_number(w, s, PH_SI_SIZE, "SIZE", s->size, &some);
    status_number(w, s, PH_SI_HIGHESTMODSEQ, "HIGHESTMODSEQ", s->highestmodseq, &some);
    status_number(w, s, PH_SI_APPENDLIMIT, "APPENDLIMIT", s->appendlimit, &some);
    status_number(w, s, PH_SI_DELETED_STORAGE, "DELETED-STORAGE", s->deleted_storage, &some);
    if (s->items & PH_SI_MAILBOXID) {
        ph_write_raw(w, some ? " MAILBOXID (" : "MAILBOXID (");
        if (!ph_is_atom(s->mailboxid))
            w->failed = true;
        ph_write_bytes(w, s->mailboxid);
        ph_write_char(w, ')');
    }
    ph_write_char(w, ')');
    ph_write_crlf(w);
}

/* --- ESEARCH, SEARCH, SORT --- */

static void esearch_item(struct ph_writer *w, const char *name, uint64_t n)
{
    ph_write_raw(w, name);
    ph_write_u64(w, n);
}

static void write_signed(struct ph_writer *w, int64_t n)
{
    if (n < 0)
        ph_write_char(w, '-');
    ph_write_u64(w, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

static void esearch_partial(struct ph_writer *w, const struct ph_esearch_line *e)
{
    ph_write_raw(w, " PARTIAL (");
    write_signed(w, e->partial_first);
    ph_write_char(w, ':');
    write_signed(w, e->partial_last);
    ph_write_char(w, ' ');
    if (e->partial && !ph_numset_empty(e->partial))
        ph_write_set(w, e->partial);
    else
        ph_write_raw(w, "NIL");
    ph_write_char(w, ')');
}

void ph_write_esearch(struct ph_writer *w, const struct ph_esearch_line *e)
{
    ph_write_raw(w, "* ESEARCH (TAG ");
    ph_write_string(w, e->tag);
    if (e->mailbox.p) {
        ph_write_raw(w, " MAILBOX ");
        ph_write_mailbox_utf8(w, e->mailbox);
        ph_write_raw(w, " UIDVALIDITY ");
        ph_write_u64(w, e->uidvalidity);
    }
    ph_write_raw(w, e->uid ? ") UID" : ")");
    if ((e->options & PH_SR_MIN) && e->min)
        esearch_item(w, " MIN ", e->min);
    if ((e->options & PH_SR_MAX) && e->max)
        esearch_item(w, " MAX ", e->max);
    if (e->options & PH_SR_COUNT)
        esearch_item(w, " COUNT ", e->count);
    if ((e->options & PH_SR_ALL) && e->all && !ph_numset_empty(e->all)) {
        ph_write_raw(w, " ALL ");
        ph_write_set(w, e->all);
    }
    if (e->options & PH_SR_PARTIAL)
        esearch_partial(w, e);
    if (e->modseq)
        esearch_item(w, " MODSEQ ", e->modseq);
    ph_write_crlf(w);
}

static void found_end(struct ph_writer *w, uint64_t modseq)
{
    if (modseq) {
        ph_write_raw(w, " (MODSEQ ");
        ph_write_u64(w, modseq);
        ph_write_char(w, ')');
    }
    ph_write_crlf(w);
}

void ph_write_search(struct ph_writer *w, const struct ph_numset *found, uint64_t modseq)
{
    ph_write_raw(w, "* SEARCH");
    for (size_t i = 0; i < found->n; i++)
        for (uint64_t n = found->r[i].first; n <= found->r[i].last; n++) {
            ph_write_char(w, ' ');
            ph_write_u64(w, n);
        }
    found_end(w, modseq);
}

void ph_write_sort(struct ph_writer *w, const uint32_t *found, size_t n, uint64_t modseq)
{
    ph_write_raw(w, "* SORT");
    for (size_t i = 0; i < n; i++) {
        ph_write_char(w, ' ');
        ph_write_u64(w, found[i]);
    }
    found_end(w, modseq);
}
