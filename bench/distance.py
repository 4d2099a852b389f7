"""./run bench distance: what a round-trip time does to each tool.

Both servers are reached through a proxy that adds the time to connecting and to data, and does not limit
the rate. Round trips are counted by the proxy along each connection, greeting included (which is two); of a
run the longest chain counts, whatever was said beside it. All tools log in with PLAIN or LOGIN.

Tables: an account copied at two distances; a large one on one and four pairs of connections; a repeat with nothing
to do, and one after some new messages and changed flags; a server without any extension, with one lane and with eight.
"""

import os
import shutil
import sys
import time

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))   # this folder has a copy.py: not Python's

from bench import _rig as rig  # noqa: E402
from bench import _tools as tools  # noqa: E402
from tests.lab import imapstate, mailgen  # noqa: E402
from tests.lab.imap import Url, quoted  # noqa: E402
from tests.lab.proxy import DelayProxy  # noqa: E402
from tests.lab.servers import Dovecot, free_port  # noqa: E402

TABLES = ("copy", "rate", "repeat", "bare")
PLAIN = ("--src-auth", "PLAIN", "--dst-auth", "PLAIN")   # one round trip, as the other tools log in


class Line:
    """Both servers at a distance, on ports that stay the same from run to run: state that is kept names them."""

    def __init__(self, src, dst, tls=False):
        self.servers = src, dst
        self.tls = tls
        self.ports = free_port(), free_port()

    def run(self, tool, rtt, users, folder):
        """Copies users[0] to users[1] with `rtt` milliseconds in between; the Usage, with round_trips."""
        to = [s.tls_port if self.tls else s.port for s in self.servers]
        with DelayProxy(to[0], rtt=rtt, listen=self.ports[0], queue="256M") as a, \
                DelayProxy(to[1], rtt=rtt, listen=self.ports[1], queue="256M") as b:
            usage = tool.run(a.url(self.servers[0].url(users[0], tls=self.tls)),
                             b.url(self.servers[1].url(users[1], tls=self.tls)), folder)
            chains = [p.stats()["round_trips"] for p in (a, b)]
        usage.round_trips = max(chains)
        usage.trips_of_time = usage.wall * 1000 / rtt if rtt else 0
        return usage


class Place:
    """Two servers, a folder for state, and accounts that are numbered."""

    def __init__(self, options, where, work, **server):
        self.o, self.work = options, work
        self.src, self.dst = Dovecot(where, **server), Dovecot(where, **server)
        self.number = 0

    def __enter__(self):
        self.src.__enter__()
        self.dst.__enter__()
        return self

    def __exit__(self, *exc):
        self.src.stop()
        self.dst.stop()

    def fill(self, user, messages, folders):
        rig.progress(f"Making {messages} messages")
        account = rig.account_of(messages, folders)
        self.bytes = mailgen.load(account, self.src.url(user)).bytes
        self.state = imapstate.read(self.src.url(user))
        return account

    def once(self, tool, rtt, user, check=False):
        """One copy into a new account, which is taken away again."""
        self.number += 1
        rig.progress(f"{tool.name} at {rtt} ms, run {self.number}")
        copy = f"copy{self.number}"
        usage = Line(self.src, self.dst).run(tool, rtt, (user, copy), rig.fresh(self.work / "run"))
        rig.expect_count(tool.name, self.dst.url(copy), self.state.count())
        if check:
            rig.expect_equal(tool, self.state, self.dst.url(copy))
        shutil.rmtree(self.dst.mail_home(copy))
        return usage


def rounds(place, runs, list_of_tools, rtt, user):
    r = rig.Rounds()
    for i in range(runs):
        for tool in list_of_tools:
            r.add(tool.name, place.once(tool, rtt, user, check=i == 0))
    return r


def copy_tables(o, place):
    """A small account at each distance; ours may take 1.3 times the floor and four round trips."""
    place.fill("source", o.messages, 10)
    mine = tools.choose(o.tools, tools.Floor(), tools.Posthaste(*PLAIN), tools.Interimap(), tools.Mbsync())
    first = mine[0].name
    for rtt in o.rtt:
        r = rounds(place, o.runs, mine, rtt, "source")
        allowed = 1.3 * r.median(first, "wall") + 4 * rtt / 1000
        t = rig.Table(f"{o.messages} messages, {place.bytes / 1e6:.0f} MB, 10 folders at {rtt} ms, median of {o.runs}",
                      "tool", "wall s", "range", f"to {first}", "longest chain", "of 1.3 × floor + 4 RTT")
        for tool in mine:
            n = tool.name
            wall = r.median(n, "wall")
            t.add(n, f"{wall:.2f}", r.spread(n), rig.times(r.ratio(n, first)), f"{r.median(n, 'round_trips'):.0f}",
                  f"{100 * wall / allowed:.0f} %")
        yield t


def rate_table(o, place):
    """A large account at the greater distance, on one pair and on four."""
    place.fill("large", o.large, 30)
    rtt = max(o.rtt)
    t = rig.Table(f"{o.large} messages, {place.bytes / 1e6:.0f} MB, 30 folders at {rtt} ms, median of {o.runs}",
                  "tool", "pairs", "wall s", "messages/s", "peak MB", "of the floor's rate")
    for pairs in (1, 4):
        both = tools.choose(None, tools.Floor(pairs), tools.Posthaste("--lanes", str(pairs), *PLAIN))
        r = rounds(place, o.runs, both, rtt, "large")
        for tool in both:
            n, wall = tool.name, r.median(tool.name, "wall")
            t.add(n, pairs, f"{wall:.2f}", f"{o.large / wall:.0f}", f"{r.median(n, 'rss'):.1f}",
                  f"{100 * r.ratio('floor', n):.0f} %")
    return t


def disturb(account, url):
    """A hundred new messages and a hundred changed flags, over the folders that have mail."""
    folders = [f for f in account.folders if f.count >= 10][:10]
    new = mailgen.Account(seed=2, messages=100, folders=10, total=1_000_000)
    fresh = [m for f in new.folders for m in new.messages(f)]
    with Url(url).connect() as c:
        for i, f in enumerate(folders):
            name = quoted(mailgen.wire_name(f.path, "/"))
            for m in fresh[i::len(folders)]:
                c.wait(c.send(b"APPEND " + name, b' (%b) "%b" {%d+}\r\n' % (
                    " ".join(m.flags).encode(), m.date.encode(), len(m.data)), m.data, b"\r\n"))
            c.cmd(b"SELECT " + name)
            for number in range(1, 1 + 100 // len(folders)):
                c.cmd(b"STORE %d +FLAGS (\\Flagged $Label1)" % number)
                c.cmd(b"STORE %d -FLAGS (\\Seen)" % number)
    return len(fresh)


def repeat_table(o, place):
    """The same copy again: with nothing to do, and with a little."""
    rtt = max(o.rtt)
    account = place.fill("again", o.messages, 12)
    sides = [("posthaste", tools.Posthaste(*PLAIN), False),
             ("posthaste, TLS and SCRAM", tools.Posthaste("--insecure"), True),
             ("interimap", tools.Interimap(), False), ("mbsync", tools.Mbsync(), False)]
    lines = []
    for i, (name, tool, tls) in enumerate(sides):
        if tool.program():
            rig.progress(f"{name}: first copy")
            line = Line(place.src, place.dst, tls)
            folder, users = rig.fresh(place.work / f"again{i}"), ("again", f"again{i}")
            line.run(tool, 0, users, folder)
            # A second run settles what a first one leaves open; tools that need none are not harmed.
            line.run(tool, 0, users, folder)
            lines.append((name, tool, line, users, folder, line.run(tool, rtt, users, folder)))
    time.sleep(1.1)     # flags changed within the second of the last scan are another matter than distance
    total = place.state.count() + disturb(account, place.src.url("again"))
    place.state = imapstate.read(place.src.url("again"))
    t = rig.Table(f"Repeats of {o.messages} messages in 12 folders at {rtt} ms, in round trips", "tool", "nothing to do", "s",
                  "RTT of time", "100 new, 100 changed", "s", "RTT of time")
    for name, tool, line, users, folder, idle in lines:
        rig.progress(f"{name}: second copy")
        some = line.run(tool, rtt, users, folder)
        rig.expect_count(name, place.dst.url(users[1]), total)
        rig.expect_equal(tool, place.state, place.dst.url(users[1]))
        t.add(name, idle.round_trips, f"{idle.wall:.2f}", f"{idle.trips_of_time:.1f}",
              some.round_trips, f"{some.wall:.2f}", f"{some.trips_of_time:.1f}")
    return t


def bare_table(o, where, work):
    """A server that offers nothing beyond IMAP4rev1: speed comes from lanes alone."""
    rtt = max(o.rtt)
    with Place(o, where, work, caps_off="bare") as place:
        place.fill("source", o.bare, 10)
        r = rig.Rounds()
        lanes = {n: tools.Posthaste("--lanes", str(n), *PLAIN, name=f"{n} lanes") for n in (1, 8)}
        for tool in lanes.values():
            r.add(tool.name, place.once(tool, rtt, "source", check=True))
        t = rig.Table(f"No extension at all: {o.bare} messages, {place.bytes / 1e6:.0f} MB, 10 folders at {rtt} ms",
                      "posthaste", "wall s", "messages/s", "RTT a message", "faster")
        for n, tool in lanes.items():
            wall = r.median(tool.name, "wall")
            t.add(tool.name, f"{wall:.1f}", f"{o.bare / wall:.0f}", f"{wall * 1000 / rtt * n / o.bare:.2f}",
                  rig.times(r.ratio(lanes[1].name, tool.name)))
    return t


def main(o):
    o.rtt = [int(x) for x in o.rtt.split(",")]
    wanted = o.only.split(",") if o.only else TABLES
    where = o.dir or rig.memory_folder(3 * 38_500 * max(o.messages, o.large))
    with rig.workplace(where) as work:
        with Place(o, where, work) as place:
            if "copy" in wanted:
                yield from copy_tables(o, place)
            if "rate" in wanted:
                yield rate_table(o, place)
            if "repeat" in wanted:
                yield repeat_table(o, place)
        if "bare" in wanted and tools.Posthaste().program():
            yield bare_table(o, where, work)


if __name__ == "__main__":
    p = rig.parser("distance", "Copies through a proxy that adds a round-trip time.")
    p.add_argument("--messages", type=int, default=2000)
    p.add_argument("--large", type=int, default=20_000, help="messages of the large account")
    p.add_argument("--bare", type=int, default=600, help="messages of the account on a server without extensions")
    p.add_argument("--rtt", default="20,100", help="milliseconds, with commas between")
    p.add_argument("--only", help=f"tables, with commas between: {','.join(TABLES)}")
    sys.exit(rig.run(main, p.parse_args()))
