"""Changes the lines of a case, one at a time, and plays each: a line that matters must make the case fail.

    python3 -m tests.peer.mutate --program build/posthaste tests/peer/cases/*.peer

A rule is turned against a command that never comes, a count is raised, a pattern is made one that cannot match, an
exit status is turned round, a line of a script is altered.  Prints the changes that went unnoticed; exit status 1
when there are any.
"""

import argparse
import re
import shlex
import sys
import tempfile
from pathlib import Path

from tests.peer.oddity import CaseError
from tests.peer.peer import play


def mutants(text):
    """(line number, the line, the whole text with that line changed)."""
    lines = text.split("\n")
    for i, line in enumerate(lines):
        for new in changed(line):
            yield i + 1, new.strip(), "\n".join(lines[:i] + [new] + lines[i + 1:])
        if re.match(r"\s*run ", line) and not re.match(r"\s*exit ", lines[i + 1] if i + 1 < len(lines) else ""):
            yield i + 1, "exit failure (added)", "\n".join(lines[:i + 1] + ["exit failure"] + lines[i + 1:])


def changed(line):
    m = re.match(r"(\s*)(\S+) ?(.*)", line)
    if not m:
        return
    indent, verb, arg = m.groups()
    if verb == "on" and " maybe " not in line:
        yield re.sub(r"on (UID )?\S+", "on NEVERSENT", line, count=1)
    elif verb == "require":
        if re.search(r"(exactly|at least|messages) \d+$", arg):
            yield re.sub(r"\d+$", lambda n: str(int(n[0]) + (1000 if "at least" in arg else 1)), line)
        elif arg.endswith(" never"):
            yield line[:-5] + "at least 1"
        elif arg.startswith("no-folder "):
            yield line.replace("no-folder", "folder", 1)
        elif re.match(r"(folder|subscribed|unsubscribed|message|like)\b", arg) is None and not re.search(r"at most", arg):
            yield line + " never"
    elif verb == "output" and not arg.startswith("never"):
        yield re.sub(r"/(i?m?)$", r"ZZQQ/\1", line)
    elif verb == "exit" and arg != "any":
        yield f"{indent}exit {'0' if arg != '0' else 'failure'}"
    elif verb in ("command", "line") and not arg.startswith("/"):
        yield line + "X"


def survivors(path, program):
    """How many changes were tried on a case, and those that went unnoticed."""
    text, tried, out = path.read_text(), 0, []
    if not re.search(r"^run ", text, re.M) or re.search(r"^todo ", text, re.M):
        return 0, []
    for number, what, mutant in mutants(text):
        tried += 1
        with tempfile.TemporaryDirectory(prefix="ph-mutant-") as d:
            for inc in path.parent.glob("*.inc"):
                (Path(d) / inc.name).write_bytes(inc.read_bytes())
            (Path(d) / path.name).write_text(mutant)
            try:
                report = play(Path(d) / path.name, program)
            except CaseError as e:
                report = str(e)
        if not report:
            out.append(f"{path.name}:{number}: unnoticed: {what}")
    return tried, out


def main(argv=None):
    ap = argparse.ArgumentParser(prog="tests.peer.mutate")
    ap.add_argument("case", nargs="+")
    ap.add_argument("--program", required=True)
    a = ap.parse_args(argv)
    tried, unnoticed = 0, []
    for path in map(Path, a.case):
        n, these = survivors(path, shlex.split(a.program))
        tried, unnoticed = tried + n, unnoticed + these
        for line in these:
            print(line, flush=True)
    print(f"{tried} changes, {len(unnoticed)} unnoticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
