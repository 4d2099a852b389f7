"""./run bench large: what a folder of 500,000 messages costs in memory.

The peak of a dry run, of a first copy and of repeats, above the base, which is the same on an account with one
empty folder. Beyond the base a message of the folder may cost 64 bytes.
"""

import os
import shutil
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))   # this folder has a copy.py: not Python's

from bench import _rig as rig  # noqa: E402
from bench import _tools as tools  # noqa: E402
from tests.lab import mailgen  # noqa: E402
from tests.lab.servers import Dovecot  # noqa: E402

# name, options, whether state and destination of the run before are kept
RUNS = [("dry run", ["--dry-run"], False), ("first copy", [], False), ("repeat, nothing to do", [], True),
        ("repeat, everything scanned", ["--full-scan"], True)]


def runs(o, work, src, dst, user):
    """The usages of RUNS, one after the other."""
    out = []
    copy = f"{user}-copy"
    for name, options, keep in RUNS:
        rig.progress(f"{user}: {name}")
        if not keep:
            shutil.rmtree(dst.mail_home(copy), ignore_errors=True)
            folder = rig.fresh(work / user)
        out.append(tools.Posthaste(*options, "-q").run(src.url(user), dst.url(copy), folder))
    rig.expect_count("posthaste", dst.url(copy), o.messages if user == "large" else 0)
    return out


def main(o):
    where = o.dir or rig.memory_folder(o.messages * 9000)
    # Two files a message would be most of the time: mdbox keeps many in one.
    with rig.workplace(where) as work, Dovecot(where, fmt="mdbox") as src, Dovecot(where, fmt="mdbox") as dst:
        rig.progress(f"Making {o.messages} messages")
        account = mailgen.Account(seed=1, messages=o.messages, folders=1, total=o.messages * 900)
        mailgen.load(account, src.url("large"))
        base = runs(o, work, src, dst, "empty")
        large = runs(o, work, src, dst, "large")
        state = sum(f.stat().st_size for f in (work / "large").rglob("*") if f.is_file())
        t = rig.Table(f"A folder of {o.messages} messages", "run", "base MB", "peak MB", "bytes a message above the base",
                      "wall s", "CPU s")
        for (name, _, _), b, u in zip(RUNS, base, large):
            t.add(name, f"{b.rss:.1f}", f"{u.rss:.1f}", f"{(u.rss - b.rss) * 1e6 / o.messages:.1f}", f"{u.wall:.2f}",
                  f"{u.cpu:.2f}")
        t.note(f"The ledger takes {state / o.messages:.0f} bytes a message on disk.")
        yield t


if __name__ == "__main__":
    p = rig.parser("large", "Measures memory on one very large folder.")
    p.add_argument("--messages", type=int, default=500_000)
    sys.exit(rig.run(main, p.parse_args()))
