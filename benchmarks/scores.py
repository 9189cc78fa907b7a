"""How long scores and the agreement map of 1000² with 850 nuclei take on one core.

Run it alone: ``python benchmarks/scores.py [--json]``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable

# The goals are for one core, so no library may start threads.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402 - after the threads are set
from numpy.typing import NDArray  # noqa: E402

from histoloom.evaluation import agree_by_object, agree_by_pixel, score_labels  # noqa: E402
from histoloom.layouts import RandomLayoutRecipe, random_layout  # noqa: E402

SIDE = 1000
NUCLEI = 850
CLASSES = ("epithelial", "inflammatory", "spindle", "other")


def milliseconds(action: Callable[[], object], repeats: int = 9) -> float:
    """Return the best time of some repeats: what the work takes when nothing disturbs it."""
    action()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return 1000.0 * best


def pair() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a truth, and a prediction that is shifted, misses some nuclei, merges some and finds some that are not."""
    recipe = RandomLayoutRecipe(height=SIDE, width=SIDE, count=NUCLEI, min_spacing=0.1)
    truth = random_layout(recipe, 1).rasterize()
    prediction = np.roll(truth, (2, 1), (0, 1))
    fates = np.random.default_rng(0).random(int(truth.max()) + 1)
    prediction[fates[prediction] < 0.1] = 0
    merged = np.arange(len(fates))
    merged[(fates > 0.1) & (fates < 0.2)] -= 1
    prediction = merged[prediction]
    others = np.roll(truth, (SIDE // 2, SIDE // 3), (0, 1))
    extra = (prediction == 0) & (others > 0) & (fates[others] > 0.9)
    prediction[extra] = others[extra] + len(fates)
    return truth, prediction.astype(np.int32)


def measured() -> tuple[dict[str, float], str]:
    """Return the times, and what the pair is."""
    truth, prediction = pair()
    kinds = [{label: CLASSES[label % 4] for label in np.unique(each).tolist() if label} for each in (truth, prediction)]
    scores = score_labels(truth, prediction)
    what = f"{scores['n_truth']} nuclei, {scores['n_prediction']} predicted, PQ {scores['pq']:.2f}"
    return {
        "all_but_hausdorff_ms": milliseconds(lambda: score_labels(truth, prediction, hausdorff=False)),
        "all_but_hausdorff_in_classes_ms": milliseconds(
            lambda: score_labels(truth, prediction, *kinds, hausdorff=False)
        ),
        "hausdorff_ms": milliseconds(lambda: score_labels(truth, prediction), 3),
        "agreement_ms": milliseconds(lambda: agree_by_object(truth, prediction)),
        "agreement_by_pixel_ms": milliseconds(lambda: agree_by_pixel(truth, prediction)),
    }, what


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    as_json = parser.parse_args().json
    times, what = measured()
    if as_json:
        print(json.dumps({name: round(took, 1) for name, took in times.items()}))
        return
    print(f"1000² on one core: {what}")
    rows = (
        ("all_but_hausdorff_ms", "all scores but Hausdorff", 60.0),
        ("all_but_hausdorff_in_classes_ms", "the same in four classes", 60.0),
        ("hausdorff_ms", "all scores with object Hausdorff", 1000.0),
        ("agreement_ms", "agreement by object, with errors", 100.0),
        ("agreement_by_pixel_ms", "agreement by pixel", 100.0),
    )
    for name, title, goal in rows:
        print(f"{title:<36}{times[name]:>8.1f} ms  < {goal:.0f}{'' if times[name] <= goal else '  MISSED'}")


if __name__ == "__main__":
    main()
