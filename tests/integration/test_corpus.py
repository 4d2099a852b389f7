"""Odd mail of many projects through copy and audit: every message is there byte for byte, or is named with a reason that the audit
proved, or was refused with words. What the audit says is counted against a second reader.

Where the folder is (PH_SHARED, or ../shared beside the tree): some 300 messages drawn with PH_SEED, all of them in a soak.
PH_CORPUS_ALL=1 takes all of them without a soak; PH_CORPUS_REPORT=1 prints what was counted.
"""
# time-limit: 300
# not-under: tsan

import os
import random
import re
import sys
import unittest
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration.rig import ROOT, SEED, SOAK, WholeAccounts, cyrus, dovecot, need  # noqa: E402
from tests.lab.imap import ImapError, Url, quoted  # noqa: E402
from tests.lab.imapstate import read  # noqa: E402
from tests.peer.peer import Peer  # noqa: E402

CORPUS = Path(os.environ.get("PH_SHARED") or ROOT.parent / "shared") / "corpus"
ALL = SOAK or os.environ.get("PH_CORPUS_ALL") == "1"
SAMPLE = 300
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$Forwarded")
# What the audit may call a message that is there: the same change, done to the source, gives the destination's bytes.
PROVEN = {"crlf-normalised", "nul-replaced", "header-added", "header-removed", "long-lines-wrapped", "final-crlf-added",
          "final-crlf-removed", "header-8bit-replaced"}

servers = {}


@dataclass
class Odd:
    name: str
    folder: str
    data: bytes
    flags: tuple
    date: str


def split_mbox(data):
    """The messages of an mbox file, as simple as can be: a line "From " at the beginning or behind an empty one begins another."""
    starts = [m.end() - 5 for m in re.finditer(rb"(?:\A|\n\r?\n)From ", data)]
    for a, b in zip(starts, starts[1:] + [len(data)]):
        head = data.find(b"\n", a, b)
        if head >= 0:
            yield data[head + 1:b]


def odd_mail():
    """Every message of the corpus, as its files have it, in a stable order."""
    rows = [line.split("\t") for line in (CORPUS / "index.tsv").read_text().splitlines()[1:]]
    out = []
    for path, kind, *_ in sorted(rows):
        data = (CORPUS / path).read_bytes()
        parts = list(split_mbox(data)) if kind == "mbox" else [data]
        for i, part in enumerate(parts):
            n = len(out)
            out.append(Odd(f"{path}#{i}", path.split("/")[0], part, FLAGS[:n % 5],
                           "%02d-Mar-20%02d %02d:%02d:00 %+03d00" % (n % 28 + 1, n % 24, n % 24, n % 60, n % 20 - 8)))
    return out


def wanted():
    mails = odd_mail()
    if ALL:
        return mails
    # Of each project a few, and always those with octets that servers are known to change.
    rng = random.Random(f"corpus/{SEED}")
    chosen = [m for m in mails if b"\0" in m.data or not m.data] + rng.sample(mails, min(SAMPLE, len(mails)))
    return list({m.name: m for m in chosen}.values())


mails = []


def setUpModule():
    need("dovecot", "cyrus")
    if not (CORPUS / "index.tsv").exists():
        raise unittest.SkipTest("optional: no corpus of odd mail")
    mails.extend(wanted())
    servers["dovecot"] = dovecot(tls=False).start()
    unittest.addModuleCleanup(servers["dovecot"].stop)
    servers["cyrus"] = cyrus(["loaded", "chain", "raw"], tls=False).start()
    unittest.addModuleCleanup(servers["cyrus"].stop)


def put(url):
    """The mail into an account, one APPEND a message; returns what the server said of those it refused."""
    refused = {}
    with Url(url).connect() as c:
        for folder in sorted({m.folder for m in mails}):
            c.cmd(b"CREATE " + quoted(folder.encode()))
            c.cmd(b"SUBSCRIBE " + quoted(folder.encode()))
        for m in mails:
            tag = c.send(b"APPEND " + quoted(m.folder.encode()),
                         b' (%b) "%b" {%d+}\r\n' % (" ".join(m.flags).encode(), m.date.encode(), len(m.data)), m.data, b"\r\n")
            try:
                c.wait(tag)
            except ImapError as e:
                refused[m.name] = str(e)
    return refused


def say(title, counts):
    if os.environ.get("PH_CORPUS_REPORT"):
        print(f"{title}: " + ", ".join(f"{k} {v}" for k, v in sorted(counts.items(), key=str)), file=sys.stderr, flush=True)


class Corpus(WholeAccounts):
    def through(self, title, src, dst, there):
        """Copies and audits; `there` is the State of the source. Returns the reasons with their numbers."""
        total = there.count()
        copy = self.copy(src, dst, status=None)
        self.assertIn(copy.status, (0, 1, 2), str(copy))
        refused = copy.all("message", action="refused")
        for e in refused:
            self.assertTrue(e.get("reason"), str(e))
        audit = self.audit(src, dst, status=None)
        named = Counter((e["folder"], e["reason"]) for e in audit.all("difference"))
        classes = Counter(e["reason"] for e in audit.all("difference"))
        totals = audit.totals
        say(title, {"all": total, "equal": totals["equal"], **classes, **Counter(f"refused: {e['reason']}" for e in refused)})
        self.add_up(there, read(dst), named, audit)
        self.assertEqual(totals["equal"] + sum(classes.values()), total, str(audit))
        # Nothing unexplained: what is missing was refused, everything else is a change that was proven.
        missing = {(e["folder"], e["uid"]) for e in audit.all("difference", reason="missing")}
        said = {(e["folder"], e["uid"]) for e in refused} | {
            (e["folder"], e["uid"]) for e in copy.all("message", action="missing")}
        self.assertLessEqual(missing, said, str(copy))
        for reason in classes:
            self.assertTrue(reason == "missing" or reason.startswith("refused") or set(re.split(r"[,+ ]+", reason)) <= PROVEN,
                            f"{reason}\n{audit}")
        again = self.copy(src, dst, status=None)
        self.assertEqual(again.totals["copied"], 0, str(again))
        return classes

    def add_up(self, ours, theirs, named, audit):
        """By folder: what the second reader does not find byte for byte is as much as the audit names."""
        by_folder = Counter()
        for (folder, _), n in named.items():
            by_folder[folder] += n
        for name, folder in ours.folders.items():
            a = Counter(m.sha256 for m in folder.messages)
            b = Counter(m.sha256 for m in theirs.folders[name].messages) if name in theirs.folders else Counter()
            self.assertEqual((a - b).total(), by_folder[name], f"{name}: {audit}")
            self.assertLessEqual(b.total(), a.total(), name)
            gone = sum(n for (f, reason), n in named.items() if f == name and reason in ("missing",) or
                       f == name and reason.startswith("refused"))
            self.assertEqual(b.total(), a.total() - gone, f"{name}: {audit}")
            self.same_marks(name, folder, theirs.folders.get(name))

    def same_marks(self, name, ours, theirs):
        """Flags and dates, of those that are there byte for byte."""
        there = {m.sha256: 1 for m in theirs.messages} if theirs else {}
        key = lambda ms: Counter((m.sha256, m.flags, m.date) for m in ms if m.sha256 in there)  # noqa: E731
        self.assertFalse(key(ours.messages) - key(theirs.messages if theirs else ()), name)

    def test_chain(self):
        """Into a Dovecot, from there to another account and to Cyrus, and from Cyrus back to a Dovecot."""
        d, c = servers["dovecot"], servers["cyrus"]
        refused = put(d.url("loaded"))
        first = read(d.url("loaded"))
        say("Dovecot took", {"all": len(mails), "stored": first.count(), **Counter(refused.values())})
        self.assertEqual(first.count() + len(refused), len(mails))
        self.through("Dovecot to Dovecot", d.url("loaded"), d.url("second"), first)
        self.through("Dovecot to Cyrus", d.url("loaded"), c.url("chain"), first)
        middle = read(c.url("chain"))
        self.through("Cyrus to Dovecot", c.url("chain"), d.url("third"), middle)

    def test_from_cyrus(self):
        """What Cyrus itself takes of it, to a Dovecot."""
        d, c = servers["dovecot"], servers["cyrus"]
        refused = put(c.url("loaded"))
        first = read(c.url("loaded"))
        say("Cyrus took", {"all": len(mails), "stored": first.count(), **Counter(refused.values())})
        self.assertEqual(first.count() + len(refused), len(mails))
        self.through("Cyrus's own to Dovecot", c.url("loaded"), d.url("fourth"), first)

    def test_as_it_is(self):
        """From a server that hands out every octet as the file has it: bare LF, bare CR, NUL, nothing at all."""
        with Peer(text="case odd mail\nside source\nend\n") as peer:
            side = peer["source"]
            with side.account.lock:
                for m in mails:
                    if m.folder not in side.account.folders:
                        side.account.create(m.folder, subscribed=True)
                    side.account.get(m.folder).add(side.account, m.data, m.flags, m.date)
            src = peer.url("source")
            there = side.state()
            self.assertEqual(there.count(), len(mails))
            found = self.through("as it is to Dovecot", src, servers["dovecot"].url("raw"), there)
            self.assertTrue(found["crlf-normalised"], found)
            self.through("as it is to Cyrus", src, servers["cyrus"].url("raw"), there)


if __name__ == "__main__":
    unittest.main()
