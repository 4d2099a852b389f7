"""What FETCH, SEARCH, SORT and THREAD say of odd mail: our server over its own store, our server in front of Dovecot, and Dovecot.

The first two get their octets in different ways (any place of a message; one message behind the other) and must say the same. Dovecot
is a second opinion: octets of parts are equal wherever both see the same structure, and all but a few in a hundred structures, envelopes
and results are the same. What differs, and why ours stays as it is:
  envelope    a tab of a fold stays (RFC 5322 2.2.3); words without an address are its mailbox, not MISSING_MAILBOX
  structure   a multipart without parts, base64 in message/rfc822 and such: RFC 9051 does not say
  parts       the line end of a header that a boundary ends is the header's
  SENT...     a message without a date does not match (Dovecot takes 1970), and years before 1970 are before 1970
  BODY        headers of messages inside count as body; years of two digits and such as RFC 5322 4.3 has them
Where the mail is (PH_SHARED, or ../shared beside the tree): some of it, drawn with PH_SEED; all in a soak.
"""
# time-limit: 300
# not-under: tsan

import os
import random
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration import test_corpus as corpus  # noqa: E402
from tests.integration.rig import LAB_DIR, SEED, SOAK, dovecot, need  # noqa: E402
from tests.lab.imap import ImapError, Url, parse  # noqa: E402
from tests.lab.posthaste import Posthaste  # noqa: E402

SAMPLE = 250
ITEMS = (b"ENVELOPE", b"BODYSTRUCTURE", b"BODY", b"RFC822.SIZE", b"BODY.PEEK[HEADER]", b"BODY.PEEK[TEXT]", b"BODY.PEEK[]",
         b"BODY.PEEK[1]", b"BODY.PEEK[1.MIME]", b"BODY.PEEK[]<10.100>", b"BODY.PEEK[TEXT]<0.1>", b"PREVIEW")
SAME = (b"RFC822.SIZE", b"BODY[HEADER]", b"BODY[TEXT]", b"BODY[]", b"BODY[]<10>", b"BODY[TEXT]<0>")  # whatever one makes of the mail
PROGRAMS = (b'FROM "b"', b'SUBJECT "re"', b'TEXT "the"', b'BODY "hello"', b"SENTSINCE 1-Jan-2005", b"SINCE 5-Mar-2010",
            b"BEFORE 5-Mar-2010", b"ON 5-Mar-2004", b"LARGER 1000", b"SMALLER 500", b'HEADER Message-ID "@"',
            b'HEADER X-Mailer ""', b'TO "@"', b'CC "@"', b'OR FROM "b" TO "c"', b'TEXT "http"',
            b"SUBJECT {2+}\r\n\xc3\xa9", b"BODY {2+}\r\n\xc3\xa9", b'HEADER Received "by"', b'NOT OR TEXT "x" LARGER 3000')
ORDERS = (b"ARRIVAL", b"DATE", b"SIZE", b"FROM", b"TO", b"CC", b"SUBJECT", b"DISPLAYFROM", b"DISPLAYTO")

mails, conns = [], {}


def setUpModule():
    need("dovecot")
    if not (corpus.CORPUS / "index.tsv").exists():
        raise unittest.SkipTest("optional: no corpus of odd mail")
    usable = [m for m in corpus.odd_mail() if 0 < len(m.data) < 500000 and b"\0" not in m.data]
    mails.extend(usable if SOAK else random.Random(f"read/{SEED}").sample(usable, SAMPLE))

    def start(server):
        server.start()
        unittest.addModuleCleanup(server.stop)
        return server

    theirs = start(dovecot(tls=False))
    ours = start(Posthaste(LAB_DIR, tls=False))
    put(theirs.url("joe"))
    put(ours.url("joe"))
    password = theirs.dir / "upstream"
    password.write_text(theirs.password_of("joe") + "\n")
    front = start(Posthaste(LAB_DIR, tls=False, store=f"imap://joe@{theirs.host}:{theirs.port}/",
                            options=["--upstream-password-file", str(password)]))
    for name, server in (("dovecot", theirs), ("ours", ours), ("front", front)):
        conns[name] = Url(server.url("joe")).connect()
        unittest.addModuleCleanup(conns[name].close)
        conns[name].cmd(b"EXAMINE INBOX")


def put(url):
    with Url(url).connect() as c:
        for m in mails:
            data = re.sub(rb"\r?\n|\r(?!\n)", b"\r\n", m.data)
            c.wait(c.send(b"APPEND INBOX", b' (\\Seen) "%b" {%d+}\r\n' % (m.date.encode(), len(data)), data, b"\r\n"))


def fetch(name, numbers, items):
    """{number: {item: value}}; what the server refuses is not in it."""
    out = {}

    def take(parts):
        v = parse(parts)
        if len(v) >= 4 and v[2] == b"FETCH":
            out.setdefault(int(v[1]), {}).update(zip(v[3][::2], v[3][1::2]))

    try:
        conns[name].cmd(b"FETCH %b (%b)" % (numbers, items), take)
    except ImapError as e:
        if "closed" in str(e):
            raise
    return out


def numbers(name, command):
    found = []

    def take(parts):
        if parts[0].split(b" ")[1:2] in ([b"SEARCH"], [b"SORT"]):
            found.extend(int(n) for n in parts[0].split()[2:])

    conns[name].cmd(command, take)
    return found


def plain(value):
    """Without regard of case and white space, NIL and empty strings; a list of one string is that string, and the charset that text
    has by default (RFC 2046 4.1.2) may be told or not."""
    if isinstance(value, list):
        said = [plain(v) for v in value]
        if said[-2:] == [b"charset", b"us-ascii"]:
            said = said[:-2] or b""
        return said[0] if len(said) == 1 and isinstance(said[0], bytes) else said
    return re.sub(rb"\s+", b" ", value or b"").strip().lower()


def parts_of(structure, prefix=""):
    """The numbers of the parts."""
    if isinstance(structure[0], list):
        for i, kid in enumerate(structure, 1):
            if not isinstance(kid, list):
                break
            yield from parts_of(kid, f"{prefix}.{i}" if prefix else str(i))
        return
    here = prefix or "1"
    yield here
    if plain(structure[:2]) == [b"message", b"rfc822"] and len(structure) > 8 and isinstance(structure[8], list):
        yield from parts_of(structure[8], here if isinstance(structure[8][0], list) else here + ".1")


class Read(unittest.TestCase):
    maxDiff = 2000

    def few(self, what, differ, share):
        self.assertLessEqual(len(differ), share * len(mails) + 2, f"{what}: {[mails[n - 1].name for n in sorted(differ)][:20]}")

    def test_fetch(self):
        said = {name: fetch(name, b"1:*", b" ".join(ITEMS)) for name in ("ours", "front")}
        self.assertEqual(len(said["ours"]), len(mails))
        for n in range(1, len(mails) + 1):
            self.assertEqual(said["ours"][n], said["front"].get(n), mails[n - 1].name)
        theirs = fetch("dovecot", b"1:*", b" ".join(ITEMS[:-1]))
        differ = {}
        for n in theirs:
            for item, value in theirs[n].items():
                ours = said["ours"][n].get(item)
                if item in SAME:
                    self.assertEqual(value, ours, (mails[n - 1].name, item))
                elif plain(value) != plain(ours):
                    differ.setdefault(item, set()).add(n)
        for item, those in differ.items():
            self.few(item, those, 0.07)

    def test_parts(self):
        differ = set()
        for n, name in enumerate((m.name for m in mails), 1):
            number = b"%d" % n
            ours, theirs = (fetch(s, number, b"BODYSTRUCTURE").get(n) for s in ("ours", "dovecot"))
            parts = [p.encode() for p in parts_of(ours[b"BODYSTRUCTURE"])][:30]
            items = b" ".join(b"BODY.PEEK[%b] BODY.PEEK[%b.MIME]" % (p, p) for p in parts)
            all_items = items + b" " + b" ".join(b"BINARY.SIZE[%b]" % p for p in parts)
            self.assertEqual(fetch("ours", number, all_items), fetch("front", number, all_items), name)
            if theirs and plain(ours[b"BODYSTRUCTURE"]) == plain(theirs[b"BODYSTRUCTURE"]):
                second = fetch("dovecot", number, items)
                if second and second != fetch("ours", number, items):
                    differ.add(n)
        self.few("parts", differ, 0.03)

    def test_search(self):
        for program in PROGRAMS:
            found = {s: numbers(s, b"SEARCH CHARSET UTF-8 " + program) for s in conns}
            if not program.startswith((b"SINCE", b"BEFORE", b"ON")):  # Dovecot has no zones in internal dates
                self.assertEqual(found["ours"], found["front"], program)
                self.few(program, set(found["ours"]) ^ set(found["dovecot"]), 0.06)

    def test_order(self):
        for by in ORDERS:
            sort = {s: numbers(s, b"SORT (%b) UTF-8 ALL" % by) for s in conns}
            self.assertEqual(sort["ours"], sort["front"], by)
            self.assertEqual(sorted(sort["ours"]), list(range(1, len(mails) + 1)))
        for by in (b"REFERENCES", b"ORDEREDSUBJECT"):
            said = {}
            for s in conns:
                conns[s].cmd(b"THREAD %b UTF-8 ALL" % by)
                line = next(p[0] for p in conns[s].untagged if p[0].startswith(b"* THREAD"))
                said[s] = {str(t) for t in parse([line[9:]])}
            self.assertEqual(said["ours"], said["front"], by)
            self.assertLess(len(said["ours"] ^ said["dovecot"]), 10 + len(mails) // 20, by)


if __name__ == "__main__":
    unittest.main()
