#!/usr/bin/env bash
# check_docs - code in the docs that says which file it is must be that file
set -u
cd "$(dirname "$0")/.." || exit 1
checked=0 failed=0
for doc in docs/*.md README.md; do
    while read -r file; do
        checked=$((checked + 1))
        if ! awk -v want="<!-- file: $file -->" '
                $0 == want { armed = 1; next }
                armed && /^```/ { if (inside) exit; inside = 1; next }
                inside { print }' "$doc" | cmp -s - "$file"; then
            echo "$doc: its copy of $file differs from the file"
            failed=1
        fi
    done < <(sed -n 's/^<!-- file: \(.*\) -->$/\1/p' "$doc")
done
[ "$checked" -gt 0 ] || { echo "no code that names its file was found"; exit 1; }
[ "$failed" = 0 ] && echo "$checked quoted files are as they are"
exit "$failed"
