"""Rows of work.mjs as PyTorch does them: single operations and networks, in one of several variants."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from pytorch_networks import NETWORKS
from pytorch_values import uniforms


@dataclass(frozen=True)
class Variant:
    """`amp` is the short type of mixed precision, None for f32 throughout."""

    name: str
    tf32: bool = False
    channels_last: bool = False
    amp: torch.dtype | None = None

    @property
    def is_exact(self):
        return not self.tf32 and self.amp is None

    def use(self):
        """These settings belong to the process: they are set before every run."""
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = self.tf32


# Batches take turns, as in parameters.mjs; rates and momenta are `training` there.
TURNS = 4
LEARNING_RATE = 0.01
MOMENTUM = 0.9

ops = torch.ops.aten


class Unsuitable(Exception):
    """The variant makes no difference to the row."""


def to_torch(data, kind, side=1):
    """From the layouts that the sides exchange: NHWC, KRSC, RSC, and linear layers that flatten H, W, C."""
    if kind == "depthwise":
        return data.permute(2, 0, 1).unsqueeze(1)
    if kind == "linear":
        return data.reshape(data.shape[0], side, side, -1).permute(0, 3, 1, 2).reshape(data.shape)
    return data.permute(0, 3, 1, 2) if data.dim() == 4 else data


def from_torch(data, kind="picture", side=1):
    """The way back."""
    if kind == "depthwise":
        data = data.squeeze(1).permute(1, 2, 0)
    elif kind == "linear" and side > 1:
        data = data.reshape(data.shape[0], -1, side, side).permute(0, 2, 3, 1)
    elif data.dim() == 4:
        data = data.permute(0, 2, 3, 1)
    return data.detach().float().cpu().contiguous().numpy().reshape(-1)


def laid_out(tensor, variant):
    if tensor.dim() == 4 and variant.channels_last:
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor.contiguous()


@lru_cache(maxsize=None)  # Until `forget`: all variants of a row start from the same values.
def drawn(name, count, low, high):
    return uniforms(name, count, low, high)


def forget():
    """Gives back what a row held."""
    drawn.cache_clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class OpJob:
    """An operation or a gradient on tensors that stay on the device. Mixed precision gives it short inputs, as autocast
    would."""

    def __init__(self, row, variant, device):
        self.row, self.variant = row, variant
        self.last = {}
        if variant.channels_last and not any(len(shape) == 4 for shape in row["inputs"].values()):
            raise Unsuitable
        if variant.tf32 and variant.amp is None and row["kind"] not in ("gemm", "conv2d", "depthwise"):
            raise Unsuitable
        given = {}
        for name, shape in row["inputs"].items():
            data = torch.from_numpy(drawn(f"{row['id']}/{name}", int(np.prod(shape)), -1, 1)).reshape(shape)
            is_filter = name == "w" and row["kind"] == "depthwise"
            tensor = to_torch(data, "depthwise" if is_filter else "picture")
            if variant.amp is not None and name not in ("gamma", "beta"):
                tensor = tensor.to(variant.amp)
            given[name] = laid_out(tensor, variant).to(device)
        self.work = self.prepare(given)

    def prepare(self, given):
        kind, part = self.row["kind"], self.row["part"]
        stride, pad = [self.row["stride"]] * 2, [self.row["pad"]] * 2
        x, w, dy = given.get("x"), given.get("w"), given.get("dy")
        if kind == "gemm":
            return lambda: {"y": torch.mm(given["a"], given["b"])}
        if kind == "add":
            return lambda: {"y": given["a"] + given["b"]}
        if kind == "maxPool":
            if part == "y":
                return lambda: {"y": F.max_pool2d(x, 3, stride, pad)}
            _, index = ops.max_pool2d_with_indices(x, [3, 3], stride, pad)
            return lambda: {
                "dx": ops.max_pool2d_with_indices_backward(dy, x, [3, 3], stride, pad, [1, 1], False, index)
            }
        if kind == "batchNorm":
            gamma, beta = given["gamma"].requires_grad_(), given["beta"].requires_grad_()
            x.requires_grad_()

            def norm():
                y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)
                dx, dgamma, dbeta = torch.autograd.grad(y, [x, gamma, beta], dy)
                return {"y": y, "dx": dx, "dgamma": dgamma, "dbeta": dbeta}

            return norm
        if kind == "relu":
            x.requires_grad_()

            def relu():
                y = F.relu(x)
                return {"y": y, "dx": torch.autograd.grad(y, x, dy)[0]}

            return relu
        if kind in ("conv2d", "depthwise"):
            return self.convolution(x, w, dy, stride, pad)
        raise ValueError(f"{kind} is not measured in PyTorch")

    def convolution(self, x, w, dy, stride, pad):
        part, made = self.row["part"], self.row["made"]
        groups = (made if part == "y" else self.row["inputs"]["dy"])[3] if self.row["kind"] == "depthwise" else 1
        if part == "y":
            return lambda: {"y": F.conv2d(x, w, stride=stride, padding=pad, groups=groups)}
        # Only its shape matters, but cuDNN wants a tensor.
        like = torch.empty(made, dtype=dy.dtype)
        like = to_torch(like, "depthwise" if groups > 1 and part == "dw" else "picture")
        like = laid_out(like, self.variant).to(dy.device)
        masks = {"dx": [True, False, False], "dw": [False, True, False]}
        x, w = (like, w) if part == "dx" else (x, like)

        def gradient():
            found = ops.convolution_backward(
                dy, x, w, None, stride, pad, [1, 1], False, [0, 0], groups, masks[part]
            )
            return {part: found[0] if part == "dx" else found[1]}

        return gradient

    def run(self):
        self.last = self.work()

    def results(self):
        is_filter = self.row["kind"] == "depthwise" and self.row["part"] == "dw"
        return {name: from_torch(y, "depthwise" if is_filter else "picture") for name, y in self.last.items()}


class NetworkJob:
    """Forward passes, or training steps, each of a batch that is uploaded for it."""

    def __init__(self, row, variant, device):
        self.row, self.variant, self.device = row, variant, device
        self.is_training = row["part"] == "train"
        if variant.channels_last:
            layout = torch.channels_last
        else:
            layout = torch.contiguous_format
        self.network = NETWORKS[row["net"]]()
        if row["kind"] != "cold":  # At a cold start the first values are the engine's own, as a user's are.
            self.fill()
        self.network = self.network.to(device, memory_format=layout).train(self.is_training)
        self.batches = [self.batch(turn) for turn in range(1 if row["kind"] == "cold" else TURNS)]
        self.number = 0
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        self.scaler = torch.amp.GradScaler(device.type, enabled=variant.amp == torch.float16)

    def side(self, name):
        """Of the picture that a linear layer sees flattened."""
        return self.network.pooled if name in ("classifier.0.weight", "classifier.1.weight") else 1

    def values(self, p):
        data = torch.from_numpy(drawn(p["name"], int(np.prod(p["shape"])), *p["range"])).reshape(p["shape"])
        return to_torch(data, p["kind"], self.side(p["name"]))

    def fill(self):
        state = {p["name"]: self.values(p) for p in self.row["parameters"]}
        missing, unexpected = self.network.load_state_dict(state, strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise ValueError(f"{self.row['net']}: nobody gives values to {missing}, nobody takes {unexpected}")

    def batch(self, turn):
        batch, size = self.row["batch"], self.row["size"]
        image = torch.from_numpy(uniforms(f"image {turn}", batch * size * size * 3))
        image = laid_out(to_torch(image.reshape(batch, size, size, 3), "picture"), self.variant)
        label = torch.from_numpy(uniforms(f"label {turn}", batch, 0, 1000).astype(np.int64))
        if self.device.type == "cuda":
            return image.pin_memory(), label.pin_memory()
        return image, label

    def run(self):
        image, label = self.batches[self.number % len(self.batches)]
        self.number += 1
        image = image.to(self.device, non_blocking=True)
        label = label.to(self.device, non_blocking=True)
        if not self.is_training:
            with torch.inference_mode(), self.autocast():
                self.last = self.network(image)
            return
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast():
            self.last = F.cross_entropy(self.network(image), label)
        self.scaler.scale(self.last).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def autocast(self):
        amp = self.variant.amp
        return torch.autocast(self.device.type, dtype=amp or torch.float16, enabled=amp is not None)

    def results(self):
        """Logits, or the loss and how the first step changed the watched parameters."""
        if not self.is_training:
            return {"logits": from_torch(self.last)}
        found = {"loss": from_torch(self.last)}
        parameters = dict(self.network.named_parameters())
        for p in self.row["parameters"]:
            name = p["name"]
            # Mixed precision may leave out the first step while it looks for a scale.
            if name in self.row["watch"] and self.variant.amp is None:
                change = parameters[name].detach().cpu() - self.values(p)
                found[name] = from_torch(change, p["kind"], self.side(name))
        return found


def prepare(row, variant, device):
    variant.use()
    return (OpJob if row.get("net") is None else NetworkJob)(row, variant, device)
