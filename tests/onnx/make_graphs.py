#!/usr/bin/env python3
"""Writes cases of graphs in graphs, as make_onnx.py does: functions of the model, and If whose condition is known."""
import sys

import numpy as np
from onnx import AttributeProto as A, FunctionProto, TensorProto as T, helper as h, numpy_helper as nh

sys.dont_write_bytecode = True
from make_onnx import case, const, softmax  # noqa: E402

rng = np.random.default_rng(11)


def real(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def length(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + length(n >> 7)


def field(number, payload):
    """A length-delimited field that this copy of onnx.proto does not know."""
    return length(number << 3 | 2) + length(len(payload)) + payload


def known(message, extra):
    copy = type(message)()
    copy.ParseFromString(message.SerializeToString() + extra)
    return copy


def function(name, inputs, outputs, nodes, attributes=(), defaults=(), overload="", opset=18):
    f = h.make_function("local", name, inputs, outputs, nodes,
                        [h.make_opsetid("", opset), h.make_opsetid("local", 1)], list(attributes))
    extra = b"".join(field(11, a.SerializeToString()) for a in defaults)
    return known(f, extra + (field(13, overload.encode()) if overload else b""))


def call(name, inputs, outputs, overload="", **attributes):
    n = h.make_node(name, inputs, outputs, domain="local", name=f"{outputs[0]}_call", **attributes)
    return known(n, field(8, overload.encode())) if overload else n


def refer(node, name, to, kind):
    """Lets the attribute `name` of the node be the attribute `to` of the call."""
    a = node.attribute.add()
    a.name, a.ref_attr_name, a.type = name, to, kind
    return node


def leaky(x, alpha):
    return np.where(x < 0, x * np.float32(alpha), x)


x, w, b = real(2, 6), real(4, 6), real(4)
y = (x.astype(np.float64) @ w.T + b).astype(np.float32)

# An attribute of the call, one with a default, one that nobody gives; names inside are names of the graph as well.
act = function("Act", ["x"], ["y"], [refer(h.make_node("LeakyRelu", ["x"], ["y"]), "alpha", "slope", A.FLOAT)],
               defaults=[h.make_attribute("slope", 0.5)])
bare = function("Bare", ["x"], ["y"], [refer(h.make_node("LeakyRelu", ["x"], ["y"]), "alpha", "slope", A.FLOAT)],
                attributes=["slope"])
case("function_attributes", 18, [call("Act", ["x"], ["p"]), call("Act", ["p"], ["q"], slope=0.125),
                                 call("Bare", ["q"], ["y"])],
     {"x": x}, {"y": leaky(leaky(leaky(x, 0.5), 0.125), 0.01)}, ir=8, functions=[act, bare], domains=["local"])

# A function that calls another one and passes an attribute on; a bias that is given or not; two results.
inner = function("Scaled", ["x", "w", "bias"], ["y"], [
    refer(h.make_node("Gemm", ["x", "w", "bias"], ["y"], transB=1), "alpha", "by", A.FLOAT)], attributes=["by"])
outer = function("Layer", ["x", "w", "bias"], ["y", "z"], [
    refer(call("Scaled", ["x", "w", "bias"], ["t"]), "by", "factor", A.FLOAT),
    h.make_node("Relu", ["t"], ["y"]), h.make_node("Identity", ["x"], ["z"])], attributes=["factor"])
free = (x.astype(np.float64) @ w.T * 0.5).astype(np.float32)
case("function_nested", 18, [call("Layer", ["x", "w", "b"], ["t", "z"], factor=1.0),
                             call("Layer", ["z", "w"], ["u", ""], factor=0.5), h.make_node("Add", ["t", "u"], ["y"])],
     {"x": x}, {"y": np.maximum(y, 0) + np.maximum(free, 0)}, [nh.from_array(w, "w"), nh.from_array(b, "b")], ir=8,
     functions=[inner, outer], domains=["local"])

# Overloads of one name; a function of an older opset, where softmax runs over all dimensions from its axis on.
x = real(2, 3, 4)
overloads = [function("Norm", ["x"], ["y"], [h.make_node("Neg", ["x"], ["y"])], overload="negative"),
             function("Norm", ["x"], ["y"], [h.make_node("Softmax", ["x"], ["y"])], opset=11)]
case("function_overloads", 18, [call("Norm", ["x"], ["t"], overload="negative"), call("Norm", ["t"], ["y"])],
     {"x": x}, {"y": softmax(-x, (1, 2))}, ir=10, functions=overloads, domains=["local"])


def branch(nodes, output, inits=()):
    return h.make_graph(nodes, "branch", [], [h.make_tensor_value_info(output, T.FLOAT, None)], list(inits))


# A condition that is an initializer; the branch reads names of the graph around it and has an initializer of its own.
double = branch([h.make_node("Mul", ["x", "two"], ["r"])], "r", [const("two", 2, np.float32)])
other = branch([h.make_node("NoSuchOperator", ["x"], ["r"])], "r")
case("if_constant", 18, [h.make_node("If", ["c"], ["y"], then_branch=double, else_branch=other)], {"x": x}, {"y": x * 2},
     [const("c", True, np.bool_)])
# The extent that decides is known although the batch is not; exporters write squeeze like this.
v = real(3, 1, 4)
squeeze = branch([h.make_node("Squeeze", ["x", "axes"], ["s"])], "s")
keep = branch([h.make_node("Identity", ["x"], ["i"])], "i")
case("if_shape", 18, [
    h.make_node("Shape", ["x"], ["shape"]), h.make_node("Gather", ["shape", "one"], ["extent"]),
    h.make_node("Equal", ["extent", "one"], ["c"]),
    h.make_node("If", ["c"], ["t"], then_branch=squeeze, else_branch=keep), h.make_node("Neg", ["t"], ["y"])],
     {"x": v}, {"y": -v[:, 0]}, [const("one", 1), const("axes", [1])])
# An If in the branch of an If in a function, whose attribute decides; results are values of the graph around them.
deep = branch([h.make_node("If", ["flag"], ["d"], then_branch=branch([h.make_node("Abs", ["x"], ["a"])], "a"),
                           else_branch=branch([], "x"))], "d")
flag = refer(h.make_node("Constant", [], ["number"]), "value_int", "absolute", A.INT)
chosen = function("Chosen", ["x"], ["y"], [
    flag, h.make_node("Cast", ["number"], ["flag"], to=T.BOOL), h.make_node("Not", ["flag"], ["no"]),
    h.make_node("Not", ["no"], ["yes"]), h.make_node("Or", ["yes", "no"], ["always"]),
    h.make_node("If", ["always"], ["y"], then_branch=deep, else_branch=branch([], "x"))], attributes=["absolute"])
case("if_in_function", 18, [call("Chosen", ["x"], ["p"], absolute=1), call("Chosen", ["x"], ["q"], absolute=0),
                            h.make_node("Sub", ["p", "q"], ["y"])],
     {"x": x}, {"y": np.abs(x) - x}, ir=8, functions=[chosen], domains=["local"])
