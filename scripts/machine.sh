# shellcheck shell=bash
# What scripts/up and scripts/test need of the machine; sourced by them. Names of packages are those of Debian 12 and
# Ubuntu 24.04.
# shellcheck disable=SC2034 # used by those who source it

BUILD_PACKAGES=(libavahi-client-dev libsqlite3-dev zlib1g-dev pkg-config g++ git ca-certificates)
RUN_PACKAGES=(avahi-daemon dbus)
TEST_PACKAGES=(libssl-dev avahi-utils iproute2 openssl python3-venv jq curl)

SWIFT_NEEDED=6.3

say() { printf '\n== %s\n' "$*" >&2; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# install PACKAGE...: those that are missing; asks for privileges only then.
install() {
    local package missing=()
    command -v dpkg-query >/dev/null || fail "this is no Debian or Ubuntu; install what corresponds to: $*"
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    local as_root=()
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null || fail "run as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
}

need_swift() {
    local found=""
    if command -v swift >/dev/null; then
        found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -1)
    fi
    if [[ -n $found ]] && printf '%s\n' "$SWIFT_NEEDED" "$found" | sort -VC; then return; fi
    cat >&2 <<END
${0##*/}: Swift $SWIFT_NEEDED or later is needed; found: ${found:-none}.

The toolchain is installed by swiftly (https://www.swift.org/install/linux/), without privileges:

    curl -O https://download.swift.org/swiftly/linux/swiftly-\$(uname -m).tar.gz
    tar zxf swiftly-\$(uname -m).tar.gz
    ./swiftly init
    swiftly install --use $SWIFT_NEEDED

Then open a new shell, and run this script again.
END
    exit 1
}

# The release binary: one file that carries the Swift runtime. Leaves it, stripped, where BINARY says.
BINARY=.build/martlet

build_release() {
    local built
    swift build -c release --static-swift-stdlib --product martlet
    built=$(swift build -c release --static-swift-stdlib --show-bin-path)/martlet
    if [[ ! -e $BINARY || $built -nt $BINARY ]]; then
        # A new file: one that runs must not be written to.
        strip -o "$BINARY.new" "$built"
        mv "$BINARY.new" "$BINARY"
    fi
    printf '%s (%s)\n' "$PWD/$BINARY" "$(du -h "$BINARY" | cut -f1)" >&2
}

# Virtual environments with what the end-to-end tests and the matrix need of PyPI: clients and servers of both eras, and a
# server of the world.
ENVIRONMENTS=.build/venvs

environment() {
    local folder=$ENVIRONMENTS/$1
    shift
    [[ -x $folder/bin/python ]] || python3 -m venv "$folder"
    # Installs nothing, and asks nobody, when all is there.
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

environments() {
    environment mcp2 'mcp>=2,<3' && environment mcp1 'mcp>=1.30,<2' &&
        environment fastmcp4 'fastmcp>=4,<5' && environment fastmcp2 'fastmcp>=2,<3' &&
        environment fastmcp-tasks 'fastmcp-tasks>=4,<5' &&
        environment time mcp-server-time
}
