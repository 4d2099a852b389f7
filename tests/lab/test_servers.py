"""The lab itself: servers start, answer, can be told what to offer, and leave nothing behind."""

import base64
import hashlib
import hmac
import imaplib
import os
import signal
import ssl
import subprocess
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.lab import servers  # noqa: E402
from tests.lab.servers import Cyrus, Dovecot, group_members  # noqa: E402


def scram_sha_256(m, user, password):
    """RFC 7677 by hand; returns whether the server's own proof was right too."""
    state = {}

    def step(challenge):
        if not challenge:
            state["bare"] = f"n={user},r=abcdefgh"
            return ("n,," + state["bare"]).encode()
        text = challenge.decode()
        f = dict(p.split("=", 1) for p in text.split(","))
        if "v" in f:
            state["ok"] = f["v"] == state["v"]
            return b""
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(f["s"]), int(f["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = "c=biws,r=" + f["r"]
        auth = f'{state["bare"]},{text},{final}'.encode()
        sig = hmac.digest(hashlib.sha256(key).digest(), auth, "sha256")
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
        state["v"] = base64.b64encode(server).decode()
        return (final + ",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, sig))).decode()).encode()

    m.authenticate("SCRAM-SHA-256", step)
    return state["ok"]


class LabTest(unittest.TestCase):
    def closing(self, m):
        self.addCleanup(lambda: m.sock.close())
        return m

    def imap(self, host, port):
        return self.closing(imaplib.IMAP4(host, port))


@unittest.skipUnless(servers.Available().dovecot, "no Dovecot here")
class DovecotTest(LabTest):
    def test_any_user_plain_tls_and_scram(self):
        with Dovecot() as d:
            m = self.imap(d.host, d.port)
            m.login("anna", "pw")
            self.assertEqual(m.append("INBOX", None, None, b"Subject: x\r\n\r\nhello\r\n")[0], "OK")
            self.assertIn("LITERAL+", m.capabilities)
            m.logout()
            trusted = ssl.create_default_context(cafile=d.ca_file)
            m = self.closing(imaplib.IMAP4_SSL("localhost", d.tls_port, ssl_context=trusted))
            self.assertTrue(scram_sha_256(m, "anna", "pw"))
            self.assertEqual(m.select()[1], [b"1"])
            m.logout()
            m = self.imap("localhost", d.port)
            m.starttls(trusted)
            with self.assertRaises(imaplib.IMAP4.error):
                m.login("anna", "wrong")
            other = ssl.create_default_context(cafile=d.dir / "tls" / "other-ca.pem")
            with self.assertRaises(ssl.SSLError):
                imaplib.IMAP4_SSL("localhost", d.tls_port, ssl_context=other)

    def test_known_users_only_and_administrator(self):
        with Dovecot(users={"anna": "a1"}, master={"root": "r1"}, tls=False) as d:
            self.assertIn("anna:a1@", d.url("anna"))
            m = self.imap(d.host, d.port)
            with self.assertRaises(imaplib.IMAP4.error):
                m.login("bert", "a1")
            m.login("anna", "a1")
            m.create("Mine")
            m.logout()
            m = self.imap(d.host, d.port)
            m.authenticate("PLAIN", lambda _: b"anna\0root\0r1")
            self.assertEqual(m.select("Mine")[0], "OK")

    def test_bare_offers_nothing(self):
        with Dovecot(caps_off="bare", tls=False) as d:
            m = self.imap(d.host, d.port)
            before = {c for c in m.capabilities if not c.startswith("AUTH=")}
            self.assertEqual(before, {"IMAP4REV1"})
            m.login("anna", "pw")
            self.assertEqual(m.capability()[1][-1], b"IMAP4rev1")

    def test_too_many_connections(self):
        with Dovecot(max_userip=2, tls=False) as d:
            open_now = []
            for _ in range(2):
                m = self.imap(d.host, d.port)
                m.login("anna", "pw")
                open_now.append(m)
            m = self.imap(d.host, d.port)
            with self.assertRaisesRegex(imaplib.IMAP4.error, "(?i)maximum number of connections"):
                m.login("anna", "pw")

    def test_formats_separator_and_quota(self):
        for fmt in ("sdbox", "mdbox", "maildir"):
            with Dovecot(fmt=fmt, tls=False, separator=".", prefix="INBOX.", quota="64k", fsync="always") as d:
                m = self.imap(d.host, d.port)
                m.login("anna", "pw")
                self.assertEqual(m.create("INBOX.a.b")[0], "OK")
                self.assertIn(b'"." INBOX.a.b', m.list()[1][-1] + b"".join(m.list()[1]))
                typ, text = m.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"y" * 90000)
                self.assertEqual(typ, "NO", fmt)
                self.assertIn(b"OVERQUOTA", text[0])
                self.assertTrue(d.mail_home("anna").exists())

    def test_restart_keeps_mail_and_ports(self):
        with Dovecot(tls=False) as d:
            m = self.imap(d.host, d.port)
            m.login("anna", "pw")
            m.create("Kept")
            port = d.port
            d.kill()
            d.restart()
            self.assertEqual(d.port, port)
            m = self.imap(d.host, d.port)
            m.login("anna", "pw")
            self.assertEqual(m.select("Kept")[0], "OK")

    def test_nothing_survives_an_exception(self):
        with self.assertRaises(ZeroDivisionError):
            with Dovecot(tls=False) as d:
                m = self.imap(d.host, d.port)
                m.login("anna", "pw")
                group, path = d.pid, d.dir
                1 // 0
        self.assertEqual(group_members(group), [])
        self.assertFalse(path.exists())


@unittest.skipUnless(servers.Available().cyrus, "no Cyrus here")
class CyrusTest(LabTest):
    def test_users_plain_tls_and_scram(self):
        with Cyrus(users=["anna"], caps_off="MULTIAPPEND") as c:
            m = self.imap(c.host, c.port)
            self.assertNotIn("MULTIAPPEND", m.capabilities)
            m.login("anna", "pw")
            self.assertEqual(m.append("INBOX", None, None, b"Subject: x\r\n\r\nhello\r\n")[0], "OK")
            m.create("a/b")
            m.logout()
            trusted = ssl.create_default_context(cafile=c.ca_file)
            m = self.closing(imaplib.IMAP4_SSL("localhost", c.tls_port, ssl_context=trusted))
            self.assertTrue(scram_sha_256(m, "anna", "pw"))
            self.assertEqual(m.select()[1], [b"1"])
            c.add_user("bert")
            m = self.imap(c.host, c.port)
            m.authenticate("PLAIN", lambda _: b"bert\0admin\0pw")
            self.assertEqual(m.select()[1], [b"0"])
            group, path = c.pid, c.dir
        self.assertEqual(group_members(group), [])
        self.assertFalse(path.exists())

    def test_old_namespace(self):
        with Cyrus(tls=False, altnamespace=False, unixhierarchysep=False) as c:
            m = self.imap(c.host, c.port)
            m.login("demo", "pw")
            m.create("INBOX.a.b")
            self.assertIn(b'"." INBOX.a.b', b" ".join(m.list()[1]))


@unittest.skipUnless(servers.Available().dovecot, "no Dovecot here")
class CommandLineTest(LabTest):
    def run_until_ready(self, *args):
        p = subprocess.Popen([sys.executable, "-m", "tests.lab.servers", "dovecot", "--print-url", *args],
                             cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        facts = {}
        for line in p.stdout:
            if line == "ready\n":
                return p, facts
            k, v = line.rstrip("\n").split("=", 1)
            facts[k] = v
        self.fail("the server did not become ready")

    def gone(self, facts):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if not group_members(int(facts["server_pid"])) and not os.path.exists(facts["dir"]):
                return True
            time.sleep(0.02)
        return False

    def test_ends_by_term_eof_and_kill(self):
        for how in ("term", "eof", "kill"):
            with self.subTest(how):
                p, facts = self.run_until_ready("--user", "anna:x", *(["--until-eof"] if how == "eof" else []))
                self.assertTrue(facts["url"].startswith("imap://anna:x@127.0.0.1:"))
                m = self.imap("127.0.0.1", int(facts["port"]))
                m.login("anna", "x")
                if how == "eof":
                    p.stdin.close()
                else:
                    p.send_signal(signal.SIGTERM if how == "term" else signal.SIGKILL)
                p.wait(15)
                p.stdout.close()
                if how != "eof":
                    p.stdin.close()
                self.assertTrue(self.gone(facts), how)


if __name__ == "__main__":
    unittest.main()
