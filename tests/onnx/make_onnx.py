#!/usr/bin/env python3
"""Writes small ONNX cases in the layout of the ONNX project's operator tests; numpy gives the expected values.

What those tests leave out: opsets from 7 on, where attributes later became inputs; every way to store an initializer;
shape arithmetic; symbolic extents. Needs python3-numpy and python3-onnx (Debian 12).
"""
import os
import numpy as np
from onnx import TensorProto, TensorProto as T, helper as h, numpy_helper as nh

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def case(name, opset, nodes, inputs, outputs, inits=(), shapes=None, ir=7, functions=(), domains=()):
    """inputs and outputs: {name: array}; inits: TensorProtos, also sparse; shapes: {input: declared shape}; functions:
    FunctionProtos; domains: those of nodes besides the standard one"""
    shapes = shapes or {}
    info = lambda n, a, s: h.make_tensor_value_info(n, nh.from_array(a).data_type, s)
    graph = h.make_graph(
        nodes, name,
        [info(n, a, shapes.get(n, a.shape)) for n, a in inputs.items()],
        [info(n, a, None) for n, a in outputs.items()], [i for i in inits if isinstance(i, TensorProto)],
        sparse_initializer=[i for i in inits if not isinstance(i, TensorProto)])
    opsets = [h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in domains]
    model = h.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="", functions=functions)
    data = os.path.join(HERE, name, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    with open(os.path.join(HERE, name, "model.onnx"), "wb") as f:
        f.write(model.SerializeToString())
    for kind, arrays in ("input", inputs), ("output", outputs):
        for i, (n, a) in enumerate(arrays.items()):
            with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as f:
                f.write(nh.from_array(a, n).SerializeToString())


def const(name, values, dtype=np.int64):
    return nh.from_array(np.array(values, dtype), name)


def softmax(x, axes):
    e = np.exp(x - x.max(axis=axes, keepdims=True))
    return (e / e.sum(axis=axes, keepdims=True)).astype(np.float32)


def conv(x, w, b, stride, pads, dilation, groups):
    n, c, height, width = x.shape
    o, ci, kh, kw = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3]))).astype(np.float64)
    oh = (x.shape[2] - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    ow = (x.shape[3] - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((n, o, oh, ow))
    for k in range(o):
        g = k // (o // groups)
        for i in range(oh):
            for j in range(ow):
                part = x[:, g * ci:(g + 1) * ci,
                         i * stride[0]:i * stride[0] + (kh - 1) * dilation[0] + 1:dilation[0],
                         j * stride[1]:j * stride[1] + (kw - 1) * dilation[1] + 1:dilation[1]]
                y[:, k, i, j] = (part * w[k]).sum(axis=(1, 2, 3)) + b[k]
    return y.astype(np.float32)


x = f32(2, 3, 4, 5)
y = x[:, 1:3, ::1, -3:-1]
case("slice_attributes", 7, [h.make_node("Slice", ["x"], ["y"], starts=[1, -3], ends=[3, -1], axes=[1, 3])],
     {"x": x}, {"y": y})
case("slice_backwards", 10, [h.make_node("Slice", ["x", "s", "e", "a", "t"], ["y"])], {"x": x},
     {"y": x[:, :, ::-1, 4:0:-2]},
     [const("s", [2**63 - 1, 4]), const("e", [-2**63, 0]), const("a", [2, -1]), const("t", [-1, -2])])
case("squeeze_attribute", 7, [h.make_node("Squeeze", ["x"], ["y"], axes=[0, 2])], {"x": f32(1, 3, 1, 2) * 0 + 2},
     {"y": np.full((3, 2), 2, np.float32)})
case("squeeze_input", 13, [h.make_node("Squeeze", ["x", "a"], ["y"])], {"x": np.ones((1, 3, 1), np.float32)},
     {"y": np.ones((1, 3), np.float32)}, [const("a", [-1])])
case("unsqueeze_attribute", 11, [h.make_node("Unsqueeze", ["x"], ["y"], axes=[0, -1])], {"x": x},
     {"y": x[None, ..., None]})
case("unsqueeze_input", 13, [h.make_node("Unsqueeze", ["x", "a"], ["y"])], {"x": x}, {"y": x[:, None]},
     [const("a", [1])])
case("clip_attributes", 7, [h.make_node("Clip", ["x"], ["y"], min=-0.5, max=0.25)], {"x": x},
     {"y": x.clip(np.float32(-0.5), np.float32(0.25))})
case("clip_upper_only", 11, [h.make_node("Clip", ["x", "", "m"], ["y"])], {"x": x},
     {"y": np.minimum(x, np.float32(0.25))}, [const("m", 0.25, np.float32)])
case("softmax_flat", 7, [h.make_node("Softmax", ["x"], ["y"], axis=2)], {"x": x}, {"y": softmax(x, (2, 3))})
case("softmax_axis", 13, [h.make_node("Softmax", ["x"], ["y"], axis=1)], {"x": x}, {"y": softmax(x, 1)})
case("sum_attribute", 7, [h.make_node("ReduceSum", ["x"], ["y"], axes=[1, -1], keepdims=0)], {"x": x},
     {"y": x.sum(axis=(1, 3))})
case("sum_input", 13, [h.make_node("ReduceSum", ["x", "a"], ["y"])], {"x": x}, {"y": x.sum(axis=2, keepdims=True)},
     [const("a", [2])])
case("sum_of_nothing", 13, [h.make_node("ReduceSum", ["x", "a"], ["y"], noop_with_empty_axes=1)], {"x": x}, {"y": x},
     [const("a", [])])
case("pad_attributes", 7, [h.make_node("Pad", ["x"], ["y"], pads=[0, 1, -1, 0, 0, 0, 2, -2], value=1.5)], {"x": x},
     {"y": np.pad(x[:, :, 1:, :-2], ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=1.5)})
case("dropout_attribute", 7, [h.make_node("Dropout", ["x"], ["y", "mask"], ratio=0.3)], {"x": x}, {"y": x})
a, b, c = f32(4, 3), f32(5, 4), f32(1, 5)
case("gemm_scaled", 7, [h.make_node("Gemm", ["a", "b", "c"], ["y"], alpha=0.5, beta=2.0, transA=1, transB=1)],
     {"a": a}, {"y": (0.5 * (a.T.astype(np.float64) @ b.T) + 2.0 * c).astype(np.float32)},
     [nh.from_array(b, "b"), nh.from_array(c, "c")])
case("gemm_bias_row", 13, [h.make_node("Gemm", ["a", "b", "c"], ["y"], transA=1)], {"a": a},
     {"y": (a.T.astype(np.float64) @ b.T + c).astype(np.float32)},
     [nh.from_array(b.T.copy(), "b"), nh.from_array(c, "c")])
u, v = f32(2, 3, 4), f32(4)
case("matmul_vector", 13, [h.make_node("MatMul", ["u", "v"], ["y"])], {"u": u, "v": v}, {"y": u @ v})

img, w, bias = f32(2, 4, 7, 6), f32(6, 2, 3, 2), f32(6)
case("conv_groups", 7, [h.make_node("Conv", ["x", "w", "b"], ["y"], group=2, strides=[2, 1], dilations=[1, 2],
                                    pads=[1, 0, 2, 1])],
     {"x": img}, {"y": conv(img, w, bias, (2, 1), (1, 0, 2, 1), (1, 2), 2)},
     [nh.from_array(w, "w"), nh.from_array(bias, "b")])
case("conv_same_lower", 11, [h.make_node("Conv", ["x", "w"], ["y"], group=2, auto_pad="SAME_LOWER")], {"x": img},
     {"y": conv(img, w, bias * 0, (1, 1), (1, 1, 1, 0), (1, 1), 2)}, [nh.from_array(w, "w")])
line, w1 = f32(2, 3, 9), f32(4, 3, 3)
case("conv_line", 11, [h.make_node("Conv", ["x", "w"], ["y"], pads=[1, 0], strides=[2])], {"x": line},
     {"y": conv(line[..., None], w1[..., None], np.zeros(4), (2, 1), (1, 0, 0, 0), (1, 1), 1)[..., 0]},
     [nh.from_array(w1, "w")])

# Symbolic extents: the same name is the same extent.
p, q = f32(3, 4), f32(3, 1)
case("symbols", 13, [h.make_node("Add", ["p", "q"], ["y"])], {"p": p, "q": q}, {"y": p + q},
     shapes={"p": ["N", 4], "q": ["N", 1]})
case("flatten_symbol", 9, [h.make_node("Flatten", ["x"], ["y"])], {"x": x}, {"y": x.reshape(2, -1)},
     shapes={"x": ["batch size", 3, 4, 5]})

# Reshape to a shape that is computed: (x.shape[0], x.shape[1] * x.shape[2], -1)
case("shape_arithmetic", 13, [
    h.make_node("Shape", ["x"], ["s"]),
    h.make_node("Gather", ["s", "zero"], ["n"]), h.make_node("Gather", ["s", "one"], ["c"]),
    h.make_node("Gather", ["s", "two"], ["h"]), h.make_node("Mul", ["c", "h"], ["ch"]),
    h.make_node("Unsqueeze", ["n", "axis"], ["n1"]), h.make_node("Unsqueeze", ["ch", "axis"], ["ch1"]),
    h.make_node("Constant", [], ["rest"], value=const("", [-1])),
    h.make_node("Concat", ["n1", "ch1", "rest"], ["shape"], axis=0),
    h.make_node("Reshape", ["x", "shape"], ["y"])],
    {"x": x}, {"y": x.reshape(2, 12, 5)},
    [const("zero", 0), const("one", 1), const("two", 2), const("axis", [0])])

# Initializers by typed fields; the values come back through an Add of 0 or an Identity.
def typed(name, kind, values, dtype, raw=False):
    array = np.array(values, dtype)
    t = h.make_tensor("w", kind, array.shape, array.tobytes() if raw else array.flatten().tolist(), raw=raw)
    case(name, 13, [h.make_node("Identity", ["w"], ["y"])], {}, {"y": array}, [t])


for raw in False, True:
    how = "raw" if raw else "typed"
    typed("f32_" + how, T.FLOAT, [[1.5, -2.25], [0, 3]], np.float32, raw)
    typed("f64_" + how, T.DOUBLE, [1.5, 1e300], np.float64, raw)
    typed("i64_" + how, T.INT64, [-2**63, 2**63 - 1], np.int64, raw)
    typed("i32_" + how, T.INT32, [-2**31, 2**31 - 1], np.int32, raw)
    typed("i16_" + how, T.INT16, [-32768, 32767, 5], np.int16, raw)
    typed("u16_" + how, T.UINT16, [65535, 1, 5], np.uint16, raw)
    typed("i8_" + how, T.INT8, [-128, 127, 5], np.int8, raw)
    typed("u8_" + how, T.UINT8, [255, 1, 5], np.uint8, raw)
    typed("u32_" + how, T.UINT32, [2**32 - 1, 1], np.uint32, raw)
    typed("bool_" + how, T.BOOL, [True, False, True], np.bool_, raw)
    typed("f16_" + how, T.FLOAT16, [1.5, -0.25, 65504], np.float16, raw)

# Quantization per tensor and per axis: what QuantizeLinear gives, and the reals of quantized weights.
s, z = np.float32(0.05), np.uint8(120)
real = f32(2, 3, 4) * 3
quantized = np.clip(np.rint(real / s) + z, 0, 255).astype(np.uint8)
qn = [nh.from_array(np.array(s), "s"), nh.from_array(np.array(z), "z")]
case("quantize", 13, [h.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])], {"x": real}, {"y": quantized}, qn)
case("quantize_dequantize", 10, [h.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
                                 h.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])],
     {"x": real}, {"y": (quantized.astype(np.int32) - int(z)).astype(np.float32) * s}, qn)
scales = np.array([0.5, 0.25, 2], np.float32)
wq = np.arange(-6, 6, dtype=np.int8).reshape(4, 3)
act = f32(2, 4)
wreal = wq.astype(np.float32) * scales
case("gemm_quantized_weights", 13, [
    h.make_node("DequantizeLinear", ["wq", "s", "z"], ["w"], axis=1), h.make_node("Gemm", ["x", "w"], ["y"])],
    {"x": act}, {"y": (act.astype(np.float64) @ wreal).astype(np.float32)},
    [nh.from_array(wq, "wq"), nh.from_array(scales, "s"), nh.from_array(np.zeros(3, np.int8), "z")])


# Models trained with quantize and dequantize nodes. Scales are powers of two and sums small, so that everything between
# two roundings is exact: whoever rounds elsewhere, or once more or less, gives other values.
class Trained:
    """Builds a graph along with its values; a tensor is (name, float64 array)."""

    def __init__(self):
        self.nodes, self.inits = [], []

    def constant(self, array):
        name = f"c{len(self.inits)}"
        self.inits.append(nh.from_array(np.asarray(array), name))
        return name

    def op(self, kind, operands, value, **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(h.make_node(kind, operands, [name], name="n_" + name, **attributes))
        return name, value

    def rounded(self, x, scale, zero, dtype=np.uint8):
        pair = [self.constant(np.float32(scale)), self.constant(dtype(zero))]
        limits = np.iinfo(dtype)
        q, stored = self.op("QuantizeLinear", [x[0]] + pair,
                            np.clip(np.rint(x[1] / scale) + zero, limits.min, limits.max))
        return self.op("DequantizeLinear", [q] + pair, (stored - zero) * scale)

    def weight(self, shape, scales):
        stored, scales = rng.integers(-127, 128, shape).astype(np.int8), np.array(scales, np.float32)
        zeros = np.zeros(scales.shape, np.int8)
        along = scales.reshape(scales.shape + (1,) * (len(shape) - 1)) if scales.shape else scales
        return self.op("DequantizeLinear", [self.constant(a) for a in (stored, scales, zeros)],
                       stored * along.astype(np.float64), axis=0)

    def bias(self, x_scale, scales):
        scales = (np.float64(x_scale) * np.array(scales)).astype(np.float32)
        stored = rng.integers(-500, 500, scales.shape).astype(np.int32)
        zeros = np.zeros(scales.shape, np.int32)
        return self.op("DequantizeLinear", [self.constant(a) for a in (stored, scales, zeros)],
                       stored * scales.astype(np.float64), axis=0)

    def conv(self, x, w, b, stride=1, pad=0, groups=1):
        y = conv(x[1], w[1], b[1], (stride,) * 2, (pad,) * 4, (1, 1), groups).astype(np.float64)
        return self.op("Conv", [x[0], w[0], b[0]], y, strides=[stride] * 2, pads=[pad] * 4, group=groups)

    def add(self, a, b):
        return self.op("Add", [a[0], b[0]], a[1] + b[1])

    def relu(self, x):
        return self.op("Relu", [x[0]], np.maximum(x[1], 0))

    def pool(self, x):
        n, c, height, width = x[1].shape
        y = x[1].reshape(n, c, height // 2, 2, width // 2, 2).max(axis=(3, 5))
        return self.op("MaxPool", [x[0]], y, kernel_shape=[2, 2], strides=[2, 2])

    def gemm(self, x, w, b):
        return self.op("Gemm", [x[0], w[0], b[0]], x[1] @ w[1].T + b[1], transB=1)

    def case(self, name, x, y):
        self.nodes[-1].output[0] = "y"
        case(name, 13, self.nodes, {"x": x.astype(np.float32)}, {"y": y[1].astype(np.float32)}, self.inits)


def steps(shape, scale, most=20):
    """Multiples of a quarter of a scale: many lie right between two steps."""
    return rng.integers(-4 * most, 4 * most, shape) * (scale / 4)


# A residual block: per-channel weights, a maximum over stored values, two scales that meet in an addition, a mean.
m, s4 = Trained(), [2.0**-7, 2.0**-8, 2.0**-6, 2.0**-7]
x = steps((2, 3, 8, 8), 2.0**-4)
a = m.rounded(("x", x), 2.0**-4, 100)
b = m.rounded(m.relu(m.conv(a, m.weight((4, 3, 3, 3), s4), m.bias(2.0**-4, s4), pad=1)), 2.0**-4, 0)
left = m.rounded(m.pool(b), 2.0**-4, 0)
right = m.rounded(m.conv(b, m.weight((4, 4, 1, 1), s4), m.bias(2.0**-4, s4), stride=2), 2.0**-3, 128)
c = m.rounded(m.relu(m.add(left, right)), 2.0**-2, 0)
d = m.op("GlobalAveragePool", [c[0]], c[1].mean(axis=(2, 3), keepdims=True))
e = m.rounded(d, 2.0**-3, 3)
f = m.rounded(m.op("Flatten", [e[0]], e[1].reshape(2, -1)), 2.0**-3, 3)
m.case("qdq_residual", x, m.rounded(m.gemm(f, m.weight((5, 4), 2.0**-6), m.bias(2.0**-3, [2.0**-6] * 5)), 0.5, 120))

# Signed activations, a depthwise convolution, relu6, a linear bottleneck; the last sum leaves in float.
m, s3 = Trained(), [2.0**-6, 2.0**-7, 2.0**-5]
x = steps((1, 3, 6, 6), 2.0**-4)
a = m.rounded(("x", x), 2.0**-4, -5, np.int8)
b = m.conv(a, m.weight((3, 1, 3, 3), s3), m.bias(2.0**-4, s3), pad=1, groups=3)
b = m.rounded(m.op("Clip", [b[0], m.constant(np.float32(0)), m.constant(np.float32(6))], b[1].clip(0, 6)),
              2.0**-5, -128, np.int8)
c = m.rounded(m.conv(b, m.weight((3, 3, 1, 1), s3), m.bias(2.0**-5, s3)), 2.0**-3, 7, np.int8)
m.case("qdq_bottleneck", x, m.add(c, a))

# Branches of two scales meet in a concatenation that has a third; the result is read twice.
m = Trained()
x = steps((1, 2, 4, 4), 2.0**-3)
a = m.rounded(("x", x), 2.0**-3, 90)
b = m.rounded(m.relu(a), 2.0**-5, 10)
c = m.rounded(m.op("Concat", [a[0], b[0]], np.concatenate([a[1], b[1]], 1), axis=1), 2.0**-4, 128)
d = m.rounded(m.conv(c, m.weight((4, 4, 1, 1), s4), m.bias(2.0**-4, s4)), 2.0**-2, 110)
m.case("qdq_concat", x, m.add(d, c))

# Coarse after fine, fine after coarse, and the same twice: none of these roundings may go.
m = Trained()
x = steps((3, 5), 2.0**-2, 40)
a = m.rounded(("x", x), 2.0**-2, 128)
b = m.rounded(a, 2.0, 128)
c = m.rounded(m.add(a, b), 2.0**-1, 64)
d = m.rounded(m.relu(m.rounded(c, 4.0, 20)), 2.0**-2, 0)
e = m.rounded(m.op("Mul", [d[0], c[0]], d[1] * c[1]), 8.0, 77)
m.case("qdq_roundings", x, m.rounded(e, 8.0, 77))

# No rounding behind what moves elements: the stored values go through it.
m = Trained()
x = steps((2, 2, 4, 4), 2.0**-3)
a = m.rounded(("x", x), 2.0**-3, 90)
b = m.pool(a)
b = m.op("Flatten", [b[0]], b[1].reshape(2, 8))
m.case("qdq_moves", x, m.gemm(b, m.weight((3, 8), 2.0**-6), m.bias(2.0**-3, [2.0**-6] * 3)))

# A softmax has no integer form: it stays in float between two conversions.
m = Trained()
x = steps((2, 6), 2.0**-3)
a = m.rounded(("x", x), 2.0**-3, 90)
b = m.rounded(m.gemm(a, m.weight((4, 6), 2.0**-7), m.bias(2.0**-3, [2.0**-7] * 4)), 2.0**-2, 100)
c = m.rounded(m.op("Softmax", [b[0]], softmax(b[1], 1).astype(np.float64), axis=1), 2.0**-8, 0)
m.case("qdq_island", x, m.gemm(c, m.weight((3, 4), 2.0**-7), m.bias(2.0**-8, [2.0**-7] * 3)))

# Scales as they come, and a bias that was never rounded: equal but for a step where the real lies next to a tie.
m, odd = Trained(), [0.0123, 0.0071, 0.0247]
x = f32(1, 4, 5, 5)
a = m.rounded(("x", x), np.float32(0.031), 101)
b = m.rounded(m.relu(m.conv(a, m.weight((3, 4, 3, 3), odd), m.bias(np.float32(0.031), odd))), np.float32(0.0713), 2)
m.case("qdq_odd_scales", x, b)
m = Trained()
x = steps((4, 6), 2.0**-3)
a = m.rounded(("x", x), 2.0**-3, 90)
free = f32(3)
m.case("qdq_free_bias", x,
       m.rounded(m.gemm(a, m.weight((3, 6), 2.0**-4), (m.constant(free), free.astype(np.float64))), 2.0**-1, 120))
