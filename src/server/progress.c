#include "server/progress.h"

#include <poll.h>

#include "server/private.h"
#include "wire/respond.h"

#define LOOK_MS 1000

void progress_begin(struct progress *p, struct session *s, struct ph_str tag, int64_t now)
{
    *p = (struct progress){ .s = s, .tag = tag, .next = now + PROGRESS_MS, .next_look = now + LOOK_MS };
}

/* One that has only closed its sending side may still be reading. */
static bool is_gone(const struct session *s)
{
    struct pollfd fd = { .fd = s->fd, .events = 0 };

    return s->broken || (s->fd >= 0 && poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL)));
}

int progress_at(struct progress *p, int64_t now, uint64_t done, uint64_t goal, struct ph_err *err)
{
    struct ph_str tag = p->tag;

    if (now < p->next_look)
        return 0;
    p->next_look = now + LOOK_MS;
    if (atomic_load(&p->s->server->killing) || is_gone(p->s)) {
        p->s->broken = true;
        return ph_fail(err, PH_SCOPE_NONE, PH_E_CANCELLED, "Nobody waits for the answer");
    }
    if (now < p->next)
        return 0;
    p->next = now + PROGRESS_MS;
    if (tag.n && memchr(tag.p, ']', tag.n))
        tag = PH_STR_NIL;
    ph_write_status_begin(&p->s->w, PH_STR_NIL, PH_ST_OK);
    ph_write_code_inprogress(&p->s->w, tag, (uint32_t)done, done < goal ? (uint32_t)goal : 0);
    ph_write_status_end(&p->s->w, PH_STR("Still at work"));
    if (session_flush(p->s) < 0)
        return ph_fail(err, PH_SCOPE_NONE, PH_E_CANCELLED, "Nobody waits for the answer");
    return 0;
}
