"""The program on a terminal: the progress display, prompts, Ctrl-C, and secrets that do not stay where others see them."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab import mailgen  # noqa: E402
from tests.lab.proxy import DelayProxy  # noqa: E402
from tests.lab.servers import Available, Dovecot  # noqa: E402
from tests.lab.terminal import Terminal, width  # noqa: E402

PROGRAM = os.environ.get("POSTHASTE", str(ROOT / "build/posthaste"))
BAR = re.compile(r"^ *\d+% .*\d+ of \d")
SLOW = ["--lanes", "1", "--batch-messages", "10"]


@unittest.skipUnless(Available().dovecot, "no Dovecot here")
class OnATerminal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        users = {f"u{i}": "pass-word" for i in range(12)}
        cls.src = Dovecot(users={"anna": "pass-word"}).start()
        cls.addClassCleanup(cls.src.stop)
        cls.dst = Dovecot(users=users).start()
        cls.addClassCleanup(cls.dst.stop)
        cls.account = mailgen.Account(seed=7, messages=800, folders=4)
        mailgen.load(cls.account, cls.src.url("anna"))
        cls.far = DelayProxy(cls.dst.port, rtt=150).__enter__()
        cls.addClassCleanup(cls.far.stop)

    def setUp(self):
        state = tempfile.TemporaryDirectory(prefix="ph-state-")
        self.addCleanup(state.cleanup)
        self.state = state.name
        OnATerminal.user = getattr(OnATerminal, "user", -1) + 1

    def argv(self, *more, password=True, verb="copy", far=True):
        """A copy into an account of its own; one that takes a while, or not."""
        secret = ":pass-word" if password else ""
        port = self.far.port if far else self.dst.port
        return [PROGRAM, verb, "--state", self.state, f"imap://anna{secret}@127.0.0.1:{self.src.port}/",
                f"imap://u{self.user}{secret}@127.0.0.1:{port}/", *(SLOW if far else []), *more]

    def at_work(self, lines):
        return bool(lines) and BAR.match(lines[-1]) and re.search(r"(\d+) of", lines[-1]).group(1) != "0"

    def test_display_comes_and_goes(self):
        with Terminal(self.argv(), columns=100) as t:
            t.wait_screen(self.at_work, "the bar")
            self.assertTrue(re.search(r"[█░]", t.lines()[-1]), t.lines())
            self.assertTrue(t.screen.colours, "no colour")
            t.wait_for(r"MB/s +\S+ msg/s")
            t.wait_for(r"\d:\d\d left")
            self.assertEqual(t.wait_exit(), 0)
            self.assertLess(t.screen.widest, 100)
            text = "\n".join(t.lines())
            self.assertFalse(any(BAR.match(line) for line in t.lines()), text)
            self.assertRegex(t.lines()[-1], r"^Copied 800 messages \(.* MB\) in ")
            self.assertRegex(t.lines()[0], r"^Copying ")
            # a line for each folder, and nothing else
            self.assertEqual(len(t.lines()), 2 + sum(1 for f in self.account.folders if f.count), text)

    def test_narrow_then_narrower(self):
        with Terminal(self.argv(), columns=60, rows=8) as t:
            t.wait_screen(self.at_work, "the bar")
            t.resize(32, 8)
            t.wait_screen(lambda lines: re.match(r"^ *\d+%", lines[-1]) and width(lines[-1]) < 32, "a bar that fits")
            t.signal(signal.SIGTERM)
            self.assertEqual(t.wait_exit(), 128 + signal.SIGTERM)
            self.assertFalse(any(BAR.match(line) for line in t.lines()), t.lines())

    def test_no_colour_no_utf8_no_display(self):
        with Terminal(self.argv(), env={"NO_COLOR": "1", "LC_ALL": "C"}) as t:
            t.wait_screen(self.at_work, "the bar")
            self.assertEqual(t.screen.colours, 0)
            self.assertRegex(t.lines()[-1], r"% [#-]+  ")
            t.signal(signal.SIGTERM)
            self.assertEqual(t.wait_exit(), 128 + signal.SIGTERM)
        with Terminal(self.argv(far=False), env={"TERM": "dumb"}) as t:
            self.assertEqual(t.wait_exit(), 0)
            self.assertNotIn("\x1b", t.raw)

    def test_control_c_ends_in_order_and_the_same_command_goes_on(self):
        with Terminal(self.argv()) as t:
            t.wait_screen(self.at_work, "the bar")
            t.type("\x03")
            self.assertEqual(t.wait_exit(), 130)
            self.assertRegex("\n".join(t.lines()), r"Not finished\. \d+ messages copied")
            self.assertIn("the same command goes on", t.lines()[-1])
            self.assertFalse(any(BAR.match(line) for line in t.lines()), t.lines())
            copied = int(re.search(r"Not finished\. (\d+)", "\n".join(t.lines())).group(1))
        self.assertGreater(copied, 0)
        again = subprocess.run(self.argv("--json"), capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(again.returncode, 0, again.stderr)
        totals = json.loads(again.stdout.splitlines()[-1])["totals"]
        self.assertLessEqual(totals["copied"], 800 - copied)

    def test_second_control_c_ends_at_once(self):
        with DelayProxy(self.dst.port, rtt=20000) as very_far:
            argv = [PROGRAM, "copy", f"imap://anna:pass-word@127.0.0.1:{self.src.port}/",
                    f"imap://u{self.user}:pass-word@127.0.0.1:{very_far.port}/", "--state", self.state]
            with Terminal(argv) as t:
                t.wait_for("Copying")
                t.signal(signal.SIGINT)
                t.signal(signal.SIGINT)
                started = time.monotonic()
                self.assertEqual(t.wait_exit(), 130)
                self.assertLess(time.monotonic() - started, 5)

    def test_password_is_asked_without_echo(self):
        with Terminal(self.argv(password=False)) as t:
            t.wait_for(r"Password of anna on 127\.0\.0\.1 \(source\): ")
            self.assertFalse(t.echo_is_on())
            t.type("pass-word\n")
            t.wait_for(r"Password of u\d+ on 127\.0\.0\.1 \(destination\): ")
            t.type("pass-word\n")
            t.wait_for("Copying")
            self.assertTrue(t.echo_is_on())
            t.type("\x03")
            self.assertEqual(t.wait_exit(), 130)
            self.assertNotIn("pass-word", t.raw)

    def test_control_c_at_the_prompt_restores_the_terminal(self):
        with Terminal(self.argv(password=False)) as t:
            t.wait_for(r"\(source\): ")
            t.type("\x03")
            t.wait_for(r"\n")
            self.assertTrue(t.echo_is_on())
            self.assertEqual(t.wait_exit(), 130)

    def test_no_terminal_no_prompt(self):
        done = subprocess.run(self.argv(password=False), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              start_new_session=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no terminal to ask on", done.stderr)

    def cmdline(self, argv):
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            process.stdout.readline()  # it has begun, so it has read its arguments
            return Path(f"/proc/{process.pid}/cmdline").read_bytes()
        finally:
            process.terminate()
            process.stdout.read()
            process.wait(30)
            process.stdout.close()

    def test_secrets_are_wiped_from_the_process_list(self):
        classic = [PROGRAM, "imapcopy", "-S", f"127.0.0.1:{self.src.port}/anna/pass-word",
                   f"-D127.0.0.1:{self.far.port}\\u{self.user}\\pass-word\\", "--insecure", "--state", self.state]
        audit = [PROGRAM, "imap_audit", "-S", f"127.0.0.1:{self.src.port}/anna/pass-word", "-E", "boss:pass-word",
                 f"-D127.0.0.1:{self.far.port}/u{self.user}/pass-word", "--insecure"]
        for argv in self.argv(), classic, audit:
            seen = self.cmdline(argv)
            self.assertNotIn(b"pass-word", seen)
            self.assertIn(b"anna", seen)

    def test_trace_and_log_have_no_secret(self):
        log = Path(self.state, "log")
        done = subprocess.run(self.argv("--trace", "--log", log, far=False), capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = log.read_text()
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)
        self.assertRegex(text, r"(?m)^\d{4}-\d\d-\d\dT\S+ \d+ src \d+ >> \S+ (AUTHENTICATE|LOGIN) ")
        self.assertNotIn("pass-word", text + done.stdout)
        self.assertNotIn(">>", done.stdout)

    def test_sources_of_passwords(self):
        secret = Path(self.state, "secret")
        secret.write_text("pass-word\n")
        secret.chmod(0o600)
        env = dict(os.environ, SOME_VARIABLE="pass-word")
        ways = [["--src-password-file", secret, "--dst-password-env", "SOME_VARIABLE"],
                ["--src-password-command", "echo pass-word", "--dst-password-file", secret]]
        for way in ways:
            done = subprocess.run(self.argv("--dry-run", *way, password=False, far=False), env=env, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Would copy 800 messages", done.stdout)

    def test_closed_output(self):
        """A reader that goes away (`| head`) does not stop a copy."""
        process = subprocess.Popen(self.argv("-v", far=False), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(120), 0, process.stderr.read())
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
