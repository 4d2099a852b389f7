"""imapcopy and imap_audit between two Dovecots: what each option does to the mail, seen through Python's own imaplib."""

import imaplib
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab.servers import Available, Dovecot  # noqa: E402

PROGRAM = os.environ.get("POSTHASTE", str(ROOT / "build/posthaste"))


def message(name, mid=None, size=0, body=None):
    lines = [f"From: Ann <ann@example.org>", f"Subject: {name}", "Date: Sat, 3 Feb 2001 04:05:06 +0700"]
    if mid:
        lines.append(f"Message-ID: <{mid}@example.org>")
    text = "\r\n".join(lines) + "\r\n\r\n" + (body if body is not None else f"Body of {name}.\r\n")
    return (text + ("x" * 70 + "\r\n") * (size // 72)).encode()


#        folder      name     message                     flags                 date
MAIL = [("INBOX", "one", message("one", "1"), r"(\Seen)", "01-Jan-2012"),
        ("INBOX", "two", message("two", "2"), r"()", "15-Jun-2012"),
        ("INBOX", "three", message("three", "3"), r"(\Seen \Flagged Work)", "01-Jan-2013"),
        ("INBOX", "again", message("again", "3"), r"(\Seen)", "02-Jan-2013"),
        ("INBOX", "gone", message("gone", "5"), r"(\Seen \Deleted)", "01-Feb-2013"),
        ("INBOX", "large", message("large", None, 1200000), r"(\Seen)", "01-Mar-2013"),
        ("Work", "w", message("w", "6"), r"(\Seen)", "01-Apr-2013"),
        ("Work/Sub", "s", message("s", "7"), r"(\Seen)", "01-Apr-2013"),
        ("Workshop", "p", message("p", "8"), r"(\Seen)", "01-Apr-2013")]
ALL = {"INBOX": ["again", "gone", "large", "one", "three", "two"], "Work": ["w"], "Work/Sub": ["s"], "Workshop": ["p"]}


class Account:
    def __init__(self, server, user):
        self.c = imaplib.IMAP4("127.0.0.1", server.port)
        self.c.login(user, "pw")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.c.logout()

    def fill(self, mail):
        for folder, _, text, flags, date in mail:
            if folder != "INBOX":
                self.c.create(f'"{folder}"')
            status, answer = self.c.append(f'"{folder}"', flags, f'"{date} 12:00:00 +0000"', text)
            assert status == "OK", answer

    def folders(self):
        return sorted(re.search(rb'\) "." "?(.*?)"?$', line).group(1).decode()
                      for line in self.c.list()[1] if line and rb"\Noselect" not in line and rb"\NonExistent" not in line)

    def messages(self, folder):
        """[(subject, flags, bytes)] in the order of the folder."""
        count = self.c.select(f'"{folder}"', readonly=True)[1][0]
        found = []
        if not int(count):
            return found
        for part in self.c.fetch("1:*", "(FLAGS BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                text = part[1]
                flags = set(imaplib.ParseFlags(part[0])) - {rb"\Recent"}
                found.append((re.search(rb"Subject: (.*?)\r\n", text).group(1).decode(), flags, text))
        return found

    def state(self):
        return {f: sorted(name for name, _, _ in self.messages(f)) for f in self.folders()}


@unittest.skipUnless(Available().dovecot, "no Dovecot here")
class Imapcopy(unittest.TestCase):
    number = 0

    @classmethod
    def setUpClass(cls):
        cls.a = Dovecot(password="pw", tls=False).start()
        cls.addClassCleanup(cls.a.stop)
        cls.b = Dovecot(password="pw", tls=False).start()
        cls.addClassCleanup(cls.b.stop)
        with Account(cls.a, "fixture") as account:
            account.fill(MAIL)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ph-classic-")
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        Imapcopy.number += 1
        self.dst = f"d{Imapcopy.number}"

    def run_tool(self, *options, src="fixture", dst=None, status=0, tool="imapcopy"):
        argv = [PROGRAM, tool, "-S", f"127.0.0.1:{self.a.port}/{src}/pw", "-D", f"127.0.0.1:{self.b.port}/{dst or self.dst}/pw",
                *(["--state", str(self.dir)] if tool == "imapcopy" else []), *options]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def copied(self, *options, **kw):
        """What a copy with these options leaves in a new account, folders without mail left out."""
        self.output = self.run_tool(*options, **kw)
        with Account(self.b, kw.get("dst") or self.dst) as account:
            return {f: m for f, m in account.state().items() if m}

    def own_source(self, mail=MAIL):
        user = f"s{Imapcopy.number}"
        with Account(self.a, user) as account:
            account.fill(mail)
        return user

    def inbox(self, *options, **kw):
        return self.copied("-m", "INBOX", *options, **kw).get("INBOX", [])

    # --- everything ---

    def test_plain(self):
        self.assertEqual(self.copied(), ALL)
        self.assertRegex(self.output, r"(?m)^imapcopy starting$")
        self.assertRegex(self.output, rf"(?m)^Connected to 127\.0\.0\.1 on port {self.a.port}$")
        self.assertRegex(self.output, r"(?m)^Number of mailboxes to process: 4$")
        self.assertRegex(self.output, r"(?m)^Copied 6 messages to INBOX$")
        self.assertRegex(self.output, r"(?m)^Copied 9 total messages$")
        self.assertRegex(self.output, r"(?m)^Done$")
        with Account(self.b, self.dst) as account:
            flags = {name: f for name, f, _ in account.messages("INBOX")}
            self.assertEqual(flags["three"], {rb"\Seen", rb"\Flagged"})  # keywords only with -T
            self.assertEqual(flags["two"], set())
            self.assertIn(b'"Work/Sub"', b" ".join(account.c.lsub()[1]) + b'"Work/Sub"')
            self.assertTrue(any(b"Workshop" in line for line in account.c.lsub()[1] if line), "not subscribed")
            account.c.select("INBOX", readonly=True)
            dates = b" ".join(p if isinstance(p, bytes) else p[0] for p in account.c.fetch("1:*", "(INTERNALDATE)")[1])
            self.assertIn(b"15-Jun-2012 12:00:00 +0000", dates)

    def test_again_copies_everything_again(self):
        self.copied("-m", "Work")
        self.assertEqual(self.copied("-m", "Work"), {"Work": ["w", "w"]})

    # --- which folders ---

    def test_m_R_e_g(self):
        self.assertEqual(self.copied("-m", "Work, inbox"), {"INBOX": ALL["INBOX"], "Work": ["w"]})
        self.assertEqual(self.copied("-m", "Work", "-R", dst=self.dst + "r"), {"Work": ["w"], "Work/Sub": ["s"]})
        self.assertEqual(self.copied("-e", "INBOX,Work", dst=self.dst + "e"), {"Work/Sub": ["s"], "Workshop": ["p"]})
        self.assertEqual(self.copied("-e", "Work|INBOX", "-R", dst=self.dst + "f"), {"Workshop": ["p"]})
        self.assertEqual(self.copied("-g", "^INB,shop$", dst=self.dst + "g"), {"Work": ["w"], "Work/Sub": ["s"]})

    def test_p_o_M_y(self):
        self.assertEqual(self.copied("-p", "Root", "-m", "INBOX,Work/Sub"), {"Root/INBOX": ALL["INBOX"], "Root/Work/Sub": ["s"]})
        self.assertEqual(self.copied("-o", "One", "-e", "INBOX", dst=self.dst + "o"), {"One": ["p", "s", "w"]})
        with Account(self.b, self.dst + "o") as account:
            self.assertEqual(account.folders(), ["INBOX", "One"])
        mapping = self.dir / "map"
        mapping.write_text("# names\nWork : Job/Now\nWorkshop: Ate\\:lier\n")
        self.assertEqual(self.copied("-M", str(mapping), "-e", "INBOX", dst=self.dst + "M"),
                         {"Job/Now": ["w"], "Work/Sub": ["s"], "Ate:lier": ["p"]})
        self.assertEqual(self.copied("-y", "/ Pre/", "-m", "Work", dst=self.dst + "y"), {"Pre/Work": ["w"]})

    def test_G_and_N(self):
        user = self.own_source([("[Gmail]/All Mail", "x", message("x", "x"), "()", "01-Jan-2012"),
                                ("[Gmail]/Sent Mail", "y", message("y", "y"), "()", "01-Jan-2012")])
        self.assertEqual(self.copied(src=user), {"[Gmail]/Sent Mail": ["y"]})
        self.assertEqual(self.copied("-N", src=user, dst=self.dst + "N"), {"[Gmail]/Sent Mail": ["y"], "[Gmail]/All Mail": ["x"]})
        self.assertEqual(self.copied("-G", src=user, dst=self.dst + "G"), {"Sent Mail": ["y"]})

    # --- which messages ---

    def test_dates(self):
        self.assertEqual(self.inbox("-a", "15-JUN-2012", "-b", "01-JAN-2013"), ["two"])
        self.assertEqual(self.inbox("-a", "01-Feb-2013", dst=self.dst + "a"), ["gone", "large"])
        self.assertEqual(self.inbox("-J", "BEFORE=15-jun-2012", dst=self.dst + "J"), ["one"])
        self.assertEqual(self.inbox("-J", "SINCE=1-Mar-2013", dst=self.dst + "K"), ["large"])

    def test_z(self):
        self.assertEqual(self.inbox("-z", "OR (SINCE 01-mar-2013)(SUBJECT two)"), ["large", "two"])
        self.assertEqual(self.inbox("-z", "FLAGGED", "-a", "01-Jan-2013", dst=self.dst + "b"), ["three"])
        self.run_tool("-z", "NONSENSE", dst=self.dst + "c", status=1)

    def test_X_skips_and_says_so(self):
        self.assertEqual(self.inbox("-X", "1.1"), ["again", "gone", "one", "three", "two"])
        self.assertRegex(self.output, r"(?m)^Skipping message \d+ because its size \(12\d+\) exceeds the 1\.1 MB limit$")
        self.assertEqual(self.inbox("-X", "1.3", dst=self.dst + "X"), ALL["INBOX"])

    def test_B_E_F(self):
        self.assertEqual(self.inbox("-B", "2", "-E", "3"), ["three", "two"])
        self.assertEqual(self.inbox("-B", "6", dst=self.dst + "B"), ["large"])
        self.assertEqual(self.inbox("-B", "7", dst=self.dst + "C"), [])
        self.assertEqual(self.inbox("-F", "2", dst=self.dst + "F"), ["one", "two"])

    def test_u_P_l(self):
        self.assertEqual(self.inbox("-u"), ["again", "gone", "large", "one", "three"])
        self.assertEqual(self.inbox("-P", dst=self.dst + "P"), ["again", "large", "one", "three", "two"])
        self.assertEqual(self.inbox("-l", dst=self.dst + "l"), ["gone", "large", "one", "three", "two"])

    def test_skip_ids(self):
        skip = self.dir / "skip"
        skip.write_text("<1@example.org>\n2@example.org\n")
        self.assertEqual(self.inbox("--skip-ids", str(skip)), ["again", "gone", "large", "three"])

    # --- what they become ---

    def test_T_v_r(self):
        self.inbox("-T", "-v", "-r")
        with Account(self.b, self.dst) as account:
            flags = {name: f for name, f, _ in account.messages("INBOX")}
            self.assertEqual(flags["three"], {rb"\Seen", rb"\Flagged", b"Work"})
            self.assertEqual(flags["two"], {rb"\Seen"})
            self.assertEqual(flags["gone"], {rb"\Seen"})

    def test_H(self):
        self.inbox("-H", "-z", "SUBJECT two")
        with Account(self.b, self.dst) as account:
            (_, _, text), = account.messages("INBOX")
            self.assertEqual(text, MAIL[1][2].split(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def test_W(self):
        long = message("long", "l", body="a" * 2500 + "\r\nend\r\n")
        user = self.own_source([("INBOX", "long", long, "()", "01-Jan-2012")])
        self.inbox("-W", src=user)
        with Account(self.b, self.dst) as account:
            (_, _, text), = account.messages("INBOX")
            self.assertTrue(max(len(line) for line in text.split(b"\r\n")) <= 1000)
            self.assertEqual(text.replace(b"\r\n", b""), long.replace(b"\r\n", b""))

    # --- what is there already ---

    def test_U(self):
        self.inbox("-U", "-E", "3")
        self.assertEqual(self.inbox("-U"), ["gone", "large", "one", "three", "two"])  # "again" has the key of "three"
        self.assertRegex(self.output, r"(?m)^There are 3 messages in INBOX on the dest \(3 with unique Message-IDs\)$")
        self.assertEqual(self.inbox("-U"), ["gone", "large", "one", "three", "two"])

    def test_U_s(self):
        with Account(self.b, self.dst) as account:
            account.fill([("INBOX", "extra", message("extra", "99"), "()", "01-Jan-2012"),
                          ("INBOX", "nokey", b"X-Nothing: here\r\nSubject: \r\n\r\nx\r\n", "()", "01-Jan-2012")])
        found = self.inbox("-U", "-s")
        self.assertNotIn("extra", found)
        self.assertIn("", found)  # a message without a key is never deleted on the ground of its key
        self.assertIn("one", found)
        self.assertRegex(self.output, r"(?m)^1 message\(s\) purged from INBOX$")

    def test_U_f_and_C(self):
        user = self.own_source()
        self.inbox("-E", "2", src=user)
        self.inbox("-U", "-f", src=user)
        with Account(self.a, user) as account:
            self.assertEqual(account.state()["INBOX"], ["again", "gone", "large", "three"])
        self.copied("-C", src=user, dst=self.dst + "C")
        with Account(self.a, user) as account:
            self.assertEqual({f: m for f, m in account.state().items() if m}, {})
        with Account(self.b, self.dst + "C") as account:
            self.assertEqual(account.state()["INBOX"], ["again", "gone", "large", "three"])

    def test_i(self):
        self.inbox("-E", "2")
        self.assertEqual(self.inbox("-i", "-B", "3", "-E", "3"), ["three"])

    def test_A(self):
        user = self.own_source()
        self.copied("-A", "Kept", "-m", "Work,Work/Sub", "-C", src=user)
        with Account(self.a, user) as account:
            state = account.state()
            self.assertEqual(state["Kept"], ["s", "w"])
            self.assertEqual(state["Work"], [])
        self.assertEqual(self.copied("-A", "Kept", src=user, dst=self.dst + "A").get("Kept"), None)

    def test_Z(self):
        self.assertEqual(self.inbox("-Z", str(self.dir), "-E", "2"), ["one", "two"])
        self.assertTrue((self.dir / "fixture").exists())
        self.assertEqual(self.inbox("-Z", str(self.dir), dst=self.dst + "Z"), ["again", "gone", "large", "three"])
        self.assertEqual(self.inbox("-Z", str(self.dir), dst=self.dst + "Y"), [])
        # one filed in another folder is another message there
        self.assertEqual(self.copied("-Z", str(self.dir), "-m", "INBOX", "-o", "Else", "-E", "1", dst=self.dst + "X"), {"Else": ["one"]})

    # --- how ---

    def test_dry_run_changes_nothing(self):
        user = self.own_source()
        self.assertEqual(self.copied("--dry-run", "-C", src=user), {})
        with Account(self.a, user) as account:
            self.assertEqual(account.state()["Work"], ["w"])

    def test_Y_j_L_q(self):
        log = self.dir / "log"
        self.assertEqual(self.copied("-Y", "3", "-j", "2", "-L", str(log), "-q"), ALL)
        self.assertEqual(self.output, "")
        self.assertRegex(log.read_text(), r"(?m)^\d\d-\d\d-\d{4}\.\d\d:\d\d:\d\d \d+ Copied 2 of 6 messages from INBOX$")

    def test_star_and_environment(self):
        argv = [PROGRAM, "imapcopy", f"-S127.0.0.1:{self.a.port}/fixture/SOURCEPWD", f"-D127.0.0.1:{self.b.port}/*/*", "-m", "Work",
                "--state", str(self.dir)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ, SOURCEPWD="pw"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with Account(self.b, "fixture") as account:
            self.assertEqual(account.state()["Work"], ["w"])

    def test_by_name(self):
        for name in "imapcopy.pl", "imap_audit":
            os.symlink(os.path.abspath(PROGRAM), self.dir / name)
            done = subprocess.run([self.dir / name, "-h"], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, rf"^usage: {re.escape(name)} ")
        done = subprocess.run([self.dir / "imapcopy.pl", "-?"], capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "^usage: imapcopy.pl ")

    # --- imap_audit ---

    def test_audit(self):
        self.inbox("-E", "2")
        out = self.run_tool("-m", "INBOX", tool="imap_audit", status=3)
        self.assertRegex(out, r"(?s)^imap_audit starting\.\.\.\n.*Mailbox INBOX\n   There are 6 messages in INBOX on the source\n"
                              r"   There are 4 messages missing from INBOX on the destination\n(      \S+\n){4}"
                              r"Total messages 6\nMissing messages 4\n$")
        self.assertIn("      large\n", out)
        out = self.run_tool("-m", "INBOX", "-R", tool="imap_audit", status=3)
        self.assertIn("three  3@example.org\n", out)
        out = self.run_tool("-m", "INBOX", "-n", tool="imap_audit", status=3)
        self.assertIn("   There are 2 messages in INBOX on the destination\n", out)
        self.run_tool("-m", "INBOX", "-B", "01-JAN-2013", tool="imap_audit")
        self.inbox("-U")
        out = self.run_tool("-m", "INBOX", tool="imap_audit")  # "at least one is there"
        self.assertIn("   There are no missing messages on the destination\n", out)

    def test_audit_of_users(self):
        self.copied()
        users = self.dir / "users"
        users.write_text(f"fixture:pw:{self.dst}:pw\nfixture:wrong:{self.dst}:pw\nbroken\n")
        users.chmod(0o600)
        argv = [PROGRAM, "imap_audit", f"-S127.0.0.1:{self.a.port}", f"-D127.0.0.1:{self.b.port}", "-u", str(users)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("line 3", done.stderr)
        self.assertEqual(done.stdout.count("imap_audit starting..."), 1)
        self.assertRegex(done.stdout, r"Total messages 9\nMissing messages 0\n$")


if __name__ == "__main__":
    unittest.main()
