/* The parts of a server's answers, and its status lines with their response codes: RFC 9051 7.1. */
#include "wire/respond.h"

#include "wire/chars.h"
#include "wire/utf8.h"

void ph_write_bytes(struct ph_writer *w, struct ph_str s)
{
    if (ph_buf_add(&w->out, s.n ? s.p : "", s.n))
        w->failed = true;
}

void ph_write_text(struct ph_writer *w, struct ph_str text)
{
    size_t before = ph_buf_len(&w->out);

    for (size_t i = 0; i < text.n;) {
        unsigned char c = (unsigned char)text.p[i];
        uint32_t cp;
        unsigned len = c < 0x80 ? 1 : ph_utf8_get(text.p + i, text.n - i, &cp);
        if (c >= 0x80 && (len == 0 || !w->utf8))
            ph_write_char(w, '?');
        else if (c >= 0x20 && c != 0x7f)
            ph_write_bytes(w, (struct ph_str){ text.p + i, len });
        else if (c != '\r' && c != '\n' && c != '\0')
            ph_write_char(w, ' ');
        i += len ? len : 1;
    }
    if (ph_buf_len(&w->out) == before)
        ph_write_char(w, '-');
}

static void write_flag(struct ph_writer *w, struct ph_str flag, bool *some)
{
    if (*some)
        ph_write_char(w, ' ');
    ph_write_bytes(w, flag);
    *some = true;
}

static void write_flag_list(struct ph_writer *w, unsigned flags, const struct ph_words *keywords, bool any)
{
    static const struct ph_bit_row rows[] = {
        { "\\Answered", PH_F_ANSWERED }, { "\\Flagged", PH_F_FLAGGED }, { "\\Deleted", PH_F_DELETED },
        { "\\Seen", PH_F_SEEN },         { "\\Draft", PH_F_DRAFT },     { "\\Recent", PH_F_RECENT },
    };
    bool some = false;

    ph_write_char(w, '(');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (flags & rows[i].bit)
            write_flag(w, ph_str(rows[i].word), &some);
    for (size_t i = 0; keywords && i < keywords->n; i++)
        if (ph_is_atom(keywords->w[i]))
            write_flag(w, keywords->w[i], &some);
    if (any)
        write_flag(w, PH_STR("\\*"), &some);
    ph_write_char(w, ')');
}

void ph_write_flags(struct ph_writer *w, unsigned flags, const struct ph_words *keywords)
{
    write_flag_list(w, flags, keywords, false);
}

void ph_write_uids(struct ph_writer *w, const uint32_t *uids, size_t n)
{
    if (n == 0)
        w->failed = true;
    for (size_t i = 0; i < n;) {
        size_t last = i;
        while (last + 1 < n && uids[last] != UINT32_MAX && uids[last + 1] == uids[last] + 1)
            last++;
        if (uids[i] == 0)
            w->failed = true;
        if (i)
            ph_write_char(w, ',');
        ph_write_u64(w, uids[i]);
        if (last > i) {
            ph_write_char(w, ':');
            ph_write_u64(w, uids[last]);
        }
        i = last + 1;
    }
}

void ph_write_literal8_head(struct ph_writer *w, uint64_t n)
{
    ph_write_char(w, '~');
    ph_write_literal_head(w, n, false);
}

void ph_write_nstring8(struct ph_writer *w, struct ph_str s)
{
    if (s.n == 0 || !memchr(s.p, '\0', s.n)) {
        ph_write_nstring(w, s);
        return;
    }
    ph_write_literal8_head(w, s.n);
    ph_write_bytes(w, s);
}

void ph_write_status_begin(struct ph_writer *w, struct ph_str tag, enum ph_status st)
{
    static const char *const words[] = { "", " OK ", " NO ", " BAD ", " BYE ", " PREAUTH " };

    if (tag.p)
        ph_write_bytes(w, tag);
    else
        ph_write_char(w, '*');
    ph_write_raw(w, words[st]);
}

void ph_write_status_end(struct ph_writer *w, struct ph_str text)
{
    ph_write_text(w, text);
    ph_write_crlf(w);
}

void ph_write_status(struct ph_writer *w, struct ph_str tag, enum ph_status st, struct ph_str text)
{
    ph_write_status_begin(w, tag, st);
    if (text.n && text.p[0] == '[') /* would be read as a code */
        ph_write_char(w, '-');
    ph_write_status_end(w, text);
}

static void code_begin(struct ph_writer *w, enum ph_code id)
{
    const char *atom = ph_code_atom(id);

    ph_write_char(w, '[');
    if (atom)
        ph_write_raw(w, atom);
    else
        w->failed = true;
}

static void code_end(struct ph_writer *w)
{
    ph_write_raw(w, "] ");
}

void ph_write_code(struct ph_writer *w, enum ph_code id)
{
    code_begin(w, id);
    code_end(w);
}

void ph_write_code_number(struct ph_writer *w, enum ph_code id, uint64_t n)
{
    code_begin(w, id);
    ph_write_char(w, ' ');
    ph_write_u64(w, n);
    code_end(w);
}

void ph_write_code_word(struct ph_writer *w, enum ph_code id, const char *word, uint64_t n)
{
    code_begin(w, id);
    ph_write_char(w, ' ');
    ph_write_raw(w, word);
    if (n != UINT64_MAX) {
        ph_write_char(w, ' ');
        ph_write_u64(w, n);
    }
    code_end(w);
}

void ph_write_code_set(struct ph_writer *w, enum ph_code id, const struct ph_numset *set)
{
    code_begin(w, id);
    ph_write_char(w, ' ');
    ph_write_set(w, set);
    code_end(w);
}

void ph_write_code_capability(struct ph_writer *w, const struct ph_words *words)
{
    code_begin(w, PH_CODE_CAPABILITY);
    for (size_t i = 0; i < words->n; i++) {
        ph_write_char(w, ' ');
        if (!ph_is_atom(words->w[i]))
            w->failed = true;
        else
            ph_write_bytes(w, words->w[i]);
    }
    code_end(w);
}

void ph_write_code_badcharset(struct ph_writer *w, const struct ph_words *charsets)
{
    code_begin(w, PH_CODE_BADCHARSET);
    for (size_t i = 0; i < charsets->n; i++) {
        ph_write_raw(w, i ? " " : " (");
        ph_write_astring(w, charsets->w[i]);
    }
    if (charsets->n)
        ph_write_char(w, ')');
    code_end(w);
}

void ph_write_code_permanentflags(struct ph_writer *w, unsigned flags, const struct ph_words *keywords, bool any)
{
    code_begin(w, PH_CODE_PERMANENTFLAGS);
    ph_write_char(w, ' ');
    write_flag_list(w, flags & ~(unsigned)PH_F_RECENT, keywords, any);
    code_end(w);
}

void ph_write_code_appenduid(struct ph_writer *w, uint32_t uidvalidity, const uint32_t *uids, size_t n)
{
    code_begin(w, PH_CODE_APPENDUID);
    ph_write_char(w, ' ');
    ph_write_u64(w, uidvalidity);
    ph_write_char(w, ' ');
    ph_write_uids(w, uids, n);
    code_end(w);
}

void ph_write_code_copyuid(struct ph_writer *w, uint32_t uidvalidity, const uint32_t *from, const uint32_t *to,
                           size_t n)
{
    code_begin(w, PH_CODE_COPYUID);
    ph_write_char(w, ' ');
    ph_write_u64(w, uidvalidity);
    ph_write_char(w, ' ');
    ph_write_uids(w, from, n);
    ph_write_char(w, ' ');
    ph_write_uids(w, to, n);
    code_end(w);
}

void ph_write_code_mailboxid(struct ph_writer *w, struct ph_str id)
{
    code_begin(w, PH_CODE_MAILBOXID);
    ph_write_raw(w, " (");
    if (!ph_is_atom(id))
        w->failed = true;
    else
        ph_write_bytes(w, id);
    ph_write_char(w, ')');
    code_end(w);
}

void ph_write_code_badurl(struct ph_writer *w, struct ph_str url)
{
    code_begin(w, PH_CODE_BADURL);
    ph_write_char(w, ' ');
    for (size_t i = 0; i < url.n && i < 1000; i++) /* url-resp-text, of which a line end, `\` and `]` are no part */
        ph_write_char(w, url.p[i] > 0x20 && url.p[i] < 0x7f && url.p[i] != ']' && url.p[i] != '\\' ? url.p[i] : '?');
    if (url.n == 0)
        ph_write_char(w, '?');
    code_end(w);
}

void ph_write_code_badevent(struct ph_writer *w, unsigned events)
{
    static const struct ph_bit_row rows[] = {
        { "MessageNew", PH_EV_MESSAGE_NEW },
        { "MessageExpunge", PH_EV_MESSAGE_EXPUNGE },
        { "FlagChange", PH_EV_FLAG_CHANGE },
        { "AnnotationChange", PH_EV_ANNOTATION_CHANGE },
        { "MailboxName", PH_EV_MAILBOX_NAME },
        { "SubscriptionChange", PH_EV_SUBSCRIPTION_CHANGE },
        { "MailboxMetadataChange", PH_EV_MAILBOX_METADATA_CHANGE },
        { "ServerMetadataChange", PH_EV_SERVER_METADATA_CHANGE },
    };
    bool some = false;

    code_begin(w, PH_CODE_BADEVENT);
    ph_write_raw(w, " (");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (events & rows[i].bit)
            write_flag(w, ph_str(rows[i].word), &some);
    if (!some)
        w->failed = true;
    ph_write_char(w, ')');
    code_end(w);
}

void ph_write_code_inprogress(struct ph_writer *w, struct ph_str tag, uint32_t done, uint32_t goal)
{
    code_begin(w, PH_CODE_INPROGRESS);
    if (tag.p) {
        ph_write_raw(w, " (");
        ph_write_string(w, tag);
        ph_write_char(w, ' ');
        ph_write_u64(w, done);
        ph_write_char(w, ' ');
        if (goal)
            ph_write_u64(w, goal);
        else
            ph_write_raw(w, "NIL");
        ph_write_char(w, ')');
    }
    code_end(w);
}

void ph_write_code_messagelimit(struct ph_writer *w, uint32_t limit, uint32_t uid)
{
    code_begin(w, PH_CODE_MESSAGELIMIT);
    ph_write_char(w, ' ');
    ph_write_u64(w, limit);
    if (uid) {
        ph_write_char(w, ' ');
        ph_write_u64(w, uid);
    }
    code_end(w);
}
