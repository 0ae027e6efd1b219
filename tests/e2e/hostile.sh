#!/bin/bash
# hostile.sh - files that were cut short or damaged end in a located error, or in a valid result
. "$(dirname "$0")/common.bash"
needs_llvm
cd "$scratch"
cp "$digits"/*.onnx "$digits"/*.yaml "$digits"/*.npy .
ends 0 "$QCC" import digits.onnx --calib=calib.yaml --samples=4 -o digits.bin
ends 0 "$QCC" dump digits.bin --full
cp out digits.qir

# try FILE WHAT COMMAND...: the command ends in 0 or 1 (3: an op that nobody knows), and says where
try() {
    local code=0
    timeout 20 "${@:3}" >out 2>err </dev/null || code=$?
    case $code in
    0) ;;
    1 | 3) grep -q "$1.*: error: " err || fail "$2: no located error: $(head -1 err)" ;;
    *) fail "$2: code $code: $(tail -3 err)" ;;
    esac
}

# Cut at many lengths; QCC_CUT=64 cuts at every multiple of 64 bytes.
for file in digits.onnx digits.bin digits.qir; do
    size=$(stat -c %s $file)
    step=${QCC_CUT:-$((size / 40 + 1))}
    for ((n = 0; n < size; n += step)); do
        head -c "$n" $file >"cut-${file%.*}.${file##*.}"
        try "cut-$file" "$file cut to $n bytes" "$QCC" dump "cut-$file" --summary
    done
done

# One byte changed, at places that a fixed sequence gives.
random=1
for file in digits.onnx digits.bin digits.qir; do
    size=$(stat -c %s $file)
    for ((i = 0; i < 40; i++)); do
        random=$(((random * 1103515245 + 12345) % 2147483648))
        place=$((i < 20 ? random % 4096 : random % size))
        cp $file "bad-$file"
        printf "\\x$(printf %02x $((random / 256 % 256)))" |
            dd of="bad-$file" bs=1 seek=$place conv=notrunc status=none
        try "bad-$file" "$file with another byte at $place" "$QCC" dump "bad-$file" --summary
    done
done

# Data.
ends 0 "$QCC" compile -p float digits.onnx --quick -o f.bin
for n in 0 6 9 10 40 120 127 128 129 1000; do
    head -c "$n" test_images.npy >cut.npy
    sed 's/test_images/cut/' data.yaml >cut.yaml
    ends 1 "$QCC" eval f.bin --data=cut.yaml
    says 'cut\.(npy|yaml).*: error: '
done
printf 'tensors: [unclosed\n' >bad.yaml
ends 1 "$QCC" eval f.bin --data=bad.yaml
says 'bad.yaml:[0-9]+:[0-9]+: error: '
sed 's/test_labels/nothing/' data.yaml >bad.yaml
ends 5 "$QCC" eval f.bin --data=bad.yaml
says 'nothing.npy'
printf 'tensors: test_images.npy\ncolour: blue\n' >bad.yaml
ends 1 "$QCC" eval f.bin --data=bad.yaml
says 'bad.yaml:2:[0-9]+: error: '
printf 'tensors: test_labels.npy\n' >bad.yaml
ends 1 "$QCC" eval f.bin --data=bad.yaml
finish
