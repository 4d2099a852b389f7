"""Reads conversations, cases/NAME.conv: README.md has the language."""

import re
from dataclasses import dataclass, field
from pathlib import Path

CASES = Path(__file__).parent / "cases"
LINE = re.compile(r"([CSUMR])(\d*):(?: (.*))?$", re.S)
EXAMPLE = re.compile(r"# RFC (\d+) (\S+) example (\d+)(?:: (.*))?$")
HEADER = ("title", "server", "store", "needs", "login", "enable", "expect-failure")
VERBS = ("mailbox", "message", "messages", "remove", "rights", "let", "check", "connect", "close", "closed", "starttls",
         "deflate", "repeat", "end")


class Bad(Exception):
    """The script itself is wrong."""


@dataclass
class Step:
    kind: str          # C S U M R, or a verb
    line: int
    text: str = ""     # with heredocs as ${<N}
    session: int = 1
    bodies: list = field(default_factory=list)
    steps: list = field(default_factory=list)  # of a repeat


@dataclass
class Script:
    path: Path
    head: dict = field(default_factory=dict)
    examples: list = field(default_factory=list)    # (rfc, section, number, deviation or None)
    steps: list = field(default_factory=list)

    @property
    def name(self):
        return self.path.stem


HEREDOC = re.compile(r"(~?\{\+?\})?<<(-?)([A-Z]+)$")


def heredocs(lines, i, text):
    """The line at i with its bodies: text, bodies, index of the next line."""
    bodies, first = [], i
    while True:
        m = HEREDOC.search(text)
        if not m:
            return text, bodies, i + 1
        body = []
        while True:
            i += 1
            if i == len(lines):
                raise Bad(f"line {first + 1}: no {m.group(3)}")
            if lines[i] == m.group(3) or re.match(m.group(3) + r"\b", lines[i]) and lines[i][len(m.group(3)):][:1] in "] )<\"{":
                break
            body.append(lines[i])
        joined = "\r\n".join(body) + ("" if m.group(2) or not body else "\r\n")
        bodies.append((m.group(1) or "", joined))
        rest = lines[i][len(m.group(3)):]
        text = text[:m.start()] + "${<%d}" % (len(bodies) - 1) + rest


def read(path):
    lines = path.read_text(encoding="utf-8").split("\n")
    script, stack, i = Script(path), [], 0
    steps = script.steps
    while i < len(lines):
        number, text = i + 1, lines[i].strip() if not LINE.match(lines[i]) else lines[i]
        if not text or text.startswith("#"):
            m = EXAMPLE.match(text)
            if m:
                script.examples.append(m.groups())
            elif re.match(r"# RFC .*example", text):
                raise Bad(f"{path.name}:{number}: RFC NUMBER SECTION example N[: why it differs]")
            i += 1
            continue
        m = LINE.match(text)
        if m:
            text, bodies, i = heredocs(lines, i, m.group(3) or "")
            steps.append(Step(m.group(1), number, text, int(m.group(2) or 1), bodies))
            continue
        key, _, value = text.partition(": ")
        if key in HEADER:
            script.head[key] = value.strip()
            i += 1
            continue
        verb, _, rest = text.partition(" ")
        if verb not in VERBS:
            raise Bad(f"{path.name}:{number}: {text!r} is no statement")
        rest, bodies, i = heredocs(lines, i, rest)
        if verb == "end":
            if not stack:
                raise Bad(f"{path.name}:{number}: end of nothing")
            steps = stack.pop()
            continue
        steps.append(Step(verb, number, rest, bodies=bodies))
        if verb == "repeat":
            stack.append(steps)
            steps = steps[-1].steps
    if stack:
        raise Bad(f"{path.name}: a repeat without end")
    if "title" not in script.head:
        raise Bad(f"{path.name}: no title")
    return script


def read_all():
    return [read(p) for p in sorted(CASES.glob("*.conv"))]


def read_examples():
    """examples.txt: the examples there are, and those that are not played: {(rfc, section, number): reason}."""
    there, reasons = set(), {}
    for line in (Path(__file__).parent / "examples.txt").read_text(encoding="utf-8").split("\n"):
        m = re.match(r"RFC (\d+) (\S+) (\d+)(?:-(\d+))?(?:: (.+))?$", line)
        if m:
            rfc, section, first, last, reason = m.groups()
            if reason:
                for n in range(int(first), int(last or first) + 1):
                    reasons[rfc, section, str(n)] = reason
            else:
                there |= {(rfc, section, str(n + 1)) for n in range(int(first))}
        elif line and not line.startswith("#"):
            raise Bad(f"examples.txt: {line}")
    return there, reasons


def words(text):
    """Words of a statement: quoted ones, and lists in parentheses as one."""
    lexer = re.compile(r'\(([^)]*)\)|"((?:[^"])*)"|(\S+)')
    return [next(g for g in m.groups() if g is not None) for m in lexer.finditer(text)]


__all__ = ["Bad", "Script", "Step", "read", "read_all", "read_examples", "words"]
