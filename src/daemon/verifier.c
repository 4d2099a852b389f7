#include "daemon/verifier.h"

#include <crypt.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "sasl/sasl.h"

#define SALT_BYTES 16

static const struct {
    const char *name;
    enum ph_verifier_kind kind;
} schemes[] = { { "{SCRAM-SHA-256}", PH_VERIFIER_SCRAM_SHA256 },
                { "{SCRAM-SHA-1}", PH_VERIFIER_SCRAM_SHA1 },
                { "{CRYPT}", PH_VERIFIER_CRYPT },
                { "{PLAIN}", PH_VERIFIER_PLAIN } };

static const EVP_MD *digest_of(enum ph_verifier_kind kind)
{
    return kind == PH_VERIFIER_SCRAM_SHA1 ? EVP_sha1() : EVP_sha256();
}

/* One field of base64, decoded, up to the comma or the end. */
static bool take_base64(const char **p, bool last, struct ph_buf *out)
{
    size_t n = strcspn(*p, ",");

    if (n == 0 || n > 512 || ((*p)[n] == '\0') != last || ph_base64_decode((struct ph_str){ *p, n }, out))
        return false;
    *p += n + !last;
    return true;
}

struct scram {
    unsigned iterations;
    struct ph_buf salt, stored, server;
};

static void scram_done(struct scram *s)
{
    ph_buf_done(&s->salt);
    ph_buf_done(&s->stored);
    ph_buf_done(&s->server);
}

static bool scram_parse(const char *value, size_t size, struct scram *s)
{
    char *end;

    *s = (struct scram){ 0 };
    unsigned long n = *value >= '1' && *value <= '9' ? strtoul(value, &end, 10) : 0;
    if (n == 0 || n > PH_SCRAM_ITERATIONS_MAX || *end != ',')
        return false;
    s->iterations = (unsigned)n;
    const char *p = end + 1;
    return take_base64(&p, false, &s->salt) && take_base64(&p, false, &s->stored) && take_base64(&p, true, &s->server) &&
           ph_buf_len(&s->stored) == size && ph_buf_len(&s->server) == size;
}

unsigned ph_verifier_iterations(const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    return *end == ',' && n <= PH_SCRAM_ITERATIONS_MAX ? (unsigned)n : 0;
}

enum ph_verifier_kind ph_verifier_parse(const char *text, const char **value)
{
    enum ph_verifier_kind kind = *text == '$' ? PH_VERIFIER_CRYPT : PH_VERIFIER_NONE;
    struct scram s;

    *value = text;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(text, schemes[i].name, strlen(schemes[i].name)) == 0) {
            kind = schemes[i].kind;
            *value = text + strlen(schemes[i].name);
        }
    if (kind == PH_VERIFIER_PLAIN)
        return **value ? kind : PH_VERIFIER_NONE;
    if (kind == PH_VERIFIER_CRYPT) {
        /* Old schemes (DES, MD5) are "legacy" to the library, but may be what an administrator has. */
        int ok = crypt_checksalt(*value);
        return **value && (ok == CRYPT_SALT_OK || ok == CRYPT_SALT_METHOD_LEGACY) ? kind : PH_VERIFIER_NONE;
    }
    if (kind != PH_VERIFIER_NONE) {
        bool fine = scram_parse(*value, kind == PH_VERIFIER_SCRAM_SHA1 ? 20 : 32, &s);
        scram_done(&s);
        return fine ? kind : PH_VERIFIER_NONE;
    }
    return kind;
}

/* ---- SCRAM ---- */

/* RFC 5802 section 3: SaltedPassword, then StoredKey = H(HMAC(it, "Client Key")), ServerKey = HMAC(it, "Server Key"). */
static bool scram_keys(const EVP_MD *md, struct ph_str password, struct ph_str salt, unsigned iterations, unsigned char *stored,
                       unsigned char *server)
{
    unsigned char salted[EVP_MAX_MD_SIZE], client[EVP_MAX_MD_SIZE];
    int size = EVP_MD_get_size(md);
    unsigned n = 0;
    bool ok = PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p, (int)salt.n, (int)iterations, md, size,
                                salted) == 1 &&
              HMAC(md, salted, size, (const unsigned char *)"Client Key", 10, client, &n) &&
              EVP_Digest(client, n, stored, &n, md, NULL) == 1 &&
              HMAC(md, salted, size, (const unsigned char *)"Server Key", 10, server, &n);

    ph_wipe(salted, sizeof salted);
    ph_wipe(client, sizeof client);
    return ok;
}

/* The prepared form, or the octets as they are where SASLprep has none: the password is then just wrong. */
static char *prepared(struct ph_str password, bool *forbidden)
{
    char *in = ph_str_dup(password), *out = NULL;

    if (!in)
        return NULL;
    *forbidden = memchr(password.p, 0, password.n) || gsasl_saslprep(in, 0, &out, NULL) != GSASL_OK || !out;
    if (*forbidden)
        return in;
    char *copy = ph_str_dup(ph_str(out));
    ph_wipe(in, password.n);
    free(in);
    ph_wipe(out, strlen(out));
    gsasl_free(out);
    return copy;
}

static bool scram_check(enum ph_verifier_kind kind, const char *value, const char *password)
{
    const EVP_MD *md = digest_of(kind);
    size_t size = (size_t)EVP_MD_get_size(md);
    unsigned char stored[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];
    struct scram s;
    bool fits = scram_parse(value, size, &s) &&
                scram_keys(md, ph_str(password), ph_buf_str(&s.salt), s.iterations, stored, server) &&
                CRYPTO_memcmp(stored, ph_buf_data(&s.stored), size) == 0;

    scram_done(&s);
    ph_wipe(stored, sizeof stored);
    ph_wipe(server, sizeof server);
    return fits;
}

static int add_scram(unsigned iterations, struct ph_str salt, const unsigned char *stored, const unsigned char *server, size_t size,
                     struct ph_buf *out)
{
    ph_buf_add_u64(out, iterations);
    ph_buf_add_char(out, ',');
    ph_base64_encode(salt, out);
    ph_buf_add_char(out, ',');
    ph_base64_encode((struct ph_str){ (const char *)stored, size }, out);
    ph_buf_add_char(out, ',');
    ph_base64_encode((struct ph_str){ (const char *)server, size }, out);
    return out->failed ? -1 : 0;
}

/* ---- crypt ---- */

static bool crypt_check(const char *value, const char *password)
{
    struct crypt_data *d = calloc(1, sizeof *d);
    const char *got = d ? crypt_rn(password, value, d, (int)sizeof *d) : NULL;
    bool fits = got && strlen(got) == strlen(value) && CRYPTO_memcmp(got, value, strlen(value)) == 0;

    if (d)
        ph_wipe(d, sizeof *d);
    free(d);
    return fits;
}

static int crypt_make(const char *password, struct ph_buf *out, struct ph_err *err)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *d = calloc(1, sizeof *d);
    const char *made = NULL;

    if (!d)
        return ph_fail_memory(err);
    if (strlen(password) >= CRYPT_MAX_PASSPHRASE_SIZE)
        ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the password is longer than %d octets", CRYPT_MAX_PASSPHRASE_SIZE - 1);
    else if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting) ||
             !(made = crypt_rn(password, setting, d, (int)sizeof *d)))
        ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "the system's crypt library cannot make a yescrypt hash");
    else
        ph_buf_add_z(out, made);
    ph_wipe(d, sizeof *d);
    free(d);
    return made ? 0 : -1;
}

/* ---- both ---- */

/* Compared by digests, so that the time says nothing of how much was right. */
static bool plain_check(const char *value, struct ph_str password)
{
    unsigned char a[EVP_MAX_MD_SIZE], b[EVP_MAX_MD_SIZE];
    unsigned n = 0, m = 0;

    return EVP_Digest(value, strlen(value), a, &n, EVP_sha256(), NULL) == 1 &&
           EVP_Digest(password.p, password.n, b, &m, EVP_sha256(), NULL) == 1 && CRYPTO_memcmp(a, b, n) == 0;
}

bool ph_verifier_check(enum ph_verifier_kind kind, const char *value, struct ph_str password)
{
    bool forbidden, fits = false;

    if (kind == PH_VERIFIER_NONE || password.n > PH_PASSWORD_MAX)
        return false;
    if (kind == PH_VERIFIER_PLAIN)
        return plain_check(value, password);
    char *text = prepared(password, &forbidden);
    if (!text)
        return false;
    size_t n = strlen(text);
    if (kind == PH_VERIFIER_CRYPT) {
        char *raw = ph_str_dup(password); /* crypt knows no preparation: other programs have made these */
        fits = raw && crypt_check(value, raw) && !memchr(password.p, 0, password.n);
        if (raw)
            ph_wipe(raw, password.n);
        free(raw);
    } else {
        fits = scram_check(kind, value, text) && !memchr(password.p, 0, password.n);
    }
    ph_wipe(text, n);
    free(text);
    return fits;
}

static int scram_make(enum ph_verifier_kind kind, const char *password, struct ph_buf *out, struct ph_err *err)
{
    const EVP_MD *md = digest_of(kind);
    unsigned char salt[SALT_BYTES], stored[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];
    struct ph_str s = { (char *)salt, sizeof salt };

    if (RAND_bytes(salt, sizeof salt) != 1 || !scram_keys(md, ph_str(password), s, PH_SCRAM_ITERATIONS, stored, server))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_SYSTEM, "the cryptographic library has failed");
    int rc = add_scram(PH_SCRAM_ITERATIONS, s, stored, server, (size_t)EVP_MD_get_size(md), out);
    ph_wipe(stored, sizeof stored);
    ph_wipe(server, sizeof server);
    return rc ? ph_fail_memory(err) : 0;
}

int ph_verifier_make(enum ph_verifier_kind kind, struct ph_str password, struct ph_buf *out, struct ph_err *err)
{
    bool forbidden = true;

    if (password.n == 0 || password.n > PH_PASSWORD_MAX)
        return ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "a password has 1 to %d octets", PH_PASSWORD_MAX);
    char *text = prepared(password, &forbidden);
    if (!text)
        return ph_fail_memory(err);
    int rc;
    if (forbidden || !*text)
        rc = ph_fail(err, PH_SCOPE_JOB, PH_E_USAGE, "the password has characters that no password may have (RFC 4013): control "
                                                    "characters, or not UTF-8");
    else if (kind == PH_VERIFIER_CRYPT)
        rc = crypt_make(text, out, err);
    else {
        ph_buf_add_z(out, schemes[kind == PH_VERIFIER_SCRAM_SHA1].name);
        rc = scram_make(kind, text, out, err);
    }
    ph_wipe(text, strlen(text));
    free(text);
    return rc;
}

int ph_verifier_pretend(enum ph_verifier_kind kind, unsigned iterations, struct ph_str key, const char *name, struct ph_buf *out)
{
    unsigned char salt[EVP_MAX_MD_SIZE], junk[2 * EVP_MAX_MD_SIZE];
    unsigned n;
    size_t size = kind == PH_VERIFIER_SCRAM_SHA1 ? 20 : 32;

    if (!HMAC(digest_of(kind), key.p, (int)key.n, (const unsigned char *)name, strlen(name), salt, &n) ||
        RAND_bytes(junk, (int)(2 * size)) != 1)
        return -1;
    return add_scram(iterations, (struct ph_str){ (char *)salt, SALT_BYTES }, junk, junk + size, size, out);
}
