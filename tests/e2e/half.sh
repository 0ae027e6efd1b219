#!/bin/bash
# half.sh - a model of half precision: quantized like one of f32; what goes in and comes out stays f16
. "$(dirname "$0")/common.bash"
needs_llvm
cd "$scratch"
model=$QCC_SOURCE/tests/onnx/half_network/model.onnx

# Samples of f32 for an input of f16.
python3 - <<'PYTHON'
import array, math
n, shape = 16, (3, 6, 6)
header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(n,) + shape}, }}"
header += " " * (63 - (10 + len(header)) % 64) + "\n"
data = array.array("f", (2 * math.sin(i * i % 997) for i in range(n * math.prod(shape))))
open("x.npy", "wb").write(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + data.tobytes())
PYTHON
echo 'tensors: x.npy' >data.yaml

ends 0 "$QCC" -p ptq_int8 "$model" --calib=data.yaml -o half.bin --stats --json
says 'widen-floats: roundings removed'
holds 'j["made"]["program"]["eval_steps"] == 0 and j["accuracy"]["sqnr_db"] > 25'
holds 'any(k["kernel"].startswith("conv") and k["kernel"].endswith("u8") for k in j["kernels"])'
ends 0 "$QCC" dump half.bin
prints 'graph @half_network\(%x: f16\[1,3,6,6\]\)'
prints '%y = cast .*: f16\[1,5\]'
finish
