# side-by-side: 3
# time-limit: 240
"""Hostile clients of our server: whatever they send, it lives, others are served, memory stays bounded, nothing of refused data runs."""

import base64
import contextlib
import errno
import os
import random
import re
import resource
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration.rig import LAB_DIR, SANITIZER, SEED, SOAK, need  # noqa: E402
from tests.lab.posthaste import Posthaste  # noqa: E402

SLOWER = 6 if SANITIZER else 1
PROMPT = 5 * (4 if SANITIZER else 1)    # another client's login and fetch meanwhile: loose, the machine does other things, too
PATIENCE = 30 * SLOWER                  # a hostile command has its answer within this
MB = 1 << 20
WITNESS = b'Subject: witness\r\n\r\nstill here\r\n'
server = None


def setUpModule():
    global server
    need()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8192:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    server = Posthaste(LAB_DIR).start()
    unittest.addModuleCleanup(server.stop)
    with Client().login('witness') as c:
        assert c.append(WITNESS)[0] == 'OK'


class Gone(Exception):
    """The server closed the connection."""


class Client:
    """A raw socket, and just enough IMAP to know where an answer ends."""

    def __init__(self, tls=False, on=None, receive=None):
        self.on = on or server
        self.sock = socket.socket()
        if receive:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(('127.0.0.1', self.on.tls_port if tls else self.on.port))
        self.data, self.tags, self.inflate, self.deflate = b'', 0, None, None
        if tls:
            self.start_tls()
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def start_tls(self):
        self.sock = ssl.create_default_context(cafile=self.on.ca_file).wrap_socket(self.sock, server_hostname='127.0.0.1')

    def more(self):
        try:
            got = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            got = b''
        if not got:
            raise Gone(self.data)
        self.data += self.inflate.decompress(got) if self.inflate else got

    def line(self):
        """One line with its literals."""
        whole = b''
        while True:
            while b'\n' not in self.data:
                self.more()
            line, self.data = self.data.split(b'\n', 1)
            whole += line + b'\n'
            literal = re.search(rb'\{(\d+)\}\r$', line)
            if not literal or not whole.startswith(b'* '):
                return whole
            n, pieces = int(literal[1]), []
            while len(self.data) < n:
                pieces.append(self.data)
                n -= len(self.data)
                self.data = b''
                self.more()
            whole += b''.join(pieces) + self.data[:n]
            self.data = self.data[n:]

    def send(self, data):
        """False: the server has closed before it took everything."""
        try:
            self.sock.sendall(self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH) if self.deflate else data)
            return True
        except (ConnectionError, ssl.SSLError):
            return False

    def until(self, tag):
        """The word of the tagged answer, and everything up to it; 'BYE' when the connection ends instead."""
        lines = []
        try:
            while True:
                lines.append(self.line())
                if lines[-1].startswith(tag + b' '):
                    return lines[-1].split(b' ', 2)[1].strip().decode(), lines
                if lines[-1].startswith(b'+'):
                    return '+', lines
        except Gone:
            return 'BYE', lines

    def tag(self):
        self.tags += 1
        return b't%d' % self.tags

    def do(self, command):
        tag = self.tag()
        self.send(tag + b' ' + command + b'\r\n')
        return self.until(tag)

    def login(self, user, select=False):
        answer = self.do(b'LOGIN "%s" pw' % user.encode())
        assert answer[0] == 'OK', answer
        if select:
            assert self.do(b'SELECT INBOX')[0] == 'OK'
        return self

    def append(self, message, mailbox=b'INBOX', extra=b''):
        return self.do(b'APPEND %s %s{%d+}\r\n%s' % (mailbox, extra, len(message), message))

    def compress(self):
        assert self.do(b'COMPRESS DEFLATE')[0] == 'OK'
        self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(9, zlib.DEFLATED, -15)

    def ends(self):
        """Reads until the server closes."""
        return self.until(b'\0')[0] == 'BYE'


def rss(pid):
    return int(re.search(r'VmRSS:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())[1]) * 1024


def until(true, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f'waited in vain for {what}')
        time.sleep(0.01)


class Hostile(unittest.TestCase):
    bound = 256 * MB        # that memory may grow by

    def setUp(self):
        self.user = f'{type(self).__name__}-{self._testMethodName}'[-60:].lower()
        self.before = rss(server.pid)
        self.around = sorted(os.listdir(server.dir))

    def tearDown(self):
        if server.proc.poll() is not None:
            said = (server.dir / 'out').read_text(errors='replace')[-3000:] + server.log_text()[-1000:]
            server.restart()
            self.fail(f'the server died: {said}')
        self.others_are_served()
        self.assertNothingOwned()
        if not SANITIZER:       # which keeps what is freed
            self.assertLess(rss(server.pid) - self.before, self.bound, 'memory grew')

    def others_are_served(self, seconds=PROMPT):
        began = time.monotonic()
        with Client().login('witness') as c:
            self.assertEqual(c.do(b'SELECT INBOX')[0], 'OK')
            self.assertIn(WITNESS, b''.join(c.do(b'FETCH 1 BODY[]')[1]))
        took = time.monotonic() - began
        self.assertLess(took, seconds, 'another client had to wait')
        return took

    def assertNothingOwned(self):
        """Refused data would make a mailbox of this name, were it run."""
        found = [p for p in server.dir.rglob('*') if 'owned' in p.name]
        with Client().login(self.user) as c:
            self.assertNotIn(b'owned', b''.join(c.do(b'LIST "" "*"')[1]))
        self.assertEqual(found, [])
        self.assertEqual(sorted(os.listdir(server.dir)), self.around, 'something was made beside the store')

    def client(self, select=True, **kw):
        c = Client(**kw)
        self.addCleanup(c.close)
        return c.login(self.user, select)

    def raw(self, **kw):
        c = Client(**kw)
        self.addCleanup(c.close)
        return c

    def refused(self, command, *words, **kw):
        """Sent to a connection of its own; the answer must be one of these, and if it is no goodbye, the connection is in step."""
        c = self.client(**kw)
        word, lines = c.do(command)
        self.assertIn(word, words or ('NO', 'BAD', 'BYE'), (command[:80], lines[-1:]))
        if word in ('OK', 'NO', 'BAD'):
            word, lines = c.do(b'NOOP')
            self.assertEqual(word, 'OK', (command[:80], lines))
        c.close()
        return lines


class Literals(Hostile):
    WRONG = (b'{18446744073709551616}', b'{18446744073709551615}', b'{9223372036854775808}', b'{-1}', b'{}', b'{+}', b'{1e3}', b'{ 5}', b'{0x10}',
             b'{99999999999999999999999999999999+}', b'{5 }', b'{5++}', b'{+5}', b'{5-}')

    def test_sizes_that_are_none(self):
        for size in self.WRONG:
            for before in (b'LOGIN ', b'CREATE ', b'APPEND INBOX '):
                for c in (self.raw(), self.client()):
                    with self.subTest(size=size, before=before):
                        c.send(b'x ' + before + size + b'\r\n')
                        word, lines = c.until(b'x')
                        self.assertIn(word, ('NO', 'BAD', 'BYE'), lines)
                        c.close()

    def test_too_much_before_login(self):
        c = self.raw()
        self.assertIn(c.do(b'LOGIN {2147483647}')[0], ('NO', 'BAD'))
        self.assertEqual(c.do(b'NOOP')[0], 'OK')
        c = self.raw()
        c.send(b'x LOGIN {1000000+}\r\n')
        c.send(b'x LOGIN "%s" pw\r\nx CREATE owned\r\n' % self.user.encode() * 20000)
        self.assertEqual(c.until(b'y')[0], 'BYE')

    def test_payload_of_a_refused_command(self):
        payload = b'\r\nx CREATE owned\r\nx SUBSCRIBE owned\r\n'
        for command in (b'NOSUCH', b'CREATE', b'LOGIN a', b'NOOP', b'APPEND nosuch', b'APPEND "" (\\Nosuch)', b'SELECT INBOX', b'FETCH 1 BODY[HEADER.FIELDS (A',
                        b'SEARCH CHARSET nosuch TEXT', b'STORE 1 FLAGS', b'APPEND INBOX "99-Foo-2000 00:00:00 +0000"', b'REPLACE 1 nosuch', b'AUTHENTICATE PLAIN',
                        b'SETMETADATA INBOX (/private/x', b'ID ("a"', b'APPEND INBOX CATENATE (URL "/nosuch" TEXT', b'UID NOSUCH 5', b'\\bad', b'STARTTLS',
                        b'APPEND INBOX (a b)  "x"', b'IDLE', b'COMPRESS', b'MOVE 1', b'LIST "" (', b'SETQUOTA', b'ENABLE', b'NOTIFY SET'):
            for literal in (b'{%d+}', b'~{%d+}'):
                with self.subTest(command=command, literal=literal):
                    c = self.client()
                    c.send(b'x %s %s' % (command, literal % len(payload)) + b'\r\n' + payload + b'\r\ny NOOP\r\n')
                    word, lines = c.until(b'y')
                    self.assertIn(word, ('OK', 'BYE'), lines)
                    self.assertNotIn(b'CREATE', b''.join(lines).upper().replace(b'TRYCREATE', b''))
                    c.close()

    def test_second_message_of_a_multiappend_is_refused(self):
        payload = b'\r\nx CREATE owned\r\n'
        c = self.client()
        before = c.do(b'STATUS INBOX (MESSAGES)')[1][0]
        c.send(b'x APPEND INBOX {5+}\r\na: b\n (\\Bogus) {%d+}\r\n%s\r\n' % (len(payload), payload))
        self.assertIn(c.until(b'x')[0], ('BAD', 'NO', 'BYE'))
        c.send(b'z APPEND INBOX {5+}\r\na: b\n "99-Jan-2000 00:00:00 +0000" {%d+}\r\n%s {3+}\r\nabc\r\n' % (len(payload), payload))
        self.assertIn(c.until(b'z')[0], ('BAD', 'NO', 'BYE'))
        c.send(b'w APPEND INBOX {5+}\r\na: b\n {99999999999+}\r\n' + payload)     # more than will ever come
        c.close()
        self.assertEqual(self.client().do(b'STATUS INBOX (MESSAGES)')[1][0], before)

    def test_many_literals_in_one_line(self):
        for n in (5000, 100000):
            c = self.client()
            c.send(b'x FETCH 1 BODY[HEADER.FIELDS (' + b'{1+}\r\na ' * n + b')]\r\n')
            self.assertIn(c.until(b'x')[0], ('OK', 'NO', 'BAD', 'BYE'))
        c = self.client()
        c.send(b'x APPEND INBOX' + b' {5+}\r\na: b\n' * 20000 + b'\r\n')
        self.assertIn(c.until(b'x')[0], ('NO', 'BAD', 'BYE'))


class Lines(Hostile):
    def test_long_and_deep(self):
        for command in (b'a' * 4 * MB, b'LOGIN ' + b'a' * 4 * MB, b'FETCH 1 ' + b'(' * 50000, b'SEARCH ' + b'(' * 30000 + b'ALL' + b')' * 30000, b'(' * 50000,
                        b'SEARCH ' + b'NOT ' * 5000 + b'ALL', b'SEARCH ' + b'OR ALL ' * 5000 + b'ALL', b'SEARCH ' + b'FUZZY ' * 5000 + b'ALL',
                        b'SEARCH ' + b'(NOT ' * 5000 + b'ALL' + b')' * 5000, b'LIST ' + b'(' * 50000, b'STORE 1 FLAGS ' + b'(' * 50000,
                        b'THREAD REFERENCES UTF-8 ' + b'(' * 50000, b'SORT ' + b'(' * 50000, b'NOTIFY SET ' + b'(' * 30000,
                        b'SETMETADATA INBOX ' + b'(' * 50000, b'GETMETADATA ' + b'(' * 50000, b'ID ' + b'(' * 50000,
                        b'APPEND INBOX CATENATE ' + b'(' * 50000, b'ENABLE' + b' X' * 30000, b'SEARCH RETURN (' + b'ALL ' * 15000 + b') ALL',
                        b'SORT (' + b'SUBJECT ' * 8000 + b') UTF-8 ALL', b'FETCH 1 (' + b'ENVELOPE ' * 7000 + b')', b'FETCH 1 (' + b'BODY[] ' * 9000 + b')',
                        b'SELECT INBOX (QRESYNC (1 1 1 (1 1)' + b'(' * 30000, b'ESEARCH IN (' + b'mailboxes INBOX ' * 4000 + b') ALL',
                        b'SEARCH ' + b'TEXT x ' * 9000, b'STATUS INBOX (' + b'MESSAGES ' * 7000 + b')'):
            for select in (True, False):
                with self.subTest(command=command[:40], n=len(command), select=select):
                    self.refused(command, 'OK', 'NO', 'BAD', 'BYE', select=select)
        with contextlib.closing(self.raw()) as c:
            self.assertIn(c.do(b'a' * 4 * MB)[0], ('BAD', 'BYE'))

    def test_octets_that_do_not_belong(self):
        for command in (b'CREATE "a\0owned"', b'CREATE a\0owned', b'CREATE \xff\xfe', b'CREATE "a\r\nx CREATE owned"', b'CREATE "a\rowned"', b'CREATE a\rowned',
                        b'CREATE "a\nx CREATE owned"', b'SELECT "\xc3\x28"', b'STORE 1 FLAGS (\xe9)', b'STORE 1 FLAGS (a\\b)', b'CREATE "a\\nb"',
                        b'CREATE {7+}\r\na\0owned', b'CREATE {8+}\r\na\r\nowned', b'LOGIN {3+}\r\na\0b pw', b'SEARCH SUBJECT "\0"', b'SEARCH SUBJECT {1+}\r\n\0',
                        b'SEARCH TEXT \x80', b'NOOP\0', b'\0NOOP', b'NO\0OP', b'APPEND INBOX {3+}\r\n\0\0\0', b'FETCH 1 BODY[HEADER.FIELDS ("\r")]',
                        b'FETCH 1 BODY[HEADER.FIELDS ({2+}\r\n\r\n)]', b'ID ("a" "b\0")', b'SETMETADATA INBOX (/private/a {1+}\r\n\0)'):
            with self.subTest(command=command):
                c = self.client()
                c.send(b'x ' + command + b'\r\ny NOOP\r\n')
                self.assertIn(c.until(b'y')[0], ('OK', 'BYE'))
                c.close()
        for octets in (b'\r' * 100000, b'\n' * 100000, b'\0' * 100000, b'\r\n' * 100000, b'\xff' * 70000, random.Random(SEED).randbytes(300000)):
            for c in (self.raw(), self.client()):
                c.send(octets + b'\r\ny NOOP\r\n')
                self.assertIn(c.until(b'y')[0], ('OK', 'BAD', 'BYE'))
                c.close()

    def test_sets(self):
        self.client().append(b'a: b\r\n\r\nc')
        many = b','.join(b'%d:%d' % (i, 4294967295 - i) for i in range(1, 2001))
        for s, words in ((b'0', ('BAD',)), (b'1:0', ('BAD',)), (b'4294967296', ('BAD',)), (b'1:4294967296', ('BAD',)), (b'99999999999999999999', ('BAD',)),
                         (b'*:*', ('OK',)), (b'1,,2', ('BAD',)), (b'1:', ('BAD',)), (b':1', ('BAD',)), (b'-1', ('BAD',)), (b'$', ('OK', 'BAD')),
                         (many, ('OK', 'BAD')), (b'1:*' + b',1:*' * 15000, ('OK', 'BAD')), (b'4294967295', ('OK', 'BAD'))):
            for verb in (b'FETCH %s FLAGS', b'UID FETCH %s FLAGS', b'STORE %s +FLAGS (\\Seen)', b'UID STORE %s +FLAGS (\\Seen)', b'COPY %s nosuch', b'UID MOVE %s nosuch',
                         b'SEARCH UID %s', b'SEARCH %s', b'UID EXPUNGE %s', b'UID SEARCH NOT UID %s', b'SEARCH RETURN (SAVE) %s'):
                with self.subTest(set=s[:30], verb=verb):
                    self.refused(verb % s, *words, *(('NO', 'BAD') if b'nosuch' in verb or 'OK' in words else ()))

    def test_absurd_arguments(self):
        self.client().append(WITNESS)
        for command, words in (
                (b'FETCH 1 BODY[' + b'.'.join([b'1'] * 5000) + b']', ('OK', 'BAD', 'NO')),
                (b'FETCH 1 BODY[' + b'.'.join([b'1'] * 30000) + b'.MIME]', ('OK', 'BAD', 'NO')),
                (b'FETCH 1 BODY[0]', ('BAD',)), (b'FETCH 1 BODY[4294967295]', ('OK', 'BAD', 'NO')), (b'FETCH 1 BODY[4294967296]', ('BAD',)),
                (b'FETCH 1 BODY[]<4294967295.4294967295>', ('OK', 'BAD')), (b'FETCH 1 BODY[]<18446744073709551615.1>', ('OK', 'BAD')),
                (b'FETCH 1 BODY[]<9223372036854775807.9223372036854775807>', ('OK', 'BAD')), (b'FETCH 1 BODY[]<0.0>', ('BAD',)),
                (b'FETCH 1 BODY[]<5.18446744073709551616>', ('BAD',)), (b'FETCH 1 BINARY[1]<9223372036854775807.9223372036854775807>', ('OK', 'BAD', 'NO')),
                (b'FETCH 1 BODY[HEADER.FIELDS (' + b'a ' * 30000 + b'b)]', ('OK', 'BAD')), (b'FETCH 1 (FLAGS) (CHANGEDSINCE 18446744073709551616)', ('BAD',)),
                (b'FETCH 1 (FLAGS) (CHANGEDSINCE 18446744073709551615)', ('OK', 'BAD')), (b'UID FETCH 1:* FLAGS (PARTIAL -1:-4294967295)', ('OK', 'BAD', 'NO')),
                (b'UID FETCH 1:* FLAGS (PARTIAL 0:0)', ('BAD',)), (b'SEARCH RETURN (PARTIAL 4294967295:1) ALL', ('OK', 'BAD')),
                (b'SEARCH CHARSET bogus-charset TEXT x', ('NO', 'BAD')), (b'SEARCH CHARSET "' + b'x' * 9000 + b'" ALL', ('NO', 'BAD')), (b'SORT (DATE) {5+}\r\na\r\nb\0 ALL', ('NO', 'BAD', 'BYE')),
                (b'THREAD REFERENCES utf-7 ALL', ('NO', 'BAD', 'OK')), (b'SEARCH LARGER 18446744073709551616', ('BAD',)), (b'SEARCH SMALLER 99999999999', ('OK', 'BAD')),
                (b'SEARCH BEFORE 31-Feb-2000', ('OK', 'BAD')), (b'SEARCH SINCE 0-Jan-0000', ('BAD', 'OK')), (b'SEARCH ON 1-Jan-9999', ('OK', 'BAD')), (b'SEARCH YOUNGER 0', ('BAD',)),
                (b'SEARCH OLDER 4294967295', ('OK',)), (b'SEARCH MODSEQ 18446744073709551615', ('OK', 'BAD')), (b'SEARCH HEADER "" ""', ('OK', 'BAD')),
                (b'STORE 1 FLAGS (' + b' '.join(b'k%d' % i for i in range(5000)) + b')', ('OK', 'NO', 'BAD')), (b'STORE 1 (UNCHANGEDSINCE 18446744073709551615) FLAGS ()', ('OK', 'BAD')),
                (b'STORE 1 FLAGS (' + b'k' * 30000 + b')', ('OK', 'NO', 'BAD')), (b'SELECT INBOX (QRESYNC (18446744073709551615 1))', ('BAD',)),
                (b'SELECT INBOX (QRESYNC (1 18446744073709551615 1:4294967295))', ('BAD', 'OK')), (b'ENABLE QRESYNC', ('OK',)), (b'ID (' + b'"a" "b" ' * 5000 + b')', ('OK', 'BAD', 'BYE')),
                (b'ID ("' + b'a' * 5000 + b'" NIL)', ('OK', 'BAD')), (b'ESEARCH IN (subtree "*") ALL', ('OK', 'BAD', 'NO')),
                (b'SETQUOTA "" (STORAGE 18446744073709551616)', ('BAD', 'NO')), (b'SETACL INBOX "\x01" lr', ('BAD', 'NO', 'BYE')), (b'GETQUOTA "../../etc"', ('NO', 'BAD', 'OK'))):
            with self.subTest(command=command[:60]):
                self.refused(command, *words)

    def test_qresync_with_absurd_numbers(self):
        c = self.client()
        self.assertEqual(c.do(b'ENABLE QRESYNC')[0], 'OK')
        validity = re.search(rb'UIDVALIDITY (\d+)', b''.join(c.do(b'STATUS INBOX (UIDVALIDITY)')[1]))[1]
        for known in (b'1 1:4294967295 (1:4294967295 1:4294967295)', b'9223372036854775807', b'9223372036854775807 1:*', b'1 1:4294967295 (1,2,3 9)', b'0', b'1 0',
                      b'1 1:4294967295 (' + b','.join(b'%d' % i for i in range(1, 9000)) + b' ' + b','.join(b'%d' % i for i in range(1, 9)) + b')'):
            self.assertIn(c.do(b'SELECT INBOX (QRESYNC (%s %s))' % (validity, known))[0], ('OK', 'BAD'), known[:50])
            self.assertEqual(c.do(b'NOOP')[0], 'OK')

    def test_append_with_absurd_dates_and_keywords(self):
        for extra in (b'"99-Foo-2000 00:00:00 +0000" ', b'"31-Feb-2020 25:61:61 +9999" ', b'" 1-Jan-0000 00:00:00 -9999" ', b'"01-Jan-9999 23:59:60 +0000" ', b'"' + b'1' * 60000 + b'" ',
                      b'(' + b' '.join(b'k%d' % i for i in range(5000)) + b') ', b'(' + b'x' * 60000 + b') ', b'(\\Recent) ', b'(\\Seen', b'() () ', b'"" '):
            c = self.client()
            word, lines = c.append(WITNESS, extra=extra)
            self.assertIn(word, ('OK', 'NO', 'BAD', 'BYE'), lines)
            self.assertIn(c.do(b'NOOP')[0], ('OK', 'BYE'))


class Names(Hostile):
    bound = 512 * MB

    def test_names_stay_in_the_store(self):
        outside = Path(server.dir.parent)
        there = set(os.listdir(outside))
        for name in (b'..', b'../owned', b'../../owned', b'a/../../owned', b'/etc/owned', b'/owned', b'~', b'~/owned', b'~root/owned', b'//owned', b'a//b', b'a/', b'.', b'a/.', b'a/./b',
                     b'&', b'&-&', b'&AA', b'&AAAA-', b'&AC8-owned', b'&AC4ALg-/owned', b'&Jjo', b'&2D8-', b'&&&&', b'*', b'%', b'a*b', b'a%b', b'\\"', b'', b' ', b'\x7f', b'a' * 9000,
                     b'a' * 256, b'/'.join([b'a'] * 600), b'/'.join([b'a' * 200] * 100), b'.owned/..', b'cur', b'store.db', b'INBOX/..', b'con', b'-', b'--help', b'a\tb', b'dovecot.index', b'.tmp'):
            for verb in (b'CREATE %s', b'SELECT %s', b'RENAME INBOX %s', b'RENAME %s x', b'DELETE %s', b'STATUS %s (MESSAGES)', b'SUBSCRIBE %s', b'UNSUBSCRIBE %s', b'COPY 1 %s', b'GETACL %s',
                         b'APPEND %s {4+}\r\na: b', b'LIST "" %s', b'LIST %s *', b'GETMETADATA %s /private/x', b'GETQUOTAROOT %s'):
                with self.subTest(name=name[:30], verb=verb):
                    quoted = b'{%d+}\r\n%s' % (len(name), name)
                    c = getattr(self, 'c', None) or self.client()
                    self.c = c
                    word, lines = c.do(verb % quoted)
                    self.assertIn(word, ('OK', 'NO', 'BAD', 'BYE'), lines)
                    if word == 'BYE' or c.do(b'NOOP')[0] == 'BYE':
                        self.c = None
        # other tests make folders of their own there
        self.assertEqual([n for n in set(os.listdir(outside)) - there if not re.match(r'ph-|tmp', n)], [])
        self.assertEqual([n for n in os.listdir(server.dir) if 'owned' in n], [])
        c = self.client()
        for line in c.do(b'LIST "" *')[1]:
            m = re.search(rb'"(\S*)"\r', line)
            if m and b'INBOX' not in m[1]:
                c.do(b'DELETE "%s"' % m[1])
        for name in (b'owned', b'../owned', b'&AC8-owned'):
            c.do(b'DELETE "%s"' % name)
        for line in c.do(b'LIST "" *')[1]:
            if b'owned' in line:     # a proper name that holds the word: any name is free to
                c.do(b'DELETE ' + line.split(b' ', 4)[-1].strip())
        for line in c.do(b'LSUB "" *')[1]:
            c.do(b'UNSUBSCRIBE ' + line.split(b' ', 4)[-1].strip())

    def test_users_stay_in_the_store(self):
        there = set(os.listdir(server.dir)), set(os.listdir(server.dir.parent))
        for user in (b'..', b'.', b'../beside', b'/etc/beside', b'a/b', b'a/../../beside', b'', b'a\0b', b'a\rb', b'a\nb', b'\x1b[2J', b'a' * 5000, b'a' * 256, b'~root', b'%u', b'\xff\xfe', b'\xc3\xa9', b'*', b'.hidden',
                     b'-rf', b'a\\b', b'a"b'):
            for password in (b'pw', b'p\0w', b'p\x01w', b''):
                c = self.raw()
                c.send(b'x LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n' % (len(user), user, len(password), password))
                c.sock.settimeout(PATIENCE)
                self.assertIn(c.until(b'x')[0], ('OK', 'NO', 'BAD', 'BYE'), user)
                c.close()
        self.assertEqual((set(os.listdir(server.dir)), set(os.listdir(server.dir.parent))), there)
        self.assertNotIn('\x1b', server.log_text())
        self.assertNotIn('\r', server.log_text())

    def test_patterns_are_no_puzzle(self):
        c = self.client()
        for i in range(20):
            c.do(b'CREATE ' + b'a' * 100 + b'%d' % i)
        for pattern in (b'*a' * 200 + b'b', b'%a' * 200 + b'b', b'*' * 9000 + b'b', b'*%' * 4000 + b'b', b'*a*%' * 1000):
            began = time.monotonic()
            self.assertIn(c.do(b'LIST "" "%s"' % pattern)[0], ('OK', 'NO', 'BAD'))
            self.assertIn(c.do(b'LIST "" (%s)' % b' '.join([b'"%s"' % pattern[:200]] * 200))[0], ('OK', 'NO', 'BAD'))
            self.assertIn(c.do(b'LSUB "" "%s"' % pattern)[0], ('OK', 'NO', 'BAD'))
            self.assertLess(time.monotonic() - began, PROMPT)


class Authentication(Hostile):
    def test_exchanges(self):
        for line in (b'!!!!', b'*', b'', b'=', b'A', b'AAA', b'====', b'a' * MB, base64.b64encode(b'\0' * 40), base64.b64encode(b'\0a'), base64.b64encode(b'a'), b'x CREATE owned', b'\0\0\0\0',
                     base64.b64encode(b'\0' + b'a' * 40000 + b'\0b')):
            for mechanism in (b'PLAIN', b'LOGIN', b'SCRAM-SHA-256', b'SCRAM-SHA-1', b'CRAM-MD5', b'DIGEST-MD5', b'OAUTHBEARER', b'XOAUTH2', b'EXTERNAL', b'x' * 60000):
                with self.subTest(line=line[:20], mechanism=mechanism[:20]):
                    c = self.raw()
                    word, _ = c.do(b'AUTHENTICATE ' + mechanism)
                    if word != '+':
                        self.assertIn(word, ('NO', 'BAD', 'BYE'))
                    else:
                        c.send(line + b'\r\n')
                        self.assertIn(c.until(b't1')[0], ('NO', 'BAD', 'BYE', '+'))
                    c.close()

    def test_nobody_acts_as_another(self):
        for authz in (b'witness', b'../owned', b'a' * 9000):
            c = self.raw()
            self.assertIn(c.do(b'AUTHENTICATE PLAIN ' + base64.b64encode(authz + b'\0' + self.user.encode() + b'\0pw'))[0], ('NO', 'BAD', 'BYE'))

    def test_other_commands_in_the_middle(self):
        c = self.raw()
        self.assertEqual(c.do(b'AUTHENTICATE PLAIN')[0], '+')
        c.send(b'x LOGIN "%s" pw\r\ny CREATE owned\r\n' % self.user.encode())
        self.assertIn(c.until(b't1')[0], ('BAD', 'NO'))
        self.assertNotEqual(c.do(b'CREATE owned')[0], 'OK')

    def test_starttls(self):
        for inject in (b'x CREATE owned\r\n', b'x LOGIN "%s" pw\r\nx CREATE owned\r\n' % self.user.encode(), b'x CRE', b'x LOGIN {10}\r\nabc', b'x LOGIN {10+}\r\nabc', b'\r\n', b'\0'):
            c = self.raw()
            c.send(b's STARTTLS\r\n' + inject)
            word, _ = c.until(b's')
            if word != 'OK':
                continue
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                c.start_tls()
                word, lines = c.do(b'CAPABILITY')
                self.assertNotIn(b'x ', b''.join(lines))
        c = self.raw(tls=True)
        self.assertIn(c.do(b'STARTTLS')[0], ('BAD', 'NO'))
        c = self.client()
        self.assertIn(c.do(b'STARTTLS')[0], ('BAD', 'NO'))
        c = self.raw()                                  # noise where a handshake should be
        self.assertEqual(c.do(b'STARTTLS')[0], 'OK')
        c.send(b'x LOGIN "%s" pw\r\nx CREATE owned\r\n' % self.user.encode() * 100)
        self.assertTrue(c.ends())

    def test_memory_before_login(self):
        """1 MiB for each of a hundred that send what they can."""
        before, many = rss(server.pid), []
        for i in range(100):
            c = self.raw()
            c.sock.setblocking(False)
            for piece in ((b'a' * 65000), (b'x LOGIN {8000+}\r\n' + b'a' * 7990), (b'x LOGIN {8192}\r\n' + b'a' * 8000), (b'x ' + b'(' * 60000))[i % 4:i % 4 + 1]:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    c.sock.send(piece)
            many.append(c)
        self.others_are_served()
        if not SANITIZER:
            self.assertLess(rss(server.pid) - before, 100 * MB)


def nested(n, kind):
    if kind == 'multipart':
        return b''.join(b'Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i) for i in range(n)) + b'\r\nx\r\n'
    return b'Content-Type: message/rfc822\r\n\r\n' * n + b'a: b\r\n\r\nc'


MESSAGES = {
    'nested multiparts': lambda: nested(10000, 'multipart'),
    'nested messages': lambda: nested(10000, 'message'),
    'one boundary in all': lambda: b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n' * 10000,
    'boundaries that begin alike': lambda: b''.join(b'Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n' % ((b'b' * (i + 1),) * 2) for i in range(60)) + b'--bbb\r\nx\r\n' * 100000,
    'siblings': lambda: b'Content-Type: multipart/mixed; boundary=b\r\n\r\n' + b'--b\r\n\r\nx\r\n' * 100000 + b'--b--\r\n',
    'sibling messages': lambda: b'Content-Type: multipart/digest; boundary=b\r\n\r\n' + b'--b\r\n\r\nFrom: a@b\r\n\r\nx\r\n' * 50000 + b'--b--\r\n',
    'a header of one line': lambda: b'Subject: ' + b'a' * 8 * MB + b'\r\n\r\nx',
    'a header that is folded': lambda: b'Subject: ' + b'a\r\n ' * 2000000 + b'\r\n\r\nx',
    'a header of many fields': lambda: b'Subject: a\r\n' * 700000 + b'\r\nx',
    'no header': lambda: b'\r\n' * MB,
    'no line end': lambda: b'a' * 8 * MB,
    'addresses': lambda: b'From: ' + b'a@b, ' * 200000 + b'c@d\r\nTo: ' + b'"a" <a@b>,\r\n ' * 200000 + b'c@d\r\n\r\nx',
    'groups': lambda: b'To: ' + b'a: b@c; ' * 100000 + b'a: ' * 100000 + b'\r\n\r\nx',
    'angles and quotes': lambda: b'From: ' + b'<' * 100000 + b'"' * 99999 + b'\\' * 100000 + b'\r\n\r\nx',
    'routes': lambda: b'From: <' + b'@a,' * 100000 + b':b@c>\r\n\r\nx',
    'parameters': lambda: b'Content-Type: text/plain' + b''.join(b"; a*%d*=''%%41" % i for i in range(50000)) + b'\r\n\r\nx',
    'parameters of many names': lambda: b'Content-Type: text/plain' + b''.join(b';\r\n a%d*1=x' % i for i in range(50000)) + b'\r\n\r\nx',
    'parameters counted down': lambda: b'Content-Disposition: attachment' + b''.join(b'; a*%d=x' % i for i in range(50000, 0, -1)) + b'\r\n\r\nx',
    'comments': lambda: b'From: ' + b'(a)' * 100000 + b'a@b\r\nDate: ' + b'(x) ' * 100000 + b'1 Jan 2000 00:00:00 +0000\r\nContent-Type: ' + b'(x)' * 100000 + b'text/plain\r\n\r\nx',
    'comments in comments': lambda: b'From: ' + b'(' * 100000 + b')' * 100000 + b'a@b\r\nDate: ' + b'(' * 100000 + b'\r\nContent-Type: ' + b'(' * 100000 + b'text/plain\r\n\r\nx',
    'references': lambda: b'Message-ID: <x@y>\r\nReferences: ' + b''.join(b'<%d@x>\r\n ' % i for i in range(100000)) + b'\r\n\r\nx',
    'references to one': lambda: b'Message-ID: <x@y>\r\nReferences: ' + b'<x@y>' * 100000 + b'\r\nIn-Reply-To: ' + b'<' * 100000 + b'\r\n\r\nx',
    'encoded words': lambda: b'Subject: ' + b'=?utf-8?q?=41?= ' * 100000 + b'=?' * 100000 + b'\r\n\r\nx',
    'prefixes of a subject': lambda: b'Subject: ' + b're: ' * 100000 + b'[a] ' * 100000 + b'[fwd: ' * 100000 + b']' * 100000 + b' (fwd)' * 100000 + b'\r\n\r\nx',
    'languages': lambda: b'Content-Language: ' + b'a, ' * 200000 + b'\r\nContent-Location: ' + b'a' * 200000 + b'\r\n\r\nx',
    'base64 that is none': lambda: b'Content-Transfer-Encoding: base64\r\n\r\n' + b'====!!!!' * 200000,
    'quoted-printable that is none': lambda: b'Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n' + b'=\r\n=Z= \t' * 200000,
    'tags of HTML': lambda: b'Content-Type: text/html\r\n\r\n' + b'<' * 500000 + b'<!--' * 100000 + b'&' * 100000 + b'<style>' * 100000,
    'text in an unknown charset': lambda: b'Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n' + b'\x1b$B' * 200000,
    'utf-7': lambda: b'Content-Type: text/plain; charset=utf-7\r\n\r\n' + b'+' * 500000 + b'+AAA' * 100000,
    'an enormous date': lambda: b'Date: ' + b'9' * 100000 + b' Jan ' + b'9' * 100000 + b'\r\n\r\nx',
}


class Mail(Hostile):
    bound = 512 * MB

    def test_messages(self):
        names = list(MESSAGES) if not SANITIZER or SOAK else random.Random(SEED).sample(list(MESSAGES), 12)
        for name in names:
            message = MESSAGES[name]()
            began = time.monotonic()
            with self.subTest(name), Client().login(self.user, True) as c:
                self.assertEqual(c.append(message)[0], 'OK')
                for command in (b'FETCH * (ENVELOPE BODY RFC822.SIZE PREVIEW)', b'FETCH * BODYSTRUCTURE', b'FETCH * (BODY.PEEK[1.1.1.1.1.1.1.1.1.1.1.MIME] BODY.PEEK[1] BODY.PEEK[2.1] BODY.PEEK[HEADER])',
                                b'FETCH * BODY.PEEK[%s]' % b'.'.join([b'1'] * 5000), b'FETCH * BODY.PEEK[99999.MIME]', b'FETCH * (BINARY.PEEK[1] BINARY.SIZE[1])', b'FETCH * BODY.PEEK[HEADER.FIELDS (TO)]',
                                b'FETCH * BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]<0.10>', b'SEARCH * TEXT zzzz BODY yyyy', b'SEARCH * FROM zzz TO zzz SUBJECT zzz HEADER Date z',
                                b'SORT (SUBJECT FROM DISPLAYFROM DATE SIZE) UTF-8 ALL', b'THREAD REFERENCES UTF-8 ALL', b'THREAD ORDEREDSUBJECT UTF-8 ALL', b'FETCH * EMAILID',
                                b'FETCH * BODY.PEEK[]'):
                    start = time.monotonic()
                    word, lines = c.do(command)
                    self.assertIn(word, ('BAD',) if len(command) > 9000 else ('OK', 'NO'), (command[:99], lines[-1][:300]))
                    self.assertLess(time.monotonic() - start, 4 * SLOWER, command)
                self.assertIn(message, b''.join(lines))
                self.assertLess(time.monotonic() - began, PATIENCE)

    def test_threads_of_many(self):
        with Client().login(self.user, True) as c:
            heads = [b'Message-ID: <%d@x>\r\nReferences: %s\r\n\r\nx' % (i, b' '.join(b'<%d@x>' % ((i * 7919 + k * 31) % 50000) for k in range(200))) for i in range(500)]
            heads += [b'Message-ID: <c%d@x>\r\nReferences: <c%d@x>\r\n\r\nx' % (i, i + 1) for i in range(500)]
            self.assertEqual(c.do(b'APPEND INBOX ' + b' '.join(b'{%d+}\r\n%s' % (len(h), h) for h in heads))[0], 'OK')
            began = time.monotonic()
            word, lines = c.do(b'THREAD REFERENCES UTF-8 ALL')
            self.assertEqual(word, 'OK')
            self.assertEqual(sorted(map(int, re.findall(rb'\d+', lines[-2]))), list(range(1, 1001)))
            self.assertLess(time.monotonic() - began, 5 * SLOWER)


class Compressed(Hostile):
    def bomb(self, first, octet, megabytes, last=b''):
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        return z.compress(first) + b''.join(z.compress(octet * MB) for _ in range(megabytes)) + z.compress(last) + z.flush(zlib.Z_SYNC_FLUSH)

    def test_bombs(self):
        for first, octet, last in ((b'x NOOP ', b'a', b'\r\n'), (b'x CREATE "', b'a', b'"\r\n'), (b'x SEARCH ', b'(', b'\r\n'), (b'x APPEND INBOX {5+}\r\na: b\n', b' ', b'\r\n'), (b'x IDLE\r\n', b'a', b'\r\n'),
                                  (b'x NOSUCH {60000000+}\r\n', b'\r', b'\r\n'), (b'x LOGIN {1000000+}\r\n', b'\n', b'\r\n')):
            c = self.client()
            c.compress()
            with contextlib.suppress(ConnectionError):
                c.sock.sendall(self.bomb(first, octet, 70, last))
            c.send(b'x CREATE owned2\r\ny NOOP\r\n')
            self.others_are_served()
            c.until(b'y')
            self.assertNothingOwned() if first.startswith(b'x NO') else None
            c.close()
            with Client().login(self.user) as d:
                d.do(b'DELETE owned2')

    def test_twice_and_damaged(self):
        c = self.client()
        c.compress()
        self.assertIn(c.do(b'COMPRESS DEFLATE')[0], ('NO', 'BAD'))
        self.assertEqual(c.do(b'NOOP')[0], 'OK')
        c.sock.sendall(b'\xff' * 100000 + b'x CREATE owned\r\n')
        self.assertTrue(c.ends())
        for octets in (b'\0\0\0\xff\xff' * 100000, zlib.compress(b'x CREATE owned\r\n'), b'\x03\x00' + b'x CREATE owned\r\n' * 100):
            c = self.client()
            c.compress()
            c.sock.sendall(octets)
            self.others_are_served()
            c.close()
        c = self.client()       # plain text right behind the command
        c.send(b'x COMPRESS DEFLATE\r\ny CREATE owned\r\n')
        c.until(b'x')


class Slow(Hostile):
    bound = 400 * MB

    def stuff(self, c, data, most=64 * MB):
        """Writes until the server takes no more."""
        c.sock.setblocking(False)
        sent = 0
        while sent < most:
            try:
                sent += c.sock.send(data[sent % len(data):])
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not select.select([], [c.sock], [], 0.3)[1]:
                    break
            except ConnectionError:
                break
        return sent

    def test_commands_whose_answers_nobody_reads(self):
        big = b'a: b\r\n\r\n' + b'x' * 8 * MB
        self.client().append(big)
        for command in (b'x NOOP\r\n', b'x LIST "" *\r\n', b'x FETCH * BODY.PEEK[]\r\n', b'x NOSUCH\r\n', b'x CAPABILITY\r\n', b'x SEARCH ALL\r\n', b'x NOOP {0+}\r\n\r\n'):
            before = rss(server.pid)
            cs = [self.client(receive=4096) for _ in range(3)]
            for c in cs:
                self.stuff(c, command * 100000, 3 * MB)
            self.others_are_served()
            if not SANITIZER:
                self.assertLess(rss(server.pid) - before, 150 * MB, command)
            for c in cs:
                c.close()

    def test_clients_that_go_in_the_middle(self):
        with Client().login(self.user, True) as c:
            before = c.do(b'STATUS INBOX (MESSAGES SIZE)')[1][0]
        for _ in range(100):
            for text in (b'x APPEND INBOX {100000}\r\n', b'x APPEND INBOX {100000+}\r\n' + b'a' * 50000, b'x APPEND INBOX {5+}\r\na: b\n {9+}\r\nab', b'x APPEND INBOX {5+}\r\na: b\n', b'x FETCH 1:* BODY[]\r\n', b'x IDLE\r\n'):
                c = Client().login(self.user, True)
                c.send(text)
                c.close()
            if SANITIZER and _ == 10:
                break
        with Client().login(self.user, True) as c:
            self.assertEqual(c.do(b'STATUS INBOX (MESSAGES SIZE)')[1][0], before)
        until(lambda: not any((server.dir / 'mail').rglob('*.incoming*')), 'no trace of what did not come in')

    def test_a_hundred_that_hold_what_they_can(self):
        """16 MiB for each of a hundred, at most; in truth a literal of 1 MiB and what is parsed of it."""
        before = rss(server.pid)
        for i in range(100):
            c = self.client()
            text = (b'x CREATE {1000000+}\r\n' + b'a' * 999990, b'x SEARCH TEXT {900000+}\r\n' + b'a' * 900000 + b' (' * 30000, b'x LIST "" (' + b'a ' * 30000,
                    b'x STORE 1 FLAGS (' + b'{3+}\r\nabc ' * 4000)[i % 4]
            self.stuff(c, text, len(text))
        self.others_are_served()
        if not SANITIZER:
            self.assertLess(rss(server.pid) - before, 400 * MB)

    def test_many_that_do_not_read(self):
        """Each has a command under way that waits for its client; more of them than there are threads."""
        self.client().append(b'a: b\r\n\r\n' + b'x' * 8 * MB)
        for n in (150, 800) if not SANITIZER or SOAK else (150,):       # 800: more than may ever wait at a time
            cs = [self.client(receive=4096) for _ in range(n)]
            for c in cs:
                c.send(b'x FETCH * BODY.PEEK[]\r\n')
            for _ in range(3):
                self.others_are_served()
            for c in cs:
                c.close()
        with Client().login(self.user, True) as c:      # nor does the account itself wait
            self.assertEqual(c.append(WITNESS)[0], 'OK')
            self.assertEqual(c.do(b'FETCH * BODY[]')[0], 'OK')

    def stick(self, kind, i):
        c = self.raw(receive=4096) if kind in ('tls', 'greeting', 'auth', 'half login') else self.client(receive=4096)
        if kind == 'tls':
            c.send(b'x STARTTLS\r\n')
            c.until(b'x')
            c.send(b'\x16\x03\x01\x02\x00\x01\x00')
        else:
            c.send({'greeting': b'', 'auth': b'x AUTHENTICATE PLAIN\r\nAA', 'half login': b'x LOGIN {100}\r\nab', 'half command': b'x SELECT INB', 'half literal': b'x CREATE {5000+}\r\nabc',
                    'half append': b'x APPEND INBOX {1000000+}\r\nFrom: a', 'idle': b'x IDLE\r\n', 'unread': b'x FETCH 1:* BODY.PEEK[]\r\n' * 20, 'half done': b'x IDLE\r\nDO'}[kind])
        return c

    def test_thousands_that_are_stuck(self):
        kinds = ('tls', 'greeting', 'auth', 'half login', 'half command', 'half literal', 'half append', 'idle', 'unread', 'half done')
        with Client().login(self.user, True) as c:
            c.append(b'a: b\r\n\r\n' + b'x' * MB)
        n = 2000 if not SANITIZER or SOAK else 300
        stuck = [self.stick(kinds[i % len(kinds)], i) for i in range(n)]
        for _ in range(3):
            self.others_are_served()
        with Client().login('worker', True) as c:       # and a write
            began = time.monotonic()
            self.assertEqual(c.append(WITNESS)[0], 'OK')
            self.assertEqual(c.do(b'STORE * +FLAGS (\\Deleted)')[0], 'OK')
            self.assertEqual(c.do(b'EXPUNGE')[0], 'OK')
            self.assertLess(time.monotonic() - began, PROMPT)
        for c in stuck:
            c.close()
        self.others_are_served(2 * PROMPT)


class Disk(unittest.TestCase):
    def test_full(self):
        if os.geteuid():
            self.skipTest('optional: mounting needs root')
        place = Path(tempfile.mkdtemp(prefix='ph-full-', dir=LAB_DIR))
        self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=6m', 'none', place], capture_output=True).returncode:
            self.skipTest('optional: nothing can be mounted here')
        self.addCleanup(subprocess.run, ['umount', '-l', place])
        with Posthaste(LAB_DIR, store=f'local:{place}/mail') as on, Client(on=on).login('anna', True) as c:
            kept, words = [], set()
            for i in range(100):
                text = b'Subject: %d\r\n\r\n' % i + random.Random(i).randbytes(120000).hex().encode()
                word, lines = c.append(text)
                words.add(word)
                if word == 'OK':
                    kept.append(text)
                else:
                    self.assertIn(word, ('NO', 'BYE'), lines)
                if word == 'BYE':
                    c = Client(on=on).login('anna', True)
            self.assertIn('NO', words)
            for command in (b'CREATE more', b'STORE 1 +FLAGS (\\Seen x)', b'COPY 1:* INBOX', b'SETMETADATA INBOX (/private/comment "%s")' % (b'x' * 60000), b'SUBSCRIBE a', b'RENAME INBOX b', b'MOVE 1 INBOX'):
                self.assertIn(c.do(command)[0], ('OK', 'NO'), command)
            with Client(on=on).login('anna', True) as d:
                d.do(b'SELECT INBOX')
                got = b''.join(d.do(b'FETCH 1:* BODY.PEEK[]')[1])
                d.do(b'SELECT b')
                got += b''.join(d.do(b'FETCH 1:* BODY.PEEK[]')[1])
                for text in kept:
                    self.assertIn(text, got)
                for mailbox in (b'INBOX', b'b'):        # room is made, and all goes on
                    d.do(b'SELECT ' + mailbox)
                    d.do(b'STORE 1:* +FLAGS.SILENT (\\Deleted)')
                    d.do(b'EXPUNGE')
            self.assertIsNone(on.proc.poll())
            on.restart()
            with Client(on=on).login('anna', True) as d:
                self.assertEqual(d.do(b'SELECT INBOX')[0], 'OK')


class Quota(unittest.TestCase):
    def test_exceeded_in_the_middle_of_an_append(self):
        with Posthaste(LAB_DIR, options=('--quota', '320K', '--message-limit', '200K')) as on, Client(on=on).login('anna', True) as c:
            self.assertEqual(c.append(b'a: b\r\n\r\n' + b'x' * 150000)[0], 'OK')
            payload = b'a: b\r\n\r\n' + b'\r\nx CREATE owned\r\n' * 10000
            for command in (b'APPEND INBOX {%d+}\r\n%s', b'APPEND INBOX {5+}\r\na: b\n {%d+}\r\n%s', b'APPEND INBOX CATENATE (TEXT {%d+}\r\n%s)'):
                self.assertEqual(c.do(command % (len(payload), payload))[0], 'NO')
                self.assertEqual(c.do(command % (250000, b'x' * 250000))[0], 'NO')
                word, lines = c.do(command.split(b'\r\n%s')[0].replace(b'{%d+}', b'{250000}'))
                self.assertIn(word, ('NO', 'BAD'), lines)       # said before an octet has come
            self.assertEqual(c.do(b'COPY 1 INBOX')[0], 'OK')
            self.assertEqual(c.do(b'COPY 1:* INBOX')[0], 'NO')
            self.assertIn(b'MESSAGES 2', b''.join(c.do(b'STATUS INBOX (MESSAGES)')[1]))
            self.assertNotIn(b'owned', b''.join(c.do(b'LIST "" *')[1]))


class Together(Hostile):
    """Several sessions that get in each other's way."""

    def setUp(self):
        super().setUp()
        self.a, self.b = self.client(), self.client()
        for i in range(5):
            self.a.append(b'Subject: %d\r\n\r\nx' % i)
        self.assertEqual(self.a.do(b'SELECT INBOX')[0], 'OK')

    def test_a_saved_result_after_an_expunge(self):
        self.assertEqual(self.a.do(b'SEARCH RETURN (SAVE) ALL')[0], 'OK')
        self.b.do(b'STORE 1:3 +FLAGS (\\Deleted)')
        self.b.do(b'EXPUNGE')
        for command in (b'FETCH $ FLAGS', b'STORE $ +FLAGS (\\Seen)', b'COPY $ INBOX', b'UID FETCH $ FLAGS', b'NOOP', b'FETCH $ FLAGS', b'SEARCH RETURN (SAVE) $', b'UID EXPUNGE $', b'MOVE $ nosuch',
                        b'FETCH $:5 FLAGS', b'SEARCH RETURN (SAVE) NOT $', b'UNSELECT'):
            self.assertIn(self.a.do(command)[0], ('OK', 'NO', 'BAD'), command)
        self.assertEqual(self.a.do(b'SELECT INBOX')[0], 'OK')
        self.assertIn(self.a.do(b'FETCH $ FLAGS')[0], ('OK', 'BAD'))

    def test_idle_ends_with_anything(self):
        for text in (b'x LOGOUT\r\n', b'\r\n', b'DONE x\r\n', b'x CREATE owned\r\n', b'DONE\r\nDONE\r\n', b'x UNAUTHENTICATE\r\n', b'a' * 100000):
            c = self.client()
            self.assertEqual(c.do(b'IDLE')[0], '+')
            c.send(text + b'\r\ny NOOP\r\n')
            self.assertIn(c.until(b'y')[0], ('OK', 'BYE'))

    def test_a_mailbox_that_goes_while_it_is_open(self):
        for i in range(20):
            self.a.do(b'CREATE box')
            self.assertEqual(self.a.append(WITNESS, b'box')[0], 'OK')
            c = self.client()
            self.assertEqual(c.do(b'SELECT box')[0], 'OK')
            if i % 2:
                self.assertEqual(c.do(b'IDLE')[0], '+')
            validity = re.search(rb'UIDVALIDITY (\d+)', b''.join(self.a.do(b'STATUS box (UIDVALIDITY)')[1]))[1]
            self.assertEqual(self.b.do((b'DELETE box', b'RENAME box other')[i // 2 % 2])[0], 'OK')
            self.assertEqual(self.b.do(b'CREATE box')[0], 'OK')
            self.assertNotEqual(re.search(rb'UIDVALIDITY (\d+)', b''.join(self.b.do(b'STATUS box (UIDVALIDITY)')[1]))[1], validity)
            c.send(b'DONE\r\n' if i % 2 else b'')
            for command in (b'FETCH 1 BODY[]', b'STORE 1 +FLAGS (\\Deleted)', b'EXPUNGE', b'SEARCH ALL', b'COPY 1 INBOX', b'NOOP', b'SELECT box', b'CLOSE'):
                self.assertIn(c.do(command)[0], ('OK', 'NO', 'BAD', 'BYE'))
            c.close()
            self.b.do(b'DELETE box')
            self.b.do(b'DELETE other')

    def test_select_against_delete(self):
        for _ in range(100 if not SANITIZER else 30):
            self.a.send(b'x CREATE race\r\nx APPEND race {5+}\r\na: b\n\r\nx DELETE race\r\ny NOOP\r\n')
            self.b.send(b'x SELECT race\r\nx FETCH 1:* BODY[]\r\nx STATUS race (MESSAGES)\r\nx RENAME race race2\r\nx DELETE race2\r\nx UNSELECT\r\ny NOOP\r\n')
            self.assertEqual(self.a.until(b'y')[0], 'OK')
            if self.b.until(b'y')[0] == 'BYE':
                self.b = self.client()

    def test_unauthenticate(self):
        c = self.client()
        c.do(b'SEARCH RETURN (SAVE) ALL')
        c.do(b'ENABLE QRESYNC UTF8=ACCEPT')
        c.do(b'NOTIFY SET (personal (MessageNew MessageExpunge))')
        if c.do(b'UNAUTHENTICATE')[0] != 'OK':
            return
        for command in (b'FETCH $ BODY[]', b'CREATE owned', b'NOOP', b'IDLE', b'CLOSE'):
            self.assertNotEqual(c.do(command)[0], 'BYE', command)
            c.send(b'DONE\r\n')
        c.login(self.user + '2', True)
        self.assertNotIn(b'Subject', b''.join(c.do(b'FETCH 1:* BODY[]')[1]))

    def test_uidonly(self):
        c = self.client()
        if c.do(b'ENABLE UIDONLY')[0] != 'OK':
            return
        c.do(b'SELECT INBOX')
        for command in (b'FETCH 1:* FLAGS', b'STORE 1 +FLAGS (x)', b'SEARCH 1', b'UID SEARCH 1:*', b'COPY 1 INBOX', b'MOVE 1 INBOX', b'SORT (DATE) UTF-8 1', b'THREAD REFERENCES UTF-8 1', b'REPLACE 1 INBOX {5+}\r\na: b\n', b'UID FETCH 1:* FLAGS',
                        b'UID REPLACE 1 INBOX {5+}\r\na: b\n', b'UID EXPUNGE 1:*', b'SEARCH RETURN (SAVE) ALL', b'UID FETCH $ (FLAGS)'):
            self.assertIn(c.do(command)[0], ('OK', 'NO', 'BAD'), command)

    def test_notify_overflow(self):
        c = self.client(receive=4096)
        c.do(b'NOTIFY SET (selected (MessageNew (UID BODY.PEEK[HEADER]) MessageExpunge FlagChange)) (personal (MessageNew MessageExpunge MailboxName SubscriptionChange))')
        for i in range(400 if not SANITIZER else 100):
            self.a.send(b'x CREATE n%d\r\nx SUBSCRIBE n%d\r\nx APPEND n%d {5+}\r\na: b\n\r\nx DELETE n%d\r\nx UNSUBSCRIBE n%d\r\nx APPEND INBOX {2006+}\r\na: %s\r\n\r\n\r\nx STORE 1:* +FLAGS (k%d)\r\ny NOOP\r\n' % (
                i, i, i, i, i, b'x' * 1999, i % 50))
            self.assertEqual(self.a.until(b'y')[0], 'OK')
        self.others_are_served()
        self.assertIn(c.do(b'NOOP')[0], ('OK', 'BYE'))

    def test_metadata_and_quota(self):
        c = self.client()
        for entry in (b'/private/comment', b'/shared/comment', b'/private/' + b'a/' * 300 + b'b', b'/private/' + b'a' * 9000, b'/private/*', b'/private//x', b'/nosuch/x', b'', b'/private/\xff'):
            for value in (b'x' * 1000, b'x' * MB, b'\0' * 100, b'\r\nx CREATE owned\r\n'):
                word, lines = c.do(b'SETMETADATA INBOX ({%d+}\r\n%s ~{%d+}\r\n%s)' % (len(entry), entry, len(value), value))
                if word == 'BYE' or c.do(b'GETMETADATA (DEPTH infinity) INBOX /private')[0] == 'BYE':
                    c = self.client()
        for i in range(300 if not SANITIZER else 50):   # a value each until there are too many
            word, lines = c.do(b'SETMETADATA INBOX (/private/vendor/x/%d {60000+}\r\n%s)' % (i, b'x' * 60000))
            self.assertIn(word, ('OK', 'NO'))
        self.assertIn(c.do(b'GETMETADATA (DEPTH infinity) INBOX (/private /shared)')[0], ('OK', 'NO'))
        if c.do(b'SETQUOTA "" (STORAGE 100)')[0] == 'OK':
            self.assertEqual(c.append(b'a: b\r\n\r\n' + b'x' * 300000)[0], 'NO')
            self.assertEqual(c.do(b'APPEND INBOX {5+}\r\na: b\n {300000+}\r\n' + b'x' * 300000)[0], 'NO')
            self.assertEqual(c.do(b'NOOP')[0], 'OK')

    def test_the_mailboxes_of_others(self):
        mine = self.client()
        for name, rights in ((b'secret', None), (b'seen', b'l'), (b'read', b'lr')):
            mine.do(b'CREATE ' + name)
            mine.append(WITNESS, name)
            if rights:
                self.assertEqual(mine.do(b'SETACL %s other %s' % (name, rights))[0], 'OK')
        other = self.raw().login('other', True)
        prefix = b'Other Users/' + self.user.encode()
        self.assertIn(b'"Other Users/"', b''.join(other.do(b'NAMESPACE')[1]))
        changes = (b'APPEND "%s" {5+}\r\na: b\n', b'CREATE "%s/owned"', b'DELETE "%s"', b'RENAME "%s" mine', b'RENAME "%s" "%s2"', b'SETACL "%s" other lrswipkxtea', b'DELETEACL "%s" other', b'COPY 1 "%s"', b'GETACL "%s"',
                   b'SETMETADATA "%s" (/shared/comment "x")', b'APPEND "%s" CATENATE (TEXT {5+}\r\na: b\n)')
        reads = (b'SELECT "%s"', b'EXAMINE "%s"', b'STATUS "%s" (MESSAGES)', b'ESEARCH IN (mailboxes "%s") ALL', b'APPEND INBOX CATENATE (URL "/%s/;UID=1")', b'GETMETADATA "%s" /shared/comment')
        other.append(WITNESS)
        for name in (prefix + b'/secret', prefix, prefix + b'/INBOX', prefix + b'/../' + self.user.encode() + b'/secret', b'Other Users/../' + self.user.encode(), prefix + b'/seen', prefix + b'/read'):
            for verb in changes + (reads if not name.endswith(b'read') else ()):
                word, lines = other.do(verb.replace(b'%s', name))
                self.assertNotIn(WITNESS, b''.join(lines))
                self.assertTrue(word in ('NO', 'BAD') or (b'ESEARCH' in verb and b'* ESEARCH' not in b''.join(lines)), (verb, name, lines))
        self.assertNotIn(b'secret', b''.join(other.do(b'LIST "" *')[1]))
        self.assertEqual(other.do(b'SELECT "%s/read"' % prefix)[0], 'OK')
        for command in (b'STORE 1 +FLAGS (\\Deleted)', b'STORE 1 +FLAGS (\\Seen)', b'STORE 1 FLAGS (x)', b'MOVE 1 INBOX', b'REPLACE 1 INBOX {5+}\r\na: b\n'):
            self.assertIn(other.do(command)[0], ('NO', 'BAD'), command)
        self.assertIn(other.do(b'EXPUNGE')[0], ('NO', 'BAD'))
        self.assertIn(WITNESS, b''.join(other.do(b'FETCH 1 BODY[]')[1]))
        self.assertEqual(mine.do(b'SELECT read')[0], 'OK')
        self.assertNotIn(b'\\Seen', b''.join(mine.do(b'FETCH 1 FLAGS')[1]))
        self.assertEqual(mine.do(b'DELETEACL read other')[0], 'OK')         # and it is closed to one who has it open
        self.assertNotIn(WITNESS, b''.join(other.do(b'FETCH 1 BODY[]')[1] + other.do(b'COPY 1 INBOX')[1]))


if __name__ == '__main__':
    unittest.main()
