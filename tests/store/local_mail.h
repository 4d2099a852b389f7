/* local_mail.h: a root with users and sessions, and short words for what tests do with them. Everything fails the test when it
 * fails, unless it says otherwise. */
#ifndef TEST_STORE_LOCAL_MAIL_H
#define TEST_STORE_LOCAL_MAIL_H

#include "local_rig.h"

struct who {
    struct ph_store *st;
    struct ph_session *s;
    struct ph_loop loop;
};

struct ph_local_root *mail_root(const char *dir, const struct ph_local_options *o);
struct who mail_user(struct ph_local_root *root, const char *name);
void mail_leave(struct who *w);

void mail_create(struct who *w, const char *folder);
/* Its UID. text NULL: a message made from id. */
uint32_t mail_put(struct who *w, const char *folder, const char *text, unsigned id, uint32_t flags);
/* The same with a result that may be a refusal. */
struct ph_append_result mail_try(struct who *w, const char *folder, const char *text);
char *mail_text(unsigned id); /* what mail_put puts for an id; the caller frees */
/* SIZE_MAX: no such folder */
size_t mail_count(struct who *w, const char *folder);
struct ph_folder mail_status(struct who *w, const char *folder);
struct ph_snapshot mail_scan(struct who *w, const char *folder, uint64_t since, struct ph_numset *vanished, bool read_write);
/* The octets; NULL with said: they could not be read. The caller frees. */
char *mail_body(struct who *w, const char *folder, uint32_t uid, size_t *n);
void mail_flags(struct who *w, const char *folder, uint32_t uid, uint32_t flags, const char *keywords);
/* attrs of a folder in the list; UINT32_MAX: it is not in it. */
uint32_t mail_attrs(struct who *w, const char *folder);
struct ph_numset mail_set(uint32_t first, uint32_t last);

extern struct ph_err said;

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        ph_err_clear(&said);                                                                                            \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s %s", #call, ph_kind_name(said.kind), said.text);                                            \
    } while (0)
#define FAILS(kind_, call)                                                                                             \
    do {                                                                                                               \
        ph_err_clear(&said);                                                                                            \
        assert_int_equal((call), -1);                                                                                  \
        if (said.kind != (kind_))                                                                                       \
            fail_msg("%s: %s (%s) instead of %s", #call, ph_kind_name(said.kind), said.text, ph_kind_name(kind_));       \
    } while (0)

#endif
