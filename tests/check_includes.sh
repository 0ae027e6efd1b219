#!/bin/bash
# check_includes.sh [ROOT] - layers include each other in one direction only
#
#   ir/base <- ir <- { passes, frontend, backend, runtime }      only runtime/compile.c sees all four
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# Prints what is wrong with file $1 including $2, which begins with < or "; prints nothing if it may.
# The first pattern that fits decides.
verdict() {
    case "$1 $2" in
    # The public header stands on standard C alone, and everyone may use its vocabulary.
    runtime/qcc.h\ \<stdarg.h | runtime/qcc.h\ \<stdbool.h | runtime/qcc.h\ \<stddef.h) ;;
    runtime/qcc.h\ \<stdint.h | runtime/qcc.h\ \<stdio.h) ;;
    runtime/qcc.h\ *) echo "the public header includes standard C headers only" ;;
    *\ \"runtime/qcc.h) ;;

    # Libraries stay where the layers want them: libqcc-rt is free of all of these.
    backend/llvm/*\ \<llvm-c/*) ;;
    *\ [\<\"]llvm*) echo "only backend/llvm/ may see LLVM" ;;
    passes/*\ \<yaml.h | frontend/*\ \<yaml.h) ;;
    frontend/*\ \<jpeglib.h | frontend/*\ \<png.h | frontend/*\ \<zip.h) ;;
    frontend/*\ \<protobuf-c/* | frontend/*\ [\<\"]onnx.pb-c.h) ;;
    *\ \<yaml.h) echo "only passes/ and frontend/ may read YAML" ;;
    *\ \<jpeglib.h | *\ \<png.h | *\ \<zip.h) echo "only frontend/ may read foreign files" ;;
    *\ \<protobuf-c/* | *\ [\<\"]onnx.pb-c.h) echo "only frontend/ may read foreign files" ;;

    *\ \<ir/* | *\ \<passes/* | *\ \<frontend/* | *\ \<backend/* | *\ \<runtime/* | *\ \<tools/*)
        echo 'headers of the tree are included with ""' ;;
    *\ \<*) ;;

    ir/base/*\ \"ir/base/*) ;;
    ir/base/*) echo "ir/base/ may include ir/base/" ;;
    ir/*\ \"ir/*) ;;
    ir/*) echo "ir/ may include ir/" ;;
    passes/*\ \"ir/* | passes/*\ \"passes/*) ;;
    passes/*) echo "passes/ may include ir/, passes/" ;;
    frontend/*\ \"ir/* | frontend/*\ \"frontend/*) ;;
    frontend/*) echo "frontend/ may include ir/, frontend/" ;;
    backend/llvm/*\ \"ir/* | backend/llvm/*\ \"backend/*) ;;
    backend/*\ \"backend/llvm/*) echo "only backend/llvm/ may include backend/llvm/" ;;
    backend/*\ \"ir/* | backend/*\ \"backend/*) ;;
    backend/*) echo "backend/ may include ir/, backend/" ;;
    runtime/*\ \"backend/llvm/*) echo "only backend/llvm/ may include backend/llvm/" ;;
    runtime/*\ \"ir/* | runtime/*\ \"backend/* | runtime/*\ \"runtime/*) ;;
    runtime/compile.c\ \"passes/* | runtime/compile.c\ \"frontend/*) ;;
    runtime/*) echo "runtime/ may include ir/, backend/, runtime/; compile.c also passes/, frontend/" ;;
    tools/*\ \"tools/*) ;;
    tools/*) echo "tools/ may include runtime/qcc.h, tools/" ;;
    *) echo "no rule for this folder" ;;
    esac
}

bad=0
while IFS=: read -r file line text; do
    [[ $text =~ include[[:space:]]*([\<\"][^\>\"]+) ]] || continue # include of a macro
    why=$(verdict "$file" "${BASH_REMATCH[1]}")
    [ -n "$why" ] || continue
    echo "$file:$line: error: $text: $why"
    bad=1
done < <(shopt -s nullglob
    folders=(ir passes frontend backend runtime tools)
    for folder in "${folders[@]}"; do
        [ -d "$folder" ] && grep -rnE '^[[:space:]]*#[[:space:]]*include' \
            --include='*.[ch]' --include='*.def' "$folder" || true
    done)
exit $bad
