#!/bin/sh
# run.sh BUILD RUNS - runs every fuzz target; what it finds and its growing corpus stay below BUILD
set -eu
build=$1
runs=$2
source=$(cd "$(dirname "$0")" && pwd)

for target in "$build"/tests/fuzz_*; do
    [ -x "$target" ] || { echo "run.sh: no fuzz targets in $build"; exit 1; }
    name=$(basename "$target")
    seeds=$source/corpus/${name#fuzz_}
    corpus=$build/corpus/${name#fuzz_}
    mkdir -p "$corpus"
    [ -d "$seeds" ] || seeds=
    echo "$name: $runs runs"
    words=
    [ ! -f "$source/${name#fuzz_}.dict" ] || words=-dict=$source/${name#fuzz_}.dict
    # An allocation of half a GiB for a file of some KiB comes from a number that nobody checked.
    "$target" -runs="$runs" -timeout=10 -malloc_limit_mb=512 -rss_limit_mb=2048 $words \
        -max_len=16384 -print_final_stats=1 \
        -artifact_prefix="$build/$name-" "$corpus" $seeds >"$build/$name.log" 2>&1 ||
        { tail -n 40 "$build/$name.log"; exit 1; }
done
echo "no fuzz target found anything"
