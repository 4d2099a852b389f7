"""Private mail servers for tests and the demonstration.

Starts Debian's Dovecot or Cyrus on free loopback ports with a configuration of its own, in a
directory of its own, and takes both away again.  The system's own service is never started, enabled
or read.  Nothing survives the caller: `with` and `atexit` stop the server, and a guard process does
so when the caller was killed outright.

    with Dovecot(users=None, password="pw") as d:
        d.port, d.tls_port, d.url("anna"), d.ca_file

    python3 -m tests.lab.servers dovecot --print-url      (see --help)
    python3 -m tests.lab.servers install cyrus            (unpacks Debian's Cyrus beside the system)
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.lab import cyrus, dovecot
from tests.lab.base import LabError, Server, free_port, group_members, make_ca, wait_greeting  # noqa: F401
from tests.lab.cyrus import Cyrus
from tests.lab.dovecot import CAPS_OFF_SETS, DOVECOT_CAPS, Dovecot  # noqa: F401


class Available:
    """What is installed here.  The attributes are booleans."""

    def __init__(self):
        self.dovecot = dovecot.installed()
        self.cyrus = cyrus.installed()
        self.openssl = shutil.which("openssl") is not None

    def __str__(self):
        return " ".join(f"{k}={'yes' if v else 'no'}" for k, v in vars(self).items())


def main(argv=None):
    ap = argparse.ArgumentParser(
        prog="tests.lab.servers",
        description="Starts a private mail server and keeps it until its standard input ends "
                    "(--until-eof), or SIGTERM or Ctrl-C comes. Prints one line NAME=VALUE per fact, then 'ready'.")
    ap.add_argument("server", choices=["dovecot", "cyrus", "available", "install"])
    ap.add_argument("what", nargs="?", help="with install: cyrus")
    ap.add_argument("--dir", help="directory to work in (default: PH_LAB_DIR or the temporary directory)")
    ap.add_argument("--user", action="append", metavar="NAME[:PASSWORD]",
                    help="an account; without any, every name gets one")
    ap.add_argument("--password", default="pw")
    ap.add_argument("--print-url", action="store_true", help="print url= and tls_url= for the first user")
    ap.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    ap.add_argument("--pid-file", help="write the process id to send SIGTERM to")
    ap.add_argument("--keep", action="store_true", help="leave the directory behind")
    ap.add_argument("--no-tls", action="store_true")
    ap.add_argument("--format", default="sdbox", choices=["sdbox", "mdbox", "maildir"])
    ap.add_argument("--caps-off", default="", help="capabilities to hide, or one of: " + " ".join(CAPS_OFF_SETS))
    ap.add_argument("--fsync", default="optimized", choices=["never", "optimized", "always"])
    ap.add_argument("--max-userip", type=int, default=100)
    a = ap.parse_args(argv)

    if a.server == "available":
        print(Available())
        return 0
    if a.server == "install":
        try:
            if a.what != "cyrus":
                raise LabError("install what? (cyrus)")
            print(cyrus.install())
            return 0
        except LabError as e:
            print(f"tests.lab.servers: {e}", file=sys.stderr)
            return 1
    users = None
    if a.user:
        users = dict((u.split(":", 1) + [a.password])[:2] for u in a.user)
    common = dict(users=users, password=a.password, tls=not a.no_tls, keep=a.keep)
    try:
        if a.server == "dovecot":
            server = Dovecot(a.dir, fmt=a.format, caps_off=a.caps_off, fsync=a.fsync,
                             max_userip=a.max_userip, **common)
        else:
            server = Cyrus(a.dir, caps_off=a.caps_off, **common)

        def stop(signum, frame):
            raise SystemExit(0)

        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(s, stop)
        with server as d:
            facts = {"pid": os.getpid(), "server_pid": d.pid, "dir": d.dir, "port": d.port}
            if d.tls:
                facts.update(tls_port=d.tls_port, ca_file=d.ca_file)
            if a.print_url:
                first = next(iter(users)) if users else "demo"
                facts["url"] = d.url(first)
                if d.tls:
                    facts["tls_url"] = d.url(first, tls=True)
            if a.pid_file:
                Path(a.pid_file).write_text(f"{os.getpid()}\n")
            for k, v in facts.items():
                print(f"{k}={v}")
            print("ready", flush=True)
            if a.until_eof:
                while sys.stdin.buffer.read1(4096):
                    pass
            else:
                while d.proc.poll() is None:
                    time.sleep(0.5)
                raise LabError("the server ended by itself\n" + d.log_text()[-1000:])
    except LabError as e:
        print(f"tests.lab.servers: {e}", file=sys.stderr)
        return 1
    finally:
        if a.pid_file:
            with contextlib.suppress(OSError):
                os.unlink(a.pid_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
