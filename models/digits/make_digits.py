#!/usr/bin/python3
# make_digits.py - make the digits network, its test images and its calibration images.
#
#   draw -> train -> digits.onnx, test_images.npy, test_labels.npy, calib_images.npy, *.yaml
#
# Needs python3-numpy and python3-onnx; two minutes on one core with libopenblas0, else about eight.

import argparse
import pathlib
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import glyphs
import layers
from layers import BatchNorm, Chain, Conv, Dense, Depthwise, GlobalPool, MaxPool, Relu, Residual

SEED = 20240601
EPOCHS = 14
EPOCH_IMAGES = 9600  # drawn anew for every epoch
BATCH = 64
RATE = 4e-3  # falls to 0 along a cosine
TEST_IMAGES = 1800
CALIB_IMAGES = 512

# Near the mean and deviation of the pixels, as fractions of 255; the YAML files carry them.
MEAN, STD = .44, .30

DATA = """\
# {title}, made by make_digits.py
tensors: {tensors}
{labels}preprocess:
  scale: 1/255
  mean: [{mean}]
  std: [{std}]
  layout: nchw
  channels: gray
"""

PURPOSES = ["weights", "test", "calib", "train"]  # the order is part of the seed


def generator(purpose, index=0):
    """A stream of its own for every purpose and epoch, so that no two sets share an image."""
    return np.random.default_rng([SEED, PURPOSES.index(purpose), index])


def preprocess(images):
    return ((images.astype(np.float32) / 255) - np.float32(MEAN)) / np.float32(STD)


def network():
    rng = generator("weights")

    def normed(conv, channels, relu, spread=1.0):
        return Chain(conv=conv, bn=BatchNorm(rng, channels, spread), relu=relu)

    return Chain(
        stem=normed(Conv(rng, 1, 16), 16, Relu()),
        stage1=normed(Conv(rng, 16, 32, stride=2), 32, Relu(), spread=32),
        stage2=Chain(depthwise=normed(Depthwise(rng, 32), 32, Relu(top=6), spread=16),
                     pointwise=normed(Conv(rng, 32, 40, kernel=1), 40, Relu(), spread=4),
                     pool=MaxPool()),
        stage3=Chain(block=Residual(conv1=Conv(rng, 40, 40), bn1=BatchNorm(rng, 40), relu1=Relu(),
                                    conv2=Conv(rng, 40, 40), bn2=BatchNorm(rng, 40)),
                     relu=Relu(), pool=GlobalPool()),
        fc=Dense(rng, 40, 10))


def train(net):
    optimizer = layers.Adam(net.leaves(), decay=.01)
    steps, step = EPOCHS * EPOCH_IMAGES // BATCH, 0
    for epoch in range(EPOCHS):
        began, losses = time.time(), []
        images, labels = glyphs.draw(generator("train", epoch), EPOCH_IMAGES)
        for i in range(0, EPOCH_IMAGES, BATCH):
            logits = net.forward(preprocess(images[i:i + BATCH]), train=True)
            loss, grad = layers.softmax_loss(logits, labels[i:i + BATCH])
            net.backward(grad)
            optimizer.step(RATE * .5 * (1 + np.cos(np.pi * step / steps)))
            losses.append(loss)
            step += 1
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {np.mean(losses):.3f}, "
              f"{time.time() - began:.1f} s", flush=True)


def predict(net, images):
    return np.concatenate([net.forward(preprocess(images[i:i + 100]), train=False)
                           for i in range(0, len(images), 100)])


class Graph:
    """Collects ONNX nodes and initializers; names follow the layers."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, layer, key, value):
        name = f"{layer[1:].replace('/', '.')}.{key}"
        value = np.ascontiguousarray(value, "<f4") if np.ndim(value) else value
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op, name, inputs, **attributes):
        output = name + "_output"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output


def export(net, path):
    graph = Graph()
    last = net.emit(graph, "", "image")
    assert graph.nodes[-1].output[0] == last
    graph.nodes[-1].output[0] = "logits"
    size = glyphs.SIZE
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "digits",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, size, size])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
            graph.weights),
        opset_imports=[helper.make_opsetid("", 13)], ir_version=7,
        producer_name="make_digits.py")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def main():
    parser = argparse.ArgumentParser(description="make the digits network and its data")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent,
                        help="folder to write to (default: the script's)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    net = network()
    train(net)
    test_images, test_labels = glyphs.draw(generator("test"), TEST_IMAGES)
    calib_images, _ = glyphs.draw(generator("calib"), CALIB_IMAGES)
    top1 = 100 * np.mean(predict(net, test_images).argmax(1) == test_labels)

    export(net, out / "digits.onnx")
    np.save(out / "test_images.npy", test_images)
    np.save(out / "test_labels.npy", test_labels)
    np.save(out / "calib_images.npy", calib_images)
    common = {"mean": MEAN, "std": STD}
    (out / "data.yaml").write_text(DATA.format(
        title="Test images of the digits network", tensors="test_images.npy",
        labels="labels: test_labels.npy\n", **common))
    (out / "calib.yaml").write_text(DATA.format(
        title="Calibration images of the digits network, none of them a test image",
        tensors="calib_images.npy", labels="", **common))
    print(f"fp32 top-1 {top1:.2f} % of {TEST_IMAGES} test images, mean pixel "
          f"{test_images.mean() / 255:.3f}, deviation {test_images.std() / 255:.3f}")


if __name__ == "__main__":
    main()
