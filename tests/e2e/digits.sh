#!/bin/bash
# digits.sh - the whole road: ONNX -> model.bin -> int8 program -> accuracy, latency, running
. "$(dirname "$0")/common.bash"
needs_llvm
cd "$scratch"
cp "$digits"/*.onnx "$digits"/*.yaml "$digits"/*.npy .
int8=digits.ptq_int8.bin

# Top-1 of the f32 network as numpy measured it when it was trained: 1706 of 1800.
ends 0 "$QCC" eval digits.onnx --data=data.yaml --json
holds 'j["n"] == 1800 and abs(j["top1"] - 1706 / 18) < 0.06'
holds 'j["top5"] > j["top1"] and j["fp32"] is None and j["sqnr_db"] is None'

ends 0 "$QCC" import digits.onnx --calib=calib.yaml --samples=512 -o digits.bin
prints 'digits.bin'
ends 0 "$QCC" -p ptq_int8 digits.bin --data=data.yaml
[ -s $int8 ] || fail "no $int8 beside the model"
for row in 'top-1' 'latency, median' 'slowest kernels' 'constants' 'sqnr'; do prints "$row"; done
ends 0 "$QCC" eval $int8 --data=data.yaml --reference=digits.onnx --json
holds 'j["fp32"]["top1"] - j["top1"] < 1'
holds 'abs(j["fp32"]["top1"] - 1706 / 18) < 0.06'
holds 'j["agreement"] > 97 and j["sqnr_db"] > 15 and j["cosine"] > 0.98'
holds 'j["size_bytes"] < 0.35 * j["reference_size_bytes"]'
ends 4 "$QCC" eval $int8 --data=data.yaml --min-top1=99.9
says 'error: top-1'
ends 0 "$QCC" eval $int8 --data=data.yaml --reference=digits.onnx --max-loss=1
ends 0 "$QCC" eval $int8 --data=data.yaml
prints '^top-1 '

# Labels of classes that the network does not have are no samples that it gets wrong.
{ cat data.yaml; echo 'label_offset: 1'; } >shifted.yaml
ends 1 "$QCC" eval $int8 --data=shifted.yaml
says 'shifted.yaml: error: sample [0-9]+ is of class 10, the model has 0..9'

# Calibration data from the command line gives the same program as the samples that the model carries.
ends 0 "$QCC" compile -p ptq_int8 digits.onnx --calib=calib.yaml --quick -o calib.bin
ends 0 "$QCC" dump calib.bin --full
grep -v '^sample' out | sed '1,/{/d' >calib.qir
ends 0 "$QCC" compile -p ptq_int8 digits.bin --quick -o samples.bin
ends 0 "$QCC" eval calib.bin --data=data.yaml --reference=samples.bin --json
holds 'j["sqnr_db"] == 200 and j["agreement"] == 100'

# Interpreter, compiled code, bundles and threads give the same bytes.
inputs x.npy 4
ends 0 "$QCC" run $int8 --input=x.npy --output=jit.npy
ends 0 "$QCC" run $int8 --input=x.npy --output=interp.npy --engine=interp
same jit.npy interp.npy
for target in $("$QCC" targets --names); do
    ends 0 "$QCC" run $int8 --input=x.npy --output=t.npy --target="$target" --threads=2
    same interp.npy t.npy
done
ends 0 "$QCC" run digits.onnx -i x.npy -o f.npy
ends 0 "$QCC" run digits.onnx -i image=x.npy -o logits=fi.npy -e interp
same f.npy fi.npy
ends 0 "$QCC" run $int8 --input=x.npy
prints '^logits: f32\[4,10\]'
ends 0 "$QCC" run $int8 --input=x.npy --output=-
same jit.npy out
ends 2 "$QCC" run $int8 --input=x.npy --input=scale=x.npy
says "has no input 'scale', only 'image'"
says 'note: x.npy holds f32\[4,1,24,24\]'
ends 2 "$QCC" run $int8
says 'needs --input='
ends 5 "$QCC" run $int8 --input=none.npy
head -c 100 x.npy >cut.npy
ends 1 "$QCC" run $int8 --input=cut.npy

# Latency.
ends 0 "$QCC" bench $int8 --reference=digits.onnx --iterations=20 --threads=1 --json
holds 'all(j[k]["min_ms"] <= j[k]["median_ms"] <= j[k]["p90_ms"] for k in ("int8", "fp32"))'
holds 'j["int8"]["min_ms"] > 0 and len(j["kernels"]) >= 5 and all(k["compiled"] for k in j["kernels"])'
ends 0 "$QCC" bench digits.onnx --iterations=5 --shape=image=2,1,24,24 --json
holds 'j["int8"] is None and j["fp32"]["min_ms"] > 0'
ends 0 "$QCC" bench $int8 --iterations=5 --top=3
prints 'GOP/s'

# Text.
ends 0 "$QCC" dump $int8
prints '^graph @'
prints 'fused'
ends 0 "$QCC" dump $int8 --plan
ends 0 "$QCC" dump $int8 --kernels
prints '^; kernel 0'
ends 0 "$QCC" dump $int8 --stats
prints ' 0 ops through eval'
ends 0 "$QCC" dump $int8 --stats --json
holds 'j["eval_steps"] == 0 and j["kernels"] > 0'
ends 0 "$QCC" dump $int8 --dump-kernels=kernels
[ -n "$(ls kernels)" ] || fail "no kernels were written"
ends 0 "$QCC" dump $int8 --full
cp out again.qir
ends 0 "$QCC" dump again.qir --full
same out again.qir
ends 0 "$QCC" run again.qir --input=x.npy --output=q.npy
same jit.npy q.npy

# Watching the passes.
ends 0 "$QCC" -p ptq_int8 digits.bin --quick --print-after=all --timing --stats --verify-each -o w.bin
says 'fold-batchnorm'
says 'graph @'
ends 0 "$QCC" -p ptq_int8 digits.bin --stop-after=calibrate -o c.qir
grep -q 'range(' c.qir || fail "no ranges after calibrate"
ends 0 "$QCC" -p ptq_int8 digits.bin --quick --set=calibrate.method=percentile -o p.bin
ends 0 "$QCC" -p ptq_int8 digits.bin --quick --report-unfused -o p.bin
says '^unfused   0 borders$'
ends 0 "$QCC" -p ptq_int8 digits.bin --report-unfused --set='quantize.exclude=[stage2/depthwise]' -o p.bin
says "^leaves .*conv2d: blocked by 'conv2d' .*the scopes of quantize leave it out; [0-9]+ bytes, [0-9.]+ ms$"
says '^unfused   2 borders; [0-9]+ bytes, [0-9.]+ ms$'
# What is wrong on the command line is wrong usage, wherever it is found out.
for wrong in calibrate.nosuch=1 nosuch.method=mse calibrate.samples=many calibrate.method=nosuch \
    quantize.exclude=nosuch; do
    ends 2 "$QCC" -p ptq_int8 digits.bin --quick --set=$wrong -o w.bin
    says "--set $wrong: error: "
done

# A pass that fails leaves the graph as it was before it.
ends 2 "$QCC" -p ptq_int8 digits.bin --quick --set=quantize.exclude=nosuch --reproducer=r.qir -o w.bin
says "r.qir: note: the graph before pass 'quantize'"
grep -q '^; PIPELINE: \[quantize: .*exclude: ."nosuch".' r.qir || fail "the reproducer lacks its pipeline"
ends 0 "$QCC" dump r.qir

# Standard output; made-up calibration.
ends 0 "$QCC" -p ptq_int8 digits.bin -o - --quick
cmp -s out samples.bin || fail "-o - gives other bytes than -o FILE"
ends 0 "$QCC" -p ptq_int8 digits.bin -o -
says 'slowest kernels'
ends 0 "$QCC" -p ptq_int8 digits.onnx --calib=random:16 -o r.bin --json
says 'warning'
holds 'j["random_calibration"] and j["quantized"]'
ends 0 "$QCC" -p float digits.bin -o f.bin --json
holds 'not j["quantized"]'
finish
