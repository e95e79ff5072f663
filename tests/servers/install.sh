# Gets the servers that tests need; sourced by tests/prepare.sh.
#
# Says exactly what is missing where it cannot be installed.

servers=${HOLDFAST_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast-servers}

# The Debian packages that are missing, one a line.
missing_server_packages() {
    command -v radosgw >/dev/null || echo radosgw
    local daemon
    for daemon in ceph-mon ceph-osd ceph-mgr; do
        command -v "$daemon" >/dev/null || echo "$daemon"
    done
    command -v radosgw-admin >/dev/null || echo ceph-common
    /usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
}

# Gets what Debian does not have.
install_servers() {
    mkdir -p "$servers"
    if ! [ -x "$servers/moto/bin/moto_server" ]; then
        echo "installing: moto (pip)"
        if ! { /usr/bin/python3 -m venv "$servers/moto" &&
            "$servers/moto/bin/pip" install --quiet 'moto[s3,server]>=5,<6'; }; then
            rm -rf "$servers/moto"
            echo "missing: moto. Install it: python3 -m venv $servers/moto && $servers/moto/bin/pip install 'moto[s3,server]'" >&2
            exit 1
        fi
    fi
    if ! [ -x "$servers/bin/s3s-fs" ]; then
        echo "installing: s3s-fs (cargo)"
        if ! CARGO_TARGET_DIR=$servers/build cargo install --quiet --locked --features binary --version 0.14.1 \
            --root "$servers" s3s-fs; then
            echo "missing: s3s-fs. Install it: cargo install --locked --features binary --version 0.14.1 --root $servers s3s-fs" >&2
            exit 1
        fi
        rm -rf "$servers/build"
    fi
}
