#!/bin/bash
# check_includes_selftest.sh - the check of include directions finds each wrong one, and only those
set -euo pipefail
check=$(cd "$(dirname "$0")" && pwd)/check_includes.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# tree_with FILE INCLUDE: a tree of this one file
tree_with() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/$(dirname "$1")"
    printf '/* a file. */\n  #  include %s\n' "$2" >"$tree/$1"
}
accepts() {
    tree_with "$@"
    bash "$check" "$tree" >/dev/null || { echo "refused, but right: $1 includes $2"; failed=1; }
}
refuses() {
    tree_with "$@"
    if found=$(bash "$check" "$tree"); then
        echo "accepted, but wrong: $1 includes $2"
        failed=1
    elif [[ $found != "$1:2: error: "* ]]; then
        echo "refused, but located wrongly: $1 includes $2: $found"
        failed=1
    fi
}

accepts ir/base/arena.c '"ir/base/arena.h"'
accepts ir/base/status.h '"runtime/qcc.h"'
accepts ir/ops/relu.c '"ir/op.h"'
accepts ir/graph.h '<stdint.h>'
accepts passes/dce.c '"passes/qcc_pass.h"'
accepts passes/pipeline.c '<yaml.h>'
accepts frontend/onnx.c '"onnx.pb-c.h"'
accepts backend/plan.c '"backend/plan.h"'
accepts backend/llvm/gemm.c '<llvm-c/Core.h>'
accepts backend/llvm/gemm.c '"ir/kernel.h"'
accepts runtime/session.c '"backend/plan.h"'
accepts runtime/compile.c '"passes/qcc_pass.h"'
accepts runtime/compile.c '"frontend/onnx.h"'
accepts runtime/qcc.h '<stddef.h>'
accepts tools/main.c '"runtime/qcc.h"'
accepts tools/main.c '"tools/args.h"'

refuses ir/base/arena.c '"ir/graph.h"'
refuses ir/graph.c '"passes/qcc_pass.h"'
refuses ir/ops/relu.c '"backend/plan.h"'
refuses ir/base/new/arena.c '"frontend/onnx.h"'
refuses ir/graph.c '"graph.h"'
refuses ir/graph.c '"../ir/graph.h"'
refuses ir/graph.c '<ir/graph.h>'
refuses ir/ops.def '"runtime/session.h"'
refuses passes/dce.c '"frontend/data.h"'
refuses passes/dce.c '"backend/plan.h"'
refuses passes/observers/mse.c '"runtime/session.h"'
refuses frontend/onnx.c '"passes/qcc_pass.h"'
refuses frontend/onnx.c '"backend/plan.h"'
refuses frontend/onnx.c '"runtime/session.h"'
refuses backend/plan.c '"passes/qcc_pass.h"'
refuses backend/plan.c '"runtime/session.h"'
refuses backend/plan.c '<llvm-c/Core.h>'
refuses backend/plan.c '"llvm-c/Core.h"'
refuses backend/plan.c '"backend/llvm/emit.h"'
refuses backend/llvm/gemm.c '"runtime/session.h"'
refuses runtime/session.c '"passes/qcc_pass.h"'
refuses runtime/session.c '"frontend/onnx.h"'
refuses runtime/session.c '<yaml.h>'
refuses runtime/qcc.h '<pthread.h>'
refuses runtime/qcc.h '"ir/type.h"'
refuses tools/main.c '"ir/graph.h"'
refuses tools/main.c '"passes/qcc_pass.h"'

exit $failed
