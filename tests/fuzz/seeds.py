#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/seeds that are not findings: small files of every form, from Python alone.
Usage: tests/fuzz/seeds.py (anywhere). It replaces what it wrote before and leaves all else."""
import gzip
import json
import os
import struct
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")


def write(door, name, data):
    os.makedirs(os.path.join(ROOT, door), exist_ok=True)
    with open(os.path.join(ROOT, door, name), "wb") as file:
        file.write(data)


# ---- ONNX: just enough of protocol buffers -------------------------------------------------------------------

def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def blob(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def real(field, x):
    return varint(field << 3 | 5) + struct.pack("<f", x)


def tensor(name, dims, values, kind=1, raw=True):
    out = b"".join(number(1, d) for d in dims) + number(2, kind)
    form, field = {1: ("f", 4), 6: ("i", 5), 7: ("q", 7), 10: ("e", 0), 11: ("d", 10), 2: ("B", 0), 3: ("b", 0)}[kind]
    packed = struct.pack("<%d%s" % (len(values), form), *values)
    if raw or not field:
        out += blob(9, packed)
    elif field == 4:
        out += blob(4, packed)
    else:
        out += blob(field, b"".join(varint(v) for v in values)) if kind != 11 else blob(field, packed)
    return out + blob(8, name)


def attribute(name, value):
    out = blob(1, name)
    if isinstance(value, bytes):
        return out + blob(5, value) + number(20, 4)  # a tensor
    if isinstance(value, str):
        return out + blob(4, value) + number(20, 3)
    if isinstance(value, float):
        return out + real(2, value) + number(20, 1)
    if isinstance(value, int):
        return out + number(3, value) + number(20, 2)
    if value and isinstance(value[0], float):
        return out + b"".join(real(7, v) for v in value) + number(20, 6)
    return out + b"".join(number(8, v) for v in value) + number(20, 7)


def node(op, inputs, outputs, **attributes):
    out = b"".join(blob(1, i) for i in inputs.split(",")) if inputs else b""
    out += b"".join(blob(2, o) for o in outputs.split(","))
    return out + blob(3, "n_" + op) + blob(4, op) + b"".join(
        blob(5, attribute(k, v)) for k, v in attributes.items())


def face(name, dims):
    axes = b"".join(blob(1, number(1, d) if isinstance(d, int) else blob(2, d)) for d in dims)
    return blob(1, name) + blob(2, blob(1, number(1, 1) + blob(2, axes)))


def onnx(name, nodes, arrays=(), dims=("N", 4, 6, 6), opset=17, outputs="y", inputs="x"):
    graph = b"".join(blob(1, n) for n in nodes) + blob(2, "g") + b"".join(blob(5, a) for a in arrays)
    graph += b"".join(blob(11, face(i, dims)) for i in inputs.split(","))
    graph += b"".join(blob(12, blob(1, o)) for o in outputs.split(","))
    write("onnx", name + ".onnx", number(1, 8) + blob(2, "seeds") + blob(7, graph) + blob(8, blob(1, "") + number(2, opset)))


def ramp(n):
    return [0.25 * (i % 7) - 0.5 for i in range(n)]


def floats(name, *dims):
    count = 1
    for d in dims:
        count *= d
    return tensor(name, dims, ramp(count))


def ints(name, *values):
    return tensor(name, [len(values)], values, 7)


def shaped(name, op, parameters, *arrays, **attributes):
    """One op with a constant for each further input."""
    onnx(name, [node(op, ",".join(["x"] + parameters), "y", **attributes)], arrays)


def onnx_seeds():
    shaped("conv", "Conv", ["w", "b"], floats("w", 3, 4, 3, 3), floats("b", 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    shaped("conv_same", "Conv", ["w"], floats("w", 4, 1, 3, 2), group=4, auto_pad="SAME_UPPER", dilations=[1, 2])
    shaped("conv_transpose", "ConvTranspose", ["w"], floats("w", 4, 2, 3, 3), strides=[2, 2], output_padding=[1, 1], pads=[1, 1, 1, 1])
    shaped("max_pool", "MaxPool", [], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], ceil_mode=1)
    shaped("avg_pool", "AveragePool", [], kernel_shape=[2, 2], count_include_pad=1, pads=[0, 1, 1, 0])
    for op in ("GlobalAveragePool", "GlobalMaxPool", "Relu", "HardSwish", "Softsign", "Neg", "Identity"):
        shaped(op.lower(), op, [])
    shaped("norm", "BatchNormalization", list("sbmv"), floats("s", 4), floats("b", 4), floats("m", 4), floats("v", 4), epsilon=0.01)
    shaped("instance", "InstanceNormalization", list("sb"), floats("s", 4), floats("b", 4), epsilon=0.01)
    shaped("layer", "LayerNormalization", list("sb"), floats("s", 6), floats("b", 6), axis=-1)
    shaped("clip", "Clip", list("ab"), tensor("a", [], [0.0]), tensor("b", [], [6.0]))
    shaped("leaky", "LeakyRelu", [], alpha=0.2)
    shaped("hard_sigmoid", "HardSigmoid", [], alpha=0.3, beta=0.4)
    shaped("prelu", "PRelu", ["s"], floats("s", 4, 1, 1))
    for op in ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"):
        shaped(op.lower(), op, ["c"], floats("c", *((4, 1, 1) if op != "Sub" else (1, 4, 6, 6))))
    shaped("softmax", "Softmax", [], axis=1)
    shaped("resize", "Resize", ["", "s"], tensor("s", [4], [1.0, 1.0, 2.0, 2.0]), mode="linear", coordinate_transformation_mode="half_pixel")
    shaped("resize_sizes", "Resize", ["", "", "s"], ints("s", 1, 4, 9, 3), mode="nearest", nearest_mode="floor")
    shaped("pad", "Pad", ["p", "v"], ints("p", 0, 0, 1, 2, 0, 0, 2, 1), tensor("v", [], [1.0]), mode="constant")
    shaped("pad_reflect", "Pad", ["p"], ints("p", 0, 0, 1, 2, 0, 0, 2, 1), mode="reflect")
    shaped("slice", "Slice", list("seat"), ints("s", 0, 1), ints("e", 3, 5), ints("a", 1, 2), ints("t", 1, 1))
    shaped("transpose", "Transpose", [], perm=[0, 2, 3, 1])
    shaped("flatten", "Flatten", [], axis=1)
    shaped("reshape", "Reshape", ["s"], ints("s", 0, -1, 12))
    shaped("squeeze", "Unsqueeze", ["a"], ints("a", 4))
    shaped("depth_to_space", "DepthToSpace", [], blocksize=2, mode="CRD")
    shaped("space_to_depth", "SpaceToDepth", [], blocksize=2)
    shaped("reduce", "ReduceMean", ["a"], ints("a", 2, 3), keepdims=0)
    shaped("reduce_log", "ReduceLogSumExp", [], axes=[1], keepdims=1)
    shaped("expand", "Expand", ["s"], ints("s", 1, 4, 6, 6))
    shaped("gather", "Gather", ["i"], ints("i", 1, 2), axis=1)
    shaped("quantize", "QuantizeLinear", ["s", "z"], tensor("s", [], [0.1]), tensor("z", [], [3], 2))
    shaped("dropout", "Dropout", [])
    shaped("cast", "Cast", [], to=1)
    onnx("gemm", [node("Gemm", "x,w,b", "y", transB=1, alpha=2.0)], [floats("w", 3, 5), floats("b", 3)], ("N", 5))
    onnx("matmul", [node("MatMul", "x,w", "y")], [floats("w", 5, 3)], ("N", 2, 5))
    onnx("two", [node("MatMul", "x,z", "a"), node("Concat", "a,x", "y", axis=-1)], (), ("N", 3, 3), inputs="x,z")
    onnx("partial", [node("Relu", "x", "a"), node("Sigmoid", "a", "b"), node("NonMaxSuppression", "a,b", "d"),
                     node("Gather", "d,i", "y", axis=1)], [ints("i", 2)], outputs="y,a", opset=11)
    onnx("split", [node("Split", "x,s", "a,b", axis=1), node("Concat", "b,a", "y", axis=1)], [ints("s", 1, 3)])
    onnx("shuffle", [node("Shape", "x", "s"), node("Gather", "s,i", "n", axis=0), node("Concat", "n,r", "t", axis=0),
                     node("Reshape", "x,t", "a"), node("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
                     node("Reshape", "b,q", "y")], [ints("i", 0), ints("r", 2, 2, 6, 6), ints("q", 0, 4, 6, 6)])
    onnx("folded", [node("ConstantOfShape", "s", "c", value=tensor("v", [1], [2.0])), node("Range", "a,b,d", "r"),
                    node("Cast", "r", "f", to=1), node("Unsqueeze", "f,o", "u"), node("Transpose", "u", "t", perm=[0, 1, 3, 2]),
                    node("Slice", "t,z,e,o", "l"), node("Squeeze", "l", "q"), node("Mul", "c,q", "m"), node("Add", "x,m", "y")],
         [ints("s", 1, 4, 6, 6), tensor("a", [], [0], 7), tensor("b", [], [6], 7), tensor("d", [], [1], 7),
          ints("o", 0, 1, 2), ints("z", 0, 0, 0), ints("e", 1, 1, 6)])
    onnx("compare", [node("Constant", "", "a", value_ints=[1, 2, 3]), node("Constant", "", "b", value_floats=[1.0, 2.0, 3.0]),
                     node("Cast", "b", "c", to=7), node("Equal", "a,c", "e"), node("Where", "e,a,c", "w"),
                     node("ReduceProd", "w", "p"), node("Size", "a", "z"), node("Reshape", "x,r", "y")], [ints("r", 0, 0, 36)])
    onnx("attention", [node("MatMul", "x,w", "q"), node("Transpose", "q", "k", perm=[0, 2, 1]), node("MatMul", "q,k", "s"),
                       node("Softmax", "s", "p", axis=-1), node("MatMul", "p,q", "y")], [floats("w", 4, 4)], ("N", 3, 4))
    onnx("types", [node("Add", "x,a", "u"), node("Add", "u,b", "v"), node("Add", "v,c", "y")],
         [tensor("a", [1], [0.5], 10), tensor("b", [2], [1.5, 2.0], 11, False), tensor("c", [2], [1.0, 2.0], 1, False)], ("N", 2))
    onnx("where", [node("Greater", "x,c", "g"), node("Not", "g", "n"), node("Where", "n,x,c", "y")], [floats("c", 4, 1, 1)])
    onnx("top_k", [node("TopK", "x,k", "v,i", axis=1), node("GatherElements", "x,i", "y", axis=1)], [ints("k", 2)])
    onnx("arg_max", [node("ArgMax", "x", "i", axis=1, keepdims=0), node("Cast", "i", "y", to=1)], (), ("N", 5))
    onnx("table", [node("Cast", "x", "i", to=7), node("Gather", "t,i", "y")], [floats("t", 5, 2)], ("N", 3))
    onnx("back", [node("Slice", "x,s,e,a,t", "y")], [ints("s", -1), ints("e", -9), ints("a", 3), ints("t", -2)])
    onnx("wrap", [node("Pad", "x,p", "y", mode="wrap")], [ints("p", 0, 1, 0, 2, 0, 0, 3, 9)], opset=19)
    onnx("cubic", [node("Resize", "x,,s", "y", mode="cubic", antialias=1)], [tensor("s", [4], [1.0, 1.0, 0.7, 1.5])], opset=18)
    onnx("part", [node("Resize", "x,r,,s", "y", mode="linear", coordinate_transformation_mode="tf_crop_and_resize",
                       extrapolation_value=2.0)],
         [tensor("r", [8], [0.0, 0.0, -0.2, 0.1, 1.0, 1.0, 1.2, 0.9]), ints("s", 1, 4, 3, 5)])
    volume = ("N", 2, 3, 4, 4)
    onnx("volume", [node("Conv", "x,w,b", "y", pads=[1, 1, 1, 1, 1, 1], strides=[2, 1, 1])], [floats("w", 3, 2, 2, 3, 3), floats("b", 3)], volume)
    onnx("volume_back", [node("ConvTranspose", "x,w", "y", strides=[2, 2, 2])], [floats("w", 2, 1, 2, 2, 2)], volume)
    onnx("volume_pool", [node("AveragePool", "x", "y", kernel_shape=[2, 2, 2], ceil_mode=1)], (), volume)
    onnx("matrices", [node("Gemm", "x,z,c", "y", alpha=0.5, transB=1)], [floats("c", 1)], (3, 3), inputs="x,z")
    onnx("silu", [node("Sigmoid", "x", "s"), node("Mul", "x,s", "y")])
    onnx("hard_swish_pieces", [node("Add", "x,t", "a"), node("Clip", "a,z,s", "b"), node("Mul", "x,b", "c"), node("Div", "c,s", "y")],
         [tensor("t", [], [3.0]), tensor("z", [], [0.0]), tensor("s", [], [6.0])])
    onnx("mish_pieces", [node("Softplus", "x", "s"), node("Tanh", "s", "t"), node("Mul", "x,t", "y")])
    onnx("gelu_pieces", [node("Div", "x,r", "a"), node("Erf", "a", "e"), node("Add", "e,o", "f"), node("Mul", "x,f", "h"),
                         node("Mul", "h,k", "y")], [tensor("r", [], [1.4142135]), tensor("o", [], [1.0]), tensor("k", [], [0.5])])
    onnx("layer_pieces", [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("ReduceMean", "t", "m", axes=[-1]), node("Sub", "t,m", "d"),
                          node("Pow", "d,k", "p"), node("ReduceMean", "p", "v", axes=[-1]), node("Add", "v,e", "u"), node("Sqrt", "u", "r"),
                          node("Div", "d,r", "n"), node("Mul", "n,g", "w"), node("Transpose", "w", "y", perm=[0, 3, 1, 2])],
         [tensor("k", [], [2.0]), tensor("e", [], [0.125]), floats("g", 4)])
    onnx("grid", [node("Sigmoid", "x", "s"), node("Add", "g,s", "y")], [floats("g", 1, 4, 6, 6)])
    outside = tensor("w", [2], [1.0, 2.0])[:-13] + blob(13, blob(1, "location") + blob(2, "w.bin")) + number(14, 1) + blob(8, "w")
    onnx("external", [node("Add", "x,w", "y")], [outside], ("N", 2))
    onnx("old", [node("Reshape", "x", "a", shape=[0, 24, 6]), node("Softmax", "a", "y", axis=1)], opset=1)


def onnx_wrong():
    """Files that try to read or write where they may not."""
    empty, one = tensor("e", [0], [], 1), ints("o", 0, 0)
    onnx("wrong_wrap", [node("Reshape", "e,s", "a"), node("Slice", "a,o,t", "b"), node("Add", "x,b", "y")],
         [empty, ints("s", 1 << 32, 1 << 32), one, ints("t", 1, 1)])
    onnx("wrong_negative", [node("Reshape", "e,s", "a"), node("Gather", "a,i", "b"), node("Add", "x,b", "y")],
         [empty, ints("s", -1, -1), ints("i", 0)])
    onnx("wrong_perm", [node("Transpose", "w", "t", perm=[1, 1, 0]), node("Add", "x,t", "y")], [floats("w", 4, 2, 2)])
    onnx("wrong_axes", [node("Slice", "w,s,t,a", "b"), node("Add", "x,b", "y")],
         [floats("w", 64), ints("s", 63, 63), ints("t", 64, 64), ints("a", 0, 0)])
    onnx("wrong_steps", [node("Slice", "w,s,t,a,p", "b"), node("Add", "x,b", "y")],
         [tensor("w", [0, 1 << 30, 1 << 30, 1 << 30], [], 1), ints("s", 0, 0), ints("t", 6, 6), ints("a", 1, 2), ints("p", 1 << 40, -(1 << 40))])
    onnx("wrong_batch", [node("Mul", "w,v", "m"), node("Add", "x,m", "y")],
         [tensor("w", [1], [-float(1 << 62)]), tensor("v", [1], [1.0])])
    onnx("wrong_kind", [node("Constant", "", "a", value_ints=[1.0, 2.0]), node("Add", "x,a", "y")])
    onnx("wrong_kinds", [node("Constant", "", "a", value_floats=[1, 2]), node("Add", "x,a", "y")])
    onnx("wrong_scales", [node("Upsample", "x", "y", scales=[1, 1, 2, 2])], opset=7)
    onnx("wrong_range", [node("Range", "e,e,e", "a"), node("Add", "x,a", "y")], [empty])
    onnx("wrong_places", [node("Gather", "w,i", "s", axis=0), node("Add", "x,s", "y")],
         [floats("w", 6), tensor("i", [1], [float("nan")])])
    shaped("wrong_twice", "Unsqueeze", ["a"], ints("a", 1, 1))
    shaped("wrong_nothing", "ConvTranspose", ["w"], tensor("w", [4, 1 << 28, 0, 0], [], 1))
    shaped("wrong_groups", "Conv", ["w"], floats("w", 4, 4, 1, 1), group=(1 << 62) + 1)
    unnamed = blob(1, "x") + blob(4, "Relu")
    onnx("wrong_outputs", [unnamed, unnamed, node("Relu", "x", "y")])


# ---- models --------------------------------------------------------------------------------------------------

class Net:
    """A net's JSON, and the shapes of its tensors."""

    def __init__(self, prefix=""):
        self.nodes, self.shapes, self.prefix = [], {}, prefix

    def add(self, name, op, *inputs, tensors=(), **attributes):
        entry = {"name": name, "op": op}
        if inputs:
            entry["in"] = list(inputs)
        entry.update(attributes)
        self.nodes.append(entry)
        for key, dims in tensors:
            self.shapes["%s%s.%s" % (self.prefix, name, key)] = list(dims)
        return name

    def conv(self, name, x, here, there, k=3, **more):
        attributes = {"kernel": [k, k], "pad": [k // 2] * 4, "channels": there}
        attributes.update(more)
        self.add(name, "conv", x, tensors=[("weight", (k, k, here, there))], **attributes)
        return name

    def norm(self, name, x, c):
        return self.add(name, "norm", x, tensors=[(k, (c,)) for k in ("gamma", "beta", "mean", "var")])

    def json(self, inputs, outputs):
        return {"inputs": inputs, "outputs": outputs, "nodes": self.nodes}


def small_net():
    n = Net()
    n.add("image", "input", shape=[6, 6, 3])
    x = n.add("relu", "relu", n.norm("norm", n.conv("stem", "image", 3, 4), 4))
    for b in range(2):
        y = n.conv("c%d" % b, x, 4, 8, 1)
        y = n.add("r%d" % b, "relu6", n.norm("n%d" % b, y, 8))
        y = n.conv("p%d" % b, y, 8, 4, 1)
        x = n.add("s%d" % b, "add", x, n.norm("m%d" % b, y, 4))
    x = n.add("flat", "flatten", n.add("pool", "global_pool", x))
    n.add("head", "linear", x, channels=5, bias=1, tensors=[("weight", (4, 5)), ("bias", (5,))])
    return n, n.json(["image"], ["head"])


def ops_net():
    n = Net()
    n.add("x", "input", shape=[8, 6, 4])
    a = n.add("d", "depthwise", "x", kernel=[3, 3], pad=[1, 1, 1, 1], bias=1, tensors=[("weight", (3, 3, 4)), ("bias", (4,))])
    b = n.add("l", "leaky_relu", a, alpha=0.1)
    c = n.add("m", "max_pool", b, kernel=[2, 2], stride=[2, 2])
    d = n.add("a", "avg_pool", c, kernel=[3, 3], pad=[1, 1, 1, 1], mode=1)
    e = n.add("r", "resize", d, dim=[8, 6, 0, 0], mode=1)
    f = n.add("cat", "concat", e, "x")
    g = n.add("part", "split", f, begin=2, size=4)
    h = n.add("pad", "pad", g, pad=[1, 0, 2, 1], mode=1)
    i = n.add("t", "transpose", h, dim=[3, 1, 2, 0])
    j = n.add("re", "reshape", i, dim=[11, 28, 0, 0])
    k = n.add("soft", "softmax", j)
    l = n.add("up", "conv_transpose", "x", kernel=[2, 2], stride=[2, 2], channels=2, tensors=[("weight", (2, 2, 2, 4))])
    o = n.add("mm", "matmul", j, n.add("tr", "transpose", j, dim=[2, 1, 0, 0]))
    return n, n.json(["x"], [k, l, o])


def piece_net():
    n = Net("0.1/")
    n.add("in", "input", shape=[6, 6, 4])
    y = n.conv("c", "in", 4, 4, 1)
    y = n.add("r", "relu6", n.norm("n", y, 4))
    y = n.norm("m", n.conv("p", y, 4, 4, 1), 4)
    n.add("s", "add", "in", y)
    return n, n.json(["in"], ["s"])


INPUT = {"height": 6, "width": 6, "channels": 3, "mean": [0.5, 0.5, 0.5], "deviation": [0.2, 0.2, 0.2]}
TABLE = {"fingerprint": "cpu", "batch": 1, "threads": 1, "rounds": 3, "fixed_ms": 0.5, "oracle_ms": 2.0,
         "median_error": 0.01, "p95_error": 0.02, "drift": 1.1, "seconds": 3.0, "ms": [0.5, 0.25, 0.5, 0.0],
         "error": [0.01, 0.01, 0.01, 0.0], "cold_ms": [0.5, 0.25, 0.5, 0.0]}


def models():
    small, small_json = small_net()
    ops, ops_json = ops_net()
    piece, piece_json = piece_net()
    pass_json = {"inputs": ["in"], "outputs": ["out"], "nodes": [
        {"name": "in", "op": "input", "shape": [6, 6, 4]}, {"name": "out", "op": "identity", "in": ["in"]}]}
    supernet = {"options": [
        {"kind": "shrink", "position": 0, "span": 1, "width": 0.5, "hidden": 4, "piece": piece_json},
        {"kind": "skip", "position": 1, "span": 1, "width": 1.0, "hidden": 0, "piece": pass_json}]}
    rung = {"genome": "10", "predicted_ms": 1.0, "measured_ms": 1.1, "score": 0.9, "calibrated": True}
    shared = dict(small.shapes)
    for name in ("c1.weight", "p1.weight"):
        del shared[name]
    windows = {"c1.weight": {"tensor": "c0.weight", "begin": [0, 0, 0, 0], "size": [1, 1, 4, 8]},
               "p1.weight": {"tensor": "p0.weight", "begin": [0, 0, 0, 0], "size": [1, 1, 8, 4]}}
    both = dict(small.shapes)
    both.update(piece.shapes)
    return {
        "net": ({"net": small_json, "input": INPUT}, small.shapes),
        "windows": ({"net": small_json, "windows": windows}, shared),
        "supernet": ({"net": small_json, "supernet": supernet, "table": TABLE}, both),
        "ladder": ({"net": small_json, "supernet": supernet, "ladder": {"rungs": [rung]}}, {**both, "ladder/1/n.mean": (4,)}),
        "ops": ({"net": ops_json}, ops.shapes),
    }


def model_seeds():
    for name, (texts, shapes) in models().items():
        kinds = {}
        for key, dims in shapes.items():
            kinds.setdefault(tuple(dims), []).append(key)
        tensors = [{"names": names, "shape": list(dims)} for dims, names in kinds.items()]
        write("model", name + ".json", json.dumps({"tensors": tensors, **texts}, separators=(",", ":")).encode())


# ---- what imports left out -----------------------------------------------------------------------------------

def tail(name, nodes, reads, outputs, arrays=(), inputs=(), opset=11, domain=""):
    graph = b"".join(blob(1, n) for n in nodes) + blob(2, "tail") + b"".join(blob(5, a) for a in arrays)
    graph += b"".join(blob(11, face(i, (1, 2))) for i in inputs)
    graph += b"".join(blob(12, face(o, ("n",))) for o in outputs) + b"".join(blob(13, blob(1, r)) for r in reads)
    model = number(1, 8) + blob(7, graph) + blob(8, blob(1, "") + number(2, opset))
    write("tail", name + ".pb", model + (blob(8, blob(1, domain) + number(2, 1)) if domain else b""))


def tail_seeds():
    chosen = node("NonMaxSuppression", "b,c", "d")
    tail("plain", [chosen], "bc", "d")
    tail("axes", [chosen, node("Gather", "d,at", "e"), node("Squeeze", "e", "f", axes=[1])], "bc", "fb", [ints("at", 2)])
    tail("split", [node("Split", "b", "p,q", axis=1, split=[1, 0])], "b", "pq")
    tail("apart", [node("Odd", "c,size", "d")], "c", "d", inputs=["size"])
    tail("domain", [node("Odd", "c", "d") + blob(7, "my.ops")], "c", "d", domain="my.ops")
    inner = blob(1, node("Identity", "b", "t")) + blob(2, "then") + blob(12, blob(1, "t"))
    branch = blob(1, "then_branch") + blob(6, inner) + number(20, 5)
    tail("branch", [node("If", "c", "d") + blob(5, branch)], "bc", "d")
    tail("wrong_reads", [chosen], ["b", "nothing"], "d")
    tail("wrong_taken", [node("Relu", "b", "a")], "b", "a")
    tail("wrong_output", [chosen], "bc", ["nothing"])


# ---- bundles -------------------------------------------------------------------------------------------------

def bundle(texts, shapes, step=64):
    header, sums, data, pads = {}, {}, b"", 0
    metadata = {k: json.dumps(v, separators=(",", ":")) for k, v in texts.items()}
    for name, dims in shapes.items():
        count = 1
        for d in dims:
            count *= d
        values = struct.pack("<%df" % count, *[abs(v) + 0.1 for v in ramp(count)])
        header[name] = {"dtype": "F32", "shape": dims, "data_offsets": [len(data), len(data) + len(values)]}
        sums[name] = "%08x" % zlib.crc32(values)
        data += values
        pad = -len(data) % step
        if pad:
            header["__pad.%d" % pads] = {"dtype": "U8", "shape": [pad], "data_offsets": [len(data), len(data) + pad]}
            data, pads = data + bytes(pad), pads + 1
    metadata.update(checksums=json.dumps(sums, separators=(",", ":")), format="anet", checksum="00000000")
    header["__metadata__"] = metadata
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    length = struct.pack("<Q", len(text))
    return length + text.replace(b'"checksum":"00000000"', b'"checksum":"%08x"' % zlib.crc32(length + text)) + data


def bundle_seeds():
    for name, (texts, shapes) in models().items():
        write("bundle", name + ".anet", bundle(texts, shapes))
    odd, shapes = models()["net"]
    write("bundle", "wrong_place.anet", bundle(odd, shapes, 60))
    write("bundle", "empty.anet", bundle({"note": "nothing"}, {}))


# ---- images --------------------------------------------------------------------------------------------------

def png(width, height, channels, depth=8, palette=None, interlace=0):
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if palette is None else 3
    row = (width * channels * depth + 7) // 8
    lines = b"".join(bytes([y % 5]) + bytes((x * 7 + y * 13) % 251 % (2 if palette else 256) for x in range(row)) for y in range(height))
    if interlace:
        lines = bytes(4 * len(lines) + 64)

    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace))
    if palette is not None:
        out += chunk(b"PLTE", palette) + chunk(b"tRNS", b"\x80")
    return out + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def bmp(width, height):
    row = (width * 3 + 3) // 4 * 4
    pixels = bytes(i % 251 for i in range(row * height))
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54 + len(pixels), 0, 0, 54, 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels


def tga(width, height):
    packets = b"".join(bytes([0x80 | (width - 1)]) + bytes([y, 2 * y, 3 * y]) for y in range(height))
    return bytes([0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + struct.pack("<HH", width, height) + bytes([24, 0x20]) + packets


def gif(width, height):
    """Two frames of clear and literal codes of three bits."""
    def frame(colours):
        bits, used = 0, 0
        for n, c in enumerate(colours):
            for code in ([4] if n % 2 == 0 else []) + [c]:
                bits |= code << used
                used += 3
        bits |= 5 << used
        data = bits.to_bytes((used + 10) // 8, "little")
        return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + bytes([2, len(data)]) + data + b"\0"
    count = width * height
    return (b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
            + b"!\xf9\4" + bytes([9, 0, 0, 1, 0]) + frame([i % 4 for i in range(count)]) + frame([3 - i % 4 for i in range(count)]) + b";")


def jpeg(width, height, progressive=False):
    """Grey everywhere: one code for DC (no difference), one for the end of a block."""
    def segment(mark, data):
        return bytes([0xff, mark]) + struct.pack(">H", len(data) + 2) + data
    blocks = (width + 15) // 16 * ((height + 15) // 16)
    bits = "0" * (12 * blocks) if not progressive else "0" * (6 * blocks)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([1] + [0] * 15 + [0])
    out = b"\xff\xd8" + segment(0xdb, b"\0" + bytes([8] * 64))
    out += segment(0xc2 if progressive else 0xc0, struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]))
    out += segment(0xc4, b"\0" + table) + segment(0xc4, b"\x10" + table)
    out += segment(0xda, bytes([3, 1, 0, 2, 0, 3, 0, 0, 0 if progressive else 63, 0])) + data
    return out + b"\xff\xd9"


def claims(data, at, width, height, form):
    """The same file, which says that it is so large."""
    return data[:at] + struct.pack(form, width, height) + data[at + struct.calcsize(form):]


def image_seeds():
    steps = jpeg(20, 12, True)
    files = {
        "grey.png": png(9, 7, 1), "rgb.png": png(5, 4, 3), "rgba.png": png(4, 3, 4), "ga.png": png(3, 3, 2),
        "deep.png": png(4, 4, 3, 16), "bits.png": png(17, 3, 1, 1), "palette.png": png(6, 5, 1, 8, bytes(range(12))),
        "lace.png": png(9, 9, 1, 8, None, 1), "rgb.bmp": bmp(5, 3), "runs.tga": tga(6, 4), "two.gif": gif(4, 3),
        "grey.jpg": jpeg(20, 12), "steps.jpg": jpeg(20, 12, True),
        "huge.jpg": claims(steps, steps.index(b"\xff\xc2") + 5, 8192, 8192, ">HH"), "huge.gif": claims(gif(4, 3), 6, 8000, 8000, "<HH"),
        "a.ppm": b"P6\n3 2\n255\n" + bytes(range(18)), "a.pgm": b"P5 # note\n2 2 65535\n" + bytes(8),
    }
    grey = png(9, 7, 1)
    files["long.png"] = grey[:33] + struct.pack(">I", 0x1a00008b) + grey[37:]
    for name, data in files.items():
        write("image", name, b"\1" + data)


# ---- data sets -----------------------------------------------------------------------------------------------

def files(form, *data):
    return bytes([form]) + b"".join(struct.pack("<H", len(d)) + d for d in data)


def dataset_seeds():
    images = struct.pack(">IIII", 0x803, 3, 4, 5) + bytes(range(60))
    labels = struct.pack(">II", 0x801, 3) + bytes([2, 0, 1])
    write("dataset", "idx_gz", files(0, gzip.compress(images, mtime=0), gzip.compress(labels, mtime=0), b"a\nb\nc\n"))
    write("dataset", "idx", files(1, images, labels))
    write("dataset", "cifar10", files(2, bytes([3]) + bytes(3072) + bytes([9]) + bytes(3072), b"cat\ndog\n"))
    write("dataset", "cifar100", files(3, bytes([3, 99]) + bytes(3072), b"a\nb\n"))
    sheet = png(100, 2, 3)
    write("dataset", "sheets", files(4, bytes(i % 3 for i in range(50)), sheet, b"a\nb\nc\n", bytes(40), sheet))
    write("dataset", "sheets_labels", files(4, bytes(50), png(2000, 40, 3), b"a\n", bytes(8000), sheet))
    write("dataset", "named", files(5, png(5, 4, 3), b"zero\none\n", png(5, 4, 3)))
    write("dataset", "scaled", files(6, png(5, 8, 3), b"zero\none\n", png(9, 3, 1)))


if __name__ == "__main__":
    onnx_seeds()
    onnx_wrong()
    tail_seeds()
    model_seeds()
    bundle_seeds()
    image_seeds()
    dataset_seeds()
