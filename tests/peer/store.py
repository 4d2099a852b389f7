"""The mail of a scripted peer: folders and messages in memory.  The caller holds Account.lock."""

import re
import threading
import time
from dataclasses import dataclass, field

SYSTEM = {f.lower(): f for f in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")}
DATE = re.compile(r"[ \d]\d-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d [+-]\d{4}\Z", re.I)


def now_date():
    return time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime())


@dataclass
class Message:
    uid: int
    data: bytes
    flags: set = field(default_factory=set)
    date: str = "01-Jan-2020 00:00:00 +0000"
    modseq: int = 1
    msgid: int = 0              # X-GM-MSGID, EMAILID: equal for equal bytes in one account
    recent: bool = False


@dataclass
class Folder:
    name: str                   # in Unicode, levels parted by the account's delimiter
    uidvalidity: int
    uidnext: int = 1
    attrs: set = field(default_factory=set)
    messages: list = field(default_factory=list)
    subscribed: bool = True
    permanent: list = None      # None: all flags and \*
    readonly: bool = False
    modseq: int = 1
    gone: list = field(default_factory=list)        # (uid, modseq) of expunged messages

    def next_modseq(self):
        self.modseq += 1
        return self.modseq

    def add(self, account, data, flags=(), date=None, uid=None):
        if uid is not None:
            self.uidnext = max(self.uidnext, uid)
        m = Message(uid if uid is not None else self.uidnext, data, set(flags), date or now_date(), self.next_modseq(),
                    account.msgid(data), True)
        if uid is None or uid == self.uidnext:
            self.uidnext = m.uid + 1
        self.messages.append(m)
        return m

    def remove(self, message):
        self.messages.remove(message)
        self.gone.append((message.uid, self.next_modseq()))


class Account:
    """All folders of one peer; every user of it has the same ones."""

    def __init__(self, delimiter="/"):
        self.lock = threading.RLock()
        self.delimiter = delimiter
        self.prefix = ""
        self.folders = {}
        self.validity = 1000
        self.ids = {}
        self.create("INBOX", subscribed=False)

    def msgid(self, data):
        return self.ids.setdefault(data, 1_700_000_000_000_000_000 + len(self.ids) * 7919)

    def key(self, name):
        return "INBOX" if name.upper() == "INBOX" else name

    def get(self, name):
        """A folder that can be selected, or None."""
        f = self.folders.get(self.key(name))
        return None if f is None or f.attrs & {"\\Noselect", "\\NonExistent"} else f

    def create(self, name, subscribed=False, **kw):
        """Makes the folder and the ones above it; returns it, or None when it is there."""
        name = self.key(name)
        there = self.folders.get(name)
        if there is not None and not there.attrs & {"\\Noselect", "\\NonExistent"}:
            return None
        if self.delimiter and self.delimiter in name:
            parent = name.rpartition(self.delimiter)[0]
            if parent and parent not in self.folders:
                self.create(parent)
        self.validity += 1
        self.folders[name] = Folder(name, kw.pop("uidvalidity", self.validity), subscribed=subscribed, **kw)
        return self.folders[name]

    def children(self, name):
        return any(n.startswith(name + self.delimiter) for n in self.folders) if self.delimiter else False


# Sets of numbers ---------------------------------------------------------------------------------------

def number_set(text, last):
    """"1:3,7,9:*" as a list of (low, high); `*` is `last`."""
    out = []
    for part in text.split(","):
        a, _, b = part.partition(":")
        b = b or a
        if not re.fullmatch(r"\d+|\*", a) or not re.fullmatch(r"\d+|\*", b) or a == "0" or b == "0":
            raise ValueError(f"not a number set: {text}")
        lo, hi = (last if x == "*" else int(x) for x in (a, b))
        out.append((min(lo, hi), max(lo, hi)))
    return out


def in_set(n, ranges):
    return any(lo <= n <= hi for lo, hi in ranges)


def show_set(numbers):
    """Numbers as the shortest set."""
    out, numbers = [], sorted(numbers)
    i = 0
    while i < len(numbers):
        j = i
        while j + 1 < len(numbers) and numbers[j + 1] == numbers[j] + 1:
            j += 1
        out.append(str(numbers[i]) if i == j else f"{numbers[i]}:{numbers[j]}")
        i = j + 1
    return ",".join(out)
