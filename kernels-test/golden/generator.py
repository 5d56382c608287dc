"""The counter-based generator, the numpy twin of src/random.ts and kernels-test/golden/generator.ts.

Word i of (seed, stream) is lane i % 4 of Philox 4x32-10 with counter = [i >> 2, 0, stream, 0] and
key = [seed low, seed high]; a uniform number is (word >>> 8) * 2^-24. README.md has the whole definition.
"""

import json
from pathlib import Path

import numpy as np

SAMPLES = 16
MASK = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL0, WEYL1 = 0x9E3779B9, 0xBB67AE85
CHUNK = 1 << 16  # blocks at a time: small enough for the cache


def philox(c0, c1, c2, c3, key0, key1):
    """Philox 4x32-10 over arrays of uint64 that hold 32-bit words."""
    for _ in range(10):
        p0, p1 = c0 * M0, c2 * M1
        c0, c1, c2, c3 = (p1 >> SHIFT) ^ c1 ^ np.uint64(key0), p1 & MASK, (p0 >> SHIFT) ^ c3 ^ np.uint64(key1), p0 & MASK
        key0, key1 = (key0 + WEYL0) & 0xFFFFFFFF, (key1 + WEYL1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniforms(seed, stream, count):
    """`count` numbers in [0, 1) as float64; each is a multiple of 2^-24."""
    blocks = (count + 3) // 4
    out = np.empty((blocks, 4))
    for first in range(0, blocks, CHUNK):
        c0 = np.arange(first, min(first + CHUNK, blocks), dtype=np.uint64)
        zero = np.zeros_like(c0)
        lanes = philox(c0, zero, zero + np.uint64(stream), zero, seed & 0xFFFFFFFF, seed >> 32)
        for lane in range(4):
            out[first : first + len(c0), lane] = (lanes[lane] >> np.uint64(8)) * 2.0**-24
    return out.reshape(-1)[:count]


def stream_of(name):
    """FNV-1a, 32 bits, over the UTF-8 bytes of the name."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def kind_of(name, shape, names):
    """What a tensor of a state dict is, from its name, its rank and its neighbours' names."""
    stem, _, leaf = name.rpartition(".")
    if leaf in ("running_mean", "running_var"):
        return leaf
    if leaf == "bias":
        return "shift" if f"{stem}.running_mean" in names else "bias"
    return {1: "scale", 2: "linear"}.get(len(shape), "conv")


def parameter(name, shape, kind, seed, linear_gain=1.0, shift=0.25):
    """A tensor of the state dict, float32, in the file's layout: computed in float64, then rounded once."""
    if kind == "running_mean":
        return np.zeros(shape, np.float32)
    if kind == "running_var":
        return np.ones(shape, np.float32)
    u = uniforms(seed, stream_of(name), int(np.prod(shape)))
    if kind == "scale":
        u += 0.5
    elif kind == "shift":
        u += shift
    else:
        u *= 2
        u -= 1
        u *= 0.1 if kind == "bias" else np.sqrt(6 / np.prod(shape[1:])) * (linear_gain if kind == "linear" else 1.0)
    return u.astype(np.float32).reshape(shape)


def image(shape, seed):
    """Numbers in [-1, 1); flat index in N C H W order."""
    return (uniforms(seed, stream_of("image"), int(np.prod(shape))) * 2 - 1).astype(np.float32).reshape(shape)


def labels(batch, classes):
    return [(7 * i + 3) % classes for i in range(batch)]


def samples(name, count, seed):
    """The flat indices at which a tensor is looked at: all of a small one, else 16 drawn ones (repeats allowed)."""
    if count <= SAMPLES:
        return np.arange(count)
    return np.floor(uniforms(seed, stream_of(name + "#samples"), SAMPLES) * count).astype(np.int64)


def main():
    """Writes generator-values.json, which the TypeScript twin must meet exactly. Run by hand: python generator.py"""
    cases = [
        ("conv1.weight", (64, 3, 7, 7), {}, 1, 1.0),
        ("features.0.bias", (64,), {}, 1, 1.0),
        ("fc.weight", (10, 512), {}, 7, 0.1),
        ("classifier.0.weight", (256, 25088), {}, 1, 0.4),
        ("layer1.0.bn1.weight", (64,), {}, 2, 1.0),
        ("layer1.0.bn1.bias", (64,), {"layer1.0.bn1.running_mean"}, 3, 1.0, 0.75),
        ("layer1.0.bn1.running_mean", (64,), {}, 1, 1.0),
        ("layer1.0.bn1.running_var", (64,), {}, 1, 1.0),
    ]
    rows = []
    for name, shape, names, seed, gain, *shift in cases:
        kind = kind_of(name, shape, names)
        values = parameter(name, shape, kind, seed, gain, *shift).reshape(-1)
        at = samples(name, values.size, seed).tolist()[:6] + [values.size - 1]
        options = {"seed": seed, "linearGain": gain, "shift": shift[0] if shift else 0.25}
        rows.append([name, shape, kind, options, at, [float(v) for v in values[at]]])
    shape = (2, 3, 64, 64)
    pixels = image(shape, 1).reshape(-1)
    at = [0, 1, 2, 3, 4, 4095, 4096, pixels.size - 1]
    content = {
        "streams": {name: stream_of(name) for name in ("", "image", "Mixed_5b.branch1x1.conv.weight", "é#samples")},
        "labels": labels(5, 10),
        "image": [shape, at, [float(v) for v in pixels[at]]],
        "parameters": rows,
    }
    path = Path(__file__).parent / "generator-values.json"
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
