"""Runs a command that may remove files only below the directories that are named: Landlock sees to it.

usage: without_removal.py DIRECTORY... -- COMMAND...; ends with 77 where the kernel has no Landlock.
"""

import ctypes
import os
import struct
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
REMOVE_DIR, REMOVE_FILE, REFER = 1 << 4, 1 << 5, 1 << 13
PATH_BENEATH, NO_NEW_PRIVS = 1, 38

libc = ctypes.CDLL(None, use_errno=True)


def allow(ruleset, directory, rights):
    place = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
    if libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_add_rule")


def main(words):
    split = words.index("--")
    handled = ctypes.create_string_buffer(struct.pack("=Q", REMOVE_DIR | REMOVE_FILE | REFER))
    ruleset = libc.syscall(CREATE_RULESET, handled, 8, 0)
    if ruleset < 0:
        raise SystemExit(77)
    allow(ruleset, "/", REFER)
    for directory in words[:split]:
        allow(ruleset, directory, REMOVE_DIR | REMOVE_FILE | REFER)
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.syscall(RESTRICT_SELF, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.execv(words[split + 1], words[split + 1:])


main(sys.argv[1:])
