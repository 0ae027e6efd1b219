#!/usr/bin/env bash
# accuracy.sh - what int8 costs on the shared models: one table
#
#   QCC=build/tools/qcc QCC_SHARED=... tests/bench/accuracy.sh [PIPELINE...]
#
# Columns: fp32 and int8 top-1, samples right before and wrong now and the other way round, agreement
# with fp32, mean SQNR of the logits. Pipelines: ptq_int8 and ptq_int8_per_tensor unless named.
# QCC_COMPILE: further options, as "--set quantize.weight_bits=7".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${QCC:?path of the qcc binary}" "${QCC_SHARED:?folder of the shared data}"
. "$here/shared_data.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
describe_data "$work"
[ $# -gt 0 ] || set -- ptq_int8 ptq_int8_per_tensor
printf '%-22s %-20s %6s %7s %7s %5s %5s %9s %8s\n' \
    model pipeline n fp32 int8 lost won agreement 'SQNR dB'
for pipeline in "$@"; do
    for model in $CIFAR_MODELS $IMAGENET_MODELS; do
        "$QCC" compile -p "$here/../../pipelines/$pipeline.yaml" \
            "$QCC_SHARED/data/models/$model.onnx" --calib "$work/$model.calib.yaml" \
            ${QCC_COMPILE:-} -o "$work/int8.bin" > /dev/null
        "$QCC" eval "$work/int8.bin" --data "$work/$model.eval.yaml" \
            --reference "$QCC_SHARED/data/models/$model.onnx" --json > "$work/result.json"
        python3 - "$work/result.json" "$model" "$pipeline" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
print('%-22s %-20s %6d %7.2f %7.2f %5d %5d %9.2f %8.2f' % (
    sys.argv[2], sys.argv[3], r['n'], r['fp32']['top1'], r['top1'], r['flips']['lost'], r['flips']['won'],
    r['agreement'], r['sqnr_db']))
PY
    done
done
