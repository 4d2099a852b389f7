"""A proxy that knows where in the conversation a byte stands, and cuts there.

The delay proxy (tests/lab) counts bytes; how many come before a certain literal depends on time stamps, host names and
on which answer came first. This one reads along: every stretch of bytes has a name, and a cut is said as
"the 3rd `literal` upwards, in the middle".

    up:    head      a command line of APPEND that ends in a literal's head
           literal   octets of a message
           tail      what follows the last literal of an APPEND: its CRLF
           line:X    any other command X
    down:  answer:X  the tagged answer to command X
           plus      a continuation request
           data:X    an untagged line, X its kind (LIST, FETCH, OK, …)
           literal   octets of a message or header

One thread runs all proxies of a process (asyncio).
"""

import asyncio
import os
import re
import signal
import socket
import struct
import threading
from dataclasses import dataclass, field

LITERAL = re.compile(rb"[{](\d+)([+]?)[}]\r\n\Z")
UP, DOWN = "up", "down"

_loop = None
_lock = threading.Lock()


def loop():
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, daemon=True).start()
    return _loop


def call(coroutine, timeout=60):
    return asyncio.run_coroutine_threadsafe(coroutine, loop()).result(timeout)


@dataclass(frozen=True)
class Cut:
    """Where (a stretch by direction, name and number, counted over all connections) and what happens there.

    at:      0 before its first octet, 1 after its last; in between a share of its length; -k: k octets before its end
    how:     kill     SIGKILL to the program; what it had sent and the proxy had not passed on is lost
             flush    SIGKILL; what it had sent is passed on
             late     SIGKILL; what it had sent is passed on `seconds` later
             rst fin  the connection is cut at both ends, the program lives
             behind   the program's end is reset; what it had sent is passed on `seconds` later
             int      SIGINT, nothing is cut
             held     SIGKILL; what it had sent is passed on at the next cut
             release  that cut; goes on when the server has taken it
             call     `action` is called, in a thread, while everything waits

    then:    another cut, armed when this one has happened; of held: in the next run
    """
    dir: str
    name: str
    number: int               # 0: the next one
    at: float
    how: str
    seconds: float = 0.0      # kill: so long nothing moves before the program is killed
    then: object = None
    action: object = None

    def offset(self, length):
        if self.at < 0:
            return max(0, length + int(self.at))
        return round(self.at * length)


class Scanner:
    """Splits one direction of a connection into named stretches."""

    def __init__(self, proxy, conn, direction):
        self.proxy, self.conn, self.dir = proxy, conn, direction
        self.line, self.left, self.size, self.inside = b"", 0, 0, None
        self.cut_at = self.cutting = None

    def feed(self, data):
        """Yields (octets, is the cut behind them)."""
        while data:
            if self.left:
                piece = data[:self.left]
                data = data[len(piece):]
                yield from self._part(piece, self.size - self.left)
                self.left -= len(piece)
                continue
            end = data.find(b"\n") + 1
            self.line += data[:end] if end else data
            data = data[end:] if end else b""
            if end:
                line, self.line = self.line, b""
                self._begin(self._name(line), len(line))
                yield from self._part(line, 0)
                if m := LITERAL.search(line):
                    self.left = self.size = int(m[1])
                    if self.size:
                        self._begin("literal", self.size)

    def _begin(self, name, length):
        p = self.proxy
        self.cut_at = None
        number = p.seen[self.dir, name] = p.seen.get((self.dir, name), 0) + 1
        p.stretches.append((self.dir, name, number, length))
        cut = p.cut
        if cut and (cut.dir, cut.name, cut.number or number) == (self.dir, name, number):
            self.cut_at, self.cutting = cut.offset(length), cut

    def _part(self, piece, start):
        at = self.cut_at
        if at is not None and start <= at <= start + len(piece) and self.proxy.cut is self.cutting:
            self.cut_at = None
            yield piece[:at - start], True
            piece = piece[at - start:]
        if piece:
            yield piece, False

    def _name(self, line):
        words = line.split(None, 2)
        if self.dir == DOWN:
            if line[:1] == b"+":
                return "plus"
            if line[:1] != b"*":
                return "answer:" + self.conn.tags.get(words[0] if words else b"", "?") if self.inside is None else self._more(line)
            kind = words[1].upper() if len(words) > 1 else b"?"
            if kind.isdigit() and len(words) > 2:
                kind = words[2].split()[0].upper()
            self.inside = "data" if LITERAL.search(line) else None
            if b"BODY[HEADER" in line:
                self.proxy.headers += 1
            return "data:" + kind.decode(errors="replace").strip()
        if self.inside is not None:
            return self._more(line)
        command = words[1].upper().decode(errors="replace") if len(words) > 1 else "?"
        if command == "UID" and len(words) > 2:
            command = "UID " + words[2].split()[0].upper().decode(errors="replace")
        if words:
            self.conn.tags[words[0]] = command
        self.inside = command if LITERAL.search(line) else None
        return "head" if command == "APPEND" and self.inside else "line:" + command

    def _more(self, line):
        """A line that goes on behind a literal."""
        command = self.inside
        if LITERAL.search(line):
            return "head" if command == "APPEND" else "more"
        self.inside = None
        return "tail" if command == "APPEND" else "more"


@dataclass(eq=False)
class Conn:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    tags: dict = field(default_factory=dict)
    held: bytes = b""             # sent by the program after the cut
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # nothing more comes from the program
    left: asyncio.Event = field(default_factory=asyncio.Event)  # nothing more comes from the server
    dead: bool = False            # nothing is passed on any more
    holding: bool = False         # what the program says is held back, what the server says is dropped


class CutProxy:
    """Passes connections on to a port. mask: [(b"FROM", b"TO")] of equal length, changed in lines of the server."""

    def __init__(self, to, cut=None, mask=()):
        self.to, self.cut, self.mask = to, cut, mask
        self.fired = False
        self.frozen = False
        self.seen, self.stretches = {}, []
        self.headers = 0          # FETCH answers with header fields in them
        self.conns = []
        self.pid = None           # whom to kill; may_kill: it is known
        self.may_kill = threading.Event()
        self.accepted = threading.Event()  # somebody has connected
        self.open = self.later = None
        self.released = asyncio.Event()
        self.done = threading.Event()      # what the cut holds back has been passed on, or dropped

    def __enter__(self):
        call(self._start())
        return self

    def __exit__(self, *exc):
        call(self._stop())

    async def _start(self):
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.tasks = set()

    async def _stop(self):
        self.server.close()
        for t in list(self.tasks):
            t.cancel()
        for c in self.conns:
            c.client.transport.abort()
            c.server.transport.abort()

    def renew(self):
        """The next run: from now on connections are passed on again, whatever is still held back of earlier ones."""
        self.may_kill.clear()
        self.frozen = False
        if self.later:
            self.cut, self.later = self.later, None

    def url(self, url):
        return re.sub(r"@[^/@]*", f"@127.0.0.1:{self.port}", url, count=1)

    def task(self, coroutine):
        t = asyncio.ensure_future(coroutine)
        self.tasks.add(t)
        t.add_done_callback(self.tasks.discard)
        return t

    def hold(self):
        """Connections are accepted and hear nothing, until let_go()."""
        async def hold():
            self.open = asyncio.Event()
        call(hold())

    def let_go(self):
        loop().call_soon_threadsafe(self.open.set)

    async def _accept(self, reader, writer):
        self.accepted.set()
        if self.open:
            await self.open.wait()
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        for w in (writer, up_writer):
            w.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn = Conn(writer, up_writer)
        self.conns.append(conn)
        conn.holding = self.frozen
        self.task(self._pump(conn, reader, conn.server, UP))
        self.task(self._pump(conn, up_reader, conn.client, DOWN))

    async def _pump(self, conn, reader, writer, direction):
        scanner = Scanner(self, conn, direction)
        try:
            while data := await reader.read(65536):
                if direction == DOWN:
                    for a, b in self.mask:
                        data = data.replace(a, b)
                await self._pass(conn, scanner, data, writer)
        except (OSError, asyncio.CancelledError):
            pass
        (conn.gone if direction == UP else conn.left).set()
        if not (conn.dead or conn.holding):
            try:
                writer.close()
            except OSError:
                pass

    async def _pass(self, conn, scanner, data, writer):
        for piece, cut in scanner.feed(data):
            if not (conn.dead or conn.holding):
                if not writer.transport.is_closing():
                    writer.write(piece)
            elif scanner.dir == UP:
                conn.held += piece
            if cut:
                await asyncio.wait_for(writer.drain(), 30)
                if self.cut.how == "call":
                    self.fired, cut, self.cut = True, self.cut, self.cut.then
                    await asyncio.to_thread(cut.action)
                    self.done.set()
                else:
                    release = self.cut.how == "release"
                    self._fire(conn)
                    for c in self.conns if release else ():
                        if c.holding:     # the server has read all of it, and hung up
                            await asyncio.wait_for(c.left.wait(), 30)
        if not (conn.dead or conn.holding):
            await writer.drain()

    # The cut -------------------------------------------------------------------------------------------------

    def _fire(self, conn):
        self.fired, cut, self.cut = True, self.cut, self.cut.then
        if cut.how == "held":
            self.cut, self.later = None, self.cut
        self.may_kill.wait(5)     # set before the program can have sent much
        how = cut.how
        if how == "release":
            self.released.set()
        elif how in ("kill", "flush", "late", "held"):
            self.frozen = True
            for c in self.conns:
                c.holding = True
            self.task(self._kill(cut, list(self.conns)))
        elif how == "int":
            os.kill(self.pid, signal.SIGINT)
            self.done.set()
        elif how == "behind":
            conn.holding = True
            reset(conn.client)
            self.task(self._after_reset(cut, conn))
        else:
            conn.dead = True
            for w in (conn.client, conn.server):
                reset(w) if how == "rst" else w.close()
            self.done.set()

    async def _kill(self, cut, conns):
        if cut.how == "kill":
            await asyncio.sleep(cut.seconds)
        os.kill(self.pid, signal.SIGKILL)
        for c in conns:
            try:
                await asyncio.wait_for(c.gone.wait(), 30)
            except asyncio.TimeoutError:
                pass
        if cut.how == "held":
            await self.released.wait()
        elif cut.how != "kill":
            await asyncio.sleep(cut.seconds)
        for c in conns:
            await self._finish(c, cut.how != "kill")
        self.done.set()

    async def _after_reset(self, cut, conn):
        await asyncio.sleep(cut.seconds)
        await self._finish(conn, True)
        self.done.set()

    async def _finish(self, conn, deliver):
        try:
            if deliver and conn.held:
                conn.server.write(conn.held)
                await conn.server.drain()
            conn.server.close()
        except OSError:
            pass


def reset(writer):
    """Ends a connection with RST."""
    sock = writer.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    writer.transport.abort()
