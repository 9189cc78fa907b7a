"""Discriminators by their system; the module of one, and PyTorch with it, is imported when it is first asked for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from histoloom.errors import BundleError, ImportanceError
from histoloom.models import Bundle, JudgementFacts

if TYPE_CHECKING:
    from histoloom.importance.judging.contract import JudgingNetwork

JUDGES: dict[str, str] = {
    "critic": "histoloom.importance.judging.unpadded:CriticJudge",
    "refiner": "histoloom.importance.judging.unpadded:RefinerJudge",
    "pix2pix": "histoloom.importance.judging.conditional:Pix2PixJudge",
    "mode-seeking-pix2pix": "histoloom.importance.judging.conditional:ModeSeekingJudge",
    "loom": "histoloom.importance.judging.loom:LoomJudge",
}
"""System -> where its `JudgingNetwork` lives, as ``module:attribute``."""

_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def register_judge(system: str, place: str) -> None:
    """Make the discriminator of a system known.

    Parameters
    ----------
    system
        What its bundles say.
    place
        Its class, a `histoloom.importance.judging.contract.JudgingNetwork`, as ``module:attribute``.

    Raises
    ------
    ImportanceError
        If ``place`` is not of that form, or the system has another discriminator already.
    """
    if not _PLACE.fullmatch(place):
        raise ImportanceError(f"'{place}' is not the place of a discriminator; give it as 'package.module:ClassName'.")
    if JUDGES.setdefault(system, place) != place:
        raise ImportanceError(f"The system '{system}' has a discriminator already; choose another name.")


def build_judge(bundle: Bundle, name: str) -> JudgingNetwork:
    """Return the discriminator of a bundle with its weights, on the CPU; ``name`` is what errors call the file.

    Raises
    ------
    BundleError
        If it is no discriminator, of an unknown system, or its weights and header do not fit together.
    """
    import torch

    header = bundle.header
    header.check_kind("discriminator", name)
    if header.system not in JUDGES:
        raise BundleError(
            f"'{name}' holds a discriminator of the system '{header.system}', which this version cannot judge with; "
            "update histoloom, or choose another bundle."
        )
    weights = {key: torch.from_numpy(np.array(each)) for key, each in bundle.weights.items()}
    try:
        judge = new_judge(header.system, header.recipe, header.condition.channels if header.condition else 0)
        judge.network.load_state_dict(weights, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise BundleError(
            f"The weights in '{name}' are not those that its recipe tells of; get the file again."
        ) from None
    return judge


def judgement_facts(system: str, recipe: Mapping[str, Any], channels: int = 0) -> JudgementFacts:
    """Return what a header says of a system's discriminator before anything is calibrated: ratio 1, slope 1.

    Parameters
    ----------
    system
        One of `JUDGES`.
    recipe
        With which it was trained.
    channels
        Of its condition, or 0.

    Raises
    ------
    ImportanceError
        If the system has no discriminator, or the recipe is of another one.
    """
    if system not in JUDGES:
        raise ImportanceError(
            f"The system '{system}' has no discriminator that could judge; choose one of: {', '.join(sorted(JUDGES))}."
        )
    try:
        judge = new_judge(system, recipe, channels)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise ImportanceError(f"The recipe is not one of '{system}'; give the recipe of its run.") from None
    return JudgementFacts(
        reference_size=judge.reference_size,
        sees="condition and picture" if judge.sees_condition else "picture",
        receptive_field=judge.receptive_field,
        step=judge.step,
    )


def new_judge(system: str, recipe: Mapping[str, Any], channels: int = 0) -> JudgingNetwork:
    """Return the discriminator of a system without memory for its weights, for those who load them.

    Parameters
    ----------
    system
        One of `JUDGES`.
    recipe
        With which it was trained.
    channels
        Of its condition, or 0.

    Raises
    ------
    KeyError, TypeError, ValueError, RuntimeError
        If the recipe is of something else.
    """
    import torch

    module, attribute = JUDGES[system].split(":")
    found = cast("type[JudgingNetwork]", getattr(importlib.import_module(module), attribute))
    # Weights would only be drawn at random to be replaced.
    with torch.device("meta"):
        return found.from_recipe(recipe, channels)
