"""Runs a case: its servers, the program under test where the case names a command, and the judgement.

    with Peer("tests/peer/cases/gmail-destination.peer") as p:
        p.url("dest"), p["dest"].state()
        p.check()                           # raises PeerFailure with what went otherwise

    python3 -m tests.peer CASE... [--program build/posthaste]
"""

import argparse
import contextlib
import hashlib
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from urllib.parse import quote

from tests.lab import imapstate
from tests.lab.base import make_ca
from tests.peer.casefile import CAPABILITY, Words, read_case, read_clauses, read_count, read_verb
from tests.peer.fetch import date_seconds
from tests.peer.oddity import CaseError, Rule, change
from tests.peer.script import Failed, Script, unescape
from tests.peer.session import Session
from tests.peer.store import Account, number_set
from tests.peer.stream import Gone, Stream, TimedOut

SETS = ("nil-body", "no-answer")        # oddities whose argument is a number set


class PeerFailure(AssertionError):
    """The conversation, or what it left behind, is not what the case says."""


class Odd(dict):
    """The oddities that are switched on, and which of them a session has come across."""

    def __init__(self):
        super().__init__()
        self.met = set()

    def __contains__(self, name):
        there = super().__contains__(name)
        if there:
            self.met.add(name)
        return there

    def get(self, name, default=None):
        return self[name] if name in self else default


class Side:
    """One server of a case."""

    def __init__(self, case, spec, peer):
        self.case, self.spec, self.peer, self.name = case, spec, peer, spec.name
        self.account = Account()
        self.odd, self.users, self.greeting = Odd(), {}, None
        self.caps, self.before = CAPABILITY.split(), None
        self.tls = self.starttls = False
        self.rules, self.seen, self.log, self.failures = spec.rules, [], [], []
        self.logged_in_now = self.most_logged_in = self.count = 0
        self.done, self.played = set(), set()       # connections that are over; scripts that were played to their end
        self.lock, self.changed = threading.Lock(), threading.Condition()
        self.streams, self.threads = [], []
        for line in spec.lines:
            try:
                getattr(self, "set_" + line.text.split()[0].replace("-", "_"))(Words(line.text, line.where), line)
            except (ValueError, KeyError) as e:
                raise CaseError(f"{line.where}: {e}") from None

    # The lines of a side.

    def set_tls(self, w, line):
        self.tls = True

    def set_starttls(self, w, line):
        self.starttls = True

    def set_user(self, w, line):
        w.take()
        name = w.name()
        self.users[name] = w.name()

    def set_greeting(self, w, line):
        self.greeting = unescape(line.text.partition(" ")[2])

    def set_capability(self, w, line):
        words = line.text.split()[1:]
        if words[0] == "before":
            self.before = words[1:]
        elif words[0] == "add":
            self.caps = self.caps + words[1:]
        else:
            self.caps = words

    def set_no_capability(self, w, line):
        drop = {x.upper() for x in line.text.split()[1:]}
        self.caps = [c for c in self.caps if c.upper() not in drop]

    def set_delimiter(self, w, line):
        c = line.text.split()[1]
        self.account.delimiter = None if c == "NIL" else c

    def set_prefix(self, w, line):
        w.take()
        self.account.prefix = w.name()

    def folder(self, name):
        name = self.account.key(name)
        return self.account.folders.get(name) or self.account.create(name)

    def set_folder(self, w, line):
        w.take()
        f = self.folder(w.name())
        while w.more():
            key = w.take("word")
            if key in ("uidvalidity", "uidnext"):
                setattr(f, key, w.number())
            elif key == "attr":
                f.attrs.add(w.take("word"))
            elif key == "noselect":
                f.attrs.add("\\Noselect")
            elif key in ("subscribed", "unsubscribed"):
                f.subscribed = key == "subscribed"
            elif key == "permanentflags":
                f.permanent = w.take("list")
            elif key == "readonly":
                f.readonly = True
            elif key == "modseq":
                f.modseq = w.number()
            else:
                raise CaseError(f"{line.where}: {key!r} of a folder")

    def set_message(self, w, line):
        w.take()
        f = self.folder(w.name())
        uid, flags, date, times, data = None, (), "17-Jul-1996 02:44:25 -0700", 1, line.body
        while w.more():
            key = w.take("word")
            if key == "uid":
                uid = w.number()
            elif key == "flags":
                flags = w.take("list")
            elif key == "date":
                date = w.take("str")
            elif key == "times":
                times = w.number()
            elif key == "size":
                data = generated(f, len(f.messages), w.number())
            elif key == "text":
                data = unescape(w.rest())
            else:
                raise CaseError(f"{line.where}: {key!r} of a message")
        if data is None:
            raise CaseError(f"{line.where}: a message needs <<WORD, text or size")
        for _ in range(times):
            f.add(self.account, data, flags, date, uid)
            uid = None

    def set_messages(self, w, line):
        w.take()
        f = self.folder(w.name())
        count, size, flags = w.number(), 300, ("\\Seen",)
        while w.more():
            key = w.take("word")
            if key == "size":
                size = w.number()
            elif key == "flags":
                flags = w.take("list")
            else:
                raise CaseError(f"{line.where}: {key!r} of messages")
        for i in range(len(f.messages), len(f.messages) + count):
            f.add(self.account, generated(f, i, size), flags, f"{i % 28 + 1:02}-Mar-2021 {i % 24:02}:{i % 60:02}:00 +0100")

    def set_oddity(self, w, line):
        w.take()
        name = w.take("word")
        if name == "maybe":
            name = w.take("word")
            self.odd.met.add(name)
        arg = w.rest()
        self.odd[name] = number_set(arg, 2 ** 32 - 1) if name in SETS else arg or True

    # What sessions ask.

    def offers(self, *names, before=False):
        have = {c.upper() for c in (self.before or self.caps if before else self.caps + (self.before or []))}
        return any(n.upper() in have for n in names)

    @property
    def message_limit(self):
        return next((int(c[13:]) for c in self.caps if c.upper().startswith("MESSAGELIMIT=")), None)

    def capability_text(self, before, stream):
        words = self.before if before and self.before is not None else self.caps
        if not before:
            words = [w for w in words if not w.upper().startswith("AUTH=")]
        if self.starttls and not stream.tls:
            words = [*words, "STARTTLS"]
        return " ".join(words).encode()

    def text(self, raw):
        return unescape(raw)

    def logged_in(self, session, now):
        with self.lock:
            self.logged_in_now += 1 if now else -1
            self.most_logged_in = max(self.most_logged_in, self.logged_in_now)

    def tick(self):
        with self.changed:
            self.changed.notify_all()

    def signal(self, name):
        self.peer.event(name).set()

    def wait_signal(self, name):
        return self.peer.event(name).wait(self.case.timeout)

    @property
    def tls_context(self):
        return self.peer.tls_context

    # Connections.

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        t = threading.Thread(target=self._accept, daemon=True)
        t.start()
        self.threads.append(t)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.count += 1
                stream = Stream(sock, self.count, self.log, self.case.timeout)
                self.streams.append(stream)
            t = threading.Thread(target=self._connection, args=(stream,), daemon=True)
            self.threads.append(t)
            t.start()

    def _connection(self, stream):
        scripts = self.spec.scripts
        script = scripts.get(stream.number, scripts.get("any"))
        try:
            if self.tls:
                stream.start_tls(self.tls_context)
            if script is None:
                Session(self, stream).run()
            else:
                Script(self, stream, script).run()
                self.played.add(stream.number)
        except Failed as e:
            self.failures.append(f"{self.name}, connection {stream.number}: {e}")
        except (Gone, TimedOut) as e:
            if isinstance(e, TimedOut):
                stream.note("!", b"timed out")
        except Exception:       # a fault of the peer must not look like one of the client
            self.failures.append(f"{self.name}, connection {stream.number}: the peer itself failed: {traceback.format_exc()}")
        finally:
            stream.drop()
            self.done.add(stream.number)
            self.tick()

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in list(self.streams):
            with contextlib.suppress(OSError):
                s.sock.shutdown(socket.SHUT_RDWR)
            s.drop()
        for t in self.threads:
            t.join(5)

    def wait_seen(self, verb, count=1, timeout=20):
        """Waits until that many commands of a kind have come."""
        with self.changed:
            return self.changed.wait_for(lambda: sum(e.verb == verb for e in self.seen) >= count, timeout)

    def settle(self, seconds=2):
        """Waits until the connections are over, so that nothing is judged that still goes on."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.done) >= self.count, seconds)

    @property
    def url(self):
        user, password = next(iter(self.users.items())) if self.users else ("demo", "pw")
        return f"imap{'s' if self.tls else ''}://{quote(user, safe='')}:{quote(password, safe='')}@{'localhost' if self.tls else '127.0.0.1'}:{self.port}/"

    def state(self):
        """What is in the account, as tests/lab/imapstate.py reads it from a real server."""
        state = imapstate.State()
        with self.account.lock:
            for f in self.account.folders.values():
                name = f.name if self.account.delimiter in (None, "/") else f.name.replace("/", "\0").replace(self.account.delimiter, "/")
                if f.subscribed:
                    state.subscribed.add(name)
                if f.attrs & {"\\Noselect", "\\NonExistent"}:
                    state.noselect.add(name)
                    continue
                state.folders[name] = imapstate.Folder(name, f.uidvalidity, f.uidnext, [
                    imapstate.Msg(m.uid, tuple(sorted(x if x.startswith("\\") else x.lower() for x in m.flags)), date_seconds(m.date),
                                  len(m.data), len(m.data), hashlib.sha256(m.data).hexdigest()) for m in f.messages])
                if f.attrs & imapstate.SPECIAL:
                    state.special[name] = f.attrs & imapstate.SPECIAL
        return state

    # Judgement.

    def judge(self):
        bad = list(self.failures)
        for number in self.spec.scripts:
            if number != "any" and number not in self.played and (number > self.count or number not in self.done):
                bad.append(f"{self.name}: connection {number} was {'not over' if number <= self.count else 'never opened'}")
        for rule in self.rules:
            if not rule.fired and not rule.maybe:
                bad.append(f"{rule.where}: this never happened: on {rule.verb} do {rule.action} {rule.arg}")
        for name in self.odd:
            if name not in self.odd.met and self.count:
                bad.append(f"{self.name}: oddity {name}: nothing was done that it would show in")
        for line in self.spec.requires:
            problem = self.require(line)
            if problem:
                bad.append(f"{line.where}: {line.text}\n  {problem}")
        return bad

    def require(self, line):
        w = Words(line.text, line.where)
        w.take()
        what = w.peek()
        special = getattr(self, "need_" + str(what).replace("-", "_"), None) if isinstance(what, str) else None
        if special:
            w.take()
            return special(w)
        rule = read_clauses(w, Rule(line.where, read_verb(w)))
        low, high = read_count(w)
        hits = [e for e in self.seen if rule.fits(e)]
        return wrong_count(len(hits), low, high, "commands", [e.line[:200].decode("latin-1") for e in self.seen if e.verb.endswith(rule.verb)])

    def need_connections(self, w):
        return wrong_count(self.count, *read_count(w), "connections")

    def need_logins(self, w):
        """At the same time."""
        return wrong_count(self.most_logged_in, *read_count(w), "logins at the same time")

    def need_folder(self, w):
        name = w.name()
        f = self.account.folders.get(self.account.key(name))
        if f is None:
            return f"there is none; there are {', '.join(self.account.folders)}"
        if w.more():
            w.take("word")
            return wrong_count(len(f.messages), *((n := w.number()), n), "messages")
        return None

    def need_no_folder(self, w):
        return "it is there" if self.account.key(w.name()) in self.account.folders else None

    def need_subscribed(self, w):
        f = self.account.folders.get(self.account.key(w.name()))
        return None if f and f.subscribed else "it is not"

    def need_unsubscribed(self, w):
        f = self.account.folders.get(self.account.key(w.name()))
        return "it is subscribed" if f and f.subscribed else None

    def need_message(self, w):
        f = self.account.folders.get(self.account.key(w.name()))
        pattern = flags = date = None
        while w.peek() in ("matching", "flags", "date"):
            key = w.take()
            if key == "matching":
                pattern = w.take("re")
            elif key == "flags":
                flags = {x.lower() for x in w.take("list")}
            else:
                date = date_seconds(w.take("str"))
        hits, near = 0, []
        for m in f.messages if f else []:
            if pattern and not pattern.search(m.data):
                continue
            near.append(f"uid {m.uid} flags ({' '.join(sorted(m.flags))}) date \"{m.date}\" {m.data[:120]!r}")
            hits += (flags is None or {x.lower() for x in m.flags} == flags) and (date is None or date_seconds(m.date) == date)
        return wrong_count(hits, *read_count(w), "messages", near)

    def need_anywhere(self, w):
        """anywhere /RE/ COUNT: messages in all folders together."""
        pattern = w.take("re")
        hits = [f.name for f in self.account.folders.values() for m in f.messages if pattern.search(m.data)]
        return wrong_count(len(hits), *read_count(w), "messages", hits)

    def need_like(self, w):
        """like SIDE [no-flags] [no-date] [no-subscriptions] [foreign]: this account is a copy of that one."""
        other = self.peer[w.name()]
        words = {w.take("word") for _ in range(len(w.items) - w.i)}
        diff = imapstate.compare(other.state(), self.state(), flags="no-flags" not in words, date="no-date" not in words,
                                 subscriptions="no-subscriptions" not in words, foreign="foreign" not in words)
        return str(diff).replace("\n", "\n  ") if diff else None

    def transcript(self, last=60):
        out = []
        for number, who, data, size in self.log[-last:]:
            text = data.decode("latin-1").encode("unicode_escape").decode()
            out.append(f"  {self.name} {number} {who}: {text[:200]}{f' … {size} octets' if size > len(data) else ''}")
        return "\n".join(out)


def wrong_count(n, low, high, what, near=()):
    if n >= low and (high is None or n <= high):
        return None
    want = f"exactly {low}" if low == high else f"at least {low}" if high is None else f"at most {high}"
    text = f"want: {want} {what}\n  got:  {n}"
    if near:
        text += "\n  near: " + "\n        ".join(near[:8])
    return text


def generated(folder, i, size):
    head = (f"From: a@example.org\r\nTo: b@example.org\r\nSubject: message {i} of {folder.name.encode().hex()}\r\n"
            f"Date: Mon, {i % 28 + 1} Mar 2021 10:00:00 +0100\r\nMessage-ID: <{i}.{folder.name.encode().hex()}@peer>\r\n\r\n").encode()
    line = b"The quick brown fox jumps over the lazy dog, %d.\r\n" % i
    text = line * (max(0, size - len(head) - 2) // len(line))
    return head + text + b"x" * max(0, size - len(head) - len(text) - 2) + b"\r\n"


# A whole case ------------------------------------------------------------------------------------------------

class Peer:
    def __init__(self, path=None, *, text=None):
        self.case = read_case(path, text)
        self.events = {}
        self.lock = threading.Lock()
        self.tmp = tempfile.TemporaryDirectory(prefix="ph-peer-")
        self._tls = None
        self.sides = {n: Side(self.case, spec, self) for n, spec in self.case.sides.items()}
        self.outputs = []

    def __getitem__(self, name):
        if name not in self.sides:
            raise CaseError(f"no side is named {name}")
        return self.sides[name]

    def __enter__(self):
        for s in self.sides.values():
            s.start()
        return self

    def __exit__(self, *exc):
        for s in self.sides.values():
            s.stop()
        self.tmp.cleanup()

    @property
    def only(self):
        return next(iter(self.sides.values()))

    @property
    def port(self):
        return self.only.port

    def url(self, side=None):
        return (self[side] if side else self.only).url

    def event(self, name):
        with self.lock:
            return self.events.setdefault(name, threading.Event())

    @property
    def tls_context(self):
        with self.lock:
            if self._tls is None:
                make_ca(Path(self.tmp.name) / "tls")
                self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._tls.load_cert_chain(Path(self.tmp.name) / "tls/cert.pem", Path(self.tmp.name) / "tls/key.pem")
            return self._tls

    @property
    def ca_file(self):
        self.tls_context        # makes it
        return Path(self.tmp.name) / "tls" / "ca.pem"

    def fill_in(self, text):
        def value(m):
            name = m[1]
            if name == "ca":
                return str(self.ca_file)
            if name == "tmp":
                return self.tmp.name
            side, _, what = name.partition(".")
            return {"": self[side].url, "port": str(self[side].port), "bare": re.sub(r":[^/@]*@", "@", self[side].url)}[what]

        return re.sub(r"\$\{([\w.-]+)\}", value, text)

    def run_program(self, program, timeout=None):
        """Runs the commands of the case one after the other; returns a list of what went wrong."""
        bad = []
        env = dict(os.environ, HOME=self.tmp.name, XDG_STATE_HOME=self.tmp.name + "/state", XDG_CACHE_HOME=self.tmp.name + "/cache")
        env.update({k: self.fill_in(v) for k, v in self.case.env.items()})
        for where, args, status in self.case.run:
            if status == "change":
                with self[args[0]].account.lock:
                    change(self[args[0]].account, args[1], args[2])
                continue
            argv = [*program, *shlex.split(self.fill_in(args))]
            try:
                r = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout or self.case.timeout * 3)
            except subprocess.TimeoutExpired as e:
                bad.append(f"{where}: still running after {e.timeout} s: {shlex.join(argv)}")
                self.outputs.append((e.stdout or b"") + (e.stderr or b""))
                continue
            self.outputs.append(r.stdout + r.stderr)
            fine = 0 < r.returncode < 100 if status == "failure" else 0 <= r.returncode < 100 if status == "any" else r.returncode == status
            if not fine:
                bad.append(f"{where}: exit status\n  want: {status}\n  got:  {r.returncode}")
        whole = b"".join(self.outputs)
        for where, pattern, wanted in self.case.outputs:
            if bool(pattern.search(whole)) != wanted:
                bad.append(f"{where}: output {'does not match' if wanted else 'matches'} /{pattern.pattern.decode()}/")
        return bad

    def problems(self, settle=2):
        for s in self.sides.values():
            s.settle(settle)
        return [p for s in self.sides.values() for p in s.judge()]

    def report(self, problems, transcript=60):
        out = [f"{self.case.name}: {self.case.title}"] + problems
        if self.outputs:
            out.append("output of the program:\n" + b"".join(self.outputs).decode(errors="replace")[-4000:])
        out += [s.transcript(transcript) for s in self.sides.values()]
        return "\n".join(out)

    def check(self, more=(), settle=2):
        problems = list(more) + self.problems(settle)
        if problems:
            raise PeerFailure(self.report(problems))


def play(path, program):
    """Plays a case with the program; the report of its failure, or None."""
    with Peer(path) as p:
        # What cannot work yet need not be waited for as long.
        problems = p.run_program(program, 10 if p.case.todo else None)
        problems += p.problems()
        return p.report(problems) if problems else None


def main(argv=None):
    ap = argparse.ArgumentParser(prog="tests.peer", description="Plays cases of tests/peer (README.md there).")
    ap.add_argument("case", nargs="+")
    ap.add_argument("--program", help="run the case's commands with this (\"build/posthaste\")")
    ap.add_argument("--keep-going", action="store_true")
    ap.add_argument("--trace", action="store_true", help="without --program: print what was said at the end")
    a = ap.parse_args(argv)
    try:
        if a.program:
            failed = 0
            for path in a.case:
                report = play(path, shlex.split(a.program))
                print(f"{'FAIL' if report else 'ok  '} {Path(path).stem}", flush=True)
                if report:
                    failed += 1
                    print(report)
                    if not a.keep_going:
                        break
            return 1 if failed else 0
        return serve(a.case[0], a.trace)
    except (CaseError, OSError) as e:
        print(f"tests.peer: {e}", file=sys.stderr)
        return 2


def serve(path, trace):
    """Lets somebody else be the client: prints the sides' URLs, and judges at SIGTERM or the end of standard input."""
    def stop(signum, frame):
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    with Peer(path) as p:
        for name, side in p.sides.items():
            print(f"{name}={side.url}")
            print(f"{name}_port={side.port}")
        if any(s.tls or s.starttls for s in p.sides.values()):
            print(f"ca={p.ca_file}")
        print("ready", flush=True)
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            while sys.stdin.buffer.read1(4096):
                time.sleep(0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        problems = p.problems()
        if problems or trace:
            print(p.report(problems, 500 if trace else 60))
        return 1 if problems else 0
