#!/bin/bash
# tune.sh - variants of kernels by measurement: recorded, taken up later, damaged, shared
. "$(dirname "$0")/common.bash"
needs_llvm
cd "$scratch"
cp "$digits"/*.onnx "$digits"/*.yaml "$digits"/*.npy .
stats() { ends 0 "$QCC" dump a.bin --stats --json "$@"; }
records() { grep -la 'tuning' "$1"/* || true; }

ends 0 "$QCC" -p ptq_int8 digits.onnx --calib=calib.yaml --set=calibrate.samples=64 --quick -o a.bin --cache-dir=c
inputs x.npy 1 # the shape that dump makes the program ready for
ends 0 "$QCC" run a.bin -i x.npy -o want.npy --cache-dir=c
stats --cache-dir=c
holds 'j["tuning"]["kernels"] > 0 == j["tuning"]["recorded"] == j["tuning"]["measured"]'
[ -z "$(records c)" ] || fail "without --tune there is a record"

# Measured once, then taken from the records, whoever asks; the same bytes.
stats --cache-dir=c --tune=fast
holds 'j["tuning"]["measured"] == j["tuning"]["kernels"] > 0 == j["tuning"]["recorded"]'
measured=$(records c | wc -l)
[ "$measured" -gt 0 ] || fail "no record was written"
for tune in fast off; do
    stats --cache-dir=c --tune=$tune
    holds 'j["tuning"]["recorded"] == j["tuning"]["kernels"] > 0 == j["tuning"]["measured"]'
    holds 'j["cached"] == j["kernels"]'
    ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=c --tune=$tune
    same want.npy y.npy
done
ends 0 "$QCC" dump a.bin --stats --cache-dir=c
prints '^variants .* chosen by a record, 0 by measurements,'

# Damaged records: ignored with a note, and made anew when that is asked for.
for entry in $(records c); do printf '\377\377\377\377' | dd of="$entry" bs=1 seek=80 conv=notrunc status=none; done
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=c
says 'note: a tuning record is ignored: a cache entry is damaged'
same want.npy y.npy
stats --cache-dir=c --tune=fast
holds 'j["tuning"]["measured"] == j["tuning"]["kernels"]'
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=c
if grep -q 'tuning record' err; then fail "damaged records were not replaced"; fi

# Nowhere to write to: it is measured all the same.
mkdir r && chmod 500 r
for where in --cache-dir=r --cache-dir=/proc/nothing --no-cache; do
    stats $where --tune=fast
    holds 'j["tuning"]["measured"] == j["tuning"]["kernels"]'
done
chmod 700 r

# Several processes at once.
pids=()
for i in 1 2 3; do
    "$QCC" run a.bin -i x.npy -o "y$i.npy" --cache-dir=c2 --tune=fast >"log$i" 2>&1 &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "one of several processes failed: $(cat log*)"; done
for i in 1 2 3; do same want.npy "y$i.npy"; done
ls c2 | grep -q tmp && fail "temporary files are left"
stats --cache-dir=c2
holds 'j["tuning"]["recorded"] == j["tuning"]["kernels"]'

ends 2 "$QCC" run a.bin -i x.npy --tune=slow
says 'off or fast, not .slow.'
finish
