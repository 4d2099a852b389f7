/* json_lines.c: one event a line for programs. The schema is docs/json.md; its version is PH_JSON_VERSION: fields may be added
 * within a version, never renamed or given another meaning. */
#include "cli/printer.h"

#include <stdlib.h>
#include <time.h>

#include "cli/json.h"

static const char *const event_names[] = {
    [PH_EV_START] = "start",           [PH_EV_CONNECTED] = "connected",     [PH_EV_FOLDERS] = "folders",
    [PH_EV_FOLDER_CREATED] = "folder-created", [PH_EV_FOLDER_START] = "folder-start", [PH_EV_PLAN] = "plan",
    [PH_EV_MESSAGE] = "message",       [PH_EV_PROGRESS] = "progress",       [PH_EV_FOLDER_DONE] = "folder-done",
    [PH_EV_PROBLEM] = "problem",       [PH_EV_NOTICE] = "notice",           [PH_EV_DIFFERENCE] = "difference",
    [PH_EV_DONE] = "done",             [PH_EV_TRACE] = "trace",
};

const char *ph_action_name(enum ph_action a)
{
    static const char *const names[] = {
        [PH_ACT_COPIED] = "copied",   [PH_ACT_WOULD_COPY] = "would-copy", [PH_ACT_ADOPTED] = "adopted",
        [PH_ACT_FLAGS] = "flags",     [PH_ACT_EXPUNGED] = "expunged",     [PH_ACT_SKIPPED] = "skipped",
        [PH_ACT_REFUSED] = "refused", [PH_ACT_MERGED] = "merged",         [PH_ACT_MISSING] = "missing",
        [PH_ACT_REPAIRED] = "repaired",
    };
    return (size_t)a < sizeof names / sizeof *names ? names[a] : "unknown";
}

static void add_time(struct ph_json *j, int64_t ms)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];

    gmtime_r(&t, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    unsigned rest = (unsigned)(ms % 1000);
    char tail[6] = { '.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10), (char)('0' + rest % 10), 'Z', 0 };
    for (unsigned i = 0; i < sizeof tail; i++)
        text[n + i] = tail[i];
    ph_json_text(j, "time", text);
}

static void text_if(struct ph_json *j, const char *key, const char *value)
{
    if (value)
        ph_json_text(j, key, value);
}

static void number_if(struct ph_json *j, const char *key, uint64_t value)
{
    if (value)
        ph_json_u64(j, key, value);
}

static void side(struct ph_json *j, const struct ph_event *e)
{
    if (e->side)
        ph_json_text(j, "side", e->side == 'd' ? "destination" : "source");
}

static void error(struct ph_json *j, const struct ph_err *err)
{
    static const char *const scopes[] = { "none", "message", "folder", "session", "store", "job" };

    ph_json_object(j, "error");
    ph_json_text(j, "scope", (size_t)err->scope < sizeof scopes / sizeof *scopes ? scopes[err->scope] : "none");
    ph_json_text(j, "kind", ph_kind_name(err->kind));
    if (err->code[0])
        ph_json_text(j, "code", err->code);
    ph_json_text(j, "text", err->text);
    ph_json_end_object(j);
}

static void totals(struct ph_json *j, const struct ph_totals *t)
{
    const struct {
        const char *name;
        uint64_t value;
    } f[] = {
        { "folders", t->folders },   { "folders_done", t->folders_done }, { "folders_failed", t->folders_failed },
        { "messages", t->messages }, { "bytes", t->bytes },               { "copied", t->copied },
        { "copied_bytes", t->copied_bytes }, { "adopted", t->adopted },   { "flags", t->flags },
        { "expunged", t->expunged }, { "skipped", t->skipped },           { "refused", t->refused },
        { "merged", t->merged },     { "missing", t->missing },           { "failed", t->failed },
        { "wire_in", t->wire_in },   { "wire_out", t->wire_out },         { "compared", t->compared },
        { "equal", t->equal },       { "different", t->different },       { "absent", t->absent },
        { "explained", t->explained },
    };

    ph_json_object(j, "totals");
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        ph_json_u64(j, f[i].name, f[i].value);
    ph_json_i64(j, "elapsed_ms", t->elapsed_ms);
    ph_json_end_object(j);
}

static void place(struct ph_json *j, const struct ph_event *e)
{
    text_if(j, "folder", e->folder);
    text_if(j, "dst_folder", e->dst_folder);
    number_if(j, "uid", e->uid);
    number_if(j, "dst_uid", e->dst_uid);
}

static void body(struct ph_json *j, const struct ph_event *e, bool audit)
{
    switch (e->kind) {
    case PH_EV_START:
        text_if(j, "job", e->text);
        text_if(j, "src", e->src);
        text_if(j, "dst", e->dst);
        break;
    case PH_EV_CONNECTED:
        text_if(j, "host", e->text);
        ph_json_u64(j, "port", e->number);
        text_if(j, "security", e->detail);
        break;
    case PH_EV_FOLDERS:
        ph_json_u64(j, "folders", e->number);
        break;
    case PH_EV_FOLDER_START:
        ph_json_u64(j, "src_messages", e->messages);
        ph_json_u64(j, "dst_messages", e->number);
        break;
    case PH_EV_PLAN:
        ph_json_u64(j, "messages", e->messages);
        ph_json_u64(j, "bytes", e->bytes);
        ph_json_u64(j, "adopted", e->adopted);
        ph_json_u64(j, "flag_changes", e->flag_changes);
        ph_json_u64(j, "skipped", e->skipped);
        ph_json_u64(j, "expunges", e->expunges);
        break;
    case PH_EV_MESSAGE:
        ph_json_text(j, "action", ph_action_name(e->action));
        number_if(j, "number", e->number);
        ph_json_u64(j, "size", e->size);
        text_if(j, "reason", e->reason);
        text_if(j, "detail", e->detail);
        break;
    case PH_EV_DIFFERENCE:
        text_if(j, "reason", e->reason);
        text_if(j, "detail", e->detail);
        text_if(j, "subject", e->text);
        break;
    case PH_EV_PROBLEM:
    case PH_EV_NOTICE:
        text_if(j, "text", e->text);
        break;
    case PH_EV_TRACE:
        ph_json_u64(j, "connection", e->number);
        ph_json_bool(j, "sent", e->sent);
        text_if(j, "line", e->text);
        break;
    case PH_EV_FOLDER_DONE:
        if (audit) {
            ph_json_u64(j, "src_messages", e->messages);
            ph_json_u64(j, "dst_messages", e->number);
        }
        break;
    case PH_EV_FOLDER_CREATED:
    case PH_EV_PROGRESS:
    case PH_EV_DONE:
        break;
    }
}

/* Messages that went as planned are many: they are told when asked for. */
static bool left_out(const struct ph_printer *p, const struct ph_event *e)
{
    return !p->o.verbose && e->kind == PH_EV_MESSAGE && e->action != PH_ACT_REFUSED && e->action != PH_ACT_MISSING &&
           e->action != PH_ACT_REPAIRED && e->action != PH_ACT_MERGED && e->action != PH_ACT_WOULD_COPY;
}

static void event(struct ph_printer *p, const struct ph_event *e)
{
    struct ph_json j;

    if (left_out(p, e))
        return;
    ph_buf_clear(&p->line);
    ph_json_init(&j, &p->line);
    ph_json_object(&j, NULL);
    ph_json_u64(&j, "v", PH_JSON_VERSION);
    ph_json_text(&j, "event", event_names[e->kind]);
    add_time(&j, e->time_ms);
    side(&j, e);
    place(&j, e);
    body(&j, e, p->o.audit);
    if (e->err)
        error(&j, e->err);
    if (e->totals)
        totals(&j, e->totals);
    ph_json_end_object(&j);
    ph_pages_put(p->pages, PH_TO_SCREEN, ph_buf_z(&p->line), e->time_ms);
}

static void json_free(struct ph_printer *p)
{
    ph_buf_done(&p->line);
    free(p);
}

struct ph_printer *ph_json_printer_new(struct ph_pages *pages, const struct ph_printer_options *o)
{
    static const struct ph_printer_ops ops = { event, json_free };
    struct ph_printer *p = calloc(1, sizeof *p);

    if (p)
        *p = (struct ph_printer){ .ops = &ops, .pages = pages, .o = *o };
    return p;
}
