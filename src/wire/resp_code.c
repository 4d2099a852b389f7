/* Response codes: `[ATOM arguments]` in front of the human text of OK, NO, BAD, BYE, PREAUTH and `+`. */
#include "wire/lex.h"

struct row {
    const char *atom;
    enum ph_code id;
    enum { RAW, NUMBER, WORDS, UIDS, LIMIT, SET } args;
};

/* In order of strcmp, for bsearch. */
static const struct row rows[] = {
    { "ALERT", PH_CODE_ALERT, RAW },
    { "ALREADYEXISTS", PH_CODE_ALREADYEXISTS, RAW },
    { "APPENDUID", PH_CODE_APPENDUID, UIDS },
    { "AUTHENTICATIONFAILED", PH_CODE_AUTHENTICATIONFAILED, RAW },
    { "AUTHORIZATIONFAILED", PH_CODE_AUTHORIZATIONFAILED, RAW },
    { "BADCHARSET", PH_CODE_BADCHARSET, WORDS },
    { "BADEVENT", PH_CODE_BADEVENT, WORDS },
    { "BADURL", PH_CODE_BADURL, RAW },
    { "CANNOT", PH_CODE_CANNOT, RAW },
    { "CAPABILITY", PH_CODE_CAPABILITY, WORDS },
    { "CLIENTBUG", PH_CODE_CLIENTBUG, RAW },
    { "CLOSED", PH_CODE_CLOSED, RAW },
    { "COMPRESSIONACTIVE", PH_CODE_COMPRESSIONACTIVE, RAW },
    { "CONTACTADMIN", PH_CODE_CONTACTADMIN, RAW },
    { "COPYUID", PH_CODE_COPYUID, UIDS },
    { "CORRUPTION", PH_CODE_CORRUPTION, RAW },
    { "EXPIRED", PH_CODE_EXPIRED, RAW },
    { "EXPUNGEISSUED", PH_CODE_EXPUNGEISSUED, RAW },
    { "HASCHILDREN", PH_CODE_HASCHILDREN, RAW },
    { "HIGHESTMODSEQ", PH_CODE_HIGHESTMODSEQ, NUMBER },
    { "INPROGRESS", PH_CODE_INPROGRESS, RAW },
    { "INUSE", PH_CODE_INUSE, RAW },
    { "LIMIT", PH_CODE_LIMIT, RAW },
    { "MAILBOXID", PH_CODE_MAILBOXID, WORDS },
    { "MESSAGELIMIT", PH_CODE_MESSAGELIMIT, LIMIT },
    { "METADATA", PH_CODE_METADATA, RAW },
    { "MODIFIED", PH_CODE_MODIFIED, SET },
    { "NOMODSEQ", PH_CODE_NOMODSEQ, RAW },
    { "NONEXISTENT", PH_CODE_NONEXISTENT, RAW },
    { "NOPERM", PH_CODE_NOPERM, RAW },
    { "NOTIFICATIONOVERFLOW", PH_CODE_NOTIFICATIONOVERFLOW, RAW },
    { "NOTSAVED", PH_CODE_NOTSAVED, RAW },
    { "NOUPDATE", PH_CODE_NOUPDATE, RAW },
    { "OVERQUOTA", PH_CODE_OVERQUOTA, RAW },
    { "PARSE", PH_CODE_PARSE, RAW },
    { "PERMANENTFLAGS", PH_CODE_PERMANENTFLAGS, WORDS },
    { "PRIVACYREQUIRED", PH_CODE_PRIVACYREQUIRED, RAW },
    { "READ-ONLY", PH_CODE_READONLY, RAW },
    { "READ-WRITE", PH_CODE_READWRITE, RAW },
    { "REFERRAL", PH_CODE_REFERRAL, RAW },
    { "SERVERBUG", PH_CODE_SERVERBUG, RAW },
    { "THROTTLED", PH_CODE_THROTTLED, RAW },
    { "TOOBIG", PH_CODE_TOOBIG, RAW },
    { "TOOMANY", PH_CODE_TOOMANY, RAW },
    { "TRYCREATE", PH_CODE_TRYCREATE, RAW },
    { "UIDNEXT", PH_CODE_UIDNEXT, NUMBER },
    { "UIDNOTSTICKY", PH_CODE_UIDNOTSTICKY, RAW },
    { "UIDREQUIRED", PH_CODE_UIDREQUIRED, RAW },
    { "UIDVALIDITY", PH_CODE_UIDVALIDITY, NUMBER },
    { "UNAVAILABLE", PH_CODE_UNAVAILABLE, RAW },
    { "UNKNOWN-CTE", PH_CODE_UNKNOWN_CTE, RAW },
    { "UNSEEN", PH_CODE_UNSEEN, NUMBER },
    { "USEATTR", PH_CODE_USEATTR, RAW },
};

const char *ph_code_atom(enum ph_code id)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].id == id)
            return rows[i].atom;
    return NULL;
}

static const struct row *find_row(struct ph_str atom)
{
    size_t lo = 0, hi = sizeof rows / sizeof *rows;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2, i = 0;
        const char *z = rows[mid].atom;
        while (i < atom.n && z[i] && ph_upper((unsigned char)atom.p[i]) == (unsigned char)z[i])
            i++;
        int c = (i < atom.n ? ph_upper((unsigned char)atom.p[i]) : 0) - (unsigned char)z[i];
        if (c == 0)
            return &rows[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* The `]` that ends the code: outside quotes, parentheses and brackets (an IPv6 address in a REFERRAL). When
 * those do not balance, the first one. NULL: the code does not end. */
static const char *code_end(const char *p, const char *end)
{
    const char *first = memchr(p, ']', (size_t)(end - p));
    unsigned depth = 0;
    bool quoted = false;

    if (!first)
        return NULL;
    for (const char *q = p; q < end; q++) {
        if (quoted) {
            if (*q == '\\' && q + 1 < end)
                q++;
            else if (*q == '"')
                quoted = false;
        } else if (*q == '"') {
            quoted = true;
        } else if (*q == '(' || *q == '[') {
            depth++;
        } else if (*q == ']' && depth == 0) {
            return q;
        } else if ((*q == ')' || *q == ']') && depth) {
            depth--;
        }
    }
    return first;
}

static struct ph_str next_arg(struct ph_lex *l)
{
    ph_lex_blanks(l);
    struct ph_str s = ph_lex_word(l);
    return s.n ? s : PH_STR_NIL;
}

static void parse_args(struct ph_lex *l, struct ph_resp_code *code, int args)
{
    switch (args) {
    case RAW:
        break;
    case WORDS:
        ph_lex_words(l, &code->words, false);
        break;
    case SET:
        code->set1 = next_arg(l);
        break;
    case NUMBER:
    case LIMIT:
    case UIDS:
        if (!ph_str_u64(next_arg(l), &code->number))
            code->number = 0;
        if (args == LIMIT) {
            uint64_t uid;
            if (ph_str_u64(next_arg(l), &uid) && uid <= UINT32_MAX)
                code->uid = (uint32_t)uid;
        } else if (args == UIDS) {
            if (code->id == PH_CODE_COPYUID)
                code->set1 = next_arg(l);
            code->set2 = next_arg(l);
        }
        break;
    }
}

void ph_resp_code_parse(struct ph_lex *l, struct ph_resp_code *code)
{
    const char *begin = l->p + 1;
    const char *close = code_end(begin, l->end);
    struct ph_lex in = *l;

    in.p = begin;
    in.end = close ? close : l->end;
    ph_lex_blanks(&in);
    code->atom = ph_lex_word(&in);
    ph_lex_blanks(&in);
    code->args = (struct ph_str){ in.p, (size_t)(in.end - in.p) };
    code->id = PH_CODE_UNKNOWN;
    const struct row *row = find_row(code->atom);
    if (row) {
        code->id = row->id;
        parse_args(&in, code, row->args);
    }
    l->values = in.values;
    /* a code that does not end: the rest is both its arguments and the text for the user */
    l->p = close ? close + 1 : code->args.p;
    if (in.stop)
        ph_lex_stop(l, in.stop);
}
