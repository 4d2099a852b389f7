"""One case of the kill harness: a copy, a cut, copies until one says it is done, and the comparison of both accounts."""

import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.kill import account
from tests.integration.kill.cutproxy import Cut, CutProxy
from tests.lab import imapstate
from tests.lab.imap import ImapError, Url

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = shlex.split(os.environ.get("POSTHASTE") or str(ROOT / "build/posthaste"))
SLOW = 4 if os.environ.get("PH_SANITIZER") else 1
LIMIT = 120 * SLOW            # seconds for one run of the program
RUNS = 4                      # so many at most until one says that everything is done


def word(name):
    return name, b"X" + name[1:]


NO_UIDPLUS = [word(b"UIDPLUS"), word(b"APPENDUID")]
NO_MULTI = [word(b"MULTIAPPEND")]
MINUS = [(b"LITERAL+", b"LITERAL-")]
SYNC = [(b"LITERAL+", b"XITERAL+")]

# The rungs of writing: what the proxy leaves of the destination's capabilities and response codes.
RUNGS = {
    "multi": [],
    "multi-nouid": NO_UIDPLUS,
    "multi-minus": MINUS,
    "multi-sync": SYNC,
    "multi-sync-nouid": SYNC + NO_UIDPLUS,
    "single": NO_MULTI,
    "single-nouid": NO_MULTI + NO_UIDPLUS,
    "minus": NO_MULTI + MINUS,
    "minus-nouid": NO_MULTI + MINUS + NO_UIDPLUS,
    "sync": NO_MULTI + SYNC,
    "sync-nouid": NO_MULTI + SYNC + NO_UIDPLUS,
}


@dataclass
class Case:
    rung: str
    side: str                 # "src" or "dst": whose proxy cuts
    cut: Cut
    lanes: int = 1
    batch: int = 0
    visitor: bool = False     # somebody else delivers into the destination meanwhile
    extra: tuple = ()         # more options for every run
    resolve: int = 2

    def __str__(self):
        c = self.cut
        what = f"{self.rung}: {self.side}"
        while c:
            what += f" {c.how} at {c.dir} {c.name}#{c.number}@{c.at:g}"
            c = c.then
        return what + f", {self.lanes} lanes, batches of {self.batch or 100}" + (", visited" if self.visitor else "") + (
            " " + " ".join(self.extra) if self.extra else "")


@dataclass
class Outcome:
    case: Case
    fired: bool = False
    runs: list = field(default_factory=list)      # (exit status, seconds, output)
    headers: list = field(default_factory=list)   # of each run: (source, destination) rows with header fields
    stretches: tuple = ()                         # of the first run, by side
    diff: object = None
    error: str = ""

    @property
    def bad(self):
        return bool(self.error or self.diff)

    def __str__(self):
        said = "\n".join(f"  run {i + 1}: exit {r[0]} after {r[1]:.1f} s\n    " +
                         "\n    ".join(r[2].strip().splitlines()[-12:]) for i, r in enumerate(self.runs))
        return f"{self.case}: {self.error or ''} {self.diff or ''}\n{said}"


def plain(output):
    """What a run's JSON lines say, for people; lines of messages and progress left out."""
    out = []
    for line in output.splitlines():
        try:
            e = json.loads(line)
        except ValueError:
            out.append(line)
            continue
        if e.get("event") in ("notice", "problem", "done", "plan"):
            out.append(" ".join(str(x) for x in (
                e["event"], e.get("folder", ""), e.get("uid", ""), e.get("text", ""), (e.get("error") or {}).get("text", ""),
                {k: v for k, v in e.items() if k in ("messages", "adopted", "flag_changes") and v} or "",
                {k: v for k, v in (e.get("totals") or {}).items() if k in ("copied", "adopted", "failed", "missing") and v} or "")
                if x != ""))
    return "\n".join(out)


class Visitor(threading.Thread):
    """Delivers other mail into the destination's folders while the program is at work there."""

    def __init__(self, url, seed, source):
        super().__init__(daemon=True)
        self.url, self.rng, self.over = url, random.Random(seed), threading.Event()
        self.sizes = {f: [len(m.data) for m in rows if b"Message-ID" not in m.data] for f, rows in source.items()}
        self.delivered = []                       # (folder, Mail)
        self.error = None

    def run(self):
        try:
            with Url(self.url).connect() as c:
                while not self.over.wait(0.05) and len(self.delivered) < 200:
                    folder = self.rng.choice(list(self.sizes))
                    keyless = self.rng.random() < 0.5 and self.sizes[folder]
                    data = account.message(self.rng, 700, keyless=bool(keyless))
                    if keyless:
                        size = self.rng.choice(self.sizes[folder])
                        data = account.exactly(account.message(self.rng, size - 100, keyless=True), size)
                    mail = account.Mail(data, account.flags(self.rng), account.date(self.rng))
                    try:
                        account.append(c, folder, mail)
                    except ImapError as e:
                        if "exist" in str(e) or "TRYCREATE" in str(e):
                            continue
                        raise
                    self.delivered.append((folder, mail))
        except Exception as e:                    # noqa: BLE001  (shown by the case)
            self.error = e

    def stop(self):
        self.over.set()
        self.join(30)


def with_delivered(state, delivered):
    """The state plus what a visitor delivered."""
    out = imapstate.State(folders={}, subscribed=state.subscribed)
    for name, f in state.folders.items():
        out.folders[name] = imapstate.Folder(name, f.uidvalidity, f.uidnext, list(f.messages))
    for folder, m in delivered:
        out.folders[folder].messages.append(imapstate.Msg(
            0, imapstate.flag_set([f.encode() for f in m.flags]), imapstate.internal_date(m.date), len(m.data), len(m.data),
            hashlib.sha256(m.data).hexdigest()))
    return out


class Bench:
    """A server with the source account, and a fresh destination account for each case."""

    def __init__(self, server, seed=1, source="source", **shape):
        self.server, self.seed, self.name = server, seed, source
        self.mails = account.make(seed, **shape)
        self.source = server.url(source)
        account.load(self.mails, self.source)
        self.state = imapstate.read(self.source)
        self.count = 0
        self.lock = threading.Lock()

    def fresh(self):
        with self.lock:
            self.count += 1
            return self.server.url(f"{self.name}-{self.count}")

    def start(self, case, state_dir, src, dst, output):
        argv = [*PROGRAM, "copy", "--json", "--state", str(state_dir), "--lanes", str(case.lanes), "--testing-resolve",
                str(case.resolve * SLOW), *case.extra]
        if case.batch:
            argv += ["--batch-messages", str(case.batch)]
        return subprocess.Popen([*argv, src, dst], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                start_new_session=True)

    def _once(self, case, state_dir, s, d, dst, out):
        """One run through two proxies."""
        before = s.headers, d.headers
        with tempfile.TemporaryFile() as output:
            began = time.monotonic()
            p = self.start(case, state_dir, s.url(self.source), d.url(dst), output)
            s.pid = d.pid = p.pid
            s.may_kill.set()
            d.may_kill.set()
            try:
                status = p.wait(LIMIT)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
                status = "time-out"
            output.seek(0)
            text = output.read().decode(errors="replace")
        out.runs.append((status, time.monotonic() - began, plain(text)))
        out.headers.append((s.headers - before[0], d.headers - before[1]))
        return status

    def _runs(self, case, state_dir, dst, out):
        cuts = {case.side: case.cut}
        mask = RUNGS[case.rung]
        with CutProxy(self.server.port, cuts.get("src")) as s, CutProxy(self.server.port, cuts.get("dst"), mask) as d:
            status = self._once(case, state_dir, s, d, dst, out)
            out.stretches = list(s.stretches), list(d.stretches)
            at = s if case.side == "src" else d
            out.fired = at.fired
            while status != 0 and len(out.runs) < RUNS:
                s.renew()
                d.renew()
                status = self._once(case, state_dir, s, d, dst, out)
            if at.fired and not at.done.wait(60):
                raise TimeoutError("the proxy did not finish its cut")
            if status != 0:
                raise RuntimeError(f"no run ended well: {[r[0] for r in out.runs]}")

    def play(self, case):
        """The whole case; never raises."""
        out = Outcome(case)
        state_dir = Path(tempfile.mkdtemp(prefix="ph-kill-"))
        visitor = None
        try:
            dst = self.fresh()
            if case.visitor:
                visitor = Visitor(dst, f"{self.seed}/{case}", self.mails)
                visitor.start()
            self._runs(case, state_dir, dst, out)
            if visitor:
                visitor.stop()
                if visitor.error:
                    raise visitor.error
            want = with_delivered(self.state, visitor.delivered) if visitor else self.state
            out.diff = imapstate.compare(want, imapstate.read(dst, connections=1))
        except Exception as e:                    # noqa: BLE001
            out.error = f"{out.error} {type(e).__name__}: {e}"
        finally:
            if visitor:
                visitor.over.set()
            shutil.rmtree(state_dir, ignore_errors=True)
        return out
