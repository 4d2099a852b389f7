"""A program on a terminal of its own, and what stands on that terminal's screen.

    with Terminal([program, ...], columns=80, rows=24) as t:
        t.wait_for(r"Password.*: ")
        t.type("secret\\n")
        t.wait_exit()
        t.lines()

The screen knows the few control sequences that a line-based display uses; any other one fails the test that meets it.
"""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


def width(text):
    """Columns that a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Screen:
    """Rows of characters, a cursor; it wraps and scrolls as terminals do. Scrolled rows are kept."""

    def __init__(self, columns, rows):
        self.columns, self.height = columns, rows
        self.rows, self.row, self.column = [""], 0, 0
        self.colours = 0
        self.rest = ""
        self.widest = 0

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        i = 0
        while i < len(text):
            c = text[i]
            if c == "\x1b":
                found = SEQUENCE.match(text, i)
                if not found:
                    if len(text) - i < 16:
                        self.rest = text[i:]
                        return
                    raise AssertionError(f"unknown sequence {text[i:i + 16]!r}")
                self.control(found.group(2), found.group(1))
                i = found.end()
                continue
            self.put(c)
            i += 1

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.row += 1
            while len(self.rows) <= self.row:
                self.rows.append("")
        elif c < " ":
            raise AssertionError(f"control character {c!r} on the screen")
        else:
            if self.column + width(c) > self.columns:
                self.column = 0
                self.put("\n")
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.column += 1
            self.widest = max(self.widest, width(self.rows[self.row]))

    def control(self, letter, argument):
        if letter == "A":
            self.row = max(self.row - int(argument or 1), 0, len(self.rows) - self.height)
        elif letter == "K" and argument in ("", "0"):
            self.rows[self.row] = self.rows[self.row][:self.column]
        elif letter == "J" and argument in ("", "0"):
            self.rows[self.row] = self.rows[self.row][:self.column]
            del self.rows[self.row + 1:]
        elif letter == "m":
            self.colours += 1
        else:
            raise AssertionError(f"unknown sequence ESC [ {argument} {letter}")


class Terminal:
    def __init__(self, argv, columns=80, rows=24, env=None):
        self.argv, self.env = [str(a) for a in argv], {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})}
        self.screen = Screen(columns, rows)
        self.raw = ""
        self.status = None
        self.pending = b""

    def __enter__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            with contextlib.suppress(BaseException):
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", self.screen.height, self.screen.columns, 0, 0))
                os.execvpe(self.argv[0], self.argv, self.env)
            os._exit(127)
        return self

    def __exit__(self, *exc):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def resize(self, columns, rows):
        self.screen.columns, self.screen.height = columns, rows
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Take in what comes within that time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other end is closed
            return False
        self.pending += data
        text = self.pending.decode("utf-8", "ignore")
        with contextlib.suppress(UnicodeDecodeError):
            text = self.pending.decode("utf-8")
            self.pending = b""
            self.raw += text
            self.screen.feed(text)
        return bool(data)

    def wait_for(self, pattern, seconds=30):
        """Until the raw output has the pattern; returns the match."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.raw)):
            if time.monotonic() > end or not self.read(0.2):
                raise AssertionError(f"{pattern!r} did not come: {self.raw[-2000:]!r}")
        return found

    def wait_screen(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition(self.lines()):
            if time.monotonic() > end or not self.read(0.2):
                raise AssertionError(f"{what} did not come: {self.lines()}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def echo_is_on(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def signal(self, number):
        os.kill(self.pid, number)

    def wait_exit(self, seconds=60):
        """The exit status, as a shell gives it."""
        end = time.monotonic() + seconds
        while self.read(0.2):
            if time.monotonic() > end:
                raise AssertionError(f"it does not end: {self.raw[-2000:]!r}")
        self.status = os.waitpid(self.pid, 0)[1]
        return 128 + os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else os.WEXITSTATUS(self.status)

    def lines(self):
        return [row.rstrip() for row in self.screen.rows if row.strip()]
