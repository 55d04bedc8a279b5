#!/bin/sh
# Installs MIP from a signed bundle on a server of Debian, without a network.
#
#   sh install-mip.sh BUNDLE.tar KEY.gpg
#
# BUNDLE.tar.asc lies beside the bundle. Have this file and the key by another way than the bundle:
# nothing of the bundle is unpacked, let alone run, before its signature by that key is proved.
set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C.UTF-8
export PATH LC_ALL

refuse() {
    printf 'Refused: %s\n' "$1" >&2
    printf 'What to do: %s\n' "$2" >&2
    exit 1
}

[ $# -eq 2 ] || refuse 'a bundle and a key are needed' 'sh install-mip.sh BUNDLE.tar KEY.gpg'
bundle=$(realpath "$1")
key=$(realpath "$2")
[ "$(id -u)" = 0 ] || refuse 'only root installs' 'Run it as root, or by sudo.'
[ -f "$bundle" ] || refuse "there is no bundle $bundle" 'Name another file.'
[ -f "$key" ] || refuse "there is no key $key" "Ask for the maintainer's public key."
[ -f "$bundle.asc" ] || refuse "the signature $bundle.asc is missing" \
    'Copy it beside the bundle; a bundle without one is not installed.'

if command -v gpgv >/dev/null; then
    proof=$(gpgv --keyring "$key" "$bundle.asc" "$bundle" 2>&1) || proved=no
elif command -v sqv >/dev/null; then
    proof=$(sqv --keyring "$key" "$bundle.asc" "$bundle" 2>&1) || proved=no
else
    refuse 'neither gpgv nor sqv is here' "They come with Debian's apt: see why they are gone."
fi
[ "${proved:-yes}" = yes ] || refuse "the bundle is not what was signed by that key: $proof" \
    'Copy bundle and signature anew; if it is refused again, tell the maintainer.'

about() { tar -xOf "$bundle" about | sed -n "s/^$1=//p"; }
wanted=$(about codename)
here=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
[ "$wanted" = "$here" ] || refuse "the bundle is for Debian's $wanted, and this is $here" \
    'Get the bundle that was made for this release.'
wanted=$(about architecture)
here=$(dpkg --print-architecture)
[ "$wanted" = "$here" ] || refuse "the bundle is for $wanted, and this machine is $here" \
    'Get the bundle that was made for this kind of processor.'

# Where only the shell of a run before this one was killed, its apt is waited for.
exec 9>/run/lock/mip-install
flock -w 600 9 || refuse 'another run of this is going on' 'Wait for its end: ps -C apt-get.'

# Packages stay, so that `mip deploy setup` finds those of the blocks that are answered.
place=/var/lib/mip-packages
rm -rf "$place.partial"
mkdir "$place.partial"
tar -xf "$bundle" --no-same-owner -C "$place.partial"
install -m 644 "$key" "$place.partial/key.gpg"
sync
rm -rf "$place"
mv "$place.partial" "$place"
echo "deb [signed-by=$place/key.gpg] file:$place ./" >/etc/apt/sources.list.d/mip.list
cat >/etc/apt/preferences.d/mip <<'PIN'
# What MIP's bundle brought is there; what another list names may be out of reach.
Package: *
Pin: origin ""
Pin-Priority: 990
PIN

alone='-o Dir::Etc::SourceList=/etc/apt/sources.list.d/mip.list -o Dir::Etc::SourceParts=/dev/null'
# shellcheck disable=SC2086
apt-get -qq $alone -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any update ||
    refuse 'apt does not take the packages of the bundle' 'The lines above say why.'
export DEBIAN_FRONTEND=noninteractive
# Where a run before this one was killed: what is half there, and what that waits for.
dpkg --configure -a --force-confdef --force-confold || true
# shellcheck disable=SC2086
apt-get -qq $alone --no-install-recommends -y -f install ||
    refuse 'a package cannot be configured' 'See to what it says above.'
# shellcheck disable=SC2086
apt-get -qq $alone --no-install-recommends -y install mip ||
    refuse 'apt could not install MIP' 'See to what it says above, and run this again.'
echo "MIP $(about version) is installed; its wheels are in /usr/share/mip/wheels."
echo 'Next: mip deploy configure, with that folder as its wheels; then mip deploy setup'
