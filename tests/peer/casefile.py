"""Reads a case: one file that says what the servers of a test are like and what they must have seen.

The language is described in README.md."""

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from tests.peer.oddity import ACTIONS, CHANGES, ODDITIES, CaseError, Rule
from tests.peer.script import BLOCKS, VERBS, Stmt, regex, unescape
from tests.peer.store import number_set

TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(/(?:[^/\\]|\\.)*/[a-z]*)(?=\s|\Z)|\(([^)]*)\)|(\S+))')
CAPABILITY = ("IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ ENABLE ID IDLE UIDPLUS MULTIAPPEND LIST-EXTENDED LIST-STATUS SPECIAL-USE "
              "NAMESPACE CHILDREN UNSELECT CONDSTORE QRESYNC ESEARCH MOVE STATUS=SIZE")


@dataclass
class Line:
    where: str
    text: str
    body: bytes = None              # of <<WORD


@dataclass
class SideSpec:
    name: str
    lines: list = field(default_factory=list)       # Line: applied in order by peer.Side
    rules: list = field(default_factory=list)
    requires: list = field(default_factory=list)    # (where, text, Rule or None, words)
    scripts: dict = field(default_factory=dict)     # connection number or "any" -> [Stmt]


@dataclass
class Case:
    name: str
    title: str = ""
    todo: str = ""                  # why the program cannot do it yet
    timeout: float = 20.0
    vars: dict = field(default_factory=dict)
    sides: dict = field(default_factory=dict)
    run: list = field(default_factory=list)         # [where, arguments, exit status, "any" or "failure"], or a change
    outputs: list = field(default_factory=list)     # (where, pattern, wanted)
    env: dict = field(default_factory=dict)


def lex(text, where):
    """Words of a line: plain, "quoted", /pattern/flags, (list).  As (kind, value, end)."""
    out, pos = [], 0
    while pos < len(text.rstrip()):
        m = TOKEN.match(text, pos)
        if not m:
            raise CaseError(f"{where}: cannot read {text[pos:]!r}")
        pos = m.end()
        if m[1] is not None:
            out.append(("str", unescape(m[1].replace('\\"', '"')).decode(), pos))
        elif m[2] is not None:
            out.append(("re", regex(m[2], where), pos))
        elif m[3] is not None:
            out.append(("list", m[3].split(), pos))
        else:
            out.append(("word", m[4], pos))
    return out


class Words:
    """A cursor over the words of a line."""

    def __init__(self, text, where):
        self.text, self.where, self.items, self.i = text, where, lex(text, where), 0

    def more(self):
        return self.i < len(self.items)

    def peek(self):
        return self.items[self.i][1] if self.more() else None

    def take(self, *kinds):
        if not self.more():
            raise CaseError(f"{self.where}: a word is missing in: {self.text}")
        kind, value, _ = self.items[self.i]
        if kinds and kind not in kinds:
            raise CaseError(f"{self.where}: {value!r} where a {kinds[0]} should be, in: {self.text}")
        self.i += 1
        return value

    def name(self):
        return self.take("str", "word")

    def number(self):
        v = self.take("word")
        if not re.fullmatch(r"\d+", v):
            raise CaseError(f"{self.where}: {v!r} is no number")
        return int(v)

    def rest(self):
        """The text behind the words taken so far."""
        start = self.items[self.i - 1][2] if self.i else 0
        self.i = len(self.items)
        return self.text[start:].strip()


def read_lines(path, text):
    """Logical lines: comments and blank ones dropped, includes put in, <<WORD bodies collected."""
    raw, i, out = text.split("\n"), 0, []
    while i < len(raw):
        where, line = f"{path.name}:{i + 1}", raw[i].strip()
        i += 1
        if not line or line.startswith("#"):
            continue
        if line.startswith("include "):
            other = path.parent / line.split(None, 1)[1]
            out += read_lines(other, other.read_text())
            continue
        body = None
        m = re.search(r"<<(-?)(\w+)\Z", line)
        if m:
            end = next((j for j in range(i, len(raw)) if raw[j].strip() == m[2]), None)
            if end is None:
                raise CaseError(f"{where}: {m[2]} does not come")
            lines = textwrap.dedent("\n".join(raw[i:end])).split("\n") if end > i else []
            body = b"\r\n".join(unescape(x) for x in lines) + (b"" if m[1] or not lines else b"\r\n")
            line, i = line[:m.start()].rstrip(), end + 1
        out.append(Line(where, line, body))
    return out


def read_clauses(w, rule):
    """The clauses of `on` and `require`; leaves the cursor behind them."""
    while w.more():
        key = w.peek()
        if key in ("matching", "line"):
            w.take()
            setattr(rule, key, w.take("re"))
        elif key == "folder":
            w.take()
            rule.folder = w.name()
        elif key == "uid":
            w.take()
            rule.uids = number_set(w.take("word"), 2 ** 32 - 1)
        elif key in ("connection", "larger"):
            w.take()
            setattr(rule, key, w.number())
        elif key in ("first", "after", "every", "nth"):
            w.take()
            rule.when = (key, w.number())
        elif key in ("early", "maybe"):
            w.take()
            setattr(rule, key, True)
        else:
            return rule
    return rule


def read_verb(w):
    verb = w.take("word").upper()
    return verb + " " + w.take("word").upper() if verb == "UID" else verb


def read_rule(line):
    # What follows `do` is free text; only what is before it is read as words.
    m = re.search(r"\sdo\s", line.text)
    if not m:
        raise CaseError(f"{line.where}: `on` without `do`")
    w = Words(line.text[:m.start()], line.where)
    w.take()
    rule = read_clauses(w, Rule(line.where, read_verb(w)))
    if w.more():
        raise CaseError(f"{line.where}: {w.peek()!r} is no clause")
    action, _, arg = line.text[m.end():].strip().partition(" ")
    arg = arg.strip()
    if action in ("drop", "reset", "stall") and arg.startswith("at "):
        action, arg = action + "-at", arg[3:].split()[0]
    if action == "commit":
        action, arg = "commit-" + arg, ""
    if action not in ACTIONS:
        raise CaseError(f"{line.where}: {action!r} is no action ({', '.join(sorted(ACTIONS))})")
    if rule.early and action not in ("answer", "drop", "reset", "bye", "drop-at", "reset-at", "stall-at"):
        raise CaseError(f"{line.where}: {action} cannot be early")
    if action.endswith("-at") and rule.verb == "APPEND":
        rule.early = True
    rule.action, rule.arg = action, arg
    return rule


def read_count(w):
    """exactly N | at least N | at most N | never | nothing: (low, high)."""
    if not w.more():
        return 1, None
    word = w.take("word")
    if word == "never":
        return 0, 0
    if word == "exactly":
        n = w.number()
        return n, n
    if word == "at":
        side = w.take("word")
        n = w.number()
        return (n, None) if side == "least" else (0, n)
    raise CaseError(f"{w.where}: {word!r} is no count")


def read_block(lines, i):
    """Statements of a script up to `end`."""
    out = []
    while i < len(lines):
        line = lines[i]
        verb, _, arg = line.text.partition(" ")
        i += 1
        if verb == "end":
            return out, i
        if verb not in VERBS:
            raise CaseError(f"{line.where}: {verb!r} is no statement of a script ({', '.join(sorted(VERBS))})")
        stmt = Stmt(line.where, verb, arg.strip())
        if line.body is not None:
            if verb != "let":
                raise CaseError(f"{line.where}: only let has a body")
            # The body is octets already; let unescapes once more.
            stmt.arg = arg.strip() + " " + "".join("\\x%02x" % b for b in line.body)
        if verb in BLOCKS:
            stmt.block, i = read_block(lines, i)
        out.append(stmt)
    raise CaseError(f"{lines[-1].where}: `end` is missing")


SIDE_WORDS = {"tls", "starttls", "user", "greeting", "capability", "delimiter", "prefix", "folder", "message", "messages", "oddity", "require",
              "on", "connection", "no-capability"}


class Reader:
    def __init__(self, case):
        self.case = case
        self.side = None

    def current(self):
        return self.side or self.case.sides.setdefault("server", SideSpec("server"))

    def read(self, lines):
        i = 0
        while i < len(lines):
            line = lines[i]
            verb, _, arg = line.text.partition(" ")
            arg = arg.strip()
            i += 1
            if verb == "connection":
                key = arg if arg == "any" else int(arg)
                self.current().scripts[key], i = read_block(lines, i)
            elif verb == "side":
                if self.side:
                    raise CaseError(f"{line.where}: a side within a side")
                self.side = self.case.sides.setdefault(arg, SideSpec(arg))
            elif verb == "end":
                if not self.side:
                    raise CaseError(f"{line.where}: `end` of nothing")
                self.side = None
            elif verb in SIDE_WORDS:
                self.side_line(line, verb)
            else:
                self.case_line(line, verb, arg)
        if self.side:
            raise CaseError(f"{lines[-1].where}: `end` of side {self.side.name} is missing")

    def side_line(self, line, verb):
        side = self.current()
        if verb == "on":
            side.rules.append(read_rule(line))
        elif verb == "require":
            side.requires.append(line)
        else:
            if verb == "oddity" and line.text.replace(" maybe ", " ", 1).split()[1] not in ODDITIES:
                raise CaseError(f"{line.where}: no such oddity; there are {', '.join(ODDITIES)}")
            side.lines.append(line)

    def case_line(self, line, verb, arg):
        case = self.case
        if verb == "case":
            case.title = arg
        elif verb == "todo":
            case.todo = arg
        elif verb == "timeout":
            case.timeout = float(arg)
        elif verb == "let":
            name, _, value = arg.partition(" ")
            case.vars[name] = line.body if line.body is not None else unescape(value)
        elif verb == "run":
            case.run.append([line.where, arg, 0])
        elif verb == "exit":
            if not case.run:
                raise CaseError(f"{line.where}: exit comes behind run")
            case.run[-1][2] = arg if arg in ("any", "failure") else int(arg)
        elif verb == "change":
            side, _, what = arg.partition(" ")
            if what.split(" ")[0] not in CHANGES:
                raise CaseError(f"{line.where}: change SIDE {'|'.join(sorted(CHANGES))} …")
            case.run.append([line.where, (side, *what.partition(" ")[::2]), "change"])
        elif verb == "output":
            never = arg.startswith("never ")
            pattern = regex(arg[6:] if never else arg, line.where)
            if pattern is None:
                raise CaseError(f"{line.where}: output wants a /pattern/")
            case.outputs.append((line.where, pattern, not never))
        elif verb == "env":
            name, _, value = arg.partition(" ")
            case.env[name] = value
        else:
            raise CaseError(f"{line.where}: {verb!r} is no word of a case")


def read_case(path=None, text=None):
    path = Path(path) if path else Path("case")
    if text is None:
        text = path.read_text()
    case = Case(path.stem)
    Reader(case).read(read_lines(path, text))
    if not case.sides:
        case.sides["server"] = SideSpec("server")
    return case
