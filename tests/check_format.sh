#!/bin/sh
# check_format.sh - every C file is formatted as .clang-format says; with -i: formats them
set -eu
cd "$(dirname "$0")/.."

if ! command -v clang-format-19 >/dev/null 2>&1; then
    echo "check-format: SKIPPED, clang-format-19 is not installed"
    exit 0
fi
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    files=$(git ls-files '*.c' '*.h')
else
    files=$(find . -path './build*' -prune -o -name '*.[ch]' -print)
fi
[ -n "$files" ] || exit 0
if [ "${1:-}" = -i ]; then
    echo "$files" | xargs clang-format-19 -i
elif ! echo "$files" | xargs clang-format-19 --dry-run -Werror; then
    echo "check-format: run 'make format'"
    exit 1
fi
