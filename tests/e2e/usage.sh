#!/bin/bash
# usage.sh - help, wrong usage, and the exit code of every kind of failure
. "$(dirname "$0")/common.bash"
commands="compile import run eval bench dump passes ops targets cache"

ends 0 "$QCC" --version
prints '^qcc [0-9]+\.[0-9]+\.[0-9]+$'
ends 0 "$QCC" --help
for command in $commands; do prints "^  $command "; done
[ ! -s "$scratch/err" ] || fail "help says something on standard error"

sed 's/\\-/-/g' "$QCC_SOURCE/tools/qcc.1" >"$scratch/manual"
# Every option is in the command's help, in the manual page and in the list for completion.
for command in $commands; do
    ends 0 "$QCC" "$command" --list-options
    options=$(cat "$scratch/out")
    ends 0 "$QCC" "$command" --help
    for option in $options; do
        prints "$option"
        grep -q -e "${option%=}" "$scratch/manual" ||
            fail "the manual page lacks $option of $command"
    done
done

ends 2 "$QCC"
says "nothing to do"
ends 2 "$QCC" compil
says "did you mean 'compile'"
ends 2 "$QCC" frobnicate
says "'frobnicate' is neither a command nor a file"
ends 2 "$QCC" bench --iteratons=3 x
says "did you mean '--iterations'"
ends 2 "$QCC" bench --iter=3 x
says "did you mean '--iterations'"
ends 2 "$QCC" bench --iterations=none x
says "wants a number, not 'none'"
ends 2 "$QCC" bench --iterations=0 x
says "lies in 1"
ends 2 "$QCC" bench --json=yes x
says "takes no value"
ends 2 "$QCC" bench -Z x
says "no option '-Z'"
ends 2 "$QCC" compile -p
says "wants PIPELINE"
ends 2 "$QCC" dump
says "no MODEL is given"
says "usage: qcc dump"
ends 2 "$QCC" dump --json "$digits/digits.onnx"
says "--stats"
ends 2 "$QCC" dump a b
says "'b' is one too many"
ends 2 "$QCC" compile "$digits/digits.onnx"
says "no pipeline is given"
ends 2 "$QCC" cache burn
says "not 'burn'"
ends 2 "$QCC" run "$digits/digits.onnx" --engine=magic
says "jit or interp"
ends 2 "$QCC" --help-pass=no-such-pass
says "there is no pass 'no-such-pass'"
ends 2 "$QCC" ops no-such-op
says "there is no op 'no-such-op'"
ends 5 "$QCC" cache clear --cache-dir="$digits/digits.onnx"
says "there is no cache to clear"

# Files that are not there, or are not what they should be.
ends 5 "$QCC" dump "$scratch/nothing.onnx"
says "nothing.onnx: error: "
ends 5 "$QCC" -p "$scratch/nothing.yaml" "$digits/digits.onnx"
says "nothing.yaml: error: "
printf 'qir 1\ngraph @g(%%x: f32[1,4]) {\n  %%y = relu %%nosuch : f32[1,4]\n  return %%y\n}\n' >"$scratch/bad.qir"
ends 1 "$QCC" dump "$scratch/bad.qir"
says 'bad.qir:3:[0-9]+: error: '
says '\^'
head -c 100 /dev/urandom >"$scratch/noise"
ends 1 "$QCC" dump "$scratch/noise"
printf 'qir 1\ngraph @g(%%x: f32[1,4]) {\n  %%y = no_such_op %%x : f32[1,4]\n  return %%y\n}\n' >"$scratch/op.qir"
ends 1 "$QCC" dump "$scratch/op.qir"
says 'op.qir:3:[0-9]+: error: .*no_such_op'
LC_ALL=C sed 's/Relu/Reli/g' "$digits/digits.onnx" >"$scratch/op.onnx"
ends 3 "$QCC" dump "$scratch/op.onnx"
says 'op.onnx: error: .*Reli'
printf 'qcc: 1\npasses:\n  - no-such-pass\n' >"$scratch/pass.yaml"
ends 1 "$QCC" -p "$scratch/pass.yaml" "$digits/digits.onnx" -o "$scratch/o.bin"
says 'pass.yaml:3:[0-9]+: error: '
printf 'qcc: 1\npasses:\n  - calibrate: {samples: many}\n' >"$scratch/option.yaml"
ends 1 "$QCC" -p "$scratch/option.yaml" "$digits/digits.onnx" -o "$scratch/o.bin"
says 'option.yaml:3:[0-9]+: error: '
printf 'qcc: 1\npasses:\n  - quantize\n' >"$scratch/order.yaml"
ends 1 "$QCC" -p "$scratch/order.yaml" "$digits/digits.onnx" -o "$scratch/o.bin"
says 'order.yaml:3:[0-9]+: error: .*calibrated'
printf 'qcc: 1\npasses: [\n' >"$scratch/syntax.yaml"
ends 1 "$QCC" -p "$scratch/syntax.yaml" "$digits/digits.onnx" -o "$scratch/o.bin"
says 'syntax.yaml:[0-9]+:[0-9]+: error: '

# No calibration data: the remedy is named.
ends 2 "$QCC" -p ptq_int8 "$digits/digits.onnx" -o "$scratch/o.bin"
says 'error: .*calibration'
says '--calib'
if has_llvm; then
    ends 2 "$QCC" eval "$digits/digits.onnx"
    says 'error: .*data'
else
    echo "usage.sh: evaluation without data: skipped, this build has no LLVM module"
fi
ends 2 "$QCC" dump "$digits/digits.onnx" --stats --target=z80
says 'z80'
# Wrong options are told before anything is computed.
for wrong in --target=z80 --tune=slow; do
    ends 2 "$QCC" -p float "$digits/digits.onnx" $wrong -o "$scratch/o.bin"
done
ends 1 "$QCC" -p ptq_int8 "$digits/digits.onnx" --calib="$digits" -o "$scratch/o.bin"
says "wanted a DATA.yaml"
says "'images: .*digits'"
ends 1 "$QCC" -p ptq_int8 "$digits/digits.onnx" --calib="$digits/calib_images.npy" -o "$scratch/o.bin"
says "'tensors: .*calib_images.npy'"
[ ! -e "$scratch/o.bin" ] || fail "a failure left an output behind"

# The output is never the input.
cp "$digits/digits.onnx" "$scratch/m.onnx"
ends 2 "$QCC" -p float "$scratch/m.onnx" -o "$scratch/m.onnx"
says 'not written over'
cmp -s "$digits/digits.onnx" "$scratch/m.onnx" || fail "the input was changed"
ends 5 "$QCC" -p float "$scratch/m.onnx" -o "$scratch/no/such/folder/o.bin" --quick

# Lists.
ends 0 "$QCC" targets --names
prints '^x86-64-v2$'
ends 0 "$QCC" targets
ends 0 "$QCC" passes --pipelines
for pipeline in "$QCC_SOURCE"/pipelines/*.yaml; do prints "^$(basename "$pipeline" .yaml) - "; done
for pass in calibrate quantize fuse-requant fold-batchnorm; do
    ends 0 "$QCC" passes
    prints "^$pass "
    ends 0 "$QCC" "--help-pass=$pass"
    prints "^$pass - "
done
ends 0 "$QCC" passes calibrate
prints '^percentile  '
ends 0 "$QCC" passes quantize
if grep -q '^percentile' "$scratch/out"; then fail "quantize has no method of calibration"; fi
ends 0 "$QCC" ops
prints '^conv2d '
ends 0 "$QCC" ops conv2d
prints 'conv2d - '
if [ -e /dev/full ]; then
    code=0
    "$QCC" ops >/dev/full 2>"$scratch/err" || code=$?
    [ "$code" = 5 ] || fail "a full standard output ends in $code, not 5"
    says "standard output cannot be written"
fi
finish
