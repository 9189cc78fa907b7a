"""``histoloom realism``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from histoloom.cli.interrupts import interrupts
from histoloom.errors import BundleError, RecipeError, Stopped
from histoloom.evaluation.kernel_distance import LEVEL
from histoloom.evaluation.patches import PATCH_SIDE
from histoloom.evaluation.score_names import finite_or_null
from histoloom.layouts.tile_folders import open_tile_folder

if TYPE_CHECKING:
    from histoloom.evaluation.feature_extractors import FeatureExtractor
    from histoloom.evaluation.realism import Realism
    from histoloom.evaluation.realism_groups import GroupRealism
    from histoloom.segmenters.segmenter import Segmenter

_INCEPTION = "inception"
_SIMILARITIES = (
    ("between_woven", "MS-SSIM between tiles"),
    ("between_weaves_of_one_layout", "MS-SSIM of weaves of one layout"),
    ("to_real", "MS-SSIM to the real tile"),
)
_DRIFTS = (
    ("hematoxylin_shift", "haematoxylin shift (mean size)"),
    ("eosin_shift", "eosin shift (mean size)"),
    ("optical_density_shift", "optical density shift (mean)"),
)
_SCORES = (("dice", "Dice"), ("aji", "AJI"), ("pq", "PQ"))


def realism(
    real: Path,
    woven: Path,
    /,
    *,
    extractor: str | None = None,
    segmenter: str | None = None,
    faithfulness: bool = True,
    patch_side: int = PATCH_SIDE,
    real_pixel_size: float | None = None,
    woven_pixel_size: float | None = None,
    seed: int = 0,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure how far woven tiles are from real ones.

    KID with its interval, FID beside what real tiles score against each other, MS-SSIM, colour drift, and label
    faithfulness: whether a segmenter finds the layout's nuclei. By patient and organ where meta.csv tells them, and by
    image. The documentation's page on scores defines each.

    Parameters
    ----------
    real
        Folder of real tiles; with labels, it says how well the segmenter does on real ones.
    woven
        Folder of woven tiles, with their layouts for label faithfulness.
    extractor
        Bundle of a segmenter whose encoder gives the features: a name or a file (default: nuclei). It should have been
        trained on real tiles of other patients only. Or inception, a network of photographs, which is downloaded the
        first time (104 MB).
    segmenter
        Bundle that finds nuclei for label faithfulness (default: the extractor; with inception: nuclei).
    faithfulness
        Measure label faithfulness, which takes longer than all else.
    patch_side
        Pixels a side of the patches that are compared, at the extractor's pixel size.
    real_pixel_size
        µm per pixel of the real tiles (default: what their files say, else 0.25).
    woven_pixel_size
        The same of the woven tiles.
    seed
        Draws resamples, halves and pairs.
    as_json
        Write one JSON object with all numbers; those that have no value are null.
    """
    for size in (real_pixel_size, woven_pixel_size):
        if size is not None and not 0.01 <= size <= 100.0:
            raise RecipeError(f"A pixel size of {size:g} µm is not possible; give a number such as 0.25.")
    folder = open_tile_folder(real, real_pixel_size, labels_required=False)
    woven_folder = open_tile_folder(woven, woven_pixel_size, labels_required=False)
    features_of, finder = _judges(extractor, segmenter, faithfulness)
    from histoloom.evaluation.realism import measure_realism

    console = Console(stderr=True)
    with interrupts() as interrupted, _progress(console) as progress:
        tasks: dict[str, Any] = {}

        def on_step(step: str, done: int, count: int) -> None:
            if interrupted.is_set():
                raise Stopped("Stopped; nothing was measured to its end.")
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=count)
            progress.update(tasks[step], completed=done, total=count)

        found = measure_realism(
            folder,
            woven_folder,
            features_of,
            finder,
            patch_side=patch_side,
            seed=seed,
            on_step=on_step,
        )
    for note in found.notes:
        sys.stderr.write(f"{note}\n")
    if as_json:
        sys.stdout.write(json.dumps(finite_or_null(found.as_dict()), indent=2, ensure_ascii=False) + "\n")
        return 0
    output = Console(file=sys.stdout, highlight=False)
    output.print(_table(found))
    for title, groups in (("patient", found.per_patient), ("organ", found.per_organ), ("image", found.per_image)):
        if groups:
            output.print(_group_table(title, groups))
    return 0


def _judges(
    extractor: str | None, segmenter: str | None, faithfulness: bool
) -> tuple[FeatureExtractor, Segmenter | None]:
    # Late, because importing torch takes seconds and a mistake in the line should not wait for it.
    from histoloom.evaluation.feature_extractors import InceptionFeatures, SegmenterFeatures

    if extractor == _INCEPTION:
        finder = _segmenter(segmenter, "to find nuclei with", "--segmenter") if segmenter or faithfulness else None
        # torch.hub says on stdout what it downloads, where only results belong.
        with redirect_stdout(sys.stderr):
            return InceptionFeatures(), finder if faithfulness else None
    encoder = _segmenter(extractor, "to take features from", "--extractor")
    finder = encoder if segmenter in (None, extractor) else _segmenter(segmenter, "to find nuclei with", "--segmenter")
    return SegmenterFeatures(encoder), finder if faithfulness else None


def _segmenter(reference: str | None, purpose: str, option: str) -> Segmenter:
    from histoloom.models import bundle_path
    from histoloom.segmenters.segmenter import HOUSE_SEGMENTER, Segmenter

    if reference is None and bundle_path(HOUSE_SEGMENTER) is None:
        raise BundleError(
            f"There is no segmenter '{HOUSE_SEGMENTER}' {purpose}; give another one with {option}, a bundle's file or "
            "one of 'histoloom bundles list'."
        )
    return Segmenter.load(reference or HOUSE_SEGMENTER)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _table(found: Realism) -> Table:
    table = Table("", box=None, pad_edge=False)
    table.add_column("woven", justify="right")
    table.add_column("real against real", justify="right")
    kid, pairs = found.kid, found.kid_between_real_pairs
    table.add_row("KID", _said(kid.value), _said(found.kid_between_real))
    between = f"{pairs:,} pairs of {found.kid_between_real_by}" if pairs else "-"
    table.add_row(f"  {LEVEL:.0%} interval; median of", f"{_said(kid.low)} to {_said(kid.high)}", between)
    if found.fid is not None:
        table.add_row(f"FID at n = {found.fid.n}", _said(found.fid.value), _said(found.fid.real_twin))
    for key, title in _SIMILARITIES:
        twin = found.ms_ssim["between_real"] if key == "between_woven" else None
        table.add_row(title, _said(found.ms_ssim[key]), _said(twin))
    for key, title in _DRIFTS:
        table.add_row(title, _said(found.mean_color_drift[key]), _said(found.mean_real_color_drift[key]))
    if found.faithfulness is not None:
        twin_scores = found.real_faithfulness
        for way, heading in (("pooled", "pooled"), ("mean_over_images", "mean of images")):
            table.add_row(f"label faithfulness, {heading}")
            for key, title in _SCORES:
                twin = None if twin_scores is None else getattr(twin_scores, way)[key]
                table.add_row(f"  {title}", _said(getattr(found.faithfulness, way)[key]), _said(twin))
    return table


def _group_table(title: str, groups: Mapping[str, GroupRealism]) -> Table:
    table = Table(f"\n{title}", box=None, pad_edge=False)
    with_scores = any(each.faithfulness for each in groups.values())
    for heading in ("patches", "KID", "haematoxylin", "eosin", *(each for _, each in _SCORES if with_scores)):
        table.add_column(f"\n{heading}", justify="right")
    for name, each in groups.items():
        drift, scores = each.color_drift, each.faithfulness or {}
        table.add_row(
            name,
            f"{each.woven_patches:,}",
            _said(each.kid),
            _said(drift.hematoxylin_shift if drift else None),
            _said(drift.eosin_shift if drift else None),
            *(_said(scores.get(key)) for key, _ in _SCORES if with_scores),
        )
    return table


def _said(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4g}"
