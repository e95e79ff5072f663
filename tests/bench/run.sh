#!/usr/bin/env bash
# Measures holdfast beside its peers, and writes the pages of docs/benchmarks.md to standard output.
#
#   bash tests/bench/run.sh [ROUNDS=3] [SCALE=1.0]
#
# Takes an hour, 60 GiB below ${BENCH_DIR:-/var/tmp/holdfast-bench}, and a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/prepare.sh
rounds=${1:-3} scale=${2:-1.0} bench=${BENCH_DIR:-/var/tmp/holdfast-bench}
exec 3>&1 1>&2

prepare
command -v restic >/dev/null || echo "restic is left out; to have it: apt-get install restic"
command -v borg >/dev/null || echo "borg is left out; to have it: apt-get install borgbackup"
command -v rustic >/dev/null || echo "rustic is left out; to have it: cargo install rustic-rs --locked --no-default-features"
command -v bupstash >/dev/null || echo "bupstash is left out; to have it: apt-get install libsodium-dev pkg-config; cargo install bupstash --locked"

cargo build --quiet --release --package holdfast --package cargo-holdfast
build_plugins "$CARGO_TARGET_DIR/release/cargo-holdfast"
[ "$(cat "$bench/data/scale" 2>/dev/null)" = "$scale" ] || python3 tests/bench/data.py "$bench/data" "$scale"

rm -rf "$bench/work" "$bench/results.tsv"
holdfast=(--holdfast "$CARGO_TARGET_DIR/release/holdfast" --plugins "$HOLDFAST_PLUGINS")
python3 tests/bench/compare.py "${holdfast[@]}" --data "$bench/data" --work "$bench/work" \
    --out "$bench/results.tsv" --rounds "$rounds"
rm -rf "$bench/work"
python3 tests/bench/own.py "${holdfast[@]}" --data "$bench/data" --work "$bench/work" --out "$bench/own.tsv" --scale "$scale"
rm -rf "$bench/work"
cargo test --quiet --release --package holdfast-sandbox --test sandbox -- speed:: \
    --ignored --nocapture --test-threads 1 |
    tee /dev/stderr | grep '	' >> "$bench/own.tsv"
python3 tests/bench/report.py "$bench/results.tsv" "$bench/own.tsv" >&3
