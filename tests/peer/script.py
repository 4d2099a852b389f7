"""The scripted mode of a peer: plays the lines of a `connection` block, word for word."""

import base64
import re
from dataclasses import dataclass, field

from tests.peer.oddity import CaseError, Event
from tests.peer.session import LITERAL, Session
from tests.peer.stream import Gone, TimedOut


@dataclass
class Stmt:
    where: str
    verb: str
    arg: str = ""
    block: list = field(default_factory=list)


class Failed(Exception):
    """The conversation went otherwise."""


class Ended(Exception):
    """The script closed the connection, as it was to."""


def unescape(text):
    """\\r \\n \\t \\0 \\\\ \\xHH to octets; other characters as UTF-8."""
    out, i = bytearray(), 0
    while i < len(text):
        c = text[i]
        if c != "\\" or i + 1 == len(text):
            out += c.encode()
            i += 1
            continue
        n = text[i + 1]
        if n == "x":
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
            continue
        out += {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}.get(n, b"\\" + n.encode())
        i += 2
    return bytes(out)


PATTERN = re.compile(r"/((?:[^/\\]|\\.)*)/([a-z]*)\Z", re.S)


def regex(text, where):
    """/re/flags as a compiled pattern of bytes, or None when the text is no such thing."""
    m = PATTERN.match(text.strip())
    if not m:
        return None
    flags = re.S
    for f in m[2]:
        if f not in "im":
            raise CaseError(f"{where}: flag {f} of a pattern")
        flags |= re.I if f == "i" else re.M
    try:
        return re.compile(m[1].replace("\\/", "/").encode(), flags)
    except re.error as e:
        raise CaseError(f"{where}: {e}") from None


class Script:
    """One connection that follows a script.  Raises Failed with a reason, or returns when it is through."""

    def __init__(self, side, stream, statements):
        self.side, self.stream, self.statements = side, stream, statements
        self.vars = dict(side.case.vars)
        self.vars["tag"] = b"?"
        self.last = b""             # the last line read
        self.defaults = True
        self.at = None

    def run(self):
        try:
            self.block(self.statements)
            self.the_end()
        except Ended:
            pass
        except Gone as e:
            raise Failed(f"{self.where()}: the client is gone ({e})") from None
        except TimedOut:
            raise Failed(f"{self.where()}: the client said nothing for {self.stream.timeout} s") from None

    def where(self):
        return f"{self.at.where}: {self.at.verb} {self.at.arg}".rstrip() if self.at else "at the end of the script"

    def block(self, statements):
        for s in statements:
            self.at = s
            getattr(self, "do_" + s.verb.replace("-", "_"))(s)

    def the_end(self):
        """After the script only commands that do not matter may come."""
        self.at = None
        try:
            while True:
                line = self.stream.line()
                if not self.by_default(line):
                    raise Failed(f"after the end of the script: got {line!r}")
        except Gone:
            pass

    def text(self, raw):
        """A text with its ${names} and escapes."""
        out, pos = b"", 0
        for m in re.finditer(r"\$\{(#?)([\w-]+)\}", raw):
            value = self.vars.get(m[2])
            if value is None:
                raise Failed(f"{self.where()}: nothing is named {m[2]}")
            out += unescape(raw[pos:m.start()]) + (b"%d" % len(value) if m[1] else value)
            pos = m.end()
        return out + unescape(raw[pos:])

    def fits(self, stmt, got, what="line"):
        """None when `got` is what the statement wants, else the difference."""
        pattern = regex(stmt.arg, stmt.where)
        if pattern:
            m = pattern.fullmatch(got)
            if m:
                self.vars.update({k: v if v is not None else b"" for k, v in m.groupdict().items()})
                return None
            want = stmt.arg
        else:
            want = self.text(stmt.arg)
            if want == got:
                return None
            want = want.decode("latin-1")
        return f"{stmt.where}: {what} differs\n  want: {want}\n  got:  {got.decode('latin-1')}"

    def by_default(self, line):
        """Answers a command that does not matter.  LOGOUT ends the connection."""
        tag, _, rest = line.partition(b" ")
        verb = rest.split(b" ")[0].upper()
        if not self.defaults or verb not in (b"CAPABILITY", b"NOOP", b"ID", b"ENABLE", b"LOGOUT"):
            return False
        side = {b"CAPABILITY": b"* CAPABILITY " + self.side.capability_text(False, self.stream), b"ID": b"* ID NIL",
                b"ENABLE": b"* ENABLED", b"LOGOUT": b"* BYE bye"}.get(verb)
        self.seen(line)
        self.stream.send((side + b"\r\n" if side else b"") + tag + b" OK done\r\n")
        if verb == b"LOGOUT":
            self.stream.drop()
            raise Gone("logged out")
        return True

    def seen(self, line):
        rest = line.partition(b" ")[2]
        words = rest.upper().split(b" ")
        verb = b" ".join(words[:2] if words[0] == b"UID" else words[:1]).decode(errors="replace")
        self.side.seen.append(Event(self.stream.number, verb, rest))
        self.side.tick()

    # Statements.

    def do_greet(self, s):
        self.stream.send((self.text(s.arg) if s.arg else b"* OK [CAPABILITY " + self.side.capability_text(True, self.stream) + b"] ready") + b"\r\n")

    def do_send(self, s):
        self.stream.send(self.text(s.arg) + b"\r\n")

    def do_raw(self, s):
        self.stream.send(self.text(s.arg))

    def read_command(self, wanted):
        """The next command; those that do not matter are answered unless `wanted(rest)` takes them."""
        while True:
            line = self.stream.line()
            tag, _, rest = line.partition(b" ")
            problem = wanted(rest)
            if problem is None:
                self.vars["tag"] = tag
                self.last = line
                self.seen(line)
                return
            if not self.by_default(line):
                raise Failed(problem)

    def do_command(self, s):
        self.read_command(lambda rest: self.fits(s, rest, "command"))

    def do_line(self, s):
        self.last = self.stream.line()
        problem = self.fits(s, self.last)
        if problem:
            raise Failed(problem)

    def do_literal(self, s):
        """literal [no-continue] [as NAME] [size N]: reads what the last line announced."""
        words = s.arg.split()
        m = LITERAL.search(self.last)
        if not m:
            raise Failed(f"{s.where}: the last line announced no literal\n  got:  {self.last!r}")
        if not m[3] and "no-continue" not in words:
            self.stream.send(b"+ go on\r\n")
        if "size" in words and int(words[words.index("size") + 1]) != int(m[2]):
            raise Failed(f"{s.where}: a literal of {int(m[2])} octets")
        data = self.stream.bytes(int(m[2]))
        if "as" in words:
            self.vars[words[words.index("as") + 1]] = data

    def do_same(self, s):
        """same NAME NAME: two texts are equal."""
        a, b = (self.vars.get(n) for n in s.arg.split())
        if a is None or a != b:
            raise Failed(f"{s.where}: not the same\n  want: {a!r}\n  got:  {b!r}")

    def do_let(self, s):
        name, _, value = s.arg.partition(" ")
        self.vars[name] = self.text(value)

    def do_login(self, s):
        """Lets the client in by LOGIN or AUTHENTICATE PLAIN."""
        def wanted(rest):
            up = rest.upper()
            return None if up.startswith((b"LOGIN ", b"AUTHENTICATE PLAIN")) else f"{s.where}: no login\n  got:  {rest!r}"

        self.read_command(wanted)
        rest = self.last.partition(b" ")[2]
        if rest.upper() == b"AUTHENTICATE PLAIN":
            self.stream.send(b"+ \r\n")
            base64.b64decode(self.stream.line())
        while LITERAL.search(self.last):
            self.do_literal(Stmt(s.where, "literal"))
            self.last = self.stream.line()
        self.stream.send(self.vars["tag"] + b" OK [CAPABILITY " + self.side.capability_text(False, self.stream) + b"] in\r\n")

    def do_flood(self, s):
        """flood OCTETS TEXT: says the text over and over; the client must give up before that many octets."""
        limit, _, text = s.arg.partition(" ")
        chunk = self.text(text)
        chunk *= max(1, 65536 // len(chunk))
        sent = 0
        try:
            while sent < int(limit):
                self.stream.send(chunk, quiet=sent > 0)
                sent += len(chunk)
        except Gone:
            raise Ended from None
        raise Failed(f"{s.where}: the client took {sent} octets and went on")

    def do_stall(self, s):
        if s.arg == "closed":
            if not self.stream.wait_closed(self.stream.timeout):
                raise Failed(f"{s.where}: the client did not give up within {self.stream.timeout} s")
            raise Ended
        if self.stream.wait_closed(float(s.arg)):
            raise Gone("while stalled")

    def do_closed(self, s):
        """The client must close now; what it still says and does not matter is answered."""
        try:
            while True:
                line = self.stream.line()
                if not self.by_default(line):
                    raise Failed(f"{s.where}: instead of closing, the client says {line!r}")
        except Gone:
            raise Ended from None

    def do_drop(self, s):
        self.stream.drop()
        raise Ended

    def do_reset(self, s):
        self.stream.drop(reset=True)
        raise Ended

    def do_tls(self, s):
        self.stream.start_tls(self.side.tls_context)

    def do_defaults(self, s):
        self.defaults = s.arg != "off"

    def do_signal(self, s):
        self.side.signal(s.arg)

    def do_wait(self, s):
        if not self.side.wait_signal(s.arg):
            raise Failed(f"{s.where}: nobody signalled {s.arg}")

    def do_repeat(self, s):
        for i in range(int(s.arg)):
            self.vars["i"] = b"%d" % (i + 1)
            self.block(s.block)

    def do_any_order(self, s):
        """Each `command` of the block once, in the order the client likes; `optional` ones as often as it likes."""
        groups = []
        for x in s.block:
            if x.verb in ("command", "optional"):
                groups.append([x])
            elif groups:
                groups[-1].append(x)
            else:
                raise CaseError(f"{x.where}: any-order begins with a command")
        open_ = list(groups)
        while any(g[0].verb == "command" for g in open_):
            chosen = []

            def wanted(rest):
                problems = []
                for g in open_:
                    p = self.fits(g[0], rest, "command")
                    if p is None:
                        chosen.append(g)
                        return None
                    problems.append(p)
                return f"{s.where}: none of these fits\n" + "\n".join(problems)

            self.read_command(wanted)
            if chosen[0][0].verb == "command":
                open_.remove(chosen[0])
            self.block(chosen[0][1:])
            self.at = s

    def do_serve(self, s):
        """Hands the rest of the connection to the stateful server; `serve new` begins with its greeting."""
        self.side.played.add(self.stream.number)
        session = Session(self.side, self.stream, authenticated=s.arg != "new")
        try:
            session.run(greet=s.arg == "new")
        except Gone:
            pass
        raise Ended


BLOCKS = {"repeat", "any-order"}
VERBS = {n[3:].replace("_", "-") for n in dir(Script) if n.startswith("do_")} | {"optional"}
