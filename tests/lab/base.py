"""What the private servers have in common: a directory, two ports, a process group, and an end."""

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote


class LabError(Exception):
    """A server could not be installed, started or stopped; the text says what to do."""


# Ports ----------------------------------------------------------------------------------------------

def free_port():
    """A loopback port that nothing listens on, below the range the kernel hands to outgoing
    connections, so that it stays free until the server has bound it."""
    rng = random.SystemRandom()
    for _ in range(200):
        port = rng.randrange(15000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise LabError("no free port on 127.0.0.1")


def wait_greeting(port, alive, seconds=20.0):
    """Waits until an IMAP greeting comes from the port; `alive` says whether to go on waiting."""
    end = time.monotonic() + seconds
    why = "no answer"
    while time.monotonic() < end:
        if not alive():
            raise LabError("the server ended while starting")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                s.settimeout(5)
                line = s.recv(512)
                if line.startswith(b"* "):
                    with contextlib.suppress(OSError):
                        s.sendall(b"x LOGOUT\r\n")
                    return
                why = repr(line)
        except OSError as e:
            why = str(e)
        time.sleep(0.03)
    raise LabError(f"no greeting on port {port}: {why}")


# Certificates ---------------------------------------------------------------------------------------

def make_ca(path):
    """Makes a certificate authority and a certificate for localhost, 127.0.0.1 and ::1 in `path`:
    ca.pem, cert.pem, key.pem; and other-ca.pem, an authority that signed nothing."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)

    def openssl(*args):
        r = subprocess.run(["openssl", *args], cwd=path, capture_output=True, text=True)
        if r.returncode != 0:
            raise LabError("openssl " + args[0] + ": " + r.stderr.strip())

    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("ca", "other-ca"):
        openssl("req", "-x509", *ec, "-keyout", f"{name}-key.pem", "-out", f"{name}.pem", "-days", "30",
                "-subj", f"/CN=Test {name}", "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-new", *ec, "-keyout", "key.pem", "-out", "cert.csr", "-subj", "/CN=localhost")
    (path / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n"
                              "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
            "-out", "cert.pem", "-days", "30", "-extfile", "ext")
    for key in path.glob("*key.pem"):
        key.chmod(0o600)
    return path


# Processes ------------------------------------------------------------------------------------------

def group_members(pgid):
    """The processes in a process group, zombies left out."""
    found = []
    for p in Path("/proc").iterdir():
        if not p.name.isdigit():
            continue
        try:
            stat = (p / "stat").read_text()
        except OSError:
            continue
        state, _, group = stat.rsplit(")", 1)[1].split()[:3]
        if int(group) == pgid and state != "Z":
            found.append(int(p.name))
    return found


# Waits for its standard input to end, which it does when the caller is gone, however that went.
GUARD = r"""
read line
[ "$line" = done ] && exit 0
kill -TERM "-$1" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "-$1" 2>/dev/null || break; sleep 0.3; done
kill -KILL "-$1" 2>/dev/null
[ -n "$2" ] && rm -rf -- "$2"
"""


class Server:
    """What both servers have in common: a directory, a process group, two ports, and an end.

    dir:      the directory to make the server's own directory in (PH_LAB_DIR, then the system's
              temporary directory); /dev/shm is a good one for speed.
    keep:     leave the directory behind on stop.
    users:    None: whoever comes with `password` gets an account; else {name: password}, or names.
    tls:      make a test authority and offer TLS on `tls_port` and STARTTLS on `port`.
    """

    kind = "server"

    def __init__(self, dir=None, *, users=None, password="pw", tls=True, keep=False):
        if users is not None and not isinstance(users, dict):
            users = {u: password for u in users}
        self.users = users
        self.password = password
        self.tls = tls
        self.keep = keep
        self.parent = Path(dir or os.environ.get("PH_LAB_DIR") or tempfile.gettempdir())
        self.host = "127.0.0.1"
        self.dir = None
        self.port = self.tls_port = None
        self.proc = None
        self.guard = None

    # What a caller uses.

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    @property
    def pid(self):
        return self.proc.pid if self.proc else None

    @property
    def ca_file(self):
        return self.dir / "tls" / "ca.pem" if self.tls else None

    @property
    def log_file(self):
        return self.dir / "log"

    def log_text(self):
        try:
            return self.log_file.read_text(errors="replace")
        except OSError:
            return ""

    def password_of(self, user):
        return self.password if self.users is None else self.users[user]

    def url(self, user, tls=False, host=None):
        """The account as a store URL with its password, as tests may write it."""
        scheme, port = ("imaps", self.tls_port) if tls else ("imap", self.port)
        # The certificate carries both names; an address needs no resolver.
        return f"{scheme}://{quote(user, safe='')}:{quote(self.password_of(user), safe='')}@{host or self.host}:{port}/"

    def start(self):
        last = None
        for _ in range(3):      # a port can be taken between choosing and binding it
            try:
                self._start_once()
                return self
            except LabError as e:
                last = LabError(f"{self.kind}: {e}\n{self.log_text()[-2000:]}")
                self.stop()
                if "in use" not in str(last):
                    break
            except BaseException:
                self.stop()
                raise
        raise last

    def stop(self):
        """Ends the server and waits until its last process is gone; may be called again."""
        proc, self.proc = self.proc, None
        if proc is not None:
            self._end_group(proc)
        guard, self.guard = self.guard, None
        if guard is not None:
            with contextlib.suppress(OSError):
                guard.stdin.write(b"done\n")
                guard.stdin.close()
            guard.wait()
        if self.dir is not None and not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        atexit.unregister(self.stop)

    def kill(self):
        """SIGKILL to every process at once, as a power cut would look to a client; the directory stays
        until stop()."""
        if self.proc is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()

    def restart(self):
        """Ends the server if it runs, and starts it again on the same ports and files."""
        if self.proc is not None:
            self._end_group(self.proc)
        self._launch()

    # The common parts of starting.

    def _start_once(self):
        self.parent.mkdir(parents=True, exist_ok=True)
        self.dir = Path(tempfile.mkdtemp(prefix=f"ph-{self.kind}-", dir=self.parent))
        self.dir.chmod(0o755)
        atexit.register(self.stop)
        self.port = free_port()
        self.tls_port = free_port() if self.tls else None
        if self.tls:
            make_ca(self.dir / "tls")
        self._configure()
        self._launch()

    def _launch(self):
        argv, env = self._command()
        with open(self.dir / "out", "ab") as out:
            # A session of its own: Ctrl-C on the terminal reaches the caller first, and one process
            # group holds everything that has to end.
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                         cwd=self.dir, start_new_session=True)
        old, self.guard = self.guard, subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self.proc.pid), "" if self.keep else str(self.dir)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        if old is not None:
            old.stdin.write(b"done\n")
            old.stdin.close()
            old.wait()
        try:
            for port in filter(None, (self.port,)):
                wait_greeting(port, lambda: self.proc.poll() is None)
        except LabError as e:
            out = (self.dir / "out").read_text(errors="replace")
            raise LabError(f"{e}\n{out[-2000:]}") from None

    def _end_group(self, proc):
        # To the whole group at once: the master alone takes a second to notice that its children went.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(proc.pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if proc.poll() is not None and not group_members(proc.pid):
                return
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(proc.pid, signal.SIGKILL)
        proc.wait()

    def _configure(self):
        raise NotImplementedError

    def _command(self):
        raise NotImplementedError
