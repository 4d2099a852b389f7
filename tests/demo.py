"""The demonstration: `./run demo`, or `./run demo --stay` to keep both servers and try things yourself.

Two private servers on loopback (our own; with --dovecot, Dovecot's), a believable account on the first, a copy to the second, a
second copy that has nothing to do, an audit of every byte, and a check by a reader that shares no code
with the program. Servers, mail and the copy's own records live in one temporary directory and are gone
afterwards, whatever ended it.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tests.lab import imapstate, mailgen  # noqa: E402
from tests.lab.posthaste import Posthaste  # noqa: E402
from tests.lab.servers import Dovecot, LabError  # noqa: E402

PROGRAM = os.environ.get('POSTHASTE', 'build/posthaste')


def say(text=''):
    print(text, flush=True)


def filled(loader):
    """A progress line while the account is made."""
    if sys.stdout.isatty():
        print(f'\r    {loader.loaded} of {loader.account.count} messages', end='', flush=True)


class Stopped(Exception):
    """A step failed or was interrupted; the text says which."""


def step(title, state, *words):
    """Shows one command and runs it on this terminal. Returns the seconds it took."""
    say(f'\n{title}\n\n$ posthaste {" ".join(words)}')
    started = time.monotonic()
    with subprocess.Popen([PROGRAM, *words], env=dict(os.environ, XDG_STATE_HOME=state)) as program:
        while True:
            try:
                status = program.wait()
                break
            except KeyboardInterrupt:  # the program has had it as well, and ends in order
                continue
    if status != 0:
        raise Stopped(f'"posthaste {words[0]}" ended with status {status}.')
    return time.monotonic() - started


def memory_folder():
    """A memory file system with room for both accounts, or None: the demonstration is not about this disk."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage('/dev/shm').free > 500_000_000 and os.access('/dev/shm', os.W_OK):
            return '/dev/shm'
    return None


def demonstrate(options, state):
    folder = memory_folder()
    server = Dovecot if options.dovecot else Posthaste
    with server(folder, users={'demo': 'demo'}) as old, server(folder, users={'demo': 'demo'}) as new:
        source, destination = old.url('demo'), new.url('demo')
        say(f'Two private mail servers ({"Dovecot" if options.dovecot else "posthaste serve"}) are up on loopback, '
            f'ports {old.port} and {new.port}.')
        account = mailgen.Account(seed=1, **mailgen.PRESETS['demo'])
        say(f'Filling the first one: {account.count} messages in {len(account.folders)} folders.')
        loader = mailgen.load(account, source, progress=filled)
        say(f'\r    {loader.loaded} messages, {loader.bytes / 1e6:.0f} MB, '
            f'folders like {", ".join("/".join(f.path) for f in account.folders if not "".join(f.path).isascii()) [:60]} …')

        seconds = step('1. Copy the account.', state, 'copy', source, destination)
        step('2. The same again: there is nothing to do, and nothing is doubled.', state, 'copy', source, destination)
        step('3. Read both sides back and compare every byte.', state, 'audit', '--bytes', source, destination)

        difference = imapstate.compare(imapstate.read(source), imapstate.read(destination))
        if difference:
            raise Stopped(f'The second reader disagrees:\n{difference}')
        say(f'\n{loader.loaded} messages, {loader.bytes / 1e6:.0f} MB, copied in {seconds:.1f} s '
            f'({loader.loaded / seconds:.0f} messages/s). Both sides are equal byte for byte, and a\n'
            'second reader that shares no code with posthaste agrees: flags, keywords, dates, subscriptions too.')
        if options.stay:
            say(f'\nThe servers stay until Ctrl-C. Try:\n\n'
                f'    {PROGRAM} copy --dry-run {source} {destination}\n'
                f'    {PROGRAM} copy {destination} {source}\n')
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        else:
            say('\nWhat to type next:\n\n'
                '    ./run demo --stay                  the same, and both servers stay for you to play with\n'
                '    ./run demo --dovecot               the same between two Dovecot servers\n'
                f'    {PROGRAM} copy --dry-run imaps://you@old.example/ imaps://you@new.example/\n'
                '                                       what would be copied from your own account\n'
                '    ./run test                         everything that is claimed here, tried')


def main():
    parser = argparse.ArgumentParser(prog='./run demo', description='Copy an account between two private servers.')
    parser.add_argument('--stay', action='store_true', help='keep both servers until Ctrl-C')
    parser.add_argument('--dovecot', action='store_true', help='between two Dovecot servers instead of our own')
    options = parser.parse_args()
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if not os.access(PROGRAM, os.X_OK):
        print(f'There is no {PROGRAM}: ./run build makes it.', file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix='posthaste-demo-') as state:
            demonstrate(options, state)
    except KeyboardInterrupt:
        say('\nStopped; the servers and their mail are gone.')
        return 130
    except (Stopped, LabError, OSError) as why:
        print(f'\nThe demonstration failed. {why}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
