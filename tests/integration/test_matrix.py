"""A believable account from each kind of server to each other: every message, flag, keyword, date and subscription is there,
and a second run has nothing to do. In the clear and with what may lie around it: TLS, STARTTLS, DEFLATE."""
# time-limit: 300
# not-under: tsan

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration.rig import SEED, SOAK, WholeAccounts, cyrus, dovecot, need  # noqa: E402
from tests.lab.imapstate import compare, read  # noqa: E402
from tests.lab.mailgen import Account, load  # noqa: E402
from tests.peer.peer import Peer  # noqa: E402

SIZE = dict(messages=20_000, folders=30, total=700_000_000) if SOAK else dict(messages=600, folders=12, total=12_000_000)
DEFLATE = "mail_plugins = zlib\nprotocol imap {\n  mail_plugins = zlib imap_zlib\n}"

servers = {}
account = None
loaded = {}


def setUpModule():
    global account
    need("dovecot", "cyrus")
    servers["dovecot"] = dovecot(extra=DEFLATE).start()
    unittest.addModuleCleanup(servers["dovecot"].stop)
    servers["cyrus"] = cyrus(["source", "from-dovecot", "changed"]).start()
    unittest.addModuleCleanup(servers["cyrus"].stop)
    account = Account(seed=f"matrix/{SEED}", duplicates=0.01, **SIZE)


def source(kind, **kw):
    """The URL of the account on a server of this kind; it is put there at the first call."""
    server = servers[kind]
    if kind not in loaded:
        load(account, server.url("source"))
        loaded[kind] = read(server.url("source"))
        assert loaded[kind].count() == account.count, (loaded[kind].count(), account.count)
    return server.url("source", **kw)


class Matrix(WholeAccounts):
    def whole(self, kind, target, user, *options, tls=False):
        """Copies, audits, reads with other means, and copies again; returns the first run."""
        src, dst = source(kind, tls=tls), servers[target].url(user, tls=tls)
        first = self.copy(src, dst, *options)
        self.assertEqual((first.totals["copied"], first.totals["adopted"]), (account.count, 0), str(first))
        audit = self.audit(src, dst, *options)
        self.assertEqual((audit.totals["compared"], audit.totals["equal"]), (account.count, account.count), str(audit))
        self.assertEqual(audit.all("difference"), [])
        diff = compare(loaded[kind], read(servers[target].url(user)), special=kind == target)
        self.assertFalse(diff, str(diff))
        again = self.copy(src, dst, *options)
        self.assertEqual([again.totals[k] for k in ("copied", "adopted", "flags", "expunged", "messages")], [0] * 5, str(again))
        return first

    def connected(self, run, prefix):
        sides = run.all("connected")
        self.assertEqual({e["side"] for e in sides}, {"source", "destination"}, str(run))
        for e in sides:
            self.assertTrue(e["security"].startswith(prefix), str(e))

    def test_dovecot_to_dovecot(self):
        self.connected(self.whole("dovecot", "dovecot", "d1"), "clear")

    def test_dovecot_to_cyrus(self):
        self.whole("dovecot", "cyrus", "from-dovecot")

    def test_cyrus_to_dovecot(self):
        self.whole("cyrus", "dovecot", "d2")

    def authorities(self, kind, target):
        return "--src-ca-file", str(servers[kind].ca_file), "--dst-ca-file", str(servers[target].ca_file)

    def test_tls_from_cyrus_to_dovecot(self):
        self.connected(self.whole("cyrus", "dovecot", "d3", *self.authorities("cyrus", "dovecot"), tls=True), "TLS")

    def test_starttls_from_dovecot_to_dovecot(self):
        r = self.whole("dovecot", "dovecot", "d4", *self.authorities("dovecot", "dovecot"), "--src-tls", "starttls",
                       "--dst-tls", "starttls")
        self.connected(r, "TLS")

    def test_deflate_from_dovecot_to_dovecot(self):
        """The mail has base64 for the better part, of which DEFLATE takes a fifth and more."""
        r = self.whole("dovecot", "dovecot", "d5", "--compress")
        for way in "wire_in", "wire_out":
            self.assertLess(r.totals[way], 0.9 * r.totals["copied_bytes"], str(r))


class Changed(WholeAccounts):
    """What a server changes is named as such, also where the change takes away what the message was known by."""

    def audit_after(self, target, user, mails):
        with Peer(text="case odd mail\nside source\nend\n") as peer:
            side = peer["source"]
            with side.account.lock:
                for i, data in enumerate(mails):
                    side.account.get("INBOX").add(side.account, data, ("\\Seen",), f"0{i + 1}-Feb-2020 10:00:00 +0000")
            dst = servers[target].url(user)
            self.copy(side.url, dst)
            audit = self.audit(side.url, dst)
            # without its record the audit can say less, and never more than is so
            blind = self.audit(side.url, dst, "--state", self.state + "/none", status=None)
            self.assertGreaterEqual(audit.totals["equal"], blind.totals["equal"])
            self.assertEqual(audit.totals["compared"], len(mails), str(audit))
            return {e["uid"]: e["reason"] for e in audit.all("difference")}

    def test_line_ends_and_nul_in_dovecot(self):
        """The second and third are one message with both kinds of line ends: equal, once they are there."""
        mails = [b"X: no key\n\nbare\n", b"Message-ID: <a@b>\n\nx\n", b"Message-ID: <a@b>\r\n\r\nx\r\n", b"Message-ID: <c@d>\r\n\r\na\0b\r\n",
                 b"X: no key, but well\r\n\r\nx\r\n"]
        self.assertEqual(self.audit_after("dovecot", "changed", mails), {1: "crlf-normalised", 2: "crlf-normalised", 4: "nul-replaced"})

    def test_eight_bit_headers_in_cyrus(self):
        mails = [b"From: J\xfcrgen <j@example.org>\r\nSubject: a\r\nDate: Mon, 3 Jun 2019 10:00:00 +0200\r\n\r\nJ\xfcrgen\r\n",
                 b"From: a@example.org\r\nMessage-ID: <x@y>\r\n\r\nx\r\n"]
        self.assertEqual(self.audit_after("cyrus", "changed", mails), {1: "header-8bit-replaced"})


if __name__ == "__main__":
    unittest.main()
