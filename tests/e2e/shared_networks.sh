#!/bin/bash
# shared_networks.sh - networks whose batch is open, where their generator is: compiled once, they run
# at batch 1, 3 and 8 with the interpreter's bytes, and nothing that is cached is compiled again
#
#   QCC_SAMPLES=1   all of them, whole, f32 and int8: many minutes
. "$(dirname "$0")/common.bash"
needs_llvm
QCC_SHARED=$(realpath -m "${QCC_SHARED:-$QCC_SOURCE/../shared}")
generator=$QCC_SHARED/networks/make_networks.py
[ -e "$generator" ] || skip "there is no $generator"
python=/usr/bin/python3
"$python" -c 'import numpy, onnx' 2>"$scratch/err" || skip "its generator needs $(tail -1 "$scratch/err")"
cd "$scratch"
entries() { find "$XDG_CACHE_HOME/qcc" -type f | wc -l; }

networks="mobilenetv2:u8 bert1:"
[ -z "${QCC_SAMPLES:-}" ] || networks="resnet18: resnet18:u8 resnet18:s8 mobilenetv2: $networks mobilenetv2:s8 bert12: bert12:u8"
for network in $networks; do
    name=${network%:*} quantized=${network#*:}
    OUT=. "$python" - "$generator" "$name" "$quantized" >made <<'P'
import sys
generator, name, q = sys.argv[1:]
sys.argv = [generator]
exec(open(generator).read().split("if __name__")[0])
r = np.random.default_rng(3)
if name.startswith("bert"):
    bert("qdq" if q else "fp32", L=int(name[4:]), q=q or None)
else:
    cnn(name, q or None)
for n in 1, 3, 8:
    shape = (n, 128, 768) if name.startswith("bert") else (n, 3, 224, 224)
    np.save("in%d.npy" % n, r.standard_normal(shape).astype(np.float32))
P
    pipeline=${quantized:+qat_int8}
    ends 0 "$QCC" compile -p ${pipeline:-float} ./*.onnx --quick -o net.bin
    rm -f ./*.onnx
    for n in 1 3 8; do
        ends 0 "$QCC" run net.bin --input=in$n.npy --output=jit$n.npy
        ends 0 "$QCC" run net.bin --input=in$n.npy --output=interp.npy --engine=interp
        same jit$n.npy interp.npy
    done
    known=$(entries)
    for n in 1 3 8; do
        ends 0 "$QCC" run net.bin --input=in$n.npy --output=again.npy
        same again.npy jit$n.npy
    done
    [ "$(entries)" = "$known" ] || fail "$network: kernels were compiled again"
done
finish
