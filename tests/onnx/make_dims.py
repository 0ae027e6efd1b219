#!/usr/bin/env python3
"""Writes cases of models that compute with their own shapes, as make_onnx.py does: what exporters make of view, expand,
arange and interpolate where batch, length, height and width are dynamic. numpy gives the expected values."""
import sys

import numpy as np
from onnx import TensorProto as T, helper as h, numpy_helper as nh

sys.dont_write_bytecode = True
from make_onnx import case, const  # noqa: E402

rng = np.random.default_rng(31)


def real(*shape):
    return rng.standard_normal(shape).astype(np.float32)


class Nodes(list):
    """Nodes and constants; each node's result gets a name of its own."""

    def __init__(self):
        super().__init__()
        self.inits = []

    def const(self, values, dtype=np.int64):
        self.inits.append(const(f"c{len(self.inits)}", values, dtype))
        return self.inits[-1].name

    def op(self, kind, *inputs, out=None, **attrs):
        name = out or f"t{len(self)}"
        self.append(h.make_node(kind, [self.const(i) if isinstance(i, (int, list)) else i for i in inputs], [name], **attrs))
        return name

    def extent(self, x, i):
        return self.op("Gather", self.op("Shape", x), i, axis=0)

    def shape(self, *parts):
        return self.op("Concat", *[self.const([p]) if isinstance(p, int) else self.op("Unsqueeze", p, [0]) for p in parts],
                       axis=0)


def write(name, n, inputs, outputs, shapes, opset=13):
    case(name, opset, n, inputs, outputs, n.inits, shapes)


# x.view(-1, 6) -> x.view(batch, length, 2, 3): two dynamic extents that x itself lacks
n, x = Nodes(), real(2, 5, 6)
flat = n.op("Reshape", "x", [-1, 6])
n.op("Reshape", flat, n.shape(n.extent("x", 0), n.extent("x", 1), 2, 3), out="y")
write("dims_view", n, {"x": x}, {"y": x.reshape(2, 5, 2, 3)}, {"x": ["batch", "length", 6]})

# heads into the batch, and back
n = Nodes()
batch, length = n.extent("x", 0), n.extent("x", 1)
four = n.op("Transpose", n.op("Reshape", "x", n.shape(batch, length, 2, 3)), perm=[0, 2, 1, 3])
rows = n.op("Mul", batch, n.const(2))
together = n.op("Reshape", n.op("Neg", four), n.shape(rows, length, 3))
n.op("Reshape", together, n.shape(n.op("Div", rows, n.const(2)), 2, length, 3), out="y")
write("dims_heads", n, {"x": x}, {"y": -x.reshape(2, 5, 2, 3).transpose(0, 2, 1, 3)}, {"x": ["batch", "length", 6]})

# positions and types of tokens: a table's first rows, zeros of the shape of x, a range
n, ids, table, kinds = Nodes(), rng.integers(0, 9, (2, 5)), real(16, 4), real(2, 4)
n.inits += [nh.from_array(table, "table"), nh.from_array(kinds, "kinds")]
batch, length = n.extent("ids", 0), n.extent("ids", 1)
place = n.op("Slice", n.const(np.arange(16)[None]), [0], n.op("Unsqueeze", length, [0]), [1])
zeros = n.op("ConstantOfShape", n.shape(batch, length), value=const("", [0]))
count = n.op("Range", n.const(0), length, n.const(1))
sums = n.op("Add", n.op("Gather", "table", "ids"), n.op("Gather", "table", place))
sums = n.op("Add", sums, n.op("Gather", "kinds", zeros))
n.op("Add", sums, n.op("Unsqueeze", n.op("Cast", count, to=T.FLOAT), [1]), out="y")
write("dims_tokens", n, {"ids": ids},
      {"y": ((table[ids] + table[None, :5]) + kinds[0]) + np.arange(5, dtype=np.float32)[:, None]}, {"ids": ["batch", "length"]})

# expand as PyTorch exports it: -1, of which there is none, would mean "as it is"
n, mask, x = Nodes(), rng.integers(0, 2, (2, 5)), real(2, 3, 5, 5)
shape = n.shape(n.extent("m", 0), 1, n.extent("m", 1), n.extent("m", 1))
ones = n.op("ConstantOfShape", [4], value=const("", [1]))
shape = n.op("Where", n.op("Equal", shape, n.op("Mul", ones, n.const(-1))), ones, shape)
wide = n.op("Expand", n.op("Unsqueeze", "m", [1, 2]), shape)
n.op("Where", n.op("Cast", wide, to=T.BOOL), "x", n.const(-1e4, np.float32), out="y")
write("dims_mask", n, {"m": mask, "x": x}, {"y": np.where(mask[:, None, None] > 0, x, np.float32(-1e4))},
      {"m": ["N", "S"], "x": ["N", 3, "S", "S"]})

# twice as high by scales, then as high and wide as four times the input by sizes
n, x = Nodes(), real(1, 2, 3, 5)
half = n.op("Resize", "x", "", n.const([1, 1, 2, 2], np.float32), mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor")
ends = n.op("Slice", n.op("Shape", "x"), [2], [4])
size = n.op("Concat", n.op("Slice", n.op("Shape", half), [0], [2]), n.op("Mul", ends, [4, 4]), axis=0)
n.op("Resize", half, "", "", size, mode="nearest", out="y")
write("dims_resize", n, {"x": x}, {"y": x.repeat(4, 2).repeat(4, 3)}, {"x": ["N", 2, "H", "W"]})
