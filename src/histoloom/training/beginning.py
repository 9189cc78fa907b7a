"""Beginning a training with the weights of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from histoloom.errors import TrainingError
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.models import Bundle, load_bundle
from histoloom.runs import Run
from histoloom.training.systems.contract import JudgedSystem, System

_BEGUN = "begun_with"


def bundle_to_begin_with(path: str | Path) -> Bundle:
    """Read the bundle; raises `BundleError` if the file is missing, damaged or no segmenter's."""
    return load_bundle(path, kind="segmenter")


def check_beginning(bundle: Bundle, system: System, classes: Sequence[str]) -> None:
    """Check that a bundle's weights are those of the network that a system builds.

    Parameters
    ----------
    bundle
        Of an earlier training.
    system
        Of the new one.
    classes
        Of the nuclei that it is trained on. The network goes on to tell apart what it did: tiles need not have all of
        these classes, and nuclei of others only say that there are nuclei.

    Raises
    ------
    TrainingError
        If the weights are those of another network, or of other classes altogether.
    """
    told, typed = bundle.header.classes, set(classes) - {DEFAULT_CLASS}
    if not isinstance(system, JudgedSystem):
        raise TrainingError("Only segmenters can begin with the weights of a bundle; leave the bundle out.")
    if typed and told != (DEFAULT_CLASS,) and not typed.intersection(told):
        raise TrainingError(
            f"The weights to begin with tell apart {', '.join(told)}, and the tiles have {', '.join(sorted(typed))}; "
            "begin with new weights, or give labels of their classes."
        )
    with torch.device("meta"):
        built = system.build()[system.saved].state_dict()
    # Files know a single number as an array of one.
    shapes = [{key: tuple(each.shape) or (1,) for key, each in kept.items()} for kept in (built, bundle.weights)]
    if shapes[0] != shapes[1]:
        raise TrainingError(
            "The weights to begin with are of another network than the recipe's; train by the recipe that they were "
            "trained by, or begin with new weights."
        )


def told_before(folder: str | Path) -> tuple[str, ...]:
    """Return what the weights tell apart that a run began with; nothing for a run that began with new ones."""
    begun = Run.open(folder).environment.get(_BEGUN)
    classes = begun.get("classes") if isinstance(begun, dict) else None
    return tuple(str(each) for each in classes or ())


def begin_with(network: nn.Module, bundle: Bundle) -> None:
    """Give a network the weights of a bundle in place of its own."""
    network.load_state_dict({key: torch.from_numpy(np.array(each)) for key, each in bundle.weights.items()})


def facts_of_beginning(bundle: Bundle) -> dict[str, Any]:
    """Return what a run's environment says of the weights that it began with; no path, which would tell too much."""
    header = bundle.header
    facts = {"weights_sha256": header.weights_sha256, "step": header.step, "classes": list(header.classes)}
    return {_BEGUN: facts}
