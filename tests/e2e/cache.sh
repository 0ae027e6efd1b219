#!/bin/bash
# cache.sh - the cache of kernels: used, damaged, read-only, full, shared by many processes at once
. "$(dirname "$0")/common.bash"
needs_llvm
cd "$scratch"
cp "$digits"/*.onnx "$digits"/*.yaml "$digits"/*.npy .
compile() { "$QCC" -p ptq_int8 digits.onnx --calib=calib.yaml --set=calibrate.samples=64 --quick "$@"; }
stats() { ends 0 "$QCC" dump a.bin --stats --json "$@"; }

ends 0 compile -o a.bin --cache-dir=c
ends 0 "$QCC" cache info --json --cache-dir=c
holds 'j["entries"] > 0 and 0 < j["bytes"] < j["limit"] and j["folder"] == "c"'
[ "$(stat -c %a c)" = 700 ] || fail "the folder is not private"
stats --cache-dir=c
holds 'j["cached"] == j["kernels"] > 0'
inputs x.npy 2
ends 0 "$QCC" run a.bin -i x.npy -o want.npy --cache-dir=c
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --no-cache
same want.npy y.npy

# Every entry is damaged: notes with -v, the same result, and the cache is whole again.
for entry in c/*; do printf '\377\377\377\377' | dd of="$entry" bs=1 seek=200 conv=notrunc status=none; done
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=c -v
says 'note: .*cache entry'
same want.npy y.npy
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=c -v
if grep -q 'cache entry' err; then fail "damaged entries were not replaced"; fi

# Damaged anywhere: in the header, the text, the object, at the end.
for ((i = 0; i < 8; i++)); do
    for entry in c/*; do
        place=$(($(stat -c %s "$entry") * i / 8))
        head -c "$place" "$entry" >changed
        tail -c +$((place + 1)) "$entry" | { head -c 4; cat >/dev/null; } | tr '\000-\377' '\001-\377\000' >>changed
        tail -c +$((place + 5)) "$entry" >>changed
        cat changed >"$entry"
    done
    ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=c -v
    says 'note: .*cache entry'
    same want.npy y.npy
done
for entry in c/*; do truncate -s 100 "$entry"; done
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=c
same want.npy y.npy

# Folders that cannot or must not be used.
mkdir r && chmod 500 r
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=r
same want.npy y.npy
chmod 700 r
ln -s c link
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=link/
says 'note: .*link'
same want.npy y.npy
mkdir open && chmod 777 open
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=open
says 'note: .*others'
[ -z "$(ls open)" ] || fail "a folder that others write to was used"
ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=/proc/nothing
same want.npy y.npy

# A full disk: no file may grow beyond 4 blocks of 1024 bytes (256 of them for the output).
mkdir small
if mount -t tmpfs -o size=64k,mode=700 none small 2>/dev/null; then
    ends 0 "$QCC" run a.bin -i x.npy -o y.npy --cache-dir=small
    same want.npy y.npy
    umount small
else
    echo "a full disk: skipped, a file system cannot be mounted here (tests/unit/test_cache.c has one by limits)"
fi

# Trim and clear.
touch c/letter
ends 0 "$QCC" cache trim --size=0 --cache-dir=c
ends 0 "$QCC" cache info --json --cache-dir=c
holds 'j["entries"] == 0'
[ -e c/letter ] || fail "a foreign file was removed"
stats --cache-dir=c
holds 'j["cached"] == 0'
ends 0 "$QCC" cache clear --cache-dir=c
ends 0 "$QCC" cache --cache-dir=c
prints '^entries  0$'

# Eight processes compile the same model at once, with one empty cache.
pids=()
for i in 1 2 3 4 5 6 7 8; do
    compile -o "p$i.bin" --cache-dir=c2 >"log$i" 2>&1 &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || fail "one of eight processes failed: $(cat log*)"; done
for i in 1 2 3 4 5 6 7 8; do same a.bin "p$i.bin"; done
ls c2 | grep -q tmp && fail "temporary files are left"
stats --cache-dir=c2
holds 'j["cached"] == j["kernels"]'
finish
