/* caps.c: capability words to bits. */
#include "client/caps.h"

#include <stdlib.h>

#define REV2_IMPLIES                                                                                                 \
    (PH_CAP_NAMESPACE | PH_CAP_UNSELECT | PH_CAP_UIDPLUS | PH_CAP_ENABLE | PH_CAP_SASL_IR | PH_CAP_LIST_EXTENDED |   \
     PH_CAP_LIST_STATUS | PH_CAP_LITERAL_MINUS | PH_CAP_SPECIAL_USE | PH_CAP_STATUS_SIZE)

static const struct {
    const char *word;
    uint32_t bits;
} table[] = {
    { "IMAP4rev1", PH_CAP_REV1 },
    { "IMAP4rev2", PH_CAP_REV2 | REV2_IMPLIES },
    { "LITERAL+", PH_CAP_LITERAL_PLUS },
    { "LITERAL-", PH_CAP_LITERAL_MINUS },
    { "UIDPLUS", PH_CAP_UIDPLUS },
    { "MULTIAPPEND", PH_CAP_MULTIAPPEND },
    { "CONDSTORE", PH_CAP_CONDSTORE },
    { "QRESYNC", PH_CAP_QRESYNC | PH_CAP_CONDSTORE | PH_CAP_ENABLE },
    { "LIST-STATUS", PH_CAP_LIST_STATUS | PH_CAP_LIST_EXTENDED },
    { "LIST-EXTENDED", PH_CAP_LIST_EXTENDED },
    { "SPECIAL-USE", PH_CAP_SPECIAL_USE },
    { "CREATE-SPECIAL-USE", PH_CAP_CREATE_SPECIAL_USE },
    { "NAMESPACE", PH_CAP_NAMESPACE },
    { "ENABLE", PH_CAP_ENABLE },
    { "ID", PH_CAP_ID },
    { "SASL-IR", PH_CAP_SASL_IR },
    { "STARTTLS", PH_CAP_STARTTLS },
    { "LOGINDISABLED", PH_CAP_LOGINDISABLED },
    { "OBJECTID", PH_CAP_OBJECTID },
    { "STATUS=SIZE", PH_CAP_STATUS_SIZE },
    { "X-GM-EXT-1", PH_CAP_GMAIL },
    { "COMPRESS=DEFLATE", PH_CAP_COMPRESS },
    { "UNSELECT", PH_CAP_UNSELECT },
    { "XLIST", PH_CAP_XLIST },
    { "BINARY", PH_CAP_BINARY },
    { "CHILDREN", PH_CAP_CHILDREN },
};

void ph_caps_done(struct ph_caps *c)
{
    ph_buf_done(&c->mechanisms);
    ph_buf_done(&c->all);
}

void ph_caps_forget(struct ph_caps *c)
{
    c->known = false;
    c->bits = 0;
    c->append_limit = UINT64_MAX;
    c->message_limit = 0;
    ph_buf_clear(&c->mechanisms);
    ph_buf_clear(&c->all);
}

static bool listed(const char *list, struct ph_str word)
{
    for (const char *p = list; p && *p;) {
        size_t n = strcspn(p, " ");
        if (n == word.n && strncasecmp(p, word.p, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static uint64_t number_behind(struct ph_str word, size_t prefix, uint64_t none)
{
    uint64_t v = 0;

    if (word.n == prefix)
        return none;
    for (size_t i = prefix; i < word.n; i++) {
        if (word.p[i] < '0' || word.p[i] > '9' || v > UINT64_MAX / 10 - 1)
            return none;
        v = v * 10 + (uint64_t)(word.p[i] - '0');
    }
    return v;
}

static void add_word(struct ph_buf *b, struct ph_str w)
{
    if (ph_buf_len(b))
        ph_buf_add_char(b, ' ');
    ph_buf_add_str(b, w);
}

void ph_caps_set(struct ph_caps *c, const struct ph_words *words, const char *without)
{
    ph_caps_forget(c);
    c->known = true;
    for (size_t i = 0; i < words->n; i++) {
        struct ph_str w = words->w[i];
        if (listed(without, w))
            continue;
        add_word(&c->all, w);
        if (ph_str_caseprefix(w, "AUTH="))
            add_word(&c->mechanisms, (struct ph_str){ w.p + 5, w.n - 5 });
        else if (ph_str_caseprefix(w, "APPENDLIMIT="))
            c->append_limit = number_behind(w, 12, UINT64_MAX);
        else if (ph_str_caseprefix(w, "MESSAGELIMIT="))
            c->message_limit = (uint32_t)number_behind(w, 13, 0);
        else
            for (size_t k = 0; k < sizeof table / sizeof *table; k++)
                if (ph_str_caseis(w, table[k].word))
                    c->bits |= table[k].bits;
    }
    /* IMAP4rev2 implies words that the caller may want to be without */
    for (size_t k = 0; without && k < sizeof table / sizeof *table; k++)
        if (table[k].bits && !(table[k].bits & (table[k].bits - 1)) && listed(without, ph_str(table[k].word)))
            c->bits &= ~table[k].bits;
}
