#!/usr/bin/env bash
# serve.sh KIND: starts a throwaway service on the loopback, prints `ENDPOINT KEY SECRET` when it answers,
# and ends it, with all that it wrote, when standard input ends.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
servers=${HOLDFAST_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast-servers}
kind=$1
place=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-$kind.XXXXXX")
children=()
key=HOLDFASTTESTKEY
secret=holdfast-test-secret

finish() {
    trap - EXIT
    [ ${#children[@]} -eq 0 ] || kill -9 "${children[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$place"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

missing() {
    echo "missing: $1. Install it: bash tests/prepare.sh servers" >&2
    exit 1
}

# A port that nobody has just now.
port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts a program that lives as long as this script.
start() {
    local name=$1
    shift
    "$@" >"$place/$name.out" 2>&1 </dev/null &
    children+=($!)
    disown
}

# Waits until something answers at all.
await() {
    local tries
    for tries in $(seq 600); do
        python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()' "$1" \
            2>/dev/null && return
        sleep 0.1
    done
    echo "$kind does not answer:" >&2
    tail -n 20 "$place"/*.out >&2
    exit 1
}

serve_moto() {
    [ -x "$servers/moto/bin/moto_server" ] || missing moto
    local at
    at=$(port)
    start moto "$servers/moto/bin/moto_server" -H 127.0.0.1 -p "$at"
    await "$at"
    endpoint=http://127.0.0.1:$at
}

serve_s3s() {
    [ -x "$servers/bin/s3s-fs" ] || missing s3s-fs
    local at
    at=$(port)
    mkdir "$place/data"
    start s3s "$servers/bin/s3s-fs" --host 127.0.0.1 --port "$at" --access-key "$key" --secret-key "$secret" "$place/data"
    await "$at"
    endpoint=http://127.0.0.1:$at
}

serve_garage() {
    command -v garage >/dev/null || missing garage
    local at inner admin node
    at=$(port) inner=$(port) admin=$(port)
    key=GK00000000000000000000000a secret=$(printf '0a%.0s' $(seq 32))
    cat >"$place/garage.toml" <<TOML
metadata_dir = "$place/meta"
data_dir = "$place/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$inner"
rpc_public_addr = "127.0.0.1:$inner"
rpc_secret = "$secret"
s3_api = { s3_region = "us-east-1", api_bind_addr = "127.0.0.1:$at", root_domain = ".localhost" }
admin = { api_bind_addr = "127.0.0.1:$admin" }
TOML
    export GARAGE_CONFIG_FILE=$place/garage.toml
    start garage garage server
    await "$inner"
    node=$(garage node id -q 2>/dev/null | cut -d@ -f1)
    {
        garage layout assign --zone here --capacity 10G "$node"
        garage layout apply --version 1
        garage key import --yes -n tests "$key" "$secret"
        garage key allow --create-bucket "$key"
    } >>"$place/garage.out" 2>&1
    await "$at"
    endpoint=http://127.0.0.1:$at
}

# One monitor, one memory-backed store of objects, one gateway.
serve_ceph() {
    local program
    for program in radosgw ceph-mon ceph-osd; do
        command -v "$program" >/dev/null || missing "$program"
    done
    local at monitor cluster daemon
    at=$(port) monitor=$(port) cluster=$(cat /proc/sys/kernel/random/uuid)
    mkdir "$place"/{mon,osd,rgw}
    cat >"$place/ceph.conf" <<INI
[global]
    fsid = $cluster
    mon host = [v2:127.0.0.1:$monitor]
    mon initial members = one
    public addr = 127.0.0.1
    cluster addr = 127.0.0.1
    auth cluster required = none
    auth service required = none
    auth client required = none
    ms mon client mode = crc
    ms client mode = crc
    ms service mode = crc
    osd pool default size = 1
    osd pool default min size = 1
    osd pool default pg num = 4
    osd pool default pg autoscale mode = off
    osd crush chooseleaf type = 0
    mon allow pool size one = true
    mon max pg per osd = 1000
    osd objectstore = memstore
    memstore device bytes = 4294967296
    osd max object name len = 256
    osd max object namespace len = 64
    keyring = $place/keyring
    run dir = $place
    admin socket = $place/\$name.asok
    pid file = $place/\$name.pid
    log file = $place/\$name.log
    crash dir = $place
    mon data = $place/mon
    mon data avail crit = 1
    mon data avail warn = 2
    osd data = $place/osd
    heartbeat file = $place/heartbeat
[client.gate]
    rgw data = $place/rgw
    rgw frontends = beast endpoint=127.0.0.1:$at
    rgw crypt require ssl = false
    rgw relaxed s3 bucket names = false
    rgw bucket quota ttl = 0
    rgw user quota bucket sync interval = 1
INI
    export CEPH_CONF=$place/ceph.conf
    {
        monmaptool --create --fsid "$cluster" --addv one "[v2:127.0.0.1:$monitor]" "$place/monmap"
        ceph-authtool --create-keyring "$place/keyring" --gen-key -n mon. --cap mon 'allow *'
        for daemon in client.admin client.gate; do
            ceph-authtool "$place/keyring" --gen-key -n "$daemon" --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
        done
        ceph-mon --mkfs -i one --monmap "$place/monmap" --keyring "$place/keyring"
    } >"$place/setup.out" 2>&1
    start mon ceph-mon -i one -f
    local disk tries
    disk=$(cat /proc/sys/kernel/random/uuid)
    for tries in $(seq 100); do
        timeout 10 ceph osd new "$disk" >>"$place/setup.out" 2>&1 && break
        sleep 0.2
    done
    ceph-osd -i 0 --mkfs --osd-uuid "$disk" >>"$place/setup.out" 2>&1
    ceph osd crush add osd.0 1.0 root=default host=localhost >>"$place/setup.out" 2>&1 || true
    start osd ceph-osd -i 0 -f
    start gate radosgw -n client.gate -f
    await "$at"
    radosgw-admin user create --uid=tests --display-name=tests --access-key="$key" --secret-key="$secret" \
        >>"$place/setup.out" 2>&1
    # Somebody who is not the buckets' owner: a policy says what he may.
    radosgw-admin user create --uid=backup --display-name=backup --access-key="${key}2" --secret-key="$secret" \
        >>"$place/setup.out" 2>&1
    endpoint=http://127.0.0.1:$at
}

case $kind in
moto | s3s | garage | ceph) "serve_$kind" ;;
*)
    echo "usage: serve.sh ceph|moto|s3s|garage" >&2
    exit 2
    ;;
esac
echo "$endpoint $key $secret $place"
cat >/dev/null
