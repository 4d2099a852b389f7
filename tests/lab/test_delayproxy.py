import contextlib
import os
import socket
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab import imapstate, mailgen, servers  # noqa: E402
from tests.lab.imap import Conn  # noqa: E402
from tests.lab.proxy import DelayProxy  # noqa: E402


class Peer:
    """A server of one function a connection."""

    def __init__(self, serve):
        self.serve, self.seen = serve, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                t = threading.Thread(target=self._one, args=(s,), daemon=True)
                self.threads.append(t)
                t.start()

    def _one(self, s):
        with s, contextlib.suppress(OSError):
            self.serve(s)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for t in self.threads:
            t.join(10)


def connect(port):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(20)
    return s


def read_all(s):
    out = b""
    while data := s.recv(65536):
        out += data
    return out


class Sink:
    """Collects what arrives on each connection until its end."""

    def __init__(self):
        self.got = []
        self.ended = threading.Event()

    def __call__(self, s):
        data = bytearray()
        self.got.append(data)
        try:
            while chunk := s.recv(65536):
                data += chunk
        finally:
            self.ended.set()


def echo(s):
    s.sendall(b"* hello\r\n")
    while data := s.recv(65536):
        s.sendall(data)


class DelayTest(unittest.TestCase):
    def test_time_and_round_trips(self):
        with Peer(echo) as peer, DelayProxy(peer.port, rtt=60) as p:
            t = time.monotonic()
            with connect(p.port) as s:
                self.assertEqual(s.recv(100), b"* hello\r\n")
                greeting = time.monotonic() - t
                for _ in range(3):
                    s.sendall(b"a")
                    self.assertEqual(s.recv(100), b"a")
                whole = time.monotonic() - t
            self.assertGreater(greeting, 0.118)      # handshake and greeting: 2
            self.assertGreater(whole, 0.298)
            p.wait_event("closed")
            self.assertEqual(p.stats()["round_trips"], 5)

    def test_early_bytes_wait_for_the_handshake_and_one_flight_is_one(self):
        with Peer(echo) as peer, DelayProxy(peer.port, rtt=60) as p:
            t = time.monotonic()
            with connect(p.port) as s:
                s.sendall(b"ab")
                s.sendall(b"cd")
                got = b""
                while len(got) < 13:
                    got += s.recv(100)
                self.assertEqual(got, b"* hello\r\nabcd")
                self.assertGreater(time.monotonic() - t, 0.118)
            p.wait_event("closed")
            self.assertEqual(p.stats()["round_trips"], 2)

    def test_order_and_half_close(self):
        data = os.urandom(3_000_000)
        with Peer(echo) as peer, DelayProxy(peer.port, rtt=20) as p, connect(p.port) as s:
            sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
            sender.start()
            self.assertEqual(read_all(s), b"* hello\r\n" + data)
            sender.join()

    def test_rate_at_100_ms(self):
        """300 MB/s over four connections with a tenth of a second between the ends."""
        block, per = bytes(1 << 20), 100

        def source(s):
            for _ in range(per):
                s.sendall(block)

        def drain():
            with connect(p.port) as s:
                buf, n = bytearray(1 << 20), 0
                while got := s.recv_into(buf):
                    n += got
                total.append(n)

        total = []
        with Peer(source) as peer, DelayProxy(peer.port, rtt=100) as p:
            t = time.monotonic()
            threads = [threading.Thread(target=drain) for _ in range(4)]
            for x in threads:
                x.start()
            for x in threads:
                x.join()
            rate = sum(total) / 1e6 / (time.monotonic() - t - 0.2)
        self.assertEqual(sum(total), 4 * per << 20)
        self.rate = rate
        # how fast it is belongs to ./run bench; here every octet arrived, in order
        if os.environ.get("PH_LAB_VERBOSE"):
            print(f"{rate:.0f} MB/s", file=sys.stderr)

    def test_log(self):
        with tempfile.TemporaryDirectory() as d:
            log = Path(d) / "log"
            with Peer(echo) as peer, DelayProxy(peer.port, log=log) as p:
                with connect(p.port) as s:
                    s.recv(100)
                    s.sendall(b"abc")
                    s.recv(100)
                p.wait_event("closed")
            rows = [line.split()[1:] for line in log.read_text().splitlines()]
            self.assertEqual(rows, [["1", "open", "0", "1"], ["1", "down", "9", "2"], ["1", "up", "3", "2"], ["1", "down", "3", "3"]])

    def test_server_refuses(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            dead = s.getsockname()[1]
        with DelayProxy(dead, rtt=10) as p, connect(p.port) as s:
            with self.assertRaises(ConnectionResetError):
                s.recv(1)
            p.wait_event("refused")


class FaultTest(unittest.TestCase):
    def test_cut_after_exactly_n_bytes_up(self):
        sink = Sink()
        with Peer(sink) as peer, DelayProxy(peer.port, cut="up:1000:both") as p:
            with connect(p.port) as s:
                with self.assertRaises(ConnectionError):
                    for _ in range(1000):
                        s.sendall(b"x" * 300)
                        time.sleep(0.001)
                p.wait_event("cut")
            self.assertTrue(sink.ended.wait(10))
            self.assertEqual(len(sink.got[0]), 1000)

    def test_cut_client_only_leaves_the_server_waiting(self):
        sink = Sink()
        with Peer(sink) as peer, DelayProxy(peer.port, cut="up:10:client") as p:
            with connect(p.port) as s:
                s.sendall(b"x" * 10)
                with self.assertRaises(ConnectionResetError):
                    s.recv(1)
            self.assertFalse(sink.ended.wait(0.3))
            self.assertEqual(bytes(sink.got[0]), b"x" * 10)
            p.stop()
            self.assertTrue(sink.ended.wait(10))

    def test_cut_down_with_fin_on_the_second_connection(self):
        with Peer(echo) as peer, DelayProxy(peer.port, cut="down@2:12:both:fin") as p:
            with connect(p.port) as one, connect(p.port) as two:
                one.recv(100)
                two.recv(100)
                for s in (one, two):
                    s.sendall(b"abcdef")
                self.assertEqual(two.recv(100), b"abc")
                self.assertEqual(two.recv(100), b"")
                self.assertEqual(one.recv(100), b"abcdef")

    def test_late_delivers_after_the_client_died(self):
        sink = Sink()
        with Peer(sink) as peer, DelayProxy(peer.port, late="up:100:0.4") as p:
            with connect(p.port) as s:
                s.sendall(b"a" * 100 + b"b" * 50)
                p.wait_event("held")
                s.sendall(b"c" * 7)
                time.sleep(0.1)     # the fault is that nothing happens in this time
                self.assertEqual(len(sink.got[0]), 100)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            t = time.monotonic()
            self.assertTrue(sink.ended.wait(10))
            self.assertGreater(time.monotonic() - t, 0.35)
            self.assertEqual(bytes(sink.got[0]), b"a" * 100 + b"b" * 50 + b"c" * 7)

    def test_hold_keeps_the_last_bytes(self):
        sink = Sink()
        with Peer(sink) as peer, DelayProxy(peer.port, hold="100:0.5:0.2") as p:
            with connect(p.port) as s:
                s.sendall(b"a" * 1000)
                time.sleep(0.1)
                self.assertEqual(len(sink.got[0]), 900)
                time.sleep(0.3)     # while the client lives they come, a little later
                self.assertEqual(len(sink.got[0]), 1000)
                s.sendall(b"b" * 500)
                time.sleep(0.05)
            self.assertEqual(len(sink.got[0]), 1400)
            t = time.monotonic()
            self.assertTrue(sink.ended.wait(10))
            self.assertGreater(time.monotonic() - t, 0.4)
            self.assertEqual(len(sink.got[0]), 1500)

    def test_stall(self):
        with Peer(echo) as peer, DelayProxy(peer.port, stall="up:5:0.5") as p, connect(p.port) as s:
            s.recv(100)
            s.sendall(b"12345")
            self.assertEqual(s.recv(100), b"12345")
            p.wait_event("stalled")
            t = time.monotonic()
            s.sendall(b"6")
            self.assertEqual(s.recv(100), b"6")
            self.assertGreater(time.monotonic() - t, 0.4)

    def test_control_lines(self):
        with Peer(echo) as peer, DelayProxy(peer.port) as p, connect(p.port) as s:
            s.recv(100)
            p.command("rtt 100")
            p.stats()
            t = time.monotonic()
            s.sendall(b"x")
            s.recv(1)
            self.assertGreater(time.monotonic() - t, 0.09)
            p.command("cut both")
            with self.assertRaises(ConnectionResetError):
                s.recv(1)

    def test_mask_across_borders(self):
        def talk(s):
            for piece in (b"* CAP [APPENDUID 1] [APP", b"ENDUID 2] UID", b"PLUS [APPEND", b"ED\r\n"):
                s.sendall(piece)
                time.sleep(0.02)

        with Peer(talk) as peer, DelayProxy(peer.port, mask=["[APPENDUID=[XPPENDUID", "UIDPLUS=UIDNONE"]) as p:
            with connect(p.port) as s:
                self.assertEqual(read_all(s), b"* CAP [XPPENDUID 1] [XPPENDUID 2] UIDNONE [APPENDED\r\n")


@unittest.skipUnless(servers.Available().dovecot, "no Dovecot here")
class RealServerTest(unittest.TestCase):
    def test_account_through_proxy_without_uidplus(self):
        a = mailgen.Account(messages=100, folders=3, total=3_000_000)
        with servers.Dovecot(tls=False) as d, \
                DelayProxy(d.port, rtt=5, mask=["UIDPLUS=XIDPLUS", "[APPENDUID=[XPPENDUID"]) as p:
            mailgen.load(a, p.url(d.url("demo")))
            self.assertEqual(imapstate.read(p.url(d.url("demo"))).count(), 100)
            with Conn("127.0.0.1", p.port, "demo", "pw") as c:
                self.assertNotIn("UIDPLUS", c.caps)
                text = c.wait(c.send(b"APPEND INBOX {4+}\r\n", b"a: b\r\n"))
                self.assertIn(b"XPPENDUID", text)


if __name__ == "__main__":
    unittest.main()
