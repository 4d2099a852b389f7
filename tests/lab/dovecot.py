"""A private Dovecot 2.3.

What stays visible when a capability is switched off: `caps_off` changes what Dovecot *says*, not what
it does.  It still takes {n+} literals, several messages in an APPEND, UID EXPUNGE, CHANGEDSINCE and
QRESYNC parameters, NAMESPACE, LIST ... RETURN (STATUS ...), and it still adds [APPENDUID],
[COPYUID] and [HIGHESTMODSEQ] to its answers.  A program that looks at the capabilities behaves as
with a server without them; one that uses what it did not see offered is not caught.  For that, use
tests/peer, or put the delay proxy in front with --mask.
"""

import grp
import os
import pwd
import subprocess
from pathlib import Path

from tests.lab.base import LabError, Server

DOVECOT_LIBEXEC = Path("/usr/lib/dovecot")

# What Debian 12's Dovecot 2.3.19 offers after login.
DOVECOT_CAPS = (
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS "
    "THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS "
    "LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH "
    "LIST-STATUS BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY "
    "SPECIAL-USE").split()

# Short names for `caps_off`: "bare" is a server with no extension at all.
CAPS_OFF_SETS = {
    "bare": [c for c in DOVECOT_CAPS if c != "IMAP4rev1"],
    "uidplus": ["UIDPLUS"],
    "modseq": ["CONDSTORE", "QRESYNC", "NOTIFY"],
    "multiappend": ["MULTIAPPEND", "CATENATE"],
    "literal": ["LITERAL+"],
}


def installed():
    return Path("/usr/sbin/dovecot").exists() and (DOVECOT_LIBEXEC / "imap").exists()


class Dovecot(Server):
    """Debian's Dovecot 2.3.

    fmt:        "sdbox", "mdbox" or "maildir".
    caps:       the whole capability list; caps_off: names to leave out of the usual one, or a name from
                CAPS_OFF_SETS ("bare": no extension at all).  See the top of this file.
    max_userip: mail_max_userip_connections, connections of one user from one address.
    fsync:      "never", "optimized" (Dovecot's default) or "always".
    mechanisms: SASL mechanisms; all of these work with every user, SCRAM-SHA-256 among them.
    separator, prefix: of the personal namespace, for name mapping ("." and "INBOX.").
    quota:      a storage limit such as "10M": APPEND then answers NO [OVERQUOTA].
    master:     {name: password} of administrators, who may name another user as authorization identity.
    extra:      more lines of configuration.
    """

    kind = "dovecot"

    def __init__(self, dir=None, *, fmt="sdbox", caps=None, caps_off=(), max_userip=100, fsync="optimized",
                 mechanisms="plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256", separator="/",
                 prefix="", quota=None, master=None, special_use=True, extra="", **kw):
        super().__init__(dir, **kw)
        self.fmt, self.fsync, self.max_userip = fmt, fsync, max_userip
        self.mechanisms, self.separator, self.prefix = mechanisms, separator, prefix
        self.quota, self.master, self.special_use, self.extra = quota, master or {}, special_use, extra
        if isinstance(caps_off, str):
            caps_off = CAPS_OFF_SETS[caps_off] if caps_off in CAPS_OFF_SETS else caps_off.split()
        self.caps = caps
        if caps is None and caps_off:
            self.caps = " ".join(c for c in DOVECOT_CAPS if c not in caps_off)

    @property
    def config_file(self):
        return self.dir / "dovecot.conf"

    def doveadm(self, *args, check=True, **kw):
        """Runs doveadm against this server; returns the finished process."""
        return subprocess.run(["doveadm", "-c", str(self.config_file), *args], check=check,
                              capture_output=True, **kw)

    def mail_home(self, user):
        """The directory that holds the mail of a user."""
        return self.dir / "mail" / user

    def _owner(self):
        """Who the mail belongs to.  Dovecot refuses root, so a root caller's mail is nobody's."""
        if os.getuid() != 0:
            return os.getuid(), os.getgid()
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    def _configure(self):
        if not installed():
            raise LabError("not installed: apt-get install dovecot-imapd, with its service masked "
                           "(systemctl mask dovecot)")
        uid, gid = self._owner()
        mail = self.dir / "mail"
        mail.mkdir()
        os.chown(mail, uid, gid)
        if os.getuid() == 0:
            self._check_reachable(uid)
        c = ConfigText()
        c.set(base_dir=self.dir / "run", state_dir=self.dir / "state", log_path=self.log_file,
              protocols="imap", listen=self.host, instance_name=self.dir.name,
              first_valid_uid=1, first_valid_gid=1, mail_uid=uid, mail_gid=gid,
              disable_plaintext_auth="no", auth_mechanisms=self.mechanisms, auth_cache_size="10M",
              auth_failure_delay="0", login_greeting="ready", mail_fsync=self.fsync,
              mail_max_userip_connections=self.max_userip, default_vsz_limit="2G",
              default_process_limit=1000, default_client_limit=4000, shutdown_clients="yes",
              mail_location=f"{self.fmt}:{mail}/%u/{self.fmt}", mailbox_list_index="yes",
              mdbox_rotate_size="16M")
        if self.caps is not None:
            c.set(imap_capability=self.caps)
        self._write_tls(c)
        self._write_users(c, uid, gid)
        self._write_services(c)
        self._write_namespace(c)
        if self.quota:
            c.raw("mail_plugins = quota\nprotocol imap {\n  mail_plugins = quota imap_quota\n}\n"
                  f"plugin {{\n  quota = count:User quota\n  quota_rule = *:storage={self.quota}\n"
                  "  quota_grace = 0\n  quota_vsizes = yes\n}")
        c.raw(self.extra)
        self.config_file.write_text(c.text)

    def _check_reachable(self, uid):
        for p in [self.dir, *self.dir.parents]:
            if not p.stat().st_mode & 0o001 and p.stat().st_uid != uid:
                raise LabError(f"{p} is closed to the user the mail belongs to; choose another directory")

    def _write_tls(self, c):
        if self.tls:
            t = self.dir / "tls"
            c.set(ssl="yes", ssl_cert=f"<{t}/cert.pem", ssl_key=f"<{t}/key.pem", ssl_min_protocol="TLSv1.2")
        else:
            c.set(ssl="no")

    def _write_users(self, c, uid, gid):
        def passwd_file(name, users):
            path = self.dir / name
            path.write_text("".join(f"{u}:{{PLAIN}}{p}::::::\n" for u, p in users.items()))
            path.chmod(0o644)
            return path

        if self.master:
            c.raw("auth_master_user_separator = *\npassdb {\n  driver = passwd-file\n  master = yes\n"
                  f"  args = scheme=PLAIN username_format=%u {passwd_file('masters', self.master)}\n"
                  "  result_success = continue\n}")
        if self.users is None:
            c.raw(f"passdb {{\n  driver = static\n  args = password={self.password}\n}}")
        else:
            c.raw("passdb {\n  driver = passwd-file\n"
                  f"  args = scheme=PLAIN username_format=%u {passwd_file('users', self.users)}\n}}")
        allow = "" if self.users is not None else " allow_all_users=yes"
        c.raw(f"userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={self.dir}/mail/%u{allow}\n}}")

    def _write_services(self, c):
        listeners = f"  inet_listener imap {{\n    address = {self.host}\n    port = {self.port}\n  }}\n"
        listeners += (f"  inet_listener imaps {{\n    address = {self.host}\n    port = {self.tls_port or 0}\n"
                      f"    ssl = {'yes' if self.tls else 'no'}\n  }}\n")
        chroot = ""
        if os.getuid() != 0:
            me, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
            c.set(default_internal_user=me, default_login_user=me, default_internal_group=group)
            chroot = "  chroot =\n"
            for s in ("anvil", "stats", "auth-worker", "auth"):
                c.raw(f"service {s} {{\n  chroot =\n  user = {me}\n}}")
        c.raw(f"service imap-login {{\n{listeners}{chroot}  service_count = 0\n  process_min_avail = 1\n"
              "  client_limit = 1000\n}")
        c.raw("service imap {\n  process_limit = 1000\n  service_count = 100\n}")

    def _write_namespace(self, c):
        special = ""
        if self.special_use:
            special = "".join(f"  mailbox {n} {{\n    special_use = \\{n}\n  }}\n"
                              for n in ("Drafts", "Sent", "Junk", "Trash", "Archive"))
        c.raw(f"namespace inbox {{\n  inbox = yes\n  separator = {self.separator}\n"
              f"  prefix = {self.prefix}\n{special}}}")

    def _command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", str(self.config_file)], None


class ConfigText:
    """Collects a Dovecot configuration."""

    def __init__(self):
        self.text = ""

    def set(self, **kw):
        for k, v in kw.items():
            self.raw(f"{k} = {v}")

    def raw(self, lines):
        if lines:
            self.text += lines.rstrip("\n") + "\n"
