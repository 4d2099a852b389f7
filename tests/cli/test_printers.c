/* One recorded copy and one recorded audit through every printer; the expected lines are the classic tools' specification, the
 * JSON document, and what a person should read. */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/live.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "cli/text.h"

#define T0 1459083909123 /* 2016-03-27T13:05:09.123Z */

static int screen = -1, errors = -1;
static char text[2][16384];

static int temporary(void)
{
    char path[] = "/tmp/ph-printer-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static char *contents(int fd, char *into)
{
    ssize_t n = pread(fd, into, sizeof text[0] - 1, 0);

    assert_true(n >= 0);
    into[n] = 0;
    return into;
}

static const struct ph_err refusal = { PH_SCOPE_FOLDER, PH_E_REFUSED, PH_RETRY_NEVER, 0, "NOPERM", "folder X: not allowed" };
static const struct ph_totals copy_totals = { .folders = 2, .folders_done = 2, .messages = 5, .bytes = 5000, .copied = 3,
                                              .copied_bytes = 3000, .adopted = 1, .skipped = 1, .refused = 1, .missing = 1,
                                              .expunged = 2, .failed = 1, .elapsed_ms = 1500 };
static const struct ph_event copy_events[] = {
    { PH_EV_START, T0, .src = "ann@old", .dst = "ann@new", .text = "copy" },
    { PH_EV_CONNECTED, T0, 's', .text = "old.example.org", .number = 993, .detail = "TLSv1.3" },
    { PH_EV_CONNECTED, T0, 'd', .text = "new.example.org", .number = 143, .detail = "clear" },
    { PH_EV_FOLDERS, T0, .number = 2 },
    { PH_EV_FOLDER_CREATED, T0, .folder = "Arch.Old", .dst_folder = "Arch/Old" },
    { PH_EV_FOLDER_START, T0, .folder = "INBOX", .dst_folder = "INBOX", .messages = 7, .number = 2, .unique = 1 },
    { PH_EV_FOLDER_START, T0, .folder = "Arch.Old", .dst_folder = "Arch/Old", .messages = 2 },
    { PH_EV_PLAN, T0, .folder = "INBOX", .dst_folder = "INBOX", .messages = 4, .bytes = 4000, .adopted = 1 },
    { PH_EV_PLAN, T0, .folder = "Arch.Old", .dst_folder = "Arch/Old", .messages = 1, .bytes = 1000, .skipped = 1 },
    { PH_EV_MESSAGE, T0, .folder = "Arch.Old", .dst_folder = "Arch/Old", .uid = 9, .size = 30000000, .action = PH_ACT_SKIPPED,
      .reason = "too-big", .detail = "Holiday film" },
    { PH_EV_MESSAGE, T0, .folder = "INBOX", .dst_folder = "INBOX", .uid = 1, .size = 1000, .action = PH_ACT_COPIED },
    { PH_EV_TRACE, T0, 'd', .number = 1, .sent = true, .text = "7 EXAMINE \"Drafts\"" },
    { PH_EV_TRACE, T0, 's', .number = 2, .text = "* 12 EXISTS" },
    { PH_EV_MESSAGE, T0, .folder = "Arch.Old", .dst_folder = "Arch/Old", .uid = 1, .size = 1000, .action = PH_ACT_COPIED },
    { PH_EV_PROGRESS, T0, .totals = &copy_totals },
    { PH_EV_MESSAGE, T0, .folder = "INBOX", .dst_folder = "INBOX", .uid = 2, .size = 1000, .action = PH_ACT_COPIED },
    { PH_EV_MESSAGE, T0, .folder = "INBOX", .dst_folder = "INBOX", .uid = 3, .size = 1000, .action = PH_ACT_REFUSED,
      .reason = "NO header\x1b[2J too long" },
    { PH_EV_MESSAGE, T0, .folder = "INBOX", .dst_folder = "INBOX", .uid = 4, .size = 1000, .action = PH_ACT_MISSING,
      .reason = "gone" },
    { PH_EV_NOTICE, T0, .folder = "INBOX", .uid = 2, .text = "keyword $X dropped" },
    { PH_EV_MESSAGE, T0, 'd', .folder = "INBOX", .dst_folder = "INBOX", .number = 2, .action = PH_ACT_EXPUNGED },
    { PH_EV_PROBLEM, T0, .folder = "X", .err = &refusal },
    { PH_EV_FOLDER_DONE, T0, .folder = "INBOX", .dst_folder = "INBOX", .messages = 2, .bytes = 2000, .totals = &copy_totals },
    { PH_EV_FOLDER_DONE, T0, .folder = "Arch.Old", .dst_folder = "Arch/Old", .messages = 1, .bytes = 1000, .totals = &copy_totals },
    { PH_EV_DONE, T0, .totals = &copy_totals },
};

static const struct ph_totals audit_totals = { .folders = 2, .messages = 9, .compared = 7, .equal = 6, .different = 1,
                                               .absent = 2, .elapsed_ms = 20 };
static const struct ph_event audit_events[] = {
    { PH_EV_START, T0, .src = "ann@old", .dst = "ann@new", .text = "audit" },
    { PH_EV_FOLDER_START, T0, .folder = "INBOX", .dst_folder = "INBOX", .messages = 7, .number = 5 },
    { PH_EV_FOLDER_START, T0, .folder = "Sent", .dst_folder = "Sent Items", .messages = 2, .number = 2 },
    { PH_EV_DIFFERENCE, T0, .folder = "INBOX", .uid = 3, .reason = "missing", .text = "Lunch?", .detail = "a@b" },
    { PH_EV_DIFFERENCE, T0, .folder = "Sent", .uid = 1, .dst_uid = 8, .reason = "crlf-normalised" },
    { PH_EV_FOLDER_DONE, T0, .folder = "Sent", .messages = 2, .number = 2, .totals = &audit_totals },
    { PH_EV_DIFFERENCE, T0, .folder = "INBOX", .uid = 4, .reason = "missing", .text = "", .detail = "c@d" },
    { PH_EV_FOLDER_DONE, T0, .folder = "INBOX", .messages = 7, .number = 5, .totals = &audit_totals },
    { PH_EV_DONE, T0, .totals = &audit_totals },
};

static void play(enum ph_style style, const struct ph_printer_options *po, const char *log, const struct ph_event *e, size_t n)
{
    struct ph_output_options o = { .style = style, .printer = *po, .log = log, .screen = screen = temporary(),
                                   .errors = errors = temporary() };
    struct ph_output *out;
    struct ph_err err;

    assert_int_equal(ph_output_new(&o, &out, &err), 0);
    for (size_t i = 0; i < n; i++)
        ph_output_event(out, &e[i]);
    assert_int_equal(ph_output_free(out, &err), 0);
    contents(screen, text[0]);
    contents(errors, text[1]);
    close(screen);
    close(errors);
}

#define PLAY(style, log, events, ...) \
    play(style, &(struct ph_printer_options){ __VA_ARGS__ }, log, events, sizeof events / sizeof *events)

static void imapcopy(void **state)
{
    PLAY(PH_STYLE_IMAPCOPY, NULL, copy_events, .program = "imapcopy.pl", .every = 2, .size_limit_mb = 12.5);
    assert_text(text[0], "imapcopy.pl starting\n"
                         "Connected to old.example.org on port 993\n"
                         "Connected to new.example.org on port 143\n"
                         "Number of mailboxes to process: 2\n"
                         "There are 7 messages in INBOX on the source\n"
                         "There are 2 messages in INBOX on the dest (1 with unique Message-IDs)\n"
                         "There are 2 messages in Arch.Old on the source\n"
                         "There are 0 messages in Arch/Old on the dest\n"
                         "Skipping message 9 because its size (30000000) exceeds the 12.5 MB limit\n"
                         ">> 7 EXAMINE \"Drafts\"\n"
                         "<< * 12 EXISTS\n"
                         "Copied 2 of 4 messages from INBOX\n"
                         "unexpected APPEND response: NO header\xef\xbf\xbd[2J too long (UID 3 of INBOX)\n"
                         "Error fetching UID 4 of INBOX: gone\n"
                         "INBOX, UID 2: keyword $X dropped\n"
                         "X: folder X: not allowed\n"
                         "Copied 2 messages to INBOX\n"
                         "2 message(s) purged from INBOX\n"
                         "Copied 1 messages to Arch/Old\n"
                         "Messages skipped because of their size:\n"
                         "   30000000 bytes  Arch.Old  Holiday film\n"
                         "Copied 1 messages from Arch.Old\n"
                         "Copied 2 messages from INBOX\n"
                         "Copied 3 total messages\n"
                         "Done\n");
    assert_text(text[1], "");
}

static void imapcopy_log(void **state)
{
    char path[] = "/tmp/ph-log-XXXXXX", log[sizeof text[0]], pid[32];
    struct stat st;

    assert_non_null(mkdtemp(path));
    char file[64];
    snprintf(file, sizeof file, "%s/log", path);
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    PLAY(PH_STYLE_IMAPCOPY, file, copy_events, .program = "imapcopy", .quiet = true);
    assert_text(text[0], "");
    assert_text(text[1], "");
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = open(file, O_RDONLY);
    contents(fd, log);
    close(fd);
    snprintf(pid, sizeof pid, " %ld ", (long)getpid());
    static const char *const wanted[] = { "imapcopy starting", ">> 7 EXAMINE \"Drafts\"", "<< * 12 EXISTS", "Done" };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char line[128];
        snprintf(line, sizeof line, "03-27-2016.15:05:09%s%s\n", pid, wanted[i]);
        assert_contains(log, line);
    }
    PLAY(PH_STYLE_IMAPCOPY, file, copy_events, .program = "again", .quiet = true); /* appended */
    fd = open(file, O_RDONLY);
    contents(fd, log);
    close(fd);
    assert_contains(log, "imapcopy starting");
    assert_contains(log, "again starting");
    unlink(file);
    rmdir(path);
    struct ph_output_options o = { .style = PH_STYLE_PEOPLE, .log = file, .screen = 1, .errors = 2 };
    struct ph_output *out;
    struct ph_err err;
    assert_int_equal(ph_output_new(&o, &out, &err), -1);
    assert_contains(err.text, file);
}

static void imap_audit(void **state)
{
    PLAY(PH_STYLE_IMAP_AUDIT, NULL, audit_events, .program = "imap_audit", .audit = true);
    assert_text(text[0], "imap_audit starting...\n"
                         "Mailbox Sent\n"
                         "   There are 2 messages in Sent on the source\n"
                         "   There are no missing messages on the destination\n"
                         "Mailbox INBOX\n"
                         "   There are 7 messages in INBOX on the source\n"
                         "   There are 2 messages missing from INBOX on the destination\n"
                         "      Lunch?\n"
                         "      (no subject)\n"
                         "Total messages 9\n"
                         "Missing messages 2\n");
    PLAY(PH_STYLE_IMAP_AUDIT, NULL, audit_events, .program = "x", .audit = true, .show_keys = true);
    assert_contains(text[0], "      Lunch?  a@b\n      (no subject)  c@d\n");
    PLAY(PH_STYLE_IMAP_AUDIT, NULL, audit_events, .program = "x", .audit = true, .counts_only = true);
    assert_contains(text[0], "Mailbox INBOX\n   There are 7 messages in INBOX on the source\n"
                             "   There are 5 messages in INBOX on the destination\n"
                             "   The destination has 2 messages fewer\n");
    assert_contains(text[0], "   There are 2 messages in Sent on the destination\nMailbox INBOX");
}

static void people(void **state)
{
    PLAY(PH_STYLE_PEOPLE, NULL, copy_events, .program = "posthaste copy");
    assert_text(text[0], "Copying ann@old to ann@new\n"
                         "dst 1 >> 7 EXAMINE \"Drafts\"\n"
                         "src 2 << * 12 EXISTS\n"
                         "note: INBOX, UID 2: keyword $X dropped\n"
                         "INBOX: 2 messages copied (2.00 kB), 1 already there, 2 deleted, 1 refused, 1 not readable\n"
                         "Arch.Old: 1 message copied (1.00 kB), 2 skipped\n"
                         "Copied 3 messages (3.00 kB) in 1.5 s: 0.0 MB/s, 2 messages/s.\n"
                         "1 already there, 1 skipped, 2 deleted, 1 refused, 1 not readable, 1 failed.\n");
    assert_text(text[1], "problem: INBOX, UID 3: refused: NO header\xef\xbf\xbd[2J too long\n"
                         "problem: INBOX, UID 4: could not be read: gone\n"
                         "problem: X: folder X: not allowed\n");
    PLAY(PH_STYLE_PEOPLE, NULL, copy_events, .program = "posthaste copy", .quiet = true);
    assert_text(text[0], "");
    assert_contains(text[1], "UID 3");
    PLAY(PH_STYLE_PEOPLE, NULL, copy_events, .program = "posthaste copy", .verbose = true);
    assert_contains(text[0], "source: connected to old.example.org port 993, TLSv1.3\n");
    assert_contains(text[0], "created Arch/Old\n");
    assert_contains(text[0], "Arch.Old -> Arch/Old: 1 message to copy (1.00 kB), 1 to skip\n");
    assert_contains(text[0], "INBOX, UID 1: copied\n");
    PLAY(PH_STYLE_PEOPLE, NULL, copy_events, .program = "posthaste copy", .dry_run = true);
    assert_contains(text[0], "Planning a copy of ann@old to ann@new\n");
    assert_contains(text[0], "INBOX: 4 messages to copy (4.00 kB), 1 already there\n");
    assert_contains(text[0], "Would copy 5 messages (5.00 kB)");
    PLAY(PH_STYLE_PEOPLE, NULL, audit_events, .program = "posthaste audit", .audit = true);
    assert_text(text[0], "Comparing ann@old with ann@new\n"
                         "INBOX, UID 3: missing: Lunch? (a@b)\n"
                         "Sent, UID 1: crlf-normalised\n"
                         "Sent: 2 messages on the source, 2 on the destination, 1 difference\n"
                         "INBOX, UID 4: missing (c@d)\n"
                         "INBOX: 7 messages on the source, 5 on the destination, 2 missing\n"
                         "Compared 7 messages in 0.0 s.\n"
                         "6 equal, 1 different, 2 missing on the destination.\n");
}

static void json_lines(void **state)
{
    PLAY(PH_STYLE_JSON, NULL, copy_events, .program = "posthaste copy");
    assert_contains(text[0], "{\"v\":1,\"event\":\"start\",\"time\":\"2016-03-27T13:05:09.123Z\",\"job\":\"copy\",\"src\":\"ann@old\","
                             "\"dst\":\"ann@new\"}\n");
    assert_contains(text[0], "{\"v\":1,\"event\":\"connected\",\"time\":\"2016-03-27T13:05:09.123Z\",\"side\":\"destination\","
                             "\"host\":\"new.example.org\",\"port\":143,\"security\":\"clear\"}\n");
    assert_contains(text[0], "\"event\":\"message\",\"time\":\"2016-03-27T13:05:09.123Z\",\"folder\":\"INBOX\",\"dst_folder\":\"INBOX\","
                             "\"uid\":3,\"action\":\"refused\",\"size\":1000,\"reason\":\"NO header\\u001b[2J too long\"}\n");
    assert_contains(text[0], "\"folder\":\"X\",\"error\":{\"scope\":\"folder\",\"kind\":\"");
    assert_contains(text[0], "\"code\":\"NOPERM\",\"text\":\"folder X: not allowed\"}}\n");
    assert_contains(text[0], "\"event\":\"folder-done\",\"time\":\"2016-03-27T13:05:09.123Z\",\"folder\":\"INBOX\","
                             "\"dst_folder\":\"INBOX\",\"totals\":{\"folders\":2,");
    assert_contains(text[0], "\"sent\":true,\"line\":\"7 EXAMINE \\\"Drafts\\\"\"}\n");
    assert_contains(text[0], "\"elapsed_ms\":1500}}\n");
    assert_null(strstr(text[0], "\"action\":\"copied\""));
    PLAY(PH_STYLE_JSON, NULL, copy_events, .program = "posthaste copy", .verbose = true);
    assert_contains(text[0], "\"action\":\"copied\"");
    PLAY(PH_STYLE_JSON, NULL, audit_events, .program = "x", .audit = true);
    assert_contains(text[0], "\"uid\":3,\"reason\":\"missing\",\"detail\":\"a@b\",\"subject\":\"Lunch?\"}\n");
    assert_contains(text[0], "\"src_messages\":7,\"dst_messages\":5,\"totals\":{");
}

/* ---- the progress display, without a terminal ---- */

static const char *drawn(struct ph_live *l, int64_t now, unsigned columns, unsigned rows)
{
    static struct ph_buf b;

    ph_buf_clear(&b);
    ph_live_render(l, now, columns, rows, &b);
    snprintf(text[0], sizeof text[0], "%s", ph_buf_z(&b));
    ph_buf_done(&b);
    return text[0];
}

static struct ph_live *half_way(bool utf8)
{
    struct ph_live_options o = { .fd = -1, .utf8 = utf8 };
    struct ph_live *l = ph_live_new(&o);
    struct ph_totals t = { .folders = 2, .messages = 20000, .bytes = 800000000 };
    const struct ph_event plan[] = {
        { PH_EV_FOLDERS, .number = 2 },
        { PH_EV_PLAN, .folder = "Archive/2019", .messages = 19000, .bytes = 700000000 },
        { PH_EV_PLAN, .folder = "\xe6\x97\xa5\xe6\x9c\xac", .messages = 1000, .bytes = 100000000 },
        { PH_EV_MESSAGE, .folder = "Archive/2019", .uid = 1, .action = PH_ACT_COPIED },
        { PH_EV_MESSAGE, .folder = "Archive/2019", .uid = 2, .action = PH_ACT_COPIED },
        { PH_EV_MESSAGE, .folder = "\xe6\x97\xa5\xe6\x9c\xac", .uid = 2, .action = PH_ACT_COPIED },
    };

    for (size_t i = 0; i < sizeof plan / sizeof *plan; i++)
        ph_live_event(l, &plan[i], 1000);
    for (int i = 1; i <= 10; i++) { /* 1,000 messages and 40 MB a second for five seconds */
        t.copied = (uint64_t)i * 500;
        t.copied_bytes = (uint64_t)i * 20000000;
        struct ph_event e = { PH_EV_PROGRESS, .totals = &t };
        ph_live_event(l, &e, 1000 + i * 500);
    }
    return l;
}

static void live_lines(void **state)
{
    struct ph_live *l = half_way(false);

    /* a quarter is done; three quarters at the same rates take 15 s */
    assert_text(drawn(l, 6000, 100, 24),
                "  Archive/2019                                      2 of 19,000\n"
                "  \xe6\x97\xa5\xe6\x9c\xac                                              1 of 1,000\n"
                " 25% #######-----------------------  5,000 of 20,000  200.0 MB  40.0 MB/s  1,000 msg/s  0:15 left");
    for (unsigned columns = 10; columns < 200; columns++) {
        const char *all = drawn(l, 6000, columns, 24);
        for (const char *line = all; *line;) {
            size_t n = strcspn(line, "\n");
            if (ph_text_width((struct ph_str){ line, n }) >= columns)
                fail_msg("%u columns: %.*s", columns, (int)n, line);
            line += n + (line[n] == '\n');
        }
    }
    assert_text(drawn(l, 6000, 12, 24), " 25%");
    assert_null(strchr(drawn(l, 6000, 100, 3), '\n')); /* no room for folders */
    ph_live_say(l, "stopping");
    assert_contains(drawn(l, 6000, 100, 24), "  stopping");
    ph_live_free(l);
    l = half_way(true);
    assert_contains(drawn(l, 6000, 100, 24), " 25% \xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x8c\xe2\x96\x91");
    ph_live_free(l);
}

static void exit_statuses(void **state)
{
    const struct ph_err cancelled = { .kind = PH_E_CANCELLED }, refused = { .kind = PH_E_AUTH };
    struct ph_totals t = { .copied = 5 };

    assert_int_equal(ph_exit_status(0, NULL, &t, PH_NO_AUDIT, 0), 0);
    assert_int_equal(ph_exit_status(0, NULL, &t, PH_NO_AUDIT, 2), 0); /* the signal came when all was done */
    assert_int_equal(ph_exit_status(-1, &cancelled, &t, PH_NO_AUDIT, 2), 130);
    assert_int_equal(ph_exit_status(-1, &cancelled, &t, PH_NO_AUDIT, 15), 143);
    assert_int_equal(ph_exit_status(-1, &refused, &t, PH_NO_AUDIT, 0), 1);
    for (int i = 0; i < 4; i++) {
        struct ph_totals f = { .failed = i == 0, .refused = i == 1, .missing = i == 2, .folders_failed = i == 3, .absent = 1 };
        assert_int_equal(ph_exit_status(0, NULL, &f, PH_AUDIT_ALL, 0), 2);
    }
    t.absent = 1;
    assert_int_equal(ph_exit_status(0, NULL, &t, PH_AUDIT_MISSING, 0), 3);
    assert_int_equal(ph_exit_status(0, NULL, &t, PH_NO_AUDIT, 0), 0);
    t = (struct ph_totals){ .different = 1 };
    assert_int_equal(ph_exit_status(0, NULL, &t, PH_AUDIT_MISSING, 0), 0);
    assert_int_equal(ph_exit_status(0, NULL, &t, PH_AUDIT_ALL, 0), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imapcopy), cmocka_unit_test(imapcopy_log), cmocka_unit_test(imap_audit), cmocka_unit_test(people),
        cmocka_unit_test(json_lines), cmocka_unit_test(live_lines), cmocka_unit_test(exit_statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
