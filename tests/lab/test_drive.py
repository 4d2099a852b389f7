"""The driver itself: what fails is counted as failed, whatever way it fails, and nothing outlives it."""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from types import SimpleNamespace

from tests import drive

CMOCKA = """\
[==========] Running 4 test(s).
[ RUN      ] good
[       OK ] good
[ RUN      ] bad
[  FAILED  ] bad
[ RUN      ] skipped
[  SKIPPED ] skipped
[==========] 3 test(s) run.
"""
CMOCKA_ERRORS = """\
[  ERROR   ] --- 0x1 != 0x2
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] skipped
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] bad
"""


def statuses(cases):
    return [(case.name.split(': ')[-1], case.status) for case in cases]


class Counting(unittest.TestCase):
    def test_cmocka_cases_are_counted_one_by_one(self):
        program = {'name': 'wire / wire/x', 'result': 'FAIL', 'stdout': CMOCKA, 'stderr': CMOCKA_ERRORS}
        self.assertEqual(statuses(drive.unit_cases(program)),
                         [('good', 'passed'), ('skipped', 'skipped'), ('bad', 'failed')])

    def test_a_program_that_dies_is_a_failure(self):
        program = {'name': 'wire/x', 'result': 'FAIL', 'stdout': '[       OK ] good\n', 'stderr': 'boom'}
        self.assertEqual(statuses(drive.unit_cases(program)), [('good', 'passed'), ('FAIL', 'failed')])

    def test_a_program_without_cases_counts_once(self):
        self.assertEqual(statuses(drive.unit_cases({'name': 'x', 'result': 'OK'})), [('x', 'passed')])


class Files(unittest.TestCase):
    def run_file(self, body, **env):
        run = drive.Run(SimpleNamespace(soak=False, seed=1, limit=60))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'test_it.py')
            with open(path, 'w', encoding='utf-8') as out:
                out.write('import os, sys, time, unittest\n' + body)
            return drive.python_file(run, path, env=env)

    def test_each_case_is_counted(self):
        cases = self.run_file('class T(unittest.TestCase):\n'
                              ' def test_a(self): pass\n'
                              ' def test_b(self): self.fail("because")\n'
                              ' def test_c(self): self.skipTest("optional: none here")\n')
        self.assertEqual([case.status for case in cases], ['passed', 'failed', 'skipped'])
        self.assertIn('because', cases[1].text)

    def test_a_file_that_cannot_be_read_as_python_fails(self):
        self.assertEqual([case.status for case in self.run_file('def (')], ['failed'])

    def test_a_file_without_tests_fails(self):
        self.assertEqual([case.status for case in self.run_file('')], ['failed'])

    def test_a_failure_before_the_first_case_fails(self):
        cases = self.run_file('def setUpModule(): raise OSError("no server")\n'
                              'class T(unittest.TestCase):\n def test_a(self): pass\n')
        self.assertEqual([case.status for case in cases], ['failed'])

    def test_an_exit_in_the_middle_fails_and_keeps_what_was_done(self):
        cases = self.run_file('class T(unittest.TestCase):\n def test_a(self): pass\n def test_b(self): os._exit(0)\n'
                              ' def test_c(self): pass\n')
        self.assertEqual([case.status for case in cases], ['passed', 'failed'])

    def test_cases_are_dealt_out_and_each_runs_once(self):
        cases = self.run_file('# side-by-side: 3\nclass T(unittest.TestCase):\n'
                              + ''.join(f' def test_{n}(self): pass\n' for n in range(7)))
        self.assertEqual(sorted(case.name[-1] for case in cases), list('0123456'))
        self.assertEqual({case.status for case in cases}, {'passed'})

    def test_the_time_limit_ends_it_and_lets_it_clean_up(self):
        with tempfile.TemporaryDirectory() as folder:
            mark = os.path.join(folder, 'cleaned')
            cases = self.run_file('# time-limit: 1\nclass T(unittest.TestCase):\n'
                                  f' def test_a(self):\n  self.addCleanup(open, {mark!r}, "w")\n  time.sleep(60)\n')
            self.assertEqual([case.status for case in cases][-1], 'failed')
            self.assertIn('stopped after 1 s', cases[-1].text)
            self.assertTrue(os.path.exists(mark))

    def test_a_sanitizer_report_fails_a_test_that_did_not_look(self):
        cases = self.run_file('class T(unittest.TestCase):\n def test_a(self):\n'
                              '  path = os.environ["ASAN_OPTIONS"].split("log_path=")[1].split(":")[0]\n'
                              '  open(path + ".17", "w").write("heap-use-after-free")\n', PH_SANITIZER='address')
        self.assertEqual([case.status for case in cases], ['passed', 'failed'])
        self.assertIn('heap-use-after-free', cases[1].text)


class Children(unittest.TestCase):
    def test_what_a_command_leaves_behind_is_ended(self):
        children = drive.Children()
        status, output = children.run([sys.executable, '-c', 'import subprocess; '
                                       'print(subprocess.Popen(["sleep", "60"]).pid)'], 30)
        self.assertEqual(status, 0)
        gone = time.monotonic() + 10
        while os.path.exists(f'/proc/{int(output)}') and state(int(output)) != 'Z':
            self.assertLess(time.monotonic(), gone, 'it still runs')
            time.sleep(0.01)


def state(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as text:
            return text.read().rpartition(')')[2].split()[0]
    except OSError:
        return 'Z'


class CommandLine(unittest.TestCase):
    def drive(self, *words):
        return subprocess.run([sys.executable, 'tests/drive.py', *words], cwd=drive.ROOT, text=True,
                              capture_output=True, env=dict(os.environ, PYTHONPATH=drive.ROOT))

    def test_the_last_line_and_the_status(self):
        done = self.drive('checks/links')
        self.assertRegex(done.stdout.splitlines()[-1], r'^1 passed, 0 failed$')
        self.assertEqual(done.returncode, 0)

    def test_a_group_nobody_knows_is_refused(self):
        self.assertEqual(self.drive('nonsense').returncode, 2)

    def test_a_run_that_ran_nothing_is_no_success(self):
        self.assertEqual(self.drive('checks/nothing-of-that-name').returncode, 1)

    def test_strict_makes_a_skip_a_failure_unless_it_is_optional(self):
        cases = [drive.Case('a', drive.SKIPPED, 'no server'), drive.Case('b', drive.SKIPPED, 'optional: no corpus')]
        run = drive.Run(SimpleNamespace(soak=False, seed=1, limit=60))
        with open(os.devnull, 'w', encoding='utf-8') as quiet:
            kept, sys.stdout = sys.stdout, quiet
            try:
                cases = drive.run_group(run, 'x', lambda _: iter(cases), True)
            finally:
                sys.stdout = kept
        self.assertEqual([case.status for case in cases], ['failed', 'skipped'])
