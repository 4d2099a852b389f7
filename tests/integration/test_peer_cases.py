"""The program plays every case of tests/peer/cases: the oddities of servers, vendors, hostile peers."""
# time-limit: 400
# side-by-side: 8
# not-under: tsan

import concurrent.futures
import os
import shlex
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.peer.casefile import read_case  # noqa: E402
from tests.peer.mutate import survivors  # noqa: E402
from tests.peer.peer import play  # noqa: E402

PROGRAM = shlex.split(os.environ.get("POSTHASTE") or str(ROOT / "build/posthaste"))
CASES = {path: read_case(path) for path in sorted((ROOT / "tests/peer/cases").glob("*.peer"))}
playing = {}


def setUpModule():
    """Starts them all: most of a case's time is waiting, so several are played side by side."""
    if not Path(PROGRAM[0]).exists():
        raise unittest.SkipTest("the program is not built")
    pool = concurrent.futures.ThreadPoolExecutor(6)
    for path, case in CASES.items():
        if case.run:
            playing[path] = pool.submit(play, path, PROGRAM)
    unittest.addModuleCleanup(pool.shutdown, cancel_futures=True)


class Cases(unittest.TestCase):
    pass


@unittest.skipUnless(os.environ.get("PH_SOAK"), "optional: only in the long run")
class Lines(unittest.TestCase):
    def test_every_line_that_matters_matters(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda path: survivors(path, PROGRAM), CASES))
        self.assertGreater(sum(n for n, _ in results), 100)
        self.assertEqual([line for _, lines in results for line in lines], [])


def add(path, case):
    def test(self):
        report = playing[path].result()
        if report:
            self.fail(report)

    test = unittest.expectedFailure(test) if case.todo else test
    setattr(Cases, "test_" + path.stem.replace("-", "_"), test)


for each, found in CASES.items():
    if found.run:
        add(each, found)

if __name__ == "__main__":
    unittest.main()
