#!/bin/bash
# old_cpus.sh PROGRAM [SANITIZERS] - kernels of x86-64-v2 and -v3 on emulated CPUs that know no more
set -euo pipefail
program=$1
skip() {
    echo "old_cpus: skipped, $*"
    exit 77
}
[ -z "${2:-}" ] || skip "the emulator does not run programs with sanitizers"
command -v qemu-x86_64 >/dev/null || skip "there is no qemu-x86_64"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for bundle in x86-64-v2 x86-64-v3 x86-64-v4; do
    mkdir "$scratch/$bundle"
    code=0
    "$program" emit "$bundle" "$scratch/$bundle" || code=$?
    [ "$code" = 0 ] || exit "$code"
done

# on CPU BUNDLE: the bundle's kernels on that CPU; leaves the code that it ended with
on() {
    code=0
    qemu-x86_64 -cpu "$1" "$program" run "$2" "$scratch/$2" >"$scratch/out" 2>&1 || code=$?
}
failed=0
runs() {
    on "$1" "$2"
    [ "$code" = 0 ] && return
    echo "FAILED: $2 on $1 ends with $code"
    cat "$scratch/out"
    failed=1
}
# That the emulator catches what is too new: SIGILL is 128 + 4.
catches() {
    on "$1" "$2"
    [ "$code" = 132 ] && return
    echo "FAILED: $2 on $1 ends with $code, not with an illegal instruction"
    failed=1
}
runs Nehalem x86-64-v2
runs Haswell x86-64-v3
catches Nehalem x86-64-v3
catches Haswell x86-64-v4
exit $failed
