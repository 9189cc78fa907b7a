"""napari's sample data: one tile that is always there, and public slides that are fetched when they are asked for."""

from __future__ import annotations

from histoloom.gui.preferences import preferred_cache_folder
from histoloom.gui.readers import LayerData, read_tiles, tile_layer
from histoloom.tiles.samples import EMBEDDED_SAMPLE_TITLE, embedded_sample, fetch_sample


def colon() -> list[LayerData]:
    """Return the embedded sample, which needs no network."""
    return [tile_layer(embedded_sample(), EMBEDDED_SAMPLE_TITLE)]


def cmu_1_small_region() -> list[LayerData]:
    """Return the public slide CMU-1-Small-Region (CC0), fetched the first time.

    napari waits for what this returns, so its window does not answer while the slide is fetched; the Tiles dock fetches
    the same one in the background.

    Raises
    ------
    TileError
        If it cannot be fetched.
    """
    path = fetch_sample("CMU-1-Small-Region.svs", preferred_cache_folder())
    return read_tiles(str(path))
