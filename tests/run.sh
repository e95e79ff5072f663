#!/usr/bin/env bash
# Every test there is, quick ones first: what fails, fails early. `run.sh quick` ends after those.
#
# Tells at its end what each rung took; HOLDFAST_TIMES=write writes that into tests/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/prepare.sh
lane=${1:-all}
if [ "$lane" != all ] && [ "$lane" != quick ]; then
    echo "usage: run.sh [quick]" >&2
    exit 2
fi
times=()

# Runs one rung and notes its time: rung NAME COMMAND...
rung() {
    local name=$1 started=$SECONDS
    shift
    echo "== $name"
    "$@"
    times+=("| \`$name\` | $((SECONDS - started)) |")
}

check_format() {
    local workspace
    for workspace in . plugins tests/hostile/guest tests/golden/components; do
        (cd "$workspace" && cargo fmt --all --check)
    done
}

# Licences, sources and what is there twice need no network; known weaknesses need their database.
check_dependencies() {
    local deny=("$cargo_deny" --log-level error --workspace --config .cargo/deny.toml)
    "${deny[@]}" check licenses bans sources
    if timeout 60 "${deny[@]}" fetch db 2>/dev/null; then
        "${deny[@]}" check --disable-fetch advisories
    else
        echo "NOT CHECKED: advisories; their database could not be fetched"
    fi
}

# Always of the whole workspace: with --package, features differ, and all is compiled once more.
run_tests() {
    cargo test --workspace "$@"
}

build_programs() {
    cargo build --quiet --workspace
    build_plugins "$CARGO_TARGET_DIR/debug/cargo-holdfast"
    CARGO_TARGET_DIR=$CARGO_TARGET_DIR/guests "$CARGO_TARGET_DIR/debug/cargo-holdfast" build --release \
        --manifest-path tests/hostile/guest/Cargo.toml --out "$HOLDFAST_PLUGINS"
}

test_plugins() {
    (cd plugins && CARGO_TARGET_DIR=$CARGO_TARGET_DIR/native cargo test --quiet)
}

# The binaries of integration tests that have no rung of their own, whichever there are.
test_crates() {
    local names
    mapfile -t names < <(cargo metadata --no-deps --format-version 1 | python3 -c '
import json, sys
targets = [target for package in json.load(sys.stdin)["packages"] for target in package["targets"]]
names = {target["name"] for target in targets if target["kind"] == ["test"]}
print("\n".join(sorted(names - {"tidy", "model", "store", "program"})))')
    run_tests "${names[@]/#/--test=}"
}

# The suites of tests/main.rs: those that need servers, or those that do not.
test_suites() {
    local needs=$1 suite found
    for suite in $(sed -n 's/^mod \(.*\);$/\1/p' tests/main.rs); do
        found=no
        ! grep -rq 'servers::' "tests/$suite" || found=yes
        [ "$found" != "$needs" ] || rung "$suite" run_tests --test program -- "$suite::"
    done
}

report_times() {
    local rows=('| rung | seconds |' '|---|---:|' "${times[@]}")
    printf '%s\n' "${rows[@]}"
    [ "${HOLDFAST_TIMES:-}" = write ] && [ "$lane" = all ] || return 0
    printf '%s\n' "${rows[@]}" | sed -i -e '/^<!-- times -->$/,/^<!-- end of times -->$/{//!d}' \
        -e '/^<!-- times -->$/r /dev/stdin' tests/README.md
}

prepare_compiler
prepare_lints
prepare_deny
rung format check_format
rung clippy cargo clippy --quiet --workspace --all-targets -- -D warnings
rung dependencies check_dependencies
rung tidy run_tests --test tidy
rung units run_tests --lib --bins
if [ "$lane" = all ]; then
    prepare
    rung build build_programs
    rung plugins test_plugins
    rung crates test_crates
    rung model run_tests --test model
    rung examples run_tests --doc
    test_suites no
    prepare_servers
    rung store run_tests --test store
    test_suites yes
fi
report_times
