# time-limit: 170
"""kill -9 of the whole server in the middle of what twenty clients do: what was acknowledged is there, whole and once; what was
not is there wholly or not at all. UIDVALIDITY, UIDs and mod-sequences go on where they were.

Each client changes two mailboxes of its own, so that it knows what must be in them; and all clients of a user append to one
that they share. After each kill the state on disk is read through a new server and compared.
"""

import hashlib
import imaplib
import os
import random
import re
import threading
import unittest

from tests.lab.posthaste import Posthaste

SOAK = os.environ.get('PH_SOAK') == '1'
ROUNDS = 50 if SOAK else 4
USERS, CLIENTS = 4, 5   # clients of each user
SEED = int(os.environ.get('PH_SEED', '1'))
FLAGS = ['\\Seen', '\\Flagged', '\\Answered', 'work', 'later']


def body(name, rng):
    size = rng.choice([30, 500, 5000, 70000])
    text = (f'{name} ' * (size // (len(name) + 1) + 1))[:size]
    head = f'Message-ID: <{name}@example.org>\r\nX-Hash: {hashlib.sha256(text.encode()).hexdigest()}\r\nSubject: {name}\r\n\r\n'
    return (head + text + '\r\n').encode()


def name_of(data):
    """The name of a whole message; fails for a torn one."""
    head, _, text = data.partition(b'\r\n\r\n')
    want = re.search(rb'X-Hash: (\w+)', head).group(1).decode()
    assert text.endswith(b'\r\n') and hashlib.sha256(text[:-2]).hexdigest() == want, 'torn: ' + head.decode()
    return re.search(rb'Message-ID: <(.*?)@', head).group(1).decode()


def uids(response, code):
    """The last sets of APPENDUID or COPYUID, as lists."""
    found = re.search(rb'%s (\d+) ([\d,:]+)(?: ([\d,:]+))?' % code, response)
    return [expand(g) for g in found.groups()[1:] if g]


def expand(text):
    out = []
    for part in text.split(b','):
        a, _, b = part.partition(b':')
        out += range(int(a), int(b or a) + 1)
    return out


class Client(threading.Thread):
    """One connection after the other; `state` is what the server has acknowledged: mailbox -> {uid: (name, flags)}."""

    def __init__(self, test, user, number):
        super().__init__(daemon=True)
        self.test, self.user, self.number = test, user, number
        self.rng = random.Random(f'{SEED} {user} {number}')
        self.boxes = [f'own{number}a', f'own{number}b']
        self.state = {box: {} for box in self.boxes}
        self.pending = None     # (mailbox -> state) after the operation that has not been acknowledged
        self.shared, self.shared_pending = set(), set()
        self.modseq = dict.fromkeys(self.boxes, 0)
        self.made = 0
        self.trouble = None
        self.found = {}         # what was on disk after the last kill

    def new_name(self):
        self.made += 1
        return f'{self.user}-{self.number}-{self.made}'

    def run(self):
        try:
            with imaplib.IMAP4('127.0.0.1', self.test.server.port) as c:
                c.login(self.user, 'pw')
                while not self.test.stop.is_set():
                    self.step(c)
        except (OSError, imaplib.IMAP4.abort, EOFError):
            pass                # the server was killed
        except Exception as why:    # pylint: disable=broad-except
            self.trouble = repr(why)

    def done(self, answer):
        assert answer[0] == 'OK', answer

    def begin(self, **changed):
        self.pending = {**{b: dict(s) for b, s in self.state.items()}, **changed}

    def acknowledged(self, state):
        self.state, self.pending = state, None

    def step(self, c):
        box = self.rng.choice(self.boxes)
        other = self.boxes[1 - self.boxes.index(box)]
        held = self.state[box]
        what = self.rng.choice(['append', 'append', 'shared', 'store', 'copy', 'move', 'expunge', 'multi'])
        if what == 'shared':
            name = self.new_name()
            self.shared_pending = {name}
            self.done(c.append('shared', None, None, body(name, self.rng)))
            self.shared |= self.shared_pending
            self.shared_pending = set()
            return
        if what == 'append' or not held:
            name = self.new_name()
            self.begin(**{box: {**held, 'new1': (name, frozenset())}})
            self.done(c.append(box, None, None, body(name, self.rng)))
            uid = uids(b'APPENDUID ' + c.response('APPENDUID')[1][-1], b'APPENDUID')[0][0]
            self.acknowledged({**self.state, box: {**held, uid: (name, frozenset())}})
            return
        self.change(c, what, box, other, held)

    def change(self, c, what, box, other, held):
        c.select(box)
        some = self.rng.sample(sorted(held), min(len(held), self.rng.randint(1, 3)))
        chosen = ','.join(map(str, some))
        if what in ('store', 'multi'):
            flag = self.rng.choice(FLAGS)
            after = {**held, **{u: (held[u][0], held[u][1] | {flag}) for u in some}}
            self.begin(**{box: after})
            answer = c.uid('STORE', chosen, '(UNCHANGEDSINCE 999999999)', '+FLAGS', f'({flag})')
            self.done(answer)
            for line in answer[1]:
                found = re.search(rb'MODSEQ \((\d+)\)', line or b'')
                self.modseq[box] = max(self.modseq[box], int(found.group(1)) if found else 0)
            self.acknowledged({**self.state, box: after})
        elif what in ('copy', 'move'):
            fresh = {f'new{i}': held[u] for i, u in enumerate(sorted(some))}
            left = held if what == 'copy' else {u: m for u, m in held.items() if u not in some}
            self.begin(**{box: left, other: {**self.state[other], **fresh}})
            answer = c.uid(what.upper(), chosen, other)
            self.done(answer)
            code = c.response('COPYUID')[1]
            src, dst = uids(b'COPYUID ' + code[-1], b'COPYUID')
            self.acknowledged({box: left, other: {**self.state[other], **{d: held[u] for u, d in zip(src, dst)}}})
        else:
            left = {u: m for u, m in held.items() if u not in some}
            marked = {**held, **{u: (held[u][0], held[u][1] | {'\\Deleted'}) for u in some}}
            self.begin(**{box: marked})
            self.done(c.uid('STORE', chosen, '+FLAGS.SILENT', '(\\Deleted)'))
            self.acknowledged({**self.state, box: marked})
            self.begin(**{box: left})
            self.done(c.uid('EXPUNGE', chosen))
            self.acknowledged({**self.state, box: left})


class Crash(unittest.TestCase):
    def setUp(self):
        self.users = [f'user{i}' for i in range(USERS)]
        self.server = Posthaste(users=self.users, tls=False).start()
        self.addCleanup(self.server.stop)
        self.stop = threading.Event()
        self.validity = {}

    def connect(self, user):
        c = imaplib.IMAP4('127.0.0.1', self.server.port)
        c.login(user, 'pw')
        return c

    def read(self, c, box):
        """uid -> (name, flags), and the highest mod-sequence; checks every octet."""
        self.assertEqual(c.select(box, readonly=True)[0], 'OK')
        highest = int(c.response('HIGHESTMODSEQ')[1][0])
        validity = c.response('UIDVALIDITY')[1][0]
        self.assertEqual(self.validity.setdefault((c.user, box), validity), validity, f'{c.user} {box}')
        out = {}
        answer = c.uid('FETCH', '1:*', '(UID FLAGS BODY.PEEK[])')[1]
        for item in answer:
            if not isinstance(item, tuple):
                continue
            uid = int(re.search(rb'UID (\d+)', item[0]).group(1))
            flags = re.search(rb'FLAGS \((.*?)\)', item[0]).group(1).decode().split()
            self.assertNotIn(uid, out)
            out[uid] = (name_of(item[1]), frozenset(f for f in flags if f != '\\Recent'))
        return out, highest

    def matches(self, found, want):
        """The found messages are the wanted ones; keys that begin with "new" stand for UIDs not yet known, above the known."""
        known = {u: m for u, m in want.items() if isinstance(u, int)}
        rest = {u: m for u, m in found.items() if u not in known}
        if {u: found.get(u) for u in known} != known:
            return False
        fresh = sorted(m[0] for u, m in want.items() if not isinstance(u, int))
        return sorted(m[0] for m in rest.values()) == fresh and all(u > max(known, default=0) for u in rest)

    def check(self, client, c):
        """Adopts what is there when it is what it may be."""
        for box in client.boxes:
            found, highest = self.read(c, box)
            before = client.state[box]
            if not self.matches(found, before):
                after = (client.pending or {}).get(box)
                self.assertTrue(after is not None and self.matches(found, after),
                                f'{client.user} {box}: found {found}\nacknowledged {before}\nunder way {after}')
            client.found[box] = found
            self.assertGreaterEqual(highest, 1)
        # a copy or move is in both mailboxes or in neither
        if client.pending:
            moved = [self.matches(client.found[b], client.pending[b]) for b in client.boxes]
            stayed = [self.matches(client.found[b], client.state[b]) for b in client.boxes]
            self.assertTrue(all(moved) or all(stayed), f'{client.user}: half of {client.pending}')
        client.state, client.pending = client.found, None

    def check_shared(self, user, clients, c):
        found, _ = self.read(c, 'shared')
        names = [m[0] for m in found.values()]
        self.assertEqual(len(names), len(set(names)), 'doubled')
        want = set().union(*(k.shared for k in clients))
        maybe = set().union(*(k.shared_pending for k in clients))
        self.assertEqual(want - set(names), set(), f'{user}: lost')
        self.assertEqual(set(names) - want - maybe, set(), f'{user}: never sent')
        for k in clients:
            k.shared |= k.shared_pending & set(names)
            k.shared_pending = set()

    def check_modseq(self, client, c):
        """A change after the crash has a higher mod-sequence than any that was told."""
        box = next((b for b in client.boxes if client.state[b]), None)
        if not box:
            return
        uid = min(client.state[box])
        c.select(box)
        word = 'even' if 'odd' in client.state[box][uid][1] else 'odd'     # something else than there is
        answer = c.uid('STORE', str(uid), '(UNCHANGEDSINCE 999999999)', 'FLAGS', f'({word})')
        told = int(re.search(rb'MODSEQ \((\d+)\)', answer[1][0]).group(1))
        self.assertGreater(told, client.modseq[box])
        client.modseq[box] = told
        client.state[box][uid] = (client.state[box][uid][0], frozenset([word]))

    def test_kill(self):
        clients = [Client(self, u, i) for u in self.users for i in range(CLIENTS)]
        for user in self.users:
            with self.connect(user) as c:
                for box in ['shared'] + [b for k in clients if k.user == user for b in k.boxes]:
                    self.assertEqual(c.create(box)[0], 'OK')
        rng = random.Random(SEED)
        for _ in range(ROUNDS):
            running = []
            for k in clients:
                again = Client(self, k.user, k.number)
                again.__dict__.update({n: getattr(k, n) for n in ('state', 'shared', 'modseq', 'made', 'rng')})
                running.append(again)
                again.start()
            clients = running
            # long enough for some work: a number of acknowledged messages, not a time
            goal = sum(k.made for k in clients) + rng.randint(50, 400)
            while sum(k.made for k in clients) < goal and any(k.is_alive() for k in clients):
                threading.Event().wait(0.005)
            self.server.kill()
            for k in clients:
                k.join(30)
                self.assertIsNone(k.trouble)
            self.server.restart()
            for user in self.users:
                with self.connect(user) as c:
                    c.user = user
                    own = [k for k in clients if k.user == user]
                    for k in own:
                        self.check(k, c)
                        self.check_modseq(k, c)
                    self.check_shared(user, own, c)


if __name__ == '__main__':
    unittest.main()
