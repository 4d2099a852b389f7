import copy
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab import imapstate, servers  # noqa: E402
from tests.lab.imap import ImapError, Url, parse  # noqa: E402
from tests.lab.imapstate import Folder, Msg, State, compare, internal_date  # noqa: E402


def msg(uid, sha, flags=(), date=0):
    return Msg(uid, flags, date, 1, 1, sha)


def account():
    return State({"INBOX": Folder("INBOX", 1, 9, [msg(1, "a"), msg(2, "b", ("\\Seen",)), msg(3, "b", ("\\Seen",)),
                                                  msg(4, "c", date=5)]),
                  "x": Folder("x", 1, 2, [msg(1, "d")])}, {"INBOX"}, {"x": {"\\Sent"}})


class CompareTest(unittest.TestCase):
    def setUp(self):
        self.a, self.b = account(), copy.deepcopy(account())
        self.inbox = self.b.folders["INBOX"].messages

    def test_equal(self):
        for m in self.inbox:
            m.uid += 100
        self.assertFalse(compare(self.a, self.b, special=True))

    def test_missing_one_of_two_equal(self):
        del self.inbox[1]
        d = compare(self.a, self.b)
        self.assertEqual(d.summary(), "missing 1")
        self.assertEqual(d.missing[0][1].sha256, "b")

    def test_doubled_and_foreign(self):
        self.inbox += [msg(10, "a"), msg(11, "z")]
        d = compare(self.a, self.b)
        self.assertEqual([m.uid for _, m in d.doubled], [10])
        self.assertEqual([m.uid for _, m in d.foreign], [11])
        self.assertFalse(compare(self.a, self.b, foreign=False).foreign)

    def test_flags_and_date(self):
        self.inbox[1].flags = ()
        self.inbox[3].date = 6
        d = compare(self.a, self.b)
        self.assertEqual(d.summary(), "different 2")
        self.assertFalse(compare(self.a, self.b, flags=False, date=False))

    def test_wrong_folder_is_missing_and_foreign(self):
        self.b.folders["x"].messages.append(self.inbox.pop(0))
        self.assertEqual(compare(self.a, self.b).summary(), "missing 1, foreign 1")

    def test_map_subscriptions_special(self):
        self.b.folders["y"] = self.b.folders.pop("x")
        self.assertEqual(compare(self.a, self.b).summary(), "missing 1, foreign 1, folders 1")
        self.assertFalse(compare(self.a, self.b, {"x": "y"}))
        self.assertEqual(compare(self.a, self.b, {"x": "y"}, special=True).summary(), "special 1")
        self.b.subscribed = {"y"}
        self.assertEqual(len(compare(self.a, self.b, {"x": "y"}).subscriptions), 2)


class ParseTest(unittest.TestCase):
    def test_values(self):
        self.assertEqual(
            parse([b'* 1 FETCH (FLAGS (\\Seen a) BODY[] ', b"x)\r\n", b' UID 3 X NIL "N\\"I" "NIL" BODY[1.2]<0> "")']),
            [b"*", b"1", b"FETCH", [b"FLAGS", [b"\\Seen", b"a"], b"BODY[]", b"x)\r\n", b"UID", b"3", b"X", None, b'N"I', b"NIL",
                                    b"BODY[1.2]<0>", b""]])

    def test_unbalanced(self):
        for bad in (b"* 1 FETCH (UID 1", b"* 1 FETCH UID 1)"):
            with self.assertRaises(ImapError):
                parse([bad])

    def test_date(self):
        # 17-Jul-1996 09:44:25 UTC, the INTERNALDATE of RFC 3501's example, is 837596665.
        self.assertEqual(internal_date("17-Jul-1996 02:44:25 -0700"), 837596665)
        self.assertEqual(internal_date(" 7-Jul-1996 02:44:25 -0700"), 837596665 - 10 * 86400)


@unittest.skipUnless(servers.Available().dovecot, "no Dovecot here")
class ReadTest(unittest.TestCase):
    def test_reads_what_is_there(self):
        with servers.Dovecot(tls=True) as s:
            with Url(s.url("demo")).connect() as c:
                for name in (b"a", b"a/b"):
                    c.cmd(b"CREATE " + name)
                c.cmd(b'SUBSCRIBE a/b')
                body = b"Subject: {3}\r\n\r\nx {5}\r\n"
                c.wait(c.send(b'APPEND a/b (\\Seen KeyWord) "17-Jul-1996 02:44:25 -0700" {%d+}\r\n' % len(body), body, b"\r\n"))
            state = imapstate.read(s.url("demo", tls=True, host="localhost"), ca_file=s.ca_file)
            self.assertEqual(set(state.folders), {"INBOX", "a", "a/b"})
            self.assertEqual(state.subscribed, {"a/b"})
            m = state.folders["a/b"].messages[0]
            self.assertEqual((m.uid, m.flags, m.date, m.size), (1, ("\\Seen", "keyword"), 837596665, len(body)))
            self.assertGreater(state.folders["a/b"].uidvalidity, 0)
            self.assertEqual(state.folders["a/b"].uidnext, 2)


if __name__ == "__main__":
    unittest.main()
