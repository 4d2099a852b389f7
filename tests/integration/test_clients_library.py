"""Libraries that other programs are made of, unmodified, against our server: imaplib, Mail::IMAPClient, IMAP::Admin, imapflow."""

import imaplib
import json
import re
import shutil
import ssl
import unittest

from tests.integration.client_rig import LAB_DIR, ROOT, WHEN, Clients, fetched, message, uses
from tests.lab import clients
from tests.lab.posthaste import Posthaste


class Library(Clients):
    def ok(self, answer):
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]

    def test_imaplib(self):
        ok, ca = self.ok, ssl.create_default_context(cafile=self.server.ca_file)
        for secure in (False, True):
            with self.subTest(secure=secure), (imaplib.IMAP4_SSL("localhost", self.server.tls_port, ssl_context=ca) if secure
                                               else imaplib.IMAP4("localhost", self.port)) as m:
                if not secure:
                    ok(m.starttls(ca))
                ok(m.login_cram_md5(self.user, "secret") if "AUTH=CRAM-MD5" in m.capabilities else m.login(self.user, "secret"))
                ok(m.enable("CONDSTORE"))
                box = "TLS" if secure else "plain"
                ok(m.create(box))
                ok(m.subscribe(box))
                for n in range(3):
                    ok(m.append(box, r"(\Seen)" if n == 1 else None, WHEN, message(f"number {n}")))
                self.assertEqual(ok(m.select(box)), [b"3"])
                self.assertEqual(ok(m.search(None, "UNSEEN", "SUBJECT", '"number 2"')), [b"3"])
                self.assertEqual(ok(m.sort("(REVERSE SUBJECT)", "UTF-8", "ALL")), [b"3 2 1"])
                self.assertEqual(ok(m.thread("REFERENCES", "UTF-8", "ALL")), [b"(1)(2)(3)"])
                (head, body), _ = ok(m.uid("FETCH", "2", "(FLAGS INTERNALDATE BODY[])"))
                self.assertEqual(body, message("number 1"))
                self.assertIn(WHEN.encode(), head)
                self.assertEqual(set(imaplib.ParseFlags(head)) - {rb"\Recent"}, {rb"\Seen"})
                ok(m.copy("1:2", "INBOX"))
                ok(m.store("1", "+FLAGS", r"(\Deleted)"))
                self.assertEqual(ok(m.expunge()), [b"1"])
                self.assertEqual(ok(m.status(box, "(MESSAGES UNSEEN)")), [f"{box} (MESSAGES 2 UNSEEN 1)".encode()])
                ok(m.setacl(box, "lookup", "lr"))
                self.assertIn(b"lookup lr", ok(m.getacl(box))[0])
                ok(m.deleteacl(box, "lookup"))
                self.assertIn(b"l", ok(m.myrights(box))[0])
                self.assertEqual(ok(m.getquotaroot("INBOX"))[0], [b'INBOX "User quota"'])
                ok(m.namespace())
                ok(m.rename(box, "Below/" + box))
                self.assertTrue(any(b"Below/" + box.encode() in row for row in ok(m.list())))
                ok(m.unsubscribe(box))
                ok(m.noop())
                ok(m.check())
                ok(m.unselect())
        self.assertEqual([s for s, _ in self.folders()["INBOX"]], ["number 0", "number 1"] * 2)
        self.assertEqual(self.folders()["Below/TLS"], [("number 1", r"\Seen"), ("number 2", "")])

    @uses("prove")
    def test_mail_imapclient(self):
        """The module's own tests. Dovecot passes all of them but perhaps one."""
        place = self.dir / "module"
        shutil.copytree(fetched(clients.folder, "mail-imapclient"), place)
        for how in (f"port={self.port}\nauthmechanism=LOGIN", f"port={self.port}\nauthmechanism=CRAM-MD5",
                    f"port={self.port}\nstarttls=1\nauthmechanism=PLAIN"):
            with self.subTest(how=how):
                (place / "test.txt").write_text(f"server=localhost\nuser={self.user}\npassed=secret\n{how}\n")
                # The installed module is tested, not the one beside the tests.
                said = self.client("prove", "-v", "t/basic.t", "t/quota.t", "t/simple.t", cwd=place,
                                   env={"SSL_CERT_FILE": str(self.server.ca_file)})
                self.assertGreaterEqual(len(re.findall(r"^ok \d+(?! # skip)", said, re.M)), 118 + 6)
                self.assertNotRegex(said, r"(?m)^not ok")
                self.assertEqual(self.folders(), {"INBOX": []})

    def imap_admin(self, port, script, more=""):
        path = self.file("admin.pl", f"""
use strict; use warnings; use IMAP::Admin;
sub done {{ my ($what, $err, $imap) = @_; die "$what: " . $imap->error . "\\n" if $err; print "$what\\n"; }}
my $imap = IMAP::Admin->new('Server' => '127.0.0.1', 'Port' => {port}, 'Login' => '{self.user}', 'Password' => 'secret',
                            'Separator' => '/'{more});
die $imap->error . "\\n" if $imap->error ne 'No Errors';
""" + script)
        return self.client("perl", path).splitlines()

    @uses("perl")
    def test_imap_admin(self):
        """Every method. It ends its lines with LF alone, and dies of an untagged CAPABILITY after LOGIN."""
        self.fill({"INBOX": [(r"\Deleted", message("one")), ("", message("two"))]})
        script = r"""
die "capability" unless $imap->{'Capability'} =~ /ACL.*QUOTA/;
done('create', $imap->create('bob'), $imap);
done('create below', $imap->create('bob/in'), $imap);
done('create below', $imap->create('bob/in/side'), $imap);
print join(' ', $imap->list('bob*')), "\n";
done('subscribe', $imap->subscribe('bob'), $imap);
done('unsubscribe', $imap->unsubscribe('bob'), $imap);
done('rename', $imap->rename('bob', 'rob'), $imap);
print join(' ', $imap->list('*')), "\n";
done('set_acl', $imap->set_acl('rob', 'jane', 'lrs', 'joe', 'lrswi'), $imap);
my %acl = $imap->get_acl('rob');
print "jane $acl{jane} joe $acl{joe}\n";
done('delete_acl', $imap->delete_acl('rob', 'jane'), $imap);
%acl = $imap->get_acl('rob');
print join(' ', map { $acl{$_} ? 'yes' : 'no' } ('jane', 'joe')), "\n";
my @info = $imap->select('INBOX');
print scalar(grep { $_ eq '2 EXISTS' } @info), "\n";
print join(' ', $imap->expunge()), "\n";
done('create again', $imap->create('rob/x'), $imap);
print((($imap->create('rob/x') == 1 && $imap->error =~ /ALREADYEXISTS/) ? "refused\n" : "not refused\n"));
QUOTA
done('h_delete', $imap->h_delete('rob'), $imap);
done('delete nothing', !$imap->delete('rob'), $imap);
done('close', $imap->close, $imap);
"""
        expected = ["create", "create below", "create below", "bob bob/in bob/in/side", "subscribe", "unsubscribe", "rename",
                    "INBOX rob rob/in rob/in/side", "set_acl", "jane lrs joe lrswi", "delete_acl", "no yes", "1", "1 EXPUNGE",
                    "create again", "refused"]
        # Over mail on disk users do not set their own limits.
        self.assertEqual(self.imap_admin(self.port, script.replace("QUOTA\n", r"""
print $imap->set_quota('User quota', 5000) == 1 && $imap->error =~ /NOPERM/ ? "denied\n" : "not denied: " . $imap->error . "\n";
""")), [*expected, "denied", "h_delete", "delete nothing", "close"])
        self.assertEqual(self.folders(), {"INBOX": [("two", "")]})
        self.assertEqual(self.imap_admin(self.port, "print $imap->list('*'), qq(\\n);", ", 'CRAM' => 1"), ["INBOX"])

    @uses("perl")
    def test_imap_admin_quota(self):
        with Posthaste(LAB_DIR, store="memory:", users={self.user: "secret"}) as server:
            # The store in memory has one quota root, without a name.
            self.assertEqual(self.imap_admin(server.port, r"""
done('create', $imap->create('bob'), $imap);
done('set_quota', $imap->set_quota('', 5000), $imap);
print join(' ', $imap->get_quota('')), "\n";
print join(' ', $imap->get_quotaroot('bob')), "\n";
done('no quota', $imap->set_quota('', 'none'), $imap);
done('delete', $imap->delete('bob'), $imap);
done('close', $imap->close, $imap);
"""), ["create", "set_quota", '"" 0 5000', '"" 0 5000', "no quota", "delete", "close"])

    @uses("node")
    def test_imapflow(self):
        modules = fetched(clients.folder, "imapflow") / "node_modules"
        self.fill({"INBOX": [], "Sent": []})
        said = self.client("node", ROOT / "tests/integration/client_imapflow.js", modules, self.port, self.user, self.server.ca_file)
        saw = json.loads(said)
        self.assertTrue(saw["secure"])
        self.assertEqual(saw["appended"], [["INBOX", 1], ["INBOX", 2], ["INBOX", 3]])
        self.assertEqual(saw["mailbox"], {"exists": 3, "uidNext": 4, "modseq": True})
        self.assertEqual([m[:3] for m in saw["messages"]],
                         [[1, "flow 1", []], [2, "flow 2", ["$Label1", r"\Seen"]], [3, "flow 3", []]])
        for m in saw["messages"]:
            self.assertEqual(m[3:], [True, "text/plain", "1996-07-17T09:44:25.000Z", True])
        self.assertEqual(saw["downloaded"], "Text 3.\r\n")
        self.assertEqual(saw["found"], [1, 3])
        self.assertEqual([saw["moved"], saw["copied"], saw["deleted"], saw["status"]], [[[2, 1]], [[1, 2]], True, [2, 1, 3]])
        self.assertEqual(saw["heard"][0][0], "INBOX")
        self.assertEqual(saw["heard"][0][2], 2)
        self.assertEqual(saw["heard"][1], [4, [r"\Answered"]])
        self.assertEqual(self.folders(), {"INBOX": [("flow 1", r"\Flagged"), ("flow 4", r"\Answered")], "Sent": [],
                                          "Work/Salutations": [("flow 2", r"$label1 \Seen"), ("flow 1", r"\Flagged")]})


if __name__ == "__main__":
    unittest.main()
