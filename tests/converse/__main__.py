"""python3 -m tests.converse [-v] NAME…: plays conversations with build/tests/converse/conversation_server."""

import os
import sys
import tempfile

from tests.lab.base import make_ca

from .play import Player, Server
from .script import CASES, read, read_all


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    scripts = [read(CASES / f"{n}.conv") for n in names] if names else read_all()
    folder = tempfile.TemporaryDirectory()
    ca = make_ca(folder.name)
    server = Server(os.environ.get("POSTHASTE"), ca)
    bad = 0
    try:
        for script in scripts:
            player = Player(script, server.ports, f"by-hand-{script.name}", ca / "ca.pem")
            report = player.play()
            known = script.head.get("expect-failure")
            if "-v" in sys.argv:
                print("\n".join(f"{who}: {what.decode('utf-8', 'replace')}" for who, what in player.log))
            if report and not known:
                print(report, "\n")
            elif known:
                print(f"{script.name}: " + ("fails as known: " + known if report else "PASSES, known as failing: " + known))
            bad += bool(report) != bool(known)
    finally:
        server.stop()
    print(f"{len(scripts) - bad} as expected, {bad} not")
    return 1 if bad else 0


sys.exit(main())
