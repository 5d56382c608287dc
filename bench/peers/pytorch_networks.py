"""The networks of networks.mjs in PyTorch, their layers named as torchvision (timm for MobileNet v1) names them."""

from collections import OrderedDict

from torch import nn


class Network(nn.Module):
    """`pooled` is the side of the picture that the first linear layer sees, flattened."""

    pooled = 1


class DepthwiseSeparable(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv_dw = nn.Conv2d(c_in, c_in, 3, stride, 1, groups=c_in, bias=False)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv_pw = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x):
        x = self.act(self.bn1(self.conv_dw(x)))
        return self.act(self.bn2(self.conv_pw(x)))


class MobileNetV1(Network):
    """Howard et al. 2017, as timm's `mobilenetv1_100` has it: ReLU6, padding 1 on every side."""

    def __init__(self):
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 32, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.act = nn.ReLU6(inplace=True)
        stages = []
        channels = 32
        # blocks, channels, stride of the first
        for blocks, out, stride in [(1, 64, 1), (2, 128, 2), (2, 256, 2), (6, 512, 2), (2, 1024, 2)]:
            stage = []
            for k in range(blocks):
                stage.append(DepthwiseSeparable(channels, out, stride if k == 0 else 1))
                channels = out
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, 1000)

    def forward(self, x):
        x = self.blocks(self.act(self.bn1(self.conv_stem(x))))
        return self.classifier(x.mean((2, 3)))


class Bottleneck(nn.Module):
    def __init__(self, c_in, mid, stride, is_first):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, mid, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(mid)
        self.conv2 = nn.Conv2d(mid, mid, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3 = nn.Conv2d(mid, 4 * mid, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * mid)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(nn.Conv2d(c_in, 4 * mid, 1, stride, bias=False), nn.BatchNorm2d(4 * mid))
            if is_first
            else None
        )

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(Network):
    """He et al. 2015, 50 layers, stride on the 3×3 as in torchvision."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for s, (blocks, mid, first) in enumerate([(3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)]):
            layer = []
            for k in range(blocks):
                layer.append(Bottleneck(channels, mid, first if k == 0 else 1, k == 0))
                channels = 4 * mid
            setattr(self, f"layer{s + 1}", nn.Sequential(*layer))
        self.fc = nn.Linear(channels, 1000)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class Plain(Network):
    """What torchvision's AlexNet and VGG share; `first`, `second`, `third` are the linear layers' indices."""

    def __init__(self, features, channels, pooled, linear):
        super().__init__()
        self.pooled = pooled
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)
        first, second, third = (str(k) for k in linear)
        self.classifier = nn.Sequential(
            OrderedDict(
                [
                    (first, nn.Linear(channels * pooled * pooled, 4096)),
                    ("relu1", nn.ReLU(inplace=True)),
                    (second, nn.Linear(4096, 4096)),
                    ("relu2", nn.ReLU(inplace=True)),
                    (third, nn.Linear(4096, 1000)),
                ]
            )
        )

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def vgg16():
    """Simonyan & Zisserman 2014, configuration D."""
    layers = []
    channels = 3
    for out in [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]:
        if out == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(inplace=True)]
            channels = out
    return Plain(nn.Sequential(*layers), 512, 7, [0, 3, 6])


def alexnet():
    """Krizhevsky 2014, "one weird trick", as torchvision has it."""

    def conv(*args, **kwargs):
        return [nn.Conv2d(*args, **kwargs), nn.ReLU(inplace=True)]

    def pool():
        return [nn.MaxPool2d(3, 2)]

    layers = (
        conv(3, 64, 11, stride=4, padding=2)
        + pool()
        + conv(64, 192, 5, padding=2)
        + pool()
        + conv(192, 384, 3, padding=1)
        + conv(384, 256, 3, padding=1)
        + conv(256, 256, 3, padding=1)
        + pool()
    )
    return Plain(nn.Sequential(*layers), 256, 6, [1, 4, 6])


NETWORKS = {"mobilenet": MobileNetV1, "resnet50": ResNet50, "vgg16": vgg16, "alexnet": alexnet}
