"""``histoloom lymphocytes``."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from histoloom.errors import HistoloomError, RecipeError
from histoloom.writing import written_whole

if TYPE_CHECKING:
    from histoloom.segmenters.lymphocytes import LymphocyteClassifier


def lymphocytes(
    images: list[Path],
    /,
    *,
    classifier: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    points: Path | None = None,
    least: float = 0.5,
    pixel_size: float | None = None,
) -> int:
    """Say where lymphocytes are in pictures: a map of how probable one is, and a table of points.

    Each picture gives STEM_lymphocytes.tif, a float32 map in 0..1, and STEM_lymphocytes.csv with the columns y, x and
    probability. What is found is for research, not for diagnosis.

    Parameters
    ----------
    images
        Pictures.
    classifier
        A bundle of 'histoloom train lymphocytes', its file or name.
    output
        Folder for maps and tables; made if it is not there.
    points
        CSV file with the columns y and x, in pixels of the one picture that is given: the table is of these (default:
        of the map's peaks).
    least
        Lower peaks are not listed; in 0..1.
    pixel_size
        µm per pixel of the pictures (default: what each says, else the classifier's own).
    """
    twice = next((stem for stem, count in Counter(each.stem for each in images).items() if count > 1), None)
    if twice is not None:
        raise RecipeError(f"Two pictures are called '{twice}', and one's map would replace the other's; rename one.")
    if points is not None and len(images) != 1:
        raise RecipeError("Points are of one picture; give one, or leave '--points' out.")
    if pixel_size is not None and not 0.01 <= pixel_size <= 100.0:
        raise RecipeError(f"A pixel size of {pixel_size:g} µm is not possible; give a number such as 0.25.")
    if not 0.0 <= least <= 1.0:
        raise RecipeError(
            f"A probability of {least:g} is not possible; give '--least' a number in 0 to 1, such as 0.5."
        )
    given = None if points is None else _read_points(points)
    # Late, because importing torch takes seconds and a mistake in the line should not wait for it.
    from histoloom.segmenters.lymphocytes import LymphocyteClassifier

    loaded = LymphocyteClassifier.load(classifier)
    failed = 0
    for image in images:
        try:
            count = _look_at(loaded, image, output, given, least, pixel_size)
        except HistoloomError as error:
            failed += 1
            sys.stderr.write(f"{image.name}: {error}\n")
        else:
            sys.stderr.write(f"{image.name}: {count} {'points' if given is not None else 'lymphocytes'}\n")
    sys.stdout.write(f"{len(images) - failed} looked at" + (f", {failed} failed" if failed else "") + f": {output}\n")
    return 1 if failed else 0


def _look_at(
    classifier: LymphocyteClassifier,
    image: Path,
    output: Path,
    given: NDArray[np.float64] | None,
    least: float,
    pixel_size: float | None,
) -> int:
    import tifffile

    from histoloom.segmenters.lymphocytes import lymphocytes_in
    from histoloom.tiles.reading import open_tile

    with open_tile(image) as tile:
        size = pixel_size or tile.pixel_size or classifier.pixel_size
        # What is wrong with points is said before anything is written.
        values = None if given is None else classifier.at(tile, given, size)
        seen = classifier.probability_map(tile, size)
    if given is None or values is None:
        places: NDArray[np.floating | np.integer] = lymphocytes_in(seen, size, least)
        values = seen[places[:, 0].astype(int), places[:, 1].astype(int)]
    else:
        places = given
    with written_whole(output / f"{image.stem}_lymphocytes.tif") as beside:
        tifffile.imwrite(beside, seen, compression="zlib")
    with (
        written_whole(output / f"{image.stem}_lymphocytes.csv") as beside,
        beside.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["y", "x", "probability"])
        for (y, x), value in zip(places.tolist(), values.tolist(), strict=True):
            writer.writerow([f"{y:g}", f"{x:g}", f"{value:.4f}"])
    return len(places)


def _read_points(path: Path) -> NDArray[np.float64]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(float(row["y"]), float(row["x"])) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError):
        raise RecipeError(
            f"'{path.name}' cannot be read as a table of points; give a CSV file with numbers in the columns 'y' and "
            "'x'."
        ) from None
    values = np.array(rows, np.float64).reshape(-1, 2)
    if not np.isfinite(values).all():
        raise RecipeError(f"'{path.name}' has points that are no numbers; correct them.")
    return values
