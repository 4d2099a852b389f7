"""The server answers the conversations of tests/converse/cases as the RFCs have them."""
# time-limit: 300

import concurrent.futures
import os
import re
import shlex
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.converse.play import Player, Server  # noqa: E402
from tests.converse.script import read_all, read_examples  # noqa: E402
from tests.converse.tokens import Response, Wrong, match  # noqa: E402
from tests.lab.base import make_ca  # noqa: E402

PROGRAM = shlex.split(os.environ.get("POSTHASTE") or str(ROOT / "build/posthaste"))
SCRIPTS = read_all()
reports, server = {}, None


def setUpModule():
    """One server for all, several conversations at a time: each has users of its own."""
    global server
    if not (Path(PROGRAM[-1]).parent / "tests/converse/conversation_server").exists():
        raise unittest.SkipTest("the server of the conversations is not built")
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    ca = make_ca(folder.name)
    server = Server(PROGRAM[-1], ca)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for script in SCRIPTS:
            player = Player(script, server.ports, script.name, ca / "ca.pem")
            reports[script.name] = pool.submit(player.play)


def tearDownModule():
    if server:
        status = server.stop()
        if status:
            raise AssertionError(f"the server ended with status {status}")


class Conversations(unittest.TestCase):
    pass


class Examples(unittest.TestCase):
    def test_every_example_of_the_rfcs_is_played_or_named_with_a_reason(self):
        wanted, reasons = read_examples()
        played = {e[:3] for script in SCRIPTS for e in script.examples}
        self.assertEqual(sorted(wanted - played - set(reasons)), [], "neither played nor excused")
        self.assertEqual(sorted(played & set(reasons)), [], "played, and excused all the same")
        # other RFCs may be named, too, but a number that is not in the list is a slip
        rfcs = {e[0] for e in wanted}
        self.assertEqual(sorted(e for e in played - wanted if e[0] in rfcs), [])


class Comparing(unittest.TestCase):
    """The comparison itself: what it lets pass, and what it must not."""

    SAME = [("* 2 FETCH (UID 3 FLAGS (\\Seen x))", "* 2 FETCH (FLAGS (x \\Seen) UID 3)"), ("* SEARCH 2:4,9", "* SEARCH 2,3,4,9"),
            ('* LIST (\\NoSelect) "/" foo', '* LIST (\\Noselect) "/" {3}\r\nfoo'), ("a OK text", "a OK [UIDNEXT 4] other text"),
            ("a NO|BAD", "a BAD no"), ("* ESEARCH (TAG \"a\") UID MIN 1 COUNT 2", "* ESEARCH (TAG \"a\") UID COUNT 2 MIN 1"),
            ("* ...", "* 3 EXISTS"), ("* LIST (\\Sent ...) \"/\" x", "* LIST (\\HasNoChildren \\Sent) \"/\" x")]
    DIFFERENT = [("* 2 FETCH (UID 3)", "* 2 FETCH (UID 3 FLAGS ())"), ("* 2 FETCH (UID 3)", "* 2 FETCH (UID 4)"),
                 ("* SEARCH 2 3", "* SEARCH 3 2"), ("a OK []", "a OK [UIDNEXT 4] x"), ("a OK [UIDNEXT 5]", "a OK [UIDNEXT 4] x"),
                 ("a OK", "b OK"), ("a OK", "a NO"), ("* LIST () \"/\" NIL", "* LIST () \"/\" \"NIL\""), ("* THREAD (1 2)", "* THREAD (1)(2)"),
                 ("* LIST (\\Sent) \"/\" x", "* LIST (\\HasNoChildren \\Sent) \"/\" x"), ("* LIST () \"/\" x", "* LIST () \"/\" X"),
                 ("* ESEARCH (TAG \"a\") ALL 1", "* ESEARCH (TAG \"a\") UID ALL 1"), ("* OK", "* 3 EXISTS"), ("+", "* OK")]
    IMPROPER = ["* 2  FETCH (UID 3)", "* 2 FETCH (UID 3 )", "* 2 FETCH ( UID 3)", "* 2 FETCH (UID 3", "* LIST () \"/\" \"a\\b\"", "*2 EXISTS", "OK",
                "* 2 FETCH (BODY[] {5}\r\nabc)", "* LIST ()\"/\" x"]

    def test_same(self):
        for want, got in self.SAME:
            self.assertIsNotNone(match(Response(want.encode(), pattern=True), Response(got.encode())), (want, got))

    def test_different(self):
        for want, got in self.DIFFERENT:
            self.assertIsNone(match(Response(want.encode(), pattern=True), Response(got.encode())), (want, got))

    def test_improper(self):
        for got in self.IMPROPER:
            with self.assertRaises(Wrong, msg=got):
                Response(got.encode())


def add(script):
    def test(self):
        report = reports[script.name].result()
        if report:
            self.fail(report)

    test.__doc__ = script.head["title"]
    test = unittest.expectedFailure(test) if "expect-failure" in script.head else test
    setattr(Conversations, "test_" + re.sub(r"\W", "_", script.name), test)


for each in SCRIPTS:
    add(each)

if __name__ == "__main__":
    unittest.main()
