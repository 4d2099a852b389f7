"""Programs that keep two places of mail the same, unmodified, against our server: mbsync, OfflineIMAP, InterIMAP."""

import unittest
from pathlib import Path

from tests.integration.client_rig import LAB_DIR, Clients, message, put, uses
from tests.lab.imap import Conn
from tests.lab.dovecot import Dovecot, installed
from tests.lab.imapstate import compare, read


def maildir(path):
    """{base name without its flags: flags} of a Maildir."""
    found = {}
    for sub in ("new", "cur"):
        for file in (path / sub).iterdir():
            base, _, flags = file.name.partition(":2,")
            found[base] = "".join(c for c in flags if c in "DFPRST")
    return found


def texts(path):
    return sorted(f.read_bytes().replace(b"\r\n", b"\n").split(b"Subject: ")[1].split(b"\n")[0].decode()
                  for sub in ("new", "cur") for f in (path / sub).iterdir())


def flag(path, wanted, flags):
    """Gives the file of a Maildir whose subject is `wanted` these flags, as a mail reader would."""
    for sub in ("new", "cur"):
        for file in (path / sub).iterdir():
            if b"Subject: " + wanted.encode() + b"\n" in file.read_bytes().replace(b"\r\n", b"\n"):
                file.rename(path / "cur" / (file.name.partition(":2,")[0] + ":2," + flags))
                return
    raise AssertionError(f"no {wanted} in {path}")


ACCOUNT = {"INBOX": [("", message("one")), (r"\Seen", message("two")), (r"\Seen \Flagged", message("three"))],
           "Lists/Debian": [(r"\Answered", message("four", body="x" * 100000))],
           "Entw&APw-rfe": [(r"\Draft", message("five"))]}


class Sync(Clients):
    def deliver(self, folder, text):
        """Somebody else's change while the client is not there."""
        put(self.connect(), folder, text)

    @uses("mbsync")
    def test_mbsync(self):
        self.fill(ACCOUNT)
        box = self.dir / "mail"
        box.mkdir()
        rc = self.file("mbsyncrc", f"""
IMAPAccount ours
Host 127.0.0.1
Port {self.port}
User {self.user}
Pass secret
SSLType None

IMAPStore far
Account ours

MaildirStore near
Path {box}/
Inbox {box}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
CopyArrivalDate yes
""")
        self.client("mbsync", "-c", rc, "-a")
        self.assertEqual(texts(box / "INBOX"), ["one", "three", "two"])
        self.assertEqual(texts(box / "Lists/Debian"), ["four"])
        self.assertEqual(sorted(maildir(box / "INBOX").values()), ["", "FS", "S"])
        self.assertEqual(list(maildir(box / "Lists/Debian").values()), ["R"])

        # Both sides change: flags, a removal, a new message here and there, a new folder.
        flag(box / "INBOX", "one", "RS")
        flag(box / "INBOX", "two", "ST")
        (box / "INBOX/new/1234.here.local").write_bytes(message("written here").replace(b"\r\n", b"\n"))
        for sub in ("cur", "new", "tmp"):
            (box / "Made/here" / sub).mkdir(parents=True)
        (box / "Made/here/cur/1235.here.local:2,S").write_bytes(message("far below").replace(b"\r\n", b"\n"))
        self.deliver("Lists/Debian", message("arrived"))
        self.client("mbsync", "-c", rc, "-a")
        now = self.folders()
        self.assertEqual(now["INBOX"], [("one", r"\Answered \Seen"), ("three", r"\Flagged \Seen"), ("written here", "")])
        self.assertEqual(now["Made/here"], [("far below", r"\Seen")])
        self.assertEqual(texts(box / "Lists/Debian"), ["arrived", "four"])
        self.client("mbsync", "-c", rc, "-a")
        self.assertEqual(self.folders(), now, "a run with nothing to do did something")

    @uses("offlineimap")
    def test_offlineimap(self):
        self.fill(ACCOUNT)
        rc = self.file("offlineimaprc", f"""
[general]
accounts = all
metadata = {self.dir}/state
ui = basic

[Account all]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {self.dir}/mail
sync_deletes = yes

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {self.port}
remoteuser = {self.user}
remotepass = secret
ssl = no
starttls = no
auth_mechanisms = PLAIN
createfolders = yes
""")
        self.client("offlineimap", "-c", rc, "-o")
        box = self.dir / "mail"
        self.assertEqual(texts(box / "INBOX"), ["one", "three", "two"])
        self.assertEqual(texts(box / "Lists.Debian"), ["four"])
        self.assertEqual(sorted(maildir(box / "INBOX").values()), ["", "FS", "S"])

        flag(box / "INBOX", "one", "RS")
        next(f for f in (box / "INBOX/cur").iterdir() if b"Subject: two" in f.read_bytes()).unlink()
        (box / "INBOX/new/1234.here.local").write_bytes(message("written here").replace(b"\r\n", b"\n"))
        self.deliver("INBOX", message("arrived"))
        self.client("offlineimap", "-c", rc, "-o")
        now = self.folders()
        self.assertEqual(sorted(now["INBOX"]), [("arrived", ""), ("one", r"\Answered \Seen"), ("three", r"\Flagged \Seen"),
                                                ("written here", "")])
        self.assertEqual(texts(box / "INBOX"), ["arrived", "one", "three", "written here"])
        self.client("offlineimap", "-c", rc, "-o")
        self.assertEqual(self.folders(), now, "a run with nothing to do did something")

    @uses("interimap")
    @unittest.skipUnless(installed(), "no Dovecot here")
    def test_interimap_with_dovecot(self):
        self.fill(ACCOUNT)
        with Dovecot(LAB_DIR, users={"bob": "secret"}, fsync="never") as dovecot:
            config = self.dir / "config/interimap/config"
            config.parent.mkdir(parents=True)
            (self.dir / ".local/share/interimap").mkdir(parents=True)
            config.write_text(f"""
database = state.db
[local]
type = imap
host = 127.0.0.1
port = {self.port}
username = {self.user}
password = secret
STARTTLS = NO
[remote]
type = imap
host = 127.0.0.1
port = {dovecot.port}
username = bob
password = secret
STARTTLS = NO
""")
            config.chmod(0o600)
            data = {"XDG_DATA_HOME": str(self.dir / "data")}
            (self.dir / "data/interimap").mkdir(parents=True)
            self.client("interimap", "--debug", env=data)

            def same():
                diff = compare(read(self.url), read(dovecot.url("bob")))
                self.assertFalse(diff, f"{diff}\n{self.said}")

            same()
            # Both sides change; the second run hears of it by QRESYNC alone.
            ours = self.connect()
            ours.cmd(b"SELECT INBOX")
            ours.cmd(rb"UID STORE 1 +FLAGS (\Answered $Forwarded)")
            ours.cmd(rb"UID STORE 2 +FLAGS (\Deleted)")
            ours.cmd(b"UID EXPUNGE 2")
            put(ours, "INBOX", message("came to us"), "\\Seen")
            with Conn("127.0.0.1", dovecot.port, "bob", "secret") as theirs:
                put(theirs, "INBOX", message("came to Dovecot"))
                theirs.cmd(b"SELECT Lists/Debian")
                theirs.cmd(rb"UID STORE 1 +FLAGS (\Flagged)")
                theirs.cmd(b'SELECT "Entw&APw-rfe"')
                theirs.cmd(rb"UID STORE 1 +FLAGS (\Deleted)")
                theirs.cmd(b"UID EXPUNGE 1")
            self.client("interimap", "--debug", env=data)
            self.assertRegex(self.said, r"local: .*QRESYNC")
            same()
            now = self.folders()
            self.assertEqual(now["INBOX"], [("one", r"$forwarded \Answered"), ("three", r"\Flagged \Seen"),
                                            ("came to us", r"\Seen"), ("came to Dovecot", "")])
            self.assertEqual(now["Lists/Debian"], [("four", r"\Answered \Flagged")])
            self.assertEqual(now["Entwürfe"], [])
            self.client("interimap", env=data)
            self.assertEqual(self.folders(), now, "a run with nothing to do did something")


if __name__ == "__main__":
    unittest.main()
