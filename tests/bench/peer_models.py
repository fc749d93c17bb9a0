"""The zoo's networks (lua/anet/zoo.lua) for PyTorch, layer for layer; random weights, He et al. 2015.

Names as `anet bench` has them: NAME, or NAME_32 for images of 32 pixels and 10 classes."""
import torch
from torch import nn

IMAGENET = ("resnet18", "resnet50", "mobilenet_v1", "mobilenet_v2", "squeezenet1_1")


def conv_norm(cin, cout, kernel, stride=1, groups=1):
    conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(cout))


class Residual(nn.Module):
    """relu(body(x) + shortcut(x))"""

    def __init__(self, body, cin, cout, stride):
        super().__init__()
        self.body = body
        same = stride == 1 and cin == cout
        self.shortcut = nn.Identity() if same else conv_norm(cin, cout, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


def basic(cin, channels, stride):
    body = nn.Sequential(conv_norm(cin, channels, 3, stride), nn.ReLU(inplace=True), conv_norm(channels, channels, 3))
    return Residual(body, cin, channels, stride), channels


def bottleneck(cin, channels, stride):
    body = nn.Sequential(
        conv_norm(cin, channels, 1), nn.ReLU(inplace=True), conv_norm(channels, channels, 3, stride),
        nn.ReLU(inplace=True), conv_norm(channels, 4 * channels, 1))
    return Residual(body, cin, 4 * channels, stride), 4 * channels


def resnet(block, stem, widths, blocks, classes):
    layers, channels = list(stem), widths[0]
    for stage, width in enumerate(widths):
        for b in range(blocks[stage]):
            layer, channels = block(channels, width, 2 if stage > 0 and b == 0 else 1)
            layers.append(layer)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def resnet20(small, classes):
    return resnet(basic, [conv_norm(3, 16, 3), nn.ReLU(inplace=True)], (16, 32, 64), (3, 3, 3), classes)


def imagenet_stem(small):
    if small:
        return [conv_norm(3, 64, 3), nn.ReLU(inplace=True)]
    return [conv_norm(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]


def resnet18(small, classes):
    return resnet(basic, imagenet_stem(small), (64, 128, 256, 512), (2, 2, 2, 2), classes)


def resnet50(small, classes):
    return resnet(bottleneck, imagenet_stem(small), (64, 128, 256, 512), (3, 4, 6, 3), classes)


def mobilenet_v1(small, classes):
    layers, cin = [conv_norm(3, 32, 3, 2), nn.ReLU(inplace=True)], 32
    strides = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)) + ((512, 1),) * 5 + ((1024, 2), (1024, 1))
    for cout, stride in strides:
        layers += [conv_norm(cin, cin, 3, stride, cin), nn.ReLU(inplace=True)]
        layers += [conv_norm(cin, cout, 1), nn.ReLU(inplace=True)]
        cin = cout
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, classes))


class Inverted(nn.Module):
    def __init__(self, cin, expand, cout, stride):
        super().__init__()
        wide = cin * expand
        layers = [conv_norm(cin, wide, 1), nn.ReLU6(inplace=True)] if expand > 1 else []
        layers += [conv_norm(wide, wide, 3, stride, wide), nn.ReLU6(inplace=True), conv_norm(wide, cout, 1)]
        self.body, self.same = nn.Sequential(*layers), stride == 1 and cin == cout

    def forward(self, x):
        return x + self.body(x) if self.same else self.body(x)


def mobilenet_v2(small, classes):
    """Small images: stem and second stage of stride 1."""
    early = 1 if small else 2
    layers, cin = [conv_norm(3, 32, 3, early), nn.ReLU6(inplace=True)], 32
    for expand, cout, blocks, stride in (
            (1, 16, 1, 1), (6, 24, 2, early), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for b in range(blocks):
            layers.append(Inverted(cin, expand, cout, stride if b == 0 else 1))
            cin = cout
    layers += [conv_norm(cin, 1280, 1), nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(1280, classes))


class Fire(nn.Module):
    def __init__(self, cin, squeeze, expand):
        super().__init__()
        self.squeeze, self.relu = nn.Conv2d(cin, squeeze, 1), nn.ReLU(inplace=True)
        self.one, self.three = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = self.relu(self.squeeze(x))
        return torch.cat([self.relu(self.one(x)), self.relu(self.three(x))], 1)


def squeezenet1_1(small, classes):
    layers, cin = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(inplace=True)], 64
    for squeeze in (0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64):
        layers.append(Fire(cin, squeeze, 4 * squeeze) if squeeze else nn.MaxPool2d(3, 2))
        cin = 8 * squeeze or cin
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Conv2d(cin, classes, 1), nn.ReLU(inplace=True),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten())


def build(name):
    """A module in eval mode, and the shape of one image (channels, rows, columns)."""
    base, _, size = name.rpartition("_")
    if name in IMAGENET:
        base, size, classes = name, 224, 1000
    else:
        size, classes = int(size), 10
    torch.manual_seed(1)
    model = globals()[base](size < 64, classes).eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):  # neither the identity nor so that values die out
            for values in (module.weight, module.running_var):
                nn.init.uniform_(values, 0.7, 1.4)
            for values in (module.bias, module.running_mean):
                nn.init.normal_(values, std=0.1)
    return model, (3, size, size)


def export(name, batch, path):
    """An ONNX file of a network for a batch."""
    model, shape = build(name)
    torch.onnx.export(model, torch.rand(batch, *shape), path, input_names=["x"], output_names=["y"], opset_version=13)
