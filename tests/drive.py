"""Run the test groups and count: what `./run test`, `./run soak` and `./run fuzz` start.

A group is a function that takes a Run and yields Cases. It is given its own build folder where it
needs one, and everything it starts has a time limit. Output is shown for what failed only. The
last line is "N passed, N failed" (with ", N skipped" when something was), and the exit status is 0
only when nothing failed and something ran. docs/testing.md says what each group proves.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLOW = 20  # seconds; the slowest files beyond it are named
AT_ONCE = 2  # tests that run side by side: most of them wait for a server
FILE_SECONDS = 180  # limit of one file of integration tests, unless it says "# time-limit: N"
SOAK_FACTOR = 20
SANITIZED_FACTOR = 3
SANITIZER_OPTIONS = 'exitcode=99:halt_on_error=1:print_stacktrace=1'
PASSED, FAILED, SKIPPED = 'passed', 'failed', 'skipped'

# A skip whose reason begins so is fine anywhere: the test wants material that is not in this tree.
# Any other skip is a failure under --strict.
OPTIONAL = 'optional:'


@dataclass
class Case:
    name: str
    status: str
    text: str = ''  # why it failed or was skipped


class CannotRun(Exception):
    """The group cannot run here: skipped, or failed under --strict."""


class Children:
    """The processes that are running, so that Ctrl-C and time limits end them with all their children."""

    def __init__(self):
        self.running = set()

    def run(self, argv, limit, env=None):
        """Returns (exit status, or None when the limit was reached; stdout and stderr together)."""
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            self.running.add(process)
            try:
                status = process.wait(max(1, limit))
            except subprocess.TimeoutExpired:
                status = None
            finally:
                self.end(process)
            output.seek(0)
            return status, output.read().decode('utf-8', 'replace')

    def end(self, process):
        try:
            if process.poll() is None:  # asked first, so that it can stop its servers
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    pass
            os.killpg(process.pid, signal.SIGKILL)  # and whatever it left behind
        except (ProcessLookupError, PermissionError):
            pass
        process.wait()
        self.running.discard(process)

    def end_all(self):
        for process in list(self.running):
            self.end(process)


class Run:
    """What the groups share: the options, the clock, the children."""

    def __init__(self, options):
        self.soak = options.soak
        self.seed = options.seed
        self.only = {}
        self.times = []  # (seconds, file) of the group at work
        self.children = Children()
        self.deadline = time.monotonic() + options.limit

    def wants(self, group, name):
        wanted = self.only.get(group)
        return not wanted or any(part in name for part in wanted)

    def command(self, argv, limit, env=None):
        return self.children.run(argv, min(limit, self.deadline - time.monotonic()), env)

    def environment(self, **more):
        env = dict(os.environ, PH_SEED=str(self.seed), PYTHONPATH=ROOT,
                   PYTHONDONTWRITEBYTECODE='1', **more)
        if self.soak:
            env['PH_SOAK'] = '1'
        return env


def side_by_side(run, function, items):
    """The results of function(item), in order. When this is interrupted, what is running is ended first."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            yield from pool.map(function, items)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            run.children.end_all()
            raise


# --- building ---------------------------------------------------------------------------------------


def build(run, folder, compiler, *options):
    """Configure and build one folder. Raises CannotRun without the compiler; returns a failed Case or None."""
    if not shutil.which(compiler):
        raise CannotRun(f'{compiler} is not installed')
    if not os.path.exists(os.path.join(ROOT, folder, 'build.ninja')):
        status, output = run.command(['meson', 'setup', folder, *options], 300,
                                     run.environment(CC=compiler))
        if status != 0:
            return Case(f'setup {folder}', FAILED, output)
    status, output = run.command(['ninja', '-C', folder, '--quiet', '-k', '20'], 1200)
    if status != 0:
        return Case(f'build {folder}', FAILED, output if status else output + '\n(time limit reached)')
    return None


def unit_tests(run, group, folder, prefix=(), env=None):
    """The cmocka programs of a build folder. One case for each cmocka test, one for a program that crashed."""
    listing, names = run.command(['meson', 'test', '-C', folder, '--list'], 120)[1], []
    for line in listing.splitlines():
        found = re.search(r'(\w+/\S+)$', line)
        # What is Python there is the group "lab", once and not in each build.
        if found and not found.group(1).startswith('lab/') and run.wants(group, found.group(1)):
            names.append(found.group(1))
    if not names:
        return
    argv = [*prefix, 'meson', 'test', '-C', folder, '--no-rebuild', '--num-processes', str(AT_ONCE),
            '--timeout-multiplier', str(SOAK_FACTOR if run.soak else 4), *names]
    log = os.path.join(ROOT, folder, 'meson-logs', 'testlog.json')
    if os.path.exists(log):
        os.unlink(log)
    status, output = run.command(argv, 20000 if run.soak else 900, run.environment(**(env or {})))
    if not os.path.exists(log):
        yield Case(f'meson test {folder}', FAILED, output)
        return
    with open(log, encoding='utf-8', errors='replace') as lines:
        for line in lines:
            yield from unit_cases(json.loads(line))


def unit_cases(program):
    text = program.get('stdout', '') + program.get('stderr', '')
    passed = re.findall(r'^\[       OK \] (\S+)', text, re.M)
    failed = sorted(set(re.findall(r'^\[  FAILED  \] (?:\S+: )?([a-z_]\w*)$', text, re.M)))
    skipped = sorted(set(re.findall(r'^\[  SKIPPED \] (\S+)$', text, re.M)))
    name = program['name'].split(' / ')[-1]
    well = program['result'] in ('OK', 'EXPECTEDFAIL')
    for case in passed:
        if case not in failed and case not in skipped:
            yield Case(f'{name}: {case}', PASSED)
    for case in skipped:
        yield Case(f'{name}: {case}', SKIPPED, OPTIONAL + ' said the test')
    if program['result'] == 'SKIP':
        yield Case(name, SKIPPED, 'the whole program')
    elif well and not passed and not skipped:
        yield Case(name, PASSED)
    elif not well:
        for number, case in enumerate(failed or [program['result']]):
            yield Case(f'{name}: {case}', FAILED, '' if number else text)


# --- Python tests -----------------------------------------------------------------------------------


def file_says(path, what):
    """The rest of a line "# WHAT: …" near the top of a test file, or an empty string."""
    with open(path, encoding='utf-8') as text:
        found = re.search(rf'^# {what}: *(.*)$', text.read(4000), re.M)
    return found.group(1) if found else ''


def python_file(run, path, prefix=(), env=None):
    """One file of unittest cases, in its own process or in as many as it asks for. Returns its Cases."""
    started, parts = time.monotonic(), int(file_says(path, 'side-by-side') or 1)
    with concurrent.futures.ThreadPoolExecutor(parts) as pool:
        done = list(pool.map(lambda part: python_process(run, path, prefix, env, f'{part}/{parts}'), range(parts)))
    run.times.append((time.monotonic() - started, os.path.relpath(path, os.path.join(ROOT, 'tests'))))
    return [case for cases in done for case in cases]


def python_process(run, path, prefix, env, part):
    name = os.path.relpath(path, os.path.join(ROOT, 'tests'))
    with tempfile.TemporaryDirectory(prefix='posthaste-test-') as work:
        results, reports = os.path.join(work, 'results'), os.path.join(work, 'sanitizer')
        options = f'log_path={reports}:{SANITIZER_OPTIONS}'
        more = {'PH_RESULTS': results, 'PH_PART': part}
        if env and env.get('PH_SANITIZER'):
            more.update(ASAN_OPTIONS=options, TSAN_OPTIONS=options, UBSAN_OPTIONS=options)
        limit = int(file_says(path, 'time-limit') or FILE_SECONDS) * (SOAK_FACTOR if run.soak else 1)
        limit *= SANITIZED_FACTOR if env and 'PH_SANITIZER' in env else 1
        status, output = run.command([*prefix, sys.executable, 'tests/drive_file.py', path], limit,
                                     run.environment(**more, **(env or {})))
        notes = []
        if os.path.exists(results):
            with open(results, encoding='utf-8') as lines:
                notes = [json.loads(line) for line in lines if line.endswith('\n')]
        ended = bool(notes) and notes[-1] == 'end'
        cases = [Case(f'{name}: {one["name"]}', one['status'], one['text']) for one in notes if one != 'end']
        if status is None:
            cases.append(Case(name, FAILED, f'{output}\nstopped after {limit} s'))
        elif status != 0 and not any(case.status == FAILED for case in cases):
            cases.append(Case(name, FAILED, f'{output}\nexit status {status}'))
        elif status == 0 and not ended:
            cases.append(Case(name, FAILED, output + '\nended before its last case'))
        elif status != 0:
            next(case for case in cases if case.status == FAILED).text += '\n' + output
        for report in sorted(glob.glob(reports + '*')):
            with open(report, encoding='utf-8', errors='replace') as text:
                cases.append(Case(f'{name}: sanitizer report', FAILED, text.read()))
        return cases


def python_tests(run, group, patterns, prefix=(), env=None):
    files = sorted(path for pattern in patterns for path in glob.glob(os.path.join(ROOT, 'tests', pattern))
                   if run.wants(group, os.path.relpath(path, os.path.join(ROOT, 'tests')))
                   and (run.soak or group not in file_says(path, 'not-under').split()))
    for cases in side_by_side(run, lambda path: python_file(run, path, prefix, env), files):
        yield from cases


def integration_tests(run, group, program, prefix=(), env=None):
    if os.path.exists(os.path.join(ROOT, program)):
        yield from python_tests(run, group, ['integration/test_*.py'], prefix,
                                dict(env or {}, POSTHASTE=os.path.join(ROOT, program)))


# --- the groups -------------------------------------------------------------------------------------


def fixed_addresses():
    """The sanitizers of these compilers cannot live with the address randomisation of newer kernels."""
    argv = ['setarch', '-R']
    works = subprocess.run([*argv, 'true'], capture_output=True).returncode == 0
    return argv if works else []


def group_unit(run):
    """every layer by itself, built with gcc"""
    failed = build(run, 'build', 'gcc')
    if failed:
        yield failed
    else:
        yield from unit_tests(run, 'unit', 'build')


def group_checks(run):
    """rules on the sources: includes, banned functions, layout, manual page, links"""
    for path in sorted(glob.glob(os.path.join(ROOT, 'tests', 'check-*'))):
        name = os.path.basename(path)
        if run.wants('checks', name):
            status, output = run.command([path], 120)
            if status == 77:
                yield Case(name, SKIPPED, output.strip())
            else:
                yield Case(name, PASSED if status == 0 else FAILED, output)


def group_clang(run):
    """the same built with clang, warnings being errors there too"""
    failed = build(run, 'build-clang', 'clang')
    if failed:
        yield failed
    else:
        yield Case('build-clang', PASSED)
        yield from unit_tests(run, 'clang', 'build-clang')


def group_lab(run):
    """the test rig itself: private servers, the scripted peer, the delay proxy"""
    yield from python_tests(run, 'lab', ['lab/test_*.py', 'peer/test_*.py'])


def group_integration(run):
    """the program against real servers"""
    failed = build(run, 'build', 'gcc')
    if failed:
        yield failed
    else:
        yield from integration_tests(run, 'integration', 'build/posthaste')


def sanitized(run, group, sanitizer, folder):
    # What a sanitizer inserts makes gcc see things; warnings are errors in "unit" and "clang".
    failed = build(run, folder, 'gcc', f'-Db_sanitize={sanitizer}', '-Dwerror=false')
    if failed:
        yield failed
        return
    prefix, env = fixed_addresses(), {'PH_SANITIZER': sanitizer}
    yield from unit_tests(run, group, folder, prefix,
                          dict(env, ASAN_OPTIONS=SANITIZER_OPTIONS, TSAN_OPTIONS=SANITIZER_OPTIONS,
                               UBSAN_OPTIONS=SANITIZER_OPTIONS))
    yield from integration_tests(run, group, folder + '/posthaste', prefix, env)


def group_asan(run):
    """unit and integration tests under the address and undefined-behaviour sanitizers"""
    yield from sanitized(run, 'asan', 'address,undefined', 'build-asan')


def group_tsan(run):
    """unit and integration tests under the thread sanitizer"""
    yield from sanitized(run, 'tsan', 'thread', 'build-tsan')


def fuzz_targets():
    return sorted(os.path.basename(path)[5:-2] for path in glob.glob(os.path.join(ROOT, 'fuzz', 'fuzz_*.c')))


def fuzz_one(run, name, seconds):
    program = f'build-fuzz/fuzz/fuzz_{name}'
    if not os.path.exists(os.path.join(ROOT, program)):
        return Case(name, FAILED, f'fuzz/fuzz_{name}.c is not built: add it to fuzz/meson.build')
    found, seeds = f'.cache/fuzz/{name}', f'fuzz/corpus/{name}'
    os.makedirs(os.path.join(ROOT, found), exist_ok=True)
    argv = [*fixed_addresses(), program, f'-max_total_time={seconds}', '-timeout=10', '-rss_limit_mb=1024',
            '-print_final_stats=1', f'-artifact_prefix=.cache/fuzz/{name}-', found]
    argv += [seeds] if os.path.isdir(os.path.join(ROOT, seeds)) else []
    dictionary = f'fuzz/{name}.dict'
    argv += [f'-dict={dictionary}'] if os.path.exists(os.path.join(ROOT, dictionary)) else []
    status, output = run.command(argv, seconds + 300, run.environment(UBSAN_OPTIONS=SANITIZER_OPTIONS))
    return Case(name, PASSED if status == 0 else FAILED, output[-8000:])


def group_fuzz(run, only=None, seconds=None):
    """every fuzz target over its corpus, then on its own for a while"""
    targets = [name for name in fuzz_targets() if name == only or (only is None and run.wants('fuzz', name))]
    if not targets:
        return
    failed = build(run, 'build-fuzz', 'clang', '-Dfuzz=true', '-Db_sanitize=address,undefined',
                   '-Db_lundef=false', '-Dc_args=-fsanitize=fuzzer-no-link')
    if failed:
        yield failed
        return
    if seconds is None:
        seconds = 3600 if run.soak else min(30, 120 // len(targets))
    yield from side_by_side(run, lambda name: fuzz_one(run, name, seconds), targets)


EVERYDAY = ('unit', 'checks', 'lab', 'integration')    # what `./run test` runs when nothing is named: under ten minutes
GROUPS = {name[6:]: function for name, function in list(globals().items()) if name.startswith('group_')}


# --- the report -------------------------------------------------------------------------------------


def show(group, case):
    print(f'\n--- {case.status.upper()}: {group}: {case.name}')
    if case.text:
        print(case.text.strip())
    print('---', flush=True)


def run_group(run, group, function, strict):
    """Runs one group, prints its line and whatever failed, and returns its cases."""
    started, cases = time.monotonic(), []
    run.times.clear()
    print(f'{group:12} ', end='', flush=True)
    try:
        if started > run.deadline:
            raise TimeoutError('the time limit of the whole run was reached before this group')
        cases = list(function(run))
    except CannotRun as why:
        cases = [Case('the group', SKIPPED, str(why))]
    except TimeoutError as why:
        cases = [Case('the group', FAILED, str(why))]
    for case in cases:
        if strict and case.status == SKIPPED and not case.text.startswith(OPTIONAL):
            case.status, case.text = FAILED, 'skipped, and nothing may be here: ' + case.text
    counts = {status: sum(case.status == status for case in cases) for status in (PASSED, FAILED, SKIPPED)}
    line = ', '.join(f'{n} {status}' for status, n in counts.items() if n or status != SKIPPED)
    print(f'{line if cases else "nothing to run":40} {time.monotonic() - started:6.0f} s', flush=True)
    for seconds, name in sorted(run.times, reverse=True)[:5]:
        if seconds > SLOW:
            print(f'{"":13}{name:40} {seconds:6.0f} s')
    for case in cases:
        if case.status == FAILED:
            show(group, case)
    for reason in sorted({case.text for case in cases if case.status == SKIPPED}):
        print(f'{"":13}skipped: {reason}')
    return cases


def main():
    parser = argparse.ArgumentParser(prog='./run test', description='Run test groups: the everyday ones, those named, or "all".')
    parser.add_argument('group', nargs='*', help='GROUP, or GROUP/PART: only tests whose name has PART in it; or "all"')
    parser.add_argument('--list', action='store_true', help='name the groups and stop')
    parser.add_argument('--soak', action='store_true', help='the long checks whole, instead of a sample')
    parser.add_argument('--strict', action='store_true', help='what had to be skipped is a failure')
    parser.add_argument('--seed', type=int, default=int(os.environ.get('PH_SEED') or time.time_ns() // 1000 % 10**9))
    parser.add_argument('--limit', type=int, default=None, help='seconds for the whole run')
    parser.add_argument('--fuzz', action='store_true', help='the words are TARGET SECONDS: fuzz and nothing else')
    options = parser.parse_args()
    if options.limit is None:
        options.limit = 48 * 3600 if options.soak or options.fuzz else 70 * 60

    if options.list:
        for name, function in GROUPS.items():
            print(f'{name:12} {function.__doc__}')
        return 0

    run = Run(options)
    if options.fuzz:
        target = options.group[0] if options.group else None
        seconds = int(options.group[1]) if len(options.group) > 1 else 60
        if target and target not in fuzz_targets():
            parser.error(f'no fuzz target {target}: {", ".join(fuzz_targets()) or "there are none"}')
        chosen = {'fuzz': lambda run: group_fuzz(run, target, seconds)}
    else:
        every = options.strict or options.soak or options.group == ['all']
        for word in [] if options.group == ['all'] else options.group or ([] if every else EVERYDAY):
            group, _, part = word.partition('/')
            if group not in GROUPS:
                parser.error(f'no group {group}: {", ".join(GROUPS)}')
            run.only.setdefault(group, [])
            if part:
                run.only[group].append(part)
        chosen = {name: function for name, function in GROUPS.items() if not run.only or name in run.only}
        print(f'seed {run.seed} (to repeat this sample: PH_SEED={run.seed} ./run test …)', flush=True)
        if not every and not options.group:
            print(f'groups: {", ".join(EVERYDAY)}; "./run test all" adds {", ".join(sorted(set(GROUPS) - set(EVERYDAY)))}', flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell starts background jobs with Ctrl-C ignored, and children would inherit that: some are tested with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cases = []
    try:
        for group, function in chosen.items():
            cases += run_group(run, group, function, options.strict)
    except KeyboardInterrupt:
        print('\nstopped')
        return 130
    finally:
        run.children.end_all()

    counts = {status: sum(case.status == status for case in cases) for status in (PASSED, FAILED, SKIPPED)}
    if not cases:
        print('There was nothing to run.')
    line = f'{counts[PASSED]} passed, {counts[FAILED]} failed'
    print(line + (f', {counts[SKIPPED]} skipped' if counts[SKIPPED] else ''), flush=True)
    return 0 if counts[PASSED] and not counts[FAILED] else 1


if __name__ == '__main__':
    sys.exit(main())
