#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs mechanical mutants of C files (cmutants.py) against the host suites: do the tests notice?

    mutate.py [--files FILE...] [--only REGEX] [--sample N|all --seed S] [--jobs N]
    mutate.py --list | --show ID

Without files: the page allocator, as the Makefile's MUTANT_FILES says. Everything happens in a temporary copy of the tree. A
mutant is

    killed          a test failed, crashed, or did not come to an end
    survived        no test did, neither as gcc -O1 compiles it nor under AddressSanitizer and UndefinedBehaviorSanitizer
    equivalent      the object code is that of the original, at -O1 or at -O2: it is no mutant
    duplicate       the object code is that of an earlier mutant
    did not compile

For each mutant only the files that contain it are compiled, and only the tests that execute its statement are run (measured once
by gcov), the suites of --first before the others, tests that take long at the end. The first failure ends it. Time limits are in
processor time, many times what the test needs, so a busy machine kills nobody.

A sample takes of each file its share, by the seed and the file's name: another file's change does not move it.

The score is killed / (killed + survived). tests/mutants/survivors.txt lists survivors with the reason. An entry is one or more lines
`FILE :: FUNCTION :: MUTATION :: LINE`, as the report prints them, and the reason in indented lines below. A reason that begins
with "Equivalent:" says why no caller can tell it from the original: it counts like one that the compiler showed to be equal. All
others count as survivors. Listed ones are tried with the short tests only.

The exit status is 1 when the score is below --floor percent, and on a complete run also when a survivor is not listed or a listed
mutant does not exist any more; 2 when the tests fail without any mutant. Results: build/mutants.json and standard output.
"""

import argparse
import collections
import difflib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cmutants  # noqa: E402

SURVIVORS = "tests/mutants/survivors.txt"
LEFT_OUT = shutil.ignore_patterns(".git", "build", "*.o", "*.d", "*.img", "*.elf")
FAILED = re.compile(rb"(?:not ok\b|Bail out!)")
# A failed check is told before its test has ended.
FAILED_CHECK = re.compile(rb"# \S+:\d+: failed: ")
LONG = 0.5  # seconds: a test that takes longer runs last, and not under sanitizers
SANITIZERS_SLOW = 40  # how many times as long a test may take under them
OUTPUT_LIMIT = 64 << 20
SPARE_MEMORY = 1 << 30  # bytes resident, beside twice what the tests need
LISTED = "listed"
SURVIVED, KILLED, EQUIVALENT, DUPLICATE, STILLBORN = "survived", "killed", "equivalent", "duplicate", "did not compile"


class Broken(Exception):
    """Nothing can be said about mutants: the original fails, or a tool does."""


# ---- what the Makefile knows ---------------------------------------------------------------------------------------------


def read_config(lines):
    """`key: words` on each line."""
    config = {}
    for line in lines:
        if line.strip():
            key, _, words = line.partition(":")
            config[key.strip()] = words.split()
    missing = {"cc", "clang", "flags", "sanitize", "code", "main", "suites", "files"} - set(config)
    if missing:
        raise Broken("the configuration lacks " + ", ".join(sorted(missing)))
    return config


def make_config():
    run = subprocess.run(["make", "-s", "--no-print-directory", "mutants-config", "SUITE="], stdout=subprocess.PIPE, text=True,
                         check=False, env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")})
    if run.returncode:
        raise Broken("make mutants-config failed")
    return read_config(run.stdout.splitlines())


# ---- running a test program ------------------------------------------------------------------------------------------------


class Ended:
    """How a test program ended: why its tests fail, or None; what it used."""

    def __init__(self, why, seconds, memory):
        self.why, self.seconds, self.memory = why, seconds, memory


def resident(pid):
    """Bytes, or 0 when it has ended."""
    try:
        with open("/proc/%d/statm" % pid, encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def run_tests(program, names, seconds, memory, healthy=False):
    """Runs the tests `names` of the program. seconds of processor time and bytes of memory: far more than enough."""
    limit = int(seconds) + 1
    child = subprocess.Popen(["/bin/sh", "-c", "ulimit -c 0; ulimit -t %d; exec \"$@\"" % limit, "sh", program] + names,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    forced, over = [], threading.Event()

    def end(why):
        forced.append(why)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def watch():
        """Sleep takes no processor time, and a machine has only so much memory."""
        begin = time.monotonic()
        while not over.wait(0.1):
            if resident(child.pid) > memory:
                return end("memory without end")
            if time.monotonic() - begin > 60 + 20 * limit:
                return end("hang, asleep")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    why, size, planned, seen, current = None, 0, None, 0, ""
    with child.stdout:
        for line in child.stdout:
            size += len(line)
            if FAILED.match(line) or (FAILED_CHECK.match(line) and not healthy):
                why = line.decode(errors="replace").strip()
            elif size > OUTPUT_LIMIT:
                why = "output without end"
            elif line.startswith(b"1.."):
                planned = int(line[3:].split()[0])
            elif line.startswith(b"ok "):
                seen += 1
                current = line.decode(errors="replace").strip()
            if why:
                end(why)
                break
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status = os.waitstatus_to_exitcode(status)
    over.set()
    watcher.join()
    if forced:
        why = why or "%s after: %s" % (forced[0], current)
    elif status in (-signal.SIGXCPU, -signal.SIGKILL):
        why = "hang after: " + current
    elif status < 0:
        why = "signal %d after: %s" % (-status, current)
    elif status:
        why = "exit status %d after: %s" % (status, current)
    elif planned is None or planned != seen:
        why = "%d of %s results" % (seen, planned)
    return Ended(why, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


# ---- compilers -------------------------------------------------------------------------------------------------------------


class Build:
    """One way to compile: objects of the original below `folder`, of mutants wherever the caller says."""

    def __init__(self, folder, tree, command, config):
        self.folder, self.tree, self.command, self.config = folder, tree, command, config
        self.archive = os.path.join(folder, "libcode.a")
        self.others = {}  # {source: object of another build to use}

    def object_of(self, source):
        if source in self.others:
            return self.others[source]
        return os.path.join(self.folder, os.path.splitext(source)[0] + ".o")

    def program_of(self, suite):
        return os.path.join(self.folder, os.path.splitext(suite)[0])

    def compile(self, source, out, tree=None, more=()):
        """Whether `source` compiles; tree: where it is read."""
        os.makedirs(os.path.dirname(out), exist_ok=True)
        run = subprocess.run(self.command + list(more) + ["-c", source, "-o", out], cwd=tree or self.tree,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return run.returncode == 0, run.stdout.decode(errors="replace")

    def original(self, source, more=()):
        good, text = self.compile(source, self.object_of(source), more=more)
        if not good:
            raise Broken("%s does not compile:\n%s" % (source, text))

    def originals(self, pool, suites, more=()):
        sources = self.config["code"] + self.config["main"] + suites
        list(pool.map(lambda s: self.original(s, more), [s for s in sources if s not in self.others]))
        if os.path.exists(self.archive):
            os.remove(self.archive)
        subprocess.run(["ar", "rcs", self.archive] + [self.object_of(s) for s in self.config["code"]], check=True)

    def link(self, suite, out, changed=None):
        """changed: {source: object} to take instead of the original's; those of the archive must be part of the program."""
        changed = changed or {}
        objects = [changed.get(s, self.object_of(s)) for s in [suite] + self.config["main"]]
        objects += [o for s, o in changed.items() if s != suite and s not in self.config["main"]]
        run = subprocess.run(self.command + objects + [self.archive, "-o", out], cwd=self.tree, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
        if run.returncode:
            raise Broken("%s does not link:\n%s" % (suite, run.stdout.decode(errors="replace")[-2000:]))


def read_depends(path):
    """The files that a .d file names."""
    with open(path, encoding="utf-8") as f:
        text = f.read().replace("\\\n", " ")
    return set(os.path.normpath(word) for word in text.split("\n")[0].partition(":")[2].split())


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).digest()


# ---- what the tests execute --------------------------------------------------------------------------------------------------


class Test:
    """One SUITE:ID: which lines of which target file it executes (or perhaps everything), how long it takes."""

    def __init__(self, suite, name):
        self.suite, self.name = suite, name
        self.lines = collections.defaultdict(set)
        self.seconds, self.memory = 0.0, 0
        self.everything = False


class Coverage:
    """Line coverage of each test by gcov, in a build of its own without optimisation."""

    def __init__(self, build, targets, gcov):
        self.build, self.targets, self.gcov = build, set(targets), gcov
        self.known = collections.defaultdict(lambda: collections.defaultdict(set))  # file -> source -> lines with code
        self.linked = collections.defaultdict(set)  # suite -> sources of the archive that are part of it
        self.lock = threading.Lock()

    def run(self, test, program, sources, folder):
        """sources: the translation units that contain a target."""
        os.makedirs(folder)
        strip = len([p for p in self.build.folder.split(os.sep) if p])
        env = dict(os.environ, GCOV_PREFIX=folder, GCOV_PREFIX_STRIP=str(strip))
        run = subprocess.run([program, test.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env=env, check=False, timeout=600)
        # Some tests need an optimiser (a caller's address, say). Whether they pass is asked of the other build; here they may
        # have ended early, so they count as executing everything.
        test.everything = run.returncode != 0
        data = []
        for source in sources:
            base = os.path.splitext(source)[0]
            if os.path.exists(os.path.join(folder, base + ".gcda")):
                os.symlink(os.path.join(self.build.folder, base + ".gcno"), os.path.join(folder, base + ".gcno"))
                data.append((source, os.path.join(folder, base + ".gcda")))
        for source, path in data:
            out = subprocess.run([self.gcov, "--json-format", "--stdout", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 cwd=folder, check=True)
            with self.lock:
                self.linked[test.suite].add(source)
                self.read(test, source, json.loads(out.stdout))
        shutil.rmtree(folder)

    def read(self, test, source, report):
        for entry in report["files"]:
            path = os.path.normpath(entry["file"])
            if path in self.targets:
                for line in entry["lines"]:
                    self.known[path][source].add(line["line_number"])
                    if line["count"]:
                        test.lines[path].add(line["line_number"])


# ---- the run -----------------------------------------------------------------------------------------------------------------


class Outcome:
    def __init__(self, status, by=""):
        self.status, self.by = status, by


class Run:
    def __init__(self, options, config, scratch, known):
        self.options, self.config, self.scratch, self.known = options, config, scratch, known
        self.tree = os.path.join(scratch, "tree")
        shutil.copytree(options.tree, self.tree, ignore=LEFT_OUT, symlinks=True)
        self.texts = {}
        flags = [f for f in config["flags"] if not f.startswith("-W") and f != "-g"] + ["-w"]
        gcc, clang = config["cc"] + flags, config["clang"] + flags

        def build(name, command):
            return Build(os.path.join(scratch, name), self.tree, command, config)

        # Tail calls are no matter of speed here: a function that is one names its caller.
        self.plain = build("plain", gcc + ["-O1", "-foptimize-sibling-calls"])
        self.hard = build("hard", gcc + ["-O2"])
        self.checked = build("checked", clang + config["sanitize"])
        self.covered = build("covered", gcc + ["-O0", "--coverage"])
        self.pool = ThreadPoolExecutor(options.jobs)
        self.trees, self.trees_lock = [], threading.Lock()
        self.tests, self.depends, self.hard_ready = [], {}, {}
        self.hard_lock = threading.Lock()
        self.coverage = None
        self.started = time.monotonic()

    # ---- small things ----

    def text(self, path):
        if path not in self.texts:
            with open(os.path.join(self.tree, path), encoding="utf-8") as f:
                self.texts[path] = f.read()
        return self.texts[path]

    def say(self, what):
        if not self.options.quiet:
            print("# %4d s  %s" % (time.monotonic() - self.started, what), file=sys.stderr, flush=True)

    def borrow_tree(self):
        """A copy of the tree that nobody else changes meanwhile."""
        with self.trees_lock:
            if self.trees:
                return self.trees.pop()
            path = tempfile.mkdtemp(prefix="w", dir=self.scratch)
        os.rmdir(path)
        shutil.copytree(self.tree, path, symlinks=True)
        return path

    def give_tree(self, path):
        with self.trees_lock:
            self.trees.append(path)

    class Planted:
        """The mutant in a borrowed tree, for the length of a with."""

        def __init__(self, run, mutant):
            self.run, self.mutant = run, mutant

        def __enter__(self):
            self.tree = self.run.borrow_tree()
            self.put(self.mutant.apply(self.run.text(self.mutant.path)))
            return self.tree

        def __exit__(self, *_):
            self.put(self.run.text(self.mutant.path))
            self.run.give_tree(self.tree)

        def put(self, text):
            with open(os.path.join(self.tree, self.mutant.path), "w", encoding="utf-8") as f:
                f.write(text)

    # ---- the original ----

    def prepare(self, targets):
        """Builds the original, runs it, and learns which test executes what."""
        self.say("compiling the original")
        self.plain.originals(self.pool, self.config["suites"], more=["-MMD"])
        for source in self.config["code"] + self.config["main"] + self.config["suites"]:
            self.depends[source] = read_depends(os.path.splitext(self.plain.object_of(source))[0] + ".d")
        self.coverage = Coverage(self.covered, targets, self.options.gcov)
        sources = [s for s in self.depends if self.depends[s] & set(targets)]
        self.covered.others = {s: self.plain.object_of(s) for s in self.depends if s not in sources}
        self.covered.originals(self.pool, self.config["suites"])

        def link(suite):
            for build in (self.covered, self.plain):
                os.makedirs(os.path.dirname(build.program_of(suite)), exist_ok=True)
                build.link(suite, build.program_of(suite))
            listed = subprocess.run([self.plain.program_of(suite), "--list"], stdout=subprocess.PIPE, check=True,
                                    text=True).stdout
            # A suite whose name begins with _ is a fixture, and may fail.
            names = dict.fromkeys(line.split()[0] for line in listed.splitlines() if line[0] != "_")
            return [Test(suite, name) for name in names]

        self.say("what each test executes")
        self.tests = [test for tests in self.pool.map(link, self.config["suites"]) for test in tests]

        def measure(pair):
            number, test = pair
            # Whether a target is part of the program does not depend on the test.
            if test.suite not in strangers:
                self.coverage.run(test, self.covered.program_of(test.suite), sources,
                                  os.path.join(self.scratch, "gcov%d" % number))
                if not self.coverage.linked[test.suite] and not test.everything:
                    strangers.add(test.suite)

        strangers = set()
        list(self.pool.map(measure, enumerate(self.tests)))
        self.tests = [t for t in self.tests if t.suite not in strangers]
        self.tests = [t for t in self.tests if t.lines or t.everything]

        def clock(test):
            ended = run_tests(self.plain.program_of(test.suite), [test.name], 600, 8 << 30, healthy=True)
            if ended.why:
                raise Broken("%s fails without a mutant: %s" % (test.name, ended.why))
            test.seconds, test.memory = ended.seconds, ended.memory

        list(self.pool.map(clock, self.tests))
        first = {name: i for i, name in enumerate(self.options.first.split(","))}

        def rank(test):
            name = os.path.splitext(os.path.basename(test.suite))[0]
            return first.get(name, len(first)), name

        self.tests.sort(key=rank)

    def tests_of(self, mutant):
        """The tests that execute the mutant's statement."""
        path, known = mutant.path, set()
        for lines in self.coverage.known[mutant.path].values():
            known |= lines
        first, last = mutant.span
        wanted = known & set(range(first, last + 1))
        if not wanted and mutant.function:
            wanted = known & set(range(mutant.function.first, mutant.function.last + 1))
        if not mutant.function:
            return self.tests
        return [t for t in self.tests if t.everything or t.lines[path] & wanted]

    def includers(self, mutant):
        """The translation units whose code the mutant may change."""
        found = [s for s in self.depends if mutant.path in self.depends[s]]
        if not mutant.function or mutant.path in found:
            return found
        inside = set(range(mutant.function.first, mutant.function.last + 1))
        return [s for s in found if self.coverage.known[mutant.path][s] & inside]

    # ---- one mutant ----

    def folder_of(self, mutant, what):
        return os.path.join(self.scratch, what, mutant.id.replace("/", "_").replace(":", "_"))

    def compile_changed(self, mutant, build, sources, tree, folder):
        """{source: object} of those sources whose object code differs; None when one does not compile."""
        changed = {}
        for source in sources:
            out = os.path.join(folder, os.path.splitext(source)[0] + ".o")
            good, _ = build.compile(source, out, tree)
            if not good:
                return None
            if digest(out) == digest(build.object_of(source)):
                os.remove(out)
            else:
                changed[source] = out
        return changed

    def compile_mutant(self, mutant):
        """Sets mutant.changed, mutant.outcome when it is decided, mutant.code: what its code is known by."""
        mutant.outcome, mutant.changed = None, {}
        code, suites = [], []
        for source in self.includers(mutant):
            (suites if source in self.config["suites"] else code).append(source)
        mutant.suites = suites
        folder = self.folder_of(mutant, "plain-mutants")
        with Run.Planted(self, mutant) as tree:
            mutant.changed = self.compile_changed(mutant, self.plain, code, tree, folder)
            # Only a test's own code may show it: a suite is slow to compile, and else waits until it is needed.
            if mutant.changed == {}:
                mutant.changed = self.compile_changed(mutant, self.plain, suites, tree, folder)
                mutant.suites = []
        if mutant.changed is None:
            mutant.outcome = Outcome(STILLBORN)
        elif not mutant.changed:
            mutant.outcome = Outcome(EQUIVALENT, "-O1")
        else:
            mutant.code = tuple(sorted((s, digest(o)) for s, o in mutant.changed.items()))
        return mutant

    def same_hard(self, mutant):
        """Whether the code is the original's at -O2, in every translation unit."""
        sources = self.includers(mutant)
        with self.hard_lock:
            for source in sources:
                if source not in self.hard_ready:
                    self.hard.original(source)
                    self.hard_ready[source] = True
        with Run.Planted(self, mutant) as tree:
            changed = self.compile_changed(mutant, self.hard, sources, tree, self.folder_of(mutant, "hard-mutants"))
        shutil.rmtree(self.folder_of(mutant, "hard-mutants"), ignore_errors=True)
        return changed == {}

    def try_tests(self, mutant, build, tests, changed, slow_factor):
        """Why one of the tests fails, or None. tests: of any suites, in the order in which to run."""
        program = self.folder_of(mutant, "programs")
        os.makedirs(os.path.dirname(program), exist_ok=True)
        rounds = [[t for t in tests if t.seconds <= LONG], [t for t in tests if t.seconds > LONG]]
        for part in rounds:
            for suite in dict.fromkeys(t.suite for t in part):
                mine = [t for t in part if t.suite == suite]
                if suite in mutant.suites and suite not in changed:
                    out = os.path.join(self.folder_of(mutant, os.path.basename(build.folder) + "-mutants"),
                                       os.path.splitext(suite)[0] + ".o")
                    with Run.Planted(self, mutant) as tree:
                        good, text = build.compile(suite, out, tree)
                    if not good:
                        raise Broken("%s does not compile with %s:\n%s" % (suite, mutant.id, text))
                    changed[suite] = out
                parts = {s: o for s, o in changed.items()
                         if s == suite or s in self.config["main"] or s in self.coverage.linked[suite] and
                         s not in self.config["suites"]}
                build.link(suite, program, parts)
                seconds, memory = sum(t.seconds for t in mine), max(t.memory for t in mine)
                why = run_tests(program, [t.name for t in mine], 1 + slow_factor * seconds, SPARE_MEMORY + 2 * memory).why
                os.remove(program)
                if why:
                    return "%s: %s" % (os.path.splitext(os.path.basename(suite))[0], why)
        return None

    def judge(self, mutant):
        """The first chance: every test, as gcc compiles it; the short ones for a survivor that is known."""
        tests = self.tests_of(mutant)
        if mutant.key in self.known or self.options.quick:
            tests = [t for t in tests if t.seconds <= LONG] or tests
        if not tests:
            mutant.outcome = Outcome(SURVIVED, "no test executes it")
        else:
            why = self.try_tests(mutant, self.plain, tests, dict(mutant.changed), 10)
            mutant.outcome = Outcome(KILLED, why) if why else Outcome(SURVIVED, "%d tests pass" % len(tests))
        if mutant.outcome.status == SURVIVED and mutant.key not in self.known:
            self.say("so far alive: %s  %s" % (mutant.id, mutant.describe()))
        shutil.rmtree(self.folder_of(mutant, "plain-mutants"), ignore_errors=True)

    def compare_hard(self, mutant):
        """Whether the mutant is one."""
        if self.same_hard(mutant):
            mutant.outcome = Outcome(EQUIVALENT, "-O2")
            return False
        return True

    def short_of(self, mutant):
        """The tests that are run under sanitizers."""
        tests = self.tests_of(mutant)
        return [t for t in tests if t.seconds <= LONG] or tests

    def check_sanitized(self, tests):
        """A test that fails in this build without a mutant would kill every one of them."""
        def check(suite):
            mine = [t for t in tests if t.suite == suite]
            os.makedirs(os.path.dirname(self.checked.program_of(suite)), exist_ok=True)
            self.checked.link(suite, self.checked.program_of(suite))
            seconds, memory = sum(t.seconds for t in mine), max(t.memory for t in mine)
            ended = run_tests(self.checked.program_of(suite), [t.name for t in mine], 1 + SANITIZERS_SLOW * seconds,
                              SPARE_MEMORY + 2 * memory, healthy=True)
            if ended.why:
                raise Broken("%s fails under sanitizers without a mutant: %s" % (suite, ended.why))

        list(self.pool.map(check, dict.fromkeys(t.suite for t in tests)))

    def judge_again(self, mutant):
        """The second: is it any different, and do the sanitizers see what it does?"""
        if not self.compare_hard(mutant):
            return
        quick = self.short_of(mutant)
        if not quick:
            return
        sources = [s for s in self.includers(mutant) if s not in self.config["suites"]]
        mutant.suites = [s for s in self.includers(mutant) if s in self.config["suites"]]
        folder = self.folder_of(mutant, "checked-mutants")
        changed = {}
        with Run.Planted(self, mutant) as tree:
            for source in sources:
                out = os.path.join(folder, os.path.splitext(source)[0] + ".o")
                good, _ = self.checked.compile(source, out, tree)
                if not good:
                    return
                changed[source] = out
        why = self.try_tests(mutant, self.checked, quick, changed, SANITIZERS_SLOW)
        if why:
            mutant.outcome = Outcome(KILLED, "sanitizers, " + why)
        shutil.rmtree(folder, ignore_errors=True)

    # ---- all of them ----

    def each(self, what, mutants, job):
        """job(mutant) for all, with a line now and then."""
        done, told = 0, time.monotonic()
        for _ in self.pool.map(job, mutants):
            done += 1
            if time.monotonic() - told > 30:
                told = time.monotonic()
                self.say("%s: %d of %d" % (what, done, len(mutants)))

    def go(self, mutants):
        self.prepare(sorted(set(m.path for m in mutants)))
        self.say("compiling %d mutants" % len(mutants))
        self.each("compiled", mutants, self.compile_mutant)
        first = {}
        for m in mutants:
            if m.outcome is None:
                if m.code in first:
                    m.outcome = Outcome(DUPLICATE, first[m.code].id)
                else:
                    first[m.code] = m
        alive = [m for m in mutants if m.outcome is None]
        self.say("running the tests on %d" % len(alive))
        self.each("tested", alive, self.judge)
        alive = [m for m in alive if m.outcome.status == SURVIVED and m.key not in self.known]
        if alive and self.options.quick:
            self.each("compared", alive, self.compare_hard)
        elif alive:
            self.say("sanitizers for %d" % len(alive))
            self.checked.originals(self.pool, sorted(set(t.suite for m in alive for t in self.tests_of(m))))
            self.check_sanitized([t for t in self.tests if any(t in self.short_of(m) for m in alive)])
            self.each("tested", alive, self.judge_again)


# ---- survivors that are known ------------------------------------------------------------------------------------------------


def read_survivors(path):
    """{key: reason}"""
    reasons, keys, reason = {}, [], []
    lines = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()

    def flush():
        for key in keys:
            if key in reasons:
                raise Broken("%s: twice: %s" % (path, key))
            if not reason:
                raise Broken("%s: no reason: %s" % (path, key))
            reasons[key] = " ".join(reason)

    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            reason.append(line.strip())
            continue
        if reason:
            flush()
            keys, reason = [], []
        keys.append(line.strip())
    flush()
    return reasons


# ---- telling -----------------------------------------------------------------------------------------------------------------


def show(mutant, text):
    old, new = text.splitlines(True), mutant.apply(text).splitlines(True)
    return "".join(difflib.unified_diff(old, new, mutant.path, mutant.path + " (mutant)", n=3))


def percent(killed, survived):
    return 100.0 * killed / (killed + survived) if killed + survived else 100.0


def report(options, mutants, known, complete, scope):
    """Prints and writes what came out; returns the exit status."""
    for m in mutants:
        if m.outcome.status == SURVIVED and known.get(m.key, "").startswith("Equivalent:"):
            m.outcome = Outcome(EQUIVALENT, LISTED)
    count = collections.Counter(m.outcome.status for m in mutants)
    by_file = {}
    for m in mutants:
        by_file.setdefault(m.path, collections.Counter())[m.outcome.status] += 1
    survivors = [m for m in mutants if m.outcome.status == SURVIVED]
    listed = len([m for m in mutants if m.key in known and m.outcome.by == LISTED])
    unlisted = [m for m in survivors if m.key not in known]
    every = {m.key for m in scope}
    files = {m.path for m in scope}
    gone = sorted(k for k in known if k not in every and (complete or k.split(" :: ")[0] in files))
    killed_now = sorted(m.key for m in mutants if m.key in known and m.outcome.status != SURVIVED and m.outcome.by != LISTED)
    score = percent(count[KILLED], count[SURVIVED])

    print("%-22s %7s %7s %9s %11s %10s %12s %8s" % ("file", "mutants", "killed", "survived", "equivalent", "duplicate",
                                                   "not compiled", "score"))
    for path, c in list(by_file.items()) + [("all", count)]:
        print("%-22s %7d %7d %9d %11d %10d %12d %6.1f %%" % (path, sum(c.values()), c[KILLED], c[SURVIVED], c[EQUIVALENT],
                                                            c[DUPLICATE], c[STILLBORN], percent(c[KILLED], c[SURVIVED])))
    if unlisted:
        print("\nsurvivors that %s does not list:" % SURVIVORS)
        for m in unlisted:
            print("%s\n\t%s (%s)" % (m.key, m.id, m.outcome.by))
    for title, keys in (("listed, but no such mutant exists", gone), ("listed, but no survivor", killed_now)):
        if keys:
            print("\n%s:" % title)
            for key in keys:
                print(key)
    print("\n%d mutants: %d killed, %d survived (%d of them listed): %.1f %%, wanted %.1f %%; %d equivalent (%d by the list)" %
          (len(mutants), count[KILLED], count[SURVIVED], len(survivors) - len(unlisted), score, options.floor,
           count[EQUIVALENT], listed))

    if options.json:
        os.makedirs(os.path.dirname(options.json) or ".", exist_ok=True)
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({
                "score": round(score, 2), "floor": options.floor, "complete": complete,
                "count": {s: count[s] for s in (KILLED, SURVIVED, EQUIVALENT, DUPLICATE, STILLBORN)},
                "mutants": [{
                    "id": m.id, "file": m.path, "line": m.line, "function": m.function.name if m.function else None,
                    "kind": m.kind, "mutation": m.describe(), "status": m.outcome.status, "by": m.outcome.by,
                    **({"reason": known[m.key]} if m.key in known and (m.outcome.status == SURVIVED or m.outcome.by == LISTED) else {}),
                } for m in mutants],
            }, f, indent=1)
            f.write("\n")
    if score < options.floor:
        return 1
    return 1 if complete and (unlisted or gone) else 0


def sample_size(text):
    return None if text == "all" else int(text)


def sample(mutants, size, seed):
    """`size` of them, of each file its share."""
    by_file, chosen, before = {}, [], 0
    for m in mutants:
        by_file.setdefault(m.path, []).append(m)
    for path, mine in by_file.items():
        behind = before + len(mine)
        share = size * behind // len(mutants) - size * before // len(mutants)
        indices = random.Random("%d %s" % (seed, path)).sample(range(len(mine)), share)
        chosen += [mine[i] for i in sorted(indices)]
        before = behind
    return chosen


def main():
    parser = argparse.ArgumentParser(description="mechanical mutants against the host suites")
    parser.add_argument("--files", nargs="+", default=[], help="instead of the Makefile's MUTANT_FILES")
    parser.add_argument("--only", help="mutants whose ID or description this regular expression finds")
    parser.add_argument("--sample", type=sample_size, help="so many, chosen by --seed; or all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--floor", type=float, default=95.0, help="percent that must be killed")
    parser.add_argument("--quick", action="store_true", help="without tests that take long, and without sanitizers")
    parser.add_argument("--first", default="buddy,frames", help="suites that run before the others")
    parser.add_argument("--gcov", default="gcov")
    parser.add_argument("--tree", default=".", help="the tree to copy")
    parser.add_argument("--config", help="a file with what `make mutants-config` prints")
    parser.add_argument("--json", default="build/mutants.json")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--list", action="store_true", help="the mutants, and no more")
    parser.add_argument("--show", metavar="ID", help="one mutant as a difference, and no more")
    options = parser.parse_args()

    if options.config:
        with open(options.config, encoding="utf-8") as f:
            config = read_config(f)
    else:
        config = make_config()
    targets = options.files or config["files"]
    scratch, run = tempfile.mkdtemp(prefix="mutants-"), None
    try:
        known = read_survivors(os.path.join(options.tree, SURVIVORS))
        run = Run(options, config, scratch, known)
        scope = [m for path in targets for m in cmutants.mutants_of(path, run.text(path))[0]]
        mutants = scope
        if options.show:
            found = [m for m in scope if m.id == options.show]
            if not found:
                raise Broken("no such mutant: " + options.show)
            print(show(found[0], run.text(found[0].path)), end="")
            return 0
        if options.only:
            mutants = [m for m in mutants if re.search(options.only, m.id) or re.search(options.only, m.key)]
        if options.sample is not None and options.sample < len(mutants):
            mutants = sample(mutants, options.sample, options.seed)
        if options.list:
            for m in mutants:
                print("%s  %s  %s" % (m.id, m.kind, m.describe()))
            return 0
        if not mutants:
            raise Broken("no mutants")
        run.go(mutants)
        complete = len(mutants) == len(scope) and not options.files and not options.quick
        return report(options, mutants, known, complete, scope)
    finally:
        if run:
            run.pool.shutdown(cancel_futures=True)
        shutil.rmtree(scratch, ignore_errors=True)


def stop(number, _):
    """So that the temporary copy goes, too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(main())
    except Broken as broken:
        print("mutate.py: %s" % broken, file=sys.stderr)
        sys.exit(2)
    except cmutants.Unreadable as unreadable:
        print("mutate.py: %s" % unreadable, file=sys.stderr)
        sys.exit(2)
