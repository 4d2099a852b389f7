"""One connection of a peer: lines and bytes in both directions, TLS on demand, and a transcript."""

import contextlib
import socket
import ssl
import struct
import time
import zlib

MAX_LINE = 10_000_000


class Gone(Exception):
    """The client closed the connection, or broke it."""


class TimedOut(Exception):
    """The client said nothing for the time a case allows."""


class Stream:
    def __init__(self, sock, number, log, timeout):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        self.sock, self.number, self.log, self.timeout = sock, number, log, timeout
        self.buffer = bytearray()
        self.tls = False
        self.closed = False
        self.inflate = self.deflate = None

    def note(self, who, data):
        self.log.append((self.number, who, bytes(data[:300]), len(data)))

    def _fill(self):
        try:
            data = self.sock.recv(262144)
        except (TimeoutError, socket.timeout):
            raise TimedOut from None
        except (OSError, ValueError) as e:
            raise Gone(str(e)) from None
        if not data:
            raise Gone("closed")
        try:
            self.buffer += self.inflate.decompress(data) if self.inflate else data
        except zlib.error as e:
            raise Gone(f"what came is not DEFLATE: {e}") from None

    def line(self):
        """The next line without its end, which should be CRLF; a bare LF is kept visible as such."""
        start = 0
        while True:
            i = self.buffer.find(b"\n", start)
            if i >= 0:
                break
            start = len(self.buffer)
            if start > MAX_LINE:
                raise Gone("a line without an end")
            self._fill()
        line = bytes(self.buffer[:i + 1])
        del self.buffer[:i + 1]
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1] + b"<bare LF>"
        self.note("C", line)
        return line

    def bytes(self, n):
        while len(self.buffer) < n:
            self._fill()
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        self.note("C", b"{%d octets} " % n + data)
        return data

    def send(self, data, quiet=False):
        if self.closed:
            raise Gone("closed by us")
        if not quiet:
            self.note("S", data)
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        try:
            self.sock.sendall(data)
        except (TimeoutError, socket.timeout):
            raise TimedOut from None
        except (OSError, ValueError) as e:
            raise Gone(str(e)) from None

    def wait_closed(self, seconds):
        """Reads and drops until the client is gone."""
        end = time.monotonic() + seconds
        with contextlib.suppress(Gone):
            while time.monotonic() < end:
                self.sock.settimeout(max(0.01, end - time.monotonic()))
                self._fill()
                self.buffer.clear()
            return False
        return True

    def start_tls(self, context, keep=False):
        """Answers a handshake.  What the client sent too early is dropped, as RFC 9051 6.2.1 wants; `keep` is the
        faulty server that does not."""
        early = bytes(self.buffer)
        self.buffer.clear()
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True)
        except (OSError, ssl.SSLError) as e:
            self.note("!", f"TLS handshake: {e}".encode())
            raise Gone(f"TLS handshake: {e}") from None
        if keep:
            self.buffer += early
        self.tls = True

    def start_deflate(self):
        """RFC 4978: from here on both directions are raw DEFLATE; what is in the buffer came compressed already."""
        early = bytes(self.buffer)
        self.buffer.clear()
        self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(6, zlib.DEFLATED, -15)
        try:
            self.buffer += self.inflate.decompress(early)
        except zlib.error as e:
            raise Gone(f"what came is not DEFLATE: {e}") from None

    def drop(self, reset=False):
        """Closes; with reset, by RST and without waiting for what is on the way."""
        if self.closed:
            return
        self.closed = True
        self.note("!", b"reset" if reset else b"closed by the peer")
        with contextlib.suppress(OSError):
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif not self.tls:
                self.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            self.sock.close()
