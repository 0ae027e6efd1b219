#!/bin/bash
# check_exports.sh LIBQCC LIBQCC_RT - the libraries export what their headers promise, no less, no more
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

exported() { nm -D --defined-only "$1" | awk '$2 ~ /[A-Z]/ && $3 !~ /^__/ {print $3}' | sort -u; }
public=$(grep -oE 'QCC_API [^()]*qcc_[a-z0-9_]+\(' runtime/qcc.h | grep -oE 'qcc_[a-z0-9_]+' | sort -u)

missing=$(comm -23 <(echo "$public") <(exported "$1"))
[ -z "$missing" ] || { echo "$1 lacks of runtime/qcc.h:" $missing; failed=1; }
foreign=$(exported "$1" | grep -v '^qcc_' || true)
[ -z "$foreign" ] || { echo "$1 exports names that are not qcc_*:" $foreign; failed=1; }
more=$(comm -13 <(echo "$public") <(exported "$2"))
[ -z "$more" ] || { echo "$2 exports more than runtime/qcc.h:" $more; failed=1; }
exit $failed
