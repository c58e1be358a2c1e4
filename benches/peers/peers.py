#!/usr/bin/env python3
"""heatproof beside PyTorch and Zennit, item by item and repetition by repetition.

Each side is one process that keeps networks and data in memory; the two take turns, so that
whatever else the machine does meets both. With one thread (the default) the time is CPU time of
the process, which other work hardly changes; with more it is wall time, which means something
only on a quiet machine. Medians over repetitions. Needs torch and zennit.

    python benches/peers/peers.py                        # all items, a table
    python benches/peers/peers.py --items conv --repetitions 11
    python benches/peers/peers.py --isa avx2 --json peers.json
    python benches/peers/peers.py errors                 # against f64; needs safetensors
    python benches/peers/peers.py growth --figure docs/cost.png   # needs matplotlib
    python benches/peers/peers.py --device cuda --program PATH    # a card, wall time
"""

import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHAPES = [(1, 8, 96), (8, 16, 96), (16, 32, 48), (32, 32, 48), (32, 64, 24), (64, 128, 12)]
COMPOSITES = ["epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma_box"]
# Group and its items, in the order of the table.
ITEMS = [
    *[
        (f"conv {p}", f"conv_{p} {a} {b} {side} 1")
        for p in ("forward", "grad_input", "grad_weight")
        for a, b, side in SHAPES
    ],
    ("training", "train 64 8"),
    ("training", "train 96 2"),
    *[("relevance", f"{c} {size}") for c in COMPOSITES for size in ("96 1", "64 8")],
    ("inference", "forward 96 1"),
    ("inference", "forward 64 8"),
    ("resnet18 training", "resnet_train 96 1"),
    ("resnet18 relevance", "resnet_epsilon_plus 96 1"),
]
# On a card, which small batches leave idle.
ON_CARD = [
    ("training", "train 96 8"),
    ("inference", "forward 96 8"),
    *[("relevance", f"{c} 96 8") for c in COMPOSITES],
    ("relevance", "epsilon_plus 64 16"),
    ("reinitialised", "reinitialised 64 16"),
    ("resnet18 training", "resnet_train 96 4"),
    ("resnet18 relevance", "resnet_epsilon_plus 96 4"),
]
# A repetition repeats short work until it takes about this long, in seconds.
LEAST = 0.1


class Side:
    """A process that answers line by line."""

    def __init__(self, command, environment):
        self.command, self.environment = command, environment
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise SystemExit(f"{self.command[-1]} ended at {line!r}: see its message above")
        return answer.strip()

    def run(self, item, count):
        return [float(v) for v in self.ask(f"run {count} {item}").split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def again(self):
        """A fresh process of the same kind."""
        return Side(self.command, self.environment)


def build():
    """Builds our side; its path."""
    command = ["cargo", "bench", "--bench", "peers", "--no-run", "--message-format", "json"]
    made = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for line in made.stdout.splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == "peers" and message.get("executable"):
            return message["executable"]
    raise SystemExit("cargo did not say where it put the bench 'peers'")


def environment(options):
    threads = str(options.threads)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    limits = {name: threads for name in names}
    limits["HEATPROOF_DEVICE"] = options.device
    if options.isa == "avx2":
        limits |= {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    if options.isa:
        limits["HEATPROOF_ISA"] = options.isa
    return os.environ | limits


def on_the_wall(options):
    """Several threads, or a card: what counts is when it is done."""
    return options.threads > 1 or options.device != "cpu"


def sides(options):
    """Their process and ours; theirs is None where only ours is asked for."""
    program, limits = options.program or build(), environment(options)
    theirs = None
    if options.what != "growth":
        theirs = Side([options.python, str(HERE / "theirs.py")], limits)
    return theirs, Side([program], limits)


def flops(item):
    """Operations of the definition, a multiply-add as two; none where passes differ."""
    word, *numbers = item.split()
    numbers = [int(n) for n in numbers]
    if word.startswith("conv_"):
        cin, cout, side, batch = numbers
        return 2 * 27 * cin * cout * side**3 * batch
    side, batch = numbers
    if word in ("train", "forward"):
        widths = [1, 8, 16, 32, 64]
        layers = [
            54 * a * b * (side >> n) ** 3 * batch
            for n, (a, b) in enumerate(zip(widths, widths[1:]))
        ]
        return 3 * sum(layers) - layers[0] if word == "train" else sum(layers)
    if word == "resnet_train":
        side //= 2
        first, total, width = 2 * 343 * 64 * side**3, 0, 64
        for stage, out in enumerate((64, 128, 256, 512)):
            voxels = (side >> stage) ** 3
            total += 2 * voxels * (27 * (width * out + 3 * out * out))
            total += 2 * voxels * width * out if width != out else 0
            width = out
        return (2 * first + 3 * total) * batch
    return None


def bytes_moved(item):
    """Least bytes of a convolution: each array read or written once."""
    word, *numbers = item.split()
    if not word.startswith("conv_"):
        return None
    cin, cout, side, batch = [int(n) for n in numbers]
    return 4 * ((cin + cout) * side**3 * batch + 27 * cin * cout)


def ceilings(ours, options):
    """Copy in GB/s, the instruction set our side runs, the peak in GF/s of what is allowed."""
    copy, runs, *peaks = ours.ask("ceilings").split()
    peaks = {name: float(value) for name, value in (p.split("=") for p in peaks)}
    peak = peaks.get(options.isa, max(peaks.values()))
    return {"copy_gb_per_s": float(copy), "instruction_set": runs, "fma_gflops": peak}


def median(side, item, count, repetitions, clock):
    return statistics.median(side.run(item, count)[clock] for _ in range(repetitions))


def alternate(pair, item, options):
    """Medians of both sides, taking turns."""
    clock = 1 if on_the_wall(options) else 0
    counts = [max(1, math.ceil(LEAST / max(side.run(item, 1)[clock], 1e-6))) for side in pair]
    times = [[], []]
    for _ in range(options.repetitions):
        for side, count, kept in zip(pair, counts, times):
            kept.append(side.run(item, count)[clock])
    return [statistics.median(kept) for kept in times]


def memory(side, item):
    """Most memory above that of the idle process, in bytes, in a process of its own."""
    fresh = side.again()
    before = int(fresh.ask("memory"))
    fresh.run(item, 2)
    after = int(fresh.ask("memory"))
    fresh.close()
    return after - before


def row(pair, group, item, options, top):
    theirs, ours = alternate(pair, item, options)
    found = {"group": group, "item": item, "theirs_s": theirs, "ours_s": ours}
    found["ratio"] = theirs / ours
    work, moved = flops(item), bytes_moved(item)
    if work:
        found |= {"theirs_gflops": work / theirs / 1e9, "ours_gflops": work / ours / 1e9}
        shared_by = options.threads if options.device == "cpu" else 1
        found["share_of_fma"] = found["ours_gflops"] / top["fma_gflops"] / shared_by
    if moved:
        found["share_of_copy"] = moved / ours / 1e9 / top["copy_gb_per_s"]
    if not item.startswith("conv_") and not options.no_memory:
        found["theirs_bytes"], found["ours_bytes"] = (memory(side, item) for side in pair)
    return found


HEAD = [
    ("item", 30), ("theirs ms", 10), ("ours ms", 10), ("ratio", 7), ("theirs GF/s", 12),
    ("ours GF/s", 10), ("of FMA", 7), ("of copy", 8), ("theirs MB", 10), ("ours MB", 8),
]


def line(cells):
    first, *rest = zip(cells, (width for _, width in HEAD))
    return f"{first[0]:<{first[1]}}" + "".join(f" {cell:>{width}}" for cell, width in rest)


def cells(found):
    def form(key, pattern, scale=1.0):
        return pattern.format(found[key] * scale) if key in found else "-"

    return [
        found["item"],
        form("theirs_s", "{:.2f}", 1e3),
        form("ours_s", "{:.2f}", 1e3),
        form("ratio", "{:.2f}"),
        form("theirs_gflops", "{:.1f}"),
        form("ours_gflops", "{:.1f}"),
        form("share_of_fma", "{:.0%}"),
        form("share_of_copy", "{:.0%}"),
        form("theirs_bytes", "{:.0f}", 1e-6),
        form("ours_bytes", "{:.0f}", 1e-6),
    ]


def compare(options):
    pair = sides(options)
    theirs, ours = pair
    top = ceilings(ours, options)
    about = {
        "theirs": theirs.ask("versions"),
        "machine": platform.processor() or platform.machine(),
        "threads": options.threads,
        "device": options.device,
        "clock": "wall time" if on_the_wall(options) else "CPU time",
        "isa": options.isa or "default",
        "repetitions": options.repetitions,
        **top,
    }
    print("\n".join(f"{name}: {value}" for name, value in about.items()), "\n", sep="")
    print(line([name for name, _ in HEAD]), flush=True)
    rows = []
    for group, item in ITEMS if options.device == "cpu" else ITEMS[:18] + ON_CARD:
        if options.items and not any(word in f"{group} {item}" for word in options.items):
            continue
        rows.append(row(pair, group, item, options, top))
        print(line(cells(rows[-1])), flush=True)
    means = {}
    for found in rows:
        means.setdefault(found["group"], []).append(found["ratio"])
    means = {group: statistics.geometric_mean(ratios) for group, ratios in means.items()}
    print("\ngeometric means of the ratios")
    for group, mean in means.items():
        print(f"{group:<30} {mean:6.2f}")
    about["load_average"] = os.getloadavg()[0]
    return {"about": about, "rows": rows, "geometric_means": means}


# Items of which results are compared with those of PyTorch and Zennit in f64.
ERRORS = [item for _, item in ITEMS if item.startswith("conv_")]
ERRORS += ["train 64 2", "train 96 2", *[f"{c} 64 2" for c in COMPOSITES]]


def errors(options):
    """Largest error of both sides against f64, for the same numbers."""
    theirs, ours = sides(options)
    rows = []
    print(f"{'item':<30} {'theirs':>10} {'ours':>10}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "numbers.safetensors"
        for item in ERRORS:
            if options.items and not any(word in item for word in options.items):
                continue
            ours.ask(f"numbers {path} {item}")
            of_ours, of_theirs = map(float, theirs.ask(f"errors {path} {item}").split())
            rows.append({"item": item, "theirs": of_theirs, "ours": of_ours})
            print(f"{item:<30} {of_theirs:>10.1e} {of_ours:>10.1e}", flush=True)
    return {"rows": rows}


SIDES = [32, 48, 64, 96, 128, 160]
BATCHES = [1, 2, 4, 8, 16]
WORDS = ["forward", "train", "epsilon_plus"]


def growth(options):
    """Our time against the volume at batch 1 (training: 2) and against the batch at 64³."""
    _, ours = sides(options)
    clock = 1 if on_the_wall(options) else 0
    rows = []
    for word in WORDS:
        least = 2 if word == "train" else 1
        series = [("side", side, least) for side in SIDES]
        series += [("batch", 64, batch) for batch in BATCHES if batch >= least]
        for axis, side, batch in series:
            seconds = median(ours, f"{word} {side} {batch}", 1, options.repetitions, clock)
            rows.append(
                {"item": word, "axis": axis, "side": side, "batch": batch, "seconds": seconds}
            )
            print(f"{word:<14} {side:>4}³ x {batch:<3} {1e3 * seconds:10.2f} ms", flush=True)
    if options.figure:
        draw(rows, options)
    return {"rows": rows}


def draw(rows, options):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4.5), layout="constrained")
    for word in WORDS:
        found = [r for r in rows if r["item"] == word]
        colour = None
        for axis, mark in (("side", "o-"), ("batch", "x--")):
            points = sorted(
                (r["side"] ** 3 * r["batch"], r["seconds"]) for r in found if r["axis"] == axis
            )
            label = f"{word}, {'volume 32³ to 160³' if axis == 'side' else 'batch up to 16 of 64³'}"
            (drawn,) = axes.plot(*zip(*points), mark, label=label, color=colour)
            colour = drawn.get_color()
    axes.set(xscale="log", yscale="log", xlabel="voxels in the batch")
    axes.set_ylabel("seconds" if on_the_wall(options) else "CPU seconds")
    axes.grid(alpha=0.3)
    low, high = axes.get_xlim()
    start = axes.get_ylim()[0]
    axes.plot([low, high], [start, start * high / low], ":", color="grey", label="proportional")
    axes.legend(fontsize=8)
    figure.savefig(options.figure, dpi=120)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = {"compare": compare, "errors": errors, "growth": growth}
    parser.add_argument("what", nargs="?", default="compare", choices=kinds)
    parser.add_argument("--items", nargs="+", help="only items whose group or name has a word")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="2 and more: wall time")
    parser.add_argument("--isa", choices=["avx2"], help="limit both sides to these instructions")
    parser.add_argument("--device", default="cpu", help="of both sides: cpu, cuda or cuda:N")
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--json", type=pathlib.Path, help="also write the numbers here")
    parser.add_argument("--figure", type=pathlib.Path, help="growth: draw it here (PNG)")
    parser.add_argument("--python", default=sys.executable, help="a Python with torch and zennit")
    parser.add_argument("--program", help="our side, already built; else cargo builds it")
    options = parser.parse_args()
    found = kinds[options.what](options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
