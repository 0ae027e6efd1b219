#!/usr/bin/env bash
# roofline.sh - where the time of a program goes, kernel by kernel, against what the machine allows
#
#   tests/bench/roofline.sh BUILD PROGRAM [OPTION...]     options: qcc bench (--shape=1,3,224,224, -i)
#
# BUILD is a release build. Prints a table in Markdown: kernels of equal shape together, the fastest
# run of each in ms, GOP/s, and the roofline: no kernel is faster than its operations at the register
# peak, or than the bytes it has to read and write (each once) at the speed of the smallest cache that
# holds them. Peaks and speeds are measured before and after, on one thread, the better ones count.
# ROWS (20) is how many kernels have a row of their own.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
build=$(cd "$1" && pwd)
program=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export QCC_LLVM_MODULE=$build/lib/qcc/qcc-llvm.so
target=$("$build/tools/qcc" targets | sed -n 's/^\([^ ]*\) .*the default here.*/\1/p')
for option; do
    case $option in --target=*) target=${option#--target=} ;; esac
done
machine() { "$build/tests/bench_kernels" --machine --json --target="$target" > "$work/$1"; }
machine before
"$build/tools/qcc" bench "$program" --threads=1 --json "$@" > "$work/bench"
machine after
python3 - "$work" "${ROWS:-20}" << 'PYTHON'
import collections, json, sys
folder, most = sys.argv[1], int(sys.argv[2])
before, after, bench = (json.load(open(f"{folder}/{name}")) for name in ("before", "after", "bench"))
speed = {k: max(before[k], after[k]) for k in ("bytes_gops", "vector_gops", "f32_gops")}
levels = [(a["level"], a["bytes"] or float("inf"), max(a["read_gbs"], b["read_gbs"]))
          for a, b in zip(before["levels"], after["levels"])]

def bound(kernel):
    """Milliseconds, and what binds."""
    name, operations, size = kernel["kernel"], kernel["operations"], kernel["bytes"]
    level, _, gbs = next(l for l in levels if size <= l[1])
    ms, by = size / gbs * 1e-6, level
    peak = 0
    if name.startswith(("conv", "matmul", "depthwise")):
        peak = speed["f32_gops" if name.endswith("f32") else
                     "vector_gops" if name.startswith("depthwise") else "bytes_gops"]
    if peak and operations / peak * 1e-6 > ms:
        ms, by = operations / peak * 1e-6, "products"
    return ms, by

class Group:
    n = ms = operations = size = bound = 0
    by = ""
groups = collections.defaultdict(Group)
for kernel in bench["kernels"]:
    g = groups[kernel["kernel"] + ("" if kernel["compiled"] else " (eval)")]
    ms, g.by = bound(kernel)
    g.n += 1
    g.ms += kernel["min_ms"]
    g.bound += ms
    g.operations += kernel["operations"]
    g.size += kernel["bytes"]
total = sum(g.ms for g in groups.values())
run = (bench["int8"] or bench["fp32"])["min_ms"]
print(f"{bench['program']['target']}, one thread: registers reach {speed['bytes_gops']:.0f} GOP/s of bytes, "
      f"{speed['f32_gops']:.0f} of f32;\nreading " +
      ", ".join(f"{name} {gbs:.0f} GB/s" for name, _, gbs in levels) + ".\n")
print("| kernel | times | ms | of all | GOP/s | GB/s | bound, ms | by | of it |")
print("|---|--:|--:|--:|--:|--:|--:|---|--:|")
def row(name, g):
    print(f"| {name} | {g.n} | {g.ms:.3f} | {100 * g.ms / total:.1f} % | {g.operations / g.ms * 1e-6:.0f} | "
          f"{g.size / g.ms * 1e-6:.0f} | {g.bound:.3f} | {g.by} | {100 * g.bound / g.ms:.0f} % |")
ordered = sorted(groups.items(), key=lambda item: -item[1].ms)
rest, whole = Group(), Group()
for i, (name, g) in enumerate(ordered):
    if i < most: row(name, g)
    for sum_ in [whole] + [rest] * (i >= most):
        for field in ("n", "ms", "operations", "size", "bound"):
            setattr(sum_, field, getattr(sum_, field) + getattr(g, field))
if rest.n: row(f"{len(ordered) - most} others", rest)
row("all kernels", whole)
print(f"\nA run takes {run:.3f} ms at best, {run - total:.3f} more than the best of each kernel.")
PYTHON
