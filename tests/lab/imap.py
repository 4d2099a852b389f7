"""A little IMAP client on a raw socket for the lab: it loads accounts and reads them back.

It is the second hand that checks what the C program did, so it shares nothing with it.  It knows
only what the lab needs, keeps every byte of a literal, and raises ImapError on NO and BAD.
"""

import base64
import re
import socket
import ssl
from urllib.parse import unquote, urlsplit

LITERAL = re.compile(rb"[{](\d+)[}]\r\n\Z")
STATUS = re.compile(rb"(?:[*]|[^ +]+) (?:OK|NO|BAD|BYE|PREAUTH)\b", re.I)
TOKEN = re.compile(rb'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"\[]+(?:\[[^\]]*\])?(?:<\d+>)?))')


class ImapError(Exception):
    pass


# Modified UTF-7 (RFC 3501 5.1.3) ----------------------------------------------------------------------

def utf7_encode(name):
    """Folder name to its form on the wire, as bytes."""
    out, pending = [], ""

    def flush():
        nonlocal pending
        if pending:
            b64 = base64.b64encode(pending.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
            out.append(b"&" + b64 + b"-")
            pending = ""

    for ch in name:
        if " " <= ch <= "~":
            flush()
            out.append(b"&-" if ch == "&" else ch.encode())
        else:
            pending += ch
    flush()
    return b"".join(out)


def utf7_decode(raw):
    def one(m):
        if m[1] == b"":
            return b"&"
        b64 = m[1].replace(b",", b"/")
        return base64.b64decode(b64 + b"=" * (-len(b64) % 4)).decode("utf-16-be").encode()

    return re.sub(rb"&([^-]*)-", one, raw).decode()


def quoted(raw):
    """A string of the wire's quoted form; what that cannot carry (CR, LF, NUL, 8 bit) is refused."""
    if re.search(rb"[\r\n\0\x80-\xff]", raw):
        raise ValueError(f"needs a literal: {raw!r}")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


# Parsing ---------------------------------------------------------------------------------------------

def parse(parts):
    """A response (text, literal, text, ...) as nested lists; NIL is None, everything else bytes."""
    stack = [[]]
    for i, part in enumerate(parts):
        if i % 2:
            stack[-1].append(part)
            continue
        pos, end = 0, len(part.rstrip())
        while pos < end:
            m = TOKEN.match(part, pos)
            if not m:
                raise ImapError(f"cannot read {part[pos:pos + 60]!r} in {part[:200]!r}")
            pos = m.end()
            if m[1] == b"(":
                stack.append([])
            elif m[1] == b")":
                if len(stack) < 2:
                    raise ImapError(f"unbalanced {part[:200]!r}")
                done = stack.pop()
                stack[-1].append(done)
            elif m[2] is not None:
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", m[2], flags=re.S))
            else:
                stack[-1].append(None if m[3].upper() == b"NIL" else m[3])
    if len(stack) != 1:
        raise ImapError(f"unbalanced {parts[0][:200]!r}")
    return stack[0]


# Connection ------------------------------------------------------------------------------------------

class Url:
    """imap://user:password@host:port/ or imaps://…"""

    def __init__(self, url):
        u = urlsplit(url)
        if u.scheme not in ("imap", "imaps"):
            raise ValueError(f"not an IMAP URL: {url}")
        self.tls = u.scheme == "imaps"
        self.host, self.port = u.hostname, u.port or (993 if self.tls else 143)
        self.user, self.password = unquote(u.username or ""), unquote(u.password or "")

    def connect(self, **kw):
        return Conn(self.host, self.port, self.user, self.password, tls=self.tls, **kw)


class Conn:
    """One connection, logged in when a user is given.  TLS does not verify unless ca_file is given."""

    def __init__(self, host, port, user=None, password="", *, tls=False, ca_file=None, timeout=120):
        self.sock = socket.create_connection((host, port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            ctx = ssl.create_default_context(cafile=ca_file)
            if not ca_file:
                ctx.check_hostname = False
                ctx.verify_mode = ssl.CERT_NONE
            self.sock = ctx.wrap_socket(self.sock, server_hostname=host)
        self.file = self.sock.makefile("rb", buffering=1 << 20)
        self.count = 0
        self.caps = set()
        self.untagged = []
        self.greeting = self.response()
        if user is not None:
            token = base64.b64encode(b"\0" + user.encode() + b"\0" + password.encode())
            tag = self.send(b"AUTHENTICATE PLAIN")
            if self.response()[0][:1] != b"+":
                raise ImapError("AUTHENTICATE PLAIN is not taken")
            self.sock.sendall(token + b"\r\n")
            self.wait(tag)
            self.capability()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, line, *more):
        """Sends a command (without waiting), and what follows it; returns its tag."""
        self.count += 1
        tag = b"L%d" % self.count
        self.sock.sendall(tag + b" " + line + b"\r\n" if not more else b"".join((tag, b" ", line, *more)))
        return tag

    def response(self):
        """The next response: [text, literal, text, ...]; the last text without its CRLF."""
        parts = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\n"):
                raise ImapError("connection closed" + (f" within {line!r}" if line else ""))
            m = LITERAL.search(line)
            if not m or (not parts and STATUS.match(line)):
                parts.append(line.rstrip(b"\r\n"))
                return parts
            data = self.file.read(int(m[1]))
            if len(data) != int(m[1]):
                raise ImapError("connection closed within a literal")
            parts += [line[:m.start()], data]

    def wait(self, tag, on=None):
        """Reads until the answer to `tag`; `on` gets each untagged response (else self.untagged does).
        Returns the text of the answer."""
        if on is None:
            self.untagged = []
            on = self.untagged.append
        while True:
            parts = self.response()
            first = parts[0]
            if first.startswith(tag + b" "):
                text = first[len(tag) + 1:]
                if text[:2].upper() != b"OK":
                    raise ImapError(text.decode(errors="replace"))
                return text
            on(parts)

    def cmd(self, line, on=None):
        return self.wait(self.send(line), on)

    def capability(self):
        self.cmd(b"CAPABILITY")
        for parts in self.untagged:
            if parts[0].upper().startswith(b"* CAPABILITY"):
                self.caps = {c.decode().upper() for c in parts[0].split()[2:]}
        return self.caps

    def list(self, command=b"LIST"):
        """[(set of attributes, delimiter or None, raw name)] of all folders, or with LSUB of the subscribed."""
        rows = []
        self.cmd(command + b' "" "*"')
        for parts in self.untagged:
            v = parse(parts)
            if len(v) >= 5 and v[1] is not None and v[1].upper() == command.split()[0]:
                rows.append(({a.decode() for a in v[2]}, v[3].decode() if v[3] else None, v[4]))
        return rows
