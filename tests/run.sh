#!/usr/bin/env bash
# Every test there is. Quick ones first: what fails, fails early.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/prepare.sh
prepare
prepare_lints
prepare_servers
echo "== format"
for workspace in . plugins tests/hostile/guest tests/golden/components; do
    (cd "$workspace" && cargo fmt --all --check)
done
echo "== clippy";  cargo clippy --quiet --workspace --all-targets -- -D warnings
echo "== build";   cargo build --quiet --workspace
build_plugins "$CARGO_TARGET_DIR/debug/cargo-holdfast"
CARGO_TARGET_DIR=$CARGO_TARGET_DIR/guests "$CARGO_TARGET_DIR/debug/cargo-holdfast" build --release \
    --manifest-path tests/hostile/guest/Cargo.toml --out "$HOLDFAST_PLUGINS"
echo "== plugins"; (cd plugins && CARGO_TARGET_DIR=$CARGO_TARGET_DIR/native cargo test --quiet)
echo "== all";     cargo test --workspace
