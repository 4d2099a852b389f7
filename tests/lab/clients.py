"""Mail programs that are not ours, for tests: those that Debian's package manager does not simply install.

    imapflow          from npm, in the versions of tests/lab/imapflow/package-lock.json
    Mail::IMAPClient  Debian's source of it, for its own tests; the module itself is a package
    imtest            Debian's cyrus-clients, which exclude Dovecot as a package: unpacked

They are kept in .cache/clients. `python3 -m tests.lab.clients` fetches what is missing; it needs a network, and no root.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.base import LabError

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[1] / ".cache/clients"

SOURCES = """Types: deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def run(*argv, **kw):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, **kw)
    if done.returncode != 0:
        raise LabError(f"{argv[0]}: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout


def fetch_imapflow(into):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "imapflow" / name, into)
    run("npm", "ci", "--prefix", into, "--no-audit", "--no-fund", "--ignore-scripts", cwd=into)


def fetch_mail_imapclient(into):
    """The tests are in what the author released; Debian's own changes to it are of no interest here."""
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        tmp.chmod(0o755)
        (tmp / "lists/partial").mkdir(parents=True)
        (tmp / "deb-src.sources").write_text(SOURCES)
        apt = ["apt-get", "-q", "-o", f"Dir::Etc::sourcelist={tmp}/deb-src.sources", "-o", "Dir::Etc::sourceparts=/dev/null",
               "-o", f"Dir::State::lists={tmp}/lists", "-o", f"Dir::Cache={tmp}"]
        run(*apt, "update")
        run(*apt, "source", "--download-only", "--tar-only", "libmail-imapclient-perl", cwd=tmp)
        tar, = tmp.glob("libmail-imapclient-perl_*.orig.tar.*")
        run("tar", "-xf", tar, "-C", into, "--strip-components=1")


def fetch_imtest(into):
    run("apt-get", "download", "cyrus-clients", cwd=into)
    deb, = into.glob("*.deb")
    run("dpkg", "-x", deb, into)
    deb.unlink()


FETCH = {"imapflow": fetch_imapflow, "mail-imapclient": fetch_mail_imapclient, "imtest": fetch_imtest}


def folder(name):
    """Where the files of a client are; they are fetched at the first call."""
    place = PLACE / name
    if place.exists():
        return place
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / (name + ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # two test files may want it at once
        if not place.exists():
            into = Path(tempfile.mkdtemp(prefix=name + "-", dir=PLACE))
            into.chmod(0o755)
            try:
                FETCH[name](into)
                os.rename(into, place)
            except FileNotFoundError as e:
                raise LabError(f"{name}: {e}") from None
            finally:
                shutil.rmtree(into, ignore_errors=True)
    return place


def main():
    missing = 0
    for name in FETCH:
        try:
            folder(name)
        except LabError as e:
            print(f"{name} cannot be fetched: {e}", file=sys.stderr)
            missing = 1
    return missing


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
