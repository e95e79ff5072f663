#!/usr/bin/env bash
# Measures what grows: an index of a hundred million chunks, trees of millions of files, long streams, many
# snapshots. Writes tables to standard output.
#
#   bash tests/bench/scale.sh [SCALE=1.0]
#
# Takes two hours, 20 GiB below ${BENCH_DIR:-/var/tmp/holdfast-bench}, and a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/prepare.sh
scale=${1:-1.0} bench=${BENCH_DIR:-/var/tmp/holdfast-bench}/scale
chunks=$(python3 -c "print(max(int(100_000_000 * $scale), 1000))")
exec 3>&1 1>&2

prepare
cargo build --quiet --release --package holdfast --package cargo-holdfast
cargo build --quiet --release --package holdfast-repository --example index --example snapshots
build_plugins "$CARGO_TARGET_DIR/release/cargo-holdfast"

rm -rf "$bench"
mkdir -p "$bench/index"
trap 'rm -rf "$bench"' EXIT
for step in build look append; do
    printf '\n| %s chunks: %s | | |\n|---|---|---|\n' "$chunks" "$step" >&3
    # What is read at random should come from memory, as it does in the second backup of a day.
    cat "$bench"/index/index-v3/*.table > /dev/null 2>&1 || true
    "$CARGO_TARGET_DIR/release/examples/index" "$step" "$bench/index" "$chunks" |
        sed 's/\t/ | /g; s/^/| /; s/$/ |/' >&3
done
rm -rf "$bench/index"
printf '\n' >&3
python3 tests/bench/growth.py --holdfast "$CARGO_TARGET_DIR/release/holdfast" --plugins "$HOLDFAST_PLUGINS" \
    --snapshots "$CARGO_TARGET_DIR/release/examples/snapshots" --work "$bench/growth" --scale "$scale" >&3
