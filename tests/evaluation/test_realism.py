"""Realism of folders: what blur and stain do to it, groups, other pixel sizes, and what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from histoloom.errors import EvaluationError, Stopped, TileError
from histoloom.evaluation import patch_similarity
from histoloom.evaluation.feature_extractors import SegmenterFeatures
from histoloom.evaluation.judges import Judge, what_judge_knows
from histoloom.evaluation.patches import cut_patches
from histoloom.evaluation.realism import measure_realism
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.models import TrainingSource
from histoloom.segmenters.segmenter import Segmenter
from histoloom.training.data import read_training_data
from realism_folders import drawn, save_segmenter, write_folder


@pytest.fixture(autouse=True, scope="module")
def little_work() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patch_similarity, "MOST_PAIRS", 20)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return Segmenter.load(save_segmenter(tmp_path_factory.mktemp("bundles") / "dark.safetensors"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("real") / "real", range(6), patients=3)


def measured(real, woven, segmenter, *, labels=False, **options):
    return measure_realism(
        real, woven, SegmenterFeatures(segmenter), segmenter if labels else None, **{"patch_side": 64, **options}
    )


def blurred(picture):
    return cv2.GaussianBlur(picture, (0, 0), 2.0)


def stained(picture):
    return (255 * (picture / 255.0) ** 1.6).astype(np.uint8)


def test_a_folder_against_itself_is_at_no_distance_and_blur_and_stain_are_at_one(real, segmenter, tmp_path):
    itself = measured(real, real, segmenter)
    others = measured(real, write_folder(tmp_path / "others", range(10, 16)), segmenter)
    blur = measured(real, write_folder(tmp_path / "blur", range(10, 16), blurred), segmenter)
    stain = measured(real, write_folder(tmp_path / "stain", range(10, 16), stained), segmenter)
    assert itself.patches == {"real": 24, "woven": 24}
    assert itself.kid.value <= 0
    assert abs(itself.kid.value) < 1e-3
    assert abs(others.kid.value) < 1e-3 < min(blur.kid.low, stain.kid.low)
    assert itself.color_drift.hematoxylin_shift == itself.color_drift.optical_density_shift == 0
    assert stain.color_drift.optical_density_shift > 10 * others.color_drift.optical_density_shift
    assert stain.mean_color_drift["eosin_shift"] > 5 * stain.mean_real_color_drift["eosin_shift"]
    for each in (blur, stain):
        assert each.fid.n == 12
        assert each.fid.value > 3 * each.fid.real_twin
        assert each.fid.value > 3 * others.fid.value
    assert blur.ms_ssim["between_woven"] > blur.ms_ssim["between_real"]


def test_the_same_seed_gives_the_same_numbers(real, segmenter):
    first, second = (json.dumps(measured(real, real, segmenter).as_dict()) for _ in range(2))
    assert first == second


def test_weaves_of_the_real_layouts_are_of_their_patients_and_organs(real, segmenter, tmp_path):
    woven = write_folder(tmp_path / "woven", range(4), ending="_seed1")
    write_folder(tmp_path / "more", range(4), blurred, ending="_seed2")
    for part in ("images", "labels"):
        for each in (tmp_path / "more" / part).iterdir():
            each.rename(woven / part / each.name)
    found = measured(real, woven, segmenter, labels=True)
    assert set(found.per_patient) == {"p0", "p1", "p2"}
    assert set(found.per_organ) == {"breast", "colon"}
    assert found.per_patient["p0"].woven_patches == 16
    assert found.per_patient["p0"].real_patches == 8
    assert found.per_image["t0_seed2"].kid > found.per_image["t0_seed1"].kid
    assert found.kid_blocks == found.kid_between_real_by == "patients"
    assert found.kid_between_real_pairs == 3
    assert 0.5 < found.ms_ssim["to_real"] < 1
    assert 0 < found.ms_ssim["between_weaves_of_one_layout"] < 1
    assert found.ms_ssim["to_real"] > found.ms_ssim["between_woven"]


def test_faithfulness_says_whether_the_nuclei_of_the_layouts_are_there(real, segmenter, tmp_path):
    woven = write_folder(tmp_path / "woven", (10, 11))
    # The tile of another layout does not show this one's nuclei.
    (woven / "images" / "t11.png").write_bytes((real / "images" / "t0.png").read_bytes())
    found = measured(real, woven, segmenter, labels=True)
    faithful, other = (found.per_image[name].faithfulness for name in ("t10", "t11"))
    assert faithful["dice"] > 0.95
    assert faithful["aji"] > 0.9
    assert other["dice"] < 0.8
    assert other["aji"] < found.faithfulness.pooled["aji"] < faithful["aji"]
    assert found.faithfulness.mean_over_images["dice"] == pytest.approx((faithful["dice"] + other["dice"]) / 2)
    assert found.real_faithfulness.pooled["dice"] > 0.9
    assert found.segmenter.name == "dark.safetensors"
    assert set(found.as_dict()["real_against_real"]["faithfulness"]) >= {"dice", "aji", "pq"}


def test_without_layouts_faithfulness_is_left_out_and_that_is_said(real, segmenter, tmp_path):
    steps = []
    found = measured(
        real,
        write_folder(tmp_path / "bare", (10, 11), labels=False),
        segmenter,
        labels=True,
        on_step=lambda *step: steps.append(step),
    )
    assert found.faithfulness is found.real_faithfulness is found.segmenter is None
    assert "The tiles of 'bare' have no layouts, so label faithfulness is left out." in found.notes
    assert ("Cutting patches of 'bare'", 2, 2) in steps
    assert not any("Segmenting" in step for step, _, _ in steps)


def test_tiles_of_another_pixel_size_are_rescaled_and_that_is_said(real, segmenter, tmp_path):
    def halved(picture):
        return cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)

    coarse = write_folder(tmp_path / "coarse", range(6), halved, pixel_size=0.5, labels=False)
    found = measured(real, coarse, segmenter)
    assert found.patches == {"real": 24, "woven": 24}
    assert "Patches of 'coarse' were rescaled from 0.5 to 0.25 µm per pixel." in found.notes
    assert found.ms_ssim["to_real"] > 0.9
    far = write_folder(tmp_path / "far", range(2), pixel_size=2.0)
    with pytest.raises(EvaluationError, match=r"'t0' has 2 µm per pixel and patches 0\.25, too far apart"):
        measured(real, far, segmenter)


def test_few_patients_give_an_interval_from_less_and_a_note(real, segmenter, tmp_path):
    one = write_folder(tmp_path / "one", (10,))
    found = measured(real, one, segmenter)
    assert found.kid_blocks == "patches"
    assert np.isfinite([found.kid.low, found.kid.high]).all()
    assert any("drawn from patches, and is too narrow" in note for note in found.notes)
    weaves = write_folder(tmp_path / "weaves", (10,), ending="_seed1")
    picture = (weaves / "images" / "t10_seed1.png").read_bytes()
    (weaves / "images" / "t10_seed2.png").write_bytes(picture)
    found = measured(real, weaves, segmenter)
    assert found.kid_blocks == "tiles"
    assert found.ms_ssim["between_weaves_of_one_layout"] == 1
    assert np.isnan(found.ms_ssim["between_woven"])


def test_folders_that_give_too_little_are_answered_with_a_sentence(real, segmenter, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TileError, match="The folder 'empty' holds no tiles"):
        measured(real, tmp_path / "empty", segmenter)
    small = write_folder(tmp_path / "small", (0, 1), side=32)
    with pytest.raises(EvaluationError, match="'small' gives no patches of 16 µm, and two are needed"):
        measured(real, small, segmenter)
    single = write_folder(tmp_path / "single", (0,), side=64)
    with pytest.raises(EvaluationError, match="'single' gives 1 patch of 16 µm, and two are needed"):
        measured(real, single, segmenter)
    with pytest.raises(EvaluationError, match="Patches of 16 pixels a side are too small"):
        measured(real, real, segmenter, patch_side=16)
    two = measured(real, write_folder(tmp_path / "two", (0, 1), side=64), segmenter)
    assert two.patches["woven"] == 2
    assert two.fid.n == 2
    assert np.isnan(two.per_image["t0"].kid)
    damaged = write_folder(tmp_path / "damaged", (0, 1))
    (damaged / "images" / "t1.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(TileError, match="'t1'"):
        measured(real, damaged, segmenter)


def test_white_tiles_have_no_drift_and_no_error(real, segmenter, tmp_path):
    white = write_folder(tmp_path / "white", (0, 1), lambda picture: np.full_like(picture, 255))
    found = measured(real, white, segmenter)
    assert found.color_drift is None
    assert np.isnan(found.mean_color_drift["eosin_shift"])
    assert found.kid.low > 0


def test_measuring_stops_when_asked(real, segmenter):
    def stop(_step, _done, _count):
        raise Stopped("Stopped.")

    with pytest.raises(Stopped):
        measured(real, real, segmenter, on_step=stop)


def test_many_patches_are_thinned_alike_in_tiles_of_one_size(tmp_path):
    folder = open_tile_folder(write_folder(tmp_path / "tiles", (0, 1)))
    tiles, notes = cut_patches(folder, 32, 0.25, most=10)
    assert [len(each.places) for each in tiles] == [5, 5]
    assert tiles[0].places == tiles[1].places
    assert notes == ["10 of the 32 patches of 'tiles' are compared."]
    (row, column), pixels = tiles[1].places[0], tiles[1].pixels[0]
    assert (pixels == drawn(1)[0][32 * row : 32 * row + 32, 32 * column : 32 * column + 32]).all()
    all_tiles, _ = cut_patches(folder, 32, 0.25)
    assert all_tiles[0].places[:5] == tiles[0].places


def test_who_judges_says_what_it_was_trained_on_and_warns_of_these_very_tiles(real, tmp_path):
    folder = open_tile_folder(real)
    sources = read_training_data(real, pixel_size=0.5, licence="CC0").sources

    def known(*sources):
        return what_judge_knows(Judge("judge", "", sources), [folder])

    said = known(*sources)
    assert said[0] == "'judge' was trained on 'real' (6 tiles, 2 of them only validated on, licence CC0)."
    assert said[1].startswith("Warning: 'judge' was trained on the tiles of 'real' themselves")
    assert "tiles of 'real' themselves" in known(sources[0].model_copy(update={"name": "elsewhere"}))[1]
    namesake = TrainingSource(name="real", licence="CC0", tiles=5, sha256="0" * 64)
    assert "trained on tiles called 'real', too" in known(namesake)[1]
    assert len(known(TrainingSource(name="other", tiles=6, sha256="0" * 64))) == 1
    assert "does not say what it was trained on" in known()[0]
    judge = Segmenter.load(save_segmenter(tmp_path / "judge.safetensors", training_data=sources))
    found = measured(real, real, judge)
    assert "tiles of 'real' themselves" in found.notes[1]
    assert found.as_dict()["extractor"]["training_data"][0]["licence"] == "CC0"
