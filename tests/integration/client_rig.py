"""What the tests with other people's clients share: a server with mail in it, and a client's run."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab.base import LabError  # noqa: E402
from tests.lab.imap import Conn, quoted, utf7_encode  # noqa: E402
from tests.lab.imapstate import read  # noqa: E402
from tests.lab.posthaste import Posthaste, program  # noqa: E402

LAB_DIR = os.environ.get("PH_LAB_DIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
LIMIT = 60 * (4 if os.environ.get("PH_SANITIZER") else 1)
WHEN = '"17-Jul-1996 02:44:25 -0700"'


def message(subject, body="Hello.", sender="bob@example.org", more=""):
    """A message with the line ends of the wire."""
    text = (f"From: {sender}\nTo: anna@example.org\nSubject: {subject}\nDate: Wed, 17 Jul 1996 02:44:25 -0700\n"
            f"Message-ID: <{subject.replace(' ', '.')}@example.org>\n{more}\n{body}\n")
    return text.replace("\n", "\r\n").encode()


def uses(*programs):
    """Skips a case where a client is not installed."""
    missing = [p for p in programs if not shutil.which(p)]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


def fetched(folder, name):
    """tests.lab.clients.folder; skips the case where there is no way to get it."""
    try:
        return folder(name)
    except LabError as e:
        raise unittest.SkipTest(f"{name} cannot be had: {e}") from None


class Clients(unittest.TestCase):
    """One server of ours for a class, one account and one directory for a case."""

    options = ()

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(program()):
            raise unittest.SkipTest("the program is not built")
        names = {name.lower(): "secret" for name in unittest.defaultTestLoader.getTestCaseNames(cls)}
        cls.server = Posthaste(LAB_DIR, users=names, options=cls.options).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.user = self._testMethodName.lower()
        self.port = self.server.port
        self.url = self.server.url(self.user)
        self.dir = Path(tempfile.mkdtemp(prefix="ph-client-", dir=LAB_DIR))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def file(self, name, text, mode=0o600):
        path = self.dir / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def client(self, *argv, status=0, limit=LIMIT, **kw):
        """Runs a client with a home of its own; returns what it wrote to standard output."""
        env = {**os.environ, **kw.pop("env", {}), "HOME": str(self.dir), "XDG_CONFIG_HOME": str(self.dir / "config"),
               "LC_ALL": "C.UTF-8"}
        if "input" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, errors="replace", env=env,
                              cwd=kw.pop("cwd", self.dir), timeout=limit, **kw)
        self.said = done.stdout + done.stderr
        if status is not None:
            self.assertEqual(done.returncode, status, f"{argv[0]}: {self.said[-4000:]}\n{self.server.log_text()[-2000:]}")
        return done.stdout

    def connect(self):
        conn = Conn("127.0.0.1", self.port, self.user, "secret")
        self.addCleanup(conn.close)
        return conn

    def fill(self, mail):
        """{folder: [(flags, message), ...]} into the account, by another hand."""
        with Conn("127.0.0.1", self.port, self.user, "secret") as conn:
            for folder, messages in mail.items():
                if folder != "INBOX":
                    conn.cmd(f'CREATE "{folder}"'.encode())
                    conn.cmd(f'SUBSCRIBE "{folder}"'.encode())
                for flags, text in messages:
                    put(conn, folder, text, flags)

    def state(self):
        return read(self.url)

    def folders(self):
        """{folder: [(subject, flags), ...]}, in the order of the UIDs."""
        out = {}
        state = self.state()
        with Conn("127.0.0.1", self.port, self.user, "secret") as conn:
            for name, folder in state.folders.items():
                conn.cmd(b"EXAMINE " + quoted(utf7_encode(name)))
                out[name] = [(subject(conn, m.uid), " ".join(m.flags)) for m in folder.messages]
        return out


def put(conn, folder, text, flags=""):
    """APPENDs a message by hand."""
    tag = conn.send(b"", f'APPEND "{folder}" ({flags}) {WHEN} {{{len(text)}}}\r\n'.encode())
    if not conn.response()[0].startswith(b"+"):
        raise AssertionError("no continuation")
    conn.sock.sendall(text + b"\r\n")
    conn.wait(tag)


def subject(conn, uid):
    conn.cmd(b"UID FETCH %d (BODY.PEEK[HEADER.FIELDS (SUBJECT)])" % uid)
    return next(p[1] for p in conn.untagged if len(p) > 1).decode().strip().removeprefix("Subject: ")
