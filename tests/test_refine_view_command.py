"""The view of a refiner shows before, after and difference, and says whether labels have moved."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from dark_segmenter import dark_segmenter
from histoloom.cli import main
from histoloom.errors import EvaluationError
from histoloom.evaluation.refinement import RefinementCheck, check_refinement, difference_picture
from histoloom.layouts import Layout, Nucleus, Outline, save_layout
from histoloom.segmenters.segmenter import Segmenter
from histoloom.tiles.samples import embedded_sample
from small_bundles import small_loom, small_refiner

PLACES = [(30.0, 30.0), (30.0, 80.0), (80.0, 50.0)]


def drawn(places=PLACES) -> Layout:
    nuclei = [Nucleus.create(key, Outline.ellipse(place, (10.0, 10.0))) for key, place in enumerate(places, 1)]
    return Layout.from_nuclei(nuclei, (112, 112), 0.25)


def picture_of(layout: Layout) -> np.ndarray:
    return np.where(layout.rasterize()[..., None] > 0, [70, 40, 110], [235, 200, 220]).astype(np.uint8)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return dark_segmenter(tmp_path_factory.mktemp("segmenter") / "dark.safetensors")


def test_a_picture_whose_nuclei_stay_is_told_from_one_whose_nuclei_move(segmenter):
    finder = Segmenter.load(segmenter)
    layout = drawn()
    before = picture_of(layout)
    stays = check_refinement(before, np.clip(before.astype(int) + 6, 0, 255).astype(np.uint8), layout, finder)
    assert stays.before["dice"] > 0.85
    assert stays.change == pytest.approx(6.0)
    assert "has not moved the labels" in stays.verdict
    moves = check_refinement(before, picture_of(drawn([(y + 8, x) for y, x in PLACES])), layout, finder)
    assert "has moved nuclei away from their labels" in moves.verdict
    assert "changes next to nothing" in check_refinement(before, before, layout, finder).verdict


def test_pictures_of_another_size_than_their_layout_are_refused(segmenter):
    before = picture_of(drawn())
    with pytest.raises(EvaluationError, match="give those that belong together"):
        check_refinement(before, before[:90], drawn(), Segmenter.load(segmenter))


def test_the_difference_is_grey_where_nothing_changes():
    before = np.full((2, 2, 3), 100, np.uint8)
    after = before.copy()
    after[0, 0] = (110, 90, 255)
    shown = difference_picture(before, after)
    assert shown[1, 1].tolist() == [128, 128, 128]
    assert shown[0, 0].tolist() == [168, 88, 255]


def test_scores_and_change_make_the_verdict():
    check = RefinementCheck({"dice": 0.8}, {"dice": 0.79}, 5.0)
    assert check.verdict == (
        "Refining changes 5.0 of 255 on average and has not moved the labels (Dice of found nuclei 0.800 before and "
        "0.790 after)."
    )


def test_the_line_writes_the_view_and_the_scores(segmenter, tmp_path, capsys):
    refiner = small_refiner(tmp_path / "refined.safetensors")
    layout = save_layout(drawn(), tmp_path / "layout.tif")
    Image.fromarray(embedded_sample().read()[:160, :160]).save(tmp_path / "look.png")
    line = ["refine-view", str(layout), "--look", str(tmp_path / "look.png"), "--segmenter", str(segmenter)]
    assert main([*line, "--generator", str(refiner), "-o", str(tmp_path / "view.png"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"before", "after", "change", "verdict"}
    with Image.open(tmp_path / "view.png") as view:
        assert view.width > 4 * 112
        assert view.info["Description"].startswith("synthetic")
    other = str(small_loom(tmp_path / "other.safetensors"))
    assert main([*line, "--generator", other, "-o", str(tmp_path / "none.png")]) != 0
    assert "is no refiner" in capsys.readouterr().err
    assert not (tmp_path / "none.png").exists()
