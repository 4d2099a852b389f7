#include "daemon/lmtp.h"

#include <stdlib.h>
#include <string.h>

static void say(struct ph_lmtp *l, const char *line)
{
    ph_buf_add_z(&l->out, line);
    ph_buf_add_z(&l->out, "\r\n");
}

static void say_wrong(struct ph_lmtp *l, const char *line)
{
    if (++l->errors > PH_LMTP_ERRORS) {
        ph_lmtp_goodbye(l, "4.7.0 Too many errors");
        return;
    }
    say(l, line);
}

/* "250 2.1.5 <address> text" */
static void say_of(struct ph_lmtp *l, const char *code, const char *address, const char *text)
{
    ph_buf_add_z(&l->out, code);
    ph_buf_add_z(&l->out, " <");
    ph_buf_add_z(&l->out, address);
    ph_buf_add_z(&l->out, "> ");
    say(l, text);
}

void ph_lmtp_goodbye(struct ph_lmtp *l, const char *text)
{
    ph_buf_add_z(&l->out, "421 ");
    say(l, text);
    l->state = PH_LM_CLOSED;
}

/* What an error is to a queue: permanent ones bounce, others are tried again (RFC 5321 4.2.1, RFC 3463). */
static const char *code_of(const struct ph_err *err, const char **text)
{
    static const struct {
        enum ph_kind kind;
        const char *code, *text;
    } table[] = {
        { PH_E_NOTFOUND, "550 5.1.1", "There is no such mailbox here" },
        { PH_E_TOOBIG, "552 5.3.4", "The message is too big" },
        { PH_E_QUOTA, "452 4.2.2", "The mailbox is full" },
        { PH_E_LOCKED, "450 4.2.0", "The mailbox is busy" },
        { PH_E_CORRUPT, "450 4.3.0", "The mailbox needs repair" },
        { PH_E_PERMISSION, "450 4.2.0", "The mailbox may not be written to" },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].kind == err->kind) {
            *text = table[i].text;
            return table[i].code;
        }
    *text = "Try again later";
    return "451 4.3.0";
}

static void end_transaction(struct ph_lmtp *l)
{
    if (l->from && l->calls->end)
        l->calls->end(l->ctx);
    free(l->to);
    l->to = NULL;
    l->n_to = l->next_to = 0;
    l->from = NULL;
    l->failed = false;
    l->size = 0;
    ph_arena_reset(&l->arena);
}

void ph_lmtp_init(struct ph_lmtp *l, const char *host, uint64_t max_size, const struct ph_lmtp_calls *calls, void *ctx)
{
    *l = (struct ph_lmtp){ .calls = calls, .ctx = ctx, .host = host, .max_size = max_size };
    ph_arena_init(&l->arena, 4u << 20);
    ph_buf_add_z(&l->out, "220 ");
    ph_buf_add_z(&l->out, host);
    say(l, " LMTP ready");
}

void ph_lmtp_done(struct ph_lmtp *l)
{
    end_transaction(l);
    ph_buf_done(&l->in);
    ph_buf_done(&l->out);
    ph_arena_done(&l->arena);
}

/* ---- commands ---- */

static void cmd_lhlo(struct ph_lmtp *l, struct ph_str arg)
{
    size_t n = 0;

    while (n < arg.n && n < sizeof l->client - 1 && arg.p[n] > ' ' && arg.p[n] < 0x7f)
        n++;
    if (n == 0 || n < arg.n) {
        say_wrong(l, "501 5.5.4 LHLO wants a host name");
        return;
    }
    memcpy(l->client, arg.p, n);
    l->client[n] = '\0';
    end_transaction(l);
    ph_buf_add_z(&l->out, "250-");
    ph_buf_add_z(&l->out, l->host);
    say(l, "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES");
    ph_buf_add_z(&l->out, "250 SIZE");
    if (l->max_size) {
        ph_buf_add_char(&l->out, ' ');
        ph_buf_add_u64(&l->out, l->max_size);
    }
    say(l, "");
}

static bool take_number(struct ph_str s, uint64_t *out)
{
    *out = 0;
    if (s.n == 0 || s.n > 19)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(s.p[i] - '0');
    }
    return true;
}

/* SIZE (RFC 1870), BODY (RFC 6152). NULL, or the answer that refuses. */
static const char *mail_parameters(struct ph_lmtp *l, struct ph_str s)
{
    while (s.n) {
        if (*s.p != ' ')
            return "501 5.5.4 Wrong parameters";
        s.p++;
        s.n--;
        const char *blank = memchr(s.p, ' ', s.n);
        struct ph_str word = { s.p, blank ? (size_t)(blank - s.p) : s.n };
        uint64_t size;
        s.p += word.n;
        s.n -= word.n;
        if (word.n == 0)
            continue;
        if (ph_str_caseprefix(word, "SIZE=")) {
            if (!take_number((struct ph_str){ word.p + 5, word.n - 5 }, &size))
                return "501 5.5.4 SIZE wants a number";
            if (l->max_size && size > l->max_size)
                return "552 5.3.4 The message is too big";
        } else if (!ph_str_caseis(word, "BODY=7BIT") && !ph_str_caseis(word, "BODY=8BITMIME")) {
            return "555 5.5.4 There is no such parameter here";
        }
    }
    return NULL;
}

static void cmd_mail(struct ph_lmtp *l, struct ph_str arg)
{
    const char *local, *domain, *address, *why;

    if (!*l->client) {
        say_wrong(l, "503 5.5.1 LHLO comes first");
    } else if (l->from) {
        say_wrong(l, "503 5.5.1 There is a message under way: RSET ends it");
    } else if (!ph_str_caseprefix(arg, "FROM:")) {
        say_wrong(l, "501 5.5.4 MAIL FROM:<address>");
    } else {
        arg.p += 5;
        arg.n -= 5;
        while (arg.n && *arg.p == ' ') { /* not in the grammar, but widespread */
            arg.p++;
            arg.n--;
        }
        ph_arena_reset(&l->arena);
        if (ph_lmtp_path(&arg, &l->arena, &local, &domain, &address))
            say_wrong(l, "501 5.1.7 MAIL FROM:<address>");
        else if ((why = mail_parameters(l, arg)))
            say_wrong(l, why);
        else {
            l->from = address;
            say(l, "250 2.1.0 OK");
        }
    }
}

static int add_recipient(struct ph_lmtp *l, const char *user, const char *address)
{
    struct ph_lmtp_recipient *more = realloc(l->to, (l->n_to + 1) * sizeof *more);

    if (!more)
        return -1;
    l->to = more;
    l->to[l->n_to++] = (struct ph_lmtp_recipient){ user, address };
    return 0;
}

static void take_recipient(struct ph_lmtp *l, const char *local, const char *domain, const char *address)
{
    const char *user, *text, *code;
    struct ph_err err = { 0 };

    if (l->calls->recipient(l->ctx, local, domain, &l->arena, &user, &err)) {
        code = code_of(&err, &text);
        say_of(l, code, address, text);
    } else if (add_recipient(l, user, address)) {
        say(l, "452 4.3.1 No memory");
    } else {
        say_of(l, "250 2.1.5", address, "OK");
    }
}

static void cmd_rcpt(struct ph_lmtp *l, struct ph_str arg)
{
    const char *local, *domain, *address;

    if (!l->from) {
        say_wrong(l, "503 5.5.1 MAIL comes first");
    } else if (!ph_str_caseprefix(arg, "TO:")) {
        say_wrong(l, "501 5.5.4 RCPT TO:<address>");
    } else if (l->n_to >= PH_LMTP_RECIPIENTS) {
        say(l, "452 4.5.3 Too many recipients: send the others separately");
    } else {
        arg.p += 3;
        arg.n -= 3;
        while (arg.n && *arg.p == ' ') {
            arg.p++;
            arg.n--;
        }
        if (ph_lmtp_path(&arg, &l->arena, &local, &domain, &address) || !*local)
            say_wrong(l, "501 5.1.3 RCPT TO:<address>");
        else if (arg.n)
            say_wrong(l, "555 5.5.4 There is no such parameter here");
        else
            take_recipient(l, local, domain, address);
    }
}

static void cmd_data(struct ph_lmtp *l, struct ph_str arg)
{
    if (arg.n) {
        say_wrong(l, "501 5.5.4 DATA has no parameters");
    } else if (l->n_to == 0) { /* RFC 2033 4.2 */
        say_wrong(l, "503 5.5.1 No recipient was accepted");
    } else {
        l->state = PH_LM_DATA;
        l->dot = PH_DOT_BOL;
        l->failed = l->calls->begin(l->ctx, l->from, l->client, &l->err) != 0;
        say(l, "354 End with a dot on a line of its own");
    }
}

static void command(struct ph_lmtp *l, struct ph_str line)
{
    const char *blank = memchr(line.p, ' ', line.n);
    struct ph_str verb = { line.p, blank ? (size_t)(blank - line.p) : line.n };
    struct ph_str arg = blank ? (struct ph_str){ blank + 1, line.n - verb.n - 1 } : PH_STR("");

    while (arg.n && arg.p[arg.n - 1] == ' ')
        arg.n--;
    if (ph_str_caseis(verb, "LHLO"))
        cmd_lhlo(l, arg);
    else if (ph_str_caseis(verb, "HELO") || ph_str_caseis(verb, "EHLO")) /* RFC 2033 4.1 */
        say_wrong(l, "500 5.5.1 This is LMTP: LHLO");
    else if (ph_str_caseis(verb, "MAIL"))
        cmd_mail(l, arg);
    else if (ph_str_caseis(verb, "RCPT"))
        cmd_rcpt(l, arg);
    else if (ph_str_caseis(verb, "DATA"))
        cmd_data(l, arg);
    else if (ph_str_caseis(verb, "RSET")) {
        end_transaction(l);
        say(l, "250 2.0.0 OK");
    } else if (ph_str_caseis(verb, "NOOP"))
        say(l, "250 2.0.0 OK");
    else if (ph_str_caseis(verb, "VRFY"))
        say(l, "252 2.5.2 Try RCPT");
    else if (ph_str_caseis(verb, "QUIT")) {
        say(l, "221 2.0.0 Bye");
        l->state = PH_LM_CLOSED;
    } else
        say_wrong(l, "500 5.5.2 There is no such command");
}

/* One line, if it is there. false: more is needed. */
static bool take_line(struct ph_lmtp *l)
{
    size_t n = ph_buf_len(&l->in);
    const char *p = ph_buf_data(&l->in);
    const char *nl = n ? memchr(p, '\n', n) : NULL;

    if (!nl) {
        if (n > PH_LMTP_LINE + 1) { /* one may be the CR */
            ph_buf_clear(&l->in);
            l->state = PH_LM_SKIP_LINE;
        }
        return false;
    }
    struct ph_str line = { p, (size_t)(nl - p) };
    size_t used = line.n + 1;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (l->state == PH_LM_SKIP_LINE || line.n > PH_LMTP_LINE) {
        l->state = PH_LM_COMMAND;
        say_wrong(l, "500 5.5.6 The line is too long");
    } else {
        command(l, line);
    }
    ph_buf_consume(&l->in, used);
    return true;
}

/* ---- the message ---- */

static void give(struct ph_lmtp *l, const char *p, size_t n)
{
    if (n == 0 || l->failed)
        return;
    l->size += n;
    if (l->max_size && l->size > l->max_size) {
        ph_fail(&l->err, PH_SCOPE_MESSAGE, PH_E_TOOBIG, "the message is too big");
        l->failed = true;
    } else if (l->calls->octets(l->ctx, p, n, &l->err)) {
        l->failed = true;
    }
}

/* RFC 5321 4.5.2. Only CR LF ends a line: a bare LF or CR before a dot is part of the text, or one message could be made into two.
 * Whole stretches are handed on; `from` is where the present one begins. true: the end was found, *used octets belong to the message. */
static bool undot(struct ph_lmtp *l, const char *p, size_t n, size_t *used)
{
    size_t from = 0, i = 0;

    for (; i < n; i++) {
        char c = p[i];
        switch (l->dot) {
        case PH_DOT_BOL:
            if (c == '.') {
                give(l, p + from, i - from);
                from = i + 1;
                l->dot = PH_DOT_DOT;
                continue;
            }
            break;
        case PH_DOT_DOT:
            if (c == '\r') {
                from = i + 1;
                l->dot = PH_DOT_DOTCR;
                continue;
            }
            from = i; /* the dot alone is left out */
            break;
        case PH_DOT_DOTCR:
            if (c == '\n') {
                *used = i + 1;
                return true;
            }
            give(l, "\r", 1);
            from = i;
            break;
        case PH_DOT_CR:
            if (c == '\n') {
                l->dot = PH_DOT_BOL;
                continue;
            }
            break;
        case PH_DOT_TEXT: {
            const char *cr = memchr(p + i, '\r', n - i);
            if (!cr) {
                i = n - 1;
                continue;
            }
            i = (size_t)(cr - p);
            c = '\r';
            break;
        }
        }
        l->dot = c == '\r' ? PH_DOT_CR : PH_DOT_TEXT;
    }
    if (l->dot != PH_DOT_DOT && l->dot != PH_DOT_DOTCR)
        give(l, p + from, n - from);
    *used = n;
    return false;
}

static bool take_data(struct ph_lmtp *l)
{
    size_t used, n = ph_buf_len(&l->in);

    if (n == 0)
        return false;
    bool end = undot(l, ph_buf_data(&l->in), n, &used);
    ph_buf_consume(&l->in, used);
    if (end) {
        l->state = PH_LM_DELIVER;
        l->next_to = 0;
    }
    return end;
}

static void deliver_next(struct ph_lmtp *l)
{
    const struct ph_lmtp_recipient *to = &l->to[l->next_to++];
    struct ph_err err = l->err;
    const char *text, *code;

    if (l->failed || l->calls->deliver(l->ctx, to->user, to->address, &err)) {
        code = code_of(&err, &text);
        say_of(l, code, to->address, text);
    } else {
        say_of(l, "250 2.0.0", to->address, "Delivered");
    }
    if (l->next_to == l->n_to) {
        end_transaction(l);
        l->state = PH_LM_COMMAND;
    }
}

enum ph_lmtp_next ph_lmtp_run(struct ph_lmtp *l)
{
    for (;;) {
        bool on = false;
        switch (l->state) {
        case PH_LM_COMMAND:
        case PH_LM_SKIP_LINE:
            on = take_line(l);
            break;
        case PH_LM_DATA:
            on = take_data(l);
            break;
        case PH_LM_DELIVER:
            deliver_next(l);
            return PH_LMTP_SEND; /* RFC 2033 5: each answer as soon as possible */
        case PH_LM_CLOSED:
            return PH_LMTP_CLOSE;
        }
        if (!on && l->state != PH_LM_CLOSED)
            return PH_LMTP_MORE;
    }
}
