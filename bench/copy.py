"""./run bench copy: the same account copied by every tool, Dovecot to Dovecot on a memory file system.

Tools take turns, each time into an account that never was there before; what is shown are medians over
the rounds, and ratios taken within a round. After the first copy of each tool the destination is read
back and compared with the source, byte for byte.

The floor (floor.h) is a bare program that streams without a thought: what is slower than it is what a
tool adds. The budget for the processor is the floor's plus 1.3 times what openssl takes to hash the bytes.
"""

import os
import shutil
import sys
import tempfile

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))   # this folder has a copy.py: not Python's

from bench import _rig as rig  # noqa: E402
from bench import _tools as tools  # noqa: E402
from tests.lab import imapstate, mailgen  # noqa: E402
from tests.lab.servers import Dovecot  # noqa: E402


def main(o):
    total = o.messages * 38_500
    where = o.dir or rig.memory_folder(3 * total + 200_000_000)
    with rig.workplace(where) as work, Dovecot(where, fmt=o.format) as src, Dovecot(where, fmt=o.format) as dst:
        bench = Bench(o, work, src, dst)
        if not o.only or "clear" in o.only or "budget" in o.only:
            yield bench.compare("On a memory file system, in clear",
                                tools.choose(o.tools, tools.Floor(), tools.Posthaste(), tools.Interimap(), tools.Mbsync(),
                                             tools.Imapsync()))
        if o.rungs:
            yield bench.compare("Rungs: the floor by messages an APPEND and pairs of connections",
                                [named(tools.Floor(pairs, batch), f"{batch} an APPEND, {pairs} pairs")
                                 for pairs in (1, 2, 4) for batch in (1, 25, 100)])
        if not tools.Posthaste().program() or (o.tools and "posthaste" not in o.tools):
            return
        if bench.last and "floor" in bench.last:
            yield bench.budget()
        if not o.only or "tls" in o.only:
            yield bench.tls()
        if not o.only or "disk" in o.only:
            with Dovecot(o.disk, fmt=o.format) as disk, rig.workplace(o.disk) as work:
                on_disk = Bench(o, work, src, disk, bench)
                yield on_disk.compare("Destination and ledger on a disk, in clear",
                                      tools.choose(o.tools, tools.Floor(), tools.Posthaste(), tools.Mbsync()))


def named(tool, name):
    tool.name = name
    return tool


class Bench:
    """A source with the corpus, a destination, and rounds between them."""

    def __init__(self, options, work, src, dst, other=None):
        self.o, self.work, self.dst = options, work, dst
        self.source = src
        self.src = src.url("source")
        self.number = 0
        self.checked = set()
        self.last = None
        if other:
            self.account, self.state, self.bytes = other.account, other.state, other.bytes
            return
        rig.progress(f"Making {options.messages} messages")
        self.account = rig.account_of(options.messages, options.folders)
        self.bytes = mailgen.load(self.account, self.src).bytes
        self.state = imapstate.read(self.src)
        # Once unmeasured: the first reader of all finds caches empty that the later ones find full.
        self.copy(tools.Floor(), rig.Rounds())

    def copy(self, tool, rounds, src=None, dst_tls=False):
        """One run into an account of its own, which is checked and taken away."""
        def once(attempt):
            self.number += 1
            rig.progress(f"{tool.name}, run {self.number}")
            user = f"copy{self.number}"
            folder = rig.fresh(self.work / "run")
            usage = tool.run(src or self.src, self.dst.url(user, tls=dst_tls), folder)
            users.append(user)
            return usage

        users = []
        watch = rig.Watch(self.source, self.dst, patience=self.o.patience)
        rounds.add(tool.name, watch.run(once))
        url = self.dst.url(users[-1])
        rig.expect_count(tool.name, url, self.o.messages)
        if tool.name not in self.checked and not self.o.unchecked:
            rig.expect_equal(tool, self.state, url)
            self.checked.add(tool.name)
        for user in users:
            shutil.rmtree(self.dst.mail_home(user))

    def rounds(self, list_of_tools):
        r = rig.Rounds()
        for _ in range(self.o.runs):
            for tool in list_of_tools:
                self.copy(tool, r)
        return r

    def compare(self, title, list_of_tools):
        r = self.last = self.rounds(list_of_tools)
        first = list_of_tools[0].name
        t = rig.Table(f"{title}: {self.o.messages} messages, {self.bytes / 1e6:.0f} MB, {len(self.account.folders)} folders, "
                      f"median of {self.o.runs}", "tool", "wall s", "range", "messages/s", "CPU s", "servers' CPU s",
                      "peak MB", f"to {first}", "mbsync takes", "others' load")
        for tool in list_of_tools:
            n = tool.name
            wall = r.median(n, "wall")
            t.add(n, f"{wall:.2f}", r.spread(n), f"{self.o.messages / wall:.0f}", f"{r.median(n, 'cpu'):.2f}",
                  f"{r.median(n, 'servers'):.2f}", f"{r.median(n, 'rss'):.1f}", rig.times(r.ratio(n, first)),
                  rig.times(r.ratio("mbsync", n)), f"{100 * r.median(n, 'others'):.0f} %")
        return t

    def budget(self):
        """The processor's time against the floor and the cost of hashing the same bytes."""
        r, hashing = self.last, rig.Rounds()
        corpus = self.work / "corpus"
        with open(corpus, "wb") as f:
            for folder in self.account.folders:
                for m in self.account.messages(folder):
                    f.write(m.data)
        folder = rig.fresh(self.work / "run")
        for _ in range(self.o.runs):
            hashing.add("openssl", rig.metered(["openssl", "dgst", "-sha256", corpus], folder))
        corpus.unlink()
        floor, digest, ours = r.median("floor", "cpu"), hashing.median("openssl", "cpu"), r.median("posthaste", "cpu")
        t = rig.Table("Processor", "what", "CPU s")
        t.add("floor", f"{floor:.2f}")
        t.add("openssl dgst -sha256 over the same bytes", f"{digest:.2f}")
        t.add("floor + 1.3 × openssl", f"{floor + 1.3 * digest:.2f}")
        t.add("posthaste", f"{ours:.2f}")
        return t

    def tls(self):
        clear = tools.Posthaste(name="in clear")
        tls = tools.Posthaste("--src-ca-file", str(self.source.ca_file), "--dst-ca-file", str(self.dst.ca_file),
                              name="TLS on both sides")
        r = rig.Rounds()
        for _ in range(self.o.runs):
            self.copy(clear, r)
            self.copy(tls, r, src=self.source.url("source", tls=True), dst_tls=True)
        t = rig.Table("TLS", "posthaste", "wall s", "CPU s", "servers' CPU s", "peak MB", "to clear")
        for name in (clear.name, tls.name):
            t.add(name, f"{r.median(name, 'wall'):.2f}", f"{r.median(name, 'cpu'):.2f}", f"{r.median(name, 'servers'):.2f}",
                  f"{r.median(name, 'rss'):.1f}", rig.times(r.ratio(name, clear.name)))
        t.note("Dovecot's login processes stay in the path of a TLS connection and carry every byte once more: what the "
               "servers take for it is no part of the tool, but is waited for where the cores are full.")
        return t


if __name__ == "__main__":
    p = rig.parser("copy", "Copies one account with every tool and compares.")
    p.add_argument("--messages", type=int, default=20_000)
    p.add_argument("--folders", type=int, default=30)
    p.add_argument("--format", default="sdbox", help="how the servers keep mail: sdbox, mdbox, maildir")
    p.add_argument("--disk", default=tempfile.gettempdir(), help="a folder on a disk, for the last table")
    p.add_argument("--only", help="tables, with commas between: clear,tls,disk")
    p.add_argument("--rungs", action="store_true", help="measure the floor's batches and connections too")
    p.add_argument("--unchecked", action="store_true", help="count the messages, but do not read them back")
    sys.exit(rig.run(main, p.parse_args()))
