"""Kill and cut a copy at every step, run it again until it says that it is done, and find every message exactly once.

The cases are drawn from the places in tests/integration/kill/places.py: a sample with PH_SEED, at least 500 in a soak.
"""
# time-limit: 240

import concurrent.futures
import dataclasses
import hashlib
import os
import random
import re
import sys
import unittest
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration.kill.cutproxy import DOWN, UP, Cut  # noqa: E402
from tests.integration.kill.harness import PROGRAM, RUNGS, Bench, Case  # noqa: E402
from tests.integration.kill.places import PLACES, draw  # noqa: E402
from tests.lab.servers import Available, Dovecot  # noqa: E402

SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SOAK = os.environ.get("PH_SOAK") == "1"
SEED = os.environ.get("PH_SEED", "1")
COUNT = int(os.environ.get("PH_KILL_CASES") or (len(PLACES) * 20 if SOAK else 10 if os.environ.get("PH_SANITIZER") else len(PLACES)))
AT_ONCE = 6

bench = None
pool = None
playing = {}
late = {}


def setUpModule():
    global bench, pool
    if not Path(PROGRAM[0]).exists():
        raise unittest.SkipTest("the program is not built")
    if not Available().dovecot:
        raise unittest.SkipTest("no Dovecot here")
    server = Dovecot(SHM, tls=False).start()
    unittest.addModuleCleanup(server.stop)
    bench = Bench(server, seed=SEED)
    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    unittest.addModuleCleanup(pool.shutdown, cancel_futures=True)
    for case in CASES:
        playing[case] = pool.submit(bench.play, CASES[case])
    for i, case in enumerate(LATE):
        for extra in (), ("--testing-no-intents",):
            late[i, extra] = pool.submit(bench.play, dataclasses.replace(case, extra=extra))


class EveryCut(unittest.TestCase):
    """One test a case; see below."""

    def play(self, name):
        out = playing[name].result()
        if out.bad:
            self.fail(str(out))


MESSAGES = 60
LATE = [Case(rung, "dst", Cut(UP, name, number, at, how, seconds), lanes=lanes, batch=5, resolve=resolve)
        for rung, name, number, at, how, seconds, lanes, resolve in (
            ("multi", "tail", 3, 0.5, "late", 5.0, 1, 12),
            ("sync-nouid", "literal", 9, -50, "late", 5.0, 3, 12),
            ("single", "literal", 20, -1, "late", 5.0, 1, 12),
            ("multi-nouid", "tail", 2, 0, "behind", 1.5, 1, 4))]
CASES = {}


def add_tests():
    for i, case in enumerate(draw(random.Random(f"kill/{SEED}"), COUNT, MESSAGES)):
        where = case.cut.name.replace(":", "_").replace(" ", "_").lower()
        name = f"test_{i:03}_{case.rung.replace('-', '_')}_{case.cut.how}_{case.side}_{case.cut.dir}_{where}"
        CASES[name] = case
        test = lambda self, name=name: self.play(name)  # noqa: E731
        test.__doc__ = None
        setattr(EveryCut, name, test)


add_tests()


class TheHarness(unittest.TestCase):
    def test_the_cuts_happened(self):
        """A cut that is never reached proves nothing."""
        missed = [str(CASES[name]) for name, future in playing.items() if not future.result().fired]
        self.assertLess(len(missed), max(2, len(CASES) // 8), "\n".join(missed))

    def test_resumed_without_reading_everything_again(self):
        """Half a second after the last confirmation the program is killed. What is recorded by then is not looked at again: the
        next run reads header fields of the rest only, on both sides, and none of what it knows to be its own."""
        small = Bench(bench.server, seed=SEED, source="small", large=False)   # nothing that a confirmation waits behind
        for rung in ("multi", "single"):
            with self.subTest(rung):
                number = 11 if rung == "multi" else 55
                out = small.play(Case(rung, "dst", Cut(DOWN, "answer:APPEND", number, 0, "kill", 0.5), batch=5))
                self.assertFalse(out.bad, str(out))
                self.assertTrue(out.fired)
                source, destination = out.headers[1]
                total = small.state.count()
                self.assertLess(source, total // 2, str(out))
                self.assertLess(destination, total // 2, str(out))

    def test_resumed_with_nothing_in_doubt(self):
        """All that was sent was answered and recorded: not one header field is read."""
        out = bench.play(Case("multi", "dst", Cut(UP, "line:STATUS", 1, 0, "kill", 0.5), batch=5))
        self.assertFalse(out.bad, str(out))
        self.assertTrue(out.fired)
        self.assertEqual(out.headers[1], (0, 0), str(out))

    def test_what_comes_later_than_waited_for_is_named(self):
        """Nothing can be done about a server that commits after its time; the run that sent the messages again says which."""
        for rung in ("multi", "multi-nouid"):
            with self.subTest(rung):
                # what the first run sent comes in when the second one has begun to send it again
                late = Cut(UP, "tail", 2, 0, "held", then=Cut(UP, "head", 0, 0, "release"))
                out = bench.play(Case(rung, "dst", late, batch=5, extra=("--include", "INBOX"), resolve=1))
                doubled = [m for _, m in out.diff.doubled]
                self.assertTrue(doubled, str(out))
                named = [int(uid) for uid in re.findall(r"UID (\d+) of INBOX is one too many", out.runs[1][2])]
                self.assertEqual(out.runs[1][0], 2, str(out))
                self.assertEqual(len(named), sum(m.sha256 in self.keyed("INBOX") for m in doubled), str(out))

    def keyed(self, folder):
        return {hashlib.sha256(m.data).hexdigest() for m in bench.mails[folder] if b"Message-ID" in m.data}

    def test_it_fails_without_intents(self):
        """What a server commits after we looked is found because the ledger knows that it was sent: with that record switched
        off the harness finds messages twice, in the very cases that are well with it."""
        for i, case in enumerate(LATE):
            with self.subTest(str(case)):
                well, ill = late[i, ()].result(), late[i, ("--testing-no-intents",)].result()
                self.assertFalse(well.bad, str(well))
                self.assertTrue(well.fired and ill.fired)
                self.assertFalse(ill.error, str(ill))
                self.assertTrue(ill.diff.doubled, str(ill))


if __name__ == "__main__":
    unittest.main()
