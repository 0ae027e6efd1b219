#!/usr/bin/env python3
"""make_networks.py - small networks of typical structure, with random weights and data.

    tests/networks/make_networks.py        writes NAME.onnx, NAME.npy and NAME.yaml beside itself

What tests/e2e/networks.sh quantizes: squeeze and excitation, attention with a decomposed gelu, an
upsampling path with skips, dense concatenations behind a batch normalization.
"""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(7)


class Network:
    def __init__(self, name, shape):
        self.name, self.shape = name, shape
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, values, dtype=np.float32):
        name = 'c%d' % len(self.constants)
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def op(self, kind, *operands, **attributes):
        self.count += 1
        name = '%s_%d' % (kind.lower(), self.count)
        self.nodes.append(helper.make_node(kind, operands, [name], name='/' + name, **attributes))
        return name

    def conv(self, x, inputs, outputs, kernel=3, kind='Conv', **attributes):
        spread = np.exp(random.normal(0, 0.4, (outputs, 1, 1, 1)))
        w = random.normal(0, np.sqrt(2 / (inputs * kernel**2)), (outputs, inputs, kernel, kernel))
        w = w * spread
        if kind == 'ConvTranspose':
            w = w.transpose(1, 0, 2, 3)
        b = self.constant(random.normal(0, 0.2, outputs))
        return self.op(kind, x, self.constant(w), b, **attributes)

    def same(self, x, inputs, outputs):
        return self.op('Relu', self.conv(x, inputs, outputs, pads=[1, 1, 1, 1]))

    def linear(self, x, inputs, outputs):
        w = self.constant(random.normal(0, np.sqrt(1 / inputs), (inputs, outputs)))
        return self.op('Add', self.op('MatMul', x, w),
                       self.constant(random.normal(0, 0.1, outputs)))

    def reshape(self, x, shape):
        return self.op('Reshape', x, self.constant(shape, np.int64))

    def save(self, y):
        graph = helper.make_graph(
            self.nodes, self.name,
            [helper.make_tensor_value_info('x', TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
        path = os.path.join(HERE, self.name)
        onnx.save(onnx.shape_inference.infer_shapes(model), path + '.onnx')
        np.save(path + '.npy', random.normal(0, 1, [8] + self.shape[1:]).astype(np.float32))
        with open(path + '.yaml', 'w') as f:
            f.write('tensors: %s.npy\n' % self.name)


def excitation():
    n = Network('excitation', [1, 3, 10, 10])
    x = n.same('x', 3, 16)
    gate = n.op('GlobalAveragePool', x)
    gate = n.op('Relu', n.conv(gate, 16, 8, 1))
    gate = n.op('Sigmoid', n.conv(gate, 8, 16, 1))
    n.save(n.conv(n.op('Mul', x, gate), 16, 4, 1))


def attention():
    n = Network('attention', [1, 12, 16])
    q, k, v = [n.reshape(n.linear('x', 16, 16), [1, 12, 2, 8]) for _ in range(3)]
    q, v = [n.op('Transpose', t, perm=[0, 2, 1, 3]) for t in (q, v)]
    scores = n.op('MatMul', q, n.op('Transpose', k, perm=[0, 2, 3, 1]))
    scores = n.op('Softmax', n.op('Div', scores, n.constant(np.sqrt(8))), axis=-1)
    y = n.op('Transpose', n.op('MatMul', scores, v), perm=[0, 2, 1, 3])
    y = n.op('Add', 'x', n.linear(n.reshape(y, [1, 12, 16]), 16, 16))
    y = n.op('LayerNormalization', y, n.constant(random.uniform(0.8, 1.2, 16)),
             n.constant(random.normal(0, 0.1, 16)), axis=-1)
    f = n.linear(y, 16, 24)
    f = n.op('Mul', f, n.op('Add', n.op('Erf', n.op('Div', f, n.constant(np.sqrt(2)))),
                            n.constant(1)))
    n.save(n.op('Add', y, n.linear(n.op('Mul', f, n.constant(0.5)), 24, 16)))


def upsampling():
    n = Network('upsampling', [1, 3, 12, 12])
    a = n.same('x', 3, 8)
    b = n.same(n.op('MaxPool', a, kernel_shape=[2, 2], strides=[2, 2]), 8, 12)
    c = n.same(n.op('MaxPool', b, kernel_shape=[2, 2], strides=[2, 2]), 12, 16)
    up = n.conv(c, 16, 8, 2, 'ConvTranspose', strides=[2, 2])
    up = n.same(n.op('Concat', up, b, axis=1), 20, 8)
    up = n.op('Resize', up, '', n.constant([1, 1, 2, 2]), mode='linear')
    n.save(n.conv(n.op('Concat', up, a, axis=1), 16, 4, 1))


def dense():
    n = Network('dense', [1, 3, 10, 10])
    x, channels = n.same('x', 3, 8), 8
    for _ in range(3):
        y = n.op('BatchNormalization', x, *[n.constant(v) for v in (
            random.uniform(0.5, 1.5, channels), random.normal(0, 0.3, channels),
            random.normal(0, 0.3, channels), random.uniform(0.5, 2, channels))])
        y = n.conv(n.op('Relu', y), channels, 8, pads=[1, 1, 1, 1])
        x, channels = n.op('Concat', x, y, axis=1), channels + 8
    n.save(n.conv(n.op('AveragePool', x, kernel_shape=[2, 2], strides=[2, 2]), channels, 4, 1))


for make in (excitation, attention, upsampling, dense):
    make()
