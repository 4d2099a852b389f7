"""Our server beside Dovecot and Cyrus, the same messages and questions, in one run.

Each row is asked of every server in turn, `--runs` times; the table has medians. The client is bench/load.c. All servers sync
what they acknowledge (Dovecot: mail_fsync optimized, its default; Cyrus as it comes), on the file system of --dir. Dovecot's
processes are reused for many logins; a row of its own has it as it comes, with a process for each.
"""

import imaplib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))   # this folder has a copy.py: not Python's

from bench import _rig as rig  # noqa: E402
from tests.lab import mailgen  # noqa: E402
from tests.lab.posthaste import Posthaste  # noqa: E402
from tests.lab.servers import Cyrus, Dovecot  # noqa: E402

LOAD = rig.BUILD / "bench/load"


def load(what, server, *argv, user="bench0", stdin=None):
    """Runs the client, and gives what it printed as a list of (name, value)."""
    out = subprocess.run([LOAD, what, str(server.port), user, "pw", *map(str, argv)], check=True, input=stdin,
                         stdout=subprocess.PIPE, text=True).stdout
    return [(k, float(v)) for k, v in (line.split() for line in out.splitlines())]


def seconds(said):
    return [v for k, v in said if k == "seconds"]


def write_messages(path, count, mean):
    account = mailgen.Account(seed=3, messages=count, folders=1, total=count * mean)
    with open(path, "wb") as out:
        for m in account.messages(account.folders[0]):
            out.write(b"%d\n%s" % (len(m.data), m.data))
    return Path(path).stat().st_size


def slow_client(server, count=30):
    """A client that waits for each answer, in small writes: seconds for one LOGIN, APPEND, LOGOUT."""
    text = b"Subject: x\r\n\r\n" + b"y" * 2000
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        with imaplib.IMAP4("127.0.0.1", server.port) as c:
            c.login("slow", "pw")
            c.append("INBOX", None, None, text)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


ONE_EACH = "service imap-login {\n  service_count = 1\n}\nservice imap {\n  service_count = 1\n}\n"


class Server:
    def __init__(self, name, made):
        self.name, self.server = name, made
        self.n = 0

    def folder(self):
        """A folder that never was."""
        self.n += 1
        name = f"box{self.n}"
        with imaplib.IMAP4("127.0.0.1", self.server.port) as c:
            c.login("bench0", "pw")
            assert c.create(name)[0] == "OK"
        return name


def main(o):
    rows = {}

    def note(row, name, value):
        rows.setdefault(row, {}).setdefault(name, []).append(value)

    with rig.workplace(o.dir) as work:
        users = ["slow"] + [f"bench{i}" for i in range(8)]
        messages = work / "messages"
        octets = write_messages(messages, o.messages, 8000)
        small = work / "small"
        write_messages(small, 10000, 1500)
        with Posthaste(dir=work, users=users) as ours, Dovecot(dir=work, users=users) as dovecot, \
                Cyrus(dir=work, users=users) as cyrus:
            all_ = [Server("posthaste", ours), Server("dovecot", dovecot), Server("cyrus", cyrus)]
            with Dovecot(dir=work, users=users, extra=ONE_EACH) as plain:
                for _ in range(o.runs):
                    said = dict(load("login", plain, max(200, o.logins // 4), 8, user="bench%d"))
                    note("logins and logouts a second, Dovecot as it comes", "dovecot", said["rate"])
            for run in range(o.runs):
                for s in all_:
                    rig.progress(f"{s.name} {run + 1}/{o.runs}")
                    said = dict(load("login", s.server, o.logins, 8, user="bench%d"))
                    note("logins and logouts a second", s.name, said["rate"])
                    if s.name != "dovecot":
                        note("logins and logouts a second, Dovecot as it comes", s.name, said["rate"])
                    box = s.folder()
                    note(f"APPEND of {o.messages}, pipelined, s", s.name, seconds(load("append", s.server, box, 1, messages))[0])
                    box = s.folder()
                    note(f"MULTIAPPEND by 100 of {o.messages}, s", s.name, seconds(load("append", s.server, box, 100, messages))[0])
                    note(f"FETCH of {o.messages} whole messages, s", s.name, seconds(load("fetch", s.server, box))[0])
                    note("imaplib: LOGIN, APPEND, LOGOUT, ms", s.name, 1000 * slow_client(s.server))
            for s in all_:
                rig.progress(f"{s.name}: large folders")
                box = s.folder()
                for _ in range(o.large // 10000):
                    load("append", s.server, box, 100, small)
                question = "UID SEARCH HEADER Subject unlikely-to-be-there"
                taken = seconds(load("times", s.server, f"SELECT {box}", "CLOSE", f"SELECT {box}", question, question, question,
                                     "UID SEARCH FROM nobody-at-all", "UID SEARCH FROM nobody-at-all"))
                note(f"SELECT of {o.large}, the first, ms", s.name, 1000 * taken[0])
                note(f"SELECT of {o.large}, again, ms", s.name, 1000 * taken[2])
                again = seconds(load("times", s.server, f"SELECT {box}"))
                note(f"SELECT of {o.large}, another session, ms", s.name, 1000 * again[0])
                note(f"SEARCH of a header over {o.large}, the first, s", s.name, taken[3])
                note(f"SEARCH of a header over {o.large}, again, s", s.name, min(taken[4:6]))
                note(f"SEARCH FROM over {o.large}, again, s", s.name, taken[7])
        names = ["posthaste", "dovecot", "cyrus"]
        table = rig.Table(f"Servers: {o.messages} messages, {octets / 1e6:.0f} MB, median of {o.runs}",
                          "what", *names, "to dovecot", "to cyrus")
        for row, values in rows.items():
            m = {n: statistics.median(values[n]) for n in names if n in values}
            faster = (lambda a, b: a / b) if "a second" in row else (lambda a, b: b / a)
            table.add(row, *[f"{m[n]:.3f}" if m[n] < 10 else f"{m[n]:.0f}" for n in names],
                      *[f"{faster(m['posthaste'], m[n]):.2f} ×" for n in names[1:]])
        yield table


if __name__ == "__main__":
    p = rig.parser("server", "Measures our server beside Dovecot and Cyrus.")
    p.add_argument("--messages", type=int, default=5000, help="how many are put in and read")
    p.add_argument("--logins", type=int, default=2000)
    p.add_argument("--large", type=int, default=100000, help="messages in the large folder")
    sys.exit(rig.run(main, p.parse_args()))
