"""Measures holdfast and restic against an S3 service on the loopback: a first backup, a second one, a restore.

Writes tables in Markdown. Each tool has a service of its own in each round, started anew: what one stored
takes no memory from the other. Noise is stored, so that nobody wins by compressing.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
from pathlib import Path

import tools
from compare import measure

MIB = 1 << 20
STEPS = ("first backup", "second backup", "restore")
ALLOWED = 256
SERVERS = Path(__file__).parent.parent / "servers"


class Service:
    """A service, as long as it is needed."""

    def __init__(self, kind):
        self.process = subprocess.Popen(
            ["bash", SERVERS / "serve.sh", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        words = self.process.stdout.readline().split()
        if len(words) != 4:
            raise SystemExit(f"{kind} did not start: tests/run.sh installs what it needs")
        self.endpoint, self.key, self.secret, _ = words
        ask = ["python3", SERVERS / "ask.py", self.endpoint, self.key, self.secret, "PUT", "/bench"]
        if not subprocess.check_output(ask, text=True).startswith("200"):
            raise SystemExit(f"{kind} makes no bucket")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Holdfast(tools.Holdfast):
    """With a write key, as a host backs up."""

    service = None

    def call(self, place, *arguments):
        called = super().call(place, *arguments)
        called.environment["S3_ID"], called.environment["S3_SECRET"] = self.service.key, self.service.secret
        return called

    def init(self, place):
        (place.state / "holdfast.toml").write_text(
            f'[store.bucket]\nurl = "s3://bench/part"\nendpoint = "{self.service.endpoint}"\n'
            'access-key-id = { secret = "env:S3_ID" }\nsecret-access-key = { secret = "env:S3_SECRET" }\n'
            f'[job.bench]\nsource = "files"\n[job.bench.with]\npaths = ["{place.source}"]\n'
        )
        for plugin in ("files", "age"):
            tools.run(self.call(place, "plugin", "install", self.plugins / f"{plugin}.wasm", "--yes"))
        tools.run(self.call(place, "init", "--new-identity", place.state / "operator.key"))


class Restic(tools.Restic):
    service = None

    def call(self, place, *arguments):
        called = super().call(place, *arguments)
        called.environment["AWS_ACCESS_KEY_ID"] = self.service.key
        called.environment["AWS_SECRET_ACCESS_KEY"] = self.service.secret
        at = called.command.index("-r") + 1
        called.command[at] = f"s3:{self.service.endpoint}/bench/restic"
        return called


def make(source, bytes_all):
    """Makes files of noise: most of it in large ones, some in small."""
    chance = random.Random(1)
    source.mkdir(parents=True)
    large = max(bytes_all // 16, 1)
    for number in range(15):
        with open(source / f"large-{number}", "wb") as file:
            for at in range(0, large, 4 * MIB):
                file.write(chance.randbytes(min(4 * MIB, large - at)))
    small = max(large // 1000, 1)
    for number in range(1000):
        (source / f"small-{number}").write_bytes(chance.randbytes(small))


class Bench:
    def __init__(self, options, chosen):
        self.options, self.tools = options, chosen
        self.work = Path(options.work)
        self.source = self.work / "source"
        self.work.mkdir(parents=True, exist_ok=True)
        self.log = open(self.work / "log", "ab")
        self.found = {(tool.name, step): [] for tool in chosen for step in STEPS}

    def measured(self, tool, step, call):
        wall, cpu, memory, code = measure(call, self.log)
        if code:
            raise SystemExit(f"{call.command} ended with {code}: see {self.log.name}")
        self.found[tool.name, step].append((wall, cpu, memory / MIB))

    def round(self, tool):
        base = self.work / tool.name
        shutil.rmtree(base, ignore_errors=True)
        place = tools.Place(self.source, base / "none", base / "state", base / "target")
        place.state.mkdir(parents=True)
        place.target.mkdir()
        tool.service = Service(self.options.service)
        try:
            tool.init(place)
            # The source is in memory for everybody.
            subprocess.run(["cat", *sorted(self.source.iterdir())], stdout=subprocess.DEVNULL, check=True)
            self.measured(tool, "first backup", tool.backup(place))
            self.measured(tool, "second backup", tool.backup(place))
            self.measured(tool, "restore", tool.restore(place))
        finally:
            tool.service.end()
        subprocess.run(["diff", "-r", self.source, tool.restored(place)], check=True)
        shutil.rmtree(base)

    def run(self):
        make(self.source, self.options.mebibytes * MIB)
        for number in range(self.options.rounds):
            order = self.tools if number % 2 == 0 else self.tools[::-1]
            for tool in order:
                self.round(tool)

    def median(self, tool, step):
        return [statistics.median(values) for values in zip(*self.found[tool.name, step])]

    def report(self):
        ours = self.tools[0]
        size, rounds = self.options.mebibytes, self.options.rounds
        print(f"Medians of {rounds} rounds with {size} MiB of noise; {', '.join(t.version() for t in self.tools)}.\n")
        print("| step | tool | wall | CPU | MiB/s | memory | wall, to the other | |")
        print("|---|---|---|---|---|---|---|---|")
        for step in STEPS:
            for tool in self.tools:
                wall, cpu, _ = self.median(tool, step)
                memory = max(memory for _, _, memory in self.found[tool.name, step])
                rate = "–" if step == "second backup" else f"{size / wall:.0f}"
                ratio, verdict = "", ""
                if tool is ours and len(self.tools) > 1:
                    ratio = f"{wall / self.median(self.tools[1], step)[0]:.2f}"
                if tool is ours:
                    verdict = f"≤ {ALLOWED} MiB: " + ("met" if memory <= ALLOWED else "missed")
                print(
                    f"| {step} | {tool.name} | {wall:.2f} s | {cpu:.2f} s | {rate} | {memory:.0f} MiB | {ratio} | {verdict} |"
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--holdfast", required=True)
    parser.add_argument("--plugins", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--service", default="ceph")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mebibytes", type=int, default=2048)
    options = parser.parse_args()
    ours, restic = Holdfast(options.holdfast, options.plugins), Restic()
    chosen = [ours] if restic.missing() else [ours, restic]
    bench = Bench(options, chosen)
    try:
        bench.run()
    finally:
        for name in ("source", *(tool.name for tool in chosen)):
            shutil.rmtree(bench.work / name, ignore_errors=True)
    bench.report()


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    main()
