# layers.py - the layers of the digits network in numpy, each with its gradient and its ONNX nodes.
#
# Activations are f32 [batch, height, width, channels]. A layer has
#   forward(x, train) -> y      keeps what backward needs when train is true
#   backward(dy)      -> dx     leaves the gradients of its parameters in self.grads
#   params                      name -> array, updated in place by the optimizer
#   emit(graph, name, x) -> y   appends its nodes; x and y are names of ONNX tensors (NCHW)

import numpy as np


class Layer:
    def __init__(self):
        self.params, self.grads = {}, {}

    def leaves(self):
        """The layers that hold parameters themselves."""
        return [self]


def he(rng, shape, fan_in):
    return (rng.normal(0, 1, shape) * np.sqrt(2 / fan_in)).astype(np.float32)


def taps(x, stride):
    """The nine shifted views of a 3x3 window over x padded by one."""
    h, w = x.shape[1] - 2, x.shape[2] - 2
    return [x[:, i:i + h:stride, j:j + w:stride] for i in range(3) for j in range(3)]


def pad(x):
    return np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


class Conv(Layer):
    """Convolution 3x3 with padding 1, or 1x1 without; no bias, a BatchNorm follows."""

    def __init__(self, rng, inputs, outputs, kernel=3, stride=1):
        super().__init__()
        assert kernel == 3 or stride == 1
        self.kernel, self.stride = kernel, stride
        rows = kernel * kernel * inputs
        self.params["weight"] = he(rng, (rows, outputs), rows)

    def forward(self, x, train):
        self.shape = x.shape
        cols = np.concatenate(taps(pad(x), self.stride), -1) if self.kernel == 3 else x
        self.out = cols.shape[:3]
        self.cols = cols.reshape(-1, cols.shape[-1])
        return (self.cols @ self.params["weight"]).reshape(*self.out, -1)

    def backward(self, dy):
        dy = dy.reshape(-1, dy.shape[-1])
        self.grads["weight"] = self.cols.T @ dy
        dcols = dy @ self.params["weight"].T
        if self.kernel == 1:
            return dcols.reshape(self.shape)
        b, h, w, c = self.shape
        dx = np.zeros((b, h + 2, w + 2, c), np.float32)
        dcols = dcols.reshape(*self.out, 9, c)
        for t, view in enumerate(taps(dx, self.stride)):
            view += dcols[:, :, :, t]
        return dx[:, 1:-1, 1:-1]

    def emit(self, graph, name, x):
        k, p = self.kernel, self.kernel // 2
        weight = self.params["weight"].reshape(k, k, self.shape[-1], -1).transpose(3, 2, 0, 1)
        return graph.node("Conv", name, [x, graph.weight(name, "weight", weight)],
                          dilations=[1, 1], group=1, kernel_shape=[k, k], pads=[p, p, p, p],
                          strides=[self.stride, self.stride])


class Depthwise(Layer):
    """Depthwise convolution 3x3, padding 1, stride 1, no bias."""

    def __init__(self, rng, channels):
        super().__init__()
        self.params["weight"] = he(rng, (9, channels), 9)

    def forward(self, x, train):
        self.x = pad(x)
        return sum(v * w for v, w in zip(taps(self.x, 1), self.params["weight"]))

    def backward(self, dy):
        self.grads["weight"] = np.stack(
            [np.einsum("bhwc,bhwc->c", v, dy) for v in taps(self.x, 1)])
        dx = np.zeros_like(self.x)
        for view, w in zip(taps(dx, 1), self.params["weight"]):
            view += dy * w
        return dx[:, 1:-1, 1:-1]

    def emit(self, graph, name, x):
        weight = self.params["weight"].T.reshape(-1, 1, 3, 3)
        return graph.node("Conv", name, [x, graph.weight(name, "weight", weight)],
                          dilations=[1, 1], group=len(weight), kernel_shape=[3, 3],
                          pads=[1, 1, 1, 1], strides=[1, 1])


class BatchNorm(Layer):
    """y = (x - mean) / sqrt(var + eps) * scale + bias, by channel.

    The scales start spread over a factor of `spread`, evenly in the logarithm: channels of very
    different range, as networks that were trained for long have them and as quantizers meet them.
    """

    EPS, MOMENTUM = 1e-5, .9

    def __init__(self, rng, channels, spread=1.0):
        super().__init__()
        scale = spread ** rng.uniform(-.5, .5, channels)
        self.params["scale"] = scale.astype(np.float32)
        self.params["bias"] = np.zeros(channels, np.float32)
        self.mean = np.zeros(channels, np.float32)
        self.var = np.ones(channels, np.float32)

    def forward(self, x, train):
        mean, var = self.mean, self.var
        if train:
            mean = x.mean((0, 1, 2))
            var = np.square(x - mean).mean((0, 1, 2))
            for kept, new in ((self.mean, mean), (self.var, var)):
                kept += (1 - self.MOMENTUM) * (new - kept)
        self.factor = 1 / np.sqrt(var + np.float32(self.EPS))
        self.normed = (x - mean) * self.factor
        return self.normed * self.params["scale"] + self.params["bias"]

    def backward(self, dy):
        self.grads["scale"] = np.einsum("bhwc,bhwc->c", dy, self.normed)
        self.grads["bias"] = dy.sum((0, 1, 2))
        n = dy.size // dy.shape[-1]
        dx = dy - self.grads["bias"] / n - self.normed * (self.grads["scale"] / n)
        return dx * (self.params["scale"] * self.factor)

    def emit(self, graph, name, x):
        inputs = [x] + [graph.weight(name, key, value) for key, value in
                        (("weight", self.params["scale"]), ("bias", self.params["bias"]),
                         ("running_mean", self.mean), ("running_var", self.var))]
        return graph.node("BatchNormalization", name, inputs, epsilon=self.EPS,
                          momentum=self.MOMENTUM)


class Relu(Layer):
    """y = max(x, 0), or min(max(x, 0), top) as ONNX Clip."""

    def __init__(self, top=None):
        super().__init__()
        self.top = top

    def forward(self, x, train):
        y = np.clip(x, 0, self.top)
        self.open = (x > 0) if self.top is None else (x > 0) & (x < self.top)
        return y

    def backward(self, dy):
        return dy * self.open

    def emit(self, graph, name, x):
        if self.top is None:
            return graph.node("Relu", name, [x])
        bounds = [graph.weight(name, "min", np.float32(0)),
                  graph.weight(name, "max", np.float32(self.top))]
        return graph.node("Clip", name, [x, *bounds])


class MaxPool(Layer):
    """2x2, stride 2."""

    def forward(self, x, train):
        b, h, w, c = x.shape
        blocks = x.reshape(b, h // 2, 2, w // 2, 2, c)
        y = blocks.max((2, 4))
        if train:
            self.winner = blocks == y[:, :, None, :, None]  # ties share, harmless in training
        return y

    def backward(self, dy):
        dx = self.winner * dy[:, :, None, :, None]
        b, h, _, w, _, c = dx.shape
        return dx.reshape(b, 2 * h, 2 * w, c)

    def emit(self, graph, name, x):
        return graph.node("MaxPool", name, [x], kernel_shape=[2, 2], strides=[2, 2])


class GlobalPool(Layer):
    """Mean over height and width: [b, h, w, c] to [b, c]."""

    def forward(self, x, train):
        self.shape = x.shape
        return x.mean((1, 2))

    def backward(self, dy):
        _, h, w, _ = self.shape
        return np.broadcast_to(dy[:, None, None] / (h * w), self.shape)

    def emit(self, graph, name, x):
        pooled = graph.node("GlobalAveragePool", name, [x])
        return graph.node("Flatten", name + "/flatten", [pooled], axis=1)


class Dense(Layer):
    """y = x w + b."""

    def __init__(self, rng, inputs, outputs):
        super().__init__()
        self.params["weight"] = he(rng, (inputs, outputs), inputs)
        self.params["bias"] = np.zeros(outputs, np.float32)

    def forward(self, x, train):
        self.x = x
        return x @ self.params["weight"] + self.params["bias"]

    def backward(self, dy):
        self.grads["weight"] = self.x.T @ dy
        self.grads["bias"] = dy.sum(0)
        return dy @ self.params["weight"].T

    def emit(self, graph, name, x):
        inputs = [x, graph.weight(name, "weight", self.params["weight"].T),
                  graph.weight(name, "bias", self.params["bias"])]
        return graph.node("Gemm", name, inputs, transB=1)


class Chain(Layer):
    """Named layers one after the other."""

    def __init__(self, **layers):
        super().__init__()
        self.layers = layers

    def leaves(self):
        return [leaf for layer in self.layers.values() for leaf in layer.leaves()]

    def forward(self, x, train):
        for layer in self.layers.values():
            x = layer.forward(x, train)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers.values()):
            dy = layer.backward(dy)
        return dy

    def emit(self, graph, name, x):
        for key, layer in self.layers.items():
            x = layer.emit(graph, f"{name}/{key}", x)
        return x


class Residual(Chain):
    """y = x + chain(x)."""

    def forward(self, x, train):
        return x + super().forward(x, train)

    def backward(self, dy):
        return dy + super().backward(dy)

    def emit(self, graph, name, x):
        return graph.node("Add", name + "/add", [super().emit(graph, name, x), x])


def softmax_loss(logits, labels):
    """Mean cross entropy and its gradient."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(p[rows, labels] + 1e-12).mean()
    p[rows, labels] -= 1
    return loss, p / len(labels)


class Adam:
    """Kingma and Ba, with decoupled weight decay on the weights (Loshchilov and Hutter)."""

    def __init__(self, layers, decay):
        self.state = [(layer, key, np.zeros_like(value), np.zeros_like(value))
                      for layer in layers for key, value in layer.params.items()]
        self.decay, self.step_count = decay, 0

    def step(self, rate):
        self.step_count += 1
        fix1, fix2 = 1 - .9 ** self.step_count, 1 - .99 ** self.step_count
        for layer, key, first, second in self.state:
            value, grad = layer.params[key], layer.grads[key]
            first += .1 * (grad - first)
            second += .01 * (grad * grad - second)
            if key == "weight":
                value *= np.float32(1 - rate * self.decay)
            value -= (rate / fix1) * first / (np.sqrt(second / fix2) + 1e-8)
