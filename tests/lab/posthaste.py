"""Our own server as a private server for tests: `posthaste serve` over a store of its own."""

import os
from pathlib import Path

from tests.lab.base import LabError, Server

ROOT = Path(__file__).resolve().parents[2]


def program():
    return Path(os.environ.get("POSTHASTE") or ROOT / "build/posthaste").resolve()


class Posthaste(Server):
    """posthaste serve.

    store:   a URL; None: `local:` in the server's directory.
    options: more arguments.
    users=None takes any name with any password.
    """

    kind = "posthaste"

    def __init__(self, dir=None, *, store=None, options=(), program_=None, **kw):
        super().__init__(dir, **kw)
        self.store, self.options, self.program = store, list(options), program_

    @property
    def mail(self):
        return self.dir / "mail"

    def _configure(self):
        self.program = self.program or program()
        if not os.path.exists(self.program):
            raise LabError(f"{self.program} is not built")
        if self.users is not None:
            (self.dir / "users").write_text("".join(f"{u}:{{PLAIN}}{p}\n" for u, p in self.users.items()))
            (self.dir / "users").chmod(0o600)

    def _command(self):
        argv = [str(self.program), "serve", self.store or f"local:{self.mail}", "--writable", "--allow-cleartext",
                "--no-login-delays", "--listen", f"{self.host}:{self.port}", "--log", str(self.log_file), *self.options]
        argv += ["--any-user"] if self.users is None else ["--users", str(self.dir / "users")]
        if self.tls:
            tls = self.dir / "tls"
            argv += ["--listen-tls", f"{self.host}:{self.tls_port}", "--tls-cert", str(tls / "cert.pem"), "--tls-key",
                     str(tls / "key.pem")]
        return argv, dict(os.environ)
