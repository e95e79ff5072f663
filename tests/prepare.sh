# Gets what is missing on a Debian machine; sourced by demo.sh and run.sh. By hand: `bash tests/prepare.sh servers`.
#
# Says exactly what is missing where it cannot be installed.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/servers/install.sh"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast-build/target}

# Gets what compiles the host.
prepare_compiler() {
    if ! command -v cargo >/dev/null; then
        echo "missing: a Rust toolchain (cargo). Install it with rustup." >&2
        exit 1
    fi
    command -v cc >/dev/null || get_packages gcc libc6-dev
}

# Gets what compiles the host and the plugins, and the commands that both are tried with.
prepare() {
    prepare_compiler
    local packages=()
    command -v age >/dev/null || packages+=(age)
    command -v zstd >/dev/null || packages+=(zstd)
    command -v sqlite3 >/dev/null || packages+=(sqlite3)
    command -v python3 >/dev/null || packages+=(python3)
    command -v rsync >/dev/null || packages+=(rsync)
    has_guest_compiler || packages+=(rustc-web rust-web-src cargo-web)
    [ ${#packages[@]} -eq 0 ] || get_packages "${packages[@]}"
}

# Installs Debian packages.
get_packages() {
    local packages=("$@")
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing: ${packages[*]}. Install them as root: apt-get install ${packages[*]}" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    echo "installing: ${packages[*]}"
    if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }; then
        echo "missing, and apt-get could not install them: ${packages[*]}" >&2
        exit 1
    fi
}

# Whether something here can make WebAssembly: rustup's compiler, which can be given the target, or else Debian's,
# which brings the sources of its library.
has_guest_compiler() {
    has_guest_target && return
    [ -x /usr/bin/rustc ] && [ -d /usr/lib/rustlib/src/rust/library ] && return
    command -v rustup >/dev/null || return 1
    echo "installing: the target wasm32-wasip2"
    timeout 120 rustup target add wasm32-wasip2 >/dev/null 2>&1 && has_guest_target
}

has_guest_target() {
    local libraries
    libraries=$(rustc --print sysroot 2>/dev/null)/lib/rustlib || return 1
    [ -d "$libraries/wasm32-wasip2/lib" ] || [ -d "$libraries/wasm32-unknown-unknown/lib" ]
}

# Gets the servers that only the tests need.
prepare_servers() {
    local packages
    mapfile -t packages < <(missing_server_packages)
    [ ${#packages[@]} -eq 0 ] || get_packages "${packages[@]}"
    install_servers
}

# Gets what a small rustup profile leaves out, and only the tests need.
prepare_lints() {
    local tool
    for tool in rustfmt clippy; do
        cargo "${tool#rust}" --version >/dev/null 2>&1 && continue
        echo "installing: $tool"
        if ! rustup component add "$tool" >/dev/null 2>&1; then
            echo "missing: $tool. Install it with: rustup component add $tool" >&2
            exit 1
        fi
    done
}

# Gets cargo-deny as $cargo_deny, from its sources: minutes, once.
prepare_deny() {
    cargo_deny=$(command -v cargo-deny) && return
    cargo_deny=$servers/bin/cargo-deny
    [ -x "$cargo_deny" ] && return
    echo "installing: cargo-deny (cargo)"
    if ! CARGO_TARGET_DIR=$servers/build cargo install --quiet --locked --version 0.20.2 --root "$servers" cargo-deny; then
        echo "missing: cargo-deny. Install it: cargo install --locked cargo-deny" >&2
        exit 1
    fi
    rm -rf "$servers/build"
}

# Builds the plugins into $HOLDFAST_PLUGINS with a cargo-holdfast that was built before.
build_plugins() {
    export HOLDFAST_PLUGINS=${HOLDFAST_PLUGINS:-$CARGO_TARGET_DIR/plugins}
    CARGO_TARGET_DIR=$CARGO_TARGET_DIR/guests "$1" build --release \
        --manifest-path "$root/plugins/Cargo.toml" --out "$HOLDFAST_PLUGINS"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    [ "${1:-}" = servers ] || { echo "usage: prepare.sh servers" >&2; exit 2; }
    prepare_servers
fi
