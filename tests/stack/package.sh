#!/usr/bin/env bash
# The Debian package: made by cargo-deb from the manifest as it stands, taken apart, and what is in it used.
# shellcheck source=tests/stack/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
PATH=$(realpath "$peers")/cargo-deb/bin:$PATH
need cargo-deb

# A copy of what is tracked, so that no build of the developer's is packed; the debug program, for its
# making is not what is tested.
copy=$scratch/nabat
mkdir -p "$copy/target/dist"
(cd "$repository" && git ls-files -z | tar --create --null --files-from=- --ignore-failed-read) | tar --extract --directory "$copy"
strip -o "$copy/target/dist/nabat" "$NABAT"
exits 0 env CARGO_TARGET_DIR="$copy/target" bash "$copy/scripts/package-deb.sh" --no-build
package=$(find "$copy/target/debian" -name 'nabat_*.deb')
[ -s "$package" ] || fail "no package in target/debian"
ok "package-deb.sh makes a package from the manifest as it stands"

root=$scratch/root
dpkg-deb --extract "$package" "$root"
dpkg-deb --control "$package" "$scratch/control"
"$root/usr/bin/nabat" --version | grep -q "$(sed -n 's/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml" | head -n 1)" ||
    fail "it holds another version"
for file in usr/share/bash-completion/completions/nabat usr/share/zsh/vendor-completions/_nabat \
    usr/share/fish/vendor_completions.d/nabat.fish usr/share/doc/nabat/copyright \
    usr/share/doc/nabat/examples/nabat.rules.yml usr/share/doc/nabat/examples/nabat-vault-renew.timer \
    usr/lib/nabat/renew.sh; do
    [ -s "$root/$file" ] || fail "it lacks $file"
done
unit=$(find "$root" -name nabat.service)
cmp -s "$unit" "$repository/config/systemd/nabat.service" || fail "the unit is another one"
grep -qx /etc/nabat/nabat.yml "$scratch/control/conffiles" || fail "an upgrade would overwrite nabat.yml"
[ -x "$scratch/control/postinst" ] || fail "nothing tells systemd of the unit"
ok "it holds the program, its unit, completions and documents, and keeps an administrator's nabat.yml"

# The configuration that it installs is good as soon as its secrets are there.
exits 0 env TELEGRAM_BOT_TOKEN=1234567890:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA TELEGRAM_CHAT_ID=-1001234567890 \
    CREDENTIALS_DIRECTORY="$scratch" "$root/usr/bin/nabat" check --config.file="$root/etc/nabat/nabat.yml"
ok "the configuration that it installs is one that nabat takes"
printf '%d passed\n' "$passed"
