"""A believable mail account from a seed: the same parameters give the same bytes, everywhere.

    account = Account(seed=1, messages=20000, folders=30, total=770_000_000)
    for folder in account.folders:
        for m in account.messages(folder):
            m.data, m.flags, m.date
    load(account, url)

    python3 -m tests.lab.mailgen --preset demo --url imap://demo:pw@127.0.0.1:1143/
    python3 -m tests.lab.mailgen --preset lab --maildir DIR        (one Maildir++ tree)

Sizes are log-normal (median 8 KB, mean 39 KB), stretched to `total` when that is given.  Mail is well
formed: CRLF, no line over 998, RFC 2047 in headers, MIME parts, base64 attachments.  Every message
has its own Message-ID unless `duplicates` asks for exact copies.  Folder names are nested and not
ASCII; flags, keywords, internal dates with zones, threads and subscriptions are there.

The bulk of a message is cut from blocks made once, at line borders; nothing is formatted line by line.
"""

import argparse
import base64
import datetime
import math
import os
import random
import sys
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from tests.lab.imap import ImapError, Url, quoted, utf7_encode
from tests.lab.mailwords import FOLDERS, KEYWORDS, PARAGRAPHS, PEOPLE, SUBJECTS

MEDIAN, SIGMA = 8000, math.sqrt(2 * math.log(39 / 8))
ZONES = [-480, -300, -180, 0, 60, 60, 120, 120, 180, 330, 345, 540, 600]
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
EPOCH = datetime.datetime(1970, 1, 1)

PRESETS = {
    "lab": dict(messages=20000, folders=30, total=770_000_000),
    "distance": dict(messages=2000, folders=10, total=78_000_000),
    "demo": dict(messages=3000, folders=26, total=70_000_000),
    "small": dict(messages=200, folders=8, total=8_000_000),
    "huge-folder": dict(messages=500_000, folders=1, total=450_000_000),
}


@dataclass(slots=True)
class Message:
    data: bytes
    flags: tuple
    date: str           # as IMAP writes it: "07-Feb-2021 09:05:00 +0100", day with a leading blank


@dataclass
class Folder:
    index: int
    path: tuple         # ("INBOX",) or ("Projekte", "Räder")
    special: str        # "\\Sent" or ""
    subscribed: bool
    count: int


# Blocks ----------------------------------------------------------------------------------------------

class Block:
    """Much text, with the places where its lines begin."""

    def __init__(self, data):
        self.data = data
        self.starts = [0]
        pos = data.find(b"\n")
        while pos >= 0:
            self.starts.append(pos + 1)
            pos = data.find(b"\n", pos + 1)

    def cut(self, rng, size):
        """Whole lines, at most `size` bytes or the block, at least one line."""
        size = max(1, min(size, self.starts[-1] // 2))
        first = int(rng.random() * bisect_right(self.starts, self.starts[-1] - size))
        last = bisect_right(self.starts, self.starts[first] + size) - 1
        return self.data[self.starts[first]:self.starts[max(last, first + 1)]]


def base64_block(rng, size):
    raw = base64.b64encode(rng.randbytes(size // 76 * 57))
    return Block(b"\r\n".join(raw[i:i + 76] for i in range(0, len(raw), 76)) + b"\r\n")


def text_block(rng, paragraphs, size, encode):
    lines, total = [], 0
    while total < size:
        words = rng.choice(paragraphs).split()
        if rng.random() < 0.5:
            rng.shuffle(words)
        line = ""
        for w in words:
            if len(line) + len(w) > 70:
                lines.append(encode(line))
                total += len(lines[-1]) + 2
                line = w
            else:
                line = f"{line} {w}" if line else w
        lines += [encode(line), b""]
    # A leading dot or "From " is a trap of its own; plain mail has some of both.
    lines[::97] = [b"From here on: " + x for x in lines[::97]]
    return Block(b"\r\n".join(lines) + b"\r\n")


def quoted_printable(line):
    out = b"".join(bytes((c,)) if 32 <= c < 127 and c != 61 else b"=%02X" % c for c in line.encode())
    parts = []
    while len(out) > 75:                   # soft breaks, never within an escape
        cut = 74
        while b"=" in out[cut - 2:cut]:
            cut -= 1
        parts.append(out[:cut] + b"=")
        out = out[cut:]
    return b"\r\n".join(parts + [out])


def encoded_word(text):
    if all(" " <= c <= "~" for c in text):
        return text
    words, chunk = [], b""
    for ch in text:
        if len(chunk) + len(ch.encode()) > 42:
            words.append(chunk)
            chunk = b""
        chunk += ch.encode()
    return "\r\n ".join(f"=?utf-8?B?{base64.b64encode(w).decode()}?=" for w in words + [chunk])


# The account -----------------------------------------------------------------------------------------

class Account:
    """See the top of this file.  `duplicates` is the share of messages that are exact copies of another
    one in their folder; `unicode_names` False leaves only ASCII folder names."""

    def __init__(self, seed=1, messages=20000, folders=30, total=None, duplicates=0.0, unicode_names=True):
        self.seed, self.count, self.total, self.duplicates = seed, messages, total, duplicates
        rng = random.Random(f"{seed}/account")
        self.folders = self._folders(rng, folders, messages, unicode_names)
        sizes = [max(600, min(40_000_000, int(rng.lognormvariate(math.log(MEDIAN), SIGMA)))) for _ in range(messages)]
        if total:
            sizes = self._stretch(sizes, total)
        self.sizes = sizes
        self.first = []
        at = 0
        for f in self.folders:
            self.first.append(at)
            at += f.count
        self.base64 = base64_block(rng, 4_000_000)
        self.text = [
            (text_block(rng, PARAGRAPHS["en"], 600_000, str.encode), "us-ascii", "7bit"),
            (text_block(rng, PARAGRAPHS["de"] + PARAGRAPHS["fr"], 600_000, quoted_printable), "utf-8", "quoted-printable"),
            (text_block(rng, PARAGRAPHS["ru"] + PARAGRAPHS["ja"] + PARAGRAPHS["el"], 600_000, str.encode), "utf-8", "8bit"),
        ]

    @staticmethod
    def _stretch(sizes, total):
        """Scales towards the sum that was asked for; small mail keeps its floor, so it takes some rounds."""
        for _ in range(20):
            factor = total / sum(sizes)
            if 0.999 < factor < 1.001:
                break
            sizes = [max(600, min(40_000_000, int(s * factor))) for s in sizes]
        return sizes

    @staticmethod
    def _folders(rng, n, messages, unicode_names):
        rows = [r for r in FOLDERS if unicode_names or all(p.isascii() for p in r[0])][:n]
        year = 2024
        while len(rows) < n:
            rows.append((("Archive", str(year)) if year > 1990 else ("Archive", "Old", str(year + 3000)), ""))
            year -= 1
        # INBOX and Sent are big, the rest falls off; one folder stays empty where there are several.
        weights = [1 / (i + 1) ** 0.8 * (0.6 + 0.8 * rng.random()) for i in range(len(rows))]
        if len(weights) > 3:
            weights[3] = 0
        counts = [int(messages * w / sum(weights)) for w in weights]
        counts[0] += messages - sum(counts)
        return [Folder(i, path, special, i < 2 or rng.random() < 0.8, c)
                for i, ((path, special), c) in enumerate(zip(rows, counts))]

    def messages(self, folder):
        """The messages of a folder, in the order of their UIDs; the same each time it is called."""
        rng = random.Random(f"{self.seed}/{folder.index}")
        thread = []                         # (message id, subject) of the last messages, to answer to
        now = 1_262_304_000 + int(rng.random() * 86400 * 365)
        step = (1_735_000_000 - now) / max(1, folder.count)
        last = None
        for i in range(folder.count):
            # Never in the future: Dovecot files such mail under the time of the APPEND.
            now = min(now + rng.random() * 2 * step, 1_735_000_000)
            if last is not None and rng.random() < self.duplicates:
                yield last
                continue
            last = self._message(rng, folder, i, int(now), self.sizes[self.first[folder.index] + i], thread)
            yield last

    def _message(self, rng, folder, i, when, size, thread):
        r = rng.random
        zone = ZONES[int(r() * len(ZONES))]
        date = EPOCH + datetime.timedelta(seconds=when, minutes=zone)
        sign, z = ("+", zone) if zone >= 0 else ("-", -zone)
        clock = f"{date:%H:%M:%S} {sign}{z // 60:02}{z % 60:02}"
        mid = f"<{self.seed}.{folder.index}.{i}.{int(r() * 1e12):x}@mail.example>"
        (sender, sender_at), (to, to_at) = PEOPLE[int(r() * len(PEOPLE))], PEOPLE[int(r() * len(PEOPLE))]
        head = [f"Return-Path: <{sender_at}>",
                f"Received: from mx{int(r() * 9)}.example.net (mx.example.net [192.0.2.{int(r() * 250)}])",
                f"\tby mail.example with ESMTPS id {int(r() * 1e15):x}",
                f"\tfor <{to_at}>; {DAYS[date.weekday()]}, {date.day:02} {MONTHS[date.month - 1]} {date.year} {clock}",
                f"Date: {DAYS[date.weekday()]}, {date.day} {MONTHS[date.month - 1]} {date.year} {clock}",
                f"From: {encoded_word(sender)} <{sender_at}>", f"To: {encoded_word(to)} <{to_at}>",
                f"Message-ID: {mid}"]
        if thread and r() < 0.4:
            parent, subject, refs = thread[int(r() * len(thread))]
            refs = (refs + [parent])[-5:]
            head += [f"In-Reply-To: {parent}", "References: " + "\r\n ".join(refs)]
            subject = subject if subject.startswith(("Re: ", "AW: ")) else ("Re: " if r() < 0.8 else "AW: ") + subject
        else:
            subject, refs = SUBJECTS[int(r() * len(SUBJECTS))].replace("#", str(int(r() * 9000) + 1000)), []
        thread.append((mid, subject, refs))
        del thread[:-30]
        head += ["Subject: " + encoded_word(subject), "MIME-Version: 1.0"]
        data = self._body(rng, "\r\n".join(head).encode() + b"\r\n", size)
        return Message(data, self._flags(rng, folder),
                       f"{date.day:2}-{MONTHS[date.month - 1]}-{date.year} {clock}")

    @staticmethod
    def _flags(rng, folder):
        r = rng.random
        if folder.special == "\\Drafts":
            return ("\\Draft", "\\Seen") if r() < 0.9 else ("\\Draft",)
        flags = []
        for f, share in (("\\Seen", 0.85), ("\\Answered", 0.15), ("\\Flagged", 0.05), ("\\Deleted", 0.003)):
            if r() < share:
                flags.append(f)
        if r() < 0.12:
            flags.append(KEYWORDS[int(r() * len(KEYWORDS))])
            if r() < 0.1:
                flags.append("$MDNSent")
        return tuple(dict.fromkeys(flags))

    def _body(self, rng, head, size):
        room = size - len(head) - 80
        block, charset, cte = self.text[(0, 0, 1, 2)[int(rng.random() * 4)]]
        # Some messages are hardly there, with no line end behind their one character.
        text = b"." if rng.random() < 0.1 and room < 1500 else None
        kind = f"; charset={charset}\r\nContent-Transfer-Encoding: {cte}\r\n\r\n".encode()
        if room < 3000:
            return head + b"Content-Type: text/plain" + kind + (text or block.cut(rng, max(room, 40)))
        b = b"=_%x" % int(rng.random() * 1e15)
        if room < 30000:
            half = (room - 400) // 2
            return b"".join((
                head, b'Content-Type: multipart/alternative; boundary="', b, b'"\r\n\r\n',
                b"--", b, b"\r\nContent-Type: text/plain", kind, block.cut(rng, half),
                b"\r\n--", b, b"\r\nContent-Type: text/html", kind, b"<html><body><p>\r\n", block.cut(rng, half),
                b"</p></body></html>\r\n\r\n--", b, b"--\r\n"))
        out = [head, b'Content-Type: multipart/mixed; boundary="', b, b'"\r\n\r\nThis is a message in MIME format.\r\n']
        out += [b"--", b, b"\r\nContent-Type: text/plain", kind, block.cut(rng, min(4000, room // 4)), b"\r\n"]
        left = room - sum(map(len, out[1:])) - 100
        number = 0
        while left > 200:
            number += 1
            name, ctype = ((b"Bericht.pdf", b"application/pdf"), (b"IMG_%04d.jpg" % int(rng.random() * 9999), b"image/jpeg"),
                           (b"table.xlsx", b"application/vnd.ms-excel"))[int(rng.random() * 3)]
            h = (b"--%b\r\nContent-Type: %b; name=\"%b\"\r\nContent-Transfer-Encoding: base64\r\n"
                 b"Content-Disposition: attachment; filename=\"%b\"\r\n\r\n" % (b, ctype, name, name))
            part = self.base64.cut(rng, left - len(h) - 2)
            out += [h, part, b"\r\n"]
            left -= len(h) + len(part) + 2
        out += [b"--", b, b"--\r\n"]
        return b"".join(out)


# Loading ---------------------------------------------------------------------------------------------

def wire_name(path, delim, prefix=""):
    levels = [p.replace(delim, "_") if delim else p for p in path]
    name = (delim or "").join(levels)
    return utf7_encode(name if name.upper() == "INBOX" else prefix + name)


class Loader:
    """Puts an account onto a server: folders and subscriptions on one connection, messages on several.
    MULTIAPPEND in batches where offered, two batches under way; else single APPENDs, as many under way
    as LITERAL+ allows."""

    BATCH_COUNT, BATCH_BYTES = 100, 8_000_000

    def __init__(self, account, url, connections=2, subscribe=True, progress=None):
        self.account, self.url = account, Url(url) if isinstance(url, str) else url
        self.connections, self.subscribe, self.progress = connections, subscribe, progress
        self.loaded = 0
        self.bytes = 0
        self.lock = threading.Lock()

    def run(self):
        with self.url.connect() as c:
            delim, self.prefix = self._namespace(c)
            self.delim = delim
            tags = []
            for f in self.account.folders:
                name = quoted(wire_name(f.path, delim, self.prefix))
                if f.path != ("INBOX",):
                    tags.append((c.send(b"CREATE " + name), True))
                if self.subscribe and f.subscribed:
                    tags.append((c.send(b"SUBSCRIBE " + name), False))
            for tag, may_exist in tags:
                try:
                    c.wait(tag)
                except ImapError as e:
                    if not may_exist or "exists" not in str(e).lower():
                        raise
        work = sorted(self.account.folders, key=lambda f: f.count)      # the biggest first, from the end
        errors = []
        threads = [threading.Thread(target=self._lane, args=(work, errors)) for _ in range(self.connections)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise errors[0]
        return self

    @staticmethod
    def _namespace(c):
        """Delimiter, and the prefix under which personal folders are made."""
        delim = next((d for _, d, _ in c.list() if d), "/")
        if "NAMESPACE" in c.caps:
            from tests.lab.imap import parse
            c.cmd(b"NAMESPACE")
            for parts in c.untagged:
                v = parse(parts)
                if v[1] == b"NAMESPACE" and v[2]:
                    return (v[2][0][1] or b"/").decode(), v[2][0][0].decode()
        return delim, ""

    def _lane(self, work, errors):
        try:
            with self.url.connect() as c:
                while work and not errors:
                    try:
                        folder = work.pop()
                    except IndexError:
                        break
                    self._folder(c, folder)
        except Exception as e:              # noqa: BLE001  (handed to the caller of run)
            errors.append(e)

    def _folder(self, c, folder):
        name = quoted(wire_name(folder.path, self.delim, self.prefix))
        multi = "MULTIAPPEND" in c.caps and "LITERAL+" in c.caps
        plus = b"+" if "LITERAL+" in c.caps else b""
        flying, batch, size = [], [], 0
        for m in self.account.messages(folder):
            batch.append(m)
            size += len(m.data)
            if not multi or len(batch) >= self.BATCH_COUNT or size >= self.BATCH_BYTES:
                self._send(c, name, batch, plus, flying)
                batch, size = [], 0
            while len(flying) >= (2 if multi else 50 if plus else 1):
                c.wait(flying.pop(0))
        if batch:
            self._send(c, name, batch, plus, flying)
        for tag in flying:
            c.wait(tag)

    def _send(self, c, name, batch, plus, flying):
        first, out = b"APPEND " + name, []
        for m in batch:
            out += [b' (%b) "%b" {%d%b}\r\n' % (" ".join(m.flags).encode(), m.date.encode(), len(m.data), plus), m.data]
        if plus:
            flying.append(c.send(first, *out, b"\r\n"))
        else:
            tag = c.send(first, out[0])
            parts = c.response()
            while parts[0].startswith(b"* "):
                parts = c.response()
            if not parts[0].startswith(b"+"):
                raise ImapError(parts[0].decode(errors="replace"))
            c.sock.sendall(out[1] + b"\r\n")
            flying.append(tag)
        with self.lock:
            self.loaded += len(batch)
            self.bytes += sum(len(m.data) for m in batch)
            if self.progress:
                self.progress(self)


def load(account, url, **kw):
    return Loader(account, url, **kw).run()


def write_maildir(account, path):
    """The account as one Maildir++ tree with Dovecot's names: .Folder.Sub in modified UTF-7, keywords as
    letters by dovecot-keywords, internal date as the file's time."""
    path = Path(path)
    letters = "abcdefghijklmnopqrstuvwxyz"
    codes = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}
    for f in account.folders:
        sub = path if f.path == ("INBOX",) else path / ("." + ".".join(utf7_encode(p.replace(".", "_")).decode() for p in f.path))
        for d in ("cur", "new", "tmp"):
            (sub / d).mkdir(parents=True, exist_ok=True)
        keywords = {}
        for i, m in enumerate(account.messages(f)):
            info = "".join(sorted(codes[x] if x in codes else letters[keywords.setdefault(x, len(keywords))] for x in m.flags))
            when = datetime.datetime.strptime(m.date.strip(), "%d-%b-%Y %H:%M:%S %z").timestamp()
            file = sub / "cur" / f"{int(when)}.{i:06}.lab,S={len(m.data)}:2,{info}"
            file.write_bytes(m.data)
            os.utime(file, (when, when))
        if keywords:
            (sub / "dovecot-keywords").write_text("".join(f"{n} {k}\n" for k, n in keywords.items()))


def main(argv=None):
    ap = argparse.ArgumentParser(prog="tests.lab.mailgen", description="Makes a believable account from a seed.")
    ap.add_argument("--preset", choices=PRESETS, default="small")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--messages", type=int)
    ap.add_argument("--folders", type=int)
    ap.add_argument("--total", type=int, help="bytes")
    ap.add_argument("--duplicates", type=float, default=0.0, help="share of exact copies")
    ap.add_argument("--url", help="load it into this account")
    ap.add_argument("--connections", type=int, default=2)
    ap.add_argument("--maildir", help="write it as a Maildir++ tree")
    ap.add_argument("--quiet", action="store_true")
    a = ap.parse_args(argv)
    p = dict(PRESETS[a.preset])
    p.update({k: v for k in ("messages", "folders", "total") if (v := getattr(a, k)) is not None})
    account = Account(seed=a.seed, duplicates=a.duplicates, **p)
    shown = [0.0]

    def progress(loader):
        now = time.monotonic()
        if now - shown[0] > 0.2 or loader.loaded == account.count:
            shown[0] = now
            print(f"\r{loader.loaded} of {account.count} messages, {loader.bytes / 1e6:.0f} MB", end="", file=sys.stderr, flush=True)

    if a.maildir:
        write_maildir(account, a.maildir)
    if a.url:
        try:
            loader = load(account, a.url, connections=a.connections, progress=None if a.quiet or not sys.stderr.isatty() else progress)
        except (ImapError, OSError) as e:
            print(f"tests.lab.mailgen: {e}", file=sys.stderr)
            return 1
        if not a.quiet:
            if sys.stderr.isatty():
                print(file=sys.stderr)
            print(f"messages={loader.loaded} bytes={loader.bytes} folders={len(account.folders)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
