#!/usr/bin/env python3
"""Writes cases of loops, as make_onnx.py does: recurrent layers with what is seldom asked for, Scan and Loop."""
import sys

import numpy as np
from onnx import TensorProto as T, helper as h

sys.dont_write_bytecode = True
from make_onnx import case, const  # noqa: E402

rng = np.random.default_rng(12)


def real(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- recurrent layers, a sequence at a time, in double

def sequence(x, length, backward, state, step):
    """The first state's values after each step, zeros behind the end, and the states left."""
    y = np.zeros((len(x), len(state[0])))
    order = range(length)
    for t in reversed(order) if backward else order:
        state = step(x[t].astype(float), state)
        y[t] = state[0]
    return y, state


def layer(x, lengths, directions, first, step):
    """Y[s,d,b,h] and the last states, each [d,b,h]; step(d) is that of a direction; first[i][d,b,h]."""
    s, b, _ = x.shape
    dirs, h_ = len(directions), first[0].shape[-1]
    y, last = np.zeros((s, dirs, b, h_)), [np.zeros((dirs, b, h_)) for _ in first]
    for d in range(dirs):
        for k in range(b):
            begin = [f[d, k].astype(float) for f in first]
            y[:, d, k], left = sequence(x[:, k], lengths[k], directions[d], begin, step(d))
            for i, v in enumerate(left):
                last[i][d, k] = v
    return [v.astype(np.float32) for v in [y] + last]


def rnn(w, r, b, f, clip=None):
    def step(d):
        def run(x, state):
            t = w[d].astype(float) @ x + r[d].astype(float) @ state[0] + b[d][:len(w[d])] + b[d][len(w[d]):]
            return [f[d](np.clip(t, -clip, clip) if clip else t)]
        return run
    return step


def gru(w, r, b, after, f=sigmoid, g=np.tanh):
    def step(d):
        n = r.shape[-1]
        wz, wr, wh = w[d].astype(float).reshape(3, n, -1)
        rz, rr, rh = r[d].astype(float).reshape(3, n, n)
        bz, br, bh, cz, cr, ch = b[d].astype(float).reshape(6, n)

        def run(x, state):
            v = state[0]
            z, reset = f(wz @ x + rz @ v + bz + cz), f(wr @ x + rr @ v + br + cr)
            inner = reset * (rh @ v + ch) if after else rh @ (reset * v) + ch
            return [(1 - z) * g(wh @ x + inner + bh) + z * v]
        return run
    return step


def lstm(w, r, b, p, coupled):
    def step(d):
        n = r.shape[-1]
        wi, wo, wf, wc = w[d].astype(float).reshape(4, n, -1)
        ri, ro, rf, rc = r[d].astype(float).reshape(4, n, n)
        bi, bo, bf, bc = b[d].astype(float).reshape(2, 4, n).sum(0)
        pi, po, pf = p[d].astype(float).reshape(3, n)

        def run(x, state):
            v, c = state
            i = sigmoid(wi @ x + ri @ v + bi + pi * c)
            forget = 1 - i if coupled else sigmoid(wf @ x + rf @ v + bf + pf * c)
            c = forget * c + i * np.tanh(wc @ x + rc @ v + bc)
            return [sigmoid(wo @ x + ro @ v + bo + po * c) * np.tanh(c), c]
        return run
    return step


def weights(gates, dirs, inputs, hidden):
    scale = np.float32(0.5)
    return (real(dirs, gates * hidden, inputs) * scale, real(dirs, gates * hidden, hidden) * scale,
            real(dirs, 2 * gates * hidden) * scale)


def inits(**arrays):
    return [const(name, a, a.dtype) for name, a in arrays.items()]


S, B, I, H = 4, 3, 5, 6
lengths = np.array([4, 2, 3], np.int32)
full = np.array([S] * B, np.int32)
x = real(S, B, I)
names = ["Y", "Y_h", "Y_c"]


def recurrent(name, kind, values, extra=(), inputs=("X", "W", "R", "B"), data=None, shapes=None, **attributes):
    node = h.make_node(kind, list(inputs), names[:len(values)], hidden_size=H, **attributes)
    case(name, 14, [node], data or {"X": x}, dict(zip(names, values)), extra, shapes)


# Two directions with activations of their own, a clip, first states.
w, r, b = weights(1, 2, I, H)
first = real(2, B, H)
relu, affine = (lambda v: np.maximum(v, 0)), (lambda v: 0.5 * v + 0.25)
recurrent("rnn_directions", "RNN", layer(x, full, [False, True], [first], rnn(w, r, b, [relu, affine], 0.75)),
          inits(W=w, R=r, B=b, F=first), ["X", "W", "R", "B", "", "F"], direction="bidirectional", clip=0.75,
          activations=["Relu", "Affine"], activation_alpha=[0.5], activation_beta=[0.25])
# Lengths, backwards: each sequence begins at its own end. The batch and the number of steps are not known.
w, r, b = weights(3, 1, I, H)
zero = np.zeros((1, B, H), np.float32)
symbols = {"X": ["steps", "batch", I], "L": ["batch"]}
for name, after in [("gru_before", False), ("gru_after", True)]:
    recurrent(name, "GRU", layer(x, lengths, [True], [zero], gru(w, r, b, after)), inits(W=w, R=r, B=b),
              ["X", "W", "R", "B", "L"], {"X": x, "L": lengths}, symbols, direction="reverse",
              linear_before_reset=int(after))
hard = lambda v: np.clip(0.3 * v + 0.4, 0, 1)
recurrent("gru_activations", "GRU",
          layer(x, full, [False], [zero], gru(w, r, b, False, hard, lambda v: 1.5 * np.tanh(0.5 * v))),
          inits(W=w, R=r, B=b), activations=["hardsigmoid", "scaledtanh"], activation_alpha=[0.3, 1.5],
          activation_beta=[0.4, 0.5])
w, r, b = weights(4, 1, I, H)
peepholes = real(1, 3 * H)
cell, first = real(1, B, H), real(1, B, H)
recurrent("lstm_peepholes", "LSTM",
          layer(x, lengths, [False], [first, cell], lstm(w, r, b, peepholes, False)),
          inits(W=w, R=r, B=b, L=lengths, F=first, C=cell, P=peepholes), ["X", "W", "R", "B", "L", "F", "C", "P"])
recurrent("lstm_coupled", "LSTM", layer(x, full, [False], [zero, zero], lstm(w, r, b, 0 * peepholes, True)),
          inits(W=w, R=r, B=b), input_forget=1)

# ---- Scan and Loop


def info(name, shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, shape)


def body(nodes, inputs, outputs, inits=()):
    return h.make_graph(nodes, "body", inputs, [info(o, None) for o in outputs], list(inits))


# Axes and directions of every kind; a value and a constant of the graph around; three stacked results.
a, c, k = real(5, 2, 3), real(2, 3, 5), real(2, 3)
s = np.zeros((2, 3), np.float32)
o1, o2 = np.zeros((2, 5, 3), np.float32), np.zeros((5, 2, 3), np.float32)
for t in range(5):
    s = np.float32(0.5) * s + a[t] * np.abs(k)
    o1[:, t] = s - c[:, :, 4 - t]
    o2[4 - t] = s
case("scan_axes", 11, [
    h.make_node("Abs", ["k"], ["size"]),
    h.make_node("Scan", ["s0", "a", "c"], ["s", "o1", "o2"], num_scan_inputs=2, scan_input_axes=[0, -1],
                scan_input_directions=[0, 1], scan_output_axes=[1, 0], scan_output_directions=[0, 1], body=body(
                    [h.make_node("Mul", ["state", "half"], ["kept"]), h.make_node("Mul", ["x", "size"], ["more"]),
                     h.make_node("Add", ["kept", "more"], ["next"]), h.make_node("Sub", ["next", "y"], ["gap"]),
                     h.make_node("Identity", ["next"], ["copy"])],
                    [info("state", [2, 3]), info("x", [2, 3]), info("y", [2, 3])], ["next", "gap", "copy"]))],
     {"a": a, "c": c, "k": k}, {"s": s, "o1": o1, "o2": o2},
     [const("half", 0.5, np.float32), const("s0", np.zeros((2, 3)), np.float32)])
# A scan in a scan; the inner one reads what is around both. As many rows as the run says.
rows = real(3, 4)
total, sums = np.float32(0), []
for row in rows:
    for v in row:
        total = (total + v) * np.float32(0.5)
    sums.append(total)
inner = body([h.make_node("Add", ["t", "v"], ["u"]), h.make_node("Mul", ["u", "half"], ["t2"])],
             [info("t", []), info("v", [])], ["t2"])
case("scan_in_scan", 11, [h.make_node("Scan", ["zero", "rows"], ["y", "all"], num_scan_inputs=1, body=body(
    [h.make_node("Scan", ["r", "row"], ["r2"], num_scan_inputs=1, body=inner), h.make_node("Identity", ["r2"], ["r3"])],
    [info("r", []), info("row", [4])], ["r2", "r3"]))],
     {"rows": rows}, {"y": total, "all": np.array(sums)},
     [const("half", 0.5, np.float32), const("zero", 0, np.float32)], {"rows": ["N", 4]})
# Before opset 9 there is a batch, and the numbers are stacked as they come.
a = real(2, 4, 3)
case("scan_batch", 8, [h.make_node("Scan", ["", "s0", "a"], ["s", "o"], num_scan_inputs=1, directions=[1], body=body(
    [h.make_node("Sub", ["x", "state"], ["next"]), h.make_node("Identity", ["next"], ["copy"])],
    [info("state", [3]), info("x", [3])], ["next", "copy"]))], {"a": a},
     {"s": a[:, 0] - a[:, 1] + a[:, 2] - a[:, 3],
      "o": np.stack([a[:, 3], a[:, 2] - a[:, 3], a[:, 1] - a[:, 2] + a[:, 3],
                     a[:, 0] - a[:, 1] + a[:, 2] - a[:, 3]], 1)},
     [const("s0", np.zeros((2, 3)), np.float32)])
# A Loop that counts: its number and its condition are used.
k = real(2, 3)
v, stacked = np.zeros((2, 3), np.float32), []
for t in range(4):
    v = v + k * np.float32(t)
    stacked.append(v)
case("loop_counts", 13, [h.make_node("Loop", ["count", "", "zero"], ["v", "all"], body=body(
    [h.make_node("Cast", ["i"], ["number"], to=T.FLOAT), h.make_node("Mul", ["k", "number"], ["more"]),
     h.make_node("Add", ["v0", "more"], ["v1"]), h.make_node("Identity", ["go"], ["on"]),
     h.make_node("Identity", ["v1"], ["v2"])],
    [info("i", [], T.INT64), info("go", [], T.BOOL), info("v0", [2, 3])], ["on", "v1", "v2"]))],
     {"k": k}, {"v": v, "all": np.stack(stacked)}, [const("count", 4), const("zero", np.zeros((2, 3)), np.float32)])
