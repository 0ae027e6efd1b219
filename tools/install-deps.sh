#!/bin/sh
# install-deps.sh - names the Debian packages that building and testing qcc needs, and installs those
# that are missing: as root, or by sudo if it asks for no password. Otherwise it prints the command.
set -eu

# Alphabetical; order carries no meaning.
packages="
    check
    clang-format-19
    cmake
    g++
    gcc
    libc6-dev
    libjansson-dev
    libjpeg62-turbo-dev
    libonnx-dev
    libonnx-testdata
    libpng-dev
    libprotobuf-c-dev
    libxxhash-dev
    libyaml-dev
    libzip-dev
    llvm-19-dev
    ninja-build
    pkg-config
    protobuf-c-compiler
    python3
    qemu-user
"

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "install-deps: this is no Debian system; what these packages hold must be there already:" $packages
    exit 0
fi

missing=
for package in $packages; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

command="apt-get install -y --no-install-recommends$missing"
echo "install-deps: missing:$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "install-deps: cannot install them without a password; run:"
    echo "    sudo $command"
    exit 1
fi
$sudo apt-get update || echo "install-deps: could not update the package lists, going on with the old ones"
exec $sudo env DEBIAN_FRONTEND=noninteractive $command
