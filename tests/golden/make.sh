#!/usr/bin/env bash
# Makes the golden components and their answers anew: for a version of the contract that is not
# released yet. See README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/prepare.sh
prepare
cargo build --quiet --package cargo-holdfast
CARGO_TARGET_DIR=$CARGO_TARGET_DIR/guests "$CARGO_TARGET_DIR/debug/cargo-holdfast" build --release \
    --manifest-path tests/golden/components/Cargo.toml --out tests/golden/components/built
HOLDFAST_RECORD=1 cargo test --quiet --package holdfast-sandbox --test sandbox -- golden::
