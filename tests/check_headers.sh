#!/bin/bash
# check_headers.sh [CFLAGS...] - every header compiles alone; the public one also as C++
set -euo pipefail
cd "$(dirname "$0")/.."
warnings=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I.)
failed=0

# alone HEADER COMPILER...: the declaration keeps a header of macros from being an empty unit
alone() {
    printf '#include "%s"\nextern int qcc_headers_stand_alone;\n' "$1" | "${@:2}" - ||
        { echo "$1 does not compile alone with: ${*:2}"; failed=1; }
}

while read -r header; do
    case $header in
    backend/llvm/*) [ -n "${QCC_LLVM_MODULE:-}" ] || { echo "$header: skipped, no LLVM"; continue; } ;;
    esac
    alone "$header" "${CC:-cc}" -x c -std=c11 "${warnings[@]}" -D_POSIX_C_SOURCE=200809L "$@"
done < <(find ir passes frontend backend runtime tools tests -name '*.h' | sort)

public=runtime/qcc.h
if [ -f $public ]; then
    # As an application compiles it: nothing defined, nothing of ours in the include path.
    alone $public "${CC:-cc}" -x c -std=c11 "${warnings[@]}" -pedantic-errors
    cxx=${CXX:-c++}
    if command -v "$cxx" >/dev/null; then
        alone $public "$cxx" -x c++ -std=c++17 "${warnings[@]}" -pedantic-errors
    else
        echo "$public as C++: skipped, no C++ compiler $cxx"
    fi
fi
exit $failed
