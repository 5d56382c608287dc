#!/usr/bin/env python3
"""The rows of run.mjs in PyTorch, in variants that take turns: python3 bench/peers/pytorch.py --help, ../README.md.

It needs PyTorch, numpy and, for the list of rows, Node; nothing else.
"""

import argparse
import datetime
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# As in measure.mjs: a sample lasts WANTED ms or one run; short rows take more rounds, for --seconds.
WANTED, MOST_ROUNDS = 40, 25


class Refused(Exception):
    """Its message says all that there is to say."""


def options_of(argv):
    parser = argparse.ArgumentParser(prog="pytorch.py", description="the rows of run.mjs in PyTorch")
    parser.add_argument("--only", default=".", help="rows whose title matches (a regular expression)")
    parser.add_argument("--large", action="store_true", help="the operations at sizes that fill a large GPU")
    parser.add_argument("--img-size", type=int, metavar="PX", help="the networks at this size and no other rows")
    parser.add_argument("--batch-size", type=int, metavar="N", default=1, help="images a step with --img-size (1)")
    parser.add_argument("--rounds", type=int, default=5, help="at least so many rounds a row (5)")
    parser.add_argument("--seconds", type=float, default=5, help="for which short rows go on, up to 25 rounds (5)")
    parser.add_argument("--device", choices=["cuda", "cpu"], help="default: cuda where there is one")
    parser.add_argument("--amp", choices=["float16", "bfloat16"], default="float16", help="mixed precision's type")
    parser.add_argument("--json", metavar="FILE", help="adds the results to this file")
    parser.add_argument("--first-run", metavar="ROW", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def rows_of(large, img_size, batch_size):
    sizes = ["large"] if large else [] if img_size is None else [str(img_size), str(batch_size)]
    try:
        found = subprocess.run(
            ["node", str(HERE / "list-rows.mjs"), *sizes], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise Refused("Node is not on the PATH: it lists the rows") from None
    return json.loads(found.stdout)


def variants_of(device, amp):
    from pytorch_work import Variant

    exact = [Variant("PyTorch"), Variant("PyTorch channels-last", channels_last=True)]
    if device.type == "cpu":
        return exact
    import torch

    short = getattr(torch, amp)
    name = f"PyTorch AMP {amp}"
    return exact + [
        Variant("PyTorch TF32", tf32=True),
        Variant("PyTorch TF32 channels-last", tf32=True, channels_last=True),
        Variant(name, tf32=True, amp=short),
        Variant(f"{name} channels-last", tf32=True, channels_last=True, amp=short),
    ]


def spread(values):
    ordered = sorted(values)

    def at(q):
        place = q * (len(ordered) - 1)
        below = math.floor(place)
        return ordered[below] + (place % 1) * (ordered[math.ceil(place)] - ordered[below])

    return {"median": at(0.5), "low": at(0.25), "high": at(0.75)}


def difference(own, reference):
    """The largest relative difference, in the Euclidean norm, over the results that both have."""
    import numpy as np

    names = [name for name in own if name in reference]
    return max(float(np.linalg.norm(own[n] - reference[n]) / np.linalg.norm(reference[n])) for n in names)


def finish(device):
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def sample(job, variant, device, count):
    """Milliseconds of `count` runs, from the first call to the end of all work, divided by `count`."""
    variant.use()
    start = time.perf_counter()
    for _ in range(count):
        job.run()
    finish(device)
    return 1000 * (time.perf_counter() - start) / count


def runs_for(job, variant, device):
    """How many runs make a sample: waking up is most of what a single short run takes, so that a few have to be timed."""
    count = 1
    while True:
        enough = math.ceil(WANTED / sample(job, variant, device, count))
        if enough <= 2 * count:
            return enough
        count = enough


def start(row, variant, device, reference, version):
    """A variant's first run, its results compared with the first variant's. Returns the job, None where it failed."""
    from pytorch_values import digest
    from pytorch_work import Unsuitable, prepare

    measured = {"peer": variant.name, "version": version, "times": []}
    try:
        job = prepare(row, variant, device)
        measured["first"] = sample(job, variant, device, 1)
        results = job.results()
        measured["digest"] = digest(results)
        reference.update({} if reference else results)
        measured["difference"] = difference(results, reference)
        most = row["tolerance"]
        if variant.is_exact and not measured["difference"] <= most:
            raise ValueError(f"results differ by {measured['difference']:.2g}, relative; at most {most}")
        return job, measured
    except Unsuitable:
        return None, None
    except Exception as error:  # Out of memory, or what this GPU cannot do: the other variants go on.
        measured["error"] = (str(error).splitlines() or [type(error).__name__])[0]
        return None, measured


def measure(row, variants, device, rounds, seconds, version):
    """All variants run once, then warm up, then take turns, A B C A B C."""
    taking, everything, reference = [], [], {}
    for variant in variants:
        job, measured = start(row, variant, device, reference, version)
        if measured is not None:
            everything.append(measured)
        if job is not None:
            taking.append((job, variant, measured))
    if taking:
        # cuDNN has tried its algorithms in the first runs; the second ones are warm.
        counts = [runs_for(job, variant, device) for job, variant, _ in taking]
        began = time.perf_counter()
        for k in range(MOST_ROUNDS):
            if k >= rounds and time.perf_counter() - began > seconds:
                break
            for (job, variant, measured), count in zip(taking, counts):
                measured["times"].append(sample(job, variant, device, count))
    summarize(everything)
    return result_of(row, everything)


def summarize(everything):
    base = everything[0]["times"]
    for measured in everything:
        times = measured["times"]
        if times:
            measured["time"] = spread(times)
        if times and base:
            measured["ratio"] = spread([time / own for time, own in zip(times, base)])


def result_of(row, everything):
    return {"row": row["id"], "measured": everything, "peaks": []}


def measure_cold(row, device, rounds, version):
    """From the start of a process to the end of its first run; once before, for the file system's cache."""
    measured = {"peer": "PyTorch", "version": version, "times": []}
    command = [sys.executable, __file__, "--first-run", row["id"], "--device", device.type]
    for k in range(-1, rounds):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            # The clock stops at its word, not at its end.
            took = 1000 * (time.perf_counter() - began) if "done" in process.stdout.readline() else None
            _, said = process.communicate()
        if took is None:
            measured["error"] = (said.strip().splitlines() or ["it ended without a word"])[-1]
            break
        if k >= 0:
            measured["times"].append(took)
    summarize([measured])
    return result_of(row, [measured])


def first_run(row, device):
    from pytorch_work import Variant, prepare

    sample(prepare(row, Variant("PyTorch"), device), Variant("PyTorch"), device, 1)
    print("done", flush=True)


def rounded(value):
    """Five digits are more than the noise leaves."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, list) else value


def save(path, circumstances, results, order):
    """Like `save` of table.mjs: a row measured again replaces the old one and points to its own run."""
    file = Path(path)
    before = json.loads(file.read_text()) if file.exists() else {"runs": [], "results": []}
    run = len(before["runs"])
    made = {result["row"]: result for result in before["results"]}
    made.update({result["row"]: {**result, "run": run} for result in results})
    place = {row: k for k, row in enumerate(order)}
    ordered = sorted(made.values(), key=lambda result: place.get(result["row"], len(order)))
    runs = [*before["runs"], circumstances]
    used = sorted({result["run"] for result in ordered})
    renumbered = [{**result, "run": used.index(result["run"])} for result in ordered]
    left = {"runs": [runs[k] for k in used], "results": renumbered}
    file.write_text(json.dumps(rounded(left), indent=1, ensure_ascii=False) + "\n")


def circumstances_of(device, amp):
    import torch

    is_cuda = device.type == "cuda"
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return {
        "adapter": torch.cuda.get_device_name(device) if is_cuda else f"CPU, {torch.get_num_threads()} threads",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": f"{os.cpu_count()} × {platform.processor() or 'unknown'}",
        "versions": {
            "PyTorch": torch.__version__,
            **({"CUDA": torch.version.cuda, "cuDNN": torch.backends.cudnn.version()} if is_cuda else {}),
        },
        **({"amp": amp, "cudnnBenchmark": torch.backends.cudnn.benchmark} if is_cuda else {}),
    }


def main(argv):
    options = options_of(argv)
    try:
        import torch
    except ImportError as error:
        raise Refused(f"{error}: install PyTorch and numpy (pip install torch numpy)") from None
    if options.device == "cuda" and not torch.cuda.is_available():
        raise Refused("PyTorch finds no GPU; --device cpu measures the processor")
    from pytorch_work import forget

    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    torch.backends.cudnn.benchmark = True  # PyTorch at its best: it tries cuDNN's algorithms in the first run.
    rows = rows_of(options.large, options.img_size, options.batch_size)
    if options.first_run is not None:
        first_run(next(row for row in rows if row["id"] == options.first_run), device)
        return
    chosen = [row for row in rows if re.search(options.only, row["id"], re.IGNORECASE)]
    if not chosen:
        raise Refused(f"no row matches {options.only}")
    variants = variants_of(device, options.amp)
    circumstances = circumstances_of(device, options.amp)
    print(f"{circumstances['adapter']}; PyTorch {torch.__version__}", flush=True)
    results = []
    for row in chosen:
        if row["kind"] == "cold":
            results.append(measure_cold(row, device, options.rounds, torch.__version__))
        else:
            made = measure(row, variants, device, options.rounds, options.seconds, torch.__version__)
            results.append(made)
            forget()
        print(f"\n{row['id']}", flush=True)
        for measured in results[-1]["measured"]:
            spent = measured.get("time")
            said = measured.get("error") or "{median:9.3f} ms ({low:.3f}–{high:.3f})".format(**spent)
            print(f"  {measured['peer']:<36} {said}", flush=True)
        if options.json is not None:
            save(options.json, circumstances, results, [row["id"] for row in rows])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as refusal:
        sys.exit(f"pytorch.py: {refusal}")
    except KeyboardInterrupt:
        sys.exit(130)
