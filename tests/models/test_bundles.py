"""Bundles keep what they are given and refuse what they are not."""

from __future__ import annotations

import json
import pickle
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from histoloom.errors import BundleError, WriteError
from histoloom.models import (
    Bundle,
    BundleHeader,
    ConditionFacts,
    NamedLookFacts,
    TrainingSource,
    bundle_name,
    bundle_path,
    import_bundle,
    inspect_bundle,
    known_bundles,
    list_bundles,
    load_bundle,
    save_bundle,
    shipped,
)
from histoloom.tiles import NamedLook, StainSummary


def a_bundle(**changes):
    header = BundleHeader(
        **{
            "kind": "generator",
            "system": "pix2pix",
            "recipe": {"steps": 10},
            "condition": ConditionFacts(encoding="canny-labels", channels=1, settings={"sigma": 2.0}),
            "classes": ("nucleus", "tumor"),
            "pixel_size": 0.25,
            "normalization": "batch statistics",
            "training_data": (TrainingSource(name="some tiles", licence="CC BY 4.0", tiles=3),),
            **changes,
        }
    )
    weights = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((), np.float16)}
    return Bundle(header, weights)


def test_a_bundle_comes_back_as_it_was_saved(tmp_path):
    saved = save_bundle(a_bundle(), tmp_path / "g.safetensors")
    back = load_bundle(tmp_path / "g.safetensors", kind="generator", classes=["tumor"], pixel_size=0.25)
    assert back.header == saved == inspect_bundle(tmp_path / "g.safetensors")
    assert back.header.condition.settings == {"sigma": 2.0}
    for name, each in a_bundle().weights.items():
        np.testing.assert_array_equal(back.weights[name], each)
        assert back.weights[name].dtype == each.dtype


def test_the_header_is_one_json_string(tmp_path):
    path = tmp_path / "g.safetensors"
    save_bundle(a_bundle(), path)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    assert list(metadata) == ["histoloom"]
    assert json.loads(metadata["histoloom"])["schema_version"] == 1


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"kind": "segmenter"}, "holds a generator and not a segmenter"),
        ({"classes": ["nucleus", "blood"]}, "does not know the class 'blood'"),
        ({"pixel_size": 0.5}, "rescale the layout by 2"),
    ],
)
def test_a_bundle_for_something_else_is_refused_in_one_sentence(tmp_path, asked, sentence):
    save_bundle(a_bundle(), tmp_path / "g.safetensors")
    with pytest.raises(BundleError, match=sentence):
        load_bundle(tmp_path / "g.safetensors", **asked)


def test_a_newer_version_is_refused_and_named(tmp_path):
    path = tmp_path / "g.safetensors"
    header = json.dumps({"schema_version": 2, "histoloom_version": "9.1"})
    save_file({"a": np.ones(1, np.float32)}, path, metadata={"histoloom": header})
    with pytest.raises(BundleError, match=r"histoloom 9\.1; update"):
        load_bundle(path)


@pytest.mark.parametrize(
    "header", ["{", "[]", '{"schema_version": 1}', '{"schema_version": "x"}', '{"schema_version": true}']
)
def test_a_damaged_header_is_refused(tmp_path, header):
    path = tmp_path / "g.safetensors"
    save_file({"a": np.ones(1, np.float32)}, path, metadata={"histoloom": header})
    with pytest.raises(BundleError, match=r"header of 'g\.safetensors' is damaged"):
        inspect_bundle(path)


def test_changed_weights_are_found_by_their_hash(tmp_path):
    path = tmp_path / "g.safetensors"
    save_bundle(a_bundle(), path)
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="hash differs"):
        load_bundle(path)


@pytest.mark.parametrize("cut", [0, 4, 20, -3])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    path = tmp_path / "g.safetensors"
    save_bundle(a_bundle(), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BundleError):
        load_bundle(path)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    path = tmp_path / "g.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BundleError, match="not a bundle"):
        load_bundle(path)
    assert not (tmp_path / "exploded").exists()


def test_weights_of_other_programs_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"a": np.ones(1, np.float32)}, path)
    with pytest.raises(BundleError, match="not written by histoloom"):
        load_bundle(path)
    with pytest.raises(BundleError, match="There is no file"):
        load_bundle(tmp_path / "missing.safetensors")


def test_weights_that_are_not_numbers_are_not_saved(tmp_path):
    bundle = a_bundle()
    with pytest.raises(BundleError, match="not all finite"):
        save_bundle(Bundle(bundle.header, {"a": np.array([np.nan], np.float32)}), tmp_path / "g.safetensors")
    with pytest.raises(BundleError, match="ends in"):
        save_bundle(bundle, tmp_path / "g.pt")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_bundle(tmp_path, monkeypatch):
    path = tmp_path / "g.safetensors"
    save_bundle(a_bundle(), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        save_bundle(a_bundle(pixel_size=0.5), path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["g.safetensors"]


def test_a_list_names_whole_and_damaged_files(tmp_path):
    save_bundle(a_bundle(), tmp_path / "b.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    damaged, whole = list_bundles(tmp_path)
    assert "not a bundle" in damaged.problem
    assert whole.header.system == "pix2pix"
    assert list_bundles(tmp_path / "missing") == []
    assert [each.path.name for each in list_bundles(tmp_path, kind="segmenter")] == ["a.safetensors"]


def test_importing_copies_once_and_never_over_another(tmp_path):
    save_bundle(a_bundle(), tmp_path / "g.safetensors")
    own = tmp_path / "own"
    copy = import_bundle(tmp_path / "g.safetensors", own)
    assert copy.read_bytes() == (tmp_path / "g.safetensors").read_bytes()
    assert import_bundle(tmp_path / "g.safetensors", own) == copy
    np.testing.assert_array_equal(load_file(copy)["a.weight"], a_bundle().weights["a.weight"])
    save_bundle(a_bundle(pixel_size=0.5), tmp_path / "g.safetensors")
    with pytest.raises(BundleError, match="another bundle called"):
        import_bundle(tmp_path / "g.safetensors", own)


def test_a_name_that_a_shipped_bundle_has_is_refused_and_an_older_own_one_is_listed_with_its_path(
    tmp_path, monkeypatch
):
    coming, own = tmp_path / "shipped", tmp_path / "own"
    monkeypatch.setattr(shipped, "shipped_folder", lambda: coming)
    monkeypatch.setitem(shipped.SHIPPED, "house.safetensors", "0" * 64)
    monkeypatch.setenv("HISTOLOOM_MODELS", str(own))
    save_bundle(a_bundle(pixel_size=0.5), tmp_path / "house.safetensors")
    older = import_bundle(tmp_path / "house.safetensors")
    assert bundle_name(older) == "house"
    save_bundle(a_bundle(), coming / "house.safetensors")
    with pytest.raises(BundleError, match="comes with histoloom, which would hide this one; rename the file"):
        import_bundle(tmp_path / "house.safetensors")
    assert import_bundle(coming / "house.safetensors") == coming / "house.safetensors"
    assert bundle_path("house") == coming / "house.safetensors"
    assert [(each.path, bundle_name(each.path)) for each in known_bundles()] == [
        (coming / "house.safetensors", "house"),
        (older, "house (own)"),
    ]


def test_named_looks_come_back_from_a_header_and_old_headers_have_none(tmp_path):
    pixels = np.random.default_rng(0).integers(90, 200, (64, 64, 3), np.uint8)
    look = NamedLook.of("breast", StainSummary.of(pixels), [0.25, -1.0])
    save_bundle(a_bundle(looks=(NamedLookFacts.of(look),)), tmp_path / "g.safetensors")
    assert inspect_bundle(tmp_path / "g.safetensors").named_looks("g") == (look,)
    old = a_bundle().header.model_dump(mode="json")
    del old["looks"]
    assert BundleHeader.from_json(json.dumps(old), "g").looks == ()


def test_a_damaged_named_look_is_refused(tmp_path):
    save_bundle(a_bundle(looks=(NamedLookFacts(name="breast", stains={}),)), tmp_path / "g.safetensors")
    with pytest.raises(BundleError, match="its 'looks'"):
        inspect_bundle(tmp_path / "g.safetensors").named_looks("g.safetensors")
