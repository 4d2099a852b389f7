/* scene.c: the accounts are filled, the job is set up, and in the end both are drawn as text and compared. */
#include "scene.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void sink(void *ctx, const struct ph_event *e)
{
    struct scene *s = ctx;

    if (s->on_event)
        s->on_event(s, e);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    return remove(path);
}

void deliver(struct ph_store *st, const char *folder, const char *text, int64_t epoch, uint32_t flags,
                    const char *keywords)
{
    struct ph_memory_message m = { .p = text, .n = strlen(text), .flags = flags, .keywords = keywords, .epoch = epoch };

    assert_true(ph_memory_deliver(st, folder, &m) > 0);
}

static void fill(struct ph_store *st)
{
    char name[32], text[256];

    for (int f = 0; f < FOLDERS; f++) {
        snprintf(name, sizeof name, "folder %d", f);
        assert_int_equal(ph_memory_folder(st, name, 0), 0);
        for (int i = 0; i < MESSAGES; i++) {
            /* every tenth has no key at all, every ninth shares one, each body is its own */
            if (i % 10 == 0)
                snprintf(text, sizeof text, "X-None: here\r\n\r\nbody %d.%d.\r\n", f, i);
            else
                snprintf(text, sizeof text, "Message-ID: <%d@example.org>\r\nSubject: %d\r\n\r\nbody %d.%d.\r\n",
                         i % 9 == 0 ? 9 : i, i, f, i);
            deliver(st, name, text, 1600000000 + i, i % 3 ? PH_F_SEEN : 0, i % 4 ? "" : "Work");
        }
    }
}

/* Others deliver into the folder that is being filled; or the user stops the run. */
static void before(void *ctx, struct ph_store *st, const char *op, const char *folder)
{
    struct scene *s = ctx;
    char text[128];

    if (s->meanwhile)
        s->meanwhile(s, op, folder);
    if (strcmp(op, "append") != 0)
        return;
    if (s->visitors && ph_memory_count(st, folder) < 1000 && s->visits < 30) {
        snprintf(text, sizeof text, "Message-ID: <visit%u@example.org>\r\n\r\nhello\r\n", s->visits++);
        deliver(st, folder, text, 1500000000, 0, "");
    }
    if (++s->appends == s->stop_at)
        ph_cancel_raise(&s->cancel);
}

void begin(struct scene *s, struct ph_memory_options *src, struct ph_memory_options *dst)
{
    memset(s, 0, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s/ph-copy-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(ph_cancel_init(&s->cancel), 0);
    dst->before = before;
    dst->before_ctx = s;
    assert_int_equal(ph_memory_store_new("source", src, &s->src, &s->err), 0);
    assert_int_equal(ph_memory_store_new("destination", dst, &s->dst, &s->err), 0);
    ph_job_init(&s->job);
    s->job.src = s->src;
    s->job.dst = s->dst;
    s->job.state_dir = s->dir;
    s->job.sink = sink;
    s->job.sink_ctx = s;
    s->job.batch_messages = 7;
    s->job.resolve_ms = 1;
    s->job.lanes = 1;
    fill(s->src);
}

void end(struct scene *s)
{
    s->src->ops->free(s->src);
    s->dst->ops->free(s->dst);
    ph_cancel_done(&s->cancel);
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int copy(struct scene *s)
{
    s->job.cancel = &s->cancel;
    return ph_copy_run(&s->job, &s->totals, &s->err);
}

void copy_well(struct scene *s)
{
    if (copy(s))
        fail_msg("%s", s->err.text);
    assert_int_equal(s->totals.failed, 0);
}

/* Equal lines, each as often; in the destination's the visitors' left out. */
void check_same(struct scene *s, const char *what)
{
    struct ph_buf a = PH_BUF_INIT, b = PH_BUF_INIT;

    assert_int_equal(ph_memory_draw(s->src, true, &a), 0);
    assert_int_equal(ph_memory_draw(s->dst, true, &b), 0);
    if (strcmp(ph_buf_z(&a), ph_buf_z(&b)) != 0)
        fail_msg("%s: source\n%s\ndestination\n%s", what, ph_buf_z(&a), ph_buf_z(&b));
    ph_buf_done(&a);
    ph_buf_done(&b);
}

size_t in_all(struct ph_store *st)
{
    size_t n = 0;
    char name[32];

    for (int f = 0; f < FOLDERS; f++) {
        snprintf(name, sizeof name, "folder %d", f);
        n += ph_memory_count(st, name);
    }
    return n;
}

void lose_ledger(struct scene *s)
{
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
