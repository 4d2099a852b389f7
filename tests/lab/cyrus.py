"""A private Cyrus IMAP 3.6.

Debian's cyrus-imapd and dovecot-imapd exclude each other, so Cyrus is fetched with apt and unpacked
into a folder of its own, where it needs no installation: install() does that.  It lives in PH_CYRUS,
or /var/cache/posthaste/cyrus for root (the server runs as nobody, who cannot enter /root), or
$XDG_CACHE_HOME/posthaste/cyrus.
"""

import grp
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.base import LabError, Server

PACKAGES = ("cyrus-common cyrus-imapd libwrap0 libclamav12 libical3 libxapian30 libzephyr4 libmspack0 "
            "sasl2-bin libsasl2-2 libsasl2-modules libsasl2-modules-db").split()


def folder():
    if os.environ.get("PH_CYRUS"):
        return Path(os.environ["PH_CYRUS"])
    shared = Path("/var/cache/posthaste/cyrus")
    if os.getuid() == 0 or (shared / "complete").exists():
        return shared
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posthaste" / "cyrus"


def installed():
    return (folder() / "complete").exists()


def lib_env():
    """The environment in which the unpacked programs find their libraries and mechanisms."""
    root = folder()
    libs = [str(p) for top in ("usr/lib", "lib") for p in [*root.glob(top + "/*-linux-gnu*"), root / top]]
    env = dict(os.environ, LD_LIBRARY_PATH=":".join(libs),
               SASL_PATH=":".join(str(p) for p in root.glob("usr/lib/*/sasl2")))
    env.pop("PYTHONPATH", None)
    return env


def install():
    """Fetches and unpacks the packages; needs apt and a network, and no root."""
    root = folder()
    if installed():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    # What a bare system lacks beside the list: the libraries apt would install with it.
    plan = subprocess.run(["apt-get", "-s", "install", "--no-install-recommends", *PACKAGES[:2]],
                          capture_output=True, text=True, env=dict(os.environ, LC_ALL="C"))
    extra = [p for p in re.findall(r"^Inst (\S+)", plan.stdout, re.M) if p.startswith("lib")]
    with tempfile.TemporaryDirectory(dir=root.parent) as tmp:
        tmp = Path(tmp)
        (tmp / "debs").mkdir()
        r = subprocess.run(["apt-get", "download", *sorted(set(PACKAGES) | set(extra))], cwd=tmp / "debs",
                           capture_output=True, text=True)
        if r.returncode != 0:
            raise LabError("cannot fetch Cyrus: " + r.stderr.strip()[-500:])
        for deb in (tmp / "debs").glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(deb), str(tmp / "root")], check=True)
        (tmp / "root").chmod(0o755)
        (tmp / "root" / "complete").write_text("\n".join(sorted(d.name for d in (tmp / "debs").iterdir())) + "\n")
        shutil.rmtree(root, ignore_errors=True)
        os.rename(tmp / "root", root)
    return root


class Cyrus(Server):
    """Debian's Cyrus 3.6.

    users:      {name: password} or names; accounts are made at the first login.  There is no
                "any user" here: without users there is "demo".  add_user() adds one at any time.
    caps_off:   capabilities to hide (suppress_capabilities), as with Dovecot.
    altnamespace, unixhierarchysep: False gives the old form, folders named INBOX.a.b
    extra:      more lines of imapd.conf.
    """

    kind = "cyrus"

    def __init__(self, dir=None, *, users=None, caps_off=(), altnamespace=True, unixhierarchysep=True,
                 extra="", password="pw", **kw):
        super().__init__(dir, users=["demo"] if users is None else users, password=password, **kw)
        self.caps_off = caps_off.split() if isinstance(caps_off, str) else list(caps_off)
        self.altnamespace, self.unixhierarchysep, self.extra = altnamespace, unixhierarchysep, extra

    def _owner(self):
        if os.getuid() != 0:
            return pwd.getpwuid(os.getuid())
        return pwd.getpwnam("nobody")

    def add_user(self, user, password=None):
        password = self.users.setdefault(user, password or self.password)
        db = self.dir / "sasldb2"
        r = subprocess.run([str(folder() / "usr/sbin/saslpasswd2"), "-p", "-c", "-f", str(db), "-u", "localhost", user],
                           input=password.encode(), env=lib_env(), capture_output=True)
        if r.returncode != 0:
            raise LabError("saslpasswd2: " + r.stderr.decode(errors="replace"))
        owner = self._owner()
        os.chown(db, owner.pw_uid, owner.pw_gid)

    def _configure(self):
        if not installed():
            raise LabError("not unpacked here: python3 -m tests.lab.servers install cyrus")
        owner = self._owner()
        for sub in ("conf/socket", "conf/db", "conf/log", "conf/proc", "conf/lock", "spool"):
            (self.dir / sub).mkdir(parents=True)
        lines = {
            "configdirectory": self.dir / "conf", "partition-default": self.dir / "spool",
            "defaultpartition": "default", "proc_path": self.dir / "conf/proc",
            "mboxname_lockpath": self.dir / "conf/lock", "cyrus_user": owner.pw_name,
            "cyrus_group": grp.getgrgid(owner.pw_gid).gr_name,
            "admins": "admin", "servername": "localhost", "allowplaintext": "yes",
            "sasl_pwcheck_method": "auxprop", "sasl_auxprop_plugin": "sasldb",
            "sasl_sasldb_path": self.dir / "sasldb2",
            "sasl_mech_list": "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256",
            "autocreate_quota": 0, "autocreate_post": "yes", "autocreate_users": "anyone",
            "altnamespace": "yes" if self.altnamespace else "no",
            "unixhierarchysep": "yes" if self.unixhierarchysep else "no",
            "virtdomains": "off", "popminpoll": 0, "maxmessagesize": "0",
            # Without these it would look in /etc and /run.
            "lmtpsocket": self.dir / "conf/socket/lmtp", "idlesocket": self.dir / "conf/socket/idle",
            "notifysocket": self.dir / "conf/socket/notify",
        }
        if self.caps_off:
            lines["suppress_capabilities"] = " ".join(self.caps_off)
        if self.tls:
            t = self.dir / "tls"
            lines.update(tls_server_cert=t / "cert.pem", tls_server_key=t / "key.pem", tls_versions="tls1_2 tls1_3")
            t.chmod(0o755)
            os.chown(t / "key.pem", owner.pw_uid, owner.pw_gid)
        (self.dir / "imapd.conf").write_text("".join(f"{k}: {v}\n" for k, v in lines.items()) + self.extra + "\n")
        bin_ = folder() / "usr/lib/cyrus/bin"
        imaps = ""
        if self.tls:
            imaps = (f'  imaps cmd="{bin_}/imapd -C {self.dir}/imapd.conf -s" '
                     f'listen="{self.host}:{self.tls_port}" prefork=0 maxchild=200\n')
        (self.dir / "cyrus.conf").write_text(
            f'START {{\n  recover cmd="{bin_}/ctl_cyrusdb -C {self.dir}/imapd.conf -r"\n}}\n'
            f'SERVICES {{\n  imap cmd="{bin_}/imapd -C {self.dir}/imapd.conf" listen="{self.host}:{self.port}" '
            f'prefork=1 maxchild=200\n{imaps}}}\nEVENTS {{\n}}\n')
        for user, password in list(self.users.items()) + [("admin", self.password)]:
            self.add_user(user, password)
        del self.users["admin"]
        for path in [self.dir / "conf", self.dir / "spool", *(self.dir / "conf").rglob("*")]:
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _command(self):
        env = lib_env()
        env["CYRUS_USER"] = self._owner().pw_name
        return [str(folder() / "usr/lib/cyrus/bin/master"), "-C", str(self.dir / "imapd.conf"),
                "-M", str(self.dir / "cyrus.conf"), "-p", str(self.dir / "master.pid")], env
