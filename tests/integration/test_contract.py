"""The contract of stores (tests/store/contract.h) kept by the IMAP store, against real servers.

One subtest a server and set of capabilities; the cases are cmocka's, in test_contract_imap.
"""
# time-limit: 300

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab.posthaste import Posthaste  # noqa: E402
from tests.lab.servers import Available, Cyrus, Dovecot  # noqa: E402

PROGRAM = Path(os.environ.get("POSTHASTE", ROOT / "build/posthaste"))
CONTRACT = PROGRAM.parent / "tests/store/test_contract_imap"
SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None     # 30 s less for every server
SOAK = os.environ.get("PH_SOAK") == "1"
AVAILABLE = Available()


class Contract(unittest.TestCase):
    def keep(self, server, user="anna", without="", tls=False, many=2000):
        env = dict(os.environ, PH_CONTRACT_HOST="127.0.0.1", PH_CONTRACT_PORT=str(server.tls_port if tls else server.port),
                   PH_CONTRACT_USER=user, PH_CONTRACT_PASSWORD=server.password_of(user),
                   PH_CONTRACT_MANY=str(100000 if SOAK else many))
        if without:
            env["PH_CONTRACT_WITHOUT"] = without
        if tls:
            env["PH_CONTRACT_CA"] = str(server.ca_file)
        done = subprocess.run([str(CONTRACT)], env=env, capture_output=True, text=True, timeout=2000 if SOAK else 240,
                              check=False)
        said = done.stdout + done.stderr
        failed = sorted(set(re.findall(r"^\[  FAILED  \] (?:\S+: )?([a-z_]\w*)$", said, re.M)))
        self.assertEqual((failed, done.returncode), ([], 0), said[-6000:])
        self.assertGreater(len(re.findall(r"^\[       OK \]", said, re.M)), 30)


@unittest.skipUnless(AVAILABLE.dovecot, "no Dovecot here")
class OnDovecot(Contract):
    def test_everything(self):
        with Dovecot(SHM) as d:
            self.keep(d)

    def test_maildir_with_dots_over_tls(self):
        with Dovecot(SHM, fmt="maildir", separator=".", prefix="INBOX.") as d:
            self.keep(d, tls=True)

    def test_bare(self):
        """A server that offers nothing beyond IMAP4rev1: one message an APPEND, all literals synchronising."""
        with Dovecot(SHM, caps_off="bare") as d:
            self.keep(d, many=500)

    def test_without_uidplus(self):
        with Dovecot(SHM, caps_off="uidplus") as d:
            self.keep(d)

    def test_without_modseq(self):
        with Dovecot(SHM, caps_off="modseq") as d:
            self.keep(d)


@unittest.skipUnless(AVAILABLE.cyrus, "no Cyrus here")
class OnCyrus(Contract):
    def test_everything(self):
        with Cyrus(SHM, users=["anna"]) as c:
            self.keep(c)

    def test_old_namespace(self):
        with Cyrus(SHM, users=["anna"], altnamespace=False, unixhierarchysep=False) as c:
            self.keep(c)


class OnOurs(Contract):
    """Our server in front of a store keeps what the store itself keeps: test_contract_local, test_contract_memory."""

    def test_on_disk(self):
        with Posthaste(SHM, users=["anna"]) as p:
            self.keep(p)

    def test_on_disk_over_tls(self):
        with Posthaste(SHM, users=["anna"]) as p:
            self.keep(p, tls=True, many=500)

    def test_in_memory(self):
        with Posthaste(SHM, users=["anna"], store="memory:") as p:
            self.keep(p)


if __name__ == "__main__":
    unittest.main()
