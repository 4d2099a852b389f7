#include "wire/command.h"

#include "wire/chars.h"

int ph_grammar_bit(struct ph_args *c, const struct ph_bit_row *rows, const char *what, unsigned *bit)
{
    struct ph_str s;

    if (ph_args_atom(c, what, &s))
        return -1;
    for (; rows->word; rows++)
        if (ph_str_caseis(s, rows->word)) {
            *bit = rows->bit;
            return 0;
        }
    return ph_args_fail(c, "unknown or not supported", s);
}

static int grammar_login(struct ph_args *c, struct ph_command *out)
{
    return ph_args_astring(c, "a user name", &out->login.user) ||
                   ph_args_astring(c, "a password", &out->login.password)
               ? -1
               : 0;
}

static bool is_base64(struct ph_str s)
{
    size_t i = 0;

    while (i < s.n && (ph_char_is(s.p[i], PH_C_DIGIT) ||
                       (ph_upper((unsigned char)s.p[i]) >= 'A' && ph_upper((unsigned char)s.p[i]) <= 'Z') ||
                       s.p[i] == '+' || s.p[i] == '/'))
        i++;
    size_t pad = s.n - i;
    while (i < s.n && s.p[i] == '=')
        i++;
    return i == s.n && pad <= 2 && s.n % 4 == 0;
}

static int grammar_authenticate(struct ph_args *c, struct ph_command *out)
{
    if (ph_args_atom(c, "a mechanism", &out->auth.mechanism))
        return -1;
    if (!ph_args_more(c))
        return 0;
    if (ph_args_atom(c, "an initial response", &out->auth.initial))
        return -1;
    if (!ph_str_is(out->auth.initial, "=") && !is_base64(out->auth.initial))
        return ph_args_fail(c, "an initial response that is not base64", PH_STR(""));
    return 0;
}

static int take_words(struct ph_args *c, const char *what, struct ph_words *words)
{
    size_t cap = 0;

    do {
        words->w = ph_args_grow(c, words->w, words->n, &cap, sizeof *words->w);
        if (!words->w || ph_args_atom(c, what, &words->w[words->n++]))
            return -1;
    } while (ph_args_more(c));
    return 0;
}

static int grammar_enable(struct ph_args *c, struct ph_command *out)
{
    return take_words(c, "a capability", &out->words);
}

static int grammar_compress(struct ph_args *c, struct ph_command *out)
{
    if (ph_args_more(c) && c->list->n > 1)
        return ph_args_fail(c, "one algorithm", PH_STR(""));
    return take_words(c, "an algorithm", &out->words);
}

/* RFC 2971 3.3 bounds the number of pairs and their sizes. */
static int grammar_id(struct ph_args *c, struct ph_command *out)
{
    struct ph_words *w = &out->words;
    struct ph_args in;
    size_t cap = 0;

    if (ph_args_word(c, "NIL"))
        return 0;
    if (ph_args_list(c, "NIL or a list of fields and values", &in))
        return -1;
    while (ph_args_more(&in)) {
        struct ph_str field, value;
        if (ph_args_string(&in, "a field name in quotes", &field) ||
            ph_args_nstring(&in, "a value in quotes, or NIL", &value))
            return -1;
        if (field.n > 30 || value.n > 1024 || w->n >= 60)
            return ph_args_fail(c, "more than 30 fields, or longer ones than RFC 2971 allows", PH_STR(""));
        for (int i = 0; i < 2; i++) {
            w->w = ph_args_grow(c, w->w, w->n, &cap, sizeof *w->w);
            if (!w->w)
                return -1;
            w->w[w->n++] = i ? value : field;
        }
    }
    return 0;
}

static int grammar_mailbox(struct ph_args *c, struct ph_command *out)
{
    return ph_args_mailbox(c, &out->mailbox.name);
}

static int grammar_rename(struct ph_args *c, struct ph_command *out)
{
    return ph_args_mailbox(c, &out->mailbox.name) || ph_args_mailbox(c, &out->mailbox.to) ? -1 : 0;
}

/* `CREATE name (USE (\Drafts))`: RFC 6154 3, in the frame of RFC 4466 2.2. */
static int grammar_create(struct ph_args *c, struct ph_command *out)
{
    struct ph_args params;

    if (ph_args_mailbox(c, &out->mailbox.name))
        return -1;
    if (!ph_args_more(c))
        return 0;
    if (ph_args_list(c, "a list of parameters", &params))
        return -1;
    do {
        if (!ph_args_word(&params, "USE"))
            return ph_args_fail(c, "an unknown parameter of CREATE",
                                ph_args_more(&params) ? ph_args_peek(&params)->text : PH_STR(""));
        if (ph_args_flags(&params, &out->mailbox.use))
            return -1;
    } while (ph_args_more(&params));
    return 0;
}

static int grammar_copy(struct ph_args *c, struct ph_command *out)
{
    return ph_args_set(c, &out->copy.set) || ph_args_mailbox(c, &out->copy.mailbox) ? -1 : 0;
}

static int grammar_expunge(struct ph_args *c, struct ph_command *out)
{
    return out->uid ? ph_args_set(c, &out->copy.set) : 0;
}

#define ANY PH_STATE_ANY
#define NONAUTH PH_STATE_NONAUTH
#define AUTH (PH_STATE_AUTH | PH_STATE_SELECTED)
#define SELECTED PH_STATE_SELECTED

static const struct ph_command_row rows[] = {
    { "FETCH", PH_CMD_FETCH, SELECTED, PH_UID_MAY, ph_grammar_fetch },
    { "STORE", PH_CMD_STORE, SELECTED, PH_UID_MAY, ph_grammar_store },
    { "APPEND", PH_CMD_APPEND, AUTH, PH_UID_NO, ph_grammar_append },
    { "SEARCH", PH_CMD_SEARCH, SELECTED, PH_UID_MAY, ph_grammar_search },
    { "NOOP", PH_CMD_NOOP, ANY, PH_UID_NO, NULL },
    { "IDLE", PH_CMD_IDLE, AUTH, PH_UID_NO, NULL },
    { "STATUS", PH_CMD_STATUS, AUTH, PH_UID_NO, ph_grammar_status },
    { "SELECT", PH_CMD_SELECT, AUTH, PH_UID_NO, ph_grammar_select },
    { "EXAMINE", PH_CMD_EXAMINE, AUTH, PH_UID_NO, ph_grammar_select },
    { "LIST", PH_CMD_LIST, AUTH, PH_UID_NO, ph_grammar_list },
    { "LSUB", PH_CMD_LSUB, AUTH, PH_UID_NO, ph_grammar_lsub },
    { "CAPABILITY", PH_CMD_CAPABILITY, ANY, PH_UID_NO, NULL },
    { "LOGOUT", PH_CMD_LOGOUT, ANY, PH_UID_NO, NULL },
    { "ID", PH_CMD_ID, ANY, PH_UID_NO, grammar_id },
    { "COMPRESS", PH_CMD_COMPRESS, AUTH, PH_UID_NO, grammar_compress },
    { "STARTTLS", PH_CMD_STARTTLS, NONAUTH, PH_UID_NO, NULL },
    { "AUTHENTICATE", PH_CMD_AUTHENTICATE, NONAUTH, PH_UID_NO, grammar_authenticate },
    { "LOGIN", PH_CMD_LOGIN, NONAUTH, PH_UID_NO, grammar_login },
    { "ENABLE", PH_CMD_ENABLE, AUTH, PH_UID_NO, grammar_enable },
    { "CREATE", PH_CMD_CREATE, AUTH, PH_UID_NO, grammar_create },
    { "DELETE", PH_CMD_DELETE, AUTH, PH_UID_NO, grammar_mailbox },
    { "RENAME", PH_CMD_RENAME, AUTH, PH_UID_NO, grammar_rename },
    { "SUBSCRIBE", PH_CMD_SUBSCRIBE, AUTH, PH_UID_NO, grammar_mailbox },
    { "UNSUBSCRIBE", PH_CMD_UNSUBSCRIBE, AUTH, PH_UID_NO, grammar_mailbox },
    { "NAMESPACE", PH_CMD_NAMESPACE, AUTH, PH_UID_NO, NULL },
    { "CHECK", PH_CMD_CHECK, SELECTED, PH_UID_NO, NULL },
    { "CLOSE", PH_CMD_CLOSE, SELECTED, PH_UID_NO, NULL },
    { "UNSELECT", PH_CMD_UNSELECT, SELECTED, PH_UID_NO, NULL },
    { "EXPUNGE", PH_CMD_EXPUNGE, SELECTED, PH_UID_MAY, grammar_expunge },
    { "SORT", PH_CMD_SORT, SELECTED, PH_UID_MAY, ph_grammar_sort },
    { "THREAD", PH_CMD_THREAD, SELECTED, PH_UID_MAY, ph_grammar_thread },
    { "COPY", PH_CMD_COPY, SELECTED, PH_UID_MAY, grammar_copy },
    { "MOVE", PH_CMD_MOVE, SELECTED, PH_UID_MAY, grammar_copy },
    { "REPLACE", PH_CMD_REPLACE, SELECTED, PH_UID_MAY, ph_grammar_replace },
    { "ESEARCH", PH_CMD_ESEARCH, AUTH, PH_UID_NO, ph_grammar_esearch },
    { "NOTIFY", PH_CMD_NOTIFY, AUTH, PH_UID_NO, ph_grammar_notify },
    { "GETMETADATA", PH_CMD_GETMETADATA, AUTH, PH_UID_NO, ph_grammar_getmetadata },
    { "SETMETADATA", PH_CMD_SETMETADATA, AUTH, PH_UID_NO, ph_grammar_setmetadata },
    { "GETQUOTA", PH_CMD_GETQUOTA, AUTH, PH_UID_NO, ph_grammar_quota },
    { "GETQUOTAROOT", PH_CMD_GETQUOTAROOT, AUTH, PH_UID_NO, ph_grammar_quota },
    { "SETQUOTA", PH_CMD_SETQUOTA, AUTH, PH_UID_NO, ph_grammar_quota },
    { "SETACL", PH_CMD_SETACL, AUTH, PH_UID_NO, ph_grammar_acl },
    { "DELETEACL", PH_CMD_DELETEACL, AUTH, PH_UID_NO, ph_grammar_acl },
    { "GETACL", PH_CMD_GETACL, AUTH, PH_UID_NO, ph_grammar_acl },
    { "LISTRIGHTS", PH_CMD_LISTRIGHTS, AUTH, PH_UID_NO, ph_grammar_acl },
    { "MYRIGHTS", PH_CMD_MYRIGHTS, AUTH, PH_UID_NO, ph_grammar_acl },
    { "UNAUTHENTICATE", PH_CMD_UNAUTHENTICATE, AUTH, PH_UID_NO, NULL },
};

static const struct ph_command_row *find_row(struct ph_str name, const struct ph_command_row *more)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (ph_str_caseis(name, rows[i].name))
            return &rows[i];
    for (; more && more->name; more++)
        if (ph_str_caseis(name, more->name))
            return more;
    return NULL;
}

struct source {
    struct ph_str text;
    const struct ph_framer *f;
    bool open; /* text is a head: a literal comes behind it */
    const struct ph_args_limits *limits;
    struct ph_arena *arena;
    struct ph_err *err;
};

static int refuse(const struct source *s, const char *why, struct ph_str got)
{
    struct ph_args c = { .err = s->err };

    return ph_args_fail(&c, why, got);
}

static struct ph_str cut_word(struct ph_str *text)
{
    const char *sp = text->n ? memchr(text->p, ' ', text->n) : NULL;
    struct ph_str word = { text->p, sp ? (size_t)(sp - text->p) : text->n };

    text->p += word.n;
    text->n -= word.n;
    return word;
}

/* ` word`, without moving on when there is none. */
static bool cut_next(struct ph_str *text, struct ph_str *word)
{
    if (text->n < 2 || text->p[0] != ' ')
        return false;
    text->p++;
    text->n--;
    *word = cut_word(text);
    return word->n != 0;
}

/* Tag and name. What is left of s->text are the arguments with the blank before them. */
static int read_name(struct source *s, struct ph_command *out, const struct ph_command_row **row)
{
    struct ph_str tag = cut_word(&s->text), name;

    if (!ph_chars_all(tag, PH_C_TAG))
        return refuse(s, "no valid tag", PH_STR(""));
    out->tag = tag;
    bool is_name = find_row(tag, s->limits->more) != NULL; /* people at a terminal forget the tag */
    if (!cut_next(&s->text, &name))
        return refuse(s, is_name ? "no command (is the tag missing?)" : "no command", PH_STR(""));
    if (ph_str_caseis(name, "UID")) {
        out->uid = true;
        if (!cut_next(&s->text, &name))
            return refuse(s, "no command behind UID", PH_STR(""));
    }
    *row = find_row(name, s->limits->more);
    if (!*row)
        return refuse(s, is_name ? "unknown command (is the tag missing?)" : "unknown command", name);
    out->name = ph_str((*row)->name);
    out->id = (*row)->id;
    out->states = (*row)->states;
    if (out->uid ? (*row)->uid == PH_UID_NO : (*row)->uid == PH_UID_MUST)
        return refuse(s, out->uid ? "there is no UID form of" : "only with UID", name);
    return 0;
}

static int read_args(struct source *s, struct ph_command *out, const struct ph_command_row *row)
{
    if (s->text.n == 1 && !s->limits->blanks)
        return refuse(s, "a blank too many", PH_STR(""));
    struct ph_str text = s->text.n ? (struct ph_str){ s->text.p + 1, s->text.n - 1 } : s->text;
    const char *base = s->open ? s->f->head.p : s->f->frame.p;

    if (ph_args_parse(text, base, s->f->streamed, s->f->n_streamed, s->open, s->limits, s->arena, &out->args, s->err))
        return -1;
    struct ph_args c = { .list = &out->args, .limits = s->limits, .arena = s->arena, .err = s->err };
    if (row->parse ? row->parse(&c, out) : row->shape && ph_grammar_shape(&c, row->shape, out))
        return -1;
    return ph_args_end(&c);
}

static bool takes_messages(const struct ph_command *c)
{
    return c->id == PH_CMD_APPEND || c->id == PH_CMD_REPLACE;
}

int ph_command_parse(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                     struct ph_command *out, struct ph_err *err)
{
    struct source s = { f->frame, f, false, limits ? limits : &ph_args_limits_default, arena, err };
    const struct ph_command_row *row;

    memset(out, 0, sizeof *out);
    if (read_name(&s, out, &row) || read_args(&s, out, row))
        return -1;
    if (takes_messages(out) && !out->append.messages[out->append.n - 1].announced)
        return refuse(&s, "a message is missing", PH_STR(""));
    return 0;
}

int ph_command_parse_head(const struct ph_framer *f, const struct ph_args_limits *limits, struct ph_arena *arena,
                          struct ph_command *out, struct ph_err *err)
{
    struct source s = { f->head, f, true, limits ? limits : &ph_args_limits_default, arena, err };
    const struct ph_command_row *row;

    memset(out, 0, sizeof *out);
    if (read_name(&s, out, &row))
        return -1;
    /* the mailbox's name may be what is announced */
    if (!takes_messages(out) || s.text.n <= 1)
        return 0;
    char last = s.text.p[s.text.n - 1];
    if (last != ' ' && last != '(')
        return refuse(&s, "a blank is missing before the literal", PH_STR(""));
    return read_args(&s, out, row) || ph_append_check_literal(f, out->append.place, err) ? -1 : 0;
}
