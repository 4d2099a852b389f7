"""Mechanisms and TLS against Dovecot, by a probe that uses our streams and our SASL."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab.servers import Available, Dovecot  # noqa: E402

PROGRAM = Path(os.environ.get("POSTHASTE", ROOT / "build/posthaste"))
PROBE = PROGRAM.parent / "tests/sasl/sasl_probe"


@unittest.skipUnless(Available().dovecot, "no Dovecot here")
class Mechanisms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Without the anvil's penalty each wrong password would make all later ones wait longer.
        cls.server = Dovecot(users={"anna": "Pass word"}, master={"root": "r1"},
                             extra="service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}")
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)

    def probe(self, *args, host="localhost", ca=None):
        done = subprocess.run([str(PROBE), host, str(self.server.tls_port), str(ca or self.server.ca_file), *args],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def test_right_and_wrong_password(self):
        for mechanism in "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256".split():
            with self.subTest(mechanism=mechanism):
                self.assertRegex(self.probe(mechanism, "anna", "Pass word"), r"(?s)^a OK.*\nsatisfied\n$")
                wrong = self.probe(mechanism, "anna", "pass word")
                self.assertIn("a NO", wrong)
                self.assertEqual("not satisfied" in wrong,
                                 mechanism.startswith(("SCRAM", "DIGEST")))

    def test_administrator(self):
        self.assertIn("a OK", self.probe("PLAIN", "root", "r1", "anna"))
        self.assertIn("cannot act for another user", self.probe("CRAM-MD5", "root", "r1", "anna"))

    def test_not_offered(self):
        self.assertRegex(self.probe("SCRAM-SHA-256-PLUS", "anna", "Pass word"), "a (NO|BAD)")

    def test_certificates(self):
        other = self.server.dir / "tls" / "other-ca.pem"
        said = self.probe("PLAIN", "anna", "Pass word", ca=other)
        self.assertIn("error tls: the certificate of localhost is not trusted", said)
        self.assertRegex(said, "pin it with sha256:([0-9A-F]{2}:){31}[0-9A-F]{2}\n$")


if __name__ == "__main__":
    unittest.main()
