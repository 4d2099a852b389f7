import imaplib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab import imapstate, mailgen  # noqa: E402
from tests.lab.imap import Conn, ImapError  # noqa: E402
from tests.peer.casefile import read_case  # noqa: E402
from tests.peer.oddity import ODDITIES, CaseError  # noqa: E402
from tests.peer.peer import Peer, PeerFailure, play  # noqa: E402

HERE = Path(__file__).resolve().parent


class Raw:
    """A client that says exactly what it is told."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.f = self.s.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.f.close()
        self.s.close()

    def say(self, data):
        self.s.sendall(data)

    def until(self, start):
        """Lines up to the one that begins with `start`."""
        out = []
        while True:
            line = self.f.readline()
            if not line:
                raise AssertionError(f"closed; before: {out}")
            out.append(line)
            if line.startswith(start):
                return out

    def rest(self):
        try:
            return self.f.read()
        except ConnectionResetError:
            return b"RESET"


def conn(p, side=None, **kw):
    return Conn("127.0.0.1", (p[side] if side else p.only).port, "demo", "pw", **kw)


class CaseFileTest(unittest.TestCase):
    def bad(self, text, why):
        with self.assertRaisesRegex(CaseError, why):
            Peer(text=text).__exit__()

    def test_mistakes_are_named_with_their_line(self):
        self.bad("case x\nfolderr INBOX", "case:2: 'folderr'")
        self.bad("oddity uid-lost", "no such oddity")
        self.bad("on APPEND answer NO", "without `do`")
        self.bad("on APPEND do dance", "'dance' is no action")
        self.bad("on APPEND matching INBOX do drop", "where a re should be")
        self.bad("on APPEND sometimes do drop", "is no clause")
        self.bad("connection 1\n sned x\nend", "case:2: 'sned'")
        self.bad("connection 1\n send x", "`end` is missing")
        self.bad("side a\nfolder x", "side a is missing")
        self.bad("message INBOX <<END\nx", "END does not come")
        self.bad("message INBOX flags (a)", "needs")

    def test_bodies_and_escapes(self):
        with Peer(text='message INBOX uid 4 flags (\\Seen) date "17-Jul-1996 02:44:25 -0700" <<END\n    a: b\n\n      in\\0\\x80\\n\n  END\n') as p:
            m = p.only.account.folders["INBOX"].messages[0]
            self.assertEqual(m.data, b"a: b\r\n\r\n  in\0\x80\n\r\n")
            self.assertEqual((m.uid, m.flags), (4, {"\\Seen"}))
        with Peer(text="message INBOX <<-END\na: b\nEND\n") as p:
            self.assertEqual(p.only.account.folders["INBOX"].messages[0].data, b"a: b")

    def test_every_case_can_be_read(self):
        for path in sorted(HERE.glob("cases/*.peer")):
            with self.subTest(path.name):
                case = read_case(path)
                self.assertTrue(case.title, "`case` is missing")
                Peer(path).tmp.cleanup()

    def test_readme_has_every_oddity(self):
        text = (HERE / "README.md").read_text()
        rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", text[text.index("### Oddities"):text.index("## A script")], re.M))
        self.assertEqual(rows, ODDITIES)


class ServerTest(unittest.TestCase):
    """The stateful mode, by rules of the RFCs."""

    def test_account_goes_in_and_comes_out(self):
        a = mailgen.Account(messages=120, folders=8, total=2_000_000)
        for caps in ("", "no-capability MULTIAPPEND", "capability IMAP4rev1 AUTH=PLAIN", "delimiter .", 'delimiter .\nprefix "INBOX."'):
            with self.subTest(caps), Peer(text=caps) as p:
                mailgen.load(a, p.url())
                read = imapstate.read(p.url())
                self.assertEqual(read.count(), 120)
                self.assertFalse(imapstate.compare(p.only.state(), read))
                prefix = "INBOX/" if "prefix" in caps else ""
                for f in a.folders:
                    name = "/".join(f.path) if f.path == ("INBOX",) else prefix + "/".join(f.path)
                    if "delimiter ." in caps:
                        name = prefix + "/".join(x.replace(".", "_") for x in f.path) if f.path != ("INBOX",) else "INBOX"
                    self.assertEqual(len(read.folders[name].messages), f.count, name)

    def test_imaplib(self):
        with Peer(text="messages INBOX 3") as p:
            m = imaplib.IMAP4("127.0.0.1", p.port)
            m.login("a", "b")
            m.select()
            self.assertEqual(m.uid("SEARCH", "HEADER", "Subject", '"message 1 "')[1], [b"2"])
            self.assertEqual(m.uid("STORE", "2", "+FLAGS", "(\\Deleted)")[0], "OK")
            self.assertEqual(m.search(None, "DELETED")[1], [b"2"])
            self.assertEqual(m.expunge()[1], [b"2"])
            self.assertEqual(m.uid("FETCH", "1:*", "(UID)")[1], [b"1 (UID 1)", b"2 (UID 3)"])
            self.assertEqual(m.create("new")[0], "OK")
            self.assertEqual(m.uid("COPY", "1,3", "new")[0], "OK")
            self.assertEqual(m.response("COPYUID")[1], [b"1002 1,3 1:2"])
            self.assertEqual(m.status("new", "(MESSAGES UIDNEXT)")[1], [b'"new" (MESSAGES 2 UIDNEXT 3)'])
            self.assertEqual(m.rename("new", "newer")[0], "OK")
            self.assertEqual(m.delete("newer")[0], "OK")
            self.assertEqual(m.logout()[0], "BYE")

    def test_what_is_not_offered_is_bad(self):
        with Peer(text="capability IMAP4rev1 AUTH=PLAIN\nmessages INBOX 2") as p, conn(p) as c:
            c.cmd(b"SELECT INBOX")
            for cmd in (b"UID EXPUNGE 1", b"ENABLE QRESYNC", b"NAMESPACE", b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)", b"IDLE",
                        b"SELECT INBOX (CONDSTORE)", b"STATUS INBOX (HIGHESTMODSEQ)", b'LIST "" "*" RETURN (STATUS (MESSAGES))',
                        b"UID MOVE 1 INBOX", b"ID NIL", b"UID SEARCH RETURN (ALL) ALL", b"APPEND INBOX {3+}\r\nabc"):
                with self.assertRaisesRegex(ImapError, "BAD"):
                    c.cmd(cmd)

    def test_condstore_and_qresync(self):
        with Peer(text="folder INBOX uidvalidity 9\nmessages INBOX 5") as p, conn(p) as c, conn(p) as other:
            c.cmd(b"ENABLE QRESYNC")
            other.cmd(b"SELECT INBOX")
            other.cmd(b"UID STORE 2 +FLAGS (\\Flagged)")
            other.cmd(b"UID STORE 4 +FLAGS (\\Deleted)")
            other.cmd(b"UID EXPUNGE 4")
            c.cmd(b"SELECT INBOX (QRESYNC (9 6))")
            lines = [x[0] for x in c.untagged]
            self.assertIn(b"* VANISHED (EARLIER) 4", lines)
            changed = [x for x in lines if b"FETCH" in x]
            self.assertEqual(len(changed), 1)
            self.assertIn(b"UID 2 FLAGS (\\Flagged \\Seen) MODSEQ (7)", changed[0])
            c.cmd(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 7)")
            self.assertEqual([x for x in c.untagged if b"FETCH" in x[0]], [])
            self.assertIn(b"MODIFIED 2", c.cmd(b"UID STORE 2 (UNCHANGEDSINCE 6) +FLAGS (x)"))

    def test_message_limit(self):
        with Peer(text="capability add MESSAGELIMIT=3\nmessages INBOX 5") as p, conn(p) as c:
            c.cmd(b"SELECT INBOX")
            self.assertIn(b"OK [MESSAGELIMIT 3 3]", c.cmd(b"UID FETCH 1:* (UID)"))
            self.assertEqual([x[0] for x in c.untagged], [b"* %d FETCH (UID %d)" % (n, n) for n in (5, 4, 3)])
            self.assertNotIn(b"MESSAGELIMIT", c.cmd(b"UID FETCH 1:2 (UID)"))
            self.assertIn(b"[MESSAGELIMIT 3 3]", c.cmd(b"UID SEARCH ALL"))
            self.assertEqual(c.untagged, [[b"* SEARCH 5 4 3"]])
            with self.assertRaisesRegex(ImapError, "MESSAGELIMIT 3"):
                c.wait(c.send(b"APPEND INBOX {1+}\r\n", b"a {1+}\r\na {1+}\r\na {1+}\r\na\r\n"))

    def test_others_are_seen(self):
        with Peer(text="messages INBOX 2") as p, conn(p) as c, conn(p) as other:
            for x in (c, other):
                x.cmd(b"SELECT INBOX")
            other.cmd(b"UID STORE 1 +FLAGS.SILENT (\\Deleted)")
            other.cmd(b"EXPUNGE")
            other.wait(other.send(b"APPEND INBOX {3+}\r\n", b"a:b\r\n"))
            c.cmd(b"NOOP")
            self.assertEqual([x[0] for x in c.untagged], [b"* 1 EXPUNGE", b"* 2 EXISTS"])

    def test_list_status_and_special_use(self):
        with Peer(text="folder Sent attr \\Sent subscribed\nmessages Sent 2") as p, conn(p) as c:
            c.cmd(b'LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UIDNEXT HIGHESTMODSEQ))')
            text = b"\n".join(x[0] for x in c.untagged)
            self.assertIn(b'LIST (\\HasNoChildren \\Sent \\Subscribed) "/" "Sent"', text)
            self.assertIn(b'STATUS "Sent" (MESSAGES 2 UIDNEXT 3 HIGHESTMODSEQ 3)', text)

    def test_tls_and_starttls(self):
        with Peer(text="side a\ntls\nend\nside b\nstarttls\nend") as p:
            trusted = ssl.create_default_context(cafile=p.ca_file)
            m = imaplib.IMAP4_SSL("localhost", p["a"].port, ssl_context=trusted)
            self.assertEqual(m.login("a", "b")[0], "OK")
            m.logout()
            m = imaplib.IMAP4("localhost", p["b"].port)
            self.assertIn("STARTTLS", m.capabilities)
            m.starttls(trusted)
            self.assertNotIn("STARTTLS", m.capabilities)
            m.logout()

    def test_compress(self):
        with Peer(text="capability add COMPRESS=DEFLATE\nmessages INBOX 20 size 3000") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\nb COMPRESS DEFLATE\r\n")
            c.until(b"b OK")
            out, into = zlib.compressobj(6, zlib.DEFLATED, -15), zlib.decompressobj(-15)
            c.say(out.compress(b"c SELECT INBOX\r\nd UID FETCH 1:* BODY.PEEK[]\r\ne LOGOUT\r\n") + out.flush(zlib.Z_SYNC_FLUSH))
            text = into.decompress(c.rest())
            self.assertEqual(text.count(b"BODY[] {3000}"), 20)
            self.assertTrue(text.endswith(b"e OK Logout completed\r\n"), text[-100:])

    def test_zero_octets_refuse_the_batch(self):
        with Peer(text="") as p, conn(p) as c:
            with self.assertRaisesRegex(ImapError, "NO"):
                c.wait(c.send(b"APPEND INBOX {3+}\r\n", b"a:b {0+}\r\n\r\n"))
            self.assertEqual(p.only.state().count(), 0)


class OddityTest(unittest.TestCase):
    def lines(self, oddity, *commands, more="messages INBOX 3 size 400"):
        with Peer(text="\n".join(f"oddity {o}" for o in oddity.split(";")) + "\n" + more) as p, conn(p) as c:
            for cmd in commands[:-1]:
                c.cmd(cmd)
            self.answer = c.cmd(commands[-1])
            return c.untagged

    def test_fetch(self):
        sel = b"SELECT INBOX"
        got = self.lines("uid-last", sel, b"UID FETCH 1 (UID BODY.PEEK[])")[0]
        self.assertEqual((got[0], got[2]), (b"* 1 FETCH (BODY[] ", b" UID 1)"))
        got = self.lines("uid-missing", sel, b"UID FETCH 1 (FLAGS)")
        self.assertEqual(got, [[b"* 1 FETCH (FLAGS (\\Seen))"]])
        got = self.lines("reverse", sel, b"UID FETCH 1:* (UID)")
        self.assertEqual([x[0] for x in got], [b"* 3 FETCH (UID 3)", b"* 2 FETCH (UID 2)", b"* 1 FETCH (UID 1)"])
        got = self.lines("nil-body 2", sel, b"UID FETCH 2 (BODY.PEEK[])")
        self.assertEqual(got, [[b"* 2 FETCH (UID 2 BODY[] NIL)"]])
        self.assertEqual(self.lines("no-answer 1,3", sel, b"UID FETCH 1:* (UID)"), [[b"* 2 FETCH (UID 2)"]])
        self.assertEqual(self.lines("size-estimate +7", sel, b"UID FETCH 1 (RFC822.SIZE)"), [[b"* 1 FETCH (UID 1 RFC822.SIZE 407)"]])
        self.assertEqual(len(self.lines("unasked-flags", sel, b"UID FETCH 1 (UID)")), 2)
        self.assertIn(b"X-PEER-EXTRA", self.lines("extra-items", sel, b"UID FETCH 1 (UID)")[0][0])
        self.assertEqual(self.lines("lowercase", sel, b"UID FETCH 1 (UID)"), [[b"* 1 fetch (uid 1)"]])
        self.assertIn(b"\\Recent", self.lines("recent", sel, b"UID FETCH 1 (FLAGS)")[0][0])
        self.assertEqual(self.lines("utc-dates", sel, b"UID FETCH 1 (INTERNALDATE)"),
                         [[b'* 1 FETCH (UID 1 INTERNALDATE "28-Feb-2021 23:00:00 +0000")']])

    def test_lines(self):
        with Peer(text="oddity blank-lines\noddity leading-nul") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\nb NOOP\r\n")
            self.assertTrue(c.f.read(10).startswith(b"\0\r\n* OK"))
        self.assertEqual(self.lines("ok-without-text", b"NOOP"), [])
        self.assertEqual(self.answer, b"OK")
        self.assertEqual(self.lines("list-literals", b'LIST "" "*"')[0], [b'* LIST (\\HasNoChildren) "/" ', b"INBOX", b""])
        self.assertEqual(self.lines("status-literal", b"STATUS INBOX (MESSAGES)")[0][1], b"INBOX")
        self.assertEqual(self.lines("list-atoms", b'LIST "" "*"')[0], [b'* LIST (\\HasNoChildren) "/" INBOX'])
        self.assertEqual(self.lines("exists-noise", b"SELECT INBOX", b"NOOP"), [[b"* 3 EXISTS"], [b"* 0 RECENT"]])
        self.assertNotIn(b"UIDNEXT", repr(self.lines("no-uidnext", b"SELECT INBOX")).encode())

    def append(self, text, *datas, head=b""):
        """Appends one after the other; the answers, and the folder afterwards."""
        with Peer(text=text) as p, conn(p) as c:
            answers = []
            for data in datas:
                try:
                    answers.append(c.wait(c.send(b"APPEND INBOX %b{%d+}\r\n" % (head, len(data)), data, b"\r\n")).decode())
                except ImapError as e:
                    answers.append(str(e))
            return answers, p.only.account.folders["INBOX"].messages

    def test_append(self):
        mail = b"Subject: x\r\n\r\na\nb\0\r\n\r\n\r\n"
        self.assertEqual(self.append("oddity crlf-normalise\noddity nul-to-80\noddity trim-end", mail)[1][0].data,
                         b"Subject: x\r\n\r\na\r\nb\x80\r\n")
        answers, ms = self.append("oddity merge-equal", mail, mail)
        self.assertEqual((len(ms), answers[0]), (1, answers[1]))
        self.assertIn(b"X-MS-Exchange", self.append("oddity rewrite-mime", mail)[1][0].data)
        self.assertIn("TOOBIG", self.append("oddity append-limit 10", mail)[0][0])
        self.assertNotIn("APPENDUID", self.append("oddity no-appenduid", mail)[0][0])
        self.assertIn("APPENDUID 8 1", self.append("oddity wrong-appenduid\nfolder INBOX uidvalidity 7", mail)[0][0])
        self.assertEqual(self.append("folder INBOX permanentflags (\\Seen)", mail, head=b"(\\Seen Work) ")[1][0].flags, {"\\Seen"})
        self.assertIn("NO [CANNOT]", self.append("oddity keywords-refuse\nfolder INBOX permanentflags (\\Seen)", mail, head=b"(Work) ")[0][0])

    def test_smuggle_runs_the_body(self):
        """The peer can do what the client must never bring about."""
        with Peer(text="oddity smuggle\nrequire CREATE line /Evil/") as p, conn(p) as c:
            body = b"z1 CREATE Evil\r\n"
            c.send(b"APPEND INBOX (\\Bogus) {%d+}\r\n" % len(body), body, b"\r\n")
            c.cmd(b"NOOP")
            self.assertIn("Evil", p.only.state().folders)
            p.check()

    def test_limits(self):
        with Peer(text="oddity connection-limit 1") as p, conn(p):
            with self.assertRaisesRegex(ImapError, r"\[LIMIT\]"):
                conn(p)
        with Peer(text="oddity bad-limit 2") as p, Raw(p.port) as c:
            c.say(b"a NONSENSE\r\nb NONSENSE\r\n")
            self.assertIn(b"* BYE Too many bad", c.rest())
        with Peer(text="oddity literal-minus\nno-capability LITERAL+\ncapability add LITERAL-") as p, conn(p) as c:
            c.send(b"APPEND INBOX {5000+}\r\n", b"x" * 5000)
            with self.assertRaises(ImapError):
                c.cmd(b"NOOP")
        with Peer(text="timeout 3\nmessage INBOX size 500\non FETCH line /BODY/ do stall at 100") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\n")
            c.until(b"* 1 FETCH (BODY[] {500}")
            self.assertEqual(len(c.f.read(100)), 100)
            c.s.settimeout(0.1)
            with self.assertRaises(TimeoutError):
                c.f.read(1)

    def test_quiet_capability(self):
        with Peer(text="oddity quiet-capability") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\n")
            self.assertNotIn(b"CAPABILITY", b"".join(c.until(b"a ")))


class RuleTest(unittest.TestCase):
    def test_answer_by_content_and_count(self):
        text = "on APPEND matching /\\0/ do answer NO [CANNOT] NUL\non APPEND nth 2 do answer NO [THROTTLED] wait\nrequire APPEND exactly 4"
        with Peer(text=text) as p, conn(p) as c:
            got = []
            for body in (b"a", b"b\0", b"c", b"d"):
                try:
                    got.append(c.wait(c.send(b"APPEND INBOX {%d+}\r\n" % len(body), body, b"\r\n"))[:2])
                except ImapError as e:
                    got.append(str(e).encode())
            # A command that one rule answered is not counted by the next one.
            self.assertEqual(got, [b"OK", b"NO [CANNOT] NUL", b"NO [THROTTLED] wait", b"OK"])
            p.check()

    def test_fetch_of_one_uid_refused(self):
        with Peer(text="messages INBOX 3\non FETCH uid 2 do answer NO [UNAVAILABLE] lost") as p, conn(p) as c:
            c.cmd(b"SELECT INBOX")
            with self.assertRaisesRegex(ImapError, "UNAVAILABLE"):
                c.cmd(b"UID FETCH 1:3 (UID)")
            self.assertEqual([x[0] for x in c.untagged], [b"* 1 FETCH (UID 1)", b"* 3 FETCH (UID 3)"])
            p.check()

    def test_cut_inside_literals(self):
        with Peer(text="message INBOX size 5000\non FETCH line /BODY/ do drop at 2000") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\n")
            self.assertEqual(len(c.rest().split(b"{5000}\r\n")[1]), 2000)
        with Peer(text="on APPEND do reset at 10") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\nb APPEND INBOX {50}\r\n")
            c.until(b"+")
            c.say(b"x" * 20)
            self.assertIn(c.rest(), (b"RESET", b""))
            self.assertEqual(p.only.state().count(), 0)

    def test_commit_and_drop(self):
        with Peer(text="on APPEND do commit drop\nrequire message INBOX matching /hello/ exactly 1") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\nb APPEND INBOX {5+}\r\nhello\r\n")
            self.assertNotIn(b"b OK", c.rest())
            p.check()

    def test_early_answer_leaves_the_octets_to_the_client(self):
        with Peer(text="on APPEND larger 100 early do answer NO [LIMIT] no") as p, Raw(p.port) as c:
            c.say(b"a LOGIN a b\r\nb APPEND INBOX {500}\r\n")
            self.assertFalse([x for x in c.until(b"b NO [LIMIT]") if x.startswith(b"+")])
            c.say(b"c APPEND INBOX {500+}\r\n" + b"x" * 500 + b"\r\nd NOOP\r\n")
            c.until(b"c NO")
            c.until(b"d OK")
            p.check()

    def test_each_message_of_a_batch_is_looked_at(self):
        with Peer(text="on APPEND matching /\\Ab/ larger 1 do answer NO\nfolder [x]") as p, conn(p) as c:
            c.wait(c.send(b"APPEND [x] {1+}\r\n", b"a {2+}\r\ncb\r\n"))
            with self.assertRaises(ImapError):
                c.wait(c.send(b"APPEND [x] {1+}\r\n", b"a {2+}\r\nbc\r\n"))
            self.assertEqual(len(p.only.account.folders["[x]"].messages), 2)
            p.check()

    def test_meanwhile(self):
        text = ("folder a\nmessages a 2\nfolder b\non SELECT folder a do uidvalidity a 77\non NOOP first 1 do deliver a\n"
                "on STATUS folder b do delete b\non NOOP nth 2 do bye Suggested Backoff Time: 3")
        with Peer(text=text) as p, conn(p) as c:
            c.cmd(b"SELECT a")
            self.assertIn(b"* OK [UIDVALIDITY 77] UIDs valid", [x[0] for x in c.untagged])
            c.cmd(b"NOOP")
            self.assertEqual(c.untagged, [[b"* 3 EXISTS"]])
            with self.assertRaisesRegex(ImapError, "NONEXISTENT"):
                c.cmd(b"STATUS b (MESSAGES)")
            with self.assertRaisesRegex(ImapError, "closed"):
                c.cmd(b"NOOP")
            self.assertIn(b"* BYE Suggested Backoff Time: 3", c.untagged[-1])
            p.check()

    def test_failures_are_reported(self):
        text = "on EXPUNGE do drop\nrequire NOOP never\nrequire folder Nope\nrequire message INBOX exactly 1\nconnection 3\n login\nend"
        with Peer(text=text) as p:
            with conn(p) as c:
                c.cmd(b"NOOP")
            with self.assertRaises(PeerFailure) as f:
                p.check()
        with Peer(text="oddity uid-last") as p:
            with conn(p) as c:
                c.cmd(b"NOOP")
            with self.assertRaisesRegex(PeerFailure, "oddity uid-last: nothing was done"):
                p.check()
        for part in ("case:1: this never happened", "case:2: require NOOP never", "want: exactly 0 commands\n  got:  1", "case:3",
                     "case:4", "connection 3 was never opened", "server 1 C: "):
            self.assertIn(part, str(f.exception))


class ScriptTest(unittest.TestCase):
    SCRIPT = """
let body <<END
  Subject: x

  hello
END
connection 1
  greet * OK old server
  command /LOGIN (?P<user>\\w+) .*/
  send ${tag} OK hello ${user}
  any-order
    command /SELECT (?P<box>.*)/
      send * 1 EXISTS
      send ${tag} OK [READ-WRITE] ${box}
    command LIST "" "*"
      send ${tag} OK no folders
    optional NOOP
      send ${tag} OK noop
  end
  command UID FETCH 1 BODY[]
  raw * 1 FETCH (UID 1 BODY[] {${#body}}\\r\\n${body})\\r\\n
  send ${tag} OK
  command /APPEND x \\{\\d+\\}/
  literal as back
  line
  same body back
  send ${tag} OK
  repeat 2
    command CHECK
    send ${tag} OK ${i}
  end
end
"""

    def talk(self, p, fetch=b"UID FETCH 1 BODY[]", body=None, checks=2, order=(b"SELECT INBOX", b'LIST "" "*"')):
        with Raw(p.port) as c:
            c.until(b"* OK old")
            c.say(b"c CAPABILITY\r\na LOGIN anna pw\r\n")
            self.assertIn(b"a OK hello anna\r\n", c.until(b"a OK"))
            for i, cmd in enumerate(order):
                c.say(b"n NOOP\r\nb%d %b\r\n" % (i, cmd))
                c.until(b"b%d OK" % i)
            c.say(b"f " + fetch + b"\r\n")
            c.until(b"f OK")
            body = body or b"Subject: x\r\n\r\nhello\r\n"
            c.say(b"g APPEND x {%d}\r\n" % len(body))
            c.until(b"+")
            c.say(body + b"\r\n")
            c.until(b"g OK")
            for i in range(checks):
                c.say(b"h CHECK\r\n")
                c.until(b"h OK %d" % (i + 1))
            c.say(b"z LOGOUT\r\n")
            c.until(b"z OK")

    def test_as_written(self):
        for order in ((b"SELECT INBOX", b'LIST "" "*"'), (b'LIST "" "*"', b"SELECT INBOX")):
            with Peer(text=self.SCRIPT) as p:
                self.talk(p, order=order)
                p.check()

    def fails(self, why, **kw):
        with Peer(text=self.SCRIPT) as p:
            try:
                self.talk(p, **kw)
            except (AssertionError, OSError):
                pass
            with self.assertRaisesRegex(PeerFailure, why):
                p.check()

    def test_otherwise(self):
        self.fails(r"command differs\n  want: UID FETCH 1 BODY\[\]\n  got:  UID FETCH 1 BODY.PEEK\[\]", fetch=b"UID FETCH 1 BODY.PEEK[]")
        self.fails("not the same", body=b"Subject: x\r\n\r\nhellO\r\n")
        self.fails("the client is gone", checks=1)
        self.fails("after the end", checks=3)
        self.fails("none of these fits", order=(b"SELECT INBOX", b"SELECT INBOX"))
        with Peer(text=self.SCRIPT) as p, self.assertRaisesRegex(PeerFailure, "never opened"):
            p.check(settle=0)

    def test_closing(self):
        for end, ok in (("drop", True), ("reset", True), ("closed", True), ("stall closed", True)):
            with self.subTest(end), Peer(text=f"timeout 3\nconnection 1\ngreet\n{end}\nend") as p:
                with Raw(p.port) as c:
                    c.until(b"* OK")
                    if end in ("drop", "reset"):
                        self.assertIn(c.rest(), (b"", b"RESET"))
                p.check()

    def test_flood(self):
        for octets, ok in ((10_000_000_000, True), (100, False)):
            with Peer(text=f"connection 1\nflood {octets} * OK more\\r\\n\nend") as p:
                with Raw(p.port) as c:
                    c.until(b"* OK more")
                if ok:
                    p.check()
                else:
                    with self.assertRaisesRegex(PeerFailure, "went on"):
                        p.check()

    def test_timeout(self):
        with Peer(text="timeout 0.2\nconnection 1\ngreet\ncommand NOOP\nend") as p, Raw(p.port) as c:
            c.until(b"* OK")
            self.assertEqual(c.rest(), b"")
            with self.assertRaisesRegex(PeerFailure, "said nothing for 0.2 s"):
                p.check()

    def test_connections_and_signals(self):
        text = ("connection 1\ngreet * OK one\nwait second\nsend * OK late\ncommand NOOP\nsend ${tag} OK\nend\n"
                "connection any\ngreet * OK more\ncommand X\nsignal second\nsend ${tag} OK\nend\nrequire connections exactly 2")
        with Peer(text=text) as p, Raw(p.port) as one:
            one.until(b"* OK one")
            with Raw(p.port) as two:
                two.until(b"* OK more")
                two.say(b"a X\r\n")
                two.until(b"a OK")
                one.until(b"* OK late")
            one.say(b"a NOOP\r\n")
            one.until(b"a OK")
            one.s.close()
            one.f.close()
            p.check()

    def test_serve(self):
        text = "messages INBOX 2\nconnection 1\ngreet * PREAUTH hello\nserve\nend\nrequire SELECT exactly 1"
        with Peer(text=text) as p, Raw(p.port) as c:
            c.say(b"a SELECT INBOX\r\n")
            self.assertIn(b"* 2 EXISTS\r\n", c.until(b"a OK"))
            p.check(settle=0)

    def test_starttls_by_hand(self):
        text = "connection 1\ngreet * OK x\ncommand STARTTLS\nsend ${tag} OK go\ntls\ncommand LOGOUT\nsend ${tag} OK\nend"
        with Peer(text=text) as p:
            with Raw(p.port) as c:
                c.say(b"a STARTTLS\r\n")
                c.until(b"a OK")
                s = ssl.create_default_context(cafile=p.ca_file).wrap_socket(c.s, server_hostname="localhost")
                s.sendall(b"b LOGOUT\r\n")
                self.assertEqual(s.recv(100), b"b OK\r\n")
                s.close()
            p.check()


class ProgramTest(unittest.TestCase):
    """`run`, `exit`, `output`, with small Python programs in the place of the one under test."""
    COPY = """
import sys
sys.path.insert(0, %r)
from tests.lab.imap import Url
from tests.lab import imapstate
src, dst = sys.argv[2:4]
with Url(src).connect() as a, Url(dst).connect() as b:
    a.cmd(b"EXAMINE INBOX")
    a.cmd(b"UID FETCH 1:* (UID FLAGS BODY.PEEK[])")
    for p in a.untagged:
        if len(p) == 3:
            b.wait(b.send(b"APPEND INBOX (\\\\Seen) \\"01-Mar-2021 00:00:00 +0100\\" {%%d+}\\r\\n" %% len(p[1]), p[1], b"\\r\\n"))
print("copied", sys.argv[1])
""" % str(ROOT)
    CASE = """
case program
side source
  messages INBOX 1
end
side dest
  require like source
  require APPEND exactly 1
end
run copy ${source} ${dest}
output /copied copy/
output never /pw/
"""

    def play(self, case):
        with tempfile.TemporaryDirectory() as d:
            (Path(d) / "program.py").write_text(self.COPY)
            (Path(d) / "x.peer").write_text(case)
            return play(Path(d) / "x.peer", [sys.executable, str(Path(d) / "program.py")])

    def test_good_and_bad(self):
        self.assertIsNone(self.play(self.CASE))
        for old, new, why in (("run copy", "run audit", "does not match"), ("output never /pw/", "output never /copied/", "matches /copied/"),
                              ("messages INBOX 1", "messages INBOX 1 flags (x)", "different 1"),
                              ("source} ${dest}", "source} ${dest}\nexit 3", "want: 3"),
                              ("require APPEND exactly 1", "require APPEND exactly 2", "got:  1"),
                              ("messages INBOX 1", "messages INBOX 1\n on FETCH do answer NO x", "exit status")):
            self.assertIn(why, self.play(self.CASE.replace(old, new)) or "", new)

    def test_changes_between_runs(self):
        case = """
side source
  messages INBOX 1
end
side dest
  require APPEND exactly 4
  require anywhere /delivered meanwhile/ exactly 1
  require anywhere /message 0 / never
end
run copy ${source} ${dest}
change source deliver INBOX
change source flag INBOX 1 \\Flagged
change dest expunge INBOX 1
change dest delete Nowhere
run copy ${source} ${dest}
change dest revalidate-uids INBOX
change dest expunge INBOX 104
run copy ${source} ${dest}
exit any
"""
        self.assertIn("got:  5", self.play(case))
        self.assertIn("anywhere /delivered", self.play(case))
        self.assertIn("want: failure", self.play(case.replace("exit any", "exit failure")))

    def test_command_line(self):
        with tempfile.TemporaryDirectory() as d:
            path = Path(d) / "x.peer"
            path.write_text("case hand\nmessages INBOX 1\nrequire NOOP exactly 1\n")
            for noops in (1, 0):
                p = subprocess.Popen([sys.executable, "-m", "tests.peer", str(path)], cwd=ROOT, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
                facts = dict(line.strip().split("=", 1) for line in iter(p.stdout.readline, "ready\n"))
                with Conn("127.0.0.1", int(facts["server_port"]), "a", "b") as c:
                    for _ in range(noops):
                        c.cmd(b"NOOP")
                out, _ = p.communicate(timeout=20)
                self.assertEqual(p.returncode, 0 if noops else 1, out)
                self.assertEqual("got:  0" in out, not noops)

    def test_ends_in_time(self):
        t = time.monotonic()
        with Peer(text="") as p, conn(p) as c:
            c.cmd(b"NOOP")
        self.assertLess(time.monotonic() - t, 3)


if __name__ == "__main__":
    unittest.main()
