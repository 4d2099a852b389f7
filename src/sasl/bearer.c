/* bearer.c: OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's and Microsoft's forerunner), which GNU SASL lacks.
 *
 *   OAUTHBEARER   n,a=USER,^Ahost=HOST^Aport=PORT^Aauth=Bearer TOKEN^A^A
 *   XOAUTH2       user=USER^Aauth=Bearer TOKEN^A^A
 *
 * A refusal comes as a challenge with a JSON object; the client answers it (^A, or nothing for XOAUTH2)
 * and the server then says NO.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sasl/private.h"

#define CTRL_A "\x01"

/* saslname of RFC 5801: "," and "=" are written as =2C and =3D. */
static int add_saslname(struct ph_buf *out, const char *name)
{
    for (; *name; name++) {
        int rc = *name == ',' ? ph_buf_add_z(out, "=2C") : *name == '=' ? ph_buf_add_z(out, "=3D")
                                                                       : ph_buf_add_char(out, *name);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static bool has_control(struct ph_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

static int first_message(struct ph_sasl *s, struct ph_buf *out, struct ph_err *err)
{
    const struct ph_sasl_client_params *c = &s->client;
    const char *user = c->authzid && *c->authzid ? c->authzid : c->authcid;

    /* Either would end its field early and begin another. */
    if (has_control(ph_str(user)) || has_control(c->token))
        return ph_fail(err, PH_SCOPE_STORE, PH_E_USAGE, "%s: a control character in the user name or the token",
                       s->mechanism);
    if (s->how == PH_SASL_XOAUTH2) {
        ph_buf_add_z(out, "user=");
        ph_buf_add_z(out, user);
    } else {
        ph_buf_add_z(out, "n,a=");
        add_saslname(out, user);
        ph_buf_add_char(out, ',');
        if (c->host && *c->host) {
            ph_buf_add_z(out, CTRL_A "host=");
            ph_buf_add_z(out, c->host);
        }
        if (c->port) {
            ph_buf_add_z(out, CTRL_A "port=");
            ph_buf_add_u64(out, c->port);
        }
    }
    ph_buf_add_z(out, CTRL_A "auth=Bearer ");
    ph_buf_add_str(out, c->token);
    ph_buf_add_z(out, CTRL_A CTRL_A);
    return out->failed ? ph_fail_memory(err) : 1;
}

int ph_bearer_client_step(struct ph_sasl *s, struct ph_str challenge, struct ph_buf *out, struct ph_err *err)
{
    if (s->steps++ == 0) {
        if (challenge.n == 0)
            return first_message(s, out, err);
        return ph_fail(err, PH_SCOPE_SESSION, PH_E_PROTOCOL, "%s: a challenge before the client has spoken",
                       s->mechanism);
    }
    if (s->steps > 2 || challenge.n == 0) /* one error, and it is not empty */
        return ph_gsasl_fail(s, GSASL_MECHANISM_CALLED_TOO_MANY_TIMES, err);
    ph_bearer_words(challenge, s->words, sizeof s->words);
    if (s->how == PH_SASL_OAUTHBEARER && ph_buf_add_z(out, CTRL_A) < 0)
        return ph_fail_memory(err);
    s->done = false; /* an OK after this would be nonsense */
    s->proof = true;
    return 0;
}

/* ---- the error object ---- */

/* The JSON string that begins at p[*i] == '"', printable ASCII and UTF-8 as it is, anything else as a blank. */
static size_t json_string(struct ph_str json, size_t *i, char *out, size_t size)
{
    size_t n = 0;

    for (++*i; *i < json.n && json.p[*i] != '"'; ++*i) {
        char c = json.p[*i];
        if (c == '\\' && *i + 1 < json.n) {
            c = json.p[++*i];
            if (c == 'u') {
                *i += json.n - *i > 4 ? 4 : json.n - *i - 1;
                c = '?';
            } else if (strchr("bfnrt", c)) {
                c = ' ';
            }
        }
        if (n + 1 < size)
            out[n++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
    if (*i < json.n)
        ++*i;
    out[n] = '\0';
    return n;
}

static void skip_blanks(struct ph_str json, size_t *i)
{
    while (*i < json.n && memchr(" \t\r\n", json.p[*i], 4))
        ++*i;
}

static void add_word(char *out, size_t size, const char *key, const char *value)
{
    static const char *const known[][2] = {
        { "status", "status " }, { "error", "" },         { "error_description", "" },
        { "message", "" },       { "scope", "scope " },   { "schemes", "schemes " },
    };
    size_t n = strlen(out);

    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (strcmp(key, known[k][0]) == 0 && *value)
            snprintf(out + n, size - n, "%s%s%s", n ? ", " : "", known[k][1], value);
}

void ph_bearer_words(struct ph_str json, char *out, size_t size)
{
    char key[32], value[160];
    size_t i = 0, n;

    *out = '\0';
    while (i < json.n) {
        if (json.p[i] != '"') {
            i++;
            continue;
        }
        json_string(json, &i, key, sizeof key);
        skip_blanks(json, &i);
        if (i >= json.n || json.p[i] != ':')
            continue;
        i++;
        skip_blanks(json, &i);
        if (i < json.n && json.p[i] == '"') {
            json_string(json, &i, value, sizeof value);
        } else {
            for (n = 0; i < json.n && !memchr(",}] \t\r\n{[\"", json.p[i], 10); i++)
                if (n + 1 < sizeof value && (unsigned char)json.p[i] > 0x20)
                    value[n++] = json.p[i];
            value[n] = '\0';
        }
        add_word(out, size, key, value);
    }
    if (*out)
        return;
    /* Not what the RFC says: show it as it is. */
    for (n = 0; n < json.n && n + 1 < size; n++)
        out[n] = (unsigned char)json.p[n] < 0x20 || json.p[n] == 0x7f ? ' ' : json.p[n];
    out[n] = '\0';
}

/* ---- server ---- */

/* The value of field `key` of the ^A-separated list; NIL when it is missing. */
static struct ph_str field(struct ph_str list, const char *key)
{
    for (const char *p = list.p, *end = list.p + list.n; p < end;) {
        const char *stop = memchr(p, 1, (size_t)(end - p));
        struct ph_str item = { p, (size_t)((stop ? stop : end) - p) };
        if (ph_str_caseprefix(item, key))
            return (struct ph_str){ item.p + strlen(key), item.n - strlen(key) };
        p = stop ? stop + 1 : end;
    }
    return PH_STR_NIL;
}

static char *unescape_saslname(struct ph_str in)
{
    char *out = malloc(in.n + 1), *to = out;

    for (size_t i = 0; out && i < in.n; i++) {
        struct ph_str rest = { in.p + i, in.n - i };
        bool comma = ph_str_caseprefix(rest, "=2C");
        if (comma || ph_str_caseprefix(rest, "=3D")) {
            *to++ = comma ? ',' : '=';
            i += 2;
        } else if (in.p[i] == '=' || in.p[i] == ',') {
            free(out);
            return NULL;
        } else {
            *to++ = in.p[i];
        }
    }
    if (out)
        *to = '\0';
    return out;
}

/* The user, an allocated string; NULL when the message is malformed. */
static char *bearer_user(const struct ph_sasl *s, struct ph_str m)
{
    const char *sep = memchr(m.p, 1, m.n);
    struct ph_str head = { m.p, sep ? (size_t)(sep - m.p) : m.n };

    if (memchr(m.p, '\0', m.n))
        return NULL;
    if (s->how == PH_SASL_XOAUTH2) {
        struct ph_str user = field(m, "user=");
        return user.p ? ph_str_dup(user) : NULL;
    }
    /* gs2-header: "n" or "y", ",", [ "a=" saslname ], "," */
    if (!sep || head.n < 3 || (head.p[0] != 'n' && head.p[0] != 'y') || head.p[1] != ',' ||
        head.p[head.n - 1] != ',')
        return NULL;
    struct ph_str name = { head.p + 2, head.n - 3 };
    if (name.n == 0)
        return ph_str_dup(PH_STR(""));
    if (!ph_str_prefix(name, "a="))
        return NULL;
    return unescape_saslname((struct ph_str){ name.p + 2, name.n - 2 });
}

int ph_bearer_server_step(struct ph_sasl *s, struct ph_str response, struct ph_buf *out, struct ph_err *err)
{
    if (s->steps == 0 && !response.n) { /* no initial response: an empty challenge asks for it */
        s->steps = 1;
        return 0;
    }
    if (s->steps >= 2) /* whatever answers the error object */
        return ph_gsasl_fail(s, GSASL_AUTHENTICATION_ERROR, err);
    s->steps = 2;
    char *user = response.n ? bearer_user(s, response) : NULL;
    struct ph_str auth = user ? field(response, "auth=") : PH_STR_NIL;
    if (!user || !ph_str_caseprefix(auth, "Bearer ")) {
        free(user);
        return ph_gsasl_fail(s, GSASL_MECHANISM_PARSE_ERROR, err);
    }
    struct ph_str token = { auth.p + 7, auth.n - 7 };
    if (s->ops->check_token && s->ops->check_token(s->ctx, user, token) == 0) {
        s->authcid = user;
        return 1;
    }
    free(user);
    return ph_buf_add_z(out, "{\"status\":\"invalid_token\"}") < 0 ? ph_fail_memory(err) : 0;
}
