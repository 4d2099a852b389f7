"""What a mail reader for desktops does all day, as Thunderbird's and others' logs have it: several connections that wait, told of
each other's changes, with ID, ENABLE, COMPRESS, CONDSTORE and QRESYNC; and a phone that comes back after a while."""

import re
import socket
import ssl
import unittest
import zlib

from tests.integration.client_rig import Clients, message


class Reader:
    """A connection by hand: lines out, answers in; with TLS and DEFLATE as a reader puts them on."""

    def __init__(self, port, user, ca=None):
        self.sock = socket.create_connection(("localhost", port), timeout=60)
        self.data, self.count, self.inflate, self.deflate = b"", 0, None, None
        self.greeting = self.line()
        if ca:
            self.ask("STARTTLS")
            self.sock = ssl.create_default_context(cafile=ca).wrap_socket(self.sock, server_hostname="localhost")
        self.ask("CAPABILITY")
        self.ask(f'LOGIN "{user}" "secret"')

    def more(self):
        got = self.sock.recv(65536)
        if not got:
            raise AssertionError("the server closed the connection")
        self.data += self.inflate.decompress(got) if self.inflate else got

    def line(self):
        """A response, its literals within."""
        out = b""
        while True:
            while b"\r\n" not in self.data:
                self.more()
            line, self.data = self.data.split(b"\r\n", 1)
            out += line + b"\r\n"
            literal = re.search(rb"[{](\d+)[}]$", line)
            if not literal:
                return out.decode()
            while len(self.data) < int(literal[1]):
                self.more()
            out, self.data = out + self.data[:int(literal[1])], self.data[int(literal[1]):]

    def say(self, text):
        raw = text.encode() if isinstance(text, str) else text
        if self.deflate:
            raw = self.deflate.compress(raw) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(raw)

    def ask(self, command, literal=None):
        """The untagged responses, and the text of the tagged one last."""
        self.count += 1
        tag, got = f"t{self.count}", []
        self.say(f"{tag} {command}\r\n")
        while True:
            line = self.line()
            if line.startswith("+ ") and literal is not None:
                self.say(literal + b"\r\n")
            elif line.startswith(tag + " "):
                if not line.startswith(tag + " OK"):
                    raise AssertionError(f"{command}: {line}")
                return [*got, line]
            else:
                got.append(line)

    def compress(self):
        self.ask("COMPRESS DEFLATE")
        self.inflate = zlib.decompressobj(-15)
        self.deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.data = b""

    def idle(self):
        self.say("idle IDLE\r\n")
        while not self.line().startswith("+"):
            pass

    def hear(self, pattern):
        while True:
            line = self.line()
            if re.match(pattern, line):
                return line

    def done(self):
        self.say("DONE\r\n")
        self.hear("idle OK")


def find(lines, pattern):
    return [m for m in (re.match(pattern, line, re.S) for line in lines) if m]


class Day(Clients):
    def reader(self, tls=False):
        r = Reader(self.port, self.user, self.server.ca_file if tls else None)
        self.addCleanup(r.sock.close)
        return r

    def test_two_that_wait(self):
        """Two windows on one mailbox, IDLE twice: each hears what the other does, in the words it has enabled."""
        self.fill({"INBOX": [("", message("one")), ("", message("two"))], "Drafts": [], "Trash": []})
        a, b = self.reader(tls=True), self.reader()
        self.assertTrue(find(a.ask('ID ("name" "Thunderbird" "version" "115.0")'), r'\* ID \("name" '))
        self.assertTrue(find(a.ask("ENABLE CONDSTORE QRESYNC"), r"\* ENABLED .*QRESYNC"))
        a.compress()
        a.ask('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)')
        a.ask("SELECT INBOX (CONDSTORE)")
        self.assertEqual(len(find(a.ask("UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date "
                                        "Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type "
                                        "Reply-To)])"), r"\* \d+ FETCH .*Subject: ")), 2)
        b.ask("SELECT INBOX")
        a.idle()
        b.idle()
        c = self.reader()
        c.ask("APPEND INBOX (\\Seen) {%d}" % len(message("three")), message("three"))
        a.hear(r"\* 3 EXISTS")
        b.hear(r"\* 3 EXISTS")
        b.done()
        b.ask(r"UID STORE 1 +FLAGS.SILENT (\Answered $Forwarded)")
        self.assertRegex(a.hear(r"\* 1 FETCH "), r"UID 1 .*\\Answered.*MODSEQ \(\d+\)|MODSEQ \(\d+\).*\\Answered")
        b.idle()
        a.done()
        a.ask("UID MOVE 2 Trash")
        b.hear(r"\* 2 EXPUNGE")
        a.idle()
        b.done()
        b.ask(r"STORE 1 +FLAGS (\Deleted)")
        b.ask("EXPUNGE")
        a.hear(r"\* VANISHED 1")
        a.done()
        self.assertEqual(self.folders(), {"INBOX": [("three", r"\Seen")], "Drafts": [], "Trash": [("two", "")]})

    def test_each_capability_is_named_once(self):
        r = self.reader(tls=True)
        for said in r.greeting, r.ask("CAPABILITY")[0]:
            words = re.search(r"CAPABILITY ([^]\r]*)", said)[1].upper().split()
            self.assertEqual(sorted(words), sorted(set(words)))

    def test_a_draft_is_saved_again_and_again(self):
        """Readers save a draft as a new message and delete the old one; the new UID comes with APPENDUID."""
        self.fill({"Drafts": []})
        r = self.reader()
        r.ask("ENABLE QRESYNC")
        r.ask("SELECT Drafts")
        old = None
        for n in range(5):
            text = message(f"draft {n}")
            said = r.ask(r"APPEND Drafts (\Draft \Seen) {%d}" % len(text), text)
            uid = int(re.search(r"\[APPENDUID \d+ (\d+)\]", said[-1])[1])
            if old:
                r.ask(rf"UID STORE {old} +FLAGS.SILENT (\Deleted)")
                self.assertTrue(find(r.ask(f"UID EXPUNGE {old}"), rf"\* VANISHED {old}\r"))
            old = uid
        self.assertEqual(self.folders()["Drafts"], [("draft 4", r"\Draft \Seen")])

    def test_coming_back(self):
        """What was seen before is brought up to date by SELECT with QRESYNC alone, also what changed below numbers that still hold."""
        self.fill({"INBOX": [("", message(f"number {n}")) for n in range(1, 7)]})
        phone = self.reader()
        phone.ask("ENABLE QRESYNC")
        told = " ".join(phone.ask("SELECT INBOX"))
        validity, modseq = (re.search(rf"\[{k} (\d+)\]", told)[1] for k in ("UIDVALIDITY", "HIGHESTMODSEQ"))
        phone.ask("LOGOUT")
        other = self.reader()
        other.ask("SELECT INBOX")
        other.ask(r"UID STORE 1 +FLAGS.SILENT (\Flagged)")
        other.ask(r"UID STORE 3,5 +FLAGS.SILENT (\Deleted)")
        other.ask("EXPUNGE")
        other.ask("APPEND INBOX {%d}" % len(message("new")), message("new"))
        for match in "", " 1:6", " 1:6 (1:2,4 1:2,4)", " 1:6 (2,6 2,6)":
            with self.subTest(match=match):
                phone = self.reader()
                phone.ask("ENABLE QRESYNC")
                told = phone.ask(f"SELECT INBOX (QRESYNC ({validity} {modseq}{match}))")
                self.assertEqual([m[1] for m in find(told, r"\* VANISHED \(EARLIER\) (\S+)\r")], ["3,5"])
                self.assertEqual([m[1] for m in find(told, r"\* 1 FETCH \(.*UID (\d+).*\\Flagged")], ["1"])
                # RFC 7162 3.2.5.1: with a list of known UIDs, only of those
                self.assertEqual(len(find(told, r"\* 5 FETCH \(.*UID 7")), 0 if match else 1, told)
                phone.ask("LOGOUT")

    def test_conflicts_are_noticed(self):
        """Two change a flag from the same state: UNCHANGEDSINCE lets the first one, and tells the second."""
        self.fill({"INBOX": [("", message("one")), ("", message("two"))]})
        a, b = self.reader(), self.reader()
        for r in a, b:
            told = " ".join(r.ask("SELECT INBOX (CONDSTORE)"))
        modseq = re.search(r"\[HIGHESTMODSEQ (\d+)\]", told)[1]
        a.ask(rf"UID STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\Flagged)")
        said = b.ask(rf"UID STORE 1:2 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\Seen)")
        self.assertIn("[MODIFIED 1]", said[-1])
        self.assertEqual([m[1] for m in find(b.ask(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})"), r"\* \d FETCH \(.*?UID (\d)")],
                         ["1", "2"])
        self.assertEqual(self.folders()["INBOX"], [("one", r"\Flagged"), ("two", r"\Seen")])


if __name__ == "__main__":
    unittest.main()
