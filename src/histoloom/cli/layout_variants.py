"""``histoloom layout variants``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter

from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.errors import LayoutError, TileError
from histoloom.layouts.layout import Layout
from histoloom.layouts.opening import SIDECAR_ENDING, is_layout_file, layout_stem, open_layout
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.layouts.variants import LAYOUT_VARIANTS, varied_layouts

_MOST_COPIES = 100_000

if TYPE_CHECKING:
    _Options = Mapping[str, Any] | None
else:
    _Options = recipe_options({f"Recipe of '--set {name}'": each.recipe_type for name, each in LAYOUT_VARIANTS.items()})


class _Source(NamedTuple):
    stem: str
    read: Callable[[], Layout]


def variants(
    layouts: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    set_name: Annotated[str, Parameter(name="--set")],
    count: int = 1,
    seed: int = 0,
    layout_format: Annotated[Literal["tif", "geojson"], Parameter(name="--format")] = "tif",
    pixel_size: float | None = None,
    recipe: Path | None = None,
    fields: _Options = None,
) -> int:
    """Make layouts from layouts, for weaving: augmented sets, or what if the tissue were sicker.

    Each layout gives STEM_SET_1.tif (or .geojson), STEM_SET_2.tif, ... with a .layout.json beside it, which says how it
    was made. The same line gives the same layouts.

    Parameters
    ----------
    layouts
        Layouts, or folders: of layouts, or of tiles with labels.
    output
        Folder for the new layouts; made if it is not there.
    set_name
        'replica' (as they are; set G0 of Yasuno 2020), 'shape' (turned, mirrored, rescaled, cropped; G1), or what-if
        changes: 'grow', 'multiply', 'pleomorphism', 'reclass' and 'malignant' (all of them).
    count
        How many new layouts of each.
    seed
        Fixes all of them.
    layout_format
        Label maps with a .layout.json, or outlines that QuPath opens.
    pixel_size
        µm per pixel of tiles, label maps and GeoJSON without a .layout.json (default: what they say, else 0.25).
    recipe
        JSON file with fields of the set's recipe; options say more than it.
    fields
        The recipe's fields.
    """
    from histoloom.layouts.files import save_layout

    if set_name not in LAYOUT_VARIANTS:
        raise LayoutError(f"There is no set called '{set_name}'; choose one of: {', '.join(LAYOUT_VARIANTS)}.")
    if not 1 <= count <= _MOST_COPIES:
        raise LayoutError(f"A count of {count} is not usable; give a whole number from 1 to {_MOST_COPIES:,}.")
    recipe_type = LAYOUT_VARIANTS[set_name].recipe_type
    settings = recipe_from_options(recipe_type, fields, file=recipe, owner="set")
    sources = [source for path in layouts for source in _sources(path, pixel_size)]
    _refuse_equal_stems(sources)
    if any(path.is_dir() and path.resolve() == output.resolve() for path in layouts):
        raise LayoutError(f"'{output.name}' holds what is changed; choose another folder for the new layouts.")
    made = varied_layouts((each.read() for each in sources), set_name, settings, copies=count, seed=seed)
    for stem, copy in ((each.stem, copy) for each in sources for copy in range(1, count + 1)):
        save_layout(next(made), output / f"{stem}_{set_name}_{copy}.{layout_format}")
    total = len(sources) * count
    sys.stdout.write(f"{total:,} {'layout' if total == 1 else 'layouts'} of the set '{set_name}': {output}\n")
    return 0


def _sources(path: Path, pixel_size: float | None) -> Iterator[_Source]:
    if not path.is_dir():
        yield _Source(layout_stem(path), _file_reader(path, pixel_size))
        return
    files = [each for each in sorted(path.iterdir()) if each.is_file()]
    layouts = [each for each in files if each.name.endswith(SIDECAR_ENDING)]
    if not layouts:
        try:
            folder = open_tile_folder(path, pixel_size)
        except TileError:
            layouts = [each for each in files if is_layout_file(each)]
        else:
            labelled = (pair.id for pair in folder.pairs if pair.labels is not None)
            yield from (_Source(name, _tile_reader(folder, name)) for name in labelled)
            return
    if not layouts:
        raise LayoutError(
            f"The folder '{path.name}' holds neither layouts nor tiles with labels; choose one that does."
        )
    yield from (_Source(layout_stem(each), _file_reader(each, pixel_size)) for each in layouts)


def _file_reader(path: Path, pixel_size: float | None) -> Callable[[], Layout]:
    def read() -> Layout:
        layout, notes = open_layout(path, pixel_size)
        for note in notes:
            sys.stderr.write(f"{note}\n")
        return layout

    return read


def _tile_reader(folder: TileFolder, name: str) -> Callable[[], Layout]:
    def read() -> Layout:
        tile, layout = folder.open(name)
        tile.close()
        if layout is None:
            raise LayoutError(f"The labels of the tile '{name}' are gone; try again with a folder that has them.")
        return layout

    return read


def _refuse_equal_stems(sources: list[_Source]) -> None:
    if not sources:
        raise LayoutError("There are no layouts to change; give at least one.")
    stem, times = Counter(each.stem for each in sources).most_common(1)[0]
    if times > 1:
        raise LayoutError(
            f"{times} of the layouts are called '{stem}', and the new ones would replace each other; "
            "change them one folder after the other, into folders of their own."
        )
