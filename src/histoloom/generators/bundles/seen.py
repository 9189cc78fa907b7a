"""What a trained network sees of a layout in a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import (
    AcceptedStructure,
    Encoding,
    MaskAndStructureEncoding,
    StackedEncoding,
    StructureLabelsEncoding,
)
from histoloom.errors import BundleError, ConditionError
from histoloom.generators.bundles.recipe import StructureSource
from histoloom.layouts import Layout, Nucleus
from histoloom.layouts.transforms import cropped
from histoloom.window import Window

Picture = Callable[[Layout], NDArray[np.uint8]]
"""From a layout to a picture of it, RGB ``uint8 (H, W, 3)``, of its size."""

_WithStructure = StructureLabelsEncoding | MaskAndStructureEncoding


def seen_condition(
    encoding: Encoding,
    layout: Layout,
    window: Window,
    source: StructureSource,
    accepted: AcceptedStructure | None,
    picture: Picture | None,
) -> NDArray[np.float32]:
    """Return the condition ``float32 (C, H, W)`` of a window.

    Parameters
    ----------
    encoding
        How the network was trained to see layouts.
    layout
        The canvas.
    window
        Any; what lies beyond the canvas has nuclei only where these stick out.
    source
        Where structure comes from, for encodings that have any.
    accepted
        Structure that a person has accepted for this canvas.
    picture
        Makes the picture whose structure is seen, for ``"texture weaver"``.

    Raises
    ------
    ConditionError
        If structure shall be the accepted one and there is none that fits.
    """
    if isinstance(encoding, StackedEncoding):
        parts = [seen_condition(part, layout, window, source, accepted, picture) for part in encoding.parts]
        return np.concatenate(parts)
    if not isinstance(encoding, _WithStructure):
        return encoding.encode(layout, window)
    if source in ("accepted", "automatic"):
        problem = _misfit(encoding, layout, accepted)
        if accepted is not None and not problem:
            return accepted.condition(layout, window)
        if source == "accepted":
            raise ConditionError(problem)
    if source == "texture weaver" and picture is not None:
        # Thresholds that a picture decides about are this window's: in training they were those of a whole tile, but
        # the whole of this picture is never there.
        crop = cropped(replace(layout, nuclei={each.id: each for each in layout.nuclei_in(window)}), window)
        return with_source(encoding, "picture").encode(crop, picture=picture(crop))
    return with_source(encoding, "contours").encode(layout, window)


def sees_classes(encoding: Encoding) -> bool:
    """Whether an encoding tells nuclei of different classes apart."""
    if isinstance(encoding, StackedEncoding):
        return any(sees_classes(part) for part in encoding.parts)
    return hasattr(getattr(encoding, "recipe", None), "classes")


def with_source(encoding: _WithStructure, source: str) -> _WithStructure:
    """Return an encoding that takes structure from elsewhere than it did in training."""
    if isinstance(encoding, MaskAndStructureEncoding):
        return MaskAndStructureEncoding(encoding.recipe.model_copy(update={"source": source}))
    return StructureLabelsEncoding(encoding.recipe.model_copy(update={"source": source}))


def with_known_classes(
    layout: Layout, nuclei: list[Nucleus], known: tuple[str, ...], unknown_as: str, bundle: str
) -> Layout:
    """Return a layout of some nuclei, where those of unknown classes have the class ``unknown_as``.

    Raises
    ------
    BundleError
        If there are unknown classes and no class for them, or that one is unknown, too.
    """
    names = ", ".join(known) or "none"
    if unknown_as and unknown_as not in known:
        raise BundleError(
            f"Unknown classes cannot be woven as '{unknown_as}', which '{bundle}' does not know either; "
            f"choose one of: {names}."
        )
    table = {}
    for nucleus in nuclei:
        if nucleus.class_name in known:
            table[nucleus.id] = nucleus
        elif unknown_as:
            table[nucleus.id] = replace(nucleus, class_name=unknown_as)
        else:
            raise BundleError(
                f"'{bundle}' does not know the class '{nucleus.class_name}' but only {names}; choose in the recipe as "
                "which of them unknown classes are woven ('unknown classes as'), or reclass these nuclei."
            )
    return replace(layout, nuclei=table)


def _misfit(encoding: _WithStructure, layout: Layout, accepted: AcceptedStructure | None) -> str:
    """Return why accepted structure cannot be what a network sees, or nothing."""
    if accepted is None:
        return "No structure has been accepted for this canvas; accept one in the Structure dock, or take contours."
    if type(accepted.encoding) is not type(encoding):
        return (
            f"The accepted structure is '{accepted.encoding.name}' and the network sees '{encoding.name}'; "
            "accept one of that kind in the Structure dock, or take contours."
        )
    if accepted.labels.shape != layout.shape:
        return (
            f"The accepted structure has {accepted.labels.shape[0]} x {accepted.labels.shape[1]} pixels and the canvas "
            f"{layout.shape[0]} x {layout.shape[1]}; accept it again in the Structure dock, or take contours."
        )
    return ""
