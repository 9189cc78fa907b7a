"""Tiles woven for a training: their layouts and looks come from its training tiles, never from held-out ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from histoloom.errors import LookError, TrainingError, WriteError
from histoloom.generators.contract import Generator, PreparedGenerator
from histoloom.generators.registry import default_generator, generator_header, generator_named
from histoloom.generators.weaving import save_woven, weave
from histoloom.keyed_random import keyed_generator, keyed_hash, shuffled_index
from histoloom.layouts import Layout
from histoloom.layouts.polygons import HouPolygonsRecipe, hou_polygons
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import PRESETS, preset_recipe
from histoloom.layouts.random_tissue import random_tissue_map
from histoloom.layouts.tile_tissue import tile_tissue_map
from histoloom.layouts.transforms import ReplicaRecipe, ShapeRecipe, replica, shape_variant
from histoloom.models import BundleHeader, TrainingSource
from histoloom.recipes import Recipe
from histoloom.tiles.looks import AnyLook, Look
from histoloom.tiles.tile import Tile
from histoloom.training.data import TrainingData
from histoloom.training.systems.critic_recipe import CriticRecipe
from histoloom.training.systems.segmenter_recipe import SegmenterRecipe
from histoloom.training.woven_folders import read_woven_folder
from histoloom.writing import write_json

OnWoven = Callable[[int, int], None]
"""Told how many tiles are woven, of how many."""


class LayoutsByIndex(Protocol):
    """What has a layout for each woven tile."""

    def at(self, index: int) -> Layout:
        """Return the layout of one, a function of the index alone."""


class DrawnLayouts(Protocol):
    """What draws layouts in a way of its own."""

    @property
    def facts(self) -> dict[str, Any]:
        """What decides about them, beside seed and size, as plain values."""

    def with_looks_of(self, data: TrainingData) -> LayoutsByIndex:
        """Return the layouts for the looks of a data set's training tiles."""


_LOOK, _LAYOUT, _WEAVE, _DENSITY = range(201, 205)
_LEVELS = (-1.0, 3.0)
"""Of density, from the sparsest to the densest tissue that Hou et al. draw for."""

_MOST_VESICULAR, _USUAL_COLORS, _MOST_COLORS = 0.4, 0.08, 0.2
_FROM_TILES = ("shape", "replica")
_CHOSEN = ("layouts", "layout_preset", "layout_side", "looks")


def woven_tiles(
    recipe: SegmenterRecipe | CriticRecipe,
    data: TrainingData,
    folder: Path,
    *,
    generator: str = "",
    drawn: DrawnLayouts | None = None,
    options: Mapping[str, Any] | None = None,
    on_woven: OnWoven | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingData:
    """Return the tiles that a recipe asks for, woven into a folder unless they are there already.

    They go through files, so that a training that is resumed sees the same bytes, whatever has become of the generator.

    Parameters
    ----------
    recipe
        See `WovenTilesRecipe`; its seed decides about every layout, look and weave.
    data
        Whose training tiles lend layouts and looks.
    folder
        Of these tiles alone. Beside it lies what they were woven from, as JSON.
    generator
        What `histoloom.generators.registry.generator_named` takes (default: `default_generator`).
    drawn
        What draws the layouts, in place of what the recipe says of them; None for that.
    options
        Of the generator, where it has them and they shall differ from its defaults.
    on_woven, should_stop
        Told after each tile; asked before each.

    Returns
    -------
    TrainingData
        With `TrainingData.woven` alone.

    Raises
    ------
    TrainingError
        If layouts or looks shall come from training tiles and none serves, or the generator knows no looks.
    HistoloomError
        If generator or preset do not exist, or the generator cannot weave these layouts.
    WriteError
        If the folder cannot be written to.
    Stopped
        If ``should_stop`` said so; what was woven is not kept.
    """
    options = {**_of_variety(recipe.nuclear_variety), **(options or {})}
    record = folder.with_suffix(".json")
    order = {
        "fields": {name: getattr(recipe, name) for name in ("weave", "seed", "pixel_size", *_CHOSEN)},
        "tiles": [each.sha256 for each in data.sources],
        # As a hash, because it may be a path, which says more of a machine than a run should tell.
        "generator": hashlib.sha256(generator.encode()).hexdigest(),
    }
    # Only where they are given, so that what was woven before there were such is found again.
    if drawn is not None:
        order["drawn"] = drawn.facts
    if options:
        order["options"] = options
    kept = _read_record(record, order)
    if kept is None or not folder.is_dir():
        # Whatever is wrong with the order is said before anything is written.
        weaving = _Weaving(recipe, data, generator or default_generator(), drawn, options)
        with _locked(folder):
            kept = _read_record(record, order)
            if kept is None or not folder.is_dir():
                record.unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
                weaving.write(folder, on_woven, should_stop)
                kept = weaving.source
                # Last, because with it the folder is whole.
                write_json(record, {"order": order, "source": kept.model_dump(mode="json")})
    read = read_woven_folder(folder, pixel_size=recipe.pixel_size)
    return replace(read, sources=(kept.model_copy(update={"sha256": read.sources[0].sha256}),))


def _of_variety(variety: float) -> dict[str, float]:
    """Return the texture weaver's options for nuclei that vary more than those of a look."""
    if variety == 0:
        return {}
    spread = _USUAL_COLORS + (_MOST_COLORS - _USUAL_COLORS) * variety
    return {"vesicular": _MOST_VESICULAR * variety, "color_variation": round(spread, 6)}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from weaving into a folder: several devices train in several, and each reads its data."""
    from filelock import FileLock

    lock = FileLock(folder.with_suffix(".lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise WriteError(
            f"'{folder.parent}' cannot be written to ({error.strerror}); choose another place for the run."
        ) from error
    try:
        yield
    finally:
        lock.release()


class _Weaving:
    """Weaves the tiles of one order, whose parts have been checked."""

    def __init__(
        self,
        recipe: SegmenterRecipe | CriticRecipe,
        data: TrainingData,
        generator: str,
        drawn: DrawnLayouts | None,
        options: Mapping[str, Any],
    ) -> None:
        self._recipe, self._data, self._reference, self._drawn = recipe, data, generator, drawn
        self._generator, self._header = generator_named(generator), generator_header(generator)
        if recipe.nuclear_variety > 0 and "vesicular" not in self._generator.recipe_type.model_fields:
            raise TrainingError(
                f"The generator '{self._generator.name}' cannot vary nuclei; take 'texture', or a nuclear variety of 0."
            )
        self._settings = _settings(self._generator, self._header, options)
        self._layouts: LayoutsByIndex = _Layouts(recipe, data) if drawn is None else drawn.with_looks_of(data)
        self._looks = _looks(recipe, data, self._generator)

    @property
    def source(self) -> TrainingSource:
        """What bundles say of the tiles."""
        facts = {
            "generator": self._generator.name,
            "weights_sha256": self._generator.weights_sha256,
            "recipe": self._settings.as_json(),
            **{name: getattr(self._recipe, name) for name in _CHOSEN},
        }
        if self._drawn is not None:
            facts["drawn"] = self._drawn.facts
        licence = _licence(self._data, self._header)
        name = f"woven with {self._generator.name}"
        return TrainingSource(name=name, licence=licence, tiles=self._recipe.weave, woven=facts)

    def write(self, folder: Path, on_woven: OnWoven | None, should_stop: Callable[[], bool] | None) -> None:
        """Weave all tiles into a folder."""
        seed, count = self._recipe.seed, self._recipe.weave
        look_of = [shuffled_index(each, len(self._looks), seed, _LOOK) for each in range(count)]
        done = 0
        # By look, because to study one takes longer than to weave a tile.
        for place in sorted(set(look_of)):
            look, prepared = self._prepared(place)
            for index in (each for each in range(count) if look_of[each] == place):
                woven = weave(
                    self._layouts.at(index),
                    look,
                    generator=self._reference,
                    recipe=self._settings,
                    seed=int(keyed_hash(seed, _WEAVE, index)) & 0x7FFFFFFF,
                    prepared=prepared,
                    should_stop=should_stop,
                )
                save_woven(woven, folder, f"woven_{index:05d}")
                done += 1
                if on_woven is not None:
                    on_woven(done, count)

    def _prepared(self, place: int) -> tuple[AnyLook, PreparedGenerator]:
        """Return a look and what the generator makes of it; where it can make nothing of it, the next that serves.

        Of tiles without labels nobody has said that they show nuclei, and one of them shall not stop all others.
        """
        first: LookError | None = None
        for following in range(len(self._looks)):
            look = self._looks[(place + following) % len(self._looks)]
            try:
                return look, self._generator.prepare(look, self._settings, self._recipe.pixel_size)
            except LookError as error:
                first = first or error
        raise first or LookError("There is no look to weave with; give tiles with tissue.")


def _settings(chosen: Generator, header: BundleHeader | None, options: Mapping[str, Any]) -> Recipe:
    """Return a generator's defaults, but for options that it has, and what would refuse layouts that it can weave."""
    fields = chosen.recipe_type.model_fields
    values = {name: value for name, value in options.items() if name in fields}
    if "rescale" in fields:
        values["rescale"] = True
    # With one class there is nothing that labels could say and the picture not show.
    if "unknown_classes_as" in fields and header is not None and len(header.classes) == 1:
        values["unknown_classes_as"] = header.classes[0]
    return chosen.recipe_type(**values)


def _looks(recipe: SegmenterRecipe | CriticRecipe, data: TrainingData, chosen: Generator) -> Sequence[AnyLook]:
    if recipe.looks == "named":
        if not chosen.named_looks:
            raise TrainingError(
                f"The generator '{chosen.name}' knows no looks by name; let woven tiles look like training tiles."
            )
        return chosen.named_looks
    looks: list[AnyLook] = []
    reason = "there are no training tiles"
    for each in data.training:
        try:
            looks.append(Look.from_tile(Tile.from_array(each.image, data.pixel_size)))
        except LookError as error:
            reason = str(error).split(";")[0]
    if not looks:
        raise TrainingError(
            f"No training tile can lend its look to woven ones ({reason}); give tiles with tissue, or take looks that "
            "the generator knows by name."
        )
    return looks


class _Layouts:
    """The layout of each woven tile."""

    def __init__(self, recipe: SegmenterRecipe | CriticRecipe, data: TrainingData) -> None:
        self._recipe, self._data = recipe, data
        self._tiles = [each for each in data.training if each.label_map.any()]
        self._traced: dict[int, Layout] = {}
        if recipe.layouts in _FROM_TILES and not self._tiles:
            raise TrainingError(
                "No training tile has nuclei whose layout could be woven; give labelled tiles, or let layouts be drawn "
                "at random."
            )

        if recipe.layouts in ("random", "mixed") and recipe.layout_preset:
            preset_recipe(recipe.layout_preset)  # says which presets there are

    def at(self, index: int) -> Layout:
        """Return the layout of one."""
        recipe = self._recipe
        side, size = recipe.layout_side, recipe.pixel_size
        seed = int(keyed_hash(recipe.seed, _LAYOUT, index)) & 0x7FFFFFFF
        kind = recipe.layouts
        if kind == "mixed":
            kind = ("random", "polygons")[index % 2]
        if kind == "random":
            # Halved where every other layout has polygons, so that each preset has its turn.
            turn = index // 2 if recipe.layouts == "mixed" else index
            name = recipe.layout_preset or list(PRESETS)[turn % len(PRESETS)]
            return random_layout(preset_recipe(name, height=side, width=side, pixel_size=size), seed)
        if kind == "polygons":
            wanted = HouPolygonsRecipe(height=side, width=side, pixel_size=size)
            if recipe.layouts == "mixed":
                level = float(keyed_generator(recipe.seed, _DENSITY, index).uniform(*_LEVELS))
                wanted = wanted.model_copy(update={"density_level": level})
            drawn = hou_polygons(wanted, seed)
            return drawn.with_tissue_map(random_tissue_map(drawn, seed=seed))
        layout = self._of_tile(index % len(self._tiles))
        if recipe.layouts == "replica":
            return replica(layout, ReplicaRecipe(), seed)
        height, width = (min(side, each) for each in layout.shape)
        return shape_variant(layout, ShapeRecipe(height=height, width=width), seed)

    def _of_tile(self, place: int) -> Layout:
        if place not in self._traced:
            tile = self._tiles[place]
            layout = tile.layout(self._data.classes, self._data.pixel_size)
            picture = Tile.from_array(tile.image, self._data.pixel_size)
            self._traced[place] = layout.with_tissue_map(tile_tissue_map(layout, picture))
        return self._traced[place]


def _licence(data: TrainingData, header: BundleHeader | None) -> str:
    sources = data.sources if header is None else header.training_data
    return "; ".join(sorted({each.licence for each in sources})) or "unknown"


def _read_record(path: Path, order: Mapping[str, Any]) -> TrainingSource | None:
    """Return what was woven by an order, or None if it was not, or by another."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return TrainingSource(**found["source"]) if found["order"] == order else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
