#!/bin/bash
# symbolic.sh - a model whose batch is open: one file serves every batch, and nothing is compiled twice
. "$(dirname "$0")/common.bash"
needs_llvm
cd "$scratch"
cp "$digits"/*.onnx "$digits"/*.yaml "$digits"/*.npy .
entries() { find "$XDG_CACHE_HOME/qcc" -type f | wc -l; }

ends 0 "$QCC" compile -p ptq_int8 digits.onnx --calib=calib.yaml --quick -o int8.bin
ends 0 "$QCC" dump --summary int8.bin
prints '^input +image: f32\[N,1,24,24\]$'
prints '^output +logits: f32\[N,10\]$'
for model in digits.onnx int8.bin; do
    inputs one.npy 1
    inputs five.npy 5
    for n in one five; do
        ends 0 "$QCC" run $model --input=$n.npy --output=$n.jit.npy
        ends 0 "$QCC" run $model --input=$n.npy --output=$n.interp.npy --engine=interp
        same $n.jit.npy $n.interp.npy
    done
    # The first image has the same logits alone and among five.
    python3 -c 'import sys
a, b = (open(f, "rb").read()[128:] for f in sys.argv[1:])
sys.exit(len(b) != 5 * len(a) or not b.startswith(a))' one.jit.npy five.jit.npy ||
        fail "$model: another batch, other logits"
    known=$(entries)
    for n in one five; do ends 0 "$QCC" run $model --input=$n.npy --output=again.npy; done
    same again.npy five.jit.npy
    [ "$(entries)" = "$known" ] || fail "$model: kernels were compiled again"
done

# --shape fixes what is open; the rest of the tools take it too.
ends 0 "$QCC" dump --summary --shape=image=5,1,24,24 int8.bin
prints '^output +logits: f32\[5,10\]$'
ends 0 "$QCC" dump --stats int8.bin
prints '^extents +N 1$'
ends 0 "$QCC" run int8.bin --input=five.npy --shape=5,1,24,24 --output=fixed.npy
same fixed.npy five.jit.npy
ends 2 "$QCC" run int8.bin --input=five.npy --shape=image=4,1,24,24
says 'is 4 in the model, the shape says 5'
ends 2 "$QCC" dump --summary --shape=image=5,1,24,25 int8.bin
says "dimension 3 of 'image' is 24 in the model, the shape says 25"
ends 2 "$QCC" dump --summary --shape=image=99999999,1,24,24 int8.bin
says 'N lies in 1\.\.'

# Two inputs that share a symbol.
cat >two.qir <<'Q'
qir 1
graph @two(symbols N: 1..8, S: 1..8; %a: f32[N,2], %b: f32[N,S], %c: f32[S]) {
  %x = add %b, %c : f32[N,S]
  %y = concat %a, %a {axis: 1} : f32[N,4]
  return %x, %y
}
Q
ends 0 "$QCC" dump --summary --shape=c=3 two.qir
prints '^input +b: f32\[N,3\]$'
array() { python3 - "$@" <<'P'
import struct, sys
path, shape = sys.argv[1], tuple(int(n) for n in sys.argv[2:])
count = 1
for n in shape: count *= n
head = ("{'descr': '<f4', 'fortran_order': False, 'shape': %r, }" % (shape,)).ljust(117) + "\n"
open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
                       + struct.pack("<%df" % count, *[i / 4 for i in range(count)]))
P
}
array a.npy 3 2; array b.npy 3 4; array c.npy 4; array wrong.npy 5
for engine in jit interp; do
    ends 0 "$QCC" run two.qir -i a.npy -i b.npy -i c.npy -o x=x.$engine -e $engine
done
same x.jit x.interp
ends 0 "$QCC" run two.qir -i c=c.npy -i a=a.npy -i b=b.npy
prints '^x: f32\[3,4\]$'
ends 2 "$QCC" run two.qir -i a.npy -i b.npy -i wrong.npy
says "dimension 0 of 'c' is S, which is 4 by the other dimensions; the shape says 5"

# Models that compute with their own shapes: one file, any sizes, the interpreter's bytes.
cases=$QCC_SOURCE/tests/onnx
ends 0 "$QCC" dump --summary "$cases/dims_resize/model.onnx"
prints '^output +y: f32\[N,2,4\*H,4\*W\]$'
array s.npy 1 4 6; array t.npy 3 7 6
for size in s t; do
    for engine in jit interp; do
        ends 0 "$QCC" run "$cases/dims_heads/model.onnx" -i $size.npy -o $size.$engine -e $engine
    done
    same $size.jit $size.interp
done
ends 0 "$QCC" dump --summary --shape=x=3,2,8,9 "$cases/dims_resize/model.onnx"
prints '^output +y: f32\[3,2,32,36\]$'
ends 2 "$QCC" dump --summary --shape=x=3,3,8,9 "$cases/dims_resize/model.onnx"
says "dimension 1 of 'x' is 2 in the model, the shape says 3"

# A mask that all heads share, and rows of a table, in attributes with symbols.
cat >heads.qir <<'Q'
qir 1
graph @heads(symbols N: 1..8, S: 1..4; %q: f32[N,2,S,3], %k: f32[N,2,3,S], %m: f32[N,1,S,S]) {
  %a = matmul %q, %k : f32[N,2,S,S]
  %b = add %a, %m : f32[N,2,S,S]
  %t = const [1, 2, 3, 4, 5, 6, 7, 8] : f32[4,2]
  %r = slice %t {begin: [0,0], end: [1,2], step: [1,1], symbols: ["S",""]} : f32[S,2]
  %e = expand %r {shape: [1,1,2], symbols: ["N","S",""]} : f32[N,S,2]
  %f = reshape %e {shape: [2,1], symbols: ["S","N"]} : f32[2*S,N]
  return %b, %f
}
Q
array q.npy 5 2 3 3; array k.npy 5 2 3 3; array m.npy 5 1 3 3
for engine in jit interp; do
    ends 0 "$QCC" run heads.qir -i q=q.npy -i k=k.npy -i m=m.npy -o b=b.$engine -o f=f.$engine -e $engine
done
same b.jit b.interp
same f.jit f.interp
ends 0 "$QCC" dump --stats --json heads.qir --shape=q=5,2,3,3
holds 'j["eval_steps"] == 0'
sed 's/symbols: \["S","N"\]/symbols: ["S","Z"]/' heads.qir >wrong.qir
ends 1 "$QCC" dump --summary wrong.qir
says "'reshape' needs at most two symbols of the graph in an extent; it has 'Z'"
sed 's/S: 1\.\.4/S: 1..9/' heads.qir >long.qir
array q.npy 1 2 5 3; array k.npy 1 2 3 5; array m.npy 1 1 5 5
ends 1 "$QCC" run long.qir -i q=q.npy -i k=k.npy -i m=m.npy
says "'slice' needs begin and end within the extent"
finish
