"""The commands of tests/peer/session.py that concern folders."""

import re

from tests.lab.imap import utf7_decode
from tests.peer.errors import No, Syntax
from tests.peer.fetch import quote
from tests.peer.store import SYSTEM, in_set, number_set, show_set


class FolderCommands:
    """Mixed into Session."""

    def do_namespace(self, a):
        self.need_auth()
        if not self.side.offers("NAMESPACE", "IMAP4rev2"):
            raise Syntax("NAMESPACE was not offered")
        self.untagged(b"NAMESPACE ((%b %b)) NIL NIL" % (quote(self.acc.prefix.encode()), quote((self.acc.delimiter or "").encode() or None)))

    def shown_name(self, name, kind="list-literals"):
        raw = self.wire(name)
        if kind in self.odd or (kind == "list-literals" and re.search(rb"[\r\n\0\x80-\xff]", raw)):
            return b"{%d}\r\n" % len(raw) + raw
        if "list-atoms" in self.odd and re.fullmatch(rb'[^\s(){%*"\\\]]+', raw):
            return raw
        return quote(raw)

    def list_row(self, verb, f, extra=(), more=b""):
        attrs = set(f.attrs) | set(extra)
        if self.side.offers("CHILDREN", "IMAP4rev2") and verb == b"LIST":
            attrs.add("\\HasChildren" if self.acc.children(f.name) else "\\HasNoChildren")
        if not self.side.offers("SPECIAL-USE", "IMAP4rev2", "XLIST"):
            attrs -= {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important"}
        delim = quote(self.acc.delimiter.encode()) if self.acc.delimiter else b"NIL"
        self.untagged(b"%b (%b) %b %b%b" % (verb, " ".join(sorted(attrs)).encode(), delim, self.shown_name(f.name), more))

    def matching(self, ref, patterns):
        d = re.escape(self.acc.delimiter or "\0")
        res = []
        for p in patterns:
            p = self.wire_pattern(ref + p)
            res.append(re.compile("".join(".*" if c == "*" else f"[^{d}]*" if c == "%" else re.escape(c) for c in p), re.S))
        return [f for n, f in sorted(self.acc.folders.items(), key=lambda x: (x[0] != "INBOX", x[0]))
                if any(r.fullmatch(n) or (n == "INBOX" and r.fullmatch("inbox")) for r in res)]

    @staticmethod
    def wire_pattern(raw):
        try:
            return utf7_decode(raw)
        except ValueError:
            return raw.decode(errors="replace")

    def do_list(self, a):
        self.need_auth()
        extended = isinstance(a[0], list) or len(a) > 2 or isinstance(a[1], list)
        if extended and not self.side.offers("LIST-EXTENDED", "IMAP4rev2", "LIST-STATUS", "SPECIAL-USE"):
            raise Syntax("LIST-EXTENDED was not offered")
        select = {x.upper() for x in a.pop(0)} if isinstance(a[0], list) else set()
        patterns = a[1] if isinstance(a[1], list) else [a[1]]
        if patterns == [b""]:
            self.untagged(b"LIST (\\Noselect) %b \"\"" % (quote(self.acc.delimiter.encode()) if self.acc.delimiter else b"NIL"))
            return
        ret = a[3] if len(a) > 3 and a[2].upper() == b"RETURN" else []
        status = None
        words = set()
        for i, x in enumerate(ret):
            if isinstance(x, bytes):
                words.add(x.upper())
                if x.upper() == b"STATUS":
                    if not self.side.offers("LIST-STATUS", "IMAP4rev2"):
                        raise Syntax("LIST-STATUS was not offered")
                    status = ret[i + 1]
        special = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important"}
        for f in self.matching(a[0], patterns):
            if b"SUBSCRIBED" in select and not f.subscribed or b"SPECIAL-USE" in select and not f.attrs & special:
                continue
            extra = {"\\Subscribed"} if f.subscribed and (b"SUBSCRIBED" in words or b"SUBSCRIBED" in select) else ()
            self.list_row(b"LIST", f, extra)
            if status is not None and not f.attrs & {"\\Noselect", "\\NonExistent"}:
                self.say_status(f, status)

    def do_xlist(self, a):
        if not self.side.offers("XLIST"):
            raise Syntax("XLIST was not offered")
        self.need_auth()
        for f in self.matching(a[0], [a[1]]):
            self.list_row(b"XLIST", f)

    def do_lsub(self, a):
        self.need_auth()
        for f in self.matching(a[0], [a[1]]):
            if f.subscribed:
                self.list_row(b"LSUB", f)

    def do_subscribe(self, a):
        f = self.acc.folders.get(self.name(a[0]))
        if f is None:
            raise No("NO [NONEXISTENT] there is no such folder")
        f.subscribed = True

    def do_unsubscribe(self, a):
        f = self.acc.folders.get(self.name(a[0]))
        if f:
            f.subscribed = False

    def do_create(self, a):
        name = self.name(a[0])
        if self.acc.delimiter:
            name = name.rstrip(self.acc.delimiter)
        if self.acc.prefix and name != "INBOX" and not name.startswith(self.acc.prefix):
            raise No("NO [CANNOT] folders begin with " + self.acc.prefix)
        f = self.acc.create(name)
        if f is None:
            raise No("NO [ALREADYEXISTS] the folder is there")
        if len(a) > 1:
            if not self.side.offers("CREATE-SPECIAL-USE"):
                raise Syntax("CREATE-SPECIAL-USE was not offered")
            f.attrs |= {x.decode() for x in a[1][1]}

    def do_delete(self, a):
        f = self.acc.folders.get(self.name(a[0]))
        if f is None:
            raise No("NO [NONEXISTENT] there is no such folder")
        if f.name == "INBOX":
            raise No("NO [CANNOT] INBOX stays")
        if self.acc.children(f.name):
            f.attrs.add("\\Noselect")
            f.messages = []
        else:
            del self.acc.folders[f.name]

    def do_rename(self, a):
        old, new = self.name(a[0]), self.name(a[1])
        if old not in self.acc.folders or new in self.acc.folders:
            raise No("NO cannot rename")
        for n in [n for n in self.acc.folders if n == old or self.acc.delimiter and n.startswith(old + self.acc.delimiter)]:
            f = self.acc.folders.pop(n)
            f.name = new + n[len(old):]
            self.acc.folders[f.name] = f

    def say_status(self, f, items):
        out = []
        for item in items:
            up = item.upper()
            if up == b"UIDNEXT" and "no-uidnext" in self.odd:
                continue
            if up == b"HIGHESTMODSEQ" and not self.side.offers("CONDSTORE", "QRESYNC"):
                raise Syntax("CONDSTORE was not offered")
            if up == b"SIZE" and not self.side.offers("STATUS=SIZE", "IMAP4rev2"):
                raise Syntax("STATUS=SIZE was not offered")
            value = {b"MESSAGES": len(f.messages), b"UIDNEXT": f.uidnext, b"UIDVALIDITY": f.uidvalidity, b"RECENT": 0,
                     b"UNSEEN": sum("\\Seen" not in m.flags for m in f.messages), b"HIGHESTMODSEQ": f.modseq,
                     b"SIZE": sum(len(m.data) for m in f.messages), b"DELETED": sum("\\Deleted" in m.flags for m in f.messages)}[up]
            out.append(b"%b %d" % (up, value))
        self.untagged(b"STATUS %b (%b)" % (self.shown_name(f.name, "status-literal"), b" ".join(out)))

    def do_status(self, a):
        f = self.found(a[0])
        self.say_status(f, a[1])

    def open(self, a, writable):
        f = self.acc.get(self.name(a[0]))
        self.folder, self.view = None, []
        if f is None:
            raise No("NO [NONEXISTENT] there is no such folder")
        params = a[1] if len(a) > 1 else []
        if params and not self.side.offers("CONDSTORE", "QRESYNC"):
            raise Syntax("CONDSTORE was not offered")
        self.folder, self.view, self.writable = f, list(f.messages), writable and not f.readonly
        perm = "\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*" if f.permanent is None else " ".join(f.permanent)
        used = {k for m in f.messages for k in m.flags if not k.startswith("\\")}
        self.untagged(b"FLAGS (" + " ".join(list(SYSTEM.values()) + sorted(used)).encode() + b")")
        self.untagged(b"OK [PERMANENTFLAGS (%b)] flags" % (perm if self.writable else "").encode())
        self.untagged(b"%d EXISTS" % len(f.messages))
        self.untagged(b"%d RECENT" % (sum(m.recent for m in f.messages) if "recent" in self.odd else 0))
        self.untagged(b"OK [UIDVALIDITY %d] UIDs valid" % f.uidvalidity)
        if "no-uidnext" not in self.odd:
            self.untagged(b"OK [UIDNEXT %d] next" % f.uidnext)
        if self.side.offers("CONDSTORE", "QRESYNC"):
            self.untagged(b"OK [HIGHESTMODSEQ %d] highest" % f.modseq)
        words = [x.upper() if isinstance(x, bytes) else x for x in params]
        if b"QRESYNC" in words:
            if "QRESYNC" not in self.enabled:
                raise Syntax("QRESYNC was not enabled")
            known = words[words.index(b"QRESYNC") + 1]
            if int(known[0]) == f.uidvalidity:
                self.resync(f, int(known[1]), known[2] if len(known) > 2 and isinstance(known[2], bytes) else None)
        return "OK [READ-WRITE] selected" if self.writable else "OK [READ-ONLY] selected"

    def resync(self, f, since, known):
        gone = [u for u, ms in f.gone if ms > since]
        if known:
            gone = [u for u in gone if in_set(u, number_set(known.decode(), f.uidnext))]
        if gone:
            self.untagged(b"VANISHED (EARLIER) " + show_set(gone).encode())
        for n, m in enumerate(self.view, 1):
            if m.modseq > since:
                self.say_fetch(n, m, [b"UID", b"FLAGS", b"MODSEQ"])

    def do_select(self, a):
        return self.open(a, True)

    def do_examine(self, a):
        return self.open(a, False)

    def do_close(self, a):
        self.chosen(b"1:*", True)
        if self.writable:
            for m in [m for m in self.folder.messages if "\\Deleted" in m.flags]:
                self.folder.remove(m)
        self.folder, self.view = None, []

    def do_unselect(self, a):
        if not self.side.offers("UNSELECT", "IMAP4rev2"):
            raise Syntax("UNSELECT was not offered")
        self.folder, self.view = None, []

    def do_idle(self, a):
        if not self.side.offers("IDLE", "IMAP4rev2"):
            raise Syntax("IDLE was not offered")
        self.stream.send(b"+ idling\r\n")
        self.stream.line()
