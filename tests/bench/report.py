"""Turns a table of measurements into the pages of docs/benchmarks.md, with what had to be reached.

    python3 report.py TABLE [OWN] [--enforce]

OWN is what own.py wrote. With --enforce the exit code is 1 where a bar is missed.
"""

import argparse
import csv
import os
import platform
import statistics
import subprocess
from collections import defaultdict
from pathlib import Path

OURS = "holdfast"
PIPE = "tar|zstd|age"
MIB = 1 << 20
STEPS = ("first", "second", "edit", "restore", "check")


class Figures:
    """Medians over the rounds."""

    def __init__(self, table):
        rows = defaultdict(list)
        self.rounds = 0
        with open(table) as file:
            for row in csv.DictReader(file, delimiter="\t"):
                rows[row["tool"], row["set"], row["step"]].append(row)
                self.rounds = max(self.rounds, int(row["round"]))
        self.values = {
            key: {c: statistics.median(float(r[c]) for r in found)
                  for c in ("wall", "cpu", "memory", "repository")}
            for key, found in rows.items()
        }  # fmt: skip
        self.tools = list(dict.fromkeys(tool for tool, _, _ in rows))
        self.sets = list(dict.fromkeys(name for _, name, _ in rows))

    def get(self, tool, name, step, column):
        found = self.values.get((tool, name, step))
        return None if found is None else found[column]

    def new_bytes(self, tool, name):
        before = self.get(tool, name, "second", "repository")
        after = self.get(tool, name, "edit", "repository")
        return None if before is None or after is None else after - before

    def best(self, name, measure):
        """Returns the smallest figure of the peers, and whose it is."""
        peers = [t for t in self.tools if t not in (OURS, PIPE)]
        found = [(measure(tool, name), tool) for tool in peers]
        return min((pair for pair in found if pair[0] is not None), default=(None, None))


def bars(figures):
    """Yields for each bar: what, ours, the best of the others and whose, the factor allowed."""

    def of(step, column):
        return lambda tool, name: figures.get(tool, name, step, column)

    for name in figures.sets:
        wanted = []
        if name != "textc":
            wanted += [
                ("first backup, wall", of("first", "wall"), 0.7, "s"),
                ("first backup, CPU", of("first", "cpu"), 1.0, "s"),
                ("repository", of("first", "repository"), 1.02, "MB"),
            ]
        if name == "mixed":
            wanted += [
                ("second backup, wall", of("second", "wall"), 1.0, "s"),
                ("edit, wall", of("edit", "wall"), 1.0, "s"),
                ("edit, new bytes", figures.new_bytes, 1.05, "MB"),
            ]
        if name == "textc":
            wanted.append(("edit, new bytes", figures.new_bytes, 0.6, "MB"))
        wanted += [
            ("restore, wall", of("restore", "wall"), 0.7, "s"),
            ("check of all data, wall", of("check", "wall"), 0.8, "s"),
        ]
        for what, measure, factor, unit in wanted:
            ours = measure(OURS, name)
            best, whose = figures.best(name, measure)
            if ours is not None and best is not None:
                yield f"`{name}`: {what}", ours, best, whose, factor, unit


def fixed_bars(figures):
    """Yields what is bounded by itself: what, ours, the bound, the unit."""
    for step, bound in (("first", 256), ("restore", 256)):
        memory = [figures.get(OURS, name, step, "memory") for name in figures.sets]
        memory = [m for m in memory if m is not None]
        if memory:
            yield f"largest memory, {step}", max(memory) / MIB, bound, "MiB"
    for name in ("text", "random"):
        wall = figures.get(OURS, name, "second", "wall")
        if wall is not None:
            yield f"`{name}`: second backup of one big file, wall", wall, 0.1, "s"


def shown(value, unit):
    return f"{value / 1e6:.1f} MB" if unit == "MB" else f"{value:.2f} {unit}"


def verdicts(figures, own):
    yield "| what | holdfast | best of the others | ratio | allowed | |"
    yield "|---|---|---|---|---|---|"
    for what, ours, best, whose, factor, unit in bars(figures):
        ratio = ours / best
        met = "met" if ratio <= factor else "**not met**"
        yield (f"| {what} | {shown(ours, unit)} | {shown(best, unit)} ({whose}) | {ratio:.2f} "
               f"| ≤ {factor} | {met} |")  # fmt: skip
    for what, ours, bound, unit in fixed_bars(figures):
        met = "met" if ours <= bound else "**not met**"
        yield f"| {what} | {shown(ours, unit)} | – | – | ≤ {bound} {unit} | {met} |"
    for line in own:
        what, value, relation, bound, unit = line.rstrip("\n").split("\t")
        is_met = float(value) <= float(bound) if relation == "<=" else float(value) >= float(bound)
        sign = "≤" if relation == "<=" else "≥"
        met = "met" if is_met else "**not met**"
        yield f"| {what} | {value} {unit} | – | – | {sign} {bound} {unit} | {met} |"


def measured(figures, name):
    yield f"### {name}"
    yield ""
    yield "| tool | " + " | ".join(STEPS) + " | repository | new bytes of the edit | memory |"
    yield "|---" * (len(STEPS) + 4) + "|"
    for tool in figures.tools:
        cells = []
        for step in STEPS:
            wall = figures.get(tool, name, step, "wall")
            cpu = figures.get(tool, name, step, "cpu")
            cells.append("–" if wall is None else f"{wall:.2f} / {cpu:.2f}")
        repository = figures.get(tool, name, "first", "repository")
        new = figures.new_bytes(tool, name)
        memory = [figures.get(tool, name, step, "memory") or 0 for step in STEPS]
        cells.append("–" if repository is None else shown(repository, "MB"))
        cells.append("–" if new is None else shown(new, "MB"))
        cells.append(f"{max(memory) / MIB:.0f} MiB")
        shown_tool = tool.replace("|", "\\|")
        yield f"| {shown_tool} | " + " | ".join(cells) + " |"
    yield ""


def first_line(path, prefix):
    for line in Path(path).read_text().splitlines():
        if line.startswith(prefix):
            return line.split(":", 1)[1].strip()
    return "unknown"


def machine(table):
    memory = int(first_line("/proc/meminfo", "MemTotal").split()[0]) >> 20
    kind = ["stat", "-f", "-c", "%T", str(Path(table).parent)]
    system = subprocess.run(kind, capture_output=True, text=True, check=True).stdout.strip()
    versions = Path(table).with_suffix(".versions")
    yield f"- {first_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {memory} GiB of memory"
    yield f"- Linux {platform.release()}, {system}"
    if versions.exists():
        for line in versions.read_text().splitlines():
            tool, version = line.split("\t")
            yield f"- {tool}: {version}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("own", nargs="?")
    parser.add_argument("--enforce", action="store_true")
    options = parser.parse_args()
    figures = Figures(options.table)
    own = Path(options.own).read_text().splitlines() if options.own else []
    judged = list(verdicts(figures, own))
    print("## The machine\n")
    print("\n".join(machine(options.table)))
    print(f"\n## What had to be reached\n\nMedians of {figures.rounds} rounds.\n")
    print("\n".join(judged))
    print("\n## What was measured\n\nSeconds of wall clock / of CPU.\n")
    for name in figures.sets:
        print("\n".join(measured(figures, name)))
    if options.enforce and any("not met" in line for line in judged):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
