"""How long the map of importance weights of 512² takes on two cores, as the viewer waits for it.

Run it alone: ``python benchmarks/weights.py [--critic NAME_OR_FILE] [--json]``. The critic is judged with in its own
process, as in the Weights dock; pixels there and the map back are part of the time. Where no critic is known by the
name, one of random weights takes its place: what a network says does not change how long it takes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

CORES = 2
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, str(CORES))

import cv2  # noqa: E402 - after the threads are set
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from histoloom.jobs.judge_process import JudgeProcess, Order  # noqa: E402
from histoloom.jobs.judged_parts import JudgedParts  # noqa: E402
from histoloom.models import Bundle, BundleHeader, bundle_path, inspect_bundle, save_bundle  # noqa: E402

SIDE = 512
GOAL_MS = 150.0
REPEATS = 9


def random_critic(path: Path) -> Path:
    """Save a critic of the usual size with random weights."""
    from histoloom.generators.networks.critic import CriticNetwork
    from histoloom.importance.networks import judgement_facts

    recipe = {"width": 16, "reference_size": 100}
    weights = {name: each.numpy() for name, each in CriticNetwork(16).state_dict().items()}
    header = BundleHeader(
        kind="discriminator",
        system="critic",
        recipe=recipe,
        pixel_size=0.5,
        normalization="none",
        judges=judgement_facts("critic", recipe),
    )
    save_bundle(Bundle(header, weights), path)
    return path


def pictures() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return something like tissue, and something like it to compare with."""
    noise = np.random.default_rng(0).normal(0, 40, (SIDE, 2 * SIDE, 3)).astype(np.float32)
    drawn = (cv2.GaussianBlur(noise, (0, 0), 2) * 4 + (200, 150, 190)).clip(0, 255).astype(np.uint8)
    return drawn[:, :SIDE].copy(), drawn[:, SIDE:].copy()


def measured(critic: Path) -> dict[str, float]:
    """Return the medians of some repeats, after a first judgement that starts the process."""
    header = inspect_bundle(critic)
    judges = header.judges
    if judges is None:
        raise SystemExit(f"'{critic.name}' does not judge pictures; name another critic.")
    picture, reference = pictures()
    process = JudgeProcess()

    def judged(parts: JudgedParts) -> float:
        start = time.perf_counter()
        cells = parts.next_cells()
        if cells is None:
            raise SystemExit("There is nothing to judge; report this as a defect.")
        seen = parts.seen_by(cells)
        order = Order(critic, picture[seen.slices].copy(), header.pixel_size, reference)
        judgement, _ = process.judge(order)
        parts.patch(cells, judgement, (0.2, 2.0))
        parts.take(cells, judgement, parts.revision)
        return 1000 * (time.perf_counter() - start)

    def all_of_it() -> JudgedParts:
        return JudgedParts((SIDE, SIDE), judges.step, judges.receptive_field)

    try:
        start = time.perf_counter()
        judged(all_of_it())
        first_s = time.perf_counter() - start
        whole = [judged(all_of_it()) for _ in range(REPEATS)]
    finally:
        process.close()
    return {"weight_map_512_ms": float(np.median(whole)), "first_map_s": first_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--critic", default="critic", help="name or file of a bundle")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        known = bundle_path(arguments.critic) or Path(arguments.critic)
        path = known if known.is_file() else random_critic(Path(folder) / "random.safetensors")
        figures = measured(path)
    if arguments.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    missed = "" if figures["weight_map_512_ms"] <= GOAL_MS else "  MISSED"
    print(f"'{path.name}' on {CORES} cores")
    print(f"weight_map_512_ms{figures['weight_map_512_ms']:>8.0f} ms  < {GOAL_MS:g}{missed}")
    print(f"first_map_s      {figures['first_map_s']:>8.2f} s   with the start of the process")


if __name__ == "__main__":
    main()
