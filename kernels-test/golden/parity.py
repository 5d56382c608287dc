"""Writes <network>.json: what PyTorch computes in float64, and how far PyTorch in float32 is from that.

Run by hand, its output is committed:  python parity.py [network ...]     README.md explains every field.
One thread, so that two runs on one machine agree; a network takes between seconds and a few minutes.
"""

import functools
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import generator
from networks import build, source_of

FOLDER = Path(__file__).parent
MOMENTUM = 0.9
CLASSES = 10

# name: (network, picture's side, options). `hidden` narrows the 4096-wide linear layers, to keep tests light; `aux`
# weighs the auxiliary losses; `lr` and `linearGain` make the loss fall steadily; `seed` comes from --seeds (README.md).
NARROW = {"hidden": 256}
RESIDUAL = {"linearGain": 0.1, "lr": 0.0003}
DEEP = {"linearGain": 0.05, "lr": 0.0001, "shift": 0.75}
VGG = {"linearGain": 0.4, "shift": 0.5, "seed": 2}
RUNS = {
    "lenet5": ("lenet5", 32, {"lr": 0.01}),
    "alexnet-2012": ("alexnet-2012", 99, {}),
    "alexnet-2012-narrow": ("alexnet-2012", 99, NARROW),
    "alexnet": ("alexnet", 96, {"linearGain": 0.4}),
    "alexnet-narrow": ("alexnet", 96, {"linearGain": 0.4, **NARROW}),
    "zfnet": ("zfnet", 96, {"linearGain": 0.4, "lr": 0.005}),
    "zfnet-narrow": ("zfnet", 96, {"linearGain": 0.4, "lr": 0.005, **NARROW}),
    "vgg11": ("vgg11", 64, VGG),
    "vgg11_bn": ("vgg11_bn", 64, VGG),
    "vgg16": ("vgg16", 64, VGG),
    **{
        f"vgg{depth}{bn}-narrow": (f"vgg{depth}{bn}", 64, {**VGG, **NARROW})
        for depth in (11, 13, 16, 19)
        for bn in ("", "_bn")
    },
    "vgg19_bn-narrow": ("vgg19_bn", 64, {**VGG, **NARROW, "seed": 3}),
    "googlenet": ("googlenet", 80, {"aux": 0.3, "linearGain": 0.2, "lr": 0.0005, "shift": 0.75}),
    "inception_v3": ("inception_v3", 112, {"linearGain": 0.2, "lr": 0.0003, "shift": 1.25, "seed": 2}),
    "inception_v3-aux": ("inception_v3", 299, {"linearGain": 0.3, "aux": 0.4, "batch": 3, "steps": 0, "shift": 1.25, "seed": 7}),
    "resnet18": ("resnet18", 64, RESIDUAL),
    "resnet34": ("resnet34", 64, {**RESIDUAL, "seed": 2}),
    "resnet50": ("resnet50", 64, {**RESIDUAL, "seed": 4}),
    "resnet101": ("resnet101", 64, DEEP),
    "resnet152": ("resnet152", 64, {**DEEP, "seed": 3}),
    "mobilenetv1_100": ("mobilenetv1_100", 64, {"linearGain": 0.3, "seed": 5}),
}
DEFAULTS = {"batch": 2, "hidden": 4096, "aux": 0.0, "steps": 3, "lr": 0.001, "linearGain": 1.0, "shift": 0.25, "seed": 1}

# (oneDNN, layout, batch reversed): PyTorch's own float32 error depends on which of its kernels run and in which order
# they add; the largest of these counts.
VARIANTS = [
    (onednn, layout, reverse)
    for onednn, layout in [(True, torch.contiguous_format), (False, torch.contiguous_format), (True, torch.channels_last)]
    for reverse in (False, True)
]
# So many more runs, oneDNN's, of a picture whose pixels are moved by up to one unit in the last place, as good a float32
# picture of the same scene: every rounding behind it falls another way, and with it what lies closest to a kink.
MOVED = 10


@functools.cache
def drawn(*what):
    """Every run begins with the same parameters: drawn once."""
    return torch.from_numpy(generator.parameter(*what))


def start(key, shape, names, options):
    kind = generator.kind_of(key, shape, names)
    return drawn(key, shape, kind, options["seed"], options["linearGain"], options["shift"])


def prepare(name, side, options, dtype):
    model = build(name, CLASSES, side, aux=options["aux"] > 0, hidden=options["hidden"])
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        state = model.state_dict()
        for key, tensor in state.items():
            if not key.endswith("num_batches_tracked"):
                tensor.copy_(start(key, tuple(tensor.shape), state, options))
    return model.to(dtype)


def run(name, side, options, dtype, note, layout=torch.contiguous_format, reverse=False, moved=0):
    """Trains for `steps` and hands every figure, as a tensor, to note(phase, what, name, tensor)."""
    model = prepare(name, side, options, dtype).to(memory_format=layout).train()
    shape = (options["batch"], 1 if name == "lenet5" else 3, side, side)
    pixels = generator.image(shape, options["seed"])
    if moved:
        by = generator.uniforms(options["seed"], generator.stream_of(f"moved {moved}"), pixels.size) * 2 - 1
        pixels = (pixels * (1 + by.reshape(shape) * 2.0**-23)).astype(pixels.dtype)
    x = torch.from_numpy(pixels).to(dtype).contiguous(memory_format=layout)
    y = torch.tensor(generator.labels(options["batch"], CLASSES))
    if reverse:
        x, y = x.flip(0).contiguous(memory_format=layout), y.flip(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=options["lr"], momentum=MOMENTUM, foreach=False)

    def forward(phase):
        out = model(x)
        heads = {"logits": out} if torch.is_tensor(out) else out._asdict()
        total = 0.0
        for head, logits in heads.items():
            total = total + (1.0 if head == "logits" else options["aux"]) * F.cross_entropy(logits, y)
            note(phase, "outputs", head, logits.flip(0) if reverse else logits)
        note(phase, "outputs", "loss", total)
        return total

    def tensors(phase, what, named):
        for key, tensor in named:
            if not key.endswith("num_batches_tracked"):
                note(phase, what, key, tensor)

    for step in range(max(options["steps"], 1)):
        optimizer.zero_grad(set_to_none=True)
        forward("first" if step == 0 else f"step {step + 1}").backward()
        if step == 0:
            tensors("first", "gradients", ((key, p.grad) for key, p in model.named_parameters()))
            tensors("first", "statistics", model.named_buffers())
        if options["steps"]:
            optimizer.step()
    if options["steps"]:
        del optimizer
        tensors("after", "parameters", model.named_parameters())
        tensors("after", "statistics", model.named_buffers())
        with torch.no_grad():
            logits = model.eval()(x)
            note("inference", "outputs", "logits", logits.flip(0) if reverse else logits)
            model.train()
            forward("after")


def flat64(tensor):
    """The entries in the file's order, whatever the memory layout."""
    return tensor.detach().double().contiguous().reshape(-1)


def short(value):
    return float(f"{value:.12e}")


def measure(name, **tried):
    network, side, changed = RUNS[name]
    drawn.cache_clear()
    options = {**DEFAULTS, **changed, **tried}
    seed = options["seed"]
    exact = {}
    run(network, side, options, torch.float64, lambda *key_and_tensor: exact.__setitem__(key_and_tensor[:3], flat64(key_and_tensor[3]).clone()))

    names = {key for _, _, key in exact}

    def norm(what, key, flat, shape):
        """The L2 norm; of a parameter, the norm of its change since the start."""
        if what == "parameters":
            flat = flat - flat64(start(key, shape, names, options))
        return flat.norm().item()

    figures, errors = {}, {}

    def reference(phase, what, key, tensor):
        """Called by the first float32 run, for the shapes; figures come from `exact`."""
        flat = exact[phase, what, key]
        if what == "outputs":
            figures[phase, what, key] = {"values": [short(v) for v in flat.tolist()]}
        else:
            at = torch.from_numpy(generator.samples(key, flat.numel(), seed))
            figures[phase, what, key] = {
                "norm": short(norm(what, key, flat, tuple(tensor.shape))),
                "samples": [short(v) for v in flat[at].tolist()],
            }

    def compare(phase, what, key, tensor):
        if (phase, what, key) not in figures:
            reference(phase, what, key, tensor)
        flat = flat64(tensor)
        off = (flat - exact[phase, what, key]).abs()
        if what == "outputs":
            error = [off.max().item()]
        else:
            at = torch.from_numpy(generator.samples(key, flat.numel(), seed))
            figure = figures[phase, what, key]
            error = [
                abs(norm(what, key, flat, tuple(tensor.shape)) - figure["norm"]),
                off[at].max().item(),
                off.max().item(),
            ]
        known = errors.setdefault((phase, what, key), error)
        errors[phase, what, key] = [max(pair) for pair in zip(known, error)]

    for onednn, layout, reverse in VARIANTS:
        with torch.backends.mkldnn.flags(enabled=onednn):
            run(network, side, options, torch.float32, compare, layout, reverse)
    for moved in range(1, MOVED + 1):
        run(network, side, options, torch.float32, compare, moved=moved)

    setup = {
        "network": network,
        "source": source_of(network),
        "torch": torch.__version__.split("+")[0],
        "image": [options["batch"], 1 if network == "lenet5" else 3, side, side],
        "labels": generator.labels(options["batch"], CLASSES),
        "classes": CLASSES,
        "momentum": MOMENTUM,
        **options,
    }
    phases = {}
    for (phase, what, key), figure in figures.items():
        error = [float(f"{e:.3e}") for e in errors[phase, what, key]]
        figure["error"] = error[0] if what == "outputs" else error
        phases.setdefault(phase, {}).setdefault(what, {})[key] = figure
    return setup, phases


def write(path, setup, phases):
    """JSON with one tensor a line."""
    blocks = [f'"setup": {json.dumps(setup)}']
    for phase, groups in phases.items():
        parts = []
        for what, entries in groups.items():
            rows = (f"{json.dumps(key)}: {json.dumps(entry, separators=(',', ':'))}" for key, entry in entries.items())
            parts.append(f"{json.dumps(what)}: {{\n" + ",\n".join(rows) + "\n}")
        blocks.append(f"{json.dumps(phase)}: {{\n" + ",\n".join(parts) + "\n}")
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def blur(phases):
    """How far float32 is from float64 where it is worst: of each group of figures the 90th percentile, relative.
    Without the change of parameters, which the rounding of the parameters themselves blurs."""
    worst = [max(p["outputs"]["logits"]["error"] / max(map(abs, p["outputs"]["logits"]["values"])) for p in phases.values())]
    for phase in phases.values():
        for what in phase.keys() & {"gradients", "statistics"}:
            least = 1e-5 * max(f["norm"] for f in phase[what].values())  # below: zero but for rounding
            relative = sorted(f["error"][0] / max(f["norm"], least) for f in phase[what].values())
            worst.append(relative[int(0.9 * len(relative))])
    return max(worst)


def main():
    """`--seeds N` tries the seeds 1 .. N instead and prints how sharp a fixture each would make (smaller is sharper)."""
    torch.set_num_threads(1)
    arguments = sys.argv[1:]
    if "--seeds" in arguments:
        at = arguments.index("--seeds")
        seeds = range(1, int(arguments[at + 1]) + 1)
        for name in arguments[:at]:
            print(name, *(f"{seed}:{blur(measure(name, seed=seed)[1]):.0e}" for seed in seeds), flush=True)
        return
    for name in arguments or RUNS:
        began = time.time()
        setup, phases = measure(name)
        write(FOLDER / f"{name}.json", setup, phases)
        losses = " ".join(f"{p['outputs']['loss']['values'][0]:.4f}" for p in phases.values() if "loss" in p["outputs"])
        worst = [
            max(f["error"][0] for f in group.values()) / max(f["norm"] for f in group.values())
            for phase, what in [("first", "gradients"), ("after", "parameters")]
            if (group := phases.get(phase, {}).get(what))
        ]
        print(
            f"{name:16} loss {losses}; largest error of a norm, of the largest norm:"
            f" {' '.join(f'{e:.0e}' for e in worst)}; {time.time() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
