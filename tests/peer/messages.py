"""The commands of tests/peer/session.py that concern messages."""

import re

from tests.peer import fetch
from tests.peer.errors import End, No, Syntax
from tests.peer.oddity import stored
from tests.peer.store import DATE, SYSTEM, in_set, number_set, show_set


class MessageCommands:
    """Mixed into Session."""

    def do_append(self, a):
        f = self.found(a[0], "TRYCREATE")
        rest, batch = a[1:], []
        while rest:
            flags, date = (), None
            if isinstance(rest[0], list):
                flags = [x.decode() for x in rest.pop(0)]
            if len(rest) > 1 and DATE.match(rest[0].decode("latin-1")):
                date = rest.pop(0).decode()
            if rest and rest[0] == b"~":
                if not self.side.offers("BINARY"):
                    raise Syntax("BINARY was not offered")
                rest.pop(0)
            if not rest or not isinstance(rest[0], bytes):
                raise Syntax("APPEND without a message")
            batch.append((rest.pop(0), flags, date))
        if len(batch) > 1 and not self.side.offers("MULTIAPPEND"):
            raise Syntax("MULTIAPPEND was not offered")
        if self.side.message_limit and len(batch) > self.side.message_limit:
            raise No(f"NO [MESSAGELIMIT {self.side.message_limit}] too many messages at once")
        if not batch or any(not data for data, _, _ in batch):
            raise No("NO a message has no octets")      # RFC 3502 3: the whole batch
        if f.readonly:
            raise No("NO [NOPERM] the folder is read-only")
        kept = [(stored(data, self.odd), self.kept_flags(f, flags), date) for data, flags, date in batch]
        uids = [self.add(f, *x) for x in kept]
        if not self.side.offers("UIDPLUS", "IMAP4rev2") or "no-appenduid" in self.odd:
            return "OK appended"
        shown = show_set(uids) if len(set(uids)) == len(uids) else ",".join(map(str, uids))
        if "appenduid-reversed" in self.odd:
            shown = ":".join(reversed(shown.split(":")))
        return f"OK [APPENDUID {f.uidvalidity + ('wrong-appenduid' in self.odd)} {shown}] appended"

    def add(self, f, data, flags, date):
        if "merge-equal" in self.odd:
            for m in f.messages:
                if m.data == data:
                    m.flags |= flags
                    return m.uid
        return f.add(self.acc, data, flags, date).uid

    def kept_flags(self, f, flags):
        out = set()
        for x in flags:
            if x.startswith("\\") and x.lower() not in SYSTEM:
                raise Syntax(f"flag {x} may not be set")
            x = SYSTEM.get(x.lower(), x)
            if not x.startswith("\\") and f.permanent is not None and "\\*" not in f.permanent and x not in f.permanent:
                if "keywords-refuse" in self.odd:
                    raise No(f"NO [CANNOT] keyword {x} is not permitted")
                continue
            out.add(x)
        return out

    def say_fetch(self, n, m, items):
        """One FETCH answer; a rule may cut it inside its literal."""
        out = b"* %d FETCH (" % n
        rows = fetch.values(m, items, self.side)
        if "extra-items" in self.odd:
            rows.insert(0, (b"X-PEER-EXTRA", b'("a" NIL (1 2))', False))
        if "uid-last" in self.odd:
            rows.sort(key=lambda r: r[0] == b"UID")
        if "uid-missing" in self.odd:
            rows = [r for r in rows if r[0] != b"UID"]
        for i, (name, value, body) in enumerate(rows):
            if "lowercase" in self.odd:
                name = name.lower()
            out += (b" " if i else b"") + name + b" "
            if not body:
                out += value
            elif value is None:
                out += b"NIL"
            else:
                out += b"{%d}\r\n" % len(value)
                if self.cut_at and len(value) > self.cut_at[0]:
                    self.raw(out + value[:self.cut_at[0]])
                    raise End(self.cut_at[1])
                out += value
        self.raw((out.replace(b"FETCH", b"fetch", 1) if "lowercase" in self.odd else out) + b")\r\n")

    def fetch(self, a, uid):
        rows = self.chosen(a[0], uid)
        items = fetch.item_list(a[1])
        if uid and not any(x.upper() == b"UID" for x in items):
            items = [b"UID"] + items
        words = [x.upper() if isinstance(x, bytes) else x for x in (a[2] if len(a) > 2 else [])]
        if b"CHANGEDSINCE" in words:
            if not self.side.offers("CONDSTORE", "QRESYNC"):
                raise Syntax("CONDSTORE was not offered")
            since = int(words[words.index(b"CHANGEDSINCE") + 1])
            if b"VANISHED" in words:
                if "QRESYNC" not in self.enabled or not uid:
                    raise Syntax("VANISHED without QRESYNC")
                ranges = number_set(a[0].decode(), self.folder.uidnext)
                gone = [u for u, ms in self.folder.gone if ms > since and in_set(u, ranges)]
                if gone:
                    self.untagged(b"VANISHED (EARLIER) " + show_set(gone).encode())
            rows = [(n, m) for n, m in rows if m.modseq > since]
            if b"MODSEQ" not in [x.upper() for x in items]:
                items = items + [b"MODSEQ"]
        rows, limited = self.limit(rows)
        if "reverse" in self.odd:
            rows.reverse()
        silent = self.odd.get("no-answer", []) + self.rule_skip
        marks = self.writable and any((b := fetch.body_item(x)) and not b[2] for x in items)
        for n, m in rows:
            if in_set(m.uid, silent):
                continue
            if "unasked-flags" in self.odd:
                self.untagged(b"%d FETCH (FLAGS (%b))" % (n, " ".join(sorted(m.flags)).encode()))
            if marks and "\\Seen" not in m.flags:
                m.flags.add("\\Seen")
                m.modseq = self.folder.next_modseq()
            self.say_fetch(n, m, items)
        return limited

    def limit(self, rows):
        """(rows, None), or with MESSAGELIMIT=N (RFC 9738) the N highest, from the top, and the answer that says so."""
        n = self.side.message_limit
        if not n or len(rows) <= n:
            return rows, None
        rows = sorted(rows, key=lambda r: -r[1].uid)[:n]
        return rows, f"OK [MESSAGELIMIT {n} {rows[-1][1].uid}] partial"

    def do_fetch(self, a):
        return self.fetch(a, False)

    def do_uid_fetch(self, a):
        return self.fetch(a, True)

    def store(self, a, uid):
        rows = self.chosen(a[0], uid)
        if not self.writable:
            raise No("NO [READ-ONLY] the folder is open for reading")
        limit = None
        if isinstance(a[1], list):
            if not self.side.offers("CONDSTORE", "QRESYNC"):
                raise Syntax("CONDSTORE was not offered")
            limit = int(a[1][1])
            a = [a[0], *a[2:]]
        how = a[1].upper()
        if not re.fullmatch(rb"[+-]?FLAGS(\.SILENT)?", how):
            raise Syntax("STORE what?")
        names = a[2] if isinstance(a[2], list) else a[2:]
        flags = self.kept_flags(self.folder, [x.decode() for x in names])
        failed = []
        rows, limited = self.limit(rows)
        for n, m in rows:
            if limit is not None and m.modseq > limit:
                failed.append(m.uid if uid else n)
                continue
            before = set(m.flags)
            m.flags = m.flags | flags if how[:1] == b"+" else m.flags - flags if how[:1] == b"-" else set(flags)
            if m.flags != before:
                m.modseq = self.folder.next_modseq()
            cond = limit is not None or "CONDSTORE" in self.enabled
            if b"SILENT" not in how or cond:
                items = ([b"UID"] if uid else []) + ([b"FLAGS"] if b"SILENT" not in how else []) + ([b"MODSEQ"] if cond else [])
                self.say_fetch(n, m, items)
        if failed:
            return f"OK [MODIFIED {show_set(failed)}] conditional store failed"
        return limited

    def do_store(self, a):
        return self.store(a, False)

    def do_uid_store(self, a):
        return self.store(a, True)

    def expunge(self, rows):
        if not self.writable:
            raise No("NO [READ-ONLY] the folder is open for reading")
        for m in [m for _, m in rows if "\\Deleted" in m.flags]:
            if m in self.folder.messages:
                self.folder.remove(m)

    def do_expunge(self, a):
        self.expunge(self.chosen(b"1:*", True))

    def do_uid_expunge(self, a):
        if not self.side.offers("UIDPLUS", "IMAP4rev2"):
            raise Syntax("UIDPLUS was not offered")
        self.expunge(self.chosen(a[0], True))

    def copy(self, a, uid, move=False):
        rows = self.chosen(a[0], uid)
        target = self.found(a[1], "TRYCREATE")
        if move and not self.side.offers("MOVE", "IMAP4rev2"):
            raise Syntax("MOVE was not offered")
        new = [self.add(target, m.data, set(m.flags), m.date) for _, m in rows]
        code = ""
        if rows and self.side.offers("UIDPLUS", "IMAP4rev2") and "no-appenduid" not in self.odd:
            code = f"[COPYUID {target.uidvalidity} {show_set(m.uid for _, m in rows)} {show_set(new)}] "
        if move:
            if code:
                self.untagged(b"OK " + code.encode() + b"moved")
            for _, m in rows:
                self.folder.remove(m)
            return "OK done"
        return "OK " + code + "copied"

    def do_copy(self, a):
        return self.copy(a, False)

    def do_uid_copy(self, a):
        return self.copy(a, True)

    def do_move(self, a):
        return self.copy(a, False, True)

    def do_uid_move(self, a):
        return self.copy(a, True, True)

    def search(self, a, uid):
        self.chosen(b"1:*", True)
        ret = None
        if a and isinstance(a[0], bytes) and a[0].upper() == b"RETURN":
            if not self.side.offers("ESEARCH", "IMAP4rev2"):
                raise Syntax("ESEARCH was not offered")
            ret = [x.upper() for x in a[1]] or [b"ALL"]
            a = a[2:]
        if a and isinstance(a[0], bytes) and a[0].upper() == b"CHARSET":
            a = a[2:]

        def ranges(raw, is_uid):
            return number_set(raw.decode(), self.last_uid() if is_uid else len(self.view))

        test = fetch.search_all(list(a), ranges)
        rows, limited = self.limit([(n, m) for n, m in enumerate(self.view, 1) if test(n, m)])
        hits = [m.uid if uid else n for n, m in rows]
        if ret is None:
            self.untagged(b"SEARCH" + b"".join(b" %d" % h for h in hits))
            return limited
        out = b" (TAG %b)" % fetch.quote(self.tag) + (b" UID" if uid else b"")
        for r in ret:
            if r == b"COUNT":
                out += b" COUNT %d" % len(hits)
            elif hits:
                out += {b"ALL": b" ALL " + show_set(hits).encode(), b"MIN": b" MIN %d" % min(hits), b"MAX": b" MAX %d" % max(hits)}[r]
        self.untagged(b"ESEARCH" + out)
        return limited

    def do_search(self, a):
        return self.search(a, False)

    def do_uid_search(self, a):
        return self.search(a, True)
