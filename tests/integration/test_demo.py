"""The demonstration keeps its word: it succeeds, says so, and leaves nothing behind even when it is stopped."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def start(folder, **kw):
    env = dict(os.environ, TMPDIR=folder, PYTHONUNBUFFERED='1')
    return subprocess.Popen([sys.executable, 'tests/demo.py', *kw.pop('words', ())], cwd=ROOT, env=env, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)


class Demo(unittest.TestCase):
    def test_it_copies_and_proves(self):
        with tempfile.TemporaryDirectory() as folder:
            with start(folder) as demo:
                text = demo.stdout.read()
            self.assertEqual(demo.returncode, 0, text)
            self.assertIn('Both sides are equal byte for byte', text)
            self.assertIn('What to type next', text)
            self.assertEqual(os.listdir(folder), [])

    def test_stopped_in_the_middle_it_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            with start(folder, start_new_session=True) as demo:
                seen = ''
                while '$ posthaste copy' not in seen:
                    line = demo.stdout.readline()
                    self.assertTrue(line, seen)
                    seen += line
                ports = [word.strip(',.') for line in seen.splitlines() if 'ports' in line for word in line.split()]
                ports = [int(word) for word in ports if word.isdigit()]
                os.killpg(demo.pid, signal.SIGINT)  # what Ctrl-C on a terminal does
                seen += demo.stdout.read()
            self.assertNotEqual(demo.returncode, 0, seen)
            self.assertEqual(os.listdir(folder), [])
            self.assertEqual(len(ports), 2)
            for port in ports:
                self.assertFalse(listening(port))


def listening(port):
    with open('/proc/net/tcp', encoding='ascii') as lines:
        return any(line.split()[1].endswith(f':{port:04X}') and line.split()[3] == '0A' for line in lines.readlines()[1:])


if __name__ == '__main__':
    unittest.main()
