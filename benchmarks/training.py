"""What the training loop costs beside a bare one, and how long it waits for data.

The same pix2pix networks on the same crops, trained by the loop and by the fewest lines that train them: plain PyTorch,
Adam as it comes, one batch made before. Steps of both are timed in turns, so that other work on the machine slows both
alike. Where hardware multiplies bf16 fast, the loop uses it; the bare loop is timed in that precision and in float32.

    python benchmarks/training.py [--json] [--data ../shared/data/tnbc_p01-08] [--width 16] [--device auto]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from histoloom.models import TrainingSource
from histoloom.training.batches import Batch, Batches
from histoloom.training.data import LabelledPicture, TrainingData, read_training_data
from histoloom.training.devices import fabric_for, precision_for
from histoloom.training.engine import train
from histoloom.training.events import StepsDone
from histoloom.training.optimization import Optimization
from histoloom.training.randomness import keyed_torch
from histoloom.training.systems.pix2pix import Pix2Pix
from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe

GOALS = {
    "step_ratio_equal_precision": ("<=", 1.15),
    "speedup_over_bare_float32": (">=", 1.5),
    "data_wait_fraction": ("<=", 0.10),
}
ROUNDS, STEPS_A_ROUND, LOOP_STEPS = 7, 3, 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and no table")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "tnbc_p01-08"
    parser.add_argument("--data", type=Path, default=beside, help="folder of tiles and labels (default: drawn squares)")
    parser.add_argument("--width", type=int, default=16, help="width of generator and discriminator; the paper's is 64")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    arguments = parser.parse_args()
    data = read_training_data(arguments.data, pixel_size=0.25) if arguments.data.is_dir() else squares()
    recipe = Pix2PixRecipe(
        width=arguments.width, discriminator_width=arguments.width, device=arguments.device, steps=LOOP_STEPS,
        log_every=LOOP_STEPS // 2, validation_crops=1, previews=1,
    )  # fmt: skip
    result = measure(recipe, data)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'figure':34} {'value':>12} goal")
    for name, value in result.items():
        goal = " ".join(map(str, GOALS[name])) if name in GOALS else ""
        if name == "speedup_over_bare_float32" and result["precision"] == "32-true":
            goal += " where bf16 is fast, which it is not here"
        print(f"{name:34} {value!s:>12} {goal}")


def measure(recipe: Pix2PixRecipe, data: TrainingData) -> dict[str, float | str]:
    fabric = fabric_for(recipe)
    fabric.launch()
    device, precision = fabric.device, precision_for(recipe, fabric.device.type)
    batch = Batches(data, recipe, Pix2Pix(recipe, data).encode).at(0).to(device)
    system = Pix2Pix(recipe, data)
    work = Optimization(fabric, system.build(), recipe)

    def step_of_loop(step: int) -> None:
        work.plan_learning_rate(step)
        with keyed_torch(device, recipe.seed, step):
            system.step(work, batch)

    steppers = {"loop": step_of_loop, "bare float32": bare(recipe, data, batch, device, mixed=False)}
    if precision != "32-true":
        steppers["bare"] = bare(recipe, data, batch, device, mixed=True)
    times: dict[str, list[float]] = {name: [] for name in steppers}
    for turn in range(ROUNDS + 1):
        for name, step in steppers.items():
            begin = time.perf_counter()
            with synchronized(device):
                for index in range(STEPS_A_ROUND):
                    step(turn * STEPS_A_ROUND + index)
            # The first turn warms up.
            if turn:
                times[name].append((time.perf_counter() - begin) / STEPS_A_ROUND)
    times.setdefault("bare", times["bare float32"])
    ratios = {
        name: [loop / other for loop, other in zip(times["loop"], times[name], strict=True)]
        for name in ("bare", "bare float32")
    }
    reports: list[StepsDone] = []
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, data, folder, on_event=lambda event: isinstance(event, StepsDone) and reports.append(event))
    return {
        "step_ratio_equal_precision": round(statistics.median(ratios["bare"]), 3),
        "speedup_over_bare_float32": round(1 / statistics.median(ratios["bare float32"]), 3),
        "data_wait_fraction": round(reports[-1].data_wait, 4),
        "step_ms": round(statistics.median(times["loop"]) * 1e3, 1),
        "bare_step_ms": round(statistics.median(times["bare"]) * 1e3, 1),
        "bare_float32_step_ms": round(statistics.median(times["bare float32"]) * 1e3, 1),
        "precision": precision,
        "device": str(device),
        "width": recipe.width,
    }


def bare(
    recipe: Pix2PixRecipe, data: TrainingData, batch: Batch, device: torch.device, *, mixed: bool
) -> Callable[[int], None]:
    """Return a step of the same networks by the fewest lines of PyTorch."""
    networks = Pix2Pix(recipe, data).build()
    generator, discriminator = networks["generator"].to(device), networks["discriminator"].to(device)
    of_generator = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))

    def judged(picture: torch.Tensor) -> torch.Tensor:
        return discriminator(torch.cat([batch.condition, picture], 1)).float()

    def entropy(logits: torch.Tensor, value: float) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, value))

    def step(_: int) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            woven = generator(batch.condition)
            loss = 0.5 * (entropy(judged(batch.image), 1.0) + entropy(judged(woven.detach()), 0.0))
        of_discriminator.zero_grad()
        loss.backward()
        of_discriminator.step()
        for each in discriminator.parameters():
            each.requires_grad_(False)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            loss = entropy(judged(woven), 1.0) + 100 * functional.l1_loss(woven.float(), batch.image)
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
        for each in discriminator.parameters():
            each.requires_grad_(True)

    return step


@contextmanager
def synchronized(device: torch.device) -> Iterator[None]:
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def squares() -> TrainingData:
    pictures = []
    for index in range(4):
        random = np.random.default_rng(index)
        label_map = np.zeros((512, 512), np.int32)
        for label in range(1, 120):
            y, x = random.integers(12, 500, 2)
            label_map[y - 12 : y + 12, x - 12 : x + 12] = label
        image = np.where(label_map[..., None] > 0, [90, 60, 140], [230, 180, 210])
        image = np.clip(image + random.integers(-20, 21, image.shape), 0, 255).astype(np.uint8)
        pictures.append(LabelledPicture(image, label_map, np.zeros(120, np.uint8)))
    sources = (TrainingSource(name="squares", licence="CC0", tiles=4),)
    return TrainingData(tuple(pictures[1:]), tuple(pictures[:1]), ("nucleus",), 0.25, sources, {"by": "tile"})


if __name__ == "__main__":
    main()
