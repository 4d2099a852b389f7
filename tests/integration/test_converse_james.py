"""The server answers the scripts of Apache James' protocol tests, where they are, as the protocol wants it.

They are in transcripts/james-mpt of PH_SHARED or of ../shared beside the tree; tests/converse/james.py says how they are read."""
# time-limit: 300

import concurrent.futures
import os
import re
import shlex
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.converse import james  # noqa: E402
from tests.converse.play import Line, Server  # noqa: E402

PROGRAM = shlex.split(os.environ.get("POSTHASTE") or str(ROOT / "build/posthaste"))
FOLDER = Path(os.environ.get("PH_SHARED") or ROOT.parent / "shared") / "transcripts/james-mpt"
EXCEPTIONS = james.exceptions()
SCRIPTS = sorted(FOLDER.rglob("*.test")) if FOLDER.is_dir() else []
played, server = {}, None


def left_out(name):
    for pattern, line in EXCEPTIONS:
        if line == 0 and (pattern == name or pattern.endswith("*") and name.startswith(pattern[:-1])):
            return True
    return False


def play(path, port):
    setup = FOLDER / "SelectedStateSetup.test" if path.stem in james.SELECTED else None
    return james.Script(path, port, f"james-{path.stem}".encode(), setup).play()


def setUpModule():
    global server
    if not SCRIPTS:
        raise unittest.SkipTest("optional: no scripts of James here")
    if not (Path(PROGRAM[-1]).parent / "tests/converse/conversation_server").exists():
        raise unittest.SkipTest("the server of the conversations is not built")
    server = Server(PROGRAM[-1])
    control = Line(server.ports["plain"], [], "")
    control.response()
    control.send(b"0 LOGIN control password\r\n")
    control.response()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for path in SCRIPTS:
            if not left_out(path.stem):
                control.send(b'1 X-STORE "james-%s" "delim=."\r\n' % path.stem.encode())
                control.response()
                played[path.stem] = pool.submit(play, path, server.ports["plain"])
    control.close()


def tearDownModule():
    if server:
        status = server.stop()
        if status:
            raise AssertionError(f"the server ended with status {status}")


class James(unittest.TestCase):
    def test_no_exception_without_its_script(self):
        names = {p.stem for p in SCRIPTS}
        for pattern, _ in EXCEPTIONS:
            if not pattern.endswith("*"):
                self.assertIn(pattern, names)


def add(name):
    def test(self):
        differences = played[name].result()
        known = {line for pattern, line in EXCEPTIONS if pattern == name}
        new = [f"{name}.test:{n}: {text}" for n, text in differences if n not in known]
        if new:
            self.fail("\n".join(new[:20]))
        self.assertEqual(known - {n for n, _ in differences}, set(), "these lines fit: they are no exceptions any more")

    setattr(James, "test_" + re.sub(r"\W", "_", name), test)


for each in SCRIPTS:
    if not left_out(each.stem):
        add(each.stem)

if not SCRIPTS:
    @unittest.skip("optional: no scripts of James here")
    class James(unittest.TestCase):  # noqa: F811
        def test_scripts(self):
            pass

if __name__ == "__main__":
    unittest.main()
