"""What is in an account, read by other means than the program under test, and how two accounts differ.

    a = read(url); b = read(url2)
    diff = compare(a, b)
    assert not diff, diff

    python3 -m tests.lab.imapstate URL              prints the account as JSON
    python3 -m tests.lab.imapstate URL URL2         compares; exit status 1 and a list when they differ
"""

import argparse
import calendar
import hashlib
import json
import re
import sys
import threading
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field

from tests.lab.imap import ImapError, Url, parse, quoted, utf7_decode

SYSTEM = {"\\seen": "\\Seen", "\\answered": "\\Answered", "\\flagged": "\\Flagged", "\\deleted": "\\Deleted",
          "\\draft": "\\Draft"}
SPECIAL = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important"}
MONTHS = {m: i + 1 for i, m in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split())}


@dataclass(slots=True)
class Msg:
    uid: int
    flags: tuple          # sorted; system flags in one spelling, keywords in lower case, no \Recent
    date: int             # INTERNALDATE as seconds since 1970
    size: int             # of the bytes
    rfc822_size: int      # as the server says
    sha256: str           # None where the server gave no body


@dataclass
class Folder:
    name: str
    uidvalidity: int = 0
    uidnext: int = 0
    messages: list = field(default_factory=list)


@dataclass
class State:
    folders: dict = field(default_factory=dict)       # name, "/" between the levels -> Folder
    subscribed: set = field(default_factory=set)
    special: dict = field(default_factory=dict)       # name -> set of \Sent and so on
    noselect: set = field(default_factory=set)

    def count(self):
        return sum(len(f.messages) for f in self.folders.values())


def internal_date(text):
    m = re.fullmatch(r"\s?(\d+)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", text)
    if not m:
        raise ImapError(f"INTERNALDATE {text!r}")
    day, mon, year, h, mi, s, sign, zh, zm = m.groups()
    t = calendar.timegm((int(year), MONTHS[mon.lower()], int(day), int(h), int(mi), int(s)))
    off = int(zh) * 3600 + int(zm) * 60
    return t - off if sign == "+" else t + off


def flag_set(raw):
    out = set()
    for f in raw:
        f = f.decode()
        if f.lower() != "\\recent":
            out.add(SYSTEM.get(f.lower(), f.lower()))
    return tuple(sorted(out))


def fetch_items(v):
    """The value list of a FETCH response as a dict; names in upper case."""
    items = v[3]
    return {items[i].upper(): items[i + 1] for i in range(0, len(items) - 1, 2)}


def read_folder(conn, raw_name, folder, bodies=True):
    """Fills a Folder; one flight of EXAMINE and FETCH."""
    items = b"(UID FLAGS INTERNALDATE RFC822.SIZE" + (b" BODY.PEEK[])" if bodies else b")")
    t1 = conn.send(b"EXAMINE " + quoted(raw_name))
    t2 = conn.send(b"UID FETCH 1:* " + items)
    conn.wait(t1)
    for parts in conn.untagged:
        m = re.match(rb"\* OK \[(UIDVALIDITY|UIDNEXT) (\d+)\]", parts[0], re.I)
        if m:
            setattr(folder, m[1].decode().lower(), int(m[2]))

    def on(parts):
        if not re.match(rb"\* \d+ FETCH ", parts[0], re.I):
            return
        f = fetch_items(parse(parts))
        if b"UID" not in f or b"INTERNALDATE" not in f:
            return                      # somebody's flag change
        body = f.get(b"BODY[]")
        folder.messages.append(Msg(
            int(f[b"UID"]), flag_set(f[b"FLAGS"]), internal_date(f[b"INTERNALDATE"].decode()),
            len(body) if body is not None else int(f[b"RFC822.SIZE"]), int(f[b"RFC822.SIZE"]),
            hashlib.sha256(body).hexdigest() if body is not None else None))

    conn.wait(t2, on)
    folder.messages.sort(key=lambda m: m.uid)


def read(url, connections=2, bodies=True, ca_file=None):
    """The whole account as a State."""
    u = Url(url) if isinstance(url, str) else url
    state = State()
    with u.connect(ca_file=ca_file) as conn:
        rows = conn.list()
        work = []
        for attrs, delim, raw in rows:
            name = plain_name(raw, delim)
            if special := attrs & SPECIAL:
                state.special[name] = special
            if {a.lower() for a in attrs} & {"\\noselect", "\\nonexistent"}:
                state.noselect.add(name)
                continue
            state.folders[name] = Folder(name)
            work.append((raw, state.folders[name]))
        state.subscribed = {plain_name(raw, delim) for attrs, delim, raw in conn.list(b"LSUB")
                            if "\\noselect" not in {a.lower() for a in attrs}}
    work.reverse()
    errors = []

    def reader():
        try:
            with u.connect(ca_file=ca_file) as c:
                while work and not errors:
                    try:
                        raw, folder = work.pop()
                    except IndexError:
                        break
                    read_folder(c, raw, folder, bodies)
        except Exception as e:              # noqa: BLE001  (handed to the caller below)
            errors.append(e)

    threads = [threading.Thread(target=reader) for _ in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]
    return state


def plain_name(raw, delim):
    name = utf7_decode(raw)
    if name.upper() == "INBOX":
        return "INBOX"
    return name if delim in (None, "/") else name.replace("/", "\0").replace(delim, "/")


# Comparison ------------------------------------------------------------------------------------------

@dataclass
class Difference:
    """Lists of (folder, message or text).  True when anything is different."""
    missing: list = field(default_factory=list)       # in a, not in b
    doubled: list = field(default_factory=list)       # in b more often than in a
    foreign: list = field(default_factory=list)       # in b, never in a
    different: list = field(default_factory=list)     # same bytes, other flags or date: (folder, a, b)
    folders: list = field(default_factory=list)       # folders that are not in b
    subscriptions: list = field(default_factory=list)
    special: list = field(default_factory=list)

    def __bool__(self):
        return any(vars(self).values())

    def summary(self):
        return ", ".join(f"{k} {len(v)}" for k, v in vars(self).items() if v) or "equal"

    def __str__(self):
        lines = [self.summary()]
        for kind, rows in vars(self).items():
            lines += [f"  {kind}: {row}" for row in rows[:10]]
            if len(rows) > 10:
                lines.append(f"  {kind}: … and {len(rows) - 10} more")
        return "\n".join(lines)


def compare(a, b, map=None, *, flags=True, date=True, subscriptions=True, special=False, foreign=True):
    """How b, the copy, differs from a.  `map` is a dict or function from a's folder names to b's;
    `flags` False leaves flags out, or is a function on a's flags that says what b should have."""
    d = Difference()
    to = (lambda n: map.get(n, n)) if isinstance(map, dict) else (map or (lambda n: n))
    want = flags if callable(flags) else (lambda f: f)
    taken = defaultdict(list)
    for name, folder in a.folders.items():
        taken[to(name)] += [(name, m) for m in folder.messages]
        if to(name) not in b.folders:
            d.folders.append(name)
    for target, ours in taken.items():
        theirs = b.folders[target].messages if target in b.folders else []
        compare_folder(d, target, ours, theirs, want if flags else None, date, foreign)
    if foreign:
        for name, folder in b.folders.items():
            if name not in taken:
                d.foreign += [(name, m) for m in folder.messages]
    if subscriptions:
        wanted = {to(n) for n in a.subscribed}
        d.subscriptions += [("missing", n) for n in sorted(wanted - b.subscribed)]
        d.subscriptions += [("extra", n) for n in sorted(b.subscribed - wanted)]
    if special:
        for name, uses in a.special.items():
            if b.special.get(to(name), set()) != uses:
                d.special.append((name, sorted(uses), sorted(b.special.get(to(name), set()))))
    return d


def compare_folder(d, target, ours, theirs, want, date, foreign):
    """Pairs equal messages as multisets: first on everything, then on the bytes alone."""
    def key(m, flags):
        return (m.sha256, flags, m.date if date else None)

    left = defaultdict(list)
    for m in reversed(theirs):           # the lowest UID is paired first, so the later one is the double
        left[key(m, m.flags if want else None)].append(m)
    rest = []
    for name, m in ours:
        k = key(m, tuple(want(m.flags)) if want else None)
        if left.get(k):
            left[k].pop()
        else:
            rest.append((name, m))
    by_bytes = defaultdict(list)
    for ms in left.values():
        for m in ms:
            by_bytes[m.sha256].append(m)
    for name, m in rest:
        if by_bytes.get(m.sha256):
            d.different.append((name, m, by_bytes[m.sha256].pop()))
        else:
            d.missing.append((name, m))
    known = Counter(m.sha256 for _, m in ours)
    for ms in by_bytes.values():
        for m in ms:
            if m.sha256 in known:
                d.doubled.append((target, m))
            elif foreign:
                d.foreign.append((target, m))


def main(argv=None):
    ap = argparse.ArgumentParser(prog="tests.lab.imapstate", description="Reads an account, or compares two.")
    ap.add_argument("url")
    ap.add_argument("copy", nargs="?")
    ap.add_argument("--no-foreign", action="store_true", help="what only the copy has is no difference")
    ap.add_argument("--no-flags", action="store_true")
    ap.add_argument("--no-date", action="store_true")
    ap.add_argument("--no-subscriptions", action="store_true")
    a = ap.parse_args(argv)
    state = read(a.url)
    if a.copy is None:
        json.dump({"folders": [asdict(f) for f in state.folders.values()], "subscribed": sorted(state.subscribed),
                   "special": {k: sorted(v) for k, v in state.special.items()}}, sys.stdout, indent=1)
        print()
        return 0
    diff = compare(state, read(a.copy), flags=not a.no_flags, date=not a.no_date,
                   subscriptions=not a.no_subscriptions, foreign=not a.no_foreign)
    print(f"{state.count()} messages in {len(state.folders)} folders: {diff}")
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main())
