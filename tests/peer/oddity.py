"""What makes a peer differ from a good server: oddities that are switched on, and rules for single commands."""

import re
import time
from dataclasses import dataclass, field

# Every oddity a case may switch on, and what it does; README.md is checked against this table.
ODDITIES = {
    "uid-last": "FETCH answers name the UID behind the literal",
    "uid-missing": "FETCH answers to UID FETCH do not name the UID at all",
    "reverse": "FETCH answers come in descending order",
    "nil-body": "SET: BODY[] of these UIDs is NIL",
    "no-answer": "SET: FETCH says nothing about these UIDs, and OK",
    "size-estimate": "FACTOR or +N: RFC822.SIZE is wrong by that",
    "unasked-flags": "an unasked FETCH (FLAGS) comes before every answer",
    "extra-items": "FETCH answers carry items nobody asked for",
    "lowercase": "names of responses and items in lower case",
    "blank-lines": "an empty line before each response",
    "leading-nul": "a NUL octet before each response",
    "list-literals": "LIST names folders in literals",
    "list-atoms": "LIST names folders without quotes where it can",
    "status-literal": "STATUS names the folder in a literal",
    "ok-without-text": "tagged OK with nothing behind it",
    "exists-noise": "EXISTS and RECENT, unasked, before tagged answers while a folder is selected",
    "recent": "new messages carry \\Recent",
    "no-appenduid": "APPENDUID and COPYUID are not said",
    "appenduid-reversed": "the set in APPENDUID is written high:low",
    "wrong-appenduid": "APPENDUID names a UIDVALIDITY that is not the folder's",
    "quiet-capability": "capabilities are not in greeting or OK: the client must ask",
    "bad-limit": "N: hangs up at the N-th BAD",
    "connection-limit": "N: LOGIN is refused while N others are logged in",
    "append-limit": "N: larger messages are refused with NO [TOOBIG]",
    "literal-minus": "{n+} above 4096 octets is answered with BYE",
    "no-literal-plus": "{n+} is answered with BAD, and its octets are read as commands",
    "smuggle": "an APPEND with a flag or date that is not proper gets BAD, and its {n+} octets are read as commands",
    "merge-equal": "a message that is there already is not stored again; APPENDUID names the first one (Gmail)",
    "crlf-normalise": "bare LF and bare CR are stored as CRLF",
    "nul-to-80": "NUL is stored as 0x80",
    "rewrite-mime": "messages are stored with folded headers undone and a header added (Exchange)",
    "trim-end": "blank lines at the end of a message are not stored",
    "keywords-drop": "keywords that are not permanent are silently lost",
    "keywords-refuse": "APPEND and STORE with a keyword that is not permanent: NO",
    "utc-dates": "INTERNALDATE is told in UTC",
    "no-uidnext": "SELECT and STATUS do not tell UIDNEXT",
    "case-insensitive": "folder names that differ in case alone are the same folder",
    "starttls-inject": "a second answer travels in clear behind the OK to STARTTLS",
}


class CaseError(Exception):
    """A case file is wrong; the text has file and line."""


# What may happen to an account while nobody looks.
CHANGES = {"uidvalidity", "delete", "deliver", "revalidate-uids", "expunge", "flag"}
ACTIONS = CHANGES | {"answer", "say", "say-after", "bye", "drop", "reset", "commit-drop", "commit-reset", "commit-silence",
                     "drop-at", "reset-at", "stall-at", "delay", "signal", "wait"}


@dataclass
class Rule:
    """`on VERB clauses do ACTION ARG`, and with other ends, `require VERB clauses COUNT`."""
    where: str
    verb: str
    matching: object = None     # regex on the message of APPEND, on the line elsewhere
    line: object = None         # regex on the line
    folder: str = None
    uids: list = None
    connection: int = None
    larger: int = None          # octets of the message
    when: tuple = None          # ("first"|"after"|"every"|"nth", n)
    early: bool = False         # before a literal is read
    maybe: bool = False         # a case may end without it having fired
    action: str = None
    arg: str = ""
    hits: int = 0               # commands that fitted the clauses
    fired: int = 0

    def fits(self, event):
        """Whether the clauses fit a command, `when` left out."""
        verb = self.verb
        if verb != "*" and verb != event.verb and not (" " not in verb and event.verb == "UID " + verb):
            return False
        if self.connection is not None and self.connection != event.connection:
            return False
        if self.line and not self.line.search(event.line):
            return False
        if self.folder is not None and self.folder != event.folder:
            return False
        if self.larger is not None and not any(len(d) > self.larger for d in event.data or []):
            return False
        if self.matching and not any(map(self.matching.search, event.data if event.data is not None else [event.line])):
            return False
        return self.uids is None or event.touches(self.uids)

    def fires(self, event):
        if not self.fits(event):
            return False
        self.hits += 1
        if self.when:
            how, n = self.when
            if not {"first": self.hits <= n, "after": self.hits > n, "every": self.hits % n == 0, "nth": self.hits == n}[how]:
                return False
        self.fired += 1
        return True


@dataclass
class Event:
    """One command, as rules and requirements see it."""
    connection: int
    verb: str
    line: bytes
    folder: str = None
    data: list = None           # the messages of an APPEND
    uids: list = field(default_factory=list)        # ranges asked for
    t: float = field(default_factory=time.monotonic)

    def touches(self, ranges):
        return any(lo <= b and a <= hi for lo, hi in ranges for a, b in self.uids)


# What a store makes of a message -----------------------------------------------------------------------

def stored(data, odd):
    if "crlf-normalise" in odd:
        data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    if "nul-to-80" in odd:
        data = data.replace(b"\0", b"\x80")
    if "trim-end" in odd:
        data = re.sub(rb"(\r\n)+\Z", b"\r\n", data)
    if "rewrite-mime" in odd:
        head, sep, body = data.partition(b"\r\n\r\n")
        head = re.sub(rb"\r\n[ \t]+", b" ", head)
        data = head + b"\r\nX-MS-Exchange-Organization-AuthAs: Internal" + sep + body
    return data


def estimate(size, arg):
    """RFC822.SIZE as the oddity size-estimate says."""
    return size + int(arg) if arg[:1] in "+-" else max(1, int(size * float(arg)))


def change(account, action, arg):
    """Carries out one of CHANGES; a folder that is not there is left alone."""
    name, _, rest = arg.partition(" ")
    if name.startswith('"'):
        name, _, rest = arg[1:].partition('"')
    folder = account.folders.get(account.key(name))
    rest = rest.strip()
    if folder is None:
        return
    if action == "uidvalidity":
        folder.uidvalidity = int(rest)
    elif action == "delete":
        del account.folders[folder.name]
    elif action == "deliver":
        n = folder.uidnext
        folder.add(account, b"Subject: delivered meanwhile\r\nMessage-ID: <delivered-%d@peer>\r\n\r\nbody\r\n" % n)
    elif action == "revalidate-uids":
        folder.uidvalidity += 1
        for i, m in enumerate(folder.messages):
            m.uid = folder.uidnext + 100 + i
        folder.uidnext += 100 + len(folder.messages)
    elif action == "expunge":
        for m in [m for m in folder.messages if m.uid == int(rest)]:
            folder.remove(m)
    elif action == "flag":
        uid, _, flag = rest.partition(" ")
        for m in folder.messages:
            if m.uid == int(uid):
                m.flags ^= {flag}
                m.modseq = folder.next_modseq()
