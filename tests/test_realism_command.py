"""``histoloom realism``: what it prints, and the sentence that answers each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from histoloom.cli import main
from histoloom.evaluation import patch_similarity
from histoloom.evaluation.feature_extractors import SegmenterFeatures
from histoloom.evaluation.realism import measure_realism
from histoloom.segmenters.segmenter import Segmenter
from realism_folders import save_segmenter, write_folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_folder(tmp_path / "real", range(4), patients=2)
    write_folder(tmp_path / "woven", range(4), ending="_seed1")
    save_segmenter(tmp_path / "dark.safetensors")
    monkeypatch.setattr(patch_similarity, "MOST_PAIRS", 20)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_gives_what_the_library_gives(folder, capsys):
    line = ["realism", "real", "woven", "--extractor", "dark.safetensors", "--patch-side", "64", "--json"]
    assert main(line) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    segmenter = Segmenter.load("dark.safetensors")
    wanted = measure_realism("real", "woven", SegmenterFeatures(segmenter), segmenter, patch_side=64).as_dict()
    for key in ("kid", "kid_interval", "fid", "color_drift", "faithfulness"):
        assert found["pooled"][key] == wanted["pooled"][key], key
    assert set(found["per_image"]) == {f"t{index}_seed1" for index in range(4)}
    assert set(found["per_patient"]) == {"p0", "p1"}
    assert found["pooled"]["ms_ssim"]["between_weaves_of_one_layout"] is None
    assert "'dark.safetensors' does not say what it was trained on" in said.err


def test_tables_name_every_measure_and_group(folder, capsys):
    assert main(["realism", "real", "woven", "--extractor", "dark.safetensors", "--patch-side", "64"]) == 0
    said = capsys.readouterr().out
    for words in ("KID", "FID at n = 8", "MS-SSIM to the real tile", "eosin shift", "label faithfulness, pooled"):
        assert words in said
    for words in ("patient", "organ", "image", "p1", "breast", "t3_seed1"):
        assert words in said
    line = ["realism", "real", "woven", "--extractor", "dark.safetensors", "--patch-side", "64", "--no-faithfulness"]
    assert main(line) == 0
    assert "faithfulness" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["gone", "woven"], "The folder 'gone' does not exist"),
        (["real", "dark.safetensors"], "is a file and not a folder"),
        (["real", "woven", "--extractor", "gone.safetensors"], "no file 'gone.safetensors'"),
        (["real", "woven", "--extractor", "dark.safetensors", "--segmenter", "gone"], "no segmenter called 'gone'"),
        (["real", "woven", "--extractor", "dark.safetensors", "--patch-side", "8"], "Patches of 8 pixels"),
        (["real", "woven", "--extractor", "dark.safetensors", "--seed", "-1"], "The seed -1 is negative"),
        (["real", "woven", "--real-pixel-size", "0"], "A pixel size of 0 µm is not possible"),
    ],
)
def test_what_cannot_be_measured_is_answered_with_a_sentence(folder, capsys, line, sentence):
    assert main(["realism", *line]) == 1
    assert sentence in capsys.readouterr().err


def test_without_a_shipped_segmenter_an_extractor_is_asked_for(folder, capsys, monkeypatch):
    monkeypatch.setattr("histoloom.models.bundle_path", lambda _name: None)
    assert main(["realism", "real", "woven"]) == 1
    assert "give another one with --extractor" in capsys.readouterr().err
