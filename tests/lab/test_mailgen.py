import email
import email.policy
import hashlib
import re
import statistics
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab import imapstate, mailgen, servers  # noqa: E402
from tests.lab.imap import utf7_decode, utf7_encode  # noqa: E402


def digest(account):
    h = hashlib.sha256()
    for f in account.folders:
        h.update(repr((f.path, f.special, f.subscribed, f.count)).encode())
        for m in account.messages(f):
            h.update(m.data + repr((m.flags, m.date)).encode())
    return h.hexdigest()


def expected(account, folder):
    return Counter((hashlib.sha256(m.data).hexdigest(), imapstate.flag_set(f.encode() for f in m.flags),
                    imapstate.internal_date(m.date)) for m in account.messages(folder))


class Utf7Test(unittest.TestCase):
    def test_rfc3501(self):
        # The example of RFC 3501 5.1.3, and its rules on "&".
        name = "~peter/mail/台北/日本語"
        self.assertEqual(utf7_encode(name), b"~peter/mail/&U,BTFw-/&ZeVnLIqe-")
        self.assertEqual(utf7_decode(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"), name)
        self.assertEqual(utf7_encode("a & b"), b"a &- b")
        self.assertEqual(utf7_decode(b"&2Dzf1g-"), "\U0001f3d6")


class AccountTest(unittest.TestCase):
    def test_same_seed_same_bytes(self):
        p = mailgen.PRESETS["small"]
        one = digest(mailgen.Account(seed=7, **p))
        self.assertEqual(one, digest(mailgen.Account(seed=7, **p)))
        self.assertNotEqual(one, digest(mailgen.Account(seed=8, **p)))

    def test_sizes_and_total(self):
        a = mailgen.Account(messages=5000, folders=30, total=190_000_000)
        sizes = [len(m.data) for f in a.folders for m in a.messages(f)]
        self.assertEqual(len(sizes), 5000)
        self.assertLess(abs(sum(sizes) / 190_000_000 - 1), 0.03)
        self.assertTrue(6000 < statistics.median(sizes) < 10000, statistics.median(sizes))

    def test_mail_is_well_formed(self):
        a = mailgen.Account(messages=300, folders=10)
        ids = set()
        for f in a.folders:
            for m in a.messages(f):
                self.assertIsNone(re.search(rb"(?<!\r)\n|\r(?!\n)|\0", m.data))
                self.assertLessEqual(max(map(len, m.data.split(b"\r\n"))), 998)
                self.assertTrue(m.data.partition(b"\r\n\r\n")[0].isascii())
                msg = email.message_from_bytes(m.data, policy=email.policy.default)
                defects = [d for part in msg.walk() for d in part.defects]
                self.assertEqual(defects, [], m.data[:2000])
                for part in msg.walk():
                    if part.get_content_maintype() != "multipart":
                        part.get_content()
                ids.add(msg["Message-ID"])
                self.assertIsNotNone(msg["Date"].datetime)
        self.assertEqual(len(ids), 300)

    def test_duplicates_only_when_asked(self):
        a = mailgen.Account(messages=400, folders=4, duplicates=0.2)
        counts = Counter(m.data for f in a.folders for m in a.messages(f))
        self.assertGreater(sum(n - 1 for n in counts.values()), 40)

    def test_maildir(self):
        a = mailgen.Account(**mailgen.PRESETS["small"])
        with tempfile.TemporaryDirectory() as d:
            mailgen.write_maildir(a, d)
            self.assertEqual(sum(1 for _ in Path(d).rglob("cur/*")), a.count)


class LoadTest(unittest.TestCase):
    def check(self, server, **kw):
        a = mailgen.Account(**mailgen.PRESETS["small"])
        with server as s:
            user = "demo"
            mailgen.load(a, s.url(user))
            state = imapstate.read(s.url(user))
            for f in a.folders:
                got = Counter((m.sha256, m.flags, m.date) for m in state.folders["/".join(f.path)].messages)
                self.assertEqual(expected(a, f), got, f.path)
            self.assertLessEqual({"/".join(f.path) for f in a.folders if f.subscribed}, state.subscribed)
            self.assertEqual(state.count(), a.count)
            return state

    @unittest.skipUnless(servers.Available().dovecot, "no Dovecot here")
    def test_dovecot(self):
        state = self.check(servers.Dovecot(tls=False))
        self.assertEqual(state.special["Sent"], {"\\Sent"})

    @unittest.skipUnless(servers.Available().dovecot, "no Dovecot here")
    def test_dovecot_with_no_extension_and_a_prefix(self):
        a = mailgen.Account(**mailgen.PRESETS["small"])
        with servers.Dovecot(tls=False, caps_off="bare") as s:
            mailgen.load(a, s.url("demo"))
            self.assertEqual(imapstate.read(s.url("demo")).count(), a.count)
        with servers.Dovecot(tls=False, separator=".", prefix="INBOX.") as s:
            mailgen.load(a, s.url("demo"))
            self.assertIn("INBOX/Sent", imapstate.read(s.url("demo")).folders)

    @unittest.skipUnless(servers.Available().cyrus, "no Cyrus here")
    def test_cyrus(self):
        self.check(servers.Cyrus(tls=False))


if __name__ == "__main__":
    unittest.main()
