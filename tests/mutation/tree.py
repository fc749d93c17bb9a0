"""Copies of the source tree that can be changed, built and tested apart from it."""
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / 'build' / 'mutate'
NOT_TESTS = ('lint/',)


def run(command, cwd, env=None, output=subprocess.DEVNULL, cpu=None, wall=None):
    """Its exit status, or 'time' where it took more than `cpu` or `wall` seconds. What it started ends with it."""
    def limit():
        os.setsid()
        if cpu:
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu) + 2))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 32, 1 << 32))
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                               preexec_fn=limit)
    try:
        status = process.wait(wall)
    except subprocess.TimeoutExpired:
        status = 'time'
    except BaseException:
        _end(process)
        raise
    _end(process)
    return 'time' if status == -signal.SIGXCPU else status


def _end(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Test:
    """A test of any copy: what its command says of the copy that it was read from is moved to the one that it runs in."""

    def __init__(self, entry, tree):
        self.name, self.command, self.tree = entry['name'], entry['command'], tree
        self.targets = [os.path.relpath(word, tree.build) for word in self.command if word.startswith(f'{tree.build}/')]
        labels = {p['name']: p['value'] for p in entry.get('properties', [])}.get('LABELS', [])
        self.sanitized = bool({'unit', 'kernel', 'grad', 'fault'} & set(labels))

    def command_in(self, tree):
        return [word.replace(f'{self.tree.path}/', f'{tree.path}/') for word in self.command]


class Tree:
    """One copy, in build/mutate/NAME, with its own build."""

    def __init__(self, name, flags):
        self.path, self.flags = WORK / name, flags
        self.build = self.path / 'build' / 'it'

    def update(self):
        """Bring the copy to what the working tree holds now; configured, not built."""
        listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard', '-z'], cwd=ROOT, capture_output=True, check=True)
        files = [f for f in listed.stdout.decode().split('\0') if f and (ROOT / f).is_file()]
        for file in files:
            self.restore(file)
        there = subprocess.run(['find', '.', '-path', './build', '-prune', '-o', '-type', 'f', '-print'], cwd=self.path,
                               capture_output=True, check=True).stdout.decode().split('\n')
        for file in set(f[2:] for f in there if f) - set(files):
            (self.path / file).unlink()
        self._ninja_or_fail(['cmake', '-S', '.', '-B', str(self.build), '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release', '-DANET_TESTS=ON',
                             f'-DCMAKE_C_FLAGS_RELEASE={self.flags}', '-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=gold'])

    def restore(self, file):
        source, copy = ROOT / file, self.path / file
        if copy.exists() and source.read_bytes() == copy.read_bytes():
            return
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
        os.utime(copy)

    def write(self, file, text):
        (self.path / file).write_text(text)

    def build_all(self):
        self._ninja_or_fail(['ninja', '-C', str(self.build)])

    def make(self, targets, log=subprocess.DEVNULL):
        return run(['ninja', '-C', str(self.build)] + targets, self.path, output=log, wall=600) == 0

    def _ninja_or_fail(self, command):
        log = WORK / 'build.log'
        with open(log, 'w') as out:
            if run(command, self.path, output=out):
                raise SystemExit(f'mutate: {" ".join(command)} failed; see {log}')

    def tests(self):
        shown = subprocess.run(['ctest', '--test-dir', str(self.build), '--show-only=json-v1'], capture_output=True, check=True)
        entries = json.loads(shown.stdout)['tests']
        return [Test(e, self) for e in entries if 'command' in e and not e['name'].startswith(NOT_TESTS)]

    def environment(self, **more):
        keep = {k: v for k, v in os.environ.items() if not k.startswith('ANET_')}
        return dict(keep, ANET_TUNE='off', ANET_LUA=str(self.path), **more)

    def object_of(self, file):
        base = 'anet_host' if file.startswith('core/host/') else 'anet_objects'
        if file in ('core/host/main.c', 'core/host/repl.c'):
            base = 'anet'
        return f'CMakeFiles/{base}.dir/{file}.o'

    def try_test(self, test, cpu, wall, log=subprocess.DEVNULL, **env):
        """'passed', 'failed' or 'time', and the seconds it took."""
        began = time.monotonic()
        status = run(test.command_in(self), self.path, self.environment(**env), log, cpu, wall)
        verdict = 'passed' if status == 0 else 'time' if status == 'time' else 'failed'
        return verdict, time.monotonic() - began
