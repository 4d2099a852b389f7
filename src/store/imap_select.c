/* imap_select.c: folder names and flags on the wire, and opening a mailbox. */
#include <stdlib.h>
#include <string.h>

#include "store/imap_internal.h"
#include "wire/mutf7.h"

void imap_write_folder(struct imap_session *s, struct ph_writer *w, const char *folder)
{
    struct odd_name *o;

    pthread_mutex_lock(&s->st->lock);
    for (o = s->st->odd_names; o && strcmp(o->utf8, folder) != 0; o = o->next)
        ;
    pthread_mutex_unlock(&s->st->lock); /* entries are never removed while the store lives */
    if (o)
        ph_write_mailbox_wire(w, ph_str(o->wire));
    else
        ph_write_mailbox_utf8(w, ph_str(folder));
}

static const struct {
    const char *name;
    uint32_t bit;
} system_flags[] = {
    { "\\Seen", PH_F_SEEN },       { "\\Answered", PH_F_ANSWERED }, { "\\Flagged", PH_F_FLAGGED },
    { "\\Deleted", PH_F_DELETED }, { "\\Draft", PH_F_DRAFT },       { "\\Recent", PH_F_RECENT },
};

uint32_t imap_flag_bit(struct ph_str flag)
{
    if (!flag.n || flag.p[0] != '\\')
        return 0;
    for (size_t i = 0; i < sizeof system_flags / sizeof *system_flags; i++)
        if (ph_str_caseis(flag, system_flags[i].name))
            return system_flags[i].bit;
    return 0;
}

void imap_write_flags(struct ph_writer *w, uint32_t flags, const char *keywords)
{
    const char *blank = "";

    ph_write_char(w, '(');
    for (size_t i = 0; i < sizeof system_flags / sizeof *system_flags; i++)
        if (flags & system_flags[i].bit & ~(uint32_t)PH_F_RECENT) {
            ph_write_raw(w, blank);
            ph_write_raw(w, system_flags[i].name);
            blank = " ";
        }
    for (const char *k = keywords ? keywords : ""; *k;) {
        struct ph_str word = { k, strcspn(k, " ") };
        if (word.n && word.p[0] != '\\' && ph_is_atom(word)) {
            ph_write_raw(w, blank);
            ph_buf_add_str(&w->out, word);
            blank = " ";
        }
        k += word.n + (k[word.n] == ' ');
    }
    ph_write_char(w, ')');
}

/* [CLOSED] tells whose untagged data is whose; without it a second SELECT waits for the answer to everything before. */
bool imap_pipelines_select(struct imap_session *s)
{
    return s->conn->enabled_qresync || s->conn->enabled_condstore || (s->conn->caps.bits & PH_CAP_QRESYNC);
}

static void add_permanent(struct imap_select *sel, const struct ph_words *words)
{
    sel->permanent_known = true;
    sel->permanent_flags = 0;
    sel->keywords_ok = false;
    ph_buf_clear(&sel->permanent_keywords);
    for (size_t i = 0; i < words->n; i++) {
        struct ph_str f = words->w[i];
        uint32_t bit = imap_flag_bit(f);
        if (bit) {
            sel->permanent_flags |= bit;
        } else if (ph_str_is(f, "\\*")) {
            sel->keywords_ok = true;
        } else if (f.n && f.p[0] != '\\') {
            if (ph_buf_len(&sel->permanent_keywords))
                ph_buf_add_char(&sel->permanent_keywords, ' ');
            ph_buf_add_str(&sel->permanent_keywords, f);
        }
    }
}

static bool on_select_data(struct ph_cmd *cmd, struct ph_conn *c, const struct ph_resp *r)
{
    struct imap_select *sel = (struct imap_select *)cmd;

    switch (r->kind) {
    case PH_RESP_EXISTS:
        sel->exists = r->number;
        return true;
    case PH_RESP_FLAGS: /* without PERMANENTFLAGS every flag listed is permanent (RFC 9051 6.3.2) */
        if (!sel->permanent_known) {
            add_permanent(sel, &r->words);
            sel->permanent_known = false;
        }
        return true;
    case PH_RESP_RECENT:
        return true;
    case PH_RESP_STATUS:
        break;
    default:
        return false;
    }
    switch (r->code.id) {
    case PH_CODE_UIDVALIDITY: sel->uidvalidity = (uint32_t)r->code.number; return true;
    case PH_CODE_UIDNEXT: sel->uidnext = (uint32_t)r->code.number; return true;
    case PH_CODE_HIGHESTMODSEQ: sel->modseq = r->code.number; return true;
    case PH_CODE_NOMODSEQ: sel->modseq = 0; return true;
    case PH_CODE_PERMANENTFLAGS: add_permanent(sel, &r->code.words); return true;
    default: return false;
    }
}

int imap_select_begin(struct imap_session *s, struct imap_select *sel, const char *folder, bool rw, struct ph_err *err)
{
    static const struct ph_cmd_ops ops = { .untagged = on_select_data };

    memset(sel, 0, sizeof *sel);
    imap_bodies_forget_open(s);
    char *name = strdup(folder);
    if (!name)
        return ph_fail_memory(err);
    free(s->selected);
    s->selected = name;
    s->selected_rw = rw;
    sel->cmd.selected_state = true;
    struct ph_writer *w = ph_conn_begin(s->conn, &sel->cmd, &ops);
    ph_write_raw(w, rw ? "SELECT " : "EXAMINE ");
    imap_write_folder(s, w, folder);
    if ((s->conn->caps.bits & PH_CAP_CONDSTORE) && !(s->conn->caps.bits & PH_CAP_QRESYNC))
        ph_write_raw(w, " (CONDSTORE)");
    return ph_conn_end(s->conn, err);
}

int imap_select_check(const struct imap_select *sel, const char *folder, uint32_t uidvalidity, struct ph_err *err)
{
    if (sel->cmd.status != PH_ST_OK) {
        if (err) {
            *err = sel->cmd.err;
            if (err->scope < PH_SCOPE_FOLDER)
                err->scope = PH_SCOPE_FOLDER;
            ph_err_prefix(err, "%s cannot be opened", folder);
        }
        return -1;
    }
    if (uidvalidity && sel->uidvalidity && sel->uidvalidity != uidvalidity)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_CHANGED, "%s was made anew on the server (UIDVALIDITY %u, was %u)",
                       folder, sel->uidvalidity, uidvalidity);
    return 0;
}

void imap_select_done(struct imap_select *sel)
{
    ph_buf_done(&sel->permanent_keywords);
}
