# time-limit: 240
"""The server as a daemon: starting, who may log in, mail that comes in, certificates, logs, figures, and the service manager."""

import base64
import contextlib
import glob
import imaplib
import os
import pwd
import random
import shutil
import signal
import smtplib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration.rig import PROGRAM, SANITIZER, need  # noqa: E402
from tests.lab.base import make_ca  # noqa: E402

WAIT = 60 if SANITIZER else 20
SECRET = 'Tr0ub4dor&3'


def setUpModule():
    need()


class Serve:
    """A running `posthaste serve`; what it said on both outputs is kept."""

    def __init__(self, folder, *options, env=None, wrap=(), pass_fds=(), listen=True):
        self.folder = Path(folder)
        self.errors = self.folder / f'stderr-{time.monotonic_ns()}'
        argv = [*PROGRAM, 'serve', *(['--listen', '127.0.0.1:0'] if listen else []), *map(str, options)]
        with open(self.errors, 'wb') as errors:
            self.process = subprocess.Popen([*wrap, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                                            env=dict(os.environ, **(env or {})), pass_fds=pass_fds)
        self.said = []
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip('\n'))
            self.ready.set()
        self.ready.set()

    def __enter__(self):
        if not self.ready.wait(WAIT) or not self.said:
            self.__exit__()
            raise AssertionError(f'did not start: {self.errors.read_text()}')
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(WAIT)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def port(self, what='listening on'):
        until(lambda: any(line.startswith(what) for line in self.said), f'"{what}" in {self.said}')
        return int(next(line for line in self.said if line.startswith(what)).rsplit(':' if ':' in self.said[0] else ' ', 1)[1])

    def metrics_port(self):
        until(lambda: any('metrics on port' in line for line in self.said), 'the port of the figures')
        return int(next(line for line in self.said if 'metrics on port' in line).split()[-1])

    def connect(self, **kw):
        return imaplib.IMAP4('127.0.0.1', self.port(), timeout=WAIT, **kw)

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)


def until(true, what):
    end = time.monotonic() + WAIT
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f'waited in vain for {what}')
        time.sleep(0.01)


def login(server, user, password):
    with server.connect() as m:
        try:
            return m.login(f'"{user}"', password)[0]
        except imaplib.IMAP4.error as e:
            return str(e)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix='ph-serve-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.mail = f'local:{self.folder}/mail'

    def tool(self, verb, *words, text='', status=0):
        done = subprocess.run([*PROGRAM, verb, *map(str, words)], input=text.encode(), capture_output=True, timeout=WAIT)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stderr.decode())
        return done.stderr.decode()

    def users(self, **passwords):
        path = self.folder / 'users'
        for name, password in passwords.items():
            self.tool('passwd', '--stdin', path, name, text=password + '\n')
        return path

    def texts(self, server, user='anna', password='x', folder='INBOX'):
        with server.connect() as m:
            m.login(user, password)
            status, _ = m.select(folder, readonly=True)
            self.assertEqual(status, 'OK')
            _, found = m.fetch('1:*', '(BODY.PEEK[])')
            return [part[1] for part in found if isinstance(part, tuple)]


class Starting(Case):
    def test_read_only_unless_it_is_said_otherwise(self):
        self.tool('deliver', '--store', self.mail, '--new-user', 'anna', text='Subject: x\n\ny\n')
        with Serve(self.folder, self.mail, '--any-user') as s, s.connect() as m:
            m.login('anna', 'x')

            def answer(line):
                m.send(b'x ' + line + b'\r\n')
                got = m.readline()
                while not got.startswith((b'x ', b'+')):
                    self.assertTrue(got, line)
                    got = m.readline()
                return got
            self.assertTrue(answer(b'SELECT INBOX').startswith(b'x OK [READ-ONLY]'))
            for line in (b'APPEND INBOX {8+}\r\na: b\r\n\r\n', b'CREATE new', b'STORE 1 +FLAGS (\\Seen)', b'EXPUNGE', b'DELETE INBOX', b'RENAME INBOX b',
                         b'COPY 1 INBOX', b'MOVE 1 INBOX', b'SUBSCRIBE INBOX', b'SETACL INBOX b lr', b'SETMETADATA "" (/private/comment "x")',
                         b'DELETEACL INBOX b', b'SETQUOTA "" (STORAGE 5)', b'SETMETADATA INBOX (/shared/comment NIL)', b'STORE 1 FLAGS ()', b'UNSUBSCRIBE INBOX',
                         b'REPLACE 1 INBOX {8+}\r\na: b\r\n\r\n', b'CREATE a (USE (\\Sent))', b'RENAME a b'):
                self.assertRegex(answer(line), b'^x (NO|BAD)', line)
            self.assertTrue(answer(b'FETCH 1 (BODY[])').startswith(b'x OK'))
            self.assertTrue(answer(b'NOOP').startswith(b'x OK'))
            m.is_readonly = True
        with Serve(self.folder, self.mail, '--any-user', '--writable') as s, s.connect() as m:
            m.login('anna', 'x')
            m.select()
            self.assertEqual(m.fetch('1', '(FLAGS)')[1], [b'1 (FLAGS (\\Recent))'])  # neither seen, nor taken for known
            self.assertEqual(m.create('new')[0], 'OK')

    def test_wrong_settings_are_told_with_their_line(self):
        config = self.folder / 'x.conf'
        for text, says in (('store = "memory:";\nlisen = "127.0.0.1:0";\n', f'{config}:2: there is no setting "lisen"; did you mean "listen"?'),
                           ('store = "memory:";\nlisten = "127.0.0.1:0"\nany-user = 5;\n', f'{config}:3: any-user wants true or false'),
                           ('store = "memory:"; listen = "127.0.0.1:0";\n', 'nobody could log in'),
                           ('store = "memory:"; any-user = true; listen = "0.0.0.0:0";\n', 'any-user takes everybody in'),
                           ('store = "memory:"; any-user = true; tls-cert = "/nonexistent"; listen = "127.0.0.1:0";\n', '/nonexistent'),
                           ('store = "memory:"; users = "/nonexistent"; listen = "127.0.0.1:0";\n', '/nonexistent'),
                           ('store = "memory:"; any-user = true; listen = "127.0.0.1:0"; run-as = "no-such-user";\n', 'no-such-user'),
                           ('store = "maildir:/x"; any-user = true; listen = "127.0.0.1:0";\n', 'a store is local:'),
                           ('store = "memory:"; any-user = true;\n', 'nowhere to listen')):
            config.write_text(text)
            self.assertIn(says, self.tool('serve', '--config', config, status=1))
        self.assertIn('cannot read the configuration', self.tool('serve', '--config', self.folder / 'none', status=1))

    def test_the_command_line_wins_over_the_file(self):
        config = self.folder / 'x.conf'
        config.write_text(f'store = "memory:"; any-user = true; listen = "127.0.0.1:1"; log = "{self.folder}/log";\n')
        self.tool('serve', '--config', config, '--check-config')
        with Serve(self.folder, '--config', config) as s:
            self.assertEqual(login(s, 'anna', 'x'), 'OK')
        self.assertIn('login: anna', (self.folder / 'log').read_text())

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.assertIn(str(port), self.tool('serve', 'memory:', '--any-user', '--listen', f'127.0.0.1:{port}', status=1))

    def test_it_ends_in_order(self):
        pid = self.folder / 'pid'
        with Serve(self.folder, 'memory:', '--any-user', '--listen-unix', self.folder / 'imap', '--pid-file', pid) as s:
            until(pid.exists, 'the file with the number of the process')
            self.assertEqual(int(pid.read_text()), s.process.pid)
            m = s.connect()
            m.login('anna', 'x')
            s.process.terminate()
            self.assertEqual(s.process.wait(WAIT), 0)
            self.assertIn(b'BYE', m.file.read())
            m.file.close()
            m.sock.close()
        self.assertFalse(pid.exists())
        self.assertFalse((self.folder / 'imap').exists())

    def test_descriptors(self):
        wrap = ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh']
        with Serve(self.folder, 'memory:', '--any-user', wrap=['sh', '-c', 'ulimit -Sn 256; exec "$@"', 'sh'], env={}) as s, contextlib.ExitStack() as stack:
            for _ in range(600):
                stack.enter_context(socket.create_connection(('127.0.0.1', s.port()), timeout=WAIT))
            self.assertEqual(login(s, 'anna', 'x'), 'OK')
        with Serve(self.folder, 'memory:', '--any-user', wrap=wrap) as s:
            self.assertIn('256 descriptors are allowed, and 14096 are wanted', s.errors.read_text())
            with contextlib.ExitStack() as stack:  # more than there can be: others go on, and it recovers
                first = stack.enter_context(s.connect())
                for _ in range(300):
                    stack.enter_context(socket.create_connection(('127.0.0.1', s.port()), timeout=WAIT))
                self.assertEqual(first.login('anna', 'x')[0], 'OK')
            self.assertEqual(login(s, 'anna', 'x'), 'OK')

    def test_a_socket_file(self):
        path = self.folder / 'imap'
        with Serve(self.folder, 'memory:', '--any-user', '--listen-unix', path, '--socket-mode', '0600'):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(WAIT)
                s.connect(str(path))
                f = s.makefile('rwb')
                self.assertTrue(f.readline().startswith(b'* OK'))
                f.write(b'a LOGIN anna x\r\n')
                f.flush()
                self.assertTrue(f.readline().startswith(b'a OK'))


class LoggingIn(Case):
    def test_users_of_a_file(self):
        users = self.users(anna=SECRET, berta='other')
        self.assertEqual(users.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(SECRET, users.read_text())
        with Serve(self.folder, self.mail, '--users', users, '--writable', '--no-login-delays') as s:
            with s.connect() as m:
                self.assertIn('AUTH=SCRAM-SHA-256', m.capabilities)
                self.assertNotIn('AUTH=CRAM-MD5', m.capabilities)
            self.assertEqual(login(s, 'anna', SECRET), 'OK')
            self.assertIn('AUTHENTICATIONFAILED', login(s, 'anna', 'other'))
            self.tool('passwd', '--stdin', users, 'anna', text='changed\n')
            self.assertIn('AUTHENTICATIONFAILED', login(s, 'anna', SECRET))
            self.assertEqual(login(s, 'anna', 'changed'), 'OK')
            self.tool('passwd', '--delete', users, 'anna')
            self.assertIn('AUTHENTICATIONFAILED', login(s, 'anna', 'changed'))
            self.assertEqual(login(s, 'berta', 'other'), 'OK')
            self.tool('passwd', '--stdin', '--crypt', users, 'carla', text=SECRET + '\n')
            self.assertEqual(login(s, 'carla', SECRET), 'OK')
            self.no_secret(s, SECRET, 'changed')
        self.tool('passwd', '--delete', users, 'anna', status=1)

    def no_secret(self, server, *secrets):
        told = server.errors.read_text() + Path(f'/proc/{server.process.pid}/cmdline').read_text()
        for secret in secrets:
            self.assertNotIn(secret, told)

    @unittest.skipUnless(shutil.which('gsasl'), 'optional: gsasl is not installed')
    def test_scram_of_another_program(self):
        users = self.users(anna=SECRET)
        with Serve(self.folder, 'memory:', '--users', users) as s:
            for mechanism in ('SCRAM-SHA-256', 'SCRAM-SHA-1'):
                done = subprocess.run(['gsasl', '--imap', '--no-starttls', '--no-cb', '-m', mechanism, '-a', 'anna', '-p', SECRET, '--connect',
                                       f'127.0.0.1:{s.port()}', '--quiet'], input=b'', capture_output=True, timeout=WAIT)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_command_that_checks(self):
        command = self.folder / 'check'
        command.write_text('#!/bin/sh\n'
                           'read -r given\n'
                           f'tr "\\0" " " < /proc/$$/cmdline >> {self.folder}/argv\n'
                           '[ "$POSTHASTE_USER" = broken ] && exit 75\n'
                           '[ "$POSTHASTE_USER" = slow ] && sleep 1\n'
                           f'[ "$given" = "{SECRET}-$POSTHASTE_USER" ]\n')
        command.chmod(0o755)
        with Serve(self.folder, 'memory:', '--password-command', command, '--no-login-delays') as s:
            self.assertEqual(login(s, 'anna', SECRET + '-anna'), 'OK')
            self.assertIn('AUTHENTICATIONFAILED', login(s, 'anna', SECRET))
            self.assertIn('UNAVAILABLE', login(s, 'broken', SECRET))
            self.assertIn('AUTHENTICATIONFAILED', login(s, '$(reboot);x', SECRET))
            self.assertEqual(login(s, 'slow', SECRET + '-slow'), 'OK')
            self.no_secret(s, SECRET)
        self.assertNotIn(SECRET, (self.folder / 'argv').read_text())

    def test_guesses_wait_and_others_do_not(self):
        users = self.users(anna='right')
        with Serve(self.folder, 'memory:', '--users', users) as s:
            times = []
            for _ in range(4):
                began = time.monotonic()
                self.assertIn('AUTHENTICATIONFAILED', login(s, 'anna', 'wrong'))
                times.append(time.monotonic() - began)
            self.assertLess(max(times[:3]), 0.9 * (4 if SANITIZER else 1), times)
            self.assertGreaterEqual(times[3], 1.0, times)
            # Somebody waits for four seconds now; another address does not.
            def guess():
                with contextlib.suppress(imaplib.IMAP4.error, OSError):
                    login(s, 'anna', 'wrong')
            waiting = [threading.Thread(target=guess) for _ in range(3)]
            for thread in waiting:
                thread.start()
            began = time.monotonic()
            with socket.create_connection(('127.0.0.1', s.port()), timeout=WAIT, source_address=('127.0.0.2', 0)) as c:
                f = c.makefile('rwb')
                f.readline()
                f.write(b'a LOGIN anna right\r\n')
                f.flush()
                self.assertTrue(f.readline().startswith(b'a OK'))
            self.assertLess(time.monotonic() - began, 0.9 * (4 if SANITIZER else 1))
            self.assertTrue(any(thread.is_alive() for thread in waiting))
            s.process.terminate()
            for thread in waiting:
                thread.join(WAIT)
        self.assertEqual(s.errors.read_text().count('login failed: anna'), s.errors.read_text().count('login failed'))

    def test_addresses_of_many_users_do_not_wait(self):
        with Serve(self.folder, 'memory:', '--users', self.users(anna='right'), '--no-login-delays-for', '127.0.0.1') as s:
            began = time.monotonic()
            for _ in range(6):  # would be 1 + 2 + 4 seconds
                self.assertIn('AUTHENTICATIONFAILED', login(s, 'anna', 'wrong'))
            self.assertLess(time.monotonic() - began, 5 * (4 if SANITIZER else 1))

    @unittest.skipIf(SANITIZER, 'optional: times mean nothing under a sanitizer')
    def test_names_that_do_not_exist_take_as_long(self):
        users = self.users(anna='right', berta='right', carla='right')
        with Serve(self.folder, 'memory:', '--users', users, '--no-login-delays', '--failed-logins', 10000, '--login-timeout', 1000) as s, \
                s.connect() as m:
            for _ in range(6):
                # Others are at work on this machine. When they disturb more than half of the tries, the quickest tenth tells what is
                # ours. A difference of ours would be there each time.
                if any(max(t) - min(t) < 0.05 * max(t) for t in self.times(m, ['anna', 'nobody'])):
                    return
        self.fail('a name that does not exist can be told by the time')

    def times(self, m, names):
        """Medians of 200 tries of each name, and tenths."""
        times, answers = {name: [] for name in names}, set()
        for _ in range(200):
            random.shuffle(names)
            for name in names:
                began = time.perf_counter()
                try:
                    m.login(name, 'wrong')
                except imaplib.IMAP4.error as e:
                    answers.add(str(e))
                times[name].append(time.perf_counter() - began)
        self.assertEqual(len(answers), 1, answers)
        return [statistics.median(t) for t in times.values()], [statistics.quantiles(t, n=10)[0] for t in times.values()]


class ComingIn(Case):
    def test_deliver(self):
        self.tool('deliver', '--store', self.mail, 'anna', text='a: b\n\n', status=67)
        self.tool('deliver', '--store', self.mail, '--new-user', 'anna', text='From anna Mon Jan 1\nSubject: one\n\n.\nFrom here\n')
        self.tool('deliver', '--store', self.mail, '--from', 'x@example.org', 'anna+lists@example.org', text='Subject: two\r\n\r\nx\r\n')
        self.tool('deliver', '--store', self.mail, '--folder', 'Lists/all', 'anna', text='a: b\n\n', status=75)
        self.tool('deliver', '--store', self.mail, '--folder', 'Lists/ä', '--create', 'anna', text='Subject: three\n\n')
        self.tool('deliver', '--store', self.mail, 'anna', text='', status=65)
        self.tool('deliver', '--store', self.mail, status=64)
        self.tool('deliver', '--store', self.mail, '-x', 'anna', status=64)
        self.tool('deliver', '--store', self.mail, '--', '-x', text='a: b\n\n', status=67)
        self.tool('deliver', '--store', self.mail, '--from', 'a\nb', 'anna', text='a: b\n\n', status=65)
        # Mistakes of the administrator, for which no mail should bounce.
        (self.folder / 'wrong').write_text('nonsense\n')
        self.tool('deliver', '--config', self.folder / 'none', 'anna', text='a: b\n\n', status=75)
        self.tool('deliver', '--config', self.folder / 'wrong', 'anna', text='a: b\n\n', status=75)
        self.tool('deliver', '--store', self.mail, '--users', self.folder / 'wrong', 'anna', text='a: b\n\n', status=75)
        self.tool('deliver', '--store', 'nonsense:', 'anna', text='a: b\n\n', status=75)
        self.tool('deliver', '--store', 'local:/proc/nonexistent', 'anna', text='a: b\n\n', status=75)
        with Serve(self.folder, self.mail, '--any-user') as s:
            self.assertEqual(self.texts(s), [b'Subject: one\r\n\r\n.\r\nFrom here\r\n',
                                             b'Return-Path: <x@example.org>\r\nSubject: two\r\n\r\nx\r\n'])
            self.assertEqual(self.texts(s, folder='Lists/&AOQ-'), [b'Subject: three\r\n\r\n'])

    def test_deliver_while_it_is_served(self):
        with Serve(self.folder, self.mail, '--any-user', '--writable') as s, s.connect() as m:
            m.login('anna', 'x')
            m.select()
            m.send(b'i IDLE\r\n')
            while not m.readline().startswith(b'+'):
                pass
            self.tool('deliver', '--store', self.mail, 'anna', text='a: b\n\n')
            line = b''
            while b'EXISTS' not in line:
                line = m.readline()
                self.assertTrue(line)
            self.assertEqual(line, b'* 1 EXISTS\r\n')
            m.send(b'DONE\r\n')
            while not m.readline().startswith(b'i OK'):
                pass

    def test_lmtp(self):
        path = self.folder / 'lmtp'
        users = self.users(anna='x', berta='x')
        with Serve(self.folder, self.mail, '--users', users, '--lmtp', path, '--message-limit', '100k', '--host', 'mx.example.org') as s:
            until(path.exists, 'the socket')
            self.assertEqual(path.stat().st_mode & 0o777, 0o660)
            with smtplib.LMTP(str(path)) as c:
                refused = c.sendmail('sender@example.org', ['anna@example.org', 'nobody@example.org', 'berta+x@example.org'],
                                     b'Subject: x\r\n\r\n.\r\n..\r\nend\r\n')
                self.assertEqual({k: v[0] for k, v in refused.items()}, {'nobody@example.org': 550})
                self.assertEqual(c.getreply(), (250, b'2.0.0 <berta+x@example.org> Delivered'))  # smtplib has read the first only
                for extension in ('pipelining', '8bitmime', 'enhancedstatuscodes', 'size'):
                    self.assertTrue(c.has_extn(extension), extension)
                self.assertEqual(c.esmtp_features['size'], '100000')
                with self.assertRaises(smtplib.SMTPSenderRefused):
                    c.sendmail('a@b', ['anna'], b'x' * 200000)
                c.rset()
                c.mail('a@b')
                c.rcpt('anna')
                c.putcmd('DATA')
                self.assertEqual(c.getreply()[0], 354)
                c.send(b'x' * 150000 + b'\r\nRCPT TO:<berta>\r\n.\r\n')
                self.assertEqual(c.getreply(), (552, b'5.3.4 <anna> The message is too big'))
                self.assertEqual(c.noop()[0], 250)
            text, = self.texts(s)
            self.assertEqual(self.texts(s, 'berta')[0].split(b'\r\nReceived')[1], text.split(b'\r\nReceived')[1])
            head, body = text.split(b'\r\n\r\n', 1)
            self.assertEqual(body, b'.\r\n..\r\nend\r\n')
            lines = head.split(b'\r\n')
            self.assertEqual(lines[:2], [b'Return-Path: <sender@example.org>', b'Delivered-To: anna@example.org'])
            self.assertTrue(lines[2].startswith(b'Received: from '))
            self.assertRegex(b' '.join(lines[3:5]), rb'^\tby mx\.example\.org .* with LMTP id \d+; \t\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d \+0000$')

    def test_lmtp_pipelined_and_cut_anyhow(self):
        path = self.folder / 'lmtp'
        with Serve(self.folder, 'memory:', '--any-user', '--lmtp', path) as s:
            until(path.exists, 'the socket')
            said = b''.join([b'LHLO c\r\n', *[b'MAIL FROM:<>\r\nRCPT TO:<anna>\r\nDATA\r\nn: %d\r\n\r\n..\r\n.\r\n' % i for i in range(50)], b'QUIT\r\n'])
            with socket.socket(socket.AF_UNIX) as c:
                c.settimeout(WAIT)
                c.connect(str(path))
                for at in range(0, len(said), 37):
                    c.sendall(said[at:at + 37])
                got = b''
                while piece := c.recv(65536):
                    got += piece
            self.assertEqual(got.count(b'250 2.0.0 <anna> Delivered\r\n'), 50)
            texts = self.texts(s)
            self.assertEqual([t.rsplit(b'n: ', 1)[1] for t in texts], [b'%d\r\n\r\n.\r\n' % i for i in range(50)])

    def test_what_lmtp_has_taken_survives(self):
        path = self.folder / 'lmtp'
        with Serve(self.folder, self.mail, '--any-user', '--lmtp', path) as s:
            until(path.exists, 'the socket')
            with smtplib.LMTP(str(path)) as c:
                for i in range(5):
                    self.assertEqual(c.sendmail('a@b', ['anna'], b'Subject: %d\r\n\r\n' % i), {})
                s.process.kill()
                s.process.wait()
                with contextlib.suppress(smtplib.SMTPServerDisconnected, OSError):
                    c.quit()
        with Serve(self.folder, self.mail, '--any-user', '--lmtp', path) as s:  # the stale socket file is no obstacle
            self.assertEqual(len(self.texts(s)), 5)

    def test_a_full_mailbox_is_tried_again(self):
        path = self.folder / 'lmtp'
        with Serve(self.folder, self.mail, '--any-user', '--lmtp', path, '--quota', 5000):
            until(path.exists, 'the socket')
            with smtplib.LMTP(str(path)) as c:
                self.assertEqual(c.sendmail('a@b', ['anna'], b'Subject: small\r\n\r\n'), {})
                with self.assertRaises(smtplib.SMTPDataError) as caught:
                    c.sendmail('a@b', ['anna'], b'x' * 70000)
                self.assertEqual(caught.exception.args, (452, b'4.2.2 <anna> The mailbox is full'))
            self.tool('deliver', '--store', self.mail, '--quota', 5000, 'anna', text='x' * 70000, status=75)

    def test_it_ends_although_somebody_is_connected(self):
        path = self.folder / 'lmtp'
        with Serve(self.folder, self.mail, '--any-user', '--lmtp', path) as s:
            until(path.exists, 'the socket')
            with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as deaf:
                for c in (silent, deaf):
                    c.settimeout(WAIT)
                    c.connect(str(path))
                deaf.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:  # until the server cannot get rid of its answers
                        deaf.send(b'NOOP\r\n' * 1000)
                self.assertTrue(silent.recv(1000).startswith(b'220 '))
                s.process.terminate()
                self.assertEqual(s.process.wait(WAIT), 0)
                self.assertEqual(silent.recv(1000), b'421 4.3.2 The server is shutting down\r\n')

    def test_lmtp_limit_of_connections(self):
        path = self.folder / 'lmtp'
        with Serve(self.folder, 'memory:', '--any-user', '--lmtp', path, '--lmtp-connections', 2, '--lmtp-timeout', 1):
            until(path.exists, 'the socket')
            with contextlib.ExitStack() as stack:
                files = []
                for _ in range(3):
                    c = stack.enter_context(socket.socket(socket.AF_UNIX))
                    c.settimeout(WAIT)
                    c.connect(str(path))
                    files.append(stack.enter_context(c.makefile('rb')))
                lines = sorted(f.readline()[:4] for f in files)
                self.assertEqual(lines, [b'220 ', b'220 ', b'421 '])
                rest = [f.readline() for f in files]  # the silent ones are let go
                self.assertEqual(sorted(rest)[1:], [b'421 4.4.2 Silent for too long\r\n'] * 2)


class Tls(Case):
    def setUp(self):
        super().setUp()
        make_ca(self.folder / 'tls')
        make_ca(self.folder / 'new')
        tls = self.folder / 'tls'
        self.options = ['memory:', '--any-user', '--tls-cert', tls / 'cert.pem', '--tls-key', tls / 'key.pem', '--listen-tls', '127.0.0.1:0']

    def trusting(self, name='tls'):
        return ssl.create_default_context(cafile=str(self.folder / name / 'ca.pem'))

    def test_both_kinds(self):
        with Serve(self.folder, *self.options) as s:
            with imaplib.IMAP4_SSL('127.0.0.1', s.port('listening with TLS on'), ssl_context=self.trusting(), timeout=WAIT) as m:
                self.assertEqual(m.login('anna', 'x')[0], 'OK')
            with s.connect() as m:
                self.assertIn('STARTTLS', m.capabilities)
                self.assertEqual(m.starttls(self.trusting())[0], 'OK')
                self.assertNotIn('STARTTLS', m.capabilities)
                self.assertEqual(m.login('anna', 'x')[0], 'OK')

    def test_passwords_need_tls_from_afar(self):
        users = self.users(anna='x')
        options = [o for o in self.options if o != '--any-user'] + ['--users', users]
        with Serve(self.folder, *options, '--listen', '0.0.0.0:0') as s:
            with s.connect() as m:
                self.assertIn('LOGINDISABLED', m.capabilities)
                with self.assertRaises(imaplib.IMAP4.error):
                    m.login('anna', 'x')
                m.starttls(self.trusting())
                self.assertEqual(m.login('anna', 'x')[0], 'OK')
        with Serve(self.folder, *options, '--listen', '0.0.0.0:0', '--allow-cleartext') as s:
            self.assertEqual(login(s, 'anna', 'x'), 'OK')

    def test_a_new_certificate_on_sighup(self):
        metrics = self.folder / 'figures'
        with Serve(self.folder, *self.options, '--metrics-file', metrics, '--metrics-every', '0.05') as s:
            port = s.port('listening with TLS on')
            old = imaplib.IMAP4_SSL('127.0.0.1', port, ssl_context=self.trusting(), timeout=WAIT)
            for name in ('cert.pem', 'key.pem'):
                shutil.copy(self.folder / 'new' / name, self.folder / 'tls' / name)
            s.hangup()

            def is_new():
                try:
                    imaplib.IMAP4_SSL('127.0.0.1', port, ssl_context=self.trusting('new'), timeout=WAIT).logout()
                    return True
                except ssl.SSLError:
                    return False
            until(is_new, 'the new certificate')
            self.assertEqual(old.noop()[0], 'OK')  # who is connected stays
            old.logout()
            (self.folder / 'tls' / 'cert.pem').write_text('no certificate')
            s.hangup()
            until(lambda: 'the old certificate stays' in s.errors.read_text(), 'the complaint')
            self.assertTrue(is_new())
            until(lambda: 'posthaste_reload_success 0' in metrics.read_text(), 'the figure')

    def test_certificates_of_clients(self):
        tls = self.folder / 'tls'

        def openssl(*words):
            subprocess.run(['openssl', *words], cwd=tls, check=True, capture_output=True)
        openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'anna-key.pem', '-out', 'anna.csr',
                '-subj', '/CN=anna')
        openssl('x509', '-req', '-in', 'anna.csr', '-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-out', 'anna.pem', '-days', '30')
        users = self.users(anna='x', berta='x')
        options = [o for o in self.options if o != '--any-user'] + ['--users', users, '--tls-client-ca', tls / 'ca.pem', '--no-login-delays']
        with Serve(self.folder, *options) as s:
            trust = self.trusting()
            trust.load_cert_chain(tls / 'anna.pem', tls / 'anna-key.pem')
            for name, wanted in (('', 'OK'), ('anna', 'OK'), ('berta', 'NO')):
                m = imaplib.IMAP4_SSL('127.0.0.1', s.port('listening with TLS on'), ssl_context=trust, timeout=WAIT)
                self.assertIn('AUTH=EXTERNAL', m.capabilities)
                m.send(b'a AUTHENTICATE EXTERNAL ' + (base64.b64encode(name.encode()) or b'=') + b'\r\n')
                self.assertTrue(m.readline().decode().startswith(f'a {wanted}'), name)
                m.logout()


class Logs(Case):
    def test_one_line_a_session_and_reopening(self):
        log = self.folder / 'log'
        with Serve(self.folder, 'memory:', '--any-user', '--log', log) as s:
            self.assertEqual(login(s, 'anna', SECRET), 'OK')
            until(lambda: 'user anna: ' in log.read_text(), 'the line of the session')
            last = [line for line in log.read_text().splitlines() if 'user anna: ' in line]
            self.assertEqual(len(last), 1)
            self.assertRegex(last[0], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: imap 1 127\.0\.0\.1:\d+ user anna: .*commands')
            log.rename(self.folder / 'log.1')
            s.hangup()
            until(log.exists, 'the new log')
            self.assertEqual(login(s, 'berta', SECRET), 'OK')
            until(lambda: 'user berta' in log.read_text(), 'a line in the new log')
            self.assertNotIn('berta', (self.folder / 'log.1').read_text())
            self.assertNotIn(SECRET, log.read_text() + (self.folder / 'log.1').read_text())

    def test_a_name_cannot_forge_a_line(self):
        log = self.folder / 'log'
        with Serve(self.folder, 'memory:', '--users', self.users(anna='x'), '--log', log, '--no-login-delays') as s, s.connect() as m:
            name = 'x\x1b[2J\nforged: line'
            m.send(b'a LOGIN {%d+}\r\n%s {1+}\r\nx\r\n' % (len(name), name.encode()))
            self.assertFalse(m.readline().startswith(b'a OK'))
            until(lambda: 'login failed' in log.read_text() or 'BAD' in log.read_text() or True, 'the line')
        self.assertNotIn('\x1b', log.read_text())
        self.assertFalse([line for line in log.read_text().splitlines() if line.startswith('forged')])


class Figures(Case):
    def test_over_http(self):
        with Serve(self.folder, 'memory:', '--any-user', '--metrics', '127.0.0.1:0') as s:
            base = f'http://127.0.0.1:{s.metrics_port()}'
            self.assertEqual(login(s, 'anna', SECRET), 'OK')
            with urllib.request.urlopen(base + '/metrics', timeout=WAIT) as answer:
                self.assertEqual(answer.headers['Content-Type'], 'text/plain; version=0.0.4; charset=utf-8')
                text = answer.read().decode()
            self.assertIn('\nposthaste_logins_total 1\n', text)
            self.assertNotIn('anna', text)
            self.assertNotIn(SECRET, text)
            for line in text.splitlines():  # the exposition format, line by line
                self.assertRegex(line, r'^(# (HELP|TYPE) posthaste_\w+ .+|posthaste_\w+(\{\w+="[^"]*"\})? \d+)$')
            for request, status in ((base + '/', 404), (urllib.request.Request(base + '/metrics', data=b'x' * 100000), 405)):
                with self.assertRaises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(request, timeout=WAIT)
                self.assertEqual(caught.exception.code, status)
                caught.exception.close()

    def test_as_a_file(self):
        path = self.folder / 'posthaste.prom'
        with Serve(self.folder, 'memory:', '--any-user', '--metrics-file', path, '--metrics-every', '0.05') as s:
            until(path.exists, 'the file')
            self.assertEqual(login(s, 'anna', 'x'), 'OK')
            until(lambda: '\nposthaste_logins_total 1\n' in path.read_text(), 'the figure')


class ServiceManager(Case):
    def test_sockets_handed_over(self):
        with contextlib.ExitStack() as stack:
            imap = stack.enter_context(socket.socket())
            imap.bind(('127.0.0.1', 0))
            lmtp = stack.enter_context(socket.socket(socket.AF_UNIX))
            lmtp.bind(str(self.folder / 'lmtp'))
            for s in (imap, lmtp):
                s.listen()
            port = imap.getsockname()[1]
            # The shell moves them to where they have to be, and knows the number of the process.
            wrap = ['sh', '-c', f'exec 3<&{imap.fileno()} 4<&{lmtp.fileno()}; export LISTEN_PID=$$; exec "$@"', 'sh']
            env = {'LISTEN_FDS': '2', 'LISTEN_FDNAMES': 'imap:posthaste-lmtp.socket'}
            s = stack.enter_context(Serve(self.folder, 'memory:', '--any-user', env=env, wrap=wrap, pass_fds=(imap.fileno(), lmtp.fileno()),
                                          listen=False))
            self.assertEqual(s.port(), port)
            with smtplib.LMTP(str(self.folder / 'lmtp')) as c:
                self.assertEqual(c.sendmail('a@b', ['anna'], b'a: b\r\n\r\n'), {})
            self.assertEqual(len(self.texts(s)), 1)
        self.assertTrue((self.folder / 'lmtp').exists())  # not ours to remove

    def test_sockets_for_somebody_else_are_left_alone(self):
        self.assertIn('nowhere to listen', subprocess.run([*PROGRAM, 'serve', 'memory:', '--any-user'], capture_output=True, text=True, timeout=WAIT,
                                                          env=dict(os.environ, LISTEN_PID='1', LISTEN_FDS='1')).stderr)
        done = subprocess.run(['sh', '-c', 'export LISTEN_PID=$$; exec "$@" 3</dev/null', 'sh', *PROGRAM, 'serve', 'memory:', '--any-user'],
                              capture_output=True, text=True, timeout=WAIT, env=dict(os.environ, LISTEN_FDS='1'))
        self.assertEqual(done.returncode, 1)
        self.assertIn('no listening stream socket', done.stderr)

    def test_it_is_told(self):
        path = self.folder / 'notify'
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(path))
            manager.settimeout(WAIT)
            told = []

            def hear(word):
                while not any(word in text for text in told):
                    told.append(manager.recv(4096).decode())
                return told
            with Serve(self.folder, 'memory:', '--any-user', env={'NOTIFY_SOCKET': str(path), 'WATCHDOG_USEC': '200000'}) as s:
                hear('READY=1')
                self.assertEqual(login(s, 'anna', 'x'), 'OK')
                hear('WATCHDOG=1')
                told.clear()
                s.hangup()
                hear('RELOADING=1')
                self.assertRegex(''.join(told), r'RELOADING=1\nMONOTONIC_USEC=\d+')
                told.clear()
                hear('READY=1')
                s.process.terminate()
                hear('STOPPING=1')
        self.assertEqual(s.process.returncode, 0)

    @unittest.skipUnless(os.geteuid() == 0, 'optional: only root can become another user')
    def test_another_user(self):
        nobody = pwd.getpwnam('nobody')
        self.folder.chmod(0o755)
        mail = self.folder / 'mail'
        mail.mkdir()
        os.chown(mail, nobody.pw_uid, nobody.pw_gid)
        lmtp = self.folder / 'lmtp'
        with Serve(self.folder, f'local:{mail}', '--any-user', '--writable', '--run-as', 'nobody', '--lmtp', lmtp) as s:
            status = Path(f'/proc/{s.process.pid}/status').read_text()
            self.assertIn('\t'.join(['Uid:', *[str(nobody.pw_uid)] * 4]), status)
            self.assertIn('\t'.join(['Gid:', *[str(nobody.pw_gid)] * 4]), status)
            self.assertNotRegex(status, r'\nGroups:\t(.* )?0 ')
            for task in glob.glob(f'/proc/{s.process.pid}/task/*/status'):
                self.assertIn(f'Uid:\t{nobody.pw_uid}\t', Path(task).read_text())
            self.assertEqual(lmtp.stat().st_uid, nobody.pw_uid)
            self.assertEqual(login(s, 'anna', 'x'), 'OK')
            self.assertEqual((mail / 'users').stat().st_uid, nobody.pw_uid)


class OnDisk(Case):
    def test_checked_and_backed_up_while_served(self):
        for name in ('anna', 'Berta@example.org'):
            self.tool('deliver', '--store', self.mail, '--new-user', name, text=f'Subject: {name}\n\ntext of it\n')
        copy = self.folder / 'copy'
        with Serve(self.folder, self.mail, '--any-user', '--writable') as s:
            self.assertEqual(len(self.texts(s)), 1)
            self.tool('check', '--store', self.mail)
            self.tool('backup', '--store', self.mail, copy)
            self.tool('backup', '--store', self.mail, copy, status=1)
            with s.connect() as m:
                m.login('anna', 'x')
                m.append('INBOX', None, None, b'Subject: later\r\n\r\n')
        self.tool('check', '--store', f'local:{copy}')
        with Serve(self.folder, f'local:{copy}', '--any-user') as s:
            self.assertEqual(self.texts(s), [b'Subject: anna\r\n\r\ntext of it\r\n'])
            self.assertEqual(self.texts(s, 'Berta@example.org'), [b'Subject: Berta@example.org\r\n\r\ntext of it\r\n'])
        pack, = (copy / 'users' / 'anna' / 'packs').glob('*.pack')
        data = bytearray(pack.read_bytes())
        data[data.index(b'text of it')] ^= 1
        pack.unlink()  # it may be a link to the other one
        pack.write_bytes(data)
        self.tool('check', '--store', f'local:{copy}', status=3)
        self.tool('check', '--store', f'local:{copy}', 'Berta@example.org')
        self.tool('check', '--store', f'local:{copy}', 'nobody', status=1)
        self.tool('check', '--store', 'memory:', status=1)
        self.tool('check', '--store', self.mail)


class Proxy(Case):
    def test_passwords_are_passed_on(self):
        users = self.users(anna=SECRET, berta='other')
        with Serve(self.folder, self.mail, '--users', users, '--writable', '--no-login-delays') as behind, \
                Serve(self.folder, f'imap://127.0.0.1:{behind.port()}/', '--proxy', '--writable', '--no-login-delays') as s:
            self.assertIn('AUTHENTICATIONFAILED', login(s, 'anna', 'wrong'))
            with s.connect() as m:
                self.assertEqual(m.login('anna', SECRET)[0], 'OK')
                self.assertEqual(m.append('INBOX', None, None, b'Subject: x\r\n\r\nbody\r\n')[0], 'OK')
                m.select()
                self.assertEqual(m.fetch('1', '(BODY[])')[1][0][1], b'Subject: x\r\n\r\nbody\r\n')
            self.assertEqual(self.texts(behind, 'anna', SECRET), [b'Subject: x\r\n\r\nbody\r\n'])
            self.assertEqual(self.texts(s, 'berta', 'other'), [])
            self.assertNotIn(SECRET, s.errors.read_text() + behind.errors.read_text())

    def test_one_account_for_everybody(self):
        users = self.users(anna=SECRET)
        (self.folder / 'secret').write_text(SECRET + '\n')
        (self.folder / 'secret').chmod(0o600)
        self.tool('deliver', '--store', self.mail, '--new-user', 'anna', text='a: b\n\n')
        with Serve(self.folder, self.mail, '--users', users) as behind, \
                Serve(self.folder, f'imap://anna@127.0.0.1:{behind.port()}/', '--any-user', '--upstream-password-file', self.folder / 'secret') as s:
            self.assertEqual(self.texts(s, 'guest', 'any'), [b'a: b\r\n\r\n'])
            with Serve(self.folder, f'imap://anna:{SECRET.replace("&", "%26")}@127.0.0.1:{behind.port()}/', '--any-user') as other:
                self.assertEqual(self.texts(other, 'guest', 'any'), [b'a: b\r\n\r\n'])
                self.assertNotIn('Tr0ub', Path(f'/proc/{other.process.pid}/cmdline').read_text())


if __name__ == '__main__':
    unittest.main()
