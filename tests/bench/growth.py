"""Measures how time and memory grow: with files, with the entries of one directory, with bytes, with snapshots.

Writes tables in Markdown: seconds of wall clock / of CPU / MiB of the largest process.
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import tools
from compare import measure

MIB = 1 << 20
STEPS = ("backup", "unchanged", "ls", "check", "restore")
#: Steps that take no more than a look at the repository.
LONG_STREAM = ("backup", "check")
BLOCK = 64 * MIB


class Growth:
    def __init__(self, options):
        self.options = options
        self.work = Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.log = open(self.work / "log", "ab")
        self.tool = tools.Holdfast(options.holdfast, options.plugins)

    def say(self, line=""):
        print(line, flush=True)

    def place(self, name):
        base = self.work / name
        shutil.rmtree(base, ignore_errors=True)
        source = base / "source"
        source.mkdir(parents=True)
        place = tools.Place(source, base / "repository", base / "state", base / "target")
        place.state.mkdir()
        self.tool.init(place)
        return place

    def step(self, place, step):
        call = {
            "backup": lambda: self.tool.backup(place),
            "unchanged": lambda: self.tool.backup(place),
            "first list": lambda: self.list(place),
            "list": lambda: self.list(place),
            "ls": lambda: self.tool.call(
                place, "ls", "bench", "--identity", place.state / "operator.key"
            ),
            "check": lambda: self.tool.call(place, "check"),
            "restore": lambda: self.tool.restore(place),
        }[step]()
        call.output = os.devnull
        wall, cpu, memory, code = measure(call, self.log)
        if code:
            raise SystemExit(f"{call.command} ended with {code}: see {self.log.name}")
        return f"{wall:.2f} / {cpu:.2f} / {memory / MIB:.0f}"

    def list(self, place):
        return self.tool.call(place, "list", "--key", place.repository.parent / "audit.key")

    def table(self, title, rows, steps):
        self.say(f"| {title} | {' | '.join(steps)} |")
        self.say("|---" * (len(steps) + 1) + "|")
        for name, fill in rows:
            place = self.place("growth")
            fill(place)
            self.say(f"| {name} | {' | '.join(self.step(place, step) for step in steps)} |")
            shutil.rmtree(self.work / "growth")
        self.say()

    def spread(self, count):
        """A thousand files in each directory."""

        def fill(place):
            for number in range(count):
                directory = place.source / f"d{number // 1000 % 100:02d}" / f"s{number // 1000}"
                if number % 1000 == 0:
                    directory.mkdir(parents=True)
                (directory / f"f{number}").write_bytes(b"%d\n" % number)

        return fill

    def flat(self, count, length):
        """All files in one directory, with names of a length."""

        def fill(place):
            for number in range(count):
                name = f"{number:08d}".ljust(length, "n")
                with open(place.source / name, "wb") as file:
                    file.write(b"%d\n" % number)

        return fill

    def stream(self, mebibytes):
        """A stream of blocks that differ, though each comes from the same random bytes."""

        def fill(place):
            block = place.state / "block"
            block.write_bytes(os.urandom(min(BLOCK, mebibytes * MIB)))
            count = max(mebibytes * MIB // BLOCK, 1)
            script = f"i=0; while [ $i -lt {count} ]; do echo $i; cat {block}; i=$((i+1)); done"
            config = place.state / "holdfast.toml"
            job = config.read_text().split("[job.")[0] + '[job.bench]\nsource = "command"\n'
            config.write_text(job + f'[job.bench.with]\ncommand = ["sh", "-c", "{script}"]\n')
            plugin = self.tool.plugins / "command.wasm"
            tools.run(self.tool.call(place, "plugin", "install", plugin, "--yes"))

        return fill

    def snapshots(self, count):
        def fill(place):
            shutil.rmtree(place.repository)
            subprocess.run([self.options.snapshots, place.repository.parent, str(count)], check=True)

        return fill


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--holdfast", required=True)
    parser.add_argument("--plugins", required=True)
    parser.add_argument("--snapshots", required=True, help="the example that makes many")
    parser.add_argument("--work", required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="1: 2 million files, 100 GiB")
    options = parser.parse_args()
    growth = Growth(options)

    def scaled(*sizes):
        return [max(int(size * options.scale), 1) for size in sizes]

    files = scaled(10_000, 100_000, 600_000, 2_000_000)
    growth.table("files, a thousand in a directory", [(f"{n:,}", growth.spread(n)) for n in files], STEPS)
    (many,) = scaled(1_000_000)
    flat = [(f"{many:,}, names of {n} bytes", growth.flat(many, n)) for n in (8, 200)]
    growth.table("files in one directory", flat, STEPS)
    streams = [(f"{n / 1024:.2f} GiB", growth.stream(n)) for n in scaled(1024, 10_240, 102_400)]
    growth.table("a stream", streams, LONG_STREAM)
    counts = [(f"{n:,}", growth.snapshots(n)) for n in scaled(100, 1_000, 10_000)]
    growth.table("snapshots", counts, ("first list", "list"))
    growth.log.close()
    shutil.rmtree(growth.work)


if __name__ == "__main__":
    main()
