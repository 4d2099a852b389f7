"""What a second run finds: the ledger, no ledger, another program's work, another run, folders made anew, changes."""
# time-limit: 240

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration.kill import account  # noqa: E402
from tests.integration.kill.cutproxy import DOWN, UP, Cut, CutProxy  # noqa: E402
from tests.integration.kill.harness import NO_UIDPLUS, PROGRAM, SLOW  # noqa: E402
from tests.lab.imap import Url, quoted, utf7_encode  # noqa: E402
from tests.lab.imapstate import compare, read  # noqa: E402
from tests.lab.servers import Available, Dovecot  # noqa: E402

SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
server = None


def setUpModule():
    global server
    if not Path(PROGRAM[0]).exists():
        raise unittest.SkipTest("the program is not built")
    if not Available().dovecot:
        raise unittest.SkipTest("no Dovecot here")
    server = Dovecot(SHM, tls=False).start()
    unittest.addModuleCleanup(server.stop)


class Result:
    """A finished run: status, events, totals."""

    def __init__(self, status, output):
        self.status, self.output, self.events = status, output, []
        for line in output.splitlines():
            try:
                self.events.append(json.loads(line))
            except ValueError:
                pass
        self.totals = next((e["totals"] for e in reversed(self.events) if e.get("event") == "done"), {})

    def __str__(self):
        return f"exit {self.status}\n" + "\n".join(x for x in self.output.splitlines() if '"progress"' not in x)[-4000:]


class Again(unittest.TestCase):
    users = 0

    def setUp(self):
        Again.users += 1
        self.src, self.dst = server.url(f"s{Again.users}"), server.url(f"d{Again.users}")
        self.state = tempfile.mkdtemp(prefix="ph-again-")
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)
        self.mails = account.make(f"again/{Again.users}", large=False)

    def load(self):
        account.load(self.mails, self.src)

    def start(self, *options, src=None, dst=None, **kw):
        return subprocess.Popen([*PROGRAM, "copy", "--json", "--state", self.state, "--testing-resolve", "2", *options,
                                 src or self.src, dst or self.dst], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, start_new_session=True, **kw)

    def copy(self, *options, status=0, **kw):
        p = self.start(*options, **kw)
        out, _ = p.communicate(timeout=60 * SLOW)
        r = Result(p.returncode, out)
        if status is not None:
            self.assertEqual(r.status, status, str(r))
        return r

    def same(self, **kw):
        diff = compare(read(self.src), read(self.dst), **kw)
        self.assertFalse(diff, str(diff))

    def lose_ledger(self):
        shutil.rmtree(self.state)

    @property
    def count(self):
        return sum(len(rows) for rows in self.mails.values())

    # Nothing lost, nothing doubled ---------------------------------------------------------------------------

    def test_a_repeat_does_nothing_and_lists_nothing(self):
        self.load()
        with CutProxy(server.port) as s, CutProxy(server.port) as d:
            src, dst = s.url(self.src), d.url(self.dst)
            self.assertEqual(self.copy(src=src, dst=dst).totals["copied"], self.count)
            seen = Counter(s.seen), Counter(d.seen)
            r = self.copy(src=src, dst=dst)
            self.assertEqual((r.totals["copied"], r.totals["adopted"]), (0, 0), str(r))
            for side, before in ((s, seen[0]), (d, seen[1])):
                new = {name for (way, name), n in side.seen.items() if way == UP and n > before[way, name]}
                self.assertFalse({"line:EXAMINE", "line:SELECT", "line:UID FETCH", "line:UID SEARCH", "head"} & new, new)
        self.same()

    def test_without_the_ledger_everything_is_adopted(self):
        self.load()
        self.copy()
        self.lose_ledger()
        r = self.copy()
        self.assertEqual((r.totals["copied"], r.totals["adopted"]), (0, self.count), str(r))
        self.same()
        r = self.copy()
        self.assertEqual((r.totals["copied"], r.totals["adopted"]), (0, 0), str(r))

    def test_without_the_ledger_and_half_of_it_there(self):
        """Of each folder every second message is there; the copies of equal ones keep their number."""
        self.load()
        half = {folder: rows[::2] for folder, rows in self.mails.items()}
        account.load(half, self.dst)
        r = self.copy()
        there = sum(len(rows) for rows in half.values())
        self.assertEqual((r.totals["adopted"], r.totals["copied"]), (there, self.count - there), str(r))
        self.same(flags=False, date=False)

    def test_after_mbsync(self):
        """What mbsync brought there before is adopted. It adds a header of its own to everything it brings, so a message without
        any key is not the same any more, and is copied."""
        if not shutil.which("mbsync"):
            self.skipTest("optional: no mbsync (the package isync)")
        self.load()
        port = server.port
        users = [Url(u).user for u in (self.src, self.dst)]
        rc = Path(self.state) / "mbsyncrc"
        rc.write_text("".join(
            f"IMAPAccount {n}\nHost 127.0.0.1\nPort {port}\nUser {u}\nPass {server.password_of(u)}\nSSLType None\nAuthMechs LOGIN\n\n"
            f"IMAPStore {n}\nAccount {n}\n\n" for n, u in zip(("far", "near"), users)) +
            f"Channel all\nFar :far:\nNear :near:\nPatterns INBOX Sent\nCreate Near\nSync Pull New\nCopyArrivalDate yes\n"
            f"SyncState {self.state}/mbsync-\n")
        done = subprocess.run(["mbsync", "-c", str(rc), "-a"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        there = sum(b"Message-ID" in m.data for f in ("INBOX", "Sent") for m in self.mails[f])
        r = self.copy()
        self.assertEqual((r.totals["adopted"], r.totals["copied"]), (there, self.count - there), str(r))
        ours, theirs = read(self.src), read(self.dst)
        self.assertEqual(len(theirs.folders["Sent"].messages), len(ours.folders["Sent"].messages) + 4)
        diff = compare(ours, theirs, foreign=False)
        self.assertEqual(len(diff.missing), there, str(diff))     # changed by mbsync, each of them once
        self.assertFalse(diff.doubled or diff.different, str(diff))

    def test_different_messages_with_one_message_id(self):
        """A1 and A2 share their Message-ID. Only A2 is there: A1 is copied, not A2 once more."""
        first, second = (account.message(account.random.Random(n), 1500 + n, mid="a@example.org") for n in (1, 2))
        third = account.message(account.random.Random(3), 1500, mid="b@example.org")
        mail = [account.Mail(d, ("\\Seen",), "01-Feb-2020 10:00:00 +0000") for d in (first, second, third, third, third)]
        account.load({"INBOX": mail}, self.src)
        account.load({"INBOX": [mail[1], mail[2]]}, self.dst)
        r = self.copy()
        self.assertEqual((r.totals["adopted"], r.totals["copied"]), (2, 3), str(r))
        self.same(subscriptions=False)
        self.lose_ledger()
        r = self.copy()
        self.assertEqual((r.totals["adopted"], r.totals["copied"]), (5, 0), str(r))
        self.same(subscriptions=False)

    # Two at once ---------------------------------------------------------------------------------------------

    def test_two_at_once(self):
        """The second one refuses, and names the first one's process."""
        self.load()
        with CutProxy(server.port) as s:
            s.hold()
            first = self.start(src=s.url(self.src))
            s.accepted.wait(20)
            # the lock is taken before the source is asked for anything
            second = self.copy(src=s.url(self.src), status=1)
            self.assertIn(str(first.pid), second.output)
            s.let_go()
            out, _ = first.communicate(timeout=60 * SLOW)
            self.assertEqual(first.returncode, 0, out)
        self.same()

    # Made anew -----------------------------------------------------------------------------------------------

    def anew(self, url, folder, rows):
        """The folder deleted and made again: another UIDVALIDITY."""
        name = quoted(utf7_encode(folder))
        with Url(url).connect() as c:
            c.cmd(b"DELETE " + name)
            time.sleep(1.1)                       # Dovecot's UIDVALIDITY is a time in seconds
            c.cmd(b"CREATE " + name)
            for m in rows:
                account.append(c, folder, m)

    def test_source_folder_made_anew(self):
        """Nothing is deleted, nothing doubled, not even with --expunge; what is new is copied."""
        self.load()
        self.copy()
        before = read(self.dst)
        rows = self.mails["Sent"]
        new = account.Mail(account.message(account.random.Random(9), 2000), (), "01-Feb-2020 10:00:00 +0000")
        self.anew(self.src, "Sent", list(reversed(rows[3:])) + [new])
        r = self.copy("--expunge")
        self.assertEqual((r.totals["copied"], r.totals["expunged"]), (1, 0), str(r))
        after = read(self.dst)
        gone = Counter(m.sha256 for m in before.folders["Sent"].messages) - \
            Counter(m.sha256 for m in after.folders["Sent"].messages)
        self.assertFalse(gone)
        self.assertEqual(len(after.folders["Sent"].messages), len(rows) + 1)
        r = self.copy()
        self.assertEqual(r.totals["copied"], 0, str(r))

    def test_destination_folder_made_anew(self):
        """What is in the new one is adopted, the rest is copied again."""
        self.load()
        self.copy()
        rows = self.mails["Archiv/Räder"]
        self.anew(self.dst, "Archiv/Räder", rows[:5])
        r = self.copy()
        self.assertEqual((r.totals["copied"], r.totals["adopted"]), (len(rows) - 5, 5), str(r))
        self.same(subscriptions=False)
        self.assertEqual(self.copy().totals["copied"], 0)

    def test_destination_folder_deleted(self):
        self.load()
        self.copy()
        with Url(self.dst).connect() as c:
            c.cmd(b'DELETE "Sent"')
        self.copy()
        self.same()

    def test_destination_folder_deleted_after_a_killed_run(self):
        """What was confirmed went with the folder; it is copied again, with UIDPLUS and without."""
        self.load()
        for n, mask in enumerate(((), NO_UIDPLUS)):
            with self.subTest(n), CutProxy(server.port) as s, \
                    CutProxy(server.port, Cut(UP, "line:STATUS", 2 if n else 1, 0, "kill", 0.5), mask) as d:
                self.dst = server.url(f"dead{n}")
                p = self.start("--batch-messages", "5", src=s.url(self.src), dst=d.url(self.dst))
                d.pid = p.pid
                d.may_kill.set()
                p.communicate(timeout=60 * SLOW)
                self.assertTrue(d.fired)
                with Url(self.dst).connect() as c:
                    c.cmd(b'DELETE "Sent"')
                    if n:
                        time.sleep(1.1)
                        c.cmd(b'CREATE "Sent"')
                d.renew()
                self.copy(src=s.url(self.src), dst=d.url(self.dst))
                self.same(subscriptions=False)

    def test_destination_folder_deleted_meanwhile(self):
        """The folder is deleted and made anew in the middle of the copy: that run says so, the next one copies what went with it."""
        self.load()

        def anew():
            self.anew(self.dst, "Sent", [])

        for number in (2, 3):
            self.dst = server.url(f"anew{number}")
            with CutProxy(server.port) as s, \
                    CutProxy(server.port, Cut(DOWN, "answer:APPEND", 3 * number, 1, "call", action=anew)) as d:
                for _ in range(4):
                    r = self.copy("--batch-messages", "5", status=None, src=s.url(self.src), dst=d.url(self.dst))
                    self.assertTrue(d.fired)
                    if r.status == 0:
                        break
                self.assertEqual(r.status, 0, str(r))
                diff = compare(read(self.src), read(self.dst), subscriptions=False)
                self.assertFalse(diff, f"{diff}\n{r}")

    # Ctrl-C --------------------------------------------------------------------------------------------------

    def test_ctrl_c(self):
        """Exit status 130; what was under way is recorded, so that the next run has nothing to wait for."""
        self.load()
        with CutProxy(server.port, Cut(DOWN, "literal", 30, 0.5, "int")) as s:
            p = self.start("--lanes", "2", src=s.url(self.src))
            s.pid = p.pid
            s.may_kill.set()
            out, _ = p.communicate(timeout=60 * SLOW)
            first = Result(p.returncode, out)
            self.assertTrue(s.fired)
            self.assertEqual(first.status, 130, str(first))
            self.assertLess(first.totals["copied"], self.count)
            s.renew()
            began = time.monotonic()
            second = self.copy("--testing-resolve", "60", src=s.url(self.src))
            self.assertLess(time.monotonic() - began, 10 * SLOW, str(second))
        self.assertEqual(first.totals["copied"] + second.totals["copied"], self.count, f"{first}\n{second}")
        self.assertEqual(second.totals["adopted"], 0, str(second))
        self.same()

    # Changes -------------------------------------------------------------------------------------------------

    def test_new_messages_and_changed_flags(self):
        self.load()
        self.copy()
        rng = account.random.Random("new")
        with Url(self.src).connect() as c:
            for folder in self.mails:
                c.cmd(b"SELECT " + quoted(utf7_encode(folder)))
                c.cmd(b"UID STORE 1:5 FLAGS (\\Flagged $Label1)")
                c.cmd(b"UID STORE 6 -FLAGS (\\Seen)")
                c.cmd(b"UID STORE 7 +FLAGS (\\Answered)")
                for _ in range(25):
                    account.append(c, folder, account.Mail(account.message(rng, 1500), account.flags(rng), account.date(rng)))
        r = self.copy()
        self.assertEqual(r.totals["copied"], 100, str(r))
        self.assertGreater(r.totals["flags"], 20, str(r))
        self.same()
        self.assertEqual((lambda t: (t["copied"], t["flags"], t["adopted"]))(self.copy().totals), (0, 0, 0))

    def test_flags_without_mod_sequences(self):
        """Where nothing counts changes the flags are looked at, unless that is not wanted."""
        self.load()
        without = ("--src-without", "CONDSTORE QRESYNC", "--dst-without", "CONDSTORE QRESYNC UIDPLUS")
        self.copy(*without)
        with Url(self.src).connect() as c:
            c.cmd(b"SELECT INBOX")
            c.cmd(b"UID STORE 1:3 FLAGS (\\Draft)")
        self.assertEqual(self.copy(*without, "--no-flag-updates").totals["flags"], 0)
        self.copy(*without)
        self.same()

    # Removal -------------------------------------------------------------------------------------------------

    def test_expunge(self):
        """Only what vanished from the source since it was copied goes; what was never ours stays."""
        self.load()
        self.copy()
        foreign = account.Mail(account.message(account.random.Random(5), 1100), (), "01-Feb-2020 10:00:00 +0000")
        with Url(self.dst).connect() as c:
            account.append(c, "INBOX", foreign)
        with Url(self.src).connect() as c:
            c.cmd(b"SELECT INBOX")
            c.cmd(b"UID STORE 2:4 +FLAGS.SILENT (\\Deleted)")
            c.cmd(b"EXPUNGE")
        self.copy()
        self.assertEqual(len(read(self.dst).folders["INBOX"].messages), len(self.mails["INBOX"]) + 1)
        r = self.copy("--expunge")
        self.assertEqual(r.totals["expunged"], 3, str(r))
        diff = compare(read(self.src), read(self.dst), foreign=False)
        self.assertFalse(diff, str(diff))
        left = [m for m in read(self.dst).folders["INBOX"].messages if m.size == len(foreign.data)]
        self.assertTrue(left, "the message that was never ours is gone")

    def test_expunge_never_from_a_filtered_source(self):
        self.load()
        self.copy()
        for options in (("--search", "SEEN"), ("--since", "2015-01-01"), ("--max-size", "1000"), ("--only-unseen",)):
            r = self.copy("--expunge", *options)
            self.assertEqual(r.totals["expunged"], 0, f"{options} {r}")
        self.same()


if __name__ == "__main__":
    unittest.main()
