/* sqlite_server.c: IMAP over a table that an application has already: each row is shown as a message.
 *
 *   cc sqlite_server.c $(pkg-config --cflags --libs posthaste sqlite3) -o sqlite_server
 *   sqlite3 notes.db "create table notes (id integer primary key, author text, title text, body text, created integer)"
 *   ./sqlite_server notes.db 1143
 *
 * The table is not changed, so this needs the four functions of a read-only store only: the row's id is the UID, and the
 * message is made from the columns whenever somebody reads it. Log in as any user with the password "secret".
 */
#include <posthaste/server.h>
#include <posthaste/store.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int failed(sqlite3 *db, struct ph_err *err)
{
    return ph_fail(err, PH_SCOPE_FOLDER, PH_E_SYSTEM, "%s", sqlite3_errmsg(db));
}

static int list(void *ctx, int (*emit)(void *to, const struct ph_backend_folder *f), void *to, struct ph_err *err)
{
    emit(to, &(struct ph_backend_folder){ .name = "INBOX", .attributes = PH_FOLDER_SUBSCRIBED });
    return 0;
}

static int open_folder(void *ctx, const char *folder, struct ph_backend_state *out, struct ph_err *err)
{
    sqlite3_stmt *q;

    if (strcmp(folder, "INBOX") != 0)
        return ph_fail(err, PH_SCOPE_FOLDER, PH_E_NOTFOUND, "there is only INBOX");
    if (sqlite3_prepare_v2(ctx, "select coalesce(max(id), 0) + 1 from notes", -1, &q, NULL) != SQLITE_OK ||
        sqlite3_step(q) != SQLITE_ROW)
        return failed(ctx, err);
    *out = (struct ph_backend_state){ .uidvalidity = 1, .uidnext = (uint32_t)sqlite3_column_int64(q, 0) };
    sqlite3_finalize(q);
    return 0;
}

/* The row as a message with CRLF line ends; free it. A line end in a title must not become one of the header. */
static char *message(sqlite3_stmt *q, size_t *n)
{
    char *out = NULL, date[64];
    time_t when = (time_t)sqlite3_column_int64(q, 4);
    struct tm tm;
    FILE *f = open_memstream(&out, n);

    if (!f)
        return NULL;
    gmtime_r(&when, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    fprintf(f, "Date: %s\r\nFrom: ", date);
    for (int column = 1; column <= 2; column++) {
        const char *text = (const char *)sqlite3_column_text(q, column);
        if (column == 2)
            fputs("Subject: ", f);
        for (; text && *text; text++)
            fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
        fputs("\r\n", f);
    }
    fprintf(f, "Message-ID: <%lld@notes.invalid>\r\nMIME-Version: 1.0\r\n", (long long)sqlite3_column_int64(q, 0));
    fputs("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", f);
    for (const char *text = (const char *)sqlite3_column_text(q, 3); text && *text; text++)
        if (*text == '\n')
            fputs("\r\n", f);
        else if (*text != '\r')
            fputc(*text, f);
    return fclose(f) == 0 ? out : NULL;
}

static const char rows[] = "select id, author, title, body, created from notes where id between ?1 and ?2 order by id";

static int scan(void *ctx, const char *folder, uint32_t first, uint32_t last, uint64_t since,
                int (*emit)(void *to, const struct ph_backend_message *m), void *to, struct ph_err *err)
{
    sqlite3_stmt *q;
    int rc = 0;

    if (sqlite3_prepare_v2(ctx, rows, -1, &q, NULL) != SQLITE_OK)
        return failed(ctx, err);
    sqlite3_bind_int64(q, 1, first);
    sqlite3_bind_int64(q, 2, last);
    while (rc == 0 && sqlite3_step(q) == SQLITE_ROW) {
        size_t n = 0;
        char *text = message(q, &n);
        struct ph_backend_message m = { .uid = (uint32_t)sqlite3_column_int64(q, 0), .flags = PH_FLAG_SEEN,
                                        .date = sqlite3_column_int64(q, 4), .size = n };
        rc = text ? emit(to, &m) : -1;
        free(text);
    }
    sqlite3_finalize(q);
    return rc;
}

static int fetch(void *ctx, const char *folder, uint32_t uid, uint64_t offset, void *p, size_t n, size_t *got,
                 struct ph_err *err)
{
    sqlite3_stmt *q;
    size_t size = 0;

    *got = 0;
    if (sqlite3_prepare_v2(ctx, rows, -1, &q, NULL) != SQLITE_OK)
        return failed(ctx, err);
    sqlite3_bind_int64(q, 1, uid);
    sqlite3_bind_int64(q, 2, uid);
    char *text = sqlite3_step(q) == SQLITE_ROW ? message(q, &size) : NULL;
    sqlite3_finalize(q);
    if (!text)
        return ph_fail(err, PH_SCOPE_MESSAGE, PH_E_NOTFOUND, "note %u is gone", uid);
    if (offset < size) {
        *got = size - offset < n ? size - (size_t)offset : n;
        memcpy(p, text + offset, *got);
    }
    free(text);
    return 0;
}

static int check_password(void *ctx, const char *user, const char *password, size_t n)
{
    return n == 6 && memcmp(password, "secret", 6) == 0 ? 0 : -1;
}

static int open_store(void *ctx, const char *user, struct ph_store **out, struct ph_err *err)
{
    /* others write the table: the server has to look; the connection is used by one thread at a time */
    static const struct ph_backend backend = { .list = list, .open = open_folder, .scan = scan, .fetch = fetch,
                                               .untold = true, .one_at_a_time = true };
    return ph_store_new(&backend, ctx, "notes", out, err);
}

int main(int argc, char **argv)
{
    struct ph_server_config config = { .cleartext_login = true,
                                       .calls = { .check_password = check_password, .open_store = open_store } };
    struct ph_server *server;
    struct ph_err err;
    uint16_t port;
    sigset_t stop;
    sqlite3 *db;
    int sig;

    if (argc < 2 || sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK) {
        fprintf(stderr, "usage: sqlite_server FILE [PORT]\n");
        return 2;
    }
    config.ctx = db;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    if (ph_server_new(&config, &server, &err) ||
        ph_server_listen_tcp(server, "127.0.0.1", (uint16_t)(argc > 2 ? atoi(argv[2]) : 0), 0, &port, &err) ||
        ph_server_start(server, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("listening on 127.0.0.1:%u\n", port);
    fflush(stdout);
    sigwait(&stop, &sig);
    ph_server_free(server);
    sqlite3_close(db);
    return 0;
}
