"""The delay proxy (delayproxy.c) from Python.

    with DelayProxy(d.port, rtt=100, cut=["up:120000:client"], log="file") as p:
        ... connect to 127.0.0.1:p.port ...
        p.wait_event("cut")
        p.stats()["round_trips"]
"""

import contextlib
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from tests.lab.base import LabError

HERE = Path(__file__).resolve().parent
_built = {}


def program():
    """The proxy's program: PH_DELAYPROXY, the build folder's, or one compiled for this process."""
    for p in (os.environ.get("PH_DELAYPROXY"), HERE.parents[1] / "build/tests/lab/delayproxy"):
        if p and Path(p).exists():
            return str(p)
    if "path" not in _built:
        _built["dir"] = tempfile.TemporaryDirectory(prefix="ph-proxy-")
        out = Path(_built["dir"].name) / "delayproxy"
        cc = os.environ.get("CC") or shutil.which("cc") or "gcc"
        r = subprocess.run([*cc.split(), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", str(out),
                            *(str(HERE / f) for f in ("delayproxy.c", "proxy_conn.c", "flow.c"))],
                           capture_output=True, text=True)
        if r.returncode != 0:
            raise LabError("cannot build the delay proxy:\n" + r.stderr)
        _built["path"] = str(out)
    return _built["path"]


class DelayProxy:
    """to: a port on 127.0.0.1 or "host:port".  Options are those of the program: rtt in milliseconds; cut, late,
    stall, mask: a text or a list of them; hold, queue, log, listen."""

    def __init__(self, to, **options):
        self.args = ["--to", to if isinstance(to, str) else f"127.0.0.1:{to}", "--until-eof"]
        for name, value in options.items():
            for v in value if isinstance(value, (list, tuple)) else [value]:
                self.args += [f"--{name}", str(v)]
        self.events = []            # every line it printed
        self.new = queue.Queue()
        self.final = None
        self.proc = None

    def __enter__(self):
        self.proc = subprocess.Popen([program(), *self.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = self.proc.stdout.readline()
        if not first.startswith("port="):
            self.stop()
            raise LabError("the delay proxy did not start")
        self.port = int(first[5:])
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def _read(self):
        for line in self.proc.stdout:
            self.events.append(line.rstrip("\n"))
            self.new.put(line.rstrip("\n"))
        self.new.put(None)

    def stop(self):
        if self.proc is None:
            return
        with contextlib.suppress(OSError):
            self.proc.stdin.close()
        self.proc.wait()
        if hasattr(self, "reader"):
            self.reader.join()
        self.proc.stdout.close()
        self.proc = None
        last = [e for e in self.events if e.startswith("stats ")]
        self.final = parse_stats(last[-1]) if last else None

    def command(self, line):
        """One of the control lines: "cut client", "late 5", "stall up 3", "rtt 50"."""
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()

    def wait_event(self, word, timeout=30):
        """The next event line that begins with `word`."""
        while True:
            try:
                line = self.new.get(timeout=timeout)
            except queue.Empty:
                raise LabError(f"no '{word}' from the delay proxy in {timeout} s") from None
            if line is None:
                raise LabError(f"the delay proxy ended before '{word}'")
            if line.startswith(word):
                return line

    def stats(self):
        if self.proc is None:
            return self.final
        self.command("stats")
        return parse_stats(self.wait_event("stats "))

    def url(self, url):
        """An account's URL with this proxy in place of its server."""
        return re.sub(r"@[^/@]*", f"@127.0.0.1:{self.port}", url, count=1)


def parse_stats(line):
    out = {}
    for pair in line.split()[1:]:
        k, v = pair.split("=")
        out[k] = float(v) if "." in v else int(v)
    return out
