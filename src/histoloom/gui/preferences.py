"""What people set in napari's preferences, with defaults where napari (before 0.9) has no preferences for plugins."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoloom.layouts.classes import DEFAULT_CLASSES, NucleusClass
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout

DEVICES = ("automatic", "cpu", "cuda", "mps")
PALETTES = ("Okabe-Ito", "bright", "muted")

_PALETTE_COLORS: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    # Paul Tol's schemes of these names, in an order in which neighbours differ most.
    "bright": (
        (204, 187, 68),
        (34, 136, 51),
        (238, 102, 119),
        (102, 204, 238),
        (170, 51, 119),
        (68, 119, 170),
    ),
    "muted": (
        (221, 204, 119),
        (17, 119, 51),
        (204, 102, 119),
        (136, 204, 238),
        (136, 34, 85),
        (51, 34, 136),
    ),
}


@dataclass(frozen=True)
class Preferences:
    """Personal defaults.

    Parameters
    ----------
    device
        One of `DEVICES`: where generators that can use a GPU run.
    live_delay_ms
        Least time between two requests to weave while a stroke is under way, in ms.
    cache_folder
        Where fetched samples are kept; None for the system's place.
    palette
        One of `PALETTES`: the colours of nuclei by class.
    generator
        What weaves in a new dock, as `histoloom.generators.generator_named` takes it; empty for the default.
    """

    device: str = "automatic"
    live_delay_ms: int = 65
    cache_folder: Path | None = None
    palette: str = "Okabe-Ito"
    generator: str = ""


def preferences() -> Preferences:
    """Return what is set in napari's preferences, or the defaults."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return Preferences()
    try:
        return _from_settings(get_plugin_settings("histoloom"))
    except (KeyError, AttributeError, ValueError, TypeError, OSError):
        # The plugin is disabled or was installed after napari had started, or a settings file or another plugin's
        # manifest is broken: none of that may keep a canvas from opening.
        return Preferences()


def preferred_cache_folder() -> Path | None:
    """Return the cache folder of the preferences, unless the environment's ``HISTOLOOM_CACHE`` overrides it."""
    return None if os.environ.get("HISTOLOOM_CACHE") else preferences().cache_folder


def blank_layout(shape: tuple[int, int], pixel_size: float = DEFAULT_PIXEL_SIZE) -> Layout:
    """Return a layout without nuclei whose classes have the colours of the preferred palette."""
    return Layout({}, shape, pixel_size, in_palette(DEFAULT_CLASSES, preferences().palette))


def in_palette(classes: tuple[NucleusClass, ...], palette: str) -> tuple[NucleusClass, ...]:
    """Return classes in the colours of a palette; "Okabe-Ito", and classes beyond its length, keep their own."""
    colors = _PALETTE_COLORS.get(palette, ())
    recolored = [NucleusClass(each.name, color) for each, color in zip(classes, colors, strict=False)]
    return (*recolored, *classes[len(recolored) :])


def _from_settings(settings: Any) -> Preferences:
    folder = str(settings.files.cache_folder).strip()
    return Preferences(
        device=str(settings.weaving.device),
        live_delay_ms=int(settings.weaving.live_delay_ms),
        cache_folder=Path(folder).expanduser() if folder else None,
        palette=str(settings.canvas.palette),
        generator=str(settings.weaving.generator).strip(),
    )
