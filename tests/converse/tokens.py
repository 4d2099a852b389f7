"""Responses taken apart as RFC 9051 section 9 has them, and compared with patterns.

A response is read strictly: one blank between two values, none at the edges of a list. It is compared loosely where
the protocol leaves the order or the form open: a string is the same quoted, as a literal or as an atom; flags, capabilities, items of
FETCH, STATUS and ESEARCH are the same in any order; sets of numbers are the numbers; text for people does not matter.
"""

import re


class Wrong(Exception):
    """Not the syntax of a response, or not what the pattern wants."""


class Atom(bytes):
    pass


class Str(bytes):
    pass


class List(list):
    pass


ANY = Atom(b"...")
STATUS = re.compile(rb"(\*|[^\s*+(){%\"\\]+) ((?:OK|NO|BAD|BYE|PREAUTH)(?:\|(?:OK|NO|BAD|BYE))*)(?: |$)", re.I)
LITERAL = re.compile(rb"~?\{(\d+)\+?\}\r\n")
SECTION = re.compile(rb"(BODY|BINARY|BINARY\.SIZE|BODY\.PEEK|BINARY\.PEEK)\[", re.I)


class Reader:
    QUOTED = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"')
    IN_PATTERN = re.compile(rb'"((?:[^"\\]|\\["\\])*)"')

    def __init__(self, data, pattern=False):
        self.data, self.at = data, 0
        self.quotes = self.IN_PATTERN if pattern else self.QUOTED

    def fail(self, why):
        raise Wrong(f"{why} at octet {self.at} of {self.data!r}")

    def more(self):
        return self.at < len(self.data)

    def peek(self):
        return self.data[self.at:self.at + 1]

    def quoted(self):
        m = self.quotes.match(self.data, self.at)
        if not m:
            self.fail("no proper quoted string")
        self.at = m.end()
        return Str(re.sub(rb'\\(["\\])', rb"\1", m.group(1)))

    def literal(self, m):
        n = int(m.group(1))
        text = self.data[m.end():m.end() + n]
        if len(text) < n:
            self.fail("a literal that is cut")
        self.at = m.end() + n
        return Str(text)

    def section(self):
        """BODY[HEADER.FIELDS (DATE)]<0>: one name, without regard to case and quotes."""
        depth, start = 0, self.at
        while self.more():
            c = self.peek()
            if c == b'"':
                self.quoted()
                continue
            self.at += 1
            depth += {b"[": 1, b"]": -1}.get(c, 0)
            if depth == 0 and c == b"]":
                break
        m = re.compile(rb"<[0-9.]+>").match(self.data, self.at)
        if m:
            self.at = m.end()
        return Atom(self.data[start:self.at].upper().replace(b'"', b""))

    def value(self, inside=b""):
        c = self.peek()
        if c == b'"':
            return self.quoted()
        if c == b"(":
            return self.list(b"(", b")")
        m = LITERAL.match(self.data, self.at)
        if m:
            return self.literal(m)
        if SECTION.match(self.data, self.at):
            return self.section()
        end = rb" ()\r\n\"" + (rb"\]" if inside == b"]" else b"")
        m = re.compile(rb"[^" + end + rb"]+").match(self.data, self.at)
        if not m:
            self.fail("no value")
        self.at = m.end()
        return Atom(m.group())

    def list(self, opening, closing):
        self.at += 1
        found = List()
        while self.peek() != closing:
            if found:
                if self.peek() == b" ":
                    self.at += 1
                elif not (isinstance(found[-1], List) and self.peek() == b"("):  # bodies: 1*body
                    self.fail("two values without a blank")
            found.append(self.value(closing))
            if not self.more():
                self.fail("a list without its end")
        self.at += 1
        return found

    def all(self):
        found = [self.value()]
        while self.more():
            if self.peek() != b" ":
                # THREAD: threads follow each other without a blank
                if not (isinstance(found[-1], List) and self.peek() == b"("):
                    self.fail("two values without a blank")
            else:
                self.at += 1
            found.append(self.value())
        return found


class Response:
    """One response: `kind` is "+", "status" or "data"."""

    def __init__(self, data, pattern=False):
        """data: without the CRLF at its end; placeholders of a pattern are part of atoms and strings."""
        self.data, self.code = data, None
        m = STATUS.match(data)
        if data[:1] == b"+":
            if data[1:2] not in (b" ", b""):
                raise Wrong(f"no blank behind the plus: {data!r}")
            self.kind, self.text = "+", data[2:]
        elif m:
            self.kind, self.tag, self.word = "status", m.group(1), m.group(2).upper()
            if data[m.end():m.end() + 1] == b"[":
                r = Reader(data, pattern)
                r.at = m.end()
                self.code = r.list(b"[", b"]")
        elif data.startswith(b"* "):
            self.kind, self.nodes = "data", Reader(data[2:], pattern).all()
        else:
            raise Wrong(f"no response: {data!r}")

    def tagged(self):
        return self.kind == "status" and self.tag != b"*"


# ---- comparing ----

def numbers(atom):
    """2:4,7 as numbers, or None."""
    if not re.fullmatch(rb"\d+(:\d+)?(,\d+(:\d+)?)*", atom) or len(atom) > 10000:
        return None
    found = []
    for part in atom.split(b","):
        a, _, b = part.partition(b":")
        a, b = int(a), int(b or a)
        if abs(b - a) > 100000:
            return None
        found += range(a, b + 1) if a <= b else range(a, b - 1, -1)
    return found


class Matcher:
    """Compares, with the placeholders of a script: `holes` maps marks in a pattern to (name or None, regular expression)."""

    MARK = re.compile("\ue000(\\d+)\ue001".encode())

    def __init__(self, holes):
        self.holes, self.found = holes, {}

    def text(self, want, got):
        if b"\xee\x80\x80" not in want:
            return want == got
        pattern, names, at = b"", [], 0
        for m in self.MARK.finditer(want):
            name, expression = self.holes[int(m.group(1))]
            pattern += re.escape(want[at:m.start()]) + b"(" + expression.encode() + b")"
            names.append((name, re.compile(expression).groups))
            at = m.end()
        m = re.fullmatch(pattern + re.escape(want[at:]), got, re.S)
        if not m:
            return False
        group = 1
        for name, inner in names:
            if name:
                value = m.group(group)
                if self.found.setdefault(name, value) != value:
                    return False
            group += 1 + inner
        return True

    def value(self, want, got):
        if isinstance(want, List) or isinstance(got, List):
            return isinstance(want, List) and isinstance(got, List) and self.row(want, got)
        if (want.upper() == b"NIL" and isinstance(want, Atom)) != (got.upper() == b"NIL" and isinstance(got, Atom)):
            return b"\xee\x80\x80" in want and self.text(want, got)
        if want[:1] == b"\\" and want.lower() == got.lower():
            return True
        if isinstance(want, Atom) and (b":" in want or b"," in want or b":" in got):
            if numbers(want) is not None and numbers(want) == numbers(got):
                return True
        return self.text(want, got)

    def row(self, want, got):
        """In this order; `...` stands for any number of values."""
        if not want:
            return not got
        if want[0] == ANY:
            return any(self.again(lambda n=n: self.row(want[1:], got[n:])) for n in range(len(got) + 1))
        return bool(got) and self.value(want[0], got[0]) and self.row(want[1:], got[1:])

    def again(self, attempt):
        kept = dict(self.found)
        if attempt():
            return True
        self.found = kept
        return False

    def bag(self, want, got, same):
        """In any order; `...` allows more."""
        if not want:
            return not got
        if want[0] == ANY:
            rest = [w for w in want if w != ANY]
            return True if not rest else self.bag(rest + [ANY], got, same)
        for i, g in enumerate(got):
            if self.again(lambda: same(want[0], g) and self.bag(want[1:], got[:i] + got[i + 1:], same)):
                return True
        return False

    def pairs(self, nodes):
        found, i = [], 0
        while i < len(nodes):
            if nodes[i] == ANY:
                found.append(ANY)
                i += 1
            else:
                found.append((nodes[i], nodes[i + 1] if i + 1 < len(nodes) else None))
                i += 2
        return found

    def pair(self, want, got):
        if want == ANY or got == ANY or want[1] is None or got[1] is None:
            return want == got
        if not self.text(want[0], got[0]):
            return False
        if want[0] in (b"FLAGS", b"PERMANENTFLAGS") and isinstance(got[1], List) and isinstance(want[1], List):
            return self.bag(list(want[1]), list(got[1]), self.value)
        return self.value(want[1], got[1])

    def pairs_of(self, want, got):
        if not isinstance(want, List) or not isinstance(got, List):
            return want == ANY
        return self.bag(self.pairs(want), self.pairs(got), self.pair)

    def code(self, want, got):
        if want is None:
            return True
        if got is None:
            return not want
        if want and got and want[0] == got[0] and want[0] == b"CAPABILITY":
            return self.bag(list(want[1:]), list(got[1:]), self.value)
        if want and got and want[0] == got[0] == b"PERMANENTFLAGS":
            return want[1] == ANY or self.bag(list(want[1]), list(got[1]), self.value)
        return self.row(want, got)

    def data(self, want, got):
        if want == [ANY]:
            return True
        number = want[0].isdigit() or b"\xee\x80\x80" in want[0]
        kind = want[1] if number and len(want) > 1 else want[0]
        if kind in (b"FETCH", b"UIDFETCH"):
            return len(got) == 3 and len(want) == 3 and self.row(want[:2], got[:2]) and self.pairs_of(want[2], got[2])
        if number:
            return self.row(want, got)
        if kind != got[0]:
            return False
        if kind == b"FLAGS":
            return want[1] == ANY or len(got) == 2 and self.bag(list(want[1]), list(got[1]), self.value)
        if kind in (b"CAPABILITY", b"ENABLED"):
            return self.bag(want[1:], got[1:], self.value)
        if kind in (b"LIST", b"LSUB") and len(want) > 1 and want[1] != ANY:
            return isinstance(got[1], List) and self.bag(list(want[1]), list(got[1]), self.value) and self.row(want[2:], got[2:])
        if kind == b"STATUS":
            return len(got) == 3 and self.value(want[1], got[1]) and self.pairs_of(want[2], got[2])
        if kind == b"METADATA" and isinstance(want[-1], List):
            return len(got) == 3 and self.value(want[1], got[1]) and self.pairs_of(want[2], got[2])
        if kind == b"ESEARCH":
            return self.esearch(want[1:], got[1:])
        return self.row(want, got)

    def esearch(self, want, got):
        if want == [ANY]:
            return True
        if isinstance(want[:1] and want[0], List):
            if not (got and isinstance(got[0], List) and self.row(want[0], got[0])):
                return False
            want, got = want[1:], got[1:]
        if (want[:1] == [b"UID"]) != (got[:1] == [b"UID"]):
            return False
        if want[:1] == [b"UID"]:
            want, got = want[1:], got[1:]
        return self.bag(self.pairs(want), self.pairs(got), self.pair)

    def response(self, want, got):
        if want.kind == "data" and want.nodes == [ANY]:
            return got.kind == "data" or (got.kind == "status" and got.tag == b"*")
        if want.kind != got.kind:
            return False
        if want.kind == "+":
            return b"\xee\x80\x80" not in want.text or self.text(want.text, got.text)
        if want.kind == "status":
            return got.word in want.word.split(b"|") and self.text(want.tag, got.tag) and self.code(want.code, got.code)
        return self.data(want.nodes, got.nodes)


def match(want, got, holes=None):
    """None when the response does not fit, otherwise what its placeholders stand for."""
    m = Matcher(holes or {})
    return m.found if m.response(want, got) else None
