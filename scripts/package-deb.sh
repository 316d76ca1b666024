#!/usr/bin/env bash
# Makes the Debian package: target/debian/nabat_VERSION_ARCH.deb. Needs cargo-deb (`cargo install
# cargo-deb`). --no-build takes the target/dist/nabat that is there.
#
# Exit codes: 0 fine, 1 failed, 2 usage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
    printf 'package: %s\n' "$1" >&2
    printf '         remedy: %s\n' "$2" >&2
    exit 1
}
case ${1:-} in
'') cargo build --profile dist --locked --bin nabat ;;
--no-build) ;;
*)
    echo 'usage: scripts/package-deb.sh [--no-build]' >&2
    exit 2
    ;;
esac
[ -x target/dist/nabat ] || die "target/dist/nabat is not there" "leave --no-build out"
cargo deb --version >/dev/null 2>&1 || die "cargo-deb is not installed" "cargo install cargo-deb"

mkdir -p target/completions
target/dist/nabat completions bash >target/completions/nabat.bash
target/dist/nabat completions zsh >target/completions/_nabat
target/dist/nabat completions fish >target/completions/nabat.fish
cargo deb --profile dist --no-build
