"""Measures holdfast beside its peers, one run after the other on a quiet machine.

For each set of data: a first backup, a second one of the same, one after the edit, a restore, which is
compared with its source, and a check that reads everything. One line for each goes into a table.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import tools

COLUMNS = ("tool", "set", "step", "round", "wall", "cpu", "memory", "repository", "load", "exit")
SETS = ("text", "textc", "mixed", "random")


def size(path):
    return sum(f.lstat().st_size for f in path.rglob("*") if f.is_file() and not f.is_symlink())


def measure(call, log):
    """Runs a command; returns wall and CPU seconds, the largest memory of a process, the exit code.

    A child of ours does it, since what the system tells of children adds up.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        output = open(call.output, "wb") if call.output else log
        begun = time.monotonic()
        done = subprocess.run(
            call.command, env={**os.environ, **call.environment}, cwd=call.directory,
            stdin=subprocess.DEVNULL, stdout=output, stderr=log, check=False,
        )  # fmt: skip
        wall = time.monotonic() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        os.write(write, f"{wall} {cpu} {memory} {done.returncode}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        wall, cpu, memory, code = answer.read().split()
    os.waitpid(child, 0)
    return float(wall), float(cpu), int(memory), int(code)


class Bench:
    def __init__(self, options, chosen):
        self.options, self.tools = options, chosen
        self.work = Path(options.work)
        self.table = Path(options.out)
        self.log = open(self.work / "log", "ab")
        if not self.table.exists():
            self.table.write_text("\t".join(COLUMNS) + "\n")

    def put(self, name, source):
        """Makes the source what a set is, in place: what did not change stays untouched."""
        source.mkdir(parents=True, exist_ok=True)
        copy = ["rsync", "-a", "--delete", "--inplace", "--no-whole-file"]
        data = Path(self.options.data) / name
        subprocess.run([*copy, f"{data}/", f"{source}/"], check=True)
        self.warm(source)

    def warm(self, source):
        """Reads the source, so that no tool finds it in a colder cache than the next one."""
        for file in sorted(source.rglob("*")):
            if file.is_file():
                with open(file, "rb", buffering=0) as opened:
                    while opened.read(1 << 20):
                        pass
        os.sync()

    def step(self, tool, place, name, step, round_):
        call = {"restore": tool.restore, "check": tool.check}.get(step, tool.backup)(place)
        load = os.getloadavg()[0]
        wall, cpu, memory, code = measure(call, self.log)
        row = (tool.name, name, step, round_, f"{wall:.3f}", f"{cpu:.3f}", memory,
               size(place.repository), f"{load:.2f}", code)  # fmt: skip
        with open(self.table, "a") as table:
            table.write("\t".join(map(str, row)) + "\n")
        print(f"{tool.name:13} {name:7} {step:8} {wall:7.2f} s {cpu:7.2f} CPU s "
              f"{memory >> 20:5} MiB {row[7] / 1e6:8.1f} MB")  # fmt: skip
        if code:
            raise SystemExit(f"{tool.name} failed with {code}: see {self.work}/log")

    def one(self, tool, name, round_):
        source = self.work / "source" / name
        base = self.work / f"{name}-{round_}" / tool.name.replace("|", "-")
        place = tools.Place(source, base / "repository", base / "state", base / "target")
        place.state.mkdir(parents=True)
        place.target.mkdir()
        self.put(name, source)
        tool.init(place)
        for step in ("first", "second"):
            self.step(tool, place, name, step, round_)
        if (Path(self.options.data) / f"edit-{name}").exists():
            self.put(f"edit-{name}", source)
            self.step(tool, place, name, "edit", round_)
        self.step(tool, place, name, "restore", round_)
        restored = tool.restored(place)
        subprocess.run(["diff", "-r", "--no-dereference", source, restored], check=True)
        self.step(tool, place, name, "check", round_)

    def run(self):
        for round_ in range(1, self.options.rounds + 1):
            for name in self.options.sets:
                # Another one begins each time: what comes later finds a fuller disk.
                turn = round_ % len(self.tools)
                for tool in self.tools[turn:] + self.tools[:turn]:
                    self.one(tool, name, round_)
                # Only now: a file system that has just removed many files is slow to make new ones.
                shutil.rmtree(self.work / f"{name}-{round_}")
                os.sync()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--holdfast", required=True, help="the program")
    parser.add_argument("--plugins", required=True, help="the directory of its plugins")
    parser.add_argument("--data", required=True, help="what data.py made")
    parser.add_argument("--work", required=True, help="an empty directory to work in")
    parser.add_argument("--out", required=True, help="the table, which is added to")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--tools", nargs="*", help="peers to compare with; all unless given")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    peers = [t for t in tools.PEERS if options.tools is None or t.name in options.tools]
    chosen = [tools.Holdfast(options.holdfast, options.plugins), *peers]
    for tool in chosen:
        if missing := tool.missing():
            print(f"{tool.name} is left out: {', '.join(missing)} is missing", file=sys.stderr)
    chosen = [tool for tool in chosen if not tool.missing()]
    Path(options.work).mkdir(parents=True, exist_ok=True)
    versions = Path(options.out).with_suffix(".versions")
    versions.write_text("".join(f"{t.name}\t{t.version()}\n" for t in chosen if t.name != "tar|zstd|age"))
    Bench(options, chosen).run()


if __name__ == "__main__":
    main()
