"""./run bench idle: what a connection costs that waits in IDLE.

Sessions of 100 users, each with a mailbox of 1,000 messages selected, in clear and in TLS: how much the proportional set size of the
server's processes grows for each. Then mail is delivered to every user, and every session has to be told.
"""

import imaplib
import os
import resource
import selectors
import socket
import ssl
import subprocess
import sys
import time

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))   # this folder has a copy.py: not Python's

from bench import _rig as rig  # noqa: E402
from tests.lab.base import group_members  # noqa: E402
from tests.lab.posthaste import Posthaste  # noqa: E402

LOAD = rig.BUILD / "bench/load"


def pss(server):
    """Bytes of all its processes."""
    total = 0
    for pid in group_members(server.pid):
        with open(f"/proc/{pid}/smaps_rollup") as text:
            total += sum(int(line.split()[1]) for line in text if line.startswith("Pss:"))
    return total * 1024


class Clear:
    """The sessions, held by bench/load."""

    def __init__(self, server, count, users):
        self.process = subprocess.Popen([LOAD, "idle", str(server.port), "user%d", "pw", str(count), str(users)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith("ready")

    def told(self, count, seconds):
        self.process.stdin.write(f"wait {count} {seconds}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline().split()[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Tls:
    """The same in TLS, held here."""

    def __init__(self, server, count, users):
        context = ssl.create_default_context(cafile=str(server.ca_file))
        self.all = []
        for i in range(count):
            sock = context.wrap_socket(socket.create_connection(("127.0.0.1", server.tls_port)), server_hostname="127.0.0.1")
            self.read(sock, b"* OK")
            sock.sendall(b"a LOGIN user%d pw\r\n" % (i % users))
            self.read(sock, b"a OK")
            sock.sendall(b"b SELECT INBOX\r\n")
            self.read(sock, b"b OK")
            sock.sendall(b"c IDLE\r\n")
            self.read(sock, b"+ ")
            self.all.append(sock)

    @staticmethod
    def read(sock, what):
        got = b""
        while what not in got or not got.endswith(b"\r\n"):
            piece = sock.recv(65536)
            assert piece, got
            got += piece

    def told(self, count, seconds):
        selector, told = selectors.DefaultSelector(), set()
        for sock in self.all:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        end = time.monotonic() + seconds
        while len(told) < count and time.monotonic() < end:
            for key, _ in selector.select(0.2):
                try:
                    if b" EXISTS" in key.fileobj.recv(65536):
                        told.add(key.fd)
                except ssl.SSLWantReadError:
                    pass
        return len(told)

    def close(self):
        for sock in self.all:
            sock.close()


def deliver(server, users, messages):
    text = b"Subject: hello\r\n\r\n" + b"x" * 500 + b"\r\n"
    for i in range(users):
        with imaplib.IMAP4("127.0.0.1", server.port) as c:
            c.login(f"user{i}", "pw")
            if messages == 1:
                c.append("INBOX", None, None, text)
                continue
            for at in range(0, messages, 1000):
                some = min(1000, messages - at)
                c.send(b"m APPEND INBOX" + b" {%d+}\r\n%s" % (len(text), text) * some + b"\r\n")
                while not c.readline().startswith(b"m OK"):
                    pass


def main(o):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    t = rig.Table(f"{o.connections} connections in IDLE, {o.users} users, {o.inbox} messages in each mailbox", "transport",
                  "before MB", "after MB", "kB a connection", "told", "s")
    for name, kind in (("clear", Clear), ("TLS", Tls)):
        with rig.workplace(o.dir or rig.memory_folder(2e9)) as work:
            with Posthaste(dir=work, users=[f"user{i}" for i in range(o.users)],
                           options=["--connections", str(o.connections + 100)]) as server:
                rig.progress(f"{name}: filling")
                deliver(server, o.users, o.inbox)
                before = pss(server)
                rig.progress(f"{name}: connecting")
                sessions = kind(server, o.connections, o.users)
                time.sleep(2)   # buffers of the last sessions are given back
                after = pss(server)
                began = time.monotonic()
                deliver(server, o.users, 1)
                told = sessions.told(o.connections, 120)
                took = time.monotonic() - began
                sessions.close()
                t.add(name, f"{before / 1e6:.1f}", f"{after / 1e6:.1f}", f"{(after - before) / 1000 / o.connections:.1f}", told,
                      f"{took:.1f}")
    yield t


if __name__ == "__main__":
    p = rig.parser("idle", "Measures what a connection costs that waits in IDLE.")
    p.add_argument("--connections", type=int, default=10_000)
    p.add_argument("--users", type=int, default=100)
    p.add_argument("--inbox", type=int, default=1000)
    sys.exit(rig.run(main, p.parse_args()))
