#!/bin/sh
# Makes web.yml, the users of nabat's HTTP side, from the passwords that init.sh has drawn for
# Alertmanager and Prometheus: nabat keeps only their bcrypt hashes. May be run at any time; a hash
# that still fits its password is kept. nabat notices a change by itself within five seconds.
#
# Needs a POSIX shell and perl with the system's crypt, which every Debian has, slim images included.
# (htpasswd does the same by hand: htpasswd -nBC 10 alertmanager.)
#
# Exit codes: 0 fine, 1 failed, 2 usage.
# `a && b || fail`: fail ends the script, so it is an if with fewer lines.
# shellcheck disable=SC2015
set -eu
umask 077

say() { printf 'users: %s\n' "$1"; }
# die PROBLEM REMEDY
die() {
    printf 'users: %s\n' "$1" >&2
    printf '       remedy: %s\n' "$2" >&2
    exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
secrets=$here/../secrets
case ${1:-} in
'') ;;
--secrets)
    if [ $# -ne 2 ] || [ -z "$2" ]; then
        printf 'users: --secrets wants a directory\n' >&2
        exit 2
    fi
    secrets=$2
    ;;
*)
    # NABAT_OWNER, as init.sh has it: UID:GID the file is given to.
    [ "$1" = --help ] || exec >&2
    printf 'usage: users.sh [--secrets DIR]\n'
    [ "$1" = --help ] || exit 2
    exit 0
    ;;
esac
perl -e 1 2>/dev/null || die "perl is not installed" "apt-get install perl-base; or make web.yml with htpasswd -nBC 10"
file=$secrets/nabat/web.yml

# hash USER: its line, from the password in standard input. The line of before is kept when it fits.
# Cost 10 is what Prometheus' documentation uses; nabat remembers who has shown the right password.
hash() {
    # shellcheck disable=SC2016
    perl -e '
        use strict;
        my ($user, $before) = @ARGV;
        local $/;
        my $password = <STDIN>;
        $password =~ s/[\r\n]+\z//;
        if (open my $old, "<", $before) {
            my $text = <$old>;
            my ($hash) = $text =~ /^\s+\Q$user\E:\s*"?(\$2[aby]\$[^"\s]+)/m;
            if (defined $hash && (crypt($password, $hash) // "") eq $hash) { print $hash; exit 0 }
        }
        open my $random, "<:raw", "/dev/urandom" or exit 1;
        my $bytes = "";
        read($random, $bytes, 22) == 22 or exit 1;
        my @letters = (".", "/", "A".."Z", "a".."z", 0..9);
        # The last letter of a bcrypt salt has only two bits in it.
        my $salt = join "", map { $letters[ord($_) % 64] } split //, substr $bytes, 0, 21;
        $salt .= (".", "O", "e", "u")[ord(substr $bytes, 21) % 4];
        my $hash = crypt($password, "\$2y\$10\$$salt") // "";
        $hash =~ /^\$2y\$10\$.{53}$/ or exit 1;
        print $hash;
    ' "$1" "$file"
}

text="# Made by users.sh; made again when a password changes.
basic_auth_users:"
for user in alertmanager prometheus; do
    password=$secrets/$user/nabat-$user-password
    [ -r "$password" ] && [ -s "$password" ] ||
        die "$password is not there, or can't be read" "run vault/init.sh first; it draws the passwords"
    line=$(hash "$user" <"$password") ||
        die "the password of $user can't be hashed" \
            "perl's crypt knows no bcrypt on this system: run this in a Debian image, or make web.yml with htpasswd -nBC 10"
    text="$text
  $user: \"$line\""
done
if [ -r "$file" ] && [ "$(cat "$file")" = "$text" ]; then
    say "the users are as they should be"
else
    mkdir -p "$secrets/nabat" && printf '%s\n' "$text" >"$file.new" && [ -s "$file.new" ] ||
        die "can't write $file" "make room, or give $secrets/nabat to user $(id -u)"
    chmod 0600 "$file.new"
    mv "$file.new" "$file"
    say "the users alertmanager and prometheus are in $file"
fi
[ -z "${NABAT_OWNER:-}" ] || chown "$NABAT_OWNER" "$file" ||
    die "can't give $file to $NABAT_OWNER" "run this as root"
