"""Messages whose text is commands, with flags, dates and folder names made to break an APPEND open: nothing of it is ever run by a
real Dovecot or Cyrus, and every message arrives.

Dovecot answers `APPEND N (\\Bogus) {16+}` with BAD and reads the 16 octets as commands; the first test shows that the lab's does,
so that the others mean something.
"""
# time-limit: 240
# not-under: tsan

import hashlib
import itertools
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration.rig import WholeAccounts, cyrus, dovecot, need  # noqa: E402
from tests.lab.imap import ImapError, Url, quoted  # noqa: E402
from tests.lab.imapstate import read  # noqa: E402
from tests.peer.peer import Peer  # noqa: E402

COMMANDS = (
    b"x DELETE INBOX\r\n",
    b"z1 CREATE Evil\r\nz2 DELETE Witness\r\nz3 RENAME Witness Evil2\r\n",
    b"1 RENAME Witness Evil3\r\n\r\n1 SUBSCRIBE Evil\r\n",
    b"z4 CREATE {5}\r\nEvil4\r\nz5 CREATE {5+}\r\nEvil5\r\n",
    b"z6 APPEND Witness {4+}\r\nevil\r\n z7 APPEND Witness () \"01-Jan-2020 00:00:00 +0000\" {4}\r\nevil\r\n",
    b")\r\nz8 CREATE Evil6\r\n",
    b"\r\n\r\nz9 SELECT Witness\r\nz10 STORE 1:* +FLAGS (\\Deleted)\r\nz11 EXPUNGE\r\nz12 LOGOUT\r\n",
    b" (\\Seen) {3+}\r\nabc {18+}\r\nz13 CREATE Evil7\r\n\r\nz14 UNSUBSCRIBE Witness\r\n",
    b"DONE\r\nz15 UID STORE 1:* FLAGS.SILENT (\\Deleted)\r\nz16 CLOSE\r\n",
    # as mail, too
    b"From: a@example.org\r\nSubject: z CREATE Evil8\r\nMessage-ID: <x@example.org>\r\n\r\nx DELETE Witness\r\n",
    b"Subject: {20+}\r\n\r\n* BYE go away\r\n+ go on\r\nx OK [APPENDUID 1 1] done\r\n* OK [ALERT] x\r\n",
)
FLAGS = (
    (), ("\\Bogus",), ("\\Bogus", "\\Seen"), ("bad]word", "\\Flagged"), ("bad{5+}word",), ('bad"word', "\\Answered"),
    ("bad%word", "bad*word"), ("\\",), ("\\Seen", "\\Recent", "good"), ("k\xe4se", "\\Draft"), ("back\\slash",), ("\\*",),
    ("$Forwarded", "a" * 300), ("{3+}",),
)
SYSTEM = {"\\Seen", "\\Flagged", "\\Answered", "\\Draft", "\\Deleted"}
DATES = (
    "01-Feb-2020 10:00:00 +0000", "00-Feb-2020 10:00:00 +0000", "99-Xyz-2020 10:00:00 +0000", "1-Feb-2020 10:00:00 +0000",
    "01-Feb-2020 25:61:61 +9999", "", "yesterday", "01-Feb-2020 10:00:00 +0000) {3+}", "01-Feb-99999 10:00:00 +0000",
)
GOOD_DATE = DATES[0]
FOLDERS = ("INBOX", "x DELETE INBOX", "z1 CREATE Evil", "a {5+}", "a] (\\Bogus) {5+}", "Räder & Co", 'quo"te', "per%cent")
WITNESS = b"From: w@example.org\r\nSubject: witness\r\nMessage-ID: <witness@example.org>\r\n\r\nnothing happened to me\r\n"

servers = {}


def setUpModule():
    need("dovecot", "cyrus")
    servers["dovecot"] = dovecot(tls=False).start()
    unittest.addModuleCleanup(servers["dovecot"].stop)
    servers["cyrus"] = cyrus([f"u{i}" for i in range(20)], tls=False).start()
    unittest.addModuleCleanup(servers["cyrus"].stop)


def append(c, folder, data, how=b'(\\Seen) "01-Feb-2020 10:00:00 +0000"'):
    c.wait(c.send(b"APPEND " + quoted(folder.encode()), b" %b {%d+}\r\n" % (how, len(data)), data, b"\r\n"))


class Smuggling(WholeAccounts):
    users = itertools.count()

    def account(self, kind):
        """An account with a folder that the commands aim at, and what is in it."""
        url = servers[kind].url(f"u{next(self.users)}")
        with Url(url).connect() as c:
            c.cmd(b"CREATE Witness")
            c.cmd(b"SUBSCRIBE Witness")
            append(c, "Witness", WITNESS)
        return url, read(url)

    def fill(self, side, head):
        """Every text with every flag, and each date, spread over the folders."""
        n = 0
        with side.account.lock:
            for name in FOLDERS:
                if name != "INBOX":
                    side.account.create(name, subscribed=True)
            for flags, text in itertools.product(FLAGS, COMMANDS):
                folder = side.account.get(FOLDERS[n % len(FOLDERS)])
                # Each text is one of its own, so that each has to arrive.
                folder.add(side.account, head + text + b"y%d NOOP\r\n" % n, flags, DATES[n % len(DATES)] if n % 3 == 0 else GOOD_DATE)
                n += 1
            for i, date in enumerate(DATES):
                side.account.get("INBOX").add(side.account, head + COMMANDS[i] + b"w%d NOOP\r\n" % i, ("\\Seen",), date)

    def go(self, kind, *options):
        """Cyrus takes nothing without a proper header, and not every folder name: that is said, and nothing else happens."""
        with Peer(text="case commands for mail\nside source\nend\n") as peer:
            side = peer["source"]
            self.fill(side, b"" if kind == "dovecot" else b"Subject: x\r\n\r\n")
            dst, before = self.account(kind)
            run = self.copy(side.url, dst, *options, status=None)
            self.refused = {e["folder"] for e in run.all("problem") if e["error"]["kind"] == "refused" and "created" in e["error"]["text"]}
            self.assertEqual(run.status, 2 if self.refused else 0, str(run))
            self.assertEqual(len(run.all("problem")), len(self.refused), str(run))
            self.assertLessEqual(self.refused, set(FOLDERS[3:]) if kind == "cyrus" else set(), str(run))
            after = read(dst)
            self.nothing_ran(before, after, run)
            self.all_there(side, after, run)
            again = self.copy(side.url, dst, *options, status=None)
            self.assertEqual(again.totals["copied"], 0, str(again))
            self.nothing_ran(before, read(dst), again)

    def nothing_ran(self, before, after, run):
        """What was there is as it was, and nothing is there but it and the copies."""
        wanted = {self.target(run, f) for f in FOLDERS if f not in self.refused}
        self.assertEqual(set(after.folders), set(before.folders) | wanted, str(run))
        self.assertEqual(after.folders["Witness"], before.folders["Witness"])
        self.assertEqual(after.subscribed - wanted, before.subscribed - wanted)
        self.assertEqual(after.folders["INBOX"].uidvalidity, before.folders["INBOX"].uidvalidity)

    @staticmethod
    def target(run, folder):
        return next((e["dst_folder"] for e in run.events if e.get("folder") == folder and e.get("dst_folder")), folder)

    def all_there(self, side, after, run):
        for folder, rows in bytes_of(side).items():
            if folder in self.refused:
                continue
            theirs = after.folders[self.target(run, folder)].messages
            want, have = sorted(r[0] for r in rows), sorted(m.sha256 for m in theirs)
            self.assertEqual(want, have, f"{folder}: {run}")
            flags = {sha: f for sha, f in rows}
            for m in theirs:
                self.assertEqual({f for f in m.flags if f.startswith("\\")}, flags[m.sha256] & SYSTEM, f"{folder} {m}")

    def test_the_lab_can_be_smuggled_into(self):
        """By hand, as no program should: the text runs in Dovecot."""
        url, _ = self.account("dovecot")
        with self.assertRaises(ImapError), Url(url).connect() as c:
            append(c, "INBOX", b"z1 CREATE Evil\r\n", b"(\\Bogus)")
        with Url(url).connect() as c:
            c.cmd(b"NOOP")
        self.assertIn("Evil", read(url).folders)

    def test_into_dovecot_with_synchronising_literals(self):
        self.go("dovecot", "--dst-without", "LITERAL+ MULTIAPPEND UIDPLUS")

    def test_into_dovecot(self):
        self.go("dovecot")

    def test_into_cyrus(self):
        self.go("cyrus")

    def test_into_dovecot_one_at_a_time(self):
        self.go("dovecot", "--dst-without", "MULTIAPPEND", "--lanes", "3")

    def test_into_cyrus_one_at_a_time(self):
        self.go("cyrus", "--dst-without", "MULTIAPPEND", "--lanes", "3")


def bytes_of(side):
    """{folder: [(SHA-256, flags)]} of a peer, whatever its dates are."""
    with side.account.lock:
        return {f.name: [(hashlib.sha256(m.data).hexdigest(), set(m.flags)) for m in f.messages]
                for f in side.account.folders.values()}


if __name__ == "__main__":
    unittest.main()
