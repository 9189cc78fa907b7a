"""Pictures in: lazy pyramids, folders of tiles with labels, stains and looks, sample data."""

from histoloom.tiles.looks import Look
from histoloom.tiles.reading import open_tile
from histoloom.tiles.stain_summary import ColorDrift, StainSummary, color_drift
from histoloom.tiles.tile import Tile

__all__ = ["ColorDrift", "Look", "StainSummary", "Tile", "color_drift", "open_tile"]
