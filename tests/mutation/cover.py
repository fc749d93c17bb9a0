"""Which test runs which line: gcov for C, the lines hook (lua_lines.c) for Lua."""
import collections
import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tree import ROOT, WORK, Tree

FLAGS = '-O0 -UNDEBUG --coverage -fprofile-update=atomic'
STORE = WORK / 'cover.json'


def _hash(paths):
    h = hashlib.sha1()
    for path in sorted(paths):
        h.update(str(path.relative_to(ROOT)).encode() + b'\0' + path.read_bytes())
    return h.hexdigest()


def _files(names):
    for name in names:
        path = ROOT / name
        yield from (p for p in path.rglob('*') if p.is_file()) if path.is_dir() else [path]


def sources():
    """All C and Lua files whose lines count."""
    c = [p for p in ROOT.glob('core/*/*.c') if not p.name.startswith('neon') and p.name != 'stb.c']
    lua = list(ROOT.glob('lua/**/*.lua')) + list(ROOT.glob('policies/*/*.lua'))
    return sorted(str(p.relative_to(ROOT)) for p in c + lua)


class Cover:
    """tests: name -> {seconds, ok, lines: {file: [line, …]}}; active: file -> the lines that have code."""

    def __init__(self, tests, active):
        self.tests, self.active = tests, {f: set(lines) for f, lines in active.items()}
        self.by_line = collections.defaultdict(lambda: collections.defaultdict(set))
        for name, test in tests.items():
            for file, lines in test['lines'].items():
                for line in lines:
                    self.by_line[file][line].add(name)

    def of(self, file, first, last):
        """The tests that run any line of a span; of the line before it with code, where none is known to run it (what
        ends its process is not on record) or where it has none; of the whole file, where it is a table of C; of the
        files with its first word in their names, where they are all tables."""
        active = self.active.get(file, set())
        if not active:
            kin = file.rsplit('.', 1)[0].split('_')[0]
            return set().union(*(names for f, lines in self.by_line.items() if f.startswith(kin) for names in lines.values()))
        lines = [k for k in range(first, last + 1) if k in active]
        found = set().union(*(self.by_line[file][k] for k in lines))
        if lines or file.endswith('.lua'):
            for k in sorted((k for k in active if first - 6 <= k < first), reverse=True):
                found = found or self.by_line[file][k]
        return found or set().union(*(self.by_line[file][k] for k in active))


def _lua_file(chunk):
    """The file of a chunk; policies that came with the program are named without their folder."""
    found = re.search(r'((?:lua|policies)/[\w./-]+\.lua)$', chunk)
    if found:
        return found.group(1)
    built_in = list(ROOT.glob(f'policies/*/{chunk[1:]}.lua')) if re.fullmatch(r'=\w+', chunk) else []
    return str(built_in[0].relative_to(ROOT)) if built_in else None


def _read_lua(folder, lines):
    for path in folder.glob('*.lines'):
        for row in path.read_text(errors='replace').splitlines():
            chunk, _, line = row.rpartition(':')
            file = _lua_file(chunk)
            if file and (ROOT / file).is_file():
                lines[file].add(int(line))


def _read_gcov(tree, folder, lines, active):
    data = list(folder.rglob('*.gcda'))
    for path in data:
        notes = Path('/' + str(path.relative_to(folder))).with_suffix('.gcno')
        if notes.exists() and not path.with_suffix('.gcno').exists():
            os.link(notes, path.with_suffix('.gcno'))
    wanted = [str(p) for p in data if '/core/' in str(p) and p.with_suffix('.gcno').exists()]
    if not wanted:
        return
    # One JSON object a line, one line a file.
    out = subprocess.run(['gcov', '--json-format', '--stdout'] + wanted, cwd=tree.path, capture_output=True).stdout
    for row in out.splitlines():
        for file in json.loads(row)['files']:
            name = os.path.relpath(os.path.join(tree.path, file['file']), tree.path)
            if not name.startswith('core/'):
                continue
            for line in file['lines']:
                active[name].add(line['line_number'])
                if line['count'] > 0:
                    lines[name].add(line['line_number'])


def _measure(tree, test, shim):
    folder = WORK / 'cover' / test.name.replace('/', '_')
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    preload = {'LD_PRELOAD': str(shim)}
    with open(folder / 'output', 'w') as log:
        verdict, seconds = tree.try_test(test, 900, 1800, log, ANET_LINES=str(folder), GCOV_PREFIX=str(folder), **preload)
    lines, active = collections.defaultdict(set), collections.defaultdict(set)
    _read_lua(folder, lines)
    _read_gcov(tree, folder, lines, active)
    log_text = (folder / 'output').read_text(errors='replace')[-2000:]
    shutil.rmtree(folder)
    return {'seconds': seconds, 'ok': verdict == 'passed', 'end': log_text if verdict != 'passed' else '',
            'lines': {f: sorted(k) for f, k in lines.items()}}, active


def _active_lua(tree):
    active = collections.defaultdict(set)
    files = [s for s in sources() if s.endswith('.lua')]
    out = subprocess.run([str(tree.build / 'anet'), 'tests/mutation/active_lines.lua'] + files, cwd=tree.path, capture_output=True,
                         check=True, env=tree.environment()).stdout.decode()
    for row in out.splitlines():
        file, _, line = row.rpartition(':')
        active[file].add(int(line))
    return active


def _load(fresh):
    """What was measured, with its lines moved to where they are now."""
    if fresh or not STORE.exists():
        return {'tests': {}, 'active': {}}
    old = json.loads(STORE.read_text())
    for file, before in old['texts'].items():
        now = _text(file)
        if now == before:
            continue
        matcher = difflib.SequenceMatcher(None, before, now, autojunk=False)
        moved = {b.a + k + 1: b.b + k + 1 for b in matcher.get_matching_blocks() for k in range(b.size)}
        for lines in [old['active']] + [t['lines'] for t in old['tests'].values()]:
            if file in lines:
                lines[file] = [moved[k] for k in lines[file] if k in moved]
    return old


def _text(file):
    path = ROOT / file
    return path.read_text().split('\n') if path.exists() else []


def measure(jobs, say, fresh=False):
    """The Cover of the working tree. Tests that have not changed are measured again only when all are to be fresh."""
    old = _load(fresh)
    known, active = old['tests'], {f: set(k) for f, k in old['active'].items()}
    tree = Tree('cover', FLAGS)
    tree.update()
    say('coverage: building')
    tree.build_all()
    tests = tree.tests()
    keys = {t.name: key_of(t) for t in tests}
    todo = [t for t in tests if known.get(t.name, {}).get('key') != keys[t.name]]
    known = {t.name: known[t.name] for t in tests if t.name in known}
    if todo:
        say(f'coverage: {len(todo)} of {len(tests)} tests')
        shim = WORK / 'lua_lines.so'
        subprocess.run(['sh', '-c', f'cc -O2 -shared -fPIC $(pkg-config --cflags luajit) -o {shim} tests/mutation/lua_lines.c -ldl'],
                       cwd=ROOT, check=True)
        active.update(_active_lua(tree))
        todo.sort(key=lambda t: t.name)
        with ThreadPoolExecutor(jobs) as pool:
            for test, (result, lines) in zip(todo, pool.map(lambda t: _measure(tree, t, shim), todo)):
                known[test.name] = dict(result, key=keys[test.name])
                for file, k in lines.items():
                    active.setdefault(file, set()).update(k)
                say(f'coverage: {test.name} {result["seconds"]:.1f} s' + ('' if result['ok'] else ' FAILED when measured'))
    STORE.write_text(json.dumps({'tests': known, 'active': {f: sorted(k) for f, k in active.items()},
                                 'texts': {f: _text(f) for f in sources()}}))
    return Cover(known, active)


def key_of(test):
    """Changes where the test's own file does."""
    return _hash(_files([w for w in _words(test) if (ROOT / w).is_file()]))


def _words(test):
    """The source files that a test's command names."""
    words = [w for w in test.command if not w.startswith('/')]
    name = Path(test.command[0]).name
    return words + [f'tests/{kind}/{name}.c' for kind in ('unit', 'kernel', 'grad', 'fault', 'host')] + \
        ['/'.join(w.split('/')[-3:]) for w in test.command if '/tests/' in w]
