"""What the measurements have in common: programs metered by a small parent, rounds in which the tools take
turns, tables for people and for Markdown, and a line about the machine."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import imapstate, mailgen
from tests.lab.imap import Url
from tests.lab.servers import LabError

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("PH_BUILD") or ROOT / "build").resolve()
PROGRAM = Path(os.environ.get("POSTHASTE") or BUILD / "posthaste").resolve()
FLOOR, METER = BUILD / "bench/floor", BUILD / "bench/meter"


class Failed(Exception):
    """A tool ended with an error, or left the wrong mail behind; the text says which."""


# One run ---------------------------------------------------------------------------------------------

@dataclass
class Usage:
    """What a run took: seconds of the clock and of the processor, the peak of memory in MB of 1e6; and the share of
    all cores that went to programs that are no part of it, where that was watched."""
    wall: float
    user: float
    system: float
    rss: float
    others: float = 0.0
    servers: float = 0.0        # processor seconds of the servers

    @property
    def cpu(self):
        return self.user + self.system


def metered(argv, folder, env=None, ok=(0,), stdin=subprocess.DEVNULL):
    """Runs a command in a folder and meters it; its output goes to files there, and into the error."""
    folder = Path(folder)
    facts = folder / "metered"
    with open(folder / "stdout", "wb") as out, open(folder / "stderr", "wb") as err:
        subprocess.run([METER, facts, *argv], stdin=stdin, stdout=out, stderr=err, cwd=folder,
                       env={**os.environ, "HOME": str(folder), **(env or {})})
    wall, user, system, rss, status = facts.read_text().split()
    if int(status) not in ok:
        words = (folder / "stderr").read_text(errors="replace") + (folder / "stdout").read_text(errors="replace")
        raise Failed(f"{' '.join(map(str, argv))}\nended with status {status}:\n{words[-2000:]}")
    return Usage(float(wall), float(user), float(system), int(rss) * 1024 / 1e6)


# A calm machine --------------------------------------------------------------------------------------

TICK = os.sysconf("SC_CLK_TCK")
CORES = len(os.sched_getaffinity(0))


def busy():
    """Seconds of work of all processors since the machine began."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, words[:7])
    return (user + nice + system + irq + softirq) / TICK


def spent(group):
    """Processor seconds of a process group, with the children it has buried."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(words[2]) == group:
            total += sum(map(int, words[11:15]))
    return total / TICK


class Watch:
    """Tells what of the machine went to others while a run was on. `servers` are those that belong to it."""

    def __init__(self, *servers, patience=0):
        self.servers, self.patience = servers, patience

    def wait(self):
        """Waits until the machine has been idle for half a second, or as long as there is patience."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            before = busy()
            time.sleep(0.5)
            if busy() - before < 0.05 * CORES:
                break

    def run(self, what):
        """Runs what(), which gives a Usage, when it is calm, and again when it was not."""
        for attempt in range(6 if self.patience else 1):
            self.wait()
            before = busy(), sum(spent(s.pid) for s in self.servers)
            usage = what(attempt)
            usage.servers = sum(spent(s.pid) for s in self.servers) - before[1]
            usage.others = max(0, busy() - before[0] - usage.servers - usage.cpu) / usage.wall / CORES
            if usage.others < 0.1:
                break
        return usage


# Places ----------------------------------------------------------------------------------------------

def memory_folder(need):
    """A memory file system with room for `need` bytes; where there is none, the temporary directory."""
    try:
        if shutil.disk_usage("/dev/shm").free > need and os.access("/dev/shm", os.W_OK):
            return "/dev/shm"
    except OSError:
        pass
    print("No memory file system with room enough: these are figures of a disk.", file=sys.stderr)
    return tempfile.gettempdir()


@contextmanager
def workplace(parent):
    """A folder for configurations and state, open to the servers' user, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="ph-bench-", dir=parent))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def fresh(folder):
    """A folder that is there and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    return Path(folder)


# Accounts --------------------------------------------------------------------------------------------

def account_of(messages, folders, mean=38_500, seed=1):
    """The seeded corpus, scaled: the full one is 20,000 messages, 30 folders, 0.77 GB."""
    return mailgen.Account(seed=seed, messages=messages, folders=folders, total=messages * mean)


def count(url):
    """How many messages an account has, as LIST and STATUS say it."""
    total = 0
    with Url(url).connect() as c:
        c.cmd(b'LIST "" "*" RETURN (STATUS (MESSAGES))')
        for parts in c.untagged:
            words = b"".join(parts).split()
            if len(words) > 2 and words[1].upper() == b"STATUS":
                total += int(words[-1].rstrip(b")"))
    return total


def expect_count(name, url, want):
    got = count(url)
    if got != want:
        raise Failed(f"{name}: the destination has {got} messages of {want}")


def expect_equal(tool, state, url):
    """Reads the destination back and compares; what a tool is known not to carry is not asked of it."""
    copy = imapstate.read(url)
    if tool.exact:
        diff = imapstate.compare(state, copy, flags=tool.flags, date=tool.date, subscriptions=tool.subscriptions)
        if diff:
            raise Failed(f"{tool.name}: the destination is not the source: {diff}")
        return
    for name, folder in state.folders.items():
        got = copy.folders[name].messages if name in copy.folders else []
        if sorted(m.date for m in folder.messages) != sorted(m.date for m in got):
            raise Failed(f"{tool.name}: {name} has {len(got)} messages, not the {len(folder.messages)} of the source")


# Figures ---------------------------------------------------------------------------------------------

class Rounds:
    """Usages by tool, one a round. Ratios are taken within a round, where both tools met the same machine."""

    def __init__(self):
        self.runs = defaultdict(list)

    def add(self, name, usage):
        self.runs[name].append(usage)

    def __contains__(self, name):
        return name in self.runs

    def median(self, name, field):
        return statistics.median(getattr(u, field) for u in self.runs[name])

    def ratio(self, name, other, field="wall"):
        """Median of name/other over the rounds; None where one did not run."""
        pairs = list(zip(self.runs.get(name, ()), self.runs.get(other, ())))
        return statistics.median(getattr(a, field) / getattr(b, field) for a, b in pairs) if pairs else None

    def spread(self, name):
        walls = [u.wall for u in self.runs[name]]
        return f"{min(walls):.2f}–{max(walls):.2f}"


def times(value):
    return "" if value is None else f"{value:.2f} ×"


class Table:
    """Rows of text under a title; the first column is left-aligned, the others right."""

    def __init__(self, title, *columns):
        self.title, self.columns, self.rows, self.notes = title, columns, [], []

    def add(self, *cells):
        self.rows.append([str(c) for c in cells])

    def note(self, text):
        self.notes.append(text)

    def text(self):
        rows = [list(self.columns), *self.rows]
        widths = [max(len(r[i]) for r in rows) for i in range(len(self.columns))]
        lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip()
                 for r in rows]
        lines.insert(1, "  ".join("-" * w for w in widths))
        return "\n".join([self.title, "", *lines, *([""] + self.notes if self.notes else [])])

    def markdown(self):
        lines = [f"### {self.title}", "", "| " + " | ".join(self.columns) + " |",
                 "|" + "|".join("---" if i == 0 else "---:" for i in range(len(self.columns))) + "|"]
        lines += ["| " + " | ".join(r) + " |" for r in self.rows]
        return "\n".join([*lines, *([""] + self.notes if self.notes else []), ""])


def machine():
    """One sentence: cores, processor, kernel, and how busy it was when the run began."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), os.uname().machine)
    return (f"{CORES} cores of {model}, Linux {os.uname().release.split('-')[0]}, "
            f"load {os.getloadavg()[0]:.1f} at the start")


def say(text=""):
    print(text, flush=True)


def progress(text):
    """What is being done, for whoever waits at a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# Programs --------------------------------------------------------------------------------------------

def parser(name, about):
    """The options that every measurement has."""
    p = argparse.ArgumentParser(prog=f"./run bench {name}", description=about)
    p.add_argument("--runs", type=int, default=3, help="rounds; medians are shown (3)")
    p.add_argument("--patience", type=float, default=0, metavar="SECONDS",
                   help="wait so long for an idle machine before each run, and repeat runs that others disturbed")
    p.add_argument("--tools", help="only these, with commas between")
    p.add_argument("--markdown", metavar="FILE", help="write the tables to a file too")
    p.add_argument("--dir", help="where servers and state live (a memory file system)")
    return p


def run(main, options):
    """Runs main(options), which yields tables, and prints each when it is there; the exit status."""
    about = machine()
    say(f"{about}\n")
    tables = []
    try:
        for table in main(options):
            progress("")
            say(table.text() + "\n")
            tables.append(table)
    except (Failed, LabError, OSError) as why:
        progress("")
        print(f"{why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if options.markdown and tables:
            Path(options.markdown).write_text(f"{about}.\n\n" + "\n".join(t.markdown() for t in tables))
    return 0
