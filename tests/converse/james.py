"""Plays scripts of Apache James' protocol tests, which are material from outside this tree: both sides speak, `C: ` and `S: `, the server's
lines are Java regular expressions.

James is one server among others, so a script is read for what the protocol demands: of status responses the condition and the name of the code
where there is one that must be; of data the values, compared as conversations are (tokens.py); untagged responses in any
order, others besides them; the Recent flag as it comes. james-exceptions.txt has what remains, each with its reason.
"""

import re
from pathlib import Path

from .play import Failure, Line
from .tokens import Response, Wrong, match

HERE = Path(__file__).parent
# begin before a login, or with the greeting
BEFORE_LOGIN = {"ACLCommandsOnOtherUser", "ACLCommandsOnOwner", "Authenticate", "AuthenticatePlain", "BadTag", "BogusCommand", "Capability",
                "IllegalTag", "JustTag", "Login", "LoginThreeStrikes", "Logout", "NoCommand", "NoTag", "Noop", "SharedMailbox",
                "ValidAuthenticated", "ValidSelected", "Welcome"}
# begin with the mailbox that SelectedStateSetup makes
SELECTED = {"Check", "Copy", "Expunge", "FetchBodyNoSection", "FetchEnvelope", "FetchInternalDate", "FetchMultipleMessages", "FetchPartial",
            "FetchPeek", "FetchRFC822", "FetchRFC822Header", "FetchRFC822Text", "FetchSingleMessage", "FetchText", "Move", "MoveNoMSG",
            "ObjectId", "RenameHierarchy", "RenameInbox", "RenameSelected", "Search", "Store", "Uid", "FetchSaveDate", "FetchNILSaveDate", "SearchSaveDate"}
# INBOX is subscribed from the beginning
SUBSCRIBED = {"ListSubscribed", "Subscribe"}


def exceptions():
    """{(file, line or 0): reason}; a name may end in *."""
    found = {}
    for line in (HERE / "james-exceptions.txt").read_text(encoding="utf-8").split("\n"):
        m = re.match(r"([\w/*]+)(?::([\d,]+))?: (.+)$", line)
        if m:
            for n in (m.group(2) or "0").split(","):
                found[m.group(1), int(n)] = m.group(3)
    return found


def steps(path):
    """(kind, line number, text): C, S, SESSION."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"), 1):
        line = line.rstrip("\r")
        if line.startswith(("C:", "S:")):
            text = line[3:] if line[2:3] == " " else line[2:]
            if not re.fullmatch(r"\\\* \d+ RECENT", text):   # IMAP4rev2 has none, and whose it is differs
                found.append((line[0], number, text))
        elif line.startswith("SESSION:"):
            found.append(("SESSION", number, line.split(":")[1].strip()))
        elif line.startswith("REINIT"):
            found.append(("REINIT", number, ""))
    return found


def plain(expression):
    """A regular expression as the text of a pattern with marks, and its holes; None where it is more than that."""
    out, holes, i = "", {}, 0
    e = expression
    while i < len(e):
        m = re.match(r"\(\.\)\*|\.[*+]|\\d[+*]?|\((?:\.[*+]|\\d\+)\)|\[[^\]]+\][+*]?|\(\?:[^()]*\)|\([^()\\]*\|[^()]*\)", e[i:])
        if m:
            holes[len(holes)] = (None, m.group())
            out += f"\ue000{len(holes) - 1}\ue001"
            i += m.end()
        elif e[i] == "\\" and i + 1 < len(e):
            out += e[i + 1]
            i += 2
        elif e[i] in "()?*+|^$":
            return None, None
        else:
            out += e[i]
            i += 1
    return out.encode("utf-8", "surrogateescape"), holes


def literally(text):
    return re.sub(r"\\(\W)", r"\1", text.replace(r"\r", "\r"))


def group_literals(expected):
    """Lines that are the content of a literal are one with the line that announced it."""
    out, i = [], 0
    while i < len(expected):
        number, text = expected[i]
        i += 1
        m = re.search(r"\\?\{(\d+)\\?\}$", text)
        if m:
            body, size = "", int(m.group(1))
            while i < len(expected):
                line = literally(expected[i][1])
                if len((body + line + "\r\n").encode("utf-8", "surrogateescape")) > size:
                    break
                body += line + "\r\n"
                i += 1
            rest = expected[i][1] if i < len(expected) else ""
            i += 1
            left = size - len(body.encode())
            if left > 0:   # the literal ends inside of a line
                unescaped = literally(rest)
                body, rest = body + unescaped[:left], re.escape(unescaped[left:])
            text = (text[:m.start()], body, rest)
        out.append((number, text))
    return out


def not_recent(data):
    """Without \\Recent; and names of types and of parameters have no case."""
    data = re.sub(rb"\\Recent | ?\\Recent(?=[ )])", b"", data)
    return data.upper() if re.search(rb"BODY(STRUCTURE)? \(", data) and b"\xee" not in data else data.replace(b'"charset"', b'"CHARSET"')


class Script:
    def __init__(self, path, port, user, setup=None, log=None):
        self.name, self.port, self.user, self.setup = path.stem, port, user, setup
        self.steps, self.log, self.sessions = steps(path), [] if log is None else log, {}
        self.current, self.differences = "1", []

    def open(self):
        s = self.sessions[self.current] = Line(self.port, self.log, self.current)
        if self.name in BEFORE_LOGIN:
            if any(k == "S" and "Server ready" in t for k, _, t in self.steps[:3]):
                return s
            s.response()
            return s
        s.response()
        s.send(b"login LOGIN %s password\r\n" % self.user)
        while not s.response().startswith(b"login "):
            pass
        return s

    def session(self):
        return self.sessions.get(self.current) or self.open()

    def fits(self, expected, got, data):
        if isinstance(expected, tuple):
            before, body, rest = expected
            head, holes = plain(before)
            tail, more = plain(rest)
            if head is None or tail is None:
                return False
            body = body.encode("utf-8", "surrogateescape")
            if not body and re.search(rb"[( ]BODY\[[\w.]+\] NIL\)$", data):   # a part that is not there
                data = data[:-4] + b"{0}\r\n)"
                got = Response(data)
            want = head + b"{%d}\r\n%s" % (len(body), body) + tail
        else:
            want, holes = plain(expected)
        m = re.match(r"(\S+) (OK|NO|BAD|BYE|PREAUTH)\b", expected) if isinstance(expected, str) else None
        if m:
            code = re.search(r"\\\[([A-Z-]+)", expected)
            refusals = ("NO", "BAD")   # which of the two is often a matter of taste
            if got.kind != "status" or (got.word.decode() != m.group(2) and not (m.group(2) in refusals and got.word.decode() in refusals)):
                return False
            tag = re.sub(r"\\(.)", r"\1", m.group(1)).encode()
            return got.tag == tag and (not code or f"({code.group(1)}" in expected or bool(got.code and got.code[0] == code.group(1).encode()))
        try:
            if isinstance(expected, str) and re.fullmatch(expected.encode("utf-8", "surrogateescape"), data):
                return True
        except re.error:
            pass
        if want is None:
            return False
        try:
            return match(Response(not_recent(want), pattern=True), Response(not_recent(data)), holes) is not None
        except Wrong:
            return False

    def exchange(self, expected):
        """Reads until all that is expected has come, or the tagged answer has."""
        s, open_ones = self.session(), group_literals(expected)
        while open_ones:
            data = s.response()
            try:
                got = Response(data)
            except Wrong as e:
                self.differences.append((open_ones[0][0], f"no proper response: {e}"))
                continue
            for i, (_, text) in enumerate(open_ones):
                if self.fits(text, got, data):
                    del open_ones[i]
                    break
            bye = got.kind == "status" and got.word == b"BYE" and not any(isinstance(t, str) and re.match(r"\S+ OK", t) for _, t in open_ones)
            if got.tagged() or got.kind == "+" or bye:
                last = [t for n, t in open_ones if isinstance(t, str) and re.match(r"\S+ (OK|NO|BAD)", t)]
                if got.kind != "+" or not last:
                    break
        for number, text in open_ones:
            self.differences.append((number, f"wanted {text!r}"))

    def play(self):
        i = 0
        try:
            if self.name in SUBSCRIBED:
                self.session().send(b"sub SUBSCRIBE INBOX\r\n")
                self.session().response()
            if self.setup:
                first = Script(self.setup, self.port, self.user, log=self.log)
                first.steps = [x for x in first.steps if x[0] != "S"] and first.steps
                first.sessions = self.sessions
                first.play_steps()
            self.play_steps()
        finally:
            for s in self.sessions.values():
                s.close()
        return self.differences

    def play_steps(self):
        i = 0
        while i < len(self.steps):
            kind, number, text = self.steps[i]
            if kind == "SESSION":
                self.current = text
            elif kind == "REINIT" and self.current in self.sessions:
                self.sessions.pop(self.current).close()
            elif kind == "C":
                self.session().send(text.encode("utf-8", "surrogateescape") + b"\r\n")
                m = re.search(r"\{(\d+)\}$", text)
                if m and self.steps[i + 1][0] == "C":
                    got = self.session().response()   # a continuation that the script does not mention
                    if not got.startswith(b"+"):
                        self.differences.append((number, f"no continuation: {got!r}"))
                        return
            elif kind == "S":
                expected = []
                while i < len(self.steps) and self.steps[i][0] == "S":
                    expected.append(self.steps[i][1:])
                    i += 1
                try:
                    self.exchange(expected)
                except Failure as e:
                    self.differences.append((expected[0][0], str(e)))
                    return
                continue
            i += 1


__all__ = ["Script", "exceptions"]
