"""The stateful mode of a peer: a small IMAP server over store.Account, with the oddities and rules of its side.

Good manners by default (RFC 9051, 3501, 4315, 3502, 7162, 5819, 6154, 2342, 7888); whatever is not offered in
`capability` is refused with BAD, so that a client which did not look is found out.
"""

import base64
import re
import time

from tests.lab.imap import utf7_decode, utf7_encode
from tests.peer.errors import End, No, Syntax
from tests.peer.fetch import tokens
from tests.peer.folders import FolderCommands
from tests.peer.messages import MessageCommands
from tests.peer.oddity import Event, change
from tests.peer.store import DATE, SYSTEM, in_set, number_set, show_set


LITERAL = re.compile(rb"(~?)\{(\d+)(\+?)\}\Z")


# Commands that wait for the client or touch nothing shared: they run without the account's lock.
FREE = {"CAPABILITY", "NOOP", "CHECK", "LOGOUT", "ID", "STARTTLS", "LOGIN", "AUTHENTICATE", "ENABLE", "IDLE", "COMPRESS"}


def lowercase(data):
    """An untagged response with the protocol's words in lower case, and names and flags as they are."""
    word = data.split(b" ")[0].upper()
    if word in (b"CAPABILITY", b"ENABLED", b"SEARCH", b"ESEARCH"):
        return data.lower()
    if word == b"STATUS":
        head, _, items = data.rpartition(b"(")
        return b"status" + head[6:] + b"(" + items.lower()
    return re.sub(rb"\A(\d+ )?[A-Z]+( \[[A-Z]+)?( \([^)]*\))?" if word in (b"LIST", b"LSUB") else rb"\A(\d+ )?[A-Z]+( \[[A-Z]+)?",
                  lambda m: m[0].lower(), data)


class Session(FolderCommands, MessageCommands):
    def __init__(self, side, stream, authenticated=False):
        self.side, self.stream, self.acc = side, stream, side.account
        self.odd = side.odd
        self.user = "?" if authenticated else None
        self.folder = None          # selected
        self.writable = False
        self.view = []              # the messages whose numbers the client knows
        self.enabled = set()
        self.bads = 0
        self.rule_skip = []         # UIDs this command leaves out
        self.after = []             # lines to say before the tagged answer
        self.finish = None          # instead of the tagged answer: ("drop"|"reset"|"silence")
        self.ending = None          # tagged answer a rule asked for
        self.cut_at = None          # (octets of a literal, "drop", "reset" or "stall")
        self.tag = b""
        self.out = None             # what a command says while it holds the lock

    # Talking.

    def untagged(self, data):
        if "lowercase" in self.odd:
            data = lowercase(data)
        self.raw(b"* " + data + b"\r\n")

    def raw(self, data):
        if "blank-lines" in self.odd:
            data = b"\r\n" + data
        if "leading-nul" in self.odd:
            data = b"\0" + data
        if self.out is None:
            self.stream.send(data)
        else:
            self.out.append(data)

    def flush(self):
        """Sends what a command has said under the account's lock, which nobody holds while a client is slow."""
        out, self.out = self.out or [], None
        chunk, size = [], 0
        for data in out:
            chunk.append(data)
            size += len(data)
            if size > 262144:
                self.stream.send(b"".join(chunk))
                chunk, size = [], 0
        if chunk:
            self.stream.send(b"".join(chunk))

    def handle(self, handler, verb, words):
        if verb in FREE:
            answer = handler(words)
            if verb == "NOOP":
                with self.acc.lock:
                    self.sync(verb)
            return answer
        try:
            with self.acc.lock:
                self.out = []
                answer = handler(words)
                self.sync(verb)
            return answer
        finally:
            self.flush()

    def code_capability(self, before):
        return b"" if "quiet-capability" in self.odd else b"[CAPABILITY " + self.side.capability_text(before, self.stream) + b"] "

    def greet(self):
        text = self.side.greeting
        self.raw(text + b"\r\n" if text else b"* OK " + self.code_capability(True) + b"ready\r\n")

    def read_command(self):
        """(tag, parts) of the next command, its literals read; APPEND's are asked about first."""
        line = self.stream.line()
        parts = [line]
        tag, _, rest = line.partition(b" ")
        while m := LITERAL.search(parts[-1]):
            size, plus = int(m[2]), m[3] == b"+"
            parts[-1] = parts[-1][:m.start()] + (b"~" if m[1] else b"")
            answer = self.literal_refused(tag, parts, size, plus)
            if answer is not None:
                if plus and not answer.startswith("!"):
                    self.stream.bytes(size)
                    self.stream.line()
                self.tagged(tag, answer.lstrip("!"))
                return None
            if not plus:
                self.stream.send(b"+ go on\r\n")
            if self.cut_at and parts[0].upper().split(b" ")[1:2] == [b"APPEND"] and self.cut_at[0] <= size:
                self.stream.bytes(self.cut_at[0])
                raise End(self.cut_at[1])
            parts += [self.stream.bytes(size), self.stream.line()]
        return tag, parts

    def literal_refused(self, tag, parts, size, plus):
        """The answer that refuses a literal before it is read, or None.  "!": its octets stay unread."""
        words = parts[0].split(b" ")
        verb = words[1].upper().decode(errors="replace") if len(words) > 1 else ""
        if plus and "no-literal-plus" in self.odd:
            return "!BAD literal+ is not known"
        if plus and not self.side.offers("LITERAL+", "LITERAL-", "IMAP4rev2"):
            return "BAD LITERAL+ was not offered"
        if plus and size > 4096 and not self.side.offers("LITERAL+"):
            if "literal-minus" in self.odd:
                self.stream.send(b"* BYE literal too large\r\n")
                raise End("drop")
            return "BAD [TOOBIG] LITERAL- allows 4096 octets"
        if verb != "APPEND":
            return None
        if "append-limit" in self.odd and size > int(self.odd["append-limit"]):
            return "NO [TOOBIG] message too large"
        event = Event(self.stream.number, "APPEND", parts[0].partition(b" ")[2], self.folder_arg(words[2:3]), [b"\0" * size])
        for rule in self.side.rules:
            if rule.early and rule.fires(event):
                if rule.action.endswith("-at"):
                    self.cut_at = (int(rule.arg), rule.action[:-3])
                else:
                    self.side.seen.append(event)
                    return self.act(rule, event) or "NO refused"
        if "smuggle" in self.odd and self.bad_append_head(parts[-1]):
            return "!BAD Invalid arguments"
        return None

    def bad_append_head(self, text):
        m = re.search(rb'(?:\(([^)]*)\))?\s*(?:"([^"]*)")?\s*~?\Z', text)
        flags = (m[1] or b"").decode(errors="replace").split()
        return (any(f.startswith("\\") and f.lower() not in SYSTEM for f in flags) or any(re.search(r'[\]{%*"]', f) for f in flags)
                or (m[2] is not None and not DATE.match(m[2].decode(errors="replace"))))

    def tagged(self, tag, text):
        if text.startswith("BAD"):
            self.bads += 1
        if text.startswith("OK") and "ok-without-text" in self.odd and "[" not in text:
            text = "OK"
        self.raw(tag + b" " + text.encode() + b"\r\n")
        if "bad-limit" in self.odd and self.bads >= int(self.odd["bad-limit"]):
            self.raw(b"* BYE Too many bad commands\r\n")
            raise End("drop")

    # The loop.

    def run(self, greet=True):
        try:
            if greet:
                self.greet()
            while True:
                self.after, self.rule_skip, self.finish, self.ending = [], [], None, None
                got = self.read_command()
                if got is None:
                    continue
                if not self.one(*got):
                    return
        except End as e:
            if str(e) == "stall":
                self.stream.wait_closed(self.stream.timeout)
            self.stream.drop(reset=str(e) == "reset")
        finally:
            if self.user is not None:
                self.side.logged_in(self, False)

    def one(self, tag, parts):
        """Runs a command; False when the connection is over."""
        self.tag = tag
        try:
            words = tokens([parts[0].partition(b" ")[2], *parts[1:]])
            if not words or not isinstance(words[0], bytes):
                raise Syntax("no command")
            verb = words.pop(0).upper().decode(errors="replace")
            if verb == "UID" and words:
                verb = "UID " + words.pop(0).upper().decode(errors="replace")
        except Syntax as e:
            self.tagged(tag, f"BAD {e}")
            return True
        handler = getattr(self, "do_" + verb.lower().replace(" ", "_"), None)
        event = self.event(verb, words, parts)
        self.side.seen.append(event)
        self.side.tick()
        answer = self.rules(event)
        if answer is None:
            try:
                if handler is None:
                    raise Syntax(f"{verb} is not known here")
                answer = self.handle(handler, verb, words) or "OK " + verb.title() + " completed"
            except Syntax as e:
                answer = f"BAD {e}"
            except (ValueError, IndexError, TypeError, AttributeError) as e:
                answer = f"BAD Invalid arguments ({type(e).__name__}: {e})"
            except No as e:
                answer = str(e)
        if self.finish == "silence":
            self.stream.wait_closed(self.stream.timeout)
            return False
        if self.finish:
            raise End(self.finish)
        for line in self.after:
            self.raw(line)
        if self.ending and answer.startswith("OK"):
            answer = self.ending
        if verb == "STARTTLS" and answer.startswith("OK") and "starttls-inject" in self.odd:
            # In one piece with the answer, so that a client has both before it shakes hands.
            self.stream.send(tag + b" OK begin TLS now\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN X-INJECTED\r\n")
        else:
            self.tagged(tag, answer)
        if verb == "LOGOUT":
            self.stream.drop()
            return False
        if verb == "STARTTLS" and answer.startswith("OK"):
            self.stream.start_tls(self.side.tls_context)
        if verb == "COMPRESS" and answer.startswith("OK"):
            self.stream.start_deflate()
        return True

    def folder_arg(self, words):
        if words and isinstance(words[0], bytes):
            try:
                return self.acc.key(utf7_decode(words[0].strip(b'"')))
            except ValueError:
                return None
        return None

    def event(self, verb, words, parts):
        line = b"".join(parts[::2])[:2000].partition(b" ")[2]
        folder = self.folder.name if self.folder else None
        data = None
        if verb in ("SELECT", "EXAMINE", "STATUS", "APPEND", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE"):
            folder = self.folder_arg(words)
        if verb == "APPEND":
            data = parts[1::2]
        uids = []
        if verb.startswith("UID ") and words and isinstance(words[0], bytes):
            try:
                uids = number_set(words[0].decode(), self.last_uid())
            except ValueError:
                pass
        return Event(self.stream.number, verb, line, folder, data, uids)

    def rules(self, event):
        """Lets the rules act on a command; the tagged answer when it is not to be run."""
        for rule in self.side.rules:
            if not rule.early and rule.fires(event):
                answer = self.act(rule, event)
                if answer is not None:
                    return answer
        return None

    def act(self, rule, event):
        a, arg = rule.action, rule.arg
        if a == "answer":
            if rule.uids is not None and "FETCH" in event.verb:
                self.rule_skip += rule.uids
                self.ending = arg
                return None
            return arg
        if a in ("say", "say-after"):
            line = self.side.text(arg) + b"\r\n"
            if a == "say":
                self.raw(line)
            else:
                self.after.append(line)
        elif a == "bye":
            self.raw(b"* BYE " + arg.encode() + b"\r\n")
            raise End("drop")
        elif a in ("drop", "reset"):
            raise End(a)
        elif a.startswith("commit-"):
            self.finish = a[7:]
        elif a.endswith("-at"):
            self.cut_at = (int(arg), a[:-3])
        elif a == "delay":
            time.sleep(float(arg))
        elif a == "signal":
            self.side.signal(arg)
        elif a == "wait":
            self.side.wait_signal(arg)
        else:
            with self.acc.lock:
                change(self.acc, a, arg)
        return None

    # The selected folder, as this client knows it.

    def last_uid(self):
        return self.view[-1].uid if self.view else 0

    def sync(self, verb):
        """Tells what others changed, where RFC 9051 7.5.1 allows it."""
        f = self.folder
        if f is None or verb in ("FETCH", "STORE", "SEARCH", "SELECT", "EXAMINE"):
            return
        if self.acc.folders.get(f.name) is not f:
            self.folder, self.view = None, []
            return
        here = set(map(id, f.messages))
        gone = [m for m in self.view if id(m) not in here]
        if gone and "QRESYNC" in self.enabled:
            self.untagged(b"VANISHED " + show_set(m.uid for m in gone).encode())
            self.view = [m for m in self.view if id(m) in here]
        else:
            for m in gone:
                self.untagged(b"%d EXPUNGE" % (self.view.index(m) + 1))
                self.view.remove(m)
        if len(f.messages) > len(self.view):
            self.view = list(f.messages)
            self.untagged(b"%d EXISTS" % len(self.view))
        elif "exists-noise" in self.odd:
            self.untagged(b"%d EXISTS" % len(self.view))
            self.untagged(b"0 RECENT")

    def chosen(self, raw, uid):
        """[(sequence number, message)] of a set."""
        if self.folder is None:
            raise No("BAD no folder is selected")
        last = self.last_uid() if uid else len(self.view)
        ranges = number_set(raw.decode(), last)
        if not uid and any(hi > len(self.view) for _, hi in ranges):
            raise No("BAD Invalid message number")
        return [(n, m) for n, m in enumerate(self.view, 1) if in_set(m.uid if uid else n, ranges)]

    def need_auth(self):
        if self.user is None:
            raise No("BAD not logged in")

    def name(self, raw):
        self.need_auth()
        try:
            name = raw.decode() if "UTF8=ACCEPT" in self.enabled else utf7_decode(raw)
        except ValueError:
            raise No("BAD not a folder name") from None
        if "case-insensitive" in self.odd:
            for n in self.acc.folders:
                if n.lower() == name.lower():
                    return n
        return self.acc.key(name)

    def wire(self, name):
        raw = name.encode() if "UTF8=ACCEPT" in self.enabled else utf7_encode(name)
        return raw

    def found(self, raw, code="NONEXISTENT"):
        f = self.acc.get(self.name(raw))
        if f is None:
            raise No(f"NO [{code}] there is no such folder")
        return f

    # Commands in any state.

    def do_capability(self, a):
        self.untagged(b"CAPABILITY " + self.side.capability_text(self.user is None, self.stream))

    def do_noop(self, a):
        pass

    do_check = do_noop

    def do_logout(self, a):
        self.untagged(b"BYE until next time")

    def do_id(self, a):
        if not self.side.offers("ID"):
            raise Syntax("ID was not offered")
        self.untagged(b'ID ("name" "peer")')

    def do_starttls(self, a):
        if not self.side.starttls or self.stream.tls:
            raise Syntax("STARTTLS was not offered")
        return "OK begin TLS now"

    def do_compress(self, a):
        self.need_auth()
        if not self.side.offers("COMPRESS=DEFLATE"):
            raise Syntax("COMPRESS was not offered")
        if self.stream.deflate:
            raise No("NO [COMPRESSIONACTIVE] already")
        return "OK DEFLATE active"

    def do_login(self, a):
        return self.log_in(a[0].decode(), a[1].decode())

    def log_in(self, user, password):
        if self.user is not None:
            raise No("BAD logged in already")
        limit = self.odd.get("connection-limit")
        if limit and self.side.logged_in_now >= int(limit):
            raise No("NO [LIMIT] Too many simultaneous connections. (Failure)")
        if self.side.users and self.side.users.get(user) != password:
            raise No("NO [AUTHENTICATIONFAILED] wrong")
        self.user = user
        self.side.logged_in(self, True)
        return "OK " + self.code_capability(False).decode() + "logged in"

    def do_authenticate(self, a):
        mech = a[0].upper().decode()
        if not self.side.offers("AUTH=" + mech, before=True):
            raise No("NO mechanism is not offered")
        if len(a) > 1 and not self.side.offers("SASL-IR", before=True):
            raise Syntax("SASL-IR was not offered")

        def step(prompt=b""):
            self.stream.send(b"+ " + prompt + b"\r\n")
            line = self.stream.line()
            if line == b"*":
                raise No("BAD cancelled")
            return base64.b64decode(line)

        first = (b"" if a[1] == b"=" else base64.b64decode(a[1])) if len(a) > 1 else step(b"") if mech != "LOGIN" else None
        if mech == "PLAIN":
            authz, user, password = (x.decode() for x in first.split(b"\0"))
            return self.log_in(user, password)
        if mech == "LOGIN":
            user = first if first is not None else step(base64.b64encode(b"Username:"))
            return self.log_in(user.decode(), step(base64.b64encode(b"Password:")).decode())
        if mech in ("XOAUTH2", "OAUTHBEARER"):
            user = re.search(rb"user=([^\1]*)|\ba=([^,]*)", first)
            token = re.search(rb"auth=Bearer ([^\1]*)", first, re.I)[1].decode()
            try:
                return self.log_in((user[1] or user[2] or b"").decode(), token)
            except No:
                step(base64.b64encode(b'{"status":"400","schemes":"Bearer"}'))
                raise
        raise No("NO mechanism is not known here")

    def do_enable(self, a):
        self.need_auth()
        if not self.side.offers("ENABLE", "IMAP4rev2"):
            raise Syntax("ENABLE was not offered")
        on = [x.upper().decode() for x in a if self.side.offers(x.decode())]
        self.enabled |= set(on)
        if "QRESYNC" in on:
            self.enabled.add("CONDSTORE")
        self.untagged(b"ENABLED " + " ".join(on).encode())
