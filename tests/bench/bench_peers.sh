#!/usr/bin/env bash
# bench_peers.sh - latency beside onnxruntime's, on the same networks and inputs, in turns
#
#   tests/bench/bench_peers.sh BUILD [MODELS] [OPTION...]        options: bench_peers.js
#
# BUILD is a release build; onnxruntime-node is installed from the npm registry into BUILD/bench.
# MODELS holds NAME_fp32.onnx and NAME_u8s8_qdq.onnx with one input, float [N,3,224,224], or
# [N,128,768] where NAME begins with bert; without it, they are made by the generator beside the
# shared models (QCC_SHARED/networks), which takes some minutes and a GB of disk.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
build=$(cd "$1" && pwd)
shift
models=
if [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; then
    models=$(cd "$1" && pwd)
    shift
fi
command -v node npm > /dev/null || { echo 'skipped: node and npm are needed'; exit 77; }
work=$build/bench
mkdir -p "$work"
if [ ! -d "$work/node_modules/onnxruntime-node" ]; then
    # Its scripts would fetch GPU libraries.
    npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$work" onnxruntime-node \
        || { echo 'skipped: onnxruntime-node cannot be installed'; exit 77; }
fi
if [ -z "$models" ]; then
    models=$work/networks
    generator=${QCC_SHARED:-$here/../../../shared}/networks/make_networks.py
    if [ ! -d "$models" ]; then
        [ -f "$generator" ] || { echo "skipped: no folder of models, and no $generator"; exit 77; }
        mkdir "$models.part"
        OUT=$models.part /usr/bin/python3 "$generator" cnn bert
        mv "$models.part" "$models"
    fi
fi
export XDG_CACHE_HOME=$work/cache QCC_LLVM_MODULE=$build/lib/qcc/qcc-llvm.so
exec node "$here/bench_peers.js" "$build" "$models" "$@"
