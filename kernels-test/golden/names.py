"""Writes state-dicts/*.json: names and shapes as torchvision and timm have them. Run by hand: python names.py

`num_batches_tracked` is left out. Each line is [name, shape] or [name, shape, "buffer"], in the package's order.
"""

import json
from pathlib import Path

import torch

from networks import OWN, TIMM, TORCHVISION, build, source_of

FOLDER = Path(__file__).parent / "state-dicts"


def main():
    FOLDER.mkdir(exist_ok=True)
    for name in [*OWN, *TIMM, *TORCHVISION]:
        with torch.device("meta"):
            model = build(name, classes=10 if name == "lenet5" else 1000)
        learned = dict(model.named_parameters())
        lines = []
        for key, tensor in model.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                lines.append(json.dumps([key, list(tensor.shape), *([] if key in learned else ["buffer"])]))
        count = sum(p.numel() for p in learned.values())
        head = json.dumps({"model": name, "source": source_of(name), "parameters": count})[:-1]
        (FOLDER / f"{name}.json").write_text(head + ', "tensors": [\n' + ",\n".join(lines) + "\n]}\n")
        print(f"{name:16} {count:>12,} parameters, {len(lines)} tensors")


if __name__ == "__main__":
    main()
