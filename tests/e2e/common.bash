# common.bash - what the end-to-end tests share: a scratch folder, checks that say what went wrong
set -euo pipefail
: "${QCC:?is the tool under test}" "${QCC_SOURCE:?is the source tree}" "${QCC_BUILD:?is the build tree}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export XDG_CACHE_HOME=$scratch/cache NO_COLOR=1
digits=$QCC_SOURCE/models/digits
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
finish() {
    [ "$failures" = 0 ] || { echo "$failures checks failed"; exit 1; }
    exit 0
}
skip() {
    echo "$(basename "$0"): skipped, $*"
    exit 77
}

# Without the LLVM module nothing can be compiled.
has_llvm() { [ -e "$QCC_BUILD/lib/qcc/qcc-llvm.so" ]; }
needs_llvm() { has_llvm || skip "this build has no LLVM module"; }

# ends CODE COMMAND...: the command ends in this code; what it prints lies in $scratch/out and err
ends() {
    local code=0
    "${@:2}" >"$scratch/out" 2>"$scratch/err" </dev/null || code=$?
    [ "$code" = "$1" ] && return
    fail "code $code instead of $1: ${*:2}"
    sed 's/^/    /' "$scratch/err" | head -20
}
# says PATTERN: the standard error of the last command has a line like this
says() { grep -qE -e "$1" "$scratch/err" || { fail "does not say '$1':"; head -5 "$scratch/err"; }; }
# prints PATTERN: the same of the standard output
prints() { grep -qE -e "$1" "$scratch/out" || { fail "does not print '$1':"; head -5 "$scratch/out"; }; }
# holds PYTHON: an expression over j, the JSON on the last command's standard output
holds() {
    python3 - "$scratch/out" "$1" <<'PYTHON' || fail "does not hold: $1"
import json, sys
try:
    j = json.load(open(sys.argv[1]))
except ValueError:
    sys.exit("    the output is no JSON")
if not eval(sys.argv[2]):
    print(json.dumps(j)[:600])
    sys.exit(1)
PYTHON
}
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }

# inputs FOLDER N: the first N test images of digits as the network wants them, f32 [N,1,24,24]
inputs() {
    python3 - "$digits/test_images.npy" "$1" "$2" <<'PYTHON'
import array, ast, struct, sys
raw = open(sys.argv[1], "rb").read()
size = struct.unpack("<H", raw[8:10])[0]
header = ast.literal_eval(raw[10:10 + size].decode())
assert header["descr"] in ("|u1", "u1") and header["shape"][1:] == (24, 24, 1), header
n = int(sys.argv[3])
pixels = raw[10 + size:10 + size + n * 576]
y = array.array("f", ((p / 255 - 0.44) / 0.3 for p in pixels))
text = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 1, 24, 24), }" % n
text += " " * (-(11 + len(text)) % 64) + "\n"
with open(sys.argv[2], "wb") as f:
    f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + y.tobytes())
PYTHON
}
