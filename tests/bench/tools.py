"""The programs that are compared: how each is set up, and what it is called with."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Place:
    """Where one tool works on one set of data."""

    source: Path
    repository: Path
    state: Path
    target: Path


@dataclass
class Call:
    """A command to be measured."""

    command: list
    environment: dict = field(default_factory=dict)
    directory: Path | None = None
    output: Path | None = None


def run(call):
    """Runs a command that is not measured, and fails with what it said."""
    environment = {**os.environ, **call.environment}
    done = subprocess.run(
        call.command, env=environment, cwd=call.directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{call.command}: {done.stdout.decode(errors='replace')}")
    return done.stdout.decode()


class Tool:
    name = ""
    program = ""
    #: What else must be there.
    needs = ()

    def missing(self):
        return [p for p in (self.program, *self.needs) if not shutil.which(p)]

    def version(self):
        return run(Call([self.program, "--version"])).splitlines()[0]

    def restored(self, place):
        """Returns where the restored tree lies in the target."""
        return Path(f"{place.target}{place.source}")


class Holdfast(Tool):
    name = "holdfast"

    def __init__(self, program, plugins):
        self.program, self.plugins = str(program), Path(plugins)

    def missing(self):
        return [] if Path(self.program).exists() else [self.program]

    def call(self, place, *arguments):
        homes = ("CONFIG", "CACHE", "STATE", "DATA")
        environment = {f"XDG_{home}_HOME": str(place.state / home.lower()) for home in homes}
        config = ["--config", str(place.state / "holdfast.toml")]
        return Call([self.program, *config, *map(str, arguments)], environment)

    def init(self, place):
        (place.state / "holdfast.toml").write_text(
            f'[store.local]\nurl = "file://{place.repository}"\n'
            f'[job.bench]\nsource = "files"\n[job.bench.with]\npaths = ["{place.source}"]\n'
        )
        for plugin in ("files", "age"):
            run(self.call(place, "plugin", "install", self.plugins / f"{plugin}.wasm", "--yes"))
        run(self.call(place, "init", "--new-identity", place.state / "operator.key"))

    def backup(self, place):
        return self.call(place, "run", "bench")

    def restore(self, place):
        identity = place.state / "operator.key"
        arguments = ("bench", "--target", place.target, "--identity", identity)
        return self.call(place, "restore", *arguments)

    def check(self, place):
        return self.call(place, "check", "--data", "--identity", place.state / "operator.key")


class Restic(Tool):
    name = program = "restic"

    def version(self):
        return run(Call(["restic", "version"])).strip()

    def call(self, place, *arguments):
        environment = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(place.state)}
        return Call(["restic", "-q", "-r", str(place.repository), *map(str, arguments)], environment)

    def init(self, place):
        run(self.call(place, "init"))

    def backup(self, place):
        return self.call(place, "backup", "--compression", "auto", place.source)

    def restore(self, place):
        return self.call(place, "restore", "latest", "--target", place.target)

    def check(self, place):
        return self.call(place, "check", "--read-data")


class Rustic(Tool):
    name = program = "rustic"

    def call(self, place, *arguments):
        general = ["--no-progress", "--log-level", "warn", "-r", place.repository]
        general += ["--cache-dir", place.state]
        return Call(["rustic", *map(str, [*general, *arguments])], {"RUSTIC_PASSWORD": "bench"})

    def init(self, place):
        run(self.call(place, "init"))

    def backup(self, place):
        return self.call(place, "backup", place.source)

    def restore(self, place):
        return self.call(place, "restore", f"latest:{place.source}", place.target)

    def restored(self, place):
        return place.target

    def check(self, place):
        return self.call(place, "check", "--read-data")


class Borg(Tool):
    name = program = "borg"

    def call(self, place, *arguments, directory=None):
        environment = {
            "BORG_PASSPHRASE": "bench",
            "BORG_BASE_DIR": str(place.state),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }
        return Call(["borg", *map(str, arguments)], environment, directory)

    def init(self, place):
        run(self.call(place, "init", "-e", "repokey-blake2", place.repository))

    def backup(self, place):
        archive = f"{place.repository}::{{now:%Y%m%d%H%M%S%f}}"
        return self.call(place, "create", "--compression", "zstd,3", archive, place.source)

    def restore(self, place):
        last = run(self.call(place, "list", "--last", "1", "--short", place.repository)).strip()
        archive = f"{place.repository}::{last}"
        return self.call(place, "extract", archive, directory=place.target)

    def check(self, place):
        return self.call(place, "check", "--verify-data", place.repository)


class Bupstash(Tool):
    """It has no check: reading the last backup to its end is the nearest."""

    name = program = "bupstash"

    def call(self, place, *arguments, output=None):
        environment = {
            "BUPSTASH_REPOSITORY": str(place.repository),
            "BUPSTASH_KEY": str(place.state / "key"),
            "BUPSTASH_SEND_LOG": str(place.state / "send-log"),
            "BUPSTASH_QUERY_CACHE": str(place.state / "query-cache"),
        }
        return Call(["bupstash", *map(str, arguments)], environment, output=output)

    def init(self, place):
        run(self.call(place, "new-key", "-o", place.state / "key"))
        run(self.call(place, "init", "-r", place.repository))

    def backup(self, place):
        id_file = place.state / "id"
        return self.call(place, "put", "-q", "name=bench", place.source, output=id_file)

    def last(self, place):
        return "id=" + (place.state / "id").read_text().strip()

    def restore(self, place):
        return self.call(place, "restore", "-q", "--into", place.target, self.last(place))

    def restored(self, place):
        return place.target

    def check(self, place):
        return self.call(place, "get", "-q", self.last(place), output=Path("/dev/null"))


class TarZstdAge(Tool):
    """What an administrator would write by hand: nothing is deduplicated, all of it is copied."""

    name = "tar|zstd|age"
    program = "age"
    needs = ("tar", "zstd", "age-keygen", "bash")

    def shell(self, place, script):
        places = {
            "SOURCE": str(place.source).lstrip("/"),
            "REPOSITORY": str(place.repository),
            "KEY": str(place.state / "key"),
            "TARGET": str(place.target),
        }
        return Call(["bash", "-o", "pipefail", "-euc", script], places)

    def init(self, place):
        place.repository.mkdir(parents=True)
        run(self.shell(place, 'age-keygen -o "$KEY"'))

    def backup(self, place):
        return self.shell(
            place,
            'tar -C / -cf - "$SOURCE" | zstd -q -3 -T2 -c | age -r "$(age-keygen -y "$KEY")" '
            '> "$REPOSITORY/$(date +%s%N)"',
        )

    LAST = 'age -d -i "$KEY" < "$REPOSITORY/$(ls "$REPOSITORY" | tail -1)" | zstd -q -dc | '

    def restore(self, place):
        return self.shell(place, self.LAST + 'tar -C "$TARGET" -xf -')

    def check(self, place):
        return self.shell(place, self.LAST + "tar -tf - > /dev/null")


PEERS = (Restic(), Rustic(), Borg(), Bupstash(), TarZstdAge())
