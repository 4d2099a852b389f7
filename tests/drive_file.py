"""Run one file of unittest cases, noting each result as a line of JSON in $PH_RESULTS.

Started by drive.py, one process a file. By hand: `python3 tests/drive_file.py FILE [CLASS.CASE…]`,
with POSTHASTE=build/posthaste in the environment.
"""

import importlib.util
import json
import os
import signal
import sys
import unittest


class Noting(unittest.TextTestResult):
    """Writes a line for every case the moment it ends, so that a killed run keeps what it had."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        path = os.environ.get('PH_RESULTS')
        self.notes = open(path, 'w', encoding='utf-8') if path else None

    def note(self, test, status, text=''):
        if self.notes:
            name = '.'.join(test.id().split('.')[-2:])
            self.notes.write(json.dumps({'name': name, 'status': status, 'text': text}) + '\n')
            self.notes.flush()

    def stopTestRun(self):
        super().stopTestRun()
        if self.notes:
            self.notes.write('"end"\n')
            self.notes.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, 'passed')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, 'skipped', reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, 'failed', self._exc_info_to_string(err, test))

    def addError(self, test, err):  # also for setUpClass and setUpModule, which are no tests of their own
        super().addError(test, err)
        self.note(test, 'failed', self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(subtest, 'failed', self._exc_info_to_string(err, test))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, 'passed')

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, 'failed', 'passed although marked as expected to fail')


def cases(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from cases(each)
        else:
            yield each


def part_of(suite):
    """The share of this process, where drive.py starts several for one file: $PH_PART is NUMBER/PARTS."""
    every = list(cases(suite))
    if not every:
        sys.exit('no tests in this file')
    number, parts = map(int, os.environ.get('PH_PART', '0/1').split('/'))
    return unittest.TestSuite(every[number::parts])


def main():
    # So that a time limit unwinds through the tests' own cleaning up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('stopped from outside'))
    path, only = os.path.abspath(sys.argv[1]), sys.argv[2:]
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # for: from tests.lab import …
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(only, module) if only else loader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(resultclass=Noting, verbosity=1).run(part_of(suite))
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main())
