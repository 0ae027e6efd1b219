#!/bin/bash
# networks.sh - typical structures, quantized: no border is left that need not be, and little is lost
#
# One rounding of a normal value to 256 steps costs it down to about 40 dB. What is asked for leaves
# room for a dozen of them in a row, and for none of the faults that cost more: a shared scale that
# is too wide, a gate that is rounded twice, a softmax in steps of 1/256.
. "$(dirname "$0")/common.bash"
needs_llvm
cd "$scratch"
cp "$QCC_SOURCE"/tests/networks/*.{onnx,npy,yaml} .

# small NAME DECIBELS BORDERS
small() {
    ends 0 "$QCC" compile -p ptq_int8 "$1.onnx" --calib="$1.yaml" --quick --report-unfused \
        --stats -o "$1.bin"
    cat err >>out
    prints "^unfused +$3 border"
    prints ' 0 ops through eval'
    ends 0 "$QCC" eval "$1.bin" --data="$1.yaml" --reference="$1.onnx" --json
    holds "j['sqnr_db'] > $2"
}

small excitation 36 0
small attention 32 0
small upsampling 33 0
# What relu gives takes less than half of what the first concatenation holds: it keeps its own scale.
small dense 34 1
finish
