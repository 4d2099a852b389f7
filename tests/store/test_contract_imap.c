/* The contract, kept by the IMAP store against the server that the environment names:
 * PH_CONTRACT_HOST, PH_CONTRACT_PORT, PH_CONTRACT_USER, PH_CONTRACT_PASSWORD; and, where wanted, PH_CONTRACT_WITHOUT
 * (capabilities not to use), PH_CONTRACT_MANY (messages of the large folder), PH_CONTRACT_CA (TLS, trusting this file),
 * PH_CONTRACT_TRACE. An argument runs only the cases with this in their name. tests/integration/test_contract.py starts
 * it. */
#include <stdio.h>
#include <stdlib.h>

#include "contract.h"
#include "store/imap.h"

static struct ph_credential *credential;

static void trace(void *ctx, unsigned connection, bool sent, const char *line, size_t n)
{
    fprintf(stderr, "%u %c %.*s\n", connection, sent ? '>' : '<', (int)n, line);
}

static struct ph_store *make(void *ctx)
{
    const char *port = getenv("PH_CONTRACT_PORT"), *ca = getenv("PH_CONTRACT_CA");
    struct ph_imap_options o = {
        .host = getenv("PH_CONTRACT_HOST"),
        .port = (uint16_t)strtoul(port ? port : "143", NULL, 10),
        .security = ca ? PH_SEC_TLS : PH_SEC_CLEAR,
        .tls = { .ca_file = ca },
        .user = getenv("PH_CONTRACT_USER"),
        .credential = credential,
        .without = getenv("PH_CONTRACT_WITHOUT"),
        .timeout_ms = 30000,
        .trace = getenv("PH_CONTRACT_TRACE") != NULL,
        .on_trace = trace,
    };
    struct ph_store *st = NULL;
    struct ph_err err = { 0 };

    if (ph_imap_store_new(&o, &st, &err))
        fprintf(stderr, "%s\n", err.text);
    return st;
}

int main(int argc, char **argv)
{
    const char *many = getenv("PH_CONTRACT_MANY");
    struct contract_options opt = { .make = make, .only = argc > 1 ? argv[1] : NULL, .big = 40u << 20,
                                    .many = many ? strtoul(many, NULL, 10) : 2000 };

    if (!getenv("PH_CONTRACT_HOST") || !getenv("PH_CONTRACT_PASSWORD")) {
        fprintf(stderr, "PH_CONTRACT_HOST, _PORT, _USER and _PASSWORD say where\n");
        return 77;
    }
    credential = ph_credential_fixed(PH_CRED_PASSWORD, ph_str(getenv("PH_CONTRACT_PASSWORD")));
    int failed = contract_run("imap", &opt);
    ph_credential_free(credential);
    return failed;
}
