"""packaging/install-packages, with stand-ins for apt, dpkg and the rest: what it promises about services."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICE = '/lib/systemd/system/dovecot.service'

# The installed packages are the lines of $WORK/installed; every call of importance is a line of $WORK/calls.
STAND_INS = {
    'dpkg-query': '''
if [ "$1" = -L ]; then
    [ "$2" = dovecot-imapd ] && printf '%s\\n' /usr/sbin/x SERVICE /lib/systemd/system/at@.service /etc/init.d/dovecot
    [ "$2" = old-server ] && echo /lib/systemd/system/old.service
    exit 0
fi
format=$3; shift 3
for name in ${*:-$(cat "$WORK/installed")}; do
    [ "$name" != recommended ] || grep -qx "$name" "$WORK/installed" || echo "un  $name "
    grep -qx "$name" "$WORK/installed" || continue
    case $format in *n) echo "ii  $name" ;; *) printf 'ii  %s ' "$name" ;; esac
done
'''.replace('SERVICE', SERVICE),
    'apt-get': '''
echo "apt-get $*" >>"$WORK/calls"
while [ "$1" = -o ] || [ "$1" = -q ]; do [ "$1" != -o ] || shift; shift; done
[ "$1" != update ] || { touch "$WORK/updated"; exit 0; }
[ ! -e "$WORK/stale" ] || [ -e "$WORK/updated" ] || { echo "404 not found"; exit 100; }
[ ! -e "$WORK/broken" ] || { echo "no such package"; exit 100; }
"$PH_POLICY_FILE"; echo "a service would start: $?" >>"$WORK/calls"
shift 3
for name; do echo "$name" >>"$WORK/installed"; done
''',
    'id': 'echo "${FAKE_ID:-0}"',
    'deb-systemd-helper': 'echo "systemd $*" >>"$WORK/calls"',
    'update-rc.d': 'echo "rc $*" >>"$WORK/calls"',
}


class InstallPackages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = Path(folder.name)
        for name, body in STAND_INS.items():
            (self.work / name).write_text('#!/bin/bash\n' + body)
            (self.work / name).chmod(0o755)
        (self.work / 'installed').write_text('gcc\nold-server\n')
        (self.work / 'calls').touch()
        self.policy = self.work / 'policy-rc.d'

    def install(self, *packages, **env):
        env = dict(os.environ, PATH=f'{self.work}:{os.environ["PATH"]}', WORK=str(self.work),
                   PH_POLICY_FILE=str(self.policy), **env)
        return subprocess.run([ROOT / 'packaging/install-packages', 'test', *packages], env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)

    def calls(self):
        return (self.work / 'calls').read_text()

    def test_with_everything_there_apt_is_not_called(self):
        done = self.install('gcc')
        self.assertEqual((done.returncode, done.stdout, self.calls()), (0, '', ''))

    def test_what_dpkg_has_only_heard_of_is_not_there(self):
        self.assertEqual(self.install('gcc', 'recommended', 'old-server').returncode, 0)
        self.assertIn('install -y --no-install-recommends recommended\n', self.calls())

    def test_services_are_neither_started_nor_enabled(self):
        done = self.install('gcc', 'dovecot-imapd')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('install -y --no-install-recommends dovecot-imapd\n', self.calls())
        self.assertIn('a service would start: 101\n', self.calls())
        self.assertIn('systemd disable dovecot.service\n', self.calls())
        self.assertIn('rc dovecot disable\n', self.calls())
        self.assertNotIn('at@', self.calls())  # a template is not a service

    def test_services_that_were_there_are_left_alone(self):
        self.install('dovecot-imapd')
        self.assertNotIn('old.service', self.calls())

    def test_the_policy_is_taken_away_again(self):
        self.install('dovecot-imapd')
        self.assertFalse(self.policy.exists())

    def test_a_policy_that_was_there_comes_back(self):
        self.policy.write_text('#!/bin/sh\nexit 7\n')
        self.install('dovecot-imapd')
        self.assertIn('a service would start: 101\n', self.calls())
        self.assertEqual(self.policy.read_text(), '#!/bin/sh\nexit 7\n')
        self.assertEqual(sorted(p.name for p in self.work.glob('policy*')), ['policy-rc.d'])

    def test_old_package_lists_are_fetched_and_it_is_tried_again(self):
        (self.work / 'stale').touch()
        self.assertEqual(self.install('dovecot-imapd').returncode, 0)
        self.assertIn('update', self.calls())

    def test_a_failure_shows_what_apt_said_and_takes_the_policy_away(self):
        (self.work / 'broken').touch()
        done = self.install('dovecot-imapd')
        self.assertEqual(done.returncode, 1)
        self.assertIn('no such package', done.stderr)
        self.assertFalse(self.policy.exists())

    def test_without_root_it_names_the_one_command(self):
        done = self.install('dovecot-imapd', FAKE_ID='1000')
        self.assertEqual(done.returncode, 1)
        self.assertIn('sudo ./run packages test', done.stderr)
        self.assertEqual(self.calls(), '')


if __name__ == '__main__':
    unittest.main()
