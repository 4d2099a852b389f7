# time-limit: 240
# not-under: asan tsan
"""The programs of examples/ build against the installed library, through pkg-config, and do what they say."""

import glob
import imaplib
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(os.path.abspath(os.environ['POSTHASTE']))


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.root = os.path.join(cls.tmp.name, 'installed')
        subprocess.run(['meson', 'install', '--quiet', '--no-rebuild', '-C', BUILD, '--destdir', cls.root], check=True,
                       stdout=subprocess.DEVNULL)
        found = glob.glob(f'{cls.root}/**/posthaste.pc', recursive=True)
        assert len(found) == 1, found
        cls.env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(found[0]), PKG_CONFIG_SYSROOT_DIR=cls.root)
        libraries = glob.glob(f'{cls.root}/**/libposthaste.so.0', recursive=True)
        cls.env['LD_LIBRARY_PATH'] = os.path.dirname(libraries[0])

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def build(self, name, *packages):
        flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'posthaste', *packages], env=self.env, check=True,
                               capture_output=True, text=True).stdout
        program = os.path.join(self.tmp.name, name)
        # a library that was installed beside another root is named with its path there
        subprocess.run(['cc', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror', f'{ROOT}/examples/{name}.c',
                        *shlex.split(flags), '-o', program], check=True, env=self.env)
        return program

    def serve(self, *argv):
        process = subprocess.Popen(argv, env=self.env, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.send_signal, signal.SIGTERM)
        line = process.stdout.readline()
        return int(re.fullmatch(r'listening on 127\.0\.0\.1:(\d+)\n', line).group(1))

    def test_memory_server(self):
        with imaplib.IMAP4('127.0.0.1', self.serve(self.build('memory_server'))) as client:
            self.assertRaises(imaplib.IMAP4.error, client.login, 'anna', 'wrong')
            client.login('anna', 'secret')
            message = b'From: anna@example.org\r\nSubject: first\r\n\r\nHello\r\n'
            self.assertEqual(client.append('INBOX', r'(\Flagged work)', None, message)[0], 'OK')
            self.assertEqual(client.select()[1], [b'1'])
            self.assertEqual(client.fetch('1', '(BODY.PEEK[])')[1][0][1], message)
            self.assertIn(b'Flagged', client.fetch('1', '(FLAGS)')[1][0])
            self.assertEqual(client.search(None, 'SUBJECT', 'first', 'KEYWORD', 'work')[1], [b'1'])
            client.store('1', '+FLAGS', r'(\Deleted)')
            self.assertEqual(client.expunge()[1], [b'1'])

    def test_a_table_as_a_mailbox(self):
        notes = os.path.join(self.tmp.name, 'notes.db')
        db = sqlite3.connect(notes)
        db.execute('create table notes (id integer primary key, author text, title text, body text, created integer)')
        db.execute("insert into notes values (7, 'bo@example.org', 'Milk\nand eggs', 'Please.\nBo', 1700000000)")
        db.commit()
        with imaplib.IMAP4('127.0.0.1', self.serve(self.build('sqlite_server', 'sqlite3'), notes)) as client:
            client.login('bo', 'secret')
            self.assertRaises(imaplib.IMAP4.readonly, client.select)
            self.assertEqual(client.select(readonly=True)[1], [b'1'])
            text = client.uid('fetch', '7', '(BODY[])')[1][0][1]
            self.assertIn(b'Subject: Milk and eggs\r\n', text)
            self.assertTrue(text.endswith(b'\r\n\r\nPlease.\r\nBo'))
            db.execute("insert into notes values (9, 'bo@example.org', 'Bread', 'x', 1700000001)")
            db.commit()
            client.noop()
            self.assertEqual(client.response('EXISTS')[1][-1], b'2')
            self.assertEqual(client.uid('search', None, 'SUBJECT', 'bread')[1], [b'9'])
        db.close()

    def test_own_command_over_own_transport(self):
        said = subprocess.run([self.build('own_command')], env=self.env, text=True, capture_output=True, timeout=20, check=True,
                              input='0 XECHO early\r\n1 LOGIN me secret\r\n2 XECHO "what was said"\r\n3 XECHO\r\n'
                                    '4 SELECT INBOX\r\n5 LOGOUT\r\n')
        out = said.stdout
        self.assertRegex(out, r'^\* OK ')
        self.assertRegex(out, r'(?m)^0 BAD ')
        self.assertRegex(out, r'(?m)^1 OK \[CAPABILITY [^]]*\bXECHO\b')
        self.assertIn('* XECHO what was said\r\n2 OK XECHO completed\r\n'.replace('\r\n', '\n'), out.replace('\r\n', '\n'))
        self.assertRegex(out, r'(?m)^3 BAD ')
        self.assertRegex(out, r'(?m)^5 OK ')
        states = [line.split(' -> ')[1] for line in said.stderr.splitlines()]
        self.assertEqual(states[-3:], ['Authenticated', 'Logout', 'ConnectionClosed'])


if __name__ == '__main__':
    unittest.main()
