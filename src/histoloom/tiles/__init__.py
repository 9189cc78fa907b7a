"""Pictures in: lazy pyramids, folders of tiles with labels, stains and looks, sample data."""

from histoloom.tiles.tile import Tile

__all__ = ["Tile"]
