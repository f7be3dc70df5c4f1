"""Holds the store in the middle of a write: `hold.py FILE SECONDS polite|stranger`.

A polite writer is one of Toril's own, which takes its turn by the lock beside the file; a stranger is any other
program. Prints `held` when it holds the file.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
import time

path, seconds, kind = sys.argv[1:]
if kind == "polite":
    fcntl.flock(os.open(f"{path}-lock", os.O_RDWR), fcntl.LOCK_EX)
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA busy_timeout = 5000")
connection.execute("BEGIN IMMEDIATE")
sys.stdout.write("held\n")
sys.stdout.flush()
time.sleep(float(seconds))
connection.execute("ROLLBACK")
