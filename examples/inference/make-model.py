#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make-model.py FILE: write a small image classifier, always the same one.

A convolutional network with fixed pseudo-random weights: input `image`, floats
of shape [N, 1, 28, 28]; output `probabilities`, floats of shape [N, 10]. It
has learnt nothing: it is there to be computed, by the operators (convolution,
pooling, matrix products, softmax) that real ones consist of.
"""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def main():
    random = numpy.random.RandomState(1)

    def weights(name, *shape):
        fan_in = numpy.prod(shape[1:]) if len(shape) > 1 else 100
        values = random.standard_normal(shape) / numpy.sqrt(fan_in)
        return numpy_helper.from_array(values.astype(numpy.float32), name)

    initializers = [
        weights("conv1.w", 32, 1, 5, 5),
        weights("conv1.b", 32),
        weights("conv2.w", 64, 32, 3, 3),
        weights("conv2.b", 64),
        weights("fc1.w", 256, 64 * 7 * 7),
        weights("fc1.b", 256),
        weights("fc2.w", 10, 256),
        weights("fc2.b", 10),
    ]
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "conv1.w", "conv1.b"], ["c1"],
             kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        node("Relu", ["c1"], ["r1"]),
        node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p1", "conv2.w", "conv2.b"], ["c2"],
             kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["c2"], ["r2"]),
        node("MaxPool", ["r2"], ["p2"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p2"], ["flat"]),
        node("Gemm", ["flat", "fc1.w", "fc1.b"], ["f1"], transB=1),
        node("Relu", ["f1"], ["r3"]),
        node("Gemm", ["r3", "fc2.w", "fc2.b"], ["f2"], transB=1),
        node("Softmax", ["f2"], ["probabilities"], axis=1),
    ]
    shape = ["N", 1, 28, 28]
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT,
                                       ["N", 10])],
        initializers)
    model = helper.make_model(
        graph, producer_name="jiffy",
        opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[1])


main()
