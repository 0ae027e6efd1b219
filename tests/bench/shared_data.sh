# shared_data.sh - sourced: writes descriptors of the shared models' data into a folder
#
#   describe_data FOLDER      FOLDER/MODEL.{calib,eval,all}.yaml for every model that has labels
#
# Splits: imagenet200 calibrates on 0..63 and evaluates 64..199, cifar10 0..127 and 128..1999.

IMAGENET_MODELS="mobilenet_v1_0.25_224 mobilenet_v2_1.0_224 squeezenet1.1"
CIFAR_MODELS="resnet20_cifar10 resnet56_cifar10"

# descriptor FILE SOURCE FIRST LAST PREPROCESS [LABEL_OFFSET]
descriptor() {
    {
        printf '%b\n' "$2"
        echo "range: [$3, $4]"
        [ -z "${6:-}" ] || echo "label_offset: $6"
        echo "preprocess: {$5}"
    } > "$1"
}

# splits FOLDER MODEL SOURCE FIRST_EVAL LAST PREPROCESS [LABEL_OFFSET]
splits() {
    descriptor "$1/$2.calib.yaml" "$3" 0 $(($4 - 1)) "$6" "${7:-}"
    descriptor "$1/$2.eval.yaml" "$3" "$4" "$5" "$6" "${7:-}"
    descriptor "$1/$2.all.yaml" "$3" 0 "$5" "$6" "${7:-}"
}

describe_data() {
    local data="$QCC_SHARED/data" model
    local imagenet="images: $data/imagenet200\nlabels: $data/imagenet200/labels.txt"
    local cifar="tensors: $data/cifar10/x_u8_nhwc.npy\nlabels: $data/cifar10/y_i64.npy"
    local photo="resize: 256, crop: 224, interpolation: bilinear, layout: nchw"
    local norm="mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]"
    for model in $CIFAR_MODELS; do
        splits "$1" $model "$cifar" 128 1999 "channels: rgb, scale: 1/255, $norm, layout: nchw"
    done
    splits "$1" resnet18_trunk "$imagenet" 64 199 "$photo, channels: rgb, scale: 1/255, $norm"
    for model in mobilenet_v1_0.25_224 mobilenet_v2_1.0_224; do
        splits "$1" $model "$imagenet" 64 199 \
            "$photo, channels: rgb, mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5]" 1
    done
    splits "$1" squeezenet1.1 "$imagenet" 64 199 \
        "$photo, channels: bgr, mean: [103.939, 116.779, 123.68], std: [1, 1, 1]"
}
