"""What tests of whole accounts share: a run of the program with its events, and servers that are quick to write to."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab.servers import Available, Cyrus, Dovecot  # noqa: E402

PROGRAM = shlex.split(os.environ.get("POSTHASTE") or str(ROOT / "build/posthaste"))
SOAK = os.environ.get("PH_SOAK") == "1"
SEED = os.environ.get("PH_SEED", "1")
SANITIZER = bool(os.environ.get("PH_SANITIZER"))
LIMIT = (900 if SOAK else 150) * (4 if SANITIZER else 1)      # seconds for one run of the program
LAB_DIR = os.environ.get("PH_LAB_DIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def need(*kinds):
    """Skips the file where something is not there; for setUpModule."""
    if not Path(PROGRAM[0]).exists():
        raise unittest.SkipTest("the program is not built")
    there = Available()
    for kind in kinds:
        if not getattr(there, kind):
            raise unittest.SkipTest(f"no {kind} here")


def dovecot(**kw):
    return Dovecot(LAB_DIR, fsync="never", **kw)


def cyrus(users, **kw):
    return Cyrus(LAB_DIR, users=users, **kw)


class Run:
    """A finished run: status, events, totals."""

    def __init__(self, verb, src, dst, *options, state):
        done = subprocess.run([*PROGRAM, verb, "--json", "--state", state, *options, src, dst], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=LIMIT)
        self.verb, self.status = verb, done.returncode
        self.errors = done.stderr.decode(errors="replace")
        self.events = [json.loads(line) for line in done.stdout.splitlines()]
        last = self.events[-1] if self.events else {}
        self.totals = last.get("totals", {}) if last.get("event") == "done" else {}

    def all(self, *events, **fields):
        return [e for e in self.events if e["event"] in events and all(e.get(k) == v for k, v in fields.items())]

    def __str__(self):
        said = [json.dumps(e, ensure_ascii=False) for e in self.events if e["event"] not in ("progress", "trace", "folder-start")]
        return "\n".join([f"{self.verb}: exit {self.status}", *said[:15], *said[15:][-15:], self.errors[-3000:]])


class WholeAccounts(unittest.TestCase):
    """Each test has a place of its own for what the program remembers."""

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="ph-state-", dir=LAB_DIR)
        self.addCleanup(shutil.rmtree, self.state, ignore_errors=True)

    def run_tool(self, verb, src, dst, *options, status=0):
        r = Run(verb, src, dst, *options, state=self.state)
        if status is not None:
            self.assertEqual(r.status, status, str(r))
        self.assertTrue(r.totals, str(r))
        return r

    def copy(self, src, dst, *options, status=0):
        return self.run_tool("copy", src, dst, *options, status=status)

    def audit(self, src, dst, *options, status=0):
        return self.run_tool("audit", src, dst, "--bytes", *options, status=status)
