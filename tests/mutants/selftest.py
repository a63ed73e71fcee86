#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks the mutants' tools themselves, as TAP: which changes are made to known lines of C, and what is said of a small project
whose tests are known to miss some of them."""

import json
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cmutants  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))

# (what it shows, the body of int f(int a, int b), the mutants of it)
SNIPPETS = [
    ("comparisons", "return a < b;", ["a < b -> 0", "< -> <=", "< -> >="]),
    ("equality, and a condition that is nothing else", "if (a == 1) g();",
     ["== -> !=", "1 -> 2", "1 -> 0", "dropped: g()"]),
    ("a condition of two parts", "if (a && b != 0) g();",
     ["negated: a && b != 0", "&& -> ||", "!= -> ==", "0 -> 1", "dropped: g()"]),
    ("not", "if (!a) g();", ["! dropped", "dropped: g()"]),
    ("loops", "while (a) g(); do g(); while (b); for (;;) break; for (; a;) continue;",
     ["negated: a", "dropped: g()", "dropped: g()", "negated: b", "dropped: break", "negated: a", "dropped: continue"]),
    ("the hint is no part of the condition", "if (likely(a < 7)) g();",
     ["negated: likely(a < 7)", "< -> <=", "< -> >=", "7 -> 8", "7 -> 6", "dropped: g()"]),
    ("assignments", "a += 0x0f; b |= ~a; a <<= b; a++;",
     ["dropped: a += 0x0f", "+= -> -=", "0x0f -> 0x10", "0x0f -> 0xe", "dropped: b |= ~a", "|= -> &=", "~ dropped",
      "dropped: a <<= b", "<<= -> >>=", "dropped: a++", "++ -> --"]),
    ("pointers, addresses and signs are no operators of two sides",
     "int *p = &a; *p = -b; g(&a, *p, (uint64_t)~b, (unsigned)-a, (struct x *)p);",
     ["dropped: *p = -b", "- dropped", "dropped: g(&a, *p, (uint64_t)~b, (unsigned)-a, (struct x *)p)", "~ dropped", "- dropped"]),
    ("operators of two sides", "int c = (a) * b + a / b % a - (b ^ a) - (a & b) >> 3;",
     ["* -> /", "+ -> -", "/ -> *", "% -> /", "- -> +", "^ -> |", "- -> +", "& -> |", ">> -> <<", "3 -> 4", "3 -> 2"]),
    ("a declaration is not dropped, nor is the size of an array changed", "int c[4]; char d; struct x *y = g(2);", ["2 -> 3", "2 -> 1"]),
    ("suffixes and zero", "a = 10UL + 0u;", ["dropped: a = 10UL + 0u", "10UL -> 11UL", "10UL -> 9UL", "+ -> -", "0u -> 1u"]),
    ("what is only said", 'log_error("%d < %d\\n", a + 1, b); panic("1 + 1");',
     ['dropped: log_error("%d < %d\\n", a + 1, b)', 'dropped: panic("1 + 1")']),
    ("comments, strings, characters", "a = '1'; /* a + b < 2 */ g(\"1 + 2\"); // a < b",
     ["dropped: a = '1'", 'dropped: g("1 + 2")']),
    ("the preprocessor", "\n#define X (1 + \\\n\t2)\n#if 1 < 2\ng();\n#endif\n", ["dropped: g()"]),
    ("assertions and assembly", '_Static_assert(1 + 1 == 2, "x"); __asm__ volatile("nop" : "=r"(a) : "r"(b + 1));', []),
    ("labels and switches", "switch (a) { case 3: g(); break; default: goto out; } out: g();",
     ["3 -> 4", "3 -> 2", "dropped: g()", "dropped: break", "dropped: goto out", "dropped: g()"]),
    ("choices", "a = b ? 1 : 2;", ["dropped: a = b ? 1 : 2", "negated: b", "1 -> 2", "1 -> 0", "2 -> 3", "2 -> 1"]),
    ("results", "if (a) return MM_OK; return MM_EINVAL;", ["negated: a", "MM_OK -> -1", "MM_EINVAL -> 0"]),
    ("a constant result is a constant", "return 0;", ["0 -> 1"]),
]

CODE_H = """
static inline int twice(int x)
{
	return x + x;
}
int add(int a, int b);
int never(int a);
int same(int a);
int count(int n);
int at(const int *p, int i);
int shown(int a);
"""
CODE_C = """
#include "code.h"
#define TEN 10
int add(int a, int b)
{
	return a + b;
}
int never(int a)
{
	return a - TEN;
}
int same(unsigned a)
{
	return (int)(a % 4 == (a & 3));
}
int count(int n)
{
	volatile int left = n;
	int steps = 0;

	while (left) {
		left--;
		steps++;
	}
	return steps;
}
static const int table[3] = { 2, 4, 8 };
int at(const int *p, int i)
{
	int v = 0;

	if (i >= 0 && i < 3)
		v = table[i];
	return v + *p * 0;
}
int shown(int a)
{
	a = a;
	return a ? TEN : 20;
}
""".replace("int same(unsigned a)", "int same(int a)").replace("a % 4 == (a & 3)", "a >= 0 || a < 0 || a == 7")
MAIN_C = r"""
int tests_main(int argc, char **argv);
int main(int argc, char **argv)
{
	return tests_main(argc, argv);
}
"""
SUITE_C = r"""
#include "code.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int test_add(void) { return add(2, 3) == 5 && twice(4) == 8; }
static int test_count(void) { return count(5) == 5 && count(0) == 0; }
static int test_at(void)
{
	int *zero = calloc(1, sizeof(int)), good = at(zero, 0) == 2 && at(zero, 1) == 4 && at(zero, -1) == 0;

	/* Whether at(3) reads behind the table shows to AddressSanitizer alone. */
	at(zero, 3);
	free(zero);
	return good && same(3) && same(-3);
}
static int test_shown(void) { return shown(1) == 10 && BROKEN; }
int tests_main(int argc, char **argv);
int tests_main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(void); } tests[] = {
		{ "s:A1", test_add }, { "s:A2", test_count }, { "s:A3", test_at }, { "s:A4", test_shown },
	};
	int failed = 0, planned = 0, number = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (int i = 0; i < 4; i++)
			printf("%s a title\n", tests[i].name);
		return 0;
	}
	for (int i = 0; i < 4; i++)
		for (int k = 1; k < argc; k++)
			planned += !strcmp(argv[k], tests[i].name);
	printf("TAP version 13\n1..%d\n", planned);
	for (int i = 0; i < 4; i++)
		for (int k = 1; k < argc; k++)
			if (!strcmp(argv[k], tests[i].name)) {
				int good = tests[i].run();

				failed += !good;
				printf("%s %d - a title\n", good ? "ok" : "not ok", ++number);
			}
	return failed != 0;
}
"""
CONFIG = """cc: gcc
clang: %s
flags: -std=gnu17 -I. -g -Wall -Werror -DBROKEN=1
sanitize: -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
code: src/code.c
main: src/main.c
suites: src/s.c
files: src/code.c src/code.h
"""
# What is to be said of each mutant: (function, mutation) -> (status, a part of the reason)
WANTED = {
    ("twice", "x + x -> 0"): ("killed", "not ok"),
    ("twice", "+ -> -"): ("duplicate", ""),
    ("add", "a + b -> 0"): ("killed", "not ok"),
    ("add", "+ -> -"): ("killed", "not ok"),
    ("never", "a - TEN -> 0"): ("survived", "no test executes it"),
    ("never", "- -> +"): ("survived", "no test executes it"),
    ("same", "< -> <="): ("equivalent", "-O"),
    ("same", ">= -> >"): ("survived", "pass"),
    ("same", "== -> !="): ("equivalent", "-O"),
    ("count", "dropped: left--"): ("killed", "hang"),
    ("count", "dropped: steps++"): ("killed", "not ok"),
    ("at", "< -> <="): ("killed", "sanitizers"),
    ("at", "3 -> 4"): ("duplicate", ""),
    ("at", "* -> /"): ("killed", "signal 8"),
    ("at", "dropped: v = table[i]"): ("killed", "not ok"),
    ("shown", "dropped: a = a"): ("equivalent", "-O1"),
    ("shown", "20 -> 21"): ("survived", "1 tests pass"),
    ("-", "2 -> 3"): ("killed", "not ok"),
    ("-", "8 -> 9"): ("survived", "pass"),
}

number = failed = 0


def point(good, title, why=""):
    global number, failed
    number += 1
    failed += not good
    print("%s %d - %s" % ("ok" if good else "not ok", number, title))
    for line in str(why).splitlines() if not good else []:
        print("# " + line)
    sys.stdout.flush()


def snippets():
    for title, body, wanted in SNIPPETS:
        text = "int f(int a, int b)\n{\n\t%s\n}\n" % body
        found = [m.describe() for m in cmutants.mutants_of("x.c", text)[0]]
        # The order of changes at one place says nothing.
        point(sorted(found) == sorted(wanted), title, "found:  %s\nwanted: %s" % (found, wanted))
    outside = "enum e { A = 1, B };\nstruct s { int x[3]; unsigned b : 4; };\nstatic const int t[] = { 5, A << 1 };\ntypedef int i_t[7];\n"
    found = [m.describe() for m in cmutants.mutants_of("x.c", outside)[0]]
    point(found == ["5 -> 4", "5 -> 6", "<< -> >>", "1 -> 0", "1 -> 2"], "outside of functions only objects have code", found)
    text = "static bool f(int a) REQUIRES(x + 1)\n{\n\treturn a > 1;\n}\n"
    found = [m.describe() for m in cmutants.mutants_of("x.c", text)[0]]
    point("> -> >=" in found and not any("x" in f for f in found) and "negated: a > 1" in found,
          "a lock's annotation is no code, and a truth is negated", found)
    one = cmutants.mutants_of("x.c", "int f(void)\n{\n\treturn 1 + 1;\n}\n")[0]
    keys = [m.key for m in one]
    point(len(set(keys)) == len(keys) and any("#2" in k for k in keys), "two like mutants of one line have keys of their own", keys)
    moved = cmutants.mutants_of("x.c", "/* more */\n\nint f(void)\n{\n\treturn 1   + 1;\n}\n")[0]
    point([m.key for m in moved] == keys and moved[0].id != one[0].id, "keys survive the move of a line, and its spaces",
          [m.key for m in moved])
    compiled = [m.apply("int f(void)\n{\n\treturn 1 + 1;\n}\n") for m in one]
    point(all(text.count("\n") == 4 for text in compiled), "no mutant moves a line")


def tool(tree, *arguments):
    return subprocess.run([sys.executable, os.path.join(HERE, "mutate.py"), "--tree", tree, "--config", os.path.join(tree, "config"),
                           "--json", os.path.join(tree, "out.json"), "--first", "s", "--quiet", "--jobs", "2"] + list(arguments),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600)


def put(tree, path, text):
    path = os.path.join(tree, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def project():
    clang = next((c for c in ["clang"] + ["clang-%d" % n for n in range(19, 13, -1)] if subprocess.run(
        ["sh", "-c", "command -v " + c], stdout=subprocess.DEVNULL, check=False).returncode == 0), "clang")
    with tempfile.TemporaryDirectory(prefix="mutants-selftest-") as tree:
        for name, text in (("code.h", CODE_H), ("code.c", CODE_C), ("main.c", MAIN_C), ("s.c", SUITE_C)):
            put(tree, "src/" + name, text)
        put(tree, "config", CONFIG % clang)
        run = tool(tree, "--floor", "50")
        with open(os.path.join(tree, "out.json"), encoding="utf-8") as f:
            result = json.load(f)
        found = {}
        for m in result["mutants"]:
            found.setdefault((m["function"] or "-", m["mutation"]), (m["status"], m["by"]))
        for key, (status, by) in WANTED.items():
            got = found.get(key, ("absent", ""))
            point(got[0] == status and by in got[1], "%s: %s: %s" % (key[0], key[1], status), got)
        count = result["count"]
        point(sum(count.values()) == len(result["mutants"]) and
              result["score"] == round(100 * count["killed"] / (count["killed"] + count["survived"]), 2),
              "the figures add up", result["count"])
        point(run.returncode == 1 and "does not list" in run.stdout, "a survivor that is not listed fails a complete run", run.stdout)
        again = tool(tree, "--floor", "50")
        with open(os.path.join(tree, "out.json"), encoding="utf-8") as f:
            point(json.load(f) == result, "a second run says the same", again.stdout)

        # The report's own lines, with a reason, are the list.
        section = run.stdout.split("does not list:\n")[1].split("\n\n")[0]
        listed = re.sub(r"^\t.*$", "\tA reason.", section, flags=re.M) + "\n"
        put(tree, "tests/mutants/survivors.txt", listed)
        put(tree, "src/code.c", "\n\n" + CODE_C)
        run = tool(tree, "--floor", "50")
        point(run.returncode == 0, "listed survivors pass where the score suffices, though their lines have moved", run.stdout)
        score = result["count"]["killed"], result["count"]["survived"]
        put(tree, "tests/mutants/survivors.txt", re.sub(r"^\tA reason.$", "\tEquivalent: by hand.", listed, count=1, flags=re.M))
        run = tool(tree, "--floor", "50")
        with open(os.path.join(tree, "out.json"), encoding="utf-8") as f:
            now = json.load(f)["count"]
        point(run.returncode == 0 and (now["killed"], now["survived"]) == (score[0], score[1] - 1) and "1 by the list" in run.stdout,
              "what the list calls equivalent does not count", run.stdout)
        put(tree, "tests/mutants/survivors.txt", listed)
        run = tool(tree, "--floor", "99")
        point(run.returncode == 1, "and the others count as survivors all the same", run.stdout)
        put(tree, "tests/mutants/survivors.txt", listed + "src/code.c :: add :: gone :: return a + b;\n\tA reason.\n")
        run = tool(tree, "--floor", "50")
        point(run.returncode == 1 and "no such mutant exists" in run.stdout, "a listed mutant that does not exist fails", run.stdout)
        run = tool(tree, "--floor", "50", "--only", "count")
        point(run.returncode == 0 and '"count"' in json.dumps(json.load(open(os.path.join(tree, "out.json"), encoding="utf-8"))),
              "some mutants may be chosen", run.stdout)
        put(tree, "tests/mutants/survivors.txt", "src/code.c :: add :: + -> - :: return a + b;\n")
        point(tool(tree).returncode == 2, "an entry without a reason is refused")
        put(tree, "tests/mutants/survivors.txt", "")

        lists = [tool(tree, "--list", "--sample", "5", "--seed", seed).stdout for seed in ("1", "1", "2")]
        point(lists[0] == lists[1] != lists[2] and len(lists[0].splitlines()) == 5, "a sample is the seed's", lists)
        put(tree, "src/code.h", CODE_H + "\nstatic inline int more(int a)\n{\n\treturn a - 7;\n}\n")
        names = [[line.split("  ")[2] for line in tool(tree, "--list", "--sample", size).stdout.splitlines()] for size in ("all", "9")]
        point(len(names[0]) > len(names[1]) == 9 and "7 -> 8" in names[0], "all is all, also as a sample", names)
        put(tree, "src/code.h", CODE_H)
        first = lists[0].split()[0]
        shown = tool(tree, "--show", first).stdout
        point(len(re.findall(r"^-[^-]", shown, re.M)) == 1 and first.split(":")[0] in shown, "a mutant is shown as a difference", shown)

        put(tree, "config", CONFIG.replace("BROKEN=1", "BROKEN=0") % clang)
        run = tool(tree)
        point(run.returncode == 2 and "fails without a mutant" in run.stdout, "tests that fail by themselves kill nobody", run.stdout)
        put(tree, "config", CONFIG.replace("sanitize: ", "sanitize: -UBROKEN -DBROKEN=0 ") % clang)
        run = tool(tree)
        point(run.returncode == 2 and "fails under sanitizers without a mutant" in run.stdout,
              "nor do tests that fail by themselves under sanitizers", run.stdout)
        put(tree, "src/code.c", CODE_C + "\nint f(void) { return (1; }\n")
        point(tool(tree, "--list").returncode == 2, "what is no C is refused")
        point(open(os.path.join(tree, "src/code.h"), encoding="utf-8").read() == CODE_H, "the tree is as it was")


print("TAP version 13")
snippets()
project()
print("1..%d" % number)
sys.exit(1 if failed else 0)
