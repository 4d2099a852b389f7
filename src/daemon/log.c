#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/text.h"

struct ph_log {
    pthread_mutex_t lock;
    char *path;       /* NULL: no file */
    int fd, most;
    bool to_syslog, journal;
};

static const struct {
    const char *name;
    int level;
} levels[] = { { "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE }, { "info", LOG_INFO }, { "debug", LOG_DEBUG } };

int ph_log_level(const char *name)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].name, name) == 0)
            return levels[i].level;
    return -1;
}

static const char *level_name(int level)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (levels[i].level >= level)
            return levels[i].name;
    return "debug";
}

static int open_file(const char *path, struct ph_err *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

    return fd < 0 ? ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "cannot open the log %s", path) : fd;
}

int ph_log_new(const char *to, int most, struct ph_log **out, struct ph_err *err)
{
    struct ph_log *l = calloc(1, sizeof *l);

    *out = NULL;
    if (!l)
        return ph_fail_memory(err);
    l->fd = 2;
    l->most = most;
    l->journal = getenv("JOURNAL_STREAM") != NULL;
    pthread_mutex_init(&l->lock, NULL);
    if (strcmp(to, "syslog") == 0) {
        l->to_syslog = true;
        openlog("posthaste", LOG_PID | LOG_NDELAY, LOG_MAIL);
    } else if (strcmp(to, "stderr") != 0) {
        l->path = ph_str_dup(ph_str(to));
        l->fd = l->path ? open_file(to, err) : ph_fail_memory(err);
        l->journal = false;
        if (l->fd < 0) {
            ph_log_free(l);
            return -1;
        }
    }
    *out = l;
    return 0;
}

void ph_log_free(struct ph_log *l)
{
    if (!l)
        return;
    if (l->to_syslog)
        closelog();
    if (l->path && l->fd >= 0)
        close(l->fd);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}

int ph_log_reopen(struct ph_log *l, struct ph_err *err)
{
    if (!l->path)
        return 0;
    int fd = open_file(l->path, err);
    if (fd < 0)
        return -1;
    pthread_mutex_lock(&l->lock);
    int old = l->fd;
    l->fd = fd;
    pthread_mutex_unlock(&l->lock);
    close(old);
    return 0;
}

static void add_time(struct ph_buf *b)
{
    struct timespec ts;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    ph_text_add(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                ts.tv_nsec / 1000000);
}

void ph_log_line(struct ph_log *l, int level, const char *line)
{
    struct ph_buf b = PH_BUF_INIT;

    if (level > l->most)
        return;
    if (l->journal && !l->to_syslog)
        ph_text_add(&b, "<%d>", level);
    else if (!l->to_syslog) {
        add_time(&b);
        ph_text_add(&b, "%s: ", level_name(level));
    }
    ph_text_clean(&b, line);
    if (l->to_syslog) {
        syslog(level, "%s", ph_buf_z(&b));
    } else {
        ph_buf_add_char(&b, '\n');
        pthread_mutex_lock(&l->lock);
        (void)!write(l->fd, ph_buf_data(&b), ph_buf_len(&b)); /* a full disk must not stop the mail */
        pthread_mutex_unlock(&l->lock);
    }
    ph_buf_done(&b);
}

void ph_log_f(struct ph_log *l, int level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    ph_log_line(l, level, line);
}
