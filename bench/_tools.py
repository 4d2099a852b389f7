"""The programs that are compared: how each is told to copy one account to another, and what it is known to leave out."""

import shutil
from pathlib import Path

from bench._rig import FLOOR, PROGRAM, metered
from tests.lab.imap import Url


class Tool:
    """`run` copies src to dst with what it keeps between runs in `folder`, and returns the Usage. `flags`, `date`,
    `subscriptions`: what may be asked of the result, as imapstate.compare takes it. `exact` False: the tool changes
    the bytes, so that only folders, numbers and dates can be compared."""

    name = ""
    exact = flags = date = subscriptions = True

    def program(self):
        """The program's path, or None where it is not installed."""
        return shutil.which(self.name)

    def argv(self, src, dst, folder):
        raise NotImplementedError

    def run(self, src, dst, folder):
        return metered(self.argv(src, dst, Path(folder)), folder)


class Floor(Tool):
    name = "floor"
    subscriptions = False

    def __init__(self, pairs=2, batch=100, window=16):
        self.options = ["-n", str(pairs), "-b", str(batch), "-w", str(window)]

    def program(self):
        return FLOOR if FLOOR.exists() else None

    def argv(self, src, dst, folder):
        return [FLOOR, *self.options, src, dst]


class Posthaste(Tool):
    """`options` are further words for the command line."""

    name = "posthaste"

    def __init__(self, *options, name="posthaste"):
        self.options, self.name = options, name

    def program(self):
        return PROGRAM if PROGRAM.exists() else None

    def argv(self, src, dst, folder):
        return [PROGRAM, "copy", src, dst, "--state", folder / "state", *self.options]


class Mbsync(Tool):
    """isync. It writes an X-TUID line into every message, and carries few keywords and no subscriptions."""

    name = "mbsync"
    exact = False

    def argv(self, src, dst, folder):
        config = folder / "mbsyncrc"
        state = folder / "mbsync-state"
        state.mkdir(exist_ok=True)
        lines = []
        for name, url in (("far", Url(src)), ("near", Url(dst))):
            lines += [f"IMAPStore {name}", f"Host {url.host}", f"Port {url.port}", f"User {url.user}",
                      f"Pass {url.password}", "SSLType None", "AuthMechs PLAIN LOGIN", ""]
        lines += ["Channel all", "Far :far:", "Near :near:", "Patterns *", "Create Near", "Sync Pull",
                  "CopyArrivalDate yes", f"SyncState {state}/", ""]
        config.write_text("\n".join(lines))
        return [self.name, "-q", "-c", config, "all"]


class Interimap(Tool):
    name = "interimap"
    subscriptions = False

    def argv(self, src, dst, folder):
        config = folder / "interimap.conf"
        lines = [f"database = {folder}/interimap.db", ""]
        for name, url in (("local", Url(src)), ("remote", Url(dst))):
            lines += [f"[{name}]", "type = imap", f"host = {url.host}", f"port = {url.port}",
                      f"username = {url.user}", f"password = {url.password}", "STARTTLS = NO", "compress = NO", ""]
        config.write_text("\n".join(lines))
        config.chmod(0o600)
        return [self.name, "-q", f"--config={config}"]


class Imapsync(Tool):
    name = "imapsync"

    def argv(self, src, dst, folder):
        one, two = Url(src), Url(dst)
        words = [self.name, "--nolog", "--nossl1", "--nossl2", "--notls1", "--notls2", "--tmpdir", folder]
        for n, url in (("1", one), ("2", two)):
            words += [f"--host{n}", url.host, f"--port{n}", str(url.port), f"--user{n}", url.user,
                      f"--password{n}", url.password]
        return words


def choose(names, *tools):
    """Those that were asked for by name (None: all) and are installed."""
    wanted = set(names.split(",")) if names else None
    return [t for t in tools if (wanted is None or t.name in wanted) and t.program()]
