"""Calls a program on a terminal of its own and types when it asks.

Usage: terminal.py [PROMPT TYPED]... -- PROGRAM ARGUMENT...
Prints what the terminal showed and ends as the program did.
"""
import os
import pty
import sys

split = sys.argv.index("--")
typed = sys.argv[1:split]
asked = list(zip(typed[::2], typed[1::2]))
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
shown, seen = b"", 0
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:  # Linux answers EIO when the other side has closed.
        break
    if not part:
        break
    shown += part
    # A prompt is answered once, and only after it was shown in full.
    while asked and (at := shown.find(asked[0][0].encode(), seen)) >= 0:
        seen = at + len(asked[0][0])
        os.write(terminal, asked.pop(0)[1].encode() + b"\n")
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(status) if not asked else f"never asked: {asked}")
