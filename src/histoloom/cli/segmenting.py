"""``histoloom segment``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import track

from histoloom.cli.interrupts import interrupts
from histoloom.errors import HistoloomError, RecipeError, Stopped

if TYPE_CHECKING:
    from histoloom.segmenters.segmenter import Segmenter
    from histoloom.tiles.normalization import ColorStatistics


def segment(
    images: list[Path],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    segmenter: str = "nuclei",
    pixel_size: float | None = None,
    augmented: Annotated[bool, Parameter(negative="")] = False,
    normalize_to: Annotated[list[Path] | None, Parameter(negative="")] = None,
    probability: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Find the nuclei of pictures.

    Each picture gives STEM_labels.tif, a label map, and STEM.geojson, polygons that QuPath opens; both open as layouts,
    to be edited and woven. What is found is for research, not for diagnosis.

    Parameters
    ----------
    images
        Pictures or slides.
    output
        Folder for the nuclei; made if it is not there.
    segmenter
        Name of a bundle ('histoloom bundles list'), or a bundle's file.
    pixel_size
        µm per pixel of the pictures (default: what each says, else the segmenter's own). A picture of another pixel
        size than the segmenter's is rescaled for it.
    augmented
        Look at each picture in its eight turned and mirrored forms: a little better, and eight times slower.
    normalize_to
        A picture whose colours all others are given before (Reinhard et al. 2001), such as one that the segmenter was
        trained on; of several, the mean colours.
    probability
        Write STEM_probability.tif as well, how probably each pixel is of a nucleus, which 'histoloom score' takes.
    """
    stems = Counter(each.stem for each in images)
    twice = next((stem for stem, count in stems.items() if count > 1), None)
    if twice is not None:
        raise RecipeError(f"Two pictures are called '{twice}', and one's nuclei would replace the other's; rename one.")
    if pixel_size is not None and not 0.01 <= pixel_size <= 100.0:
        raise RecipeError(f"A pixel size of {pixel_size:g} µm is not possible; give a number such as 0.25.")
    # Late, because importing torch takes seconds and a mistake in the line should not wait for it.
    from histoloom.segmenters.segmenter import Segmenter

    loaded = Segmenter.load(segmenter)
    colors = _colors(normalize_to or [])
    console = Console(stderr=True)
    failed = done = 0
    with interrupts() as interrupted:
        for image in track(images, "Segmenting", console=console, disable=not console.is_terminal):
            if interrupted.is_set():
                raise Stopped(f"Stopped after {done} of {len(images)} pictures; give the others to go on.")
            try:
                sentences = _segment_one(
                    loaded, image, output, pixel_size, colors, augmented=augmented, probability=probability
                )
            except HistoloomError as error:
                failed += 1
                sentences = [str(error)]
            done += 1
            for sentence in sentences:
                console.print(f"{image.name}: {sentence}", markup=False, highlight=False, soft_wrap=True)
    words = f"{done - failed} segmented" + (f", {failed} failed" if failed else "")
    sys.stdout.write(f"{words}: {output}\n")
    return 1 if failed else 0


def _colors(pictures: Sequence[Path]) -> ColorStatistics | None:
    from histoloom.tiles.normalization import ColorStatistics
    from histoloom.tiles.reading import open_tile

    if not pictures:
        return None
    measured = []
    for each in pictures:
        with open_tile(each) as tile:
            measured.append(ColorStatistics.of_tile(tile))
    return ColorStatistics.mean_of(measured)


def _segment_one(
    segmenter: Segmenter,
    image: Path,
    output: Path,
    pixel_size: float | None,
    colors: ColorStatistics | None,
    *,
    augmented: bool,
    probability: bool,
) -> list[str]:
    from histoloom.segmenters.files import check_replaceable, save_segmentation
    from histoloom.tiles.reading import open_tile

    check_replaceable(output, image.stem)
    with open_tile(image) as tile:
        found = segmenter.segment(tile, pixel_size, augmented=augmented, colors=colors, of_pixels=probability)
        provenance = {
            **tile.provenance,
            "segmenter": segmenter.name,
            "weights_sha256": segmenter.header.weights_sha256,
        }
    save_segmentation(found, output, image.stem, provenance)
    return [*found.notes, f"{found.count} nuclei"]
