"""Pictures in: lazy pyramids, folders of tiles with labels, stains and looks, sample data."""

from histoloom.tiles.looks import AnyLook, Look, NamedLook
from histoloom.tiles.normalization import normalize_macenko, normalize_reinhard
from histoloom.tiles.reading import open_tile
from histoloom.tiles.samples import embedded_sample, fetch_sample
from histoloom.tiles.stain_summary import ColorDrift, StainSummary, color_drift
from histoloom.tiles.stains import combine_stains, optical_density, separate_stains
from histoloom.tiles.tile import Tile

__all__ = [
    "AnyLook",
    "ColorDrift",
    "Look",
    "NamedLook",
    "StainSummary",
    "Tile",
    "color_drift",
    "combine_stains",
    "embedded_sample",
    "fetch_sample",
    "normalize_macenko",
    "normalize_reinhard",
    "open_tile",
    "optical_density",
    "separate_stains",
]
