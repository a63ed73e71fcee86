#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs one test program for prove, with a time limit, and keeps what it printed.

    tap_run.py PROGRAM

The output goes to standard output and to GRANULE_TAP_DIR/NAME.tap (default build/tap), where NAME is the program's path
below the build folder with dots for slashes; the last line of the file is the exit status, for tools/tap_count.py. A program that
outlives GRANULE_TIMEOUT seconds (default 300) is ended and counts as failed. What a failed point had to say is repeated on
standard error, because prove shows no comments.
"""

import os
import signal
import subprocess
import sys
import threading


def main():
    program = sys.argv[1]
    limit = float(os.environ.get("GRANULE_TIMEOUT", "300"))
    directory = os.environ.get("GRANULE_TAP_DIR", "build/tap")
    os.makedirs(directory, exist_ok=True)
    name = ".".join(part for part in os.path.normpath(program).split(os.sep)[-3:] if part not in ("build", "suites"))

    with open(os.path.join(directory, name + ".tap"), "wb") as log:

        def put(data):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            log.write(data)

        child = subprocess.Popen([os.path.abspath(program)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                 start_new_session=True)
        expired = threading.Event()

        def expire():
            expired.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(limit, expire)
        timer.start()
        comments = []
        for line in child.stdout:
            put(line)
            if line.startswith(b"#"):
                comments.append(line)
                continue
            if line.startswith((b"not ok", b"Bail out!")):
                for text in comments[-40:] + [line]:
                    sys.stderr.buffer.write(text)
                sys.stderr.buffer.flush()
            comments = []
        status = child.wait()
        timer.cancel()
        if expired.is_set():
            put(b"Bail out! ended after %d seconds\n" % limit)
        if status < 0:
            put(b"# ended by signal %d\n" % -status)
            status = 128 - status
        log.write(b"# exit status %d\n" % status)
    return status


sys.exit(main())
