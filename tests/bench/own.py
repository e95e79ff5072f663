"""Measures what only holdfast promises: start, proof, large trees, long streams.

Writes lines of: what, value, relation, bound, unit.
"""

import argparse
import os
import shutil
import statistics
from pathlib import Path

import tools
from compare import measure

MIB = 1 << 20
GIB = 1 << 30


class Own:
    def __init__(self, options):
        self.options = options
        self.work = Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.log = open(self.work / "log", "ab")
        # Of 1600 of these the long stream is made: 100 GiB of it.
        self.block = max(int(64 * MIB * options.scale), 64 << 10)
        self.tool = tools.Holdfast(options.holdfast, options.plugins)
        self.out = open(options.out, "w")

    def say(self, what, value, relation, bound, unit):
        line = f"{what}\t{value:.3g}\t{relation}\t{bound}\t{unit}"
        print(line.replace("\t", "  "))
        self.out.write(line + "\n")
        self.out.flush()

    def place(self, name, source):
        base = self.work / name
        shutil.rmtree(base, ignore_errors=True)
        place = tools.Place(source, base / "repository", base / "state", base / "target")
        place.state.mkdir(parents=True)
        return place

    def measured(self, call):
        wall, _, memory, code = measure(call, self.log)
        if code:
            raise SystemExit(f"{call.command} ended with {code}: see {self.log.name}")
        return wall, memory

    def start(self):
        """A list of a hundred snapshots, with warm caches."""
        source = self.work / "few"
        source.mkdir(parents=True, exist_ok=True)
        place = self.place("list", source)
        self.tool.init(place)
        for number in range(100):
            (source / "file").write_text(str(number))
            tools.run(self.tool.backup(place))
        walls = [self.measured(self.tool.call(place, "list"))[0] for _ in range(21)]
        self.say("`list` with 100 snapshots", statistics.median(walls) * 1e3, "<=", 50, "ms")

    def proof(self):
        """What looking again at all that is written takes of a first backup's CPU."""
        spent = {"true": [], "false": []}
        for _ in range(5):
            for prove, found in spent.items():
                place = self.place("proof", Path(self.options.data) / "text")
                self.tool.init(place)
                config = place.state / "holdfast.toml"
                told = config.read_text().replace("[job.", f"prove = {prove}\n[job.", 1)
                config.write_text(told)
                _, cpu, _, code = measure(self.tool.backup(place), self.log)
                if code:
                    raise SystemExit(f"a backup ended with {code}: see {self.log.name}")
                found.append(cpu)
        with_, without = (statistics.median(found) for found in spent.values())
        share = max(1 - without / with_, 0) * 100
        self.say("CPU of a first backup of `text` for looking again at what it writes", share, "<=", 25, "%")

    def stream(self, blocks, name):
        """Backs up a stream that repeats itself, and returns the time and memory that it took."""
        place = self.place(name, self.work)
        self.tool.init(place)
        block = self.work / "block"
        if not block.exists():
            block.write_bytes(os.urandom(self.block))
        script = f"i=0; while [ $i -lt {blocks} ]; do cat {block}; i=$((i+1)); done"
        config = place.state / "holdfast.toml"
        job = config.read_text().split("[job.")[0] + '[job.bench]\nsource = "command"\n'
        config.write_text(job + f'[job.bench.with]\ncommand = ["sh", "-c", "{script}"]\n')
        plugin = self.tool.plugins / "command.wasm"
        tools.run(self.tool.call(place, "plugin", "install", plugin, "--yes"))
        return self.measured(self.tool.backup(place))

    def long_stream(self):
        small = self.stream(4, "stream")[1]
        blocks = 1600
        wall, memory = self.stream(blocks, "stream")
        self.say(f"memory of a stream of {blocks * self.block / GIB:.1f} GiB ({wall:.0f} s)",
                 memory / MIB, "<=", 256, "MiB")  # fmt: skip
        self.say(f"the same of {4 * self.block / GIB:.2f} GiB", small / MIB, "<=", 256, "MiB")

    def tree(self, files, name):
        source = self.work / f"{name}-source"
        for number in range(files):
            directory = source / f"d{number // 1000 % 100:02d}" / f"s{number // 1000}"
            if number % 1000 == 0:
                directory.mkdir(parents=True)
            (directory / f"f{number}").write_bytes(b"%d\n" % number)
        place = self.place(name, source)
        self.tool.init(place)
        first, memory = self.measured(self.tool.backup(place))
        second, again = self.measured(self.tool.backup(place))
        shutil.rmtree(source)
        shutil.rmtree(self.work / name)
        return first, second, max(memory, again)

    def many_files(self):
        files = int(2_000_000 * self.options.scale)
        few = min(40_000, files)
        small = self.tree(few, "small-tree")[2]
        first, second, memory = self.tree(files, "tree")
        what = f"memory of a tree of {files:,} files ({first:.0f} s, unchanged {second:.0f} s)"
        self.say(what, memory / MIB, "<=", 256, "MiB")
        self.say(f"the same of {few:,} files", small / MIB, "<=", 256, "MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--holdfast", required=True)
    parser.add_argument("--plugins", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="1: 100 GiB, 2 million files")
    options = parser.parse_args()
    own = Own(options)
    own.start()
    own.proof()
    own.many_files()
    own.long_stream()


if __name__ == "__main__":
    main()
