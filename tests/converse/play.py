"""Plays a conversation with a server, and says where it went another way."""

import calendar
import os
import re
import select
import socket
import ssl
import subprocess
import zlib
from pathlib import Path

from .script import Bad, words
from .tokens import Response, Wrong, match

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10 * (6 if os.environ.get("PH_SANITIZER") else 1)
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Failure(Exception):
    pass


def shortened(data):
    text = data.decode("utf-8", "replace").rstrip("\r\n")
    return text if len(text) < 400 else f"{text[:200]} … {text[-100:]}"


class Server:
    """conversation_server beside the program under test."""

    def __init__(self, program=None, certificates=None):
        build = Path(program).parent if program else ROOT / "build"
        binary = build / "tests/converse/conversation_server"
        self.process = subprocess.Popen([str(binary), *([str(certificates / n) for n in ("cert.pem", "key.pem")] if certificates else [])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ports = {}
        for line in self.process.stdout:
            if line == b"ready\n":
                break
            name, port = line.decode().split()
            self.ports[name] = int(port)
        else:
            raise Failure(f"{binary} did not start")

    def stop(self):
        """Its exit status: a sanitizer's report shows in it."""
        self.process.stdin.close()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.process.stdout.close()


class Line:
    """A connection: lines with their literals."""

    def __init__(self, port, log, name):
        self.sock = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.log, self.name = b"", log, name
        self.inflate = self.deflate = None
        self.open = True

    def send(self, data):
        self.log.append((f"C{self.name}", data))
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Failure(f"the server has closed the connection ({e})") from None

    def fill(self):
        """More octets; False at the end."""
        try:
            data = self.sock.recv(65536)
        except (socket.timeout, TimeoutError):
            raise Failure(f"no answer within {SECONDS} s" + (f"; unfinished: {self.buffer!r}" if self.buffer else "")) from None
        except OSError:
            data = b""
        if not data:
            return False
        self.buffer += self.inflate.decompress(data) if self.inflate else data
        return True

    def response(self):
        """The next response without its CRLF."""
        at = 0
        while True:
            end = self.buffer.find(b"\r\n", at)
            if end < 0:
                if not self.fill():
                    raise Failure("the server closed the connection" + (f" behind {self.buffer!r}" if self.buffer else ""))
                continue
            m = re.search(rb"\{(\d+)\}$", self.buffer[at:end])
            if not m:
                break
            at = end + 2 + int(m.group(1))
            while len(self.buffer) < at:
                if not self.fill():
                    raise Failure("the server closed the connection in a literal")
        data, self.buffer = self.buffer[:end], self.buffer[end + 2:]
        self.log.append((f"S{self.name}", data))
        return data

    def nothing(self):
        """Is there nothing to read now?"""
        if self.buffer:
            return False
        pending = getattr(self.sock, "pending", None)
        if pending and pending():
            return False
        return not select.select([self.sock], [], [], 0)[0]

    def start_tls(self, ca):
        if self.buffer:
            raise Failure(f"octets before TLS: {self.buffer!r}")
        self.log.append((f"C{self.name}", b"(TLS handshake)"))
        context = ssl.create_default_context(cafile=str(ca)) if ca else ssl._create_unverified_context()
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        except OSError as e:
            raise Failure(f"TLS: {e}") from None

    def start_deflate(self):
        self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(6, zlib.DEFLATED, -15)
        if self.buffer:
            self.buffer = self.inflate.decompress(self.buffer)

    def close(self):
        self.open = False
        self.sock.close()


def epoch_of(date):
    """17-Jul-1996 02:44:25 -0700 as seconds and minutes."""
    m = re.fullmatch(r" ?(\d+)-(\w{3})-(\d{4}) (\d+):(\d+):(\d+) ([+-])(\d\d)(\d\d)", date)
    if not m:
        raise Bad(f"no date: {date}")
    zone = (int(m[8]) * 60 + int(m[9])) * (-1 if m[7] == "-" else 1)
    t = calendar.timegm((int(m[3]), MONTHS.index(m[2]) + 1, int(m[1]), int(m[4]), int(m[5]), int(m[6])))
    return t - zone * 60, zone


def default_message(i, subject=None):
    return (f"From: Fred Foobar <fred@example.org>\r\nTo: Ann <ann@example.org>\r\nSubject: {subject or f'message {i}'}\r\n"
            f"Date: Mon, 7 Feb 2022 21:52:25 -0800\r\nMessage-ID: <{i}@example.org>\r\n\r\nThis is message {i}.\r\n")


class Player:
    def __init__(self, script, ports, user, ca=None, password="secret"):
        self.script, self.ports, self.ca = script, ports, ca
        self.log, self.sessions, self.control = [], {}, None
        self.names = {"user": user.encode(), "password": password.encode(), "crlf": b"\r\n"}
        self.made = 0

    # -- preparation, through the commands of conversation_server

    def prepare(self, verb, *args, bodies=()):
        if not self.control:
            self.control = Line(self.ports["plain"], [], "")
            self.control.response()
            self.control.send(b"0 LOGIN control secret\r\n")
            while not self.control.response().startswith(b"0 OK"):
                pass
        data = b"1 " + verb.encode()
        for a in args:
            a = a.encode() if isinstance(a, str) else a
            data += b" {%d+}\r\n%s" % (len(a), a)
        self.control.send(data + b"\r\n")
        while True:
            answer = self.control.response()
            if answer.startswith(b"1 "):
                break
        if not answer.startswith(b"1 OK"):
            raise Bad(f"{verb} {args[:2]}: {answer.decode()}")
        return answer

    def options(self, text):
        """key value pairs of a preparing statement."""
        found, rest = {}, list(text)
        while rest:
            key = rest.pop(0)
            if not rest:
                raise Bad(f"{key} without a value")
            found[key] = rest.pop(0)
        return found

    def do_mailbox(self, step):
        name, *rest = words(self.plain(step.text))
        o = self.options(rest)
        user = self.names["user"]
        if name.upper() != "INBOX":
            self.prepare("X-MAILBOX", user, name, o.get("use", ""))
        if "uidvalidity" in o or "uidnext" in o:
            self.prepare("X-NUMBERS", user, name, o.get("uidvalidity", "0"), o.get("uidnext", "0"))

    def put(self, mailbox, o, text):
        user = self.names["user"]
        if "uid" in o:
            self.prepare("X-NUMBERS", user, mailbox, "0", o["uid"])
        epoch, zone = epoch_of(o.get("date", "17-Jul-1996 02:44:25 -0700"))
        self.prepare("X-PUT", user, mailbox, o.get("flags", ""), str(epoch), str(zone), text)

    def do_message(self, step):
        mailbox, *rest = words(self.plain(step.text.split("${<")[0]))
        o = self.options(rest)
        self.made += 1
        text = self.plain(step.bodies[0][1]) if step.bodies else default_message(self.made, o.get("subject"))
        self.put(mailbox, o, text.encode("utf-8", "surrogateescape"))

    def do_messages(self, step):
        mailbox, n, *rest = words(self.plain(step.text))
        o = self.options(rest)
        for _ in range(int(n)):
            self.made += 1
            self.put(mailbox, o, default_message(self.made, o.get("subject")))
            o.pop("uid", None)

    def do_remove(self, step):
        mailbox, uids = words(self.plain(step.text))
        for part in uids.split(","):
            a, _, b = part.partition(":")
            for uid in range(int(a), int(b or a) + 1):
                self.prepare("X-REMOVE", self.names["user"], mailbox, str(uid))

    def do_rights(self, step):
        mailbox, who, rights = words(self.plain(step.text))
        self.prepare("X-RIGHTS", self.names["user"], mailbox, who, rights)

    # -- names

    def fill(self, text, bodies, holes=None):
        """Text with its names filled in, as octets. With `holes`, what is to be found becomes a mark (tokens.Matcher)."""
        def one(m):
            inside = m.group(1)
            if inside.startswith("<"):
                kind, body = bodies[int(inside[1:])]
                body = self.fill(body, (), holes)
                if holes is not None:
                    if b"\xee\x80\x80" in body:
                        return b'"%s"' % body.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
                    return b"{%d}\r\n%s" % (len(body), body)
                return b"%s{%d%s}\r\n%s" % (b"~" if "~" in kind else b"", len(body), b"+" if "+" in kind else b"", body)
            if inside.startswith("0x"):
                return bytes.fromhex(inside[2:])
            if inside.startswith("repeat "):
                n, _, what = inside[7:].partition(" ")
                return what.encode() * int(n)
            if holes is not None and (inside.startswith("/") or "=" in inside):
                name, _, expression = (None, None, inside[1:-1]) if inside.startswith("/") else inside.partition("=")
                holes[len(holes)] = (name, expression.strip("/") or r"[^][() \"]+")
                return f"\ue000{len(holes) - 1}\ue001".encode()
            if inside not in self.names:
                raise Bad(f"nothing is named {inside}")
            return self.names[inside]

        out, at = b"", 0
        for m in re.finditer(r"\$\{((?:/(?:[^/]|(?<=\\)/)*/|[^{}/]|\{[^{}]*\}|/(?!\}))*)\}", text):
            out += text[at:m.start()].encode("utf-8") + one(m)
            at = m.end()
        return out + text[at:].encode("utf-8")

    def plain(self, text):
        return self.fill(text, ()).decode("utf-8", "surrogateescape")

    # -- the conversation

    def session(self, n):
        if n not in self.sessions:
            s = self.connect(n)
            if self.script.head.get("login") != "no":
                self.log_in(s)
        return self.sessions[n]

    def connect(self, n):
        port = self.ports.get(self.script.head.get("server", "plain"))
        if port is None:
            raise Bad("no such server")
        self.sessions[n] = Line(port, self.log, str(n))
        return self.sessions[n]

    def log_in(self, s):
        s.response()
        s.send(b"login LOGIN %s %s\r\n" % (self.names["user"], self.names["password"]))
        while True:
            got = s.response()
            if got.startswith(b"login "):
                break
        if not got.startswith(b"login OK"):
            raise Failure("no login")
        if "enable" in self.script.head:
            s.send(b"enable ENABLE %s\r\n" % self.script.head["enable"].encode())
            while not s.response().startswith(b"enable OK"):
                pass
        need = self.script.head.get("needs", "").split()
        have = got.decode().split("]")[0].split()
        missing = [c for c in need if c not in have]
        if missing:
            raise Failure("not offered: " + " ".join(missing))

    def say(self, step):
        """A command: synchronising literals wait for their continuation."""
        s = self.session(step.session)
        pieces = re.split(r"(\$\{<\d+\})", step.text)
        data = b""
        for piece in pieces:
            if re.fullmatch(r"\$\{<\d+\}", piece):
                kind = step.bodies[int(piece[3:-1])][0]
                head, _, body = self.fill(piece, step.bodies).partition(b"\r\n")
                if "+" in kind:
                    data += head + b"\r\n" + body
                else:
                    s.send(data + head + b"\r\n")
                    got = s.response()
                    if not got.startswith(b"+"):
                        raise Failure(f"no continuation, but {got!r}")
                    data = body
            else:
                data += self.fill(piece, step.bodies)
        s.send(data if step.kind == "R" else data + b"\r\n")

    def expect(self, steps):
        """The lines S, U and M of one session that follow each other."""
        s, wanted = self.session(steps[0].session), []
        may = []
        for step in steps:
            holes = {}
            data = self.fill(step.text, step.bodies, holes)
            try:
                pattern = Response(data, pattern=True)
            except Wrong as e:
                raise Bad(f"line {step.line}: {e}") from None
            (may if step.kind == "M" else wanted).append((step, pattern, holes))
        while wanted:
            self.line = wanted[0][0].line
            data = s.response()
            got = Response(data)
            # the first one, or any of the unordered ones in front
            n = 1
            if wanted[0][0].kind == "U":
                while n < len(wanted) and wanted[n][0].kind == "U":
                    n += 1
            for i in range(n):
                # holes that earlier lines filled are filled already; match() refuses two values for one name
                found = match(wanted[i][1], got, wanted[i][2])
                if found is not None:
                    self.names.update(found)
                    del wanted[i]
                    break
            else:
                found = next((f for f in (match(p, got, h) for _, p, h in may) if f is not None), None)
                self.names.update(found or {})
                if found is None:
                    raise Failure("wanted " + " or ".join(self.shown(w[0]) for w in wanted[:n]) + f"\n   got {shortened(data)}")

    def shown(self, step):
        return step.text.replace("${<", "<<")

    def do_let(self, step):
        name, _, value = step.text.partition(" ")
        self.names[name] = self.fill(value, step.bodies)

    def do_check(self, step):
        a, op, b = self.plain(step.text).split()
        a, b = (int(x) if x.isdigit() else x for x in (a, b))
        if not {"<": lambda: a < b, ">": lambda: a > b, "=": lambda: a == b, "!=": lambda: a != b, "<=": lambda: a <= b,
                ">=": lambda: a >= b}[op]():
            raise Failure(f"not so: {step.text} ({a} {op} {b})")

    def number(self, step):
        return int(step.text or 1)

    def do_connect(self, step):
        n = self.number(step)
        if n in self.sessions:
            self.sessions[n].close()
        self.connect(n)

    def do_close(self, step):
        self.session(self.number(step)).close()
        del self.sessions[self.number(step)]

    def do_closed(self, step):
        s = self.session(self.number(step))
        while s.fill():
            pass
        if s.buffer:
            raise Failure(f"more before the end of the connection: {s.buffer!r}")
        s.close()
        del self.sessions[self.number(step)]

    def do_starttls(self, step):
        self.session(self.number(step)).start_tls(self.ca)

    def do_deflate(self, step):
        self.session(self.number(step)).start_deflate()

    def do_repeat(self, step):
        for i in range(int(self.plain(step.text))):
            self.names["i"] = str(i + 1).encode()
            self.steps(step.steps)

    def steps(self, steps):
        i = 0
        while i < len(steps):
            step = steps[i]
            self.line = step.line
            if step.kind in "SUM":
                j = i
                while j < len(steps) and steps[j].kind in ("S", "U", "M") and steps[j].session == step.session:
                    j += 1
                self.expect(steps[i:j])
                i = j
                continue
            if step.kind in "CR":
                self.say(step)
            else:
                getattr(self, "do_" + step.kind)(step)
            i += 1

    def finish(self):
        """Nothing more may have been said than was expected."""
        for s in self.sessions.values():
            s.send(b"logout LOGOUT\r\n")
            for want in (b"* BYE", b"logout OK"):
                got = s.response()
                if not got.upper().startswith(want.upper()):
                    raise Failure(f"at the end of the script: wanted {want!r}\n   got {got!r}")

    def play(self):
        """None, or a report."""
        self.line = 0
        try:
            if self.script.head.get("store"):
                self.prepare("X-STORE", self.names["user"], self.script.head["store"])
            self.steps(self.script.steps)
            self.finish()
        except (Failure, Wrong, Bad) as e:
            said = "\n".join(f"   {who}: {shortened(what)}" for who, what in self.log[-16:])
            return f"{self.script.path.name}:{self.line}: {e}\n{said}"
        finally:
            for s in [*self.sessions.values(), *([self.control] if self.control else [])]:
                s.close()
        return None
