#include "io/loop.h"

#include <errno.h>
#include <poll.h>

int ph_loop_add(struct ph_loop *l, struct ph_loop_member *m)
{
    if (l->n == PH_LOOP_MEMBERS)
        return -1;
    l->m[l->n++] = m;
    return 0;
}

void ph_loop_remove(struct ph_loop *l, struct ph_loop_member *m)
{
    for (int i = 0; i < l->n; i++)
        if (l->m[i] == m) {
            l->m[i] = l->m[--l->n];
            return;
        }
}

int ph_loop_turn(struct ph_loop *l, int64_t deadline, struct ph_err *err)
{
    struct pollfd p[PH_LOOP_MEMBERS + 1];
    struct ph_loop_member *who[PH_LOOP_MEMBERS];
    bool at_once[PH_LOOP_MEMBERS], any = false;
    int n = l->n;

    for (int i = 0; i < n; i++) {
        at_once[i] = false;
        who[i] = l->m[i];
        short events = who[i]->events(who[i], &at_once[i]);
        p[i] = (struct pollfd){ .fd = events ? who[i]->fd : -1, .events = events };
        any |= at_once[i];
    }
    p[n] = (struct pollfd){ .fd = l->cancel ? l->cancel->fd : -1, .events = POLLIN };
    int r = poll(p, (nfds_t)n + 1, any ? 0 : ph_deadline_poll_ms(deadline));
    if (r < 0 && errno != EINTR)
        return ph_fail_errno(err, PH_SCOPE_JOB, PH_E_SYSTEM, errno, "poll");
    if (ph_cancelled(l->cancel))
        return ph_fail(err, PH_SCOPE_JOB, PH_E_CANCELLED, "stopped");
    if (r <= 0 && !any) {
        if (r == 0 && deadline != PH_NEVER && ph_now_ms() >= deadline)
            return ph_fail(err, PH_SCOPE_SESSION, PH_E_TIMEOUT, "no answer in time");
        return 0;
    }
    for (int i = 0; i < n; i++)
        if (at_once[i] || (r > 0 && p[i].revents))
            who[i]->ready(who[i], r > 0 ? p[i].revents : 0);
    return 0;
}
