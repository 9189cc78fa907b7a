"""Realism: how far woven tiles are from real ones, in all, by patient, by organ and by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError
from histoloom.evaluation.faithfulness import tally_faithfulness
from histoloom.evaluation.feature_extractors import FeatureExtractor
from histoloom.evaluation.frechet_distance import FrechetDistance, frechet_with_twin
from histoloom.evaluation.judges import Judge, what_judge_knows
from histoloom.evaluation.kernel_distance import LEVEL, KernelDistance, KernelSums
from histoloom.evaluation.patch_similarity import (
    similarity_between_tiles,
    similarity_between_weaves,
    similarity_to_real,
)
from histoloom.evaluation.patches import PATCH_SIDE, TilePatches, cut_patches
from histoloom.evaluation.realism_groups import GroupMeasure, GroupRealism, TileGroups
from histoloom.evaluation.score_files import FolderScores
from histoloom.evaluation.scores import LabelTally, pooled
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.tiles.stain_summary import ColorDrift

if TYPE_CHECKING:
    from histoloom.segmenters.segmenter import Segmenter

OnStep = Callable[[str, int, int], None]
Blocks = Literal["patients", "layouts", "tiles", "patches"]

_DRIFTS = ("hematoxylin_shift", "eosin_shift", "hematoxylin_angle", "eosin_angle", "optical_density_shift")


@dataclass(frozen=True)
class Realism:
    """How far woven tiles are from real ones; the documentation's page on scores defines each number.

    Parameters
    ----------
    extractor, segmenter
        Who judged; the segmenter is None where label faithfulness was not measured.
    patch_side, pixel_size
        Of the patches, in pixels and in µm per pixel.
    patches
        How many of each side (``"real"``, ``"woven"``) were compared.
    kid, kid_blocks
        Kernel distance of all patches with its interval, and what was drawn anew for that.
    kid_between_real, kid_between_real_by, kid_between_real_pairs
        The median of the distances of two real patients (or tiles), and of how many pairs; NaN without any.
    fid
        Fréchet distance with its twin, or None with too few patches.
    ms_ssim
        ``between_woven`` and ``between_real`` tiles, ``between_weaves_of_one_layout``, ``to_real``; NaN without pairs.
    color_drift
        Of all woven patches from all real ones; None where one side shows no tissue.
    mean_color_drift, mean_real_color_drift
        Mean size of the shifts and angles of woven and of real tiles, each from all real patches.
    faithfulness, real_faithfulness
        Scores of what the segmenter finds, against the layouts of woven and the labels of real tiles; None where there
        are none.
    per_image, per_patient, per_organ
        By woven image, against all real patches; by patient and organ, against real patches of the same, where both
        folders have it.
    notes
        Sentences for people: what the judges were trained on, warnings, and what was done on the way.
    """

    extractor: Judge
    segmenter: Judge | None
    patch_side: int
    pixel_size: float
    patches: Mapping[str, int]
    kid: KernelDistance
    kid_blocks: Blocks
    kid_between_real: float
    kid_between_real_by: Blocks
    kid_between_real_pairs: int
    fid: FrechetDistance | None
    ms_ssim: Mapping[str, float]
    color_drift: ColorDrift | None
    mean_color_drift: Mapping[str, float]
    mean_real_color_drift: Mapping[str, float]
    faithfulness: FolderScores | None
    real_faithfulness: FolderScores | None
    per_image: Mapping[str, GroupRealism]
    per_patient: Mapping[str, GroupRealism]
    per_organ: Mapping[str, GroupRealism]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return all as plain values: ``pooled``, ``mean_over_images``, ``real_against_real``, and by group."""
        woven, real = self.faithfulness, self.real_faithfulness
        return {
            "extractor": self.extractor.as_json(),
            "segmenter": None if self.segmenter is None else self.segmenter.as_json(),
            "patches": {**self.patches, "side": self.patch_side, "pixel_size": self.pixel_size},
            "pooled": {
                "kid": self.kid.value,
                "kid_interval": [self.kid.low, self.kid.high],
                "kid_interval_level": LEVEL,
                "kid_interval_over": self.kid_blocks,
                "fid": None if self.fid is None else self.fid.value,
                "fid_n": None if self.fid is None else self.fid.n,
                "ms_ssim": {name: value for name, value in self.ms_ssim.items() if name != "between_real"},
                "color_drift": None if self.color_drift is None else asdict(self.color_drift),
                "faithfulness": None if woven is None else woven.pooled,
            },
            "mean_over_images": {
                "kid": _mean([each.kid for each in self.per_image.values()]),
                "color_drift": dict(self.mean_color_drift),
                "faithfulness": None if woven is None else woven.mean_over_images,
            },
            "real_against_real": {
                "kid_median": self.kid_between_real,
                "kid_between": self.kid_between_real_by,
                "kid_pairs": self.kid_between_real_pairs,
                "fid": None if self.fid is None else self.fid.real_twin,
                "ms_ssim": {"between_real": self.ms_ssim["between_real"]},
                "color_drift_mean_over_images": dict(self.mean_real_color_drift),
                "faithfulness": None if real is None else real.pooled,
                "faithfulness_mean_over_images": None if real is None else real.mean_over_images,
            },
            "per_image": {name: asdict(each) for name, each in self.per_image.items()},
            "per_patient": {name: asdict(each) for name, each in self.per_patient.items()},
            "per_organ": {name: asdict(each) for name, each in self.per_organ.items()},
            "notes": list(self.notes),
        }


def measure_realism(
    real: str | Path | TileFolder,
    woven: str | Path | TileFolder,
    extractor: FeatureExtractor,
    segmenter: Segmenter | None = None,
    *,
    patch_side: int = PATCH_SIDE,
    pixel_size: float | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Realism:
    """Measure how far woven tiles are from real ones.

    Parameters
    ----------
    real, woven
        Folders of tiles, in any format that is recognized, with or without labels. A woven tile is of the patient and
        organ that its folder's ``meta.csv`` says, else of those of the real tile whose name it has, without ``_seed1``.
    extractor
        Gives the features of KID and FID; trained on real tiles of other patients only.
    segmenter
        Finds nuclei, for label faithfulness; trained likewise. Without one, that is left out.
    patch_side
        Pixels a side of the patches that are compared.
    pixel_size
        µm per pixel of the patches (default: the extractor's).
    seed
        Draws resamples, halves and pairs; the same gives the same numbers.
    on_step
        Told what is being done, how many tiles of that are done, and of how many. What it raises ends the measuring.

    Raises
    ------
    TileError, LayoutError
        If a folder has no tiles, or a file is damaged.
    EvaluationError
        If a folder gives fewer than two patches, a pixel size is too far from the patches' to rescale, or the seed is
        negative.
    SegmenterError
        If a network cannot be used on the patches.
    """
    if seed < 0:
        raise EvaluationError(f"The seed {seed} is negative; give a whole number from 0.")
    size = pixel_size or extractor.pixel_size
    folders = _opened(real), _opened(woven)
    tell = on_step or _say_nothing
    judges = {"extractor": Judge(extractor.name, extractor.weights_sha256, tuple(extractor.training_data))}
    if segmenter is not None:
        judges["segmenter"] = Judge(segmenter.name, segmenter.header.weights_sha256, segmenter.header.training_data)
    notes: list[str] = []
    for judge in {each.weights_sha256: each for each in judges.values()}.values():
        notes += what_judge_knows(judge, folders)
    reals, wovens = (_patches(folder, patch_side, size, tell, notes) for folder in folders)
    real_features, woven_features = (_features(extractor, side, tell) for side in (reals, wovens))
    random = np.random.default_rng(seed)
    groups = TileGroups.of(folders[0], reals, wovens)
    sums = KernelSums.of(real_features, woven_features)
    kid, blocks = _with_interval(sums, (real_features, woven_features), groups, random)
    if blocks in ("tiles", "patches"):
        notes.append(
            f"One folder has patches of one patient or layout only, so KID's interval was drawn from {blocks}, and is "
            "too narrow."
        )
    by_unit = sums.joined(groups.real_units, groups.woven_units) if groups.patients_known else sums
    between_real = by_unit.distances_within_first()
    similarity = {
        "between_woven": similarity_between_tiles(wovens, random),
        "between_real": similarity_between_tiles(reals, random),
        "between_weaves_of_one_layout": similarity_between_weaves(wovens, random),
        "to_real": similarity_to_real(reals, wovens, random),
    }
    fid = frechet_with_twin(_pooled_features(real_features), _pooled_features(woven_features), random)
    woven_tallies, real_tallies = _faithfulness(folders, segmenter, tell, notes)
    measure = GroupMeasure(reals, wovens, sums, woven_tallies)
    return Realism(
        extractor=judges["extractor"],
        segmenter=judges["segmenter"] if woven_tallies else None,
        patch_side=patch_side,
        pixel_size=size,
        patches={"real": _count(reals), "woven": _count(wovens)},
        kid=kid,
        kid_blocks=blocks,
        kid_between_real=float(np.median(between_real)) if len(between_real) else float("nan"),
        kid_between_real_by="patients" if groups.patients_known else "tiles",
        kid_between_real_pairs=len(between_real),
        fid=fid,
        ms_ssim=similarity,
        color_drift=measure.drift(None, wovens),
        mean_color_drift=_mean_drift([measure.drift(None, [each]) for each in wovens]),
        mean_real_color_drift=_mean_drift([measure.drift(None, [each]) for each in reals]),
        faithfulness=_folder_scores(woven_tallies),
        real_faithfulness=_folder_scores(real_tallies),
        per_image={each.name: measure.of(None, [index]) for index, each in enumerate(wovens)},
        per_patient=measure.by(groups.real_patients, groups.woven_patients),
        per_organ=measure.by(groups.real_organs, groups.woven_organs),
        notes=tuple(dict.fromkeys(notes)),
    )


def _opened(folder: str | Path | TileFolder) -> TileFolder:
    return folder if isinstance(folder, TileFolder) else open_tile_folder(folder, labels_required=False)


def _say_nothing(_step: str, _done: int, _count: int) -> None:
    pass


def _patches(folder: TileFolder, side: int, pixel_size: float, tell: OnStep, notes: list[str]) -> list[TilePatches]:
    step = f"Cutting patches of '{folder.path.name}'"

    def on_tile(done: int, count: int) -> None:
        tell(step, done, count)

    patches, said = cut_patches(folder, side, pixel_size, on_tile=on_tile)
    notes += said
    _refuse_too_few(folder, patches, side * pixel_size)
    return patches


def _faithfulness(
    folders: tuple[TileFolder, TileFolder], segmenter: Segmenter | None, tell: OnStep, notes: list[str]
) -> tuple[dict[str, LabelTally], dict[str, LabelTally]]:
    """Return the tallies of woven and of real tiles; without layouts of woven ones, the real ones are not looked at."""
    if segmenter is None:
        return {}, {}
    found: list[dict[str, LabelTally]] = []
    for folder in reversed(folders):
        step = f"Segmenting '{folder.path.name}'"

        def on_tile(done: int, count: int, step: str = step) -> None:
            tell(step, done, count)

        tallies, said = tally_faithfulness(folder, segmenter, on_tile)
        found.append(tallies)
        notes += said
        if not tallies and folder is folders[1]:
            notes.append(f"The tiles of '{folder.path.name}' have no layouts, so label faithfulness is left out.")
            return {}, {}
    return found[0], found[1]


def _refuse_too_few(folder: TileFolder, patches: Sequence[TilePatches], extent: float) -> None:
    count = _count(patches)
    if count < 2:
        raise EvaluationError(
            f"'{folder.path.name}' gives {count or 'no'} patch{'' if count == 1 else 'es'} of {extent:.4g} µm, and two "
            "are needed at least; give more or larger tiles, or smaller patches."
        )


def _features(extractor: FeatureExtractor, side: Sequence[TilePatches], tell: OnStep) -> dict[str, NDArray[np.float64]]:
    found = {}
    for number, each in enumerate(side, start=1):
        found[each.name] = extractor.features(each.pixels)
        tell("Extracting features", number, len(side))
    return found


def _with_interval(
    sums: KernelSums,
    features: Sequence[Mapping[str, NDArray[np.float64]]],
    groups: TileGroups,
    random: np.random.Generator,
) -> tuple[KernelDistance, Blocks]:
    """Return KID with its interval from the largest blocks of which both sides have two or more."""
    if min(len(set(groups.real_units)), len(set(groups.woven_units))) > 1:
        joined = sums.joined(groups.real_units, groups.woven_units)
        return joined.with_interval(random), "patients" if groups.patients_known else "layouts"
    if min(len(sums.first), len(sums.second)) > 1:
        return sums.with_interval(random), "tiles"
    real, woven = (_pooled_features(each) for each in features)
    by_patch = KernelSums.of(
        {f"real {index}": each[None] for index, each in enumerate(real)},
        {f"woven {index}": each[None] for index, each in enumerate(woven)},
    )
    return by_patch.with_interval(random), "patches"


def _pooled_features(by_tile: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(list(by_tile.values()))


def _count(tiles: Sequence[TilePatches]) -> int:
    return sum(len(each.places) for each in tiles)


def _mean_drift(drifts: Sequence[ColorDrift | None]) -> dict[str, float]:
    return {name: _mean([abs(getattr(each, name)) for each in drifts if each is not None]) for name in _DRIFTS}


def _folder_scores(tallies: Mapping[str, LabelTally]) -> FolderScores | None:
    if not tallies:
        return None
    return FolderScores({name: each.scores() for name, each in tallies.items()}, pooled(tallies.values()).scores())


def _mean(values: Sequence[float]) -> float:
    finite = [each for each in values if np.isfinite(each)]
    return float(np.mean(finite)) if finite else float("nan")
