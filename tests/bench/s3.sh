#!/usr/bin/env bash
# Measures holdfast beside restic against an S3 service on the loopback. Writes tables to standard output.
#
#   bash tests/bench/s3.sh [ROUNDS=3] [MEBIBYTES=2048] [SERVICE=ceph]
#
# Takes ten minutes, three times the bytes below ${BENCH_DIR:-/var/tmp/holdfast-bench} and twice in memory, and
# a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/prepare.sh
rounds=${1:-3} mebibytes=${2:-2048} service=${3:-ceph} bench=${BENCH_DIR:-/var/tmp/holdfast-bench}/s3
exec 3>&1 1>&2

prepare
prepare_servers
command -v restic >/dev/null || echo "restic is left out; to have it: apt-get install restic"
cargo build --quiet --release --package holdfast --package cargo-holdfast
build_plugins "$CARGO_TARGET_DIR/release/cargo-holdfast"

rm -rf "$bench"
trap 'rm -rf "$bench"' EXIT
python3 tests/bench/s3.py --holdfast "$CARGO_TARGET_DIR/release/holdfast" --plugins "$HOLDFAST_PLUGINS" \
    --work "$bench" --service "$service" --rounds "$rounds" --mebibytes "$mebibytes" >&3
