"""A believable account from Dovecot to our own server and back: nothing is lost, changed or doubled on either way."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration.rig import LAB_DIR, SEED, SOAK, WholeAccounts, dovecot, need  # noqa: E402
from tests.lab.imapstate import compare, read  # noqa: E402
from tests.lab.mailgen import Account, load  # noqa: E402
from tests.lab.posthaste import Posthaste  # noqa: E402

SIZE = dict(messages=20_000, folders=30, total=700_000_000) if SOAK else dict(messages=500, folders=12, total=8_000_000)


def setUpModule():
    need("dovecot")


class ThereAndBack(WholeAccounts):
    def step(self, src, dst, count, *options):
        first = self.copy(src, dst, *options)
        self.assertEqual((first.totals["copied"], first.totals["adopted"]), (count, 0), str(first))
        audit = self.audit(src, dst, *options)
        self.assertEqual((audit.totals["compared"], audit.totals["equal"]), (count, count), str(audit))
        self.assertEqual(audit.all("difference"), [])
        again = self.copy(src, dst, *options)
        self.assertEqual([again.totals[k] for k in ("copied", "adopted", "flags", "expunged", "messages")], [0] * 5, str(again))

    def there_and_back(self, **kw):
        account = Account(seed=f"ours/{SEED}", duplicates=0.01, **SIZE)
        with dovecot() as theirs, Posthaste(LAB_DIR, users=["anna"], **kw) as ours:
            load(account, theirs.url("source"))
            before = read(theirs.url("source"))
            self.step(theirs.url("source"), ours.url("anna"), account.count)
            self.step(ours.url("anna"), theirs.url("back"), account.count)
            for there in ours.url("anna"), theirs.url("back"):
                diff = compare(before, read(there), special=True)
                self.assertFalse(diff, str(diff))
                self.assertEqual(read(there).count(), account.count)

    def test_on_disk(self):
        self.there_and_back()

    def test_in_memory(self):
        self.there_and_back(store="memory:")

    def test_tls_and_compression(self):
        with dovecot() as theirs, Posthaste(LAB_DIR, users=["anna"]) as ours:
            account = Account(seed=f"ours/tls/{SEED}", messages=100, folders=4, total=2_000_000)
            load(account, ours.url("anna"))
            ca = ["--src-ca-file", str(ours.ca_file), "--compress"]
            self.step(ours.url("anna", tls=True), theirs.url("copy"), account.count, *ca)
            diff = compare(read(ours.url("anna")), read(theirs.url("copy")))
            self.assertFalse(diff, str(diff))


if __name__ == "__main__":
    unittest.main()
