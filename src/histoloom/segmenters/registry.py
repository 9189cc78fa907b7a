"""Architectures by name; the module of one, and torch with it, is imported when it is first asked for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from histoloom.errors import SegmenterError

if TYPE_CHECKING:
    from histoloom.segmenters.contract import SegmenterNetwork

ARCHITECTURES: dict[str, str] = {
    "unet": "histoloom.segmenters.unet:UNet",
    "hover-unet": "histoloom.segmenters.hover_unet:HoVerUNet",
    "fcn8s": "histoloom.segmenters.fcn8s:FCN8s",
    "segnet": "histoloom.segmenters.segnet:SegNet",
    "deeplabv3plus-resnet18": "histoloom.segmenters.deeplabv3plus:DeepLabV3PlusResNet18",
    "deeplabv3plus-resnet50": "histoloom.segmenters.deeplabv3plus:DeepLabV3PlusResNet50",
    "fcdensenet": "histoloom.segmenters.fcdensenet:FCDenseNet",
    "hovernet": "histoloom.segmenters.hovernet:HoVerNet",
    "hovernet-resnet34": "histoloom.segmenters.hovernet_resnet34:HoVerNetResNet34",
    "hou-unet": "histoloom.segmenters.hou_unet:HouUNet",
    "hou-cnn": "histoloom.segmenters.hou_cnn:HouCNN",
}
"""Name -> where the network's class lives, as ``module:attribute``."""

_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def register_architecture(name: str, place: str) -> None:
    """Make an architecture known by name.

    Parameters
    ----------
    name
        What recipes, bundles and the command line call it.
    place
        Its class, a `SegmenterNetwork`, as ``module:attribute``.

    Raises
    ------
    SegmenterError
        If ``place`` is not of that form, or the name stands for another class already.
    """
    if not _PLACE.fullmatch(place):
        raise SegmenterError(f"'{place}' is not the place of a network; give it as 'package.module:ClassName'.")
    if ARCHITECTURES.setdefault(name, place) != place:
        raise SegmenterError(f"An architecture called '{name}' exists already; choose another name.")


def architecture(name: str) -> type[SegmenterNetwork]:
    """Return the class of a network; raises `SegmenterError` if there is none of that name."""
    if name not in ARCHITECTURES:
        raise SegmenterError(
            f"There is no architecture called '{name}'; choose one of: {', '.join(sorted(ARCHITECTURES))}."
        )
    module, attribute = ARCHITECTURES[name].split(":")
    return cast("type[SegmenterNetwork]", getattr(importlib.import_module(module), attribute))


def build_segmenter(name: str, classes: int, settings: Mapping[str, Any] | None = None) -> SegmenterNetwork:
    """Return a new network, its weights drawn from torch's generator.

    Parameters
    ----------
    name
        Of the architecture.
    classes
        How many classes of nuclei.
    settings
        What else its constructor takes, such as ``width``.

    Raises
    ------
    SegmenterError
        If there is no such architecture, no class, or the architecture does not take the settings.
    """
    made = architecture(name)
    try:
        return made(classes, **(settings or {}))
    except TypeError as error:
        raise SegmenterError(f"The architecture '{name}' cannot be built ({error}); leave that setting out.") from error
