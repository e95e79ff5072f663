#!/usr/bin/env bash
# From a checkout to a restored backup: builds host and plugins, creates an encrypted repository,
# backs up a tree and a SQLite database, verifies, restores and compares.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/prepare.sh
prepare
cargo build --quiet --release --package holdfast --package cargo-holdfast
build_plugins "$CARGO_TARGET_DIR/release/cargo-holdfast"

demo=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX")
export XDG_CONFIG_HOME=$demo/config XDG_CACHE_HOME=$demo/cache XDG_STATE_HOME=$demo/state XDG_DATA_HOME=$demo/data
holdfast() { "$CARGO_TARGET_DIR/release/holdfast" --config "$demo/holdfast.toml" "$@"; }

mkdir -p "$demo/tree/docs"
cp README.md "$demo/tree/docs/"
cp -r docs wit "$demo/tree/"
ln -s docs/README.md "$demo/tree/start-here"
sqlite3 "$demo/shop.sqlite" "create table orders(id integer primary key, note text);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
    insert into orders select i, 'order ' || i from n;"

cat > "$demo/holdfast.toml" <<TOML
[store.local]
url = "file://$demo/repository"

[job.tree]
source = "files"
[job.tree.with]
paths = ["$demo/tree"]

[job.shop]
source = "command"
verify = ["archive-check"]
[job.shop.with]
command = ["sqlite3", "$demo/shop.sqlite", ".dump"]
restore-command = ["sqlite3", "$demo/shop-restored.sqlite"]
entry = "shop.sql"
TOML

for plugin in age files command archive-check; do
    holdfast plugin install "$HOLDFAST_PLUGINS/$plugin.wasm" --yes
done
holdfast init --new-identity "$demo/operator.key"
holdfast run tree shop
holdfast check --data --identity "$demo/operator.key"
holdfast verify shop --identity "$demo/operator.key"
holdfast restore tree --target "$demo/restored" --identity "$demo/operator.key"
diff -r --no-dereference "$demo/tree" "$demo/restored/$demo/tree"
holdfast restore shop --to-source --identity "$demo/operator.key"
cmp <(sqlite3 "$demo/shop.sqlite" .dump) <(sqlite3 "$demo/shop-restored.sqlite" .dump)
echo
echo "Both came back as they were. Everything is in $demo:"
echo "  holdfast.toml   the configuration       repository/  sealed, opens with operator.key only"
echo "  restored/       the tree, restored      shop-restored.sqlite  the database, restored"
echo "Try: $CARGO_TARGET_DIR/release/holdfast --config $demo/holdfast.toml list"
