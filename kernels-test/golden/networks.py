"""The networks of the fixtures: torchvision's and timm's own, and three that neither package has."""

import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn


class LeNet5(nn.Module):
    """LeCun et al. 1998, Figure 2, with a full C3, plain tanh and plain average pooling: 61,706 parameters."""

    def __init__(self, classes):
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)

    def forward(self, x):
        x = F.avg_pool2d(torch.tanh(self.c1(x)), 2)
        x = F.avg_pool2d(torch.tanh(self.c3(x)), 2)
        x = torch.tanh(self.c5(x)).flatten(1)
        return self.output(torch.tanh(self.f6(x)))


def lrn():
    """n = 5, alpha = 1e-4, beta = 0.75, k = 2 as the paper writes it; torch divides alpha by n, the paper does not."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)


def pooled(size, kernel, stride, ceil=False):
    return -(-(size - kernel) // stride) + 1 if ceil else (size - kernel) // stride + 1


class AlexNet2012(nn.Module):
    """Krizhevsky et al. 2012: ReLU, then LRN, then overlapping pooling; two groups in conv2, conv4, conv5."""

    def __init__(self, classes, size=227):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        side = pooled(pooled(pooled(pooled(size, 11, 4), 3, 2), 3, 2), 3, 2)
        self.fc6 = nn.Linear(256 * side * side, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)
        self.lrn = lrn()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = F.max_pool2d(self.lrn(F.relu(self.conv1(x))), 3, 2)
        x = F.max_pool2d(self.lrn(F.relu(self.conv2(x))), 3, 2)
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.max_pool2d(F.relu(self.conv5(x)), 3, 2).flatten(1)
        x = self.dropout(F.relu(self.fc6(x)))
        x = self.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)


class ZFNet(nn.Module):
    """Zeiler & Fergus 2013, Figure 3: ReLU, then pooling, then normalisation across maps (LRN with AlexNet's figures).

    The figure's sizes at 224 (110, 55, 26, 13, 6) need pad 1 in conv1 and ceil mode in the first two pools.
    """

    def __init__(self, classes, size=224):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, stride=2, padding=1)
        self.conv2 = nn.Conv2d(96, 256, 5, stride=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1)
        side = pooled(pooled(pooled(pooled(pooled(size + 2, 7, 2), 3, 2, True), 5, 2), 3, 2, True), 3, 2)
        self.fc6 = nn.Linear(256 * side * side, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)
        self.lrn = lrn()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = self.lrn(F.max_pool2d(F.relu(self.conv1(x)), 3, 2, ceil_mode=True))
        x = self.lrn(F.max_pool2d(F.relu(self.conv2(x)), 3, 2, ceil_mode=True))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.max_pool2d(F.relu(self.conv5(x)), 3, 2).flatten(1)
        x = self.dropout(F.relu(self.fc6(x)))
        x = self.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)


OWN = {"lenet5": LeNet5, "alexnet-2012": AlexNet2012, "zfnet": ZFNet}
TIMM = ["mobilenetv1_100"]
TORCHVISION = [
    "alexnet",
    *[f"vgg{depth}{bn}" for depth in (11, 13, 16, 19) for bn in ("", "_bn")],
    "googlenet",
    "inception_v3",
    *[f"resnet{depth}" for depth in (18, 34, 50, 101, 152)],
]


def source_of(name):
    if name in OWN:
        return "networks.py"
    package = timm if name in TIMM else torchvision
    return f"{package.__name__} {package.__version__.split('+')[0]}"


def build(name, classes=1000, size=None, aux=True, hidden=4096):
    """The network with uninitialised weights. `size` matters where a linear layer meets the picture's size;
    `hidden` is the width of the two linear layers of AlexNet, ZFNet and VGG."""
    if name in OWN:
        model = OWN[name](classes, size) if size and name != "lenet5" else OWN[name](classes)
    elif name in TIMM:
        model = timm.create_model(name, num_classes=classes)
    else:
        options = {}
        if name in ("googlenet", "inception_v3"):
            options = {"aux_logits": aux, "init_weights": False, "transform_input": False}
        elif name.startswith("vgg"):
            options = {"init_weights": False}
        model = getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)
    if hidden != 4096:
        narrow(model, hidden)
    return model


def narrow(model, hidden):
    for module in list(model.modules()):
        for key, layer in list(module.named_children()):
            if isinstance(layer, nn.Linear) and 4096 in (layer.in_features, layer.out_features):
                sizes = (hidden if n == 4096 else n for n in (layer.in_features, layer.out_features))
                setattr(module, key, nn.Linear(*sizes))
