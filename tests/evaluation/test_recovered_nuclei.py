"""Nuclei are recovered where haematoxylin is inside their outlines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histoloom.errors import EvaluationError
from histoloom.evaluation import recovered_fraction, recovered_nuclei
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.tiles.stains import combine_stains

CENTERS = {1: (30.0, 30.0), 2: (30.0, 90.0), 3: (90.0, 30.0), 4: (90.0, 90.0)}
LAYOUT = Layout.from_nuclei(
    [Nucleus.create(key, Outline.ellipse(center, (10.0, 12.0))) for key, center in CENTERS.items()], (120, 120)
)


def picture(shown, inside=0.7, eosin=0.3, outside=0.1):
    """Tissue with haematoxylin in some of the nuclei."""
    concentrations = np.zeros((120, 120, 2))
    concentrations[..., 1] = eosin
    concentrations[..., 0] = np.where(np.isin(LAYOUT.rasterize(), shown), inside, outside)
    return combine_stains(concentrations)


def test_nuclei_that_are_there_are_recovered_and_others_are_not():
    assert recovered_nuclei(LAYOUT, picture([1, 4])) == {1: True, 2: False, 3: False, 4: True}
    assert recovered_fraction(LAYOUT, picture([1, 4])) == 0.5
    assert recovered_fraction(LAYOUT, picture([1, 2, 3, 4])) == 1.0


def test_eosin_makes_no_nucleus_and_the_margin_counts():
    assert recovered_fraction(LAYOUT, picture([], eosin=0.9)) == 0.0
    faint = picture([1, 2, 3, 4], inside=0.25)
    assert recovered_fraction(LAYOUT, faint, margin=0.1) == 1.0
    assert recovered_fraction(LAYOUT, faint, margin=0.2) == 0.0


def test_neighbours_are_no_surroundings():
    pair = [Nucleus.create(key, Outline.ellipse((60.0, x), (10.0, 10.0))) for key, x in ((1, 50.0), (2, 71.0))]
    layout = Layout.from_nuclei(pair, (120, 120))
    concentrations = np.zeros((120, 120, 2))
    concentrations[..., 0] = np.where(layout.rasterize() > 0, 0.7, 0.1)
    assert recovered_nuclei(layout, combine_stains(concentrations)) == {1: True, 2: True}


def test_nuclei_of_which_nothing_can_be_said_are_left_out():
    dot = Nucleus.create(9, Outline.ellipse((60.0, 60.0), (1.0, 1.0)))
    assert 9 not in recovered_nuclei(LAYOUT.with_nuclei({9: dot}), picture([1]))
    with pytest.raises(EvaluationError, match="give one with nuclei"):
        recovered_fraction(Layout.empty((120, 120)), picture([]))


def test_a_picture_of_another_canvas_is_refused():
    with pytest.raises(EvaluationError, match="woven from it"):
        recovered_nuclei(LAYOUT, np.zeros((100, 120, 3), np.uint8))


@pytest.mark.realdata
def test_most_nuclei_of_real_tiles_are_recovered_and_hardly_those_of_another_place(shared_data: Path):
    import tifffile

    folder = shared_data / "tnbc_p01-08"
    for path in sorted((folder / "images").iterdir())[::11]:
        tile = np.asarray(Image.open(path).convert("RGB"))
        (labels,) = (folder / "labels").glob(f"{path.stem}.*")
        layout = Layout.from_label_map(np.asarray(tifffile.imread(labels), np.int32), 0.25)
        found = recovered_fraction(layout, tile)
        assert found > 0.75
        assert recovered_fraction(layout, np.ascontiguousarray(tile[::-1, ::-1])) < found - 0.25
