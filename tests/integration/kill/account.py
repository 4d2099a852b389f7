"""A small account with everything that makes it hard to know one message from another."""

import random
from dataclasses import dataclass

from tests.lab.imap import Url, quoted, utf7_encode

FOLDERS = ("INBOX", "Sent", "Archiv/Räder", "Drafts")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Mail:
    data: bytes
    flags: tuple
    date: str


def body(rng, size):
    lines = []
    while size > 0:
        n = min(size, rng.randrange(20, 76))
        lines.append("".join(rng.choices("abcdefghijklmnopqrstuvwxyz     .", k=n)))
        size -= n + 2
    return "\r\n".join(lines).encode() + b"\r\n"


def message(rng, size, mid=None, subject=None, keyless=False):
    head = b"X-Trace: %x\r\n" % rng.randrange(1 << 60) if keyless else (
        b"From: <a%d@example.org>\r\nSubject: %b\r\nDate: Mon, 3 Jun 2019 10:%02d:%02d +0200\r\n" % (
            rng.randrange(9), (subject or f"nr {rng.randrange(10 ** 9)}").encode(), rng.randrange(60), rng.randrange(60)))
    if not keyless:
        head += b"Message-ID: <%b>\r\n" % (mid or f"{rng.randrange(1 << 60):x}@example.org").encode()
    return head + b"\r\n" + body(rng, max(1, size - len(head)))


def exactly(data, size):
    """data with as many blanks before its last line end as it takes."""
    return data[:-2] + b" " * (size - len(data)) + b"\r\n"


def make(seed, folders=FOLDERS, each=15, large=True):
    """{folder: [Mail]}. In each folder are messages without any key (two of them of one size, two the same octet for octet),
    different messages with one Message-ID, and legitimate duplicates."""
    rng = random.Random(seed)
    out = {}
    for i, folder in enumerate(folders):
        rows = []
        for _ in range(each - 9):
            rows.append(message(rng, int(rng.lognormvariate(8.2, 1.1))))
        keyless = message(rng, 1500, keyless=True)
        other = message(rng, 1400, keyless=True)
        size = max(len(keyless), len(other))
        rows += [exactly(keyless, size), exactly(other, size), keyless, keyless]
        rows += [message(rng, 900, mid=f"same{i}@example.org"), message(rng, 1900, mid=f"same{i}@example.org")]
        double = message(rng, 2500)
        rows += [double, double, double]
        if large and i == 1:
            rows.append(message(rng, 1_300_000))
        rng.shuffle(rows)
        out[folder] = [Mail(data, flags(rng), date(rng)) for data in rows]
    return out


def flags(rng):
    out = [f for f, p in (("\\Seen", .7), ("\\Flagged", .2), ("\\Answered", .2), ("$Forwarded", .1), ("work", .1))
           if rng.random() < p]
    return tuple(out)


def date(rng):
    return "%2d-%s-%d %02d:%02d:%02d %s" % (rng.randrange(1, 28), rng.choice(MONTHS), rng.randrange(2005, 2024),
                                           rng.randrange(24), rng.randrange(60), rng.randrange(60),
                                           rng.choice(["+0000", "+0100", "-0500", "+0530"]))


def append(conn, folder, mail):
    """One APPEND on a connection of tests.lab.imap; with LITERAL+."""
    conn.wait(conn.send(b"APPEND " + quoted(utf7_encode(folder)),
                        b' (%b) "%b" {%d+}\r\n' % (" ".join(mail.flags).encode(), mail.date.encode(), len(mail.data)),
                        mail.data, b"\r\n"))


def load(mails, url):
    with Url(url).connect() as c:
        for folder, rows in mails.items():
            if folder != "INBOX":
                try:
                    c.cmd(b"CREATE " + quoted(utf7_encode(folder)))
                except Exception as e:
                    if "exists" not in str(e).lower():
                        raise
            c.cmd(b"SUBSCRIBE " + quoted(utf7_encode(folder)))
            for m in rows:
                append(c, folder, m)
