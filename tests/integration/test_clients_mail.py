"""Programs that people read and move mail with, unmodified, against our server: imapfilter, fetchmail, curl, Mutt, imtest."""

import email
import re
import unittest

from tests.integration.client_rig import Clients, fetched, message, uses
from tests.lab import clients, cyrus


class Mail(Clients):
    @uses("imapfilter")
    def test_imapfilter(self):
        """Rules that move, flag, copy and delete."""
        self.fill({"INBOX": [("", message("[lists] hello")), (r"\Seen", message("bill 17", sender="shop@example.com")),
                             ("", message("buy now", sender="spam@example.net")), ("", message("big", body="y" * 20000)),
                             (r"\Flagged", message("kept"))],
                   "Lists": []})
        self.file("config.lua", f"""
options.timeout = 60
options.create = true
options.subscribe = true
options.starttls = false
account = IMAP {{ server = '127.0.0.1', port = {self.port}, username = '{self.user}', password = 'secret' }}
account.INBOX:check_status()
lists = account.INBOX:contain_subject('[lists]')
lists:move_messages(account.Lists)
bills = account.INBOX:is_seen() * account.INBOX:contain_from('shop@example.com')
bills:copy_messages(account['Paper/Bills'])
bills:mark_answered()
spam = account.INBOX:contain_from('example.net') + account.INBOX:contain_subject('nothing like this')
spam:delete_messages()
large = account.INBOX:is_larger(10000)
large:add_flags({{ 'large', '\\\\Flagged' }})
matched = account.INBOX:match_header('Subject: ke[p]t')
matched:mark_seen()
print(#account.INBOX:is_unseen() .. ' unseen, ' .. #account.INBOX:select_all() .. ' in all')
""")
        said = self.client("imapfilter", "-c", self.dir / "config.lua")
        self.assertIn("1 unseen, 3 in all", said)
        self.assertEqual(self.folders(), {
            "INBOX": [("bill 17", r"\Answered \Seen"), ("big", r"\Flagged large"), ("kept", r"\Flagged \Seen")],
            "Lists": [("[lists] hello", "")], "Paper/Bills": [("bill 17", r"\Seen")]})
        self.assertIn("Paper/Bills", self.state().subscribed)

    @uses("fetchmail")
    def test_fetchmail(self):
        """Everything new goes to a delivery program, and is deleted; what was read stays."""
        self.fill({"INBOX": [("", message("first")), (r"\Seen", message("read")), ("", message("third", body="x\n.\ny"))]})
        out = self.dir / "out"
        out.mkdir()
        mda = self.file("mda", f'#!/bin/sh\ncat >"$(mktemp {out}/XXXXXX)"\n', 0o755)
        rc = self.file("fetchmailrc", f"""
set no bouncemail
poll 127.0.0.1 protocol IMAP port {self.port} auth password
  username "{self.user}" password "secret" mda "{mda}" no keep no rewrite sslproto ""
""")
        self.client("fetchmail", "-f", rc, "--pidfile", self.dir / "pid", "--nosyslog", "-v")
        got = sorted((email.message_from_bytes(f.read_bytes())["Subject"], f.read_bytes()) for f in out.iterdir())
        self.assertEqual([s for s, _ in got], ["first", "third"])
        self.assertTrue(got[1][1].endswith(b"\nx\n.\ny\n"), got[1])
        self.assertEqual(self.folders()["INBOX"], [("read", r"\Seen")])
        self.client("fetchmail", "-f", rc, "--pidfile", self.dir / "pid", "--nosyslog", status=1)     # no new mail

    @uses("curl")
    def test_curl(self):
        text = message("for curl", body="a line\nthe last")
        self.fill({"INBOX": [("", message("one")), ("", text)], "Made": []})
        base = f"imap://127.0.0.1:{self.port}"
        who = ["-s", "-S", "-u", f"{self.user}:secret"]
        listed = self.client("curl", *who, base)
        self.assertEqual(sorted(re.findall(r'^\* LIST \(.*\) "/" (\S+)\r?$', listed, re.M)), ["INBOX", "Made"])
        self.client("curl", *who, "-o", self.dir / "got", f"{base}/INBOX;UID=2")
        self.assertEqual((self.dir / "got").read_bytes(), text)
        self.assertIn("a line", self.client("curl", *who, f"{base}/INBOX;UID=2;SECTION=TEXT"))
        self.assertIn("* SEARCH 2", self.client("curl", *who, f"{base}/INBOX?SUBJECT%20curl"))
        (self.dir / "put").write_bytes(message("from curl"))
        self.client("curl", *who, "-T", self.dir / "put", f"{base}/Made")
        self.client("curl", *who, "-X", r"STORE 1 +Flags \Deleted", f"{base}/INBOX")
        self.client("curl", *who, "-X", "CREATE Other", base)
        self.assertIn("MESSAGES 1", self.client("curl", *who, "-X", "STATUS Made (MESSAGES)", base))
        # TLS, by the name in the certificate.
        tls = ["--cacert", self.server.ca_file]
        self.assertIn('"/" Other', self.client("curl", *who, *tls, f"imaps://localhost:{self.server.tls_port}"))
        self.client("curl", *who, *tls, "--ssl-reqd", f"imap://localhost:{self.port}/INBOX;UID=1")
        self.client("curl", "-s", "-u", f"{self.user}:wrong", base, status=67)
        now = self.folders()
        self.assertEqual(now["INBOX"], [("one", r"\Deleted \Seen"), ("for curl", r"\Seen")])
        self.assertEqual([s for s, _ in now["Made"]], ["from curl"])
        self.assertEqual(now["Other"], [])

    @uses("mutt")
    def test_mutt(self):
        """Mutt without a screen: opens the mailbox, tags by a pattern, saves, flags, deletes, leaves."""
        self.fill({"INBOX": [("", message("to be saved")), (r"\Seen", message("to be deleted")), ("", message("to be kept")),
                             ("", message("also saved", body="z" * 3000))],
                   "Saved": []})
        rc = self.file("muttrc", f"""
set imap_user="{self.user}" imap_pass="secret" ssl_starttls=no ssl_force_tls=no
set folder="imap://127.0.0.1:{self.port}/" spoolfile="=INBOX"
set header_cache="{self.dir}/cache" message_cachedir="{self.dir}/cache"
set confirmappend=no confirmcreate=no delete=yes mark_old=no wait_key=no quit=yes move=no sleep_time=0
set imap_check_subscribed=yes imap_condstore=yes imap_qresync=yes
push "<tag-pattern>~s saved<enter><tag-prefix><save-message>=Saved<enter><sync-mailbox>\\
<delete-pattern>~s deleted<enter><limit>all<enter><search>kept<enter><flag-message><display-message><exit><quit>"
""")
        # -R would be read-only; a terminal is what Mutt wants, and script(1) has one.
        self.client("script", "-qec", f"mutt -n -F {rc}", "/dev/null", env={"TERM": "vt100"})
        self.assertEqual(self.folders(), {"INBOX": [("to be kept", r"\Flagged \Seen")],
                                          "Saved": [("to be saved", ""), ("also saved", "")]})

    def test_imtest(self):
        """Cyrus's own test client: logs in by each mechanism, with TLS and without, and runs a file of commands."""
        if not cyrus.installed():
            self.skipTest("no Cyrus here")
        program = fetched(clients.folder, "imtest") / "usr/lib/cyrus/bin/imtest"
        self.fill({"INBOX": [("", message("one"))]})
        for args, authenticated in ((["-m", "plain"], "Authenticated."), (["-m", "login"], "Authenticated."),
                                    (["-m", "scram-sha-256"], "Authenticated."), (["-m", "cram-md5"], "Authenticated."),
                                    (["-m", "plain", "-t", ""], "Authenticated."),
                                    (["-m", "scram-sha-1", "-t", ""], "Authenticated.")):
            with self.subTest(args=args):
                commands = ". SELECT INBOX\r\n. UID FETCH 1:* (FLAGS)\r\n. LOGOUT\r\n"
                said = self.client(program, "-p", self.port, "-a", self.user, "-u", self.user, "-w", "secret", *args, "127.0.0.1",
                                   input=commands, env=cyrus.lib_env(), status=None)
                self.assertIn(authenticated, said, self.said)
                self.assertRegex(said, r"\* 1 FETCH \(UID 1 FLAGS \((\\Recent)?\)\)", self.said)


if __name__ == "__main__":
    unittest.main()
