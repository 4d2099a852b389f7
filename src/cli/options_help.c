/* options_help.c: what the option tables say to people, to man(1) and to the shell. */
#include "cli/options.h"

#include <string.h>

#include "cli/text.h"

#define HELP_COLUMN 30

/* "-L, --log FILE" */
static void spelling(const struct ph_option *o, struct ph_buf *out)
{
    if (o->letter)
        ph_text_add(out, "-%c", o->letter);
    else
        ph_buf_add_z(out, "    ");
    if (o->name)
        ph_text_add(out, "%s--%s", o->letter ? ", " : "", o->name);
    if (o->arg)
        ph_text_add(out, " %s", o->arg);
}

void ph_usage_line(const struct ph_command *c, const char *invoked, struct ph_buf *out)
{
    ph_text_add(out, "usage: %s [OPTIONS]%s%s\n", invoked, *c->operands ? " " : "", c->operands);
}

static void one_option(const struct ph_option *o, size_t width, struct ph_buf *out)
{
    struct ph_buf left = PH_BUF_INIT;
    size_t column = width < 60 ? 8 : HELP_COLUMN;

    spelling(o, &left);
    size_t w = ph_text_width(ph_buf_str(&left)) + 2;
    ph_buf_add_z(out, "  ");
    ph_buf_add_str(out, ph_buf_str(&left));
    if (w + 2 > column) {
        ph_buf_add_char(out, '\n');
        w = 0;
    }
    ph_text_spaces(out, column - w);
    ph_text_wrap(out, o->help, column, column, width);
    ph_buf_add_char(out, '\n');
    ph_buf_done(&left);
}

void ph_usage_full(const struct ph_command *c, const char *invoked, size_t width, struct ph_buf *out)
{
    if (width < 40)
        width = 40;
    ph_usage_line(c, invoked, out);
    ph_buf_add_char(out, '\n');
    ph_text_wrap(out, c->description, 0, 0, width);
    ph_buf_add_char(out, '\n');
    for (const struct ph_option_group *g = c->groups; g->heading; g++) {
        ph_text_add(out, "\n%s:\n", g->heading);
        for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++)
            if (!(o->flags & PH_OPT_HIDDEN))
                one_option(o, width, out);
    }
    ph_buf_add_z(out, "\nFurther:\n");
    static const struct ph_option help = { PH_OPT_NOTHING, 'h', "help", NULL, "This text." };
    static const struct ph_option version = { PH_OPT_NOTHING, 0, "version", NULL, "The version." };
    one_option(&help, width, out);
    one_option(&version, width, out);
}

/* ---- mdoc ---- */

/* One word of running text for mdoc: backslashes escaped, and nothing at the start of a line that is a request. */
static void mdoc_text(const char *text, struct ph_buf *out)
{
    bool line_start = true;

    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            ph_buf_add_z(out, "\\&");
        line_start = false;
        if (*text == '\\') {
            ph_buf_add_z(out, "\\e");
        } else if (*text == '-' && text[1] != ' ') {
            ph_buf_add_z(out, "\\-");
        } else if ((*text == '.' || *text == '?') && text[1] == ' ') { /* a sentence a line */
            ph_buf_add_char(out, *text);
            ph_buf_add_char(out, '\n');
            text++;
            line_start = true;
        } else {
            ph_buf_add_char(out, *text);
        }
    }
    ph_buf_add_char(out, '\n');
}

/* An argument's name for a macro line: words that are macro names themselves are protected. */
static void mdoc_arg(const char *arg, struct ph_buf *out)
{
    ph_buf_add_z(out, " Ar ");
    ph_buf_add_char(out, '"');
    for (; *arg; arg++)
        ph_buf_add_z(out, *arg == '"' ? "\"\"" : *arg == '\\' ? "\\e" : (char[]){ *arg, 0 });
    ph_buf_add_char(out, '"');
}

static void mdoc_option(const struct ph_option *o, struct ph_buf *out)
{
    ph_buf_add_z(out, ".It");
    if (o->letter)
        ph_text_add(out, " Fl %c", o->letter);
    if (o->name)
        ph_text_add(out, "%s Fl -%s", o->letter ? " ," : "", o->name);
    if (o->arg)
        mdoc_arg(o->arg, out);
    ph_buf_add_char(out, '\n');
    mdoc_text(o->help, out);
}

void ph_usage_mdoc(const struct ph_command *c, struct ph_buf *out)
{
    for (const struct ph_option_group *g = c->groups; g->heading; g++) {
        ph_text_add(out, ".Ss %s\n.Bl -tag -width Ds\n", g->heading);
        for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++)
            if (!(o->flags & PH_OPT_HIDDEN))
                mdoc_option(o, out);
        ph_buf_add_z(out, ".El\n");
    }
}

/* ---- completion ---- */

static void candidate(const char *before, const char *word, struct ph_str typed, struct ph_buf *out)
{
    size_t b = strlen(before);

    if (typed.n <= b ? memcmp(before, typed.p, typed.n) == 0
                     : memcmp(before, typed.p, b) == 0 && strncmp(word, typed.p + b, typed.n - b) == 0)
        ph_text_add(out, "%s%s\n", before, word);
}

static void choices_of(const struct ph_option *o, struct ph_str typed, struct ph_buf *out)
{
    for (const char *p = o->choices; p && *p;) {
        size_t n = strcspn(p, " ");
        if (n >= typed.n && memcmp(p, typed.p, typed.n) == 0)
            ph_text_add(out, "%.*s\n", (int)n, p);
        p += n;
        p += strspn(p, " ");
    }
    if (o->flags & PH_OPT_PATH)
        ph_buf_add_z(out, ":files\n"); /* the shell's own file names */
}

/* The option that takes the word behind `word` as its value, or NULL. */
static const struct ph_option *expects_value(const struct ph_command *c, const char *word)
{
    const struct ph_option *o = NULL;

    if (word[0] != '-' || !word[1])
        return NULL;
    if (word[1] == '-')
        o = ph_option_by_name(c, ph_str(word + 2));
    else
        for (const char *p = word + 1; *p; p++) {
            o = ph_option_by_letter(c, *p);
            if (!o)
                return NULL;
            if (ph_option_takes_value(o))
                return p[1] ? NULL : o;
        }
    return o && ph_option_takes_value(o) ? o : NULL;
}

void ph_complete(const struct ph_command *c, const char *const *words, size_t n, struct ph_buf *out)
{
    struct ph_str typed = n ? ph_str(words[n - 1]) : ph_str("");
    const struct ph_option *value_of = n > 1 ? expects_value(c, words[n - 2]) : NULL;

    if (value_of) {
        choices_of(value_of, typed, out);
        return;
    }
    for (const struct ph_option_group *g = c->groups; g->heading; g++)
        for (const struct ph_option *o = g->options; o->kind != PH_OPT_END; o++) {
            if (o->flags & PH_OPT_HIDDEN)
                continue;
            if (o->name && ph_str_prefix(typed, "-"))
                candidate("--", o->name, typed, out);
            if (o->letter && (c->classic || !o->name) && ph_str_is(typed, "-"))
                candidate("-", (char[]){ o->letter, 0 }, typed, out);
        }
    if (!c->classic && !ph_str_prefix(typed, "-")) {
        candidate("imaps://", "", typed, out);
        candidate("imap://", "", typed, out);
        candidate("imap+unix:///", "", typed, out);
    }
}
