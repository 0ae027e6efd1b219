#!/bin/bash
# shared_models.sh - real networks, where their files are: no op runs through eval, f32 is as accurate
# as it was measured elsewhere, and every value is the same by interpreter and by compiled code
#
#   QCC_SAMPLES=16   every model and pipeline with so many real inputs, and all of the data: minutes
. "$(dirname "$0")/common.bash"
needs_llvm
QCC_SHARED=$(realpath -m "${QCC_SHARED:-$QCC_SOURCE/../shared}")
models=$QCC_SHARED/data/models
[ -d "$models" ] || skip "there is no $models"
. "$QCC_SOURCE/tests/bench/shared_data.sh"
describe_data "$scratch"
cd "$scratch"

# Those that a few seconds are enough for, unless everything is wanted.
samples=${QCC_SAMPLES:-1}
compiled="resnet20_cifar10 mobilenet_v1_0.25_224" compared="resnet20_cifar10"
pipelines="float ptq_int8" accurate=resnet20_cifar10
if [ -n "${QCC_SAMPLES:-}" ]; then
    accurate="$CIFAR_MODELS $IMAGENET_MODELS" compiled="$accurate resnet18_trunk" compared=$compiled
    pipelines="float ptq_int8 ptq_int8_per_tensor"
fi

# Top-1 by onnxruntime, in percent of the samples that there are.
declare -A top1=([resnet20_cifar10]=81.35 [resnet56_cifar10]=83.15 [squeezenet1.1]=64.50
    [mobilenet_v1_0.25_224]=56.50 [mobilenet_v2_1.0_224]=85.00)
for model in $accurate; do
    ends 0 "$QCC" eval "$models/$model.onnx" --data=$model.all.yaml --threads=1 --json
    holds "j['n'] in (200, 2000) and abs(j['top1'] - ${top1[$model]}) < 0.501"
done

for model in $compiled; do
    for pipeline in $pipelines; do
        calib=()
        [ $pipeline = float ] || calib=("--calib=$model.calib.yaml" --set=calibrate.samples=8)
        ends 0 "$QCC" -p $pipeline "$models/$model.onnx" "${calib[@]}" --quick -o $model.bin
        ends 0 "$QCC" dump $model.bin --stats --json
        holds 'j["eval_steps"] == 0 and j["kernels"] > 5'
        case " $compared " in *" $model "*) ;; *) continue ;; esac
        ends 0 "$QCC_BUILD/tests/compare_engines" $model.bin --data $model.eval.yaml --samples $samples
        prints ' 0 differ$'
        tail -1 out
    done
done
finish
