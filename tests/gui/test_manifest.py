"""The manifest: everything in it is there, works, and is accepted by the napari versions that we promise."""

from __future__ import annotations

import inspect
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from npe2 import PluginManager, PluginManifest
from pytestqt.qtbot import QtBot

from histoloom.gui.preferences import DEVICES, PALETTES, Preferences
from histoloom.gui.readers import get_layout_reader, get_tile_reader
from histoloom.layouts.opening import LAYOUT_ENDINGS
from histoloom.tiles.reading import PICTURE_SUFFIXES

MANIFEST = PluginManifest.from_distribution("histoloom")
CONTRIBUTIONS = MANIFEST.contributions


@pytest.fixture
def plugins(monkeypatch) -> PluginManager:
    """A plugin manager that knows our manifest and no other, in the place of npe2's own."""
    manager = PluginManager()
    manager.register(MANIFEST)
    monkeypatch.setattr(PluginManager, "instance", lambda: manager)
    return manager


def written_contributions() -> dict[str, Any]:
    """The contributions as they are written, whatever this npe2 makes of them."""
    text = (files("histoloom") / "napari.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["contributions"]


def test_napari_shows_our_name_and_icon():
    assert MANIFEST.display_name == "histoloom"
    package, name = str(MANIFEST.icon).split(":")
    assert (files(package) / name).read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize("command", [each.id for each in CONTRIBUTIONS.commands])
def test_every_command_can_be_imported(command):
    found = next(each for each in CONTRIBUTIONS.commands if each.id == command)
    module, name = found.python_name.split(":")

    assert callable(getattr(__import__(module, fromlist=[name]), name))


def test_every_command_is_used_by_a_contribution():
    used = [each.command for each in (*CONTRIBUTIONS.readers, *CONTRIBUTIONS.writers, *CONTRIBUTIONS.widgets)]
    used += [each.command for each in CONTRIBUTIONS.sample_data]
    used += [item.command for items in CONTRIBUTIONS.menus.values() for item in items]

    assert {each.id for each in CONTRIBUTIONS.commands} == set(used)


def test_the_docks_take_the_viewer_by_its_name(plugins):
    widgets = {each.display_name: each for each in CONTRIBUTIONS.widgets}

    assert tuple(widgets) == (
        "Tiles", "Layout", "Structure", "Weave", "Train generator", "Train segmenter", "Train critic", "Compare",
        "Weights",
    )  # fmt: skip
    for each in widgets.values():
        parameters = list(inspect.signature(plugins.commands.get(each.command)).parameters)
        assert parameters[0] == "napari_viewer"


def test_readers_are_asked_for_the_files_that_they_know():
    layouts, tiles, bundles = CONTRIBUTIONS.readers

    assert {f"*{each}" for each in LAYOUT_ENDINGS} == set(layouts.filename_patterns)
    assert {f"*{each}" for each in PICTURE_SUFFIXES} == set(tiles.filename_patterns)
    assert bundles.filename_patterns == ["*.safetensors"]
    assert get_layout_reader("notes.txt") is None
    assert get_tile_reader("notes.txt") is None


def test_menus_are_those_that_napari_lets_plugins_add_to():
    constants = pytest.importorskip("napari._app_model.constants._menus")

    for menu in CONTRIBUTIONS.menus:
        assert constants.is_menu_contributable(menu), menu


def test_preferences_have_the_defaults_and_choices_of_the_code():
    configurations = written_contributions()["configurations"]
    weaving, canvas = configurations["weaving"]["properties"], configurations["canvas"]["properties"]
    defaults = Preferences()

    assert tuple(weaving["device"]["enum"]) == DEVICES
    assert tuple(canvas["palette"]["enum"]) == PALETTES
    assert weaving["device"]["default"] == defaults.device
    assert weaving["live_delay_ms"]["default"] == defaults.live_delay_ms
    assert canvas["palette"]["default"] == defaults.palette
    assert configurations["files"]["properties"]["cache_folder"]["default"] == ""


def test_nothing_in_the_manifest_is_refused_by_the_npe2_of_napari_0_7():
    # It forbids keys that it does not know in all but the contributions themselves, where `configurations` is ignored.
    contributions = written_contributions()
    known = {
        "readers": {"command", "filename_patterns", "accepts_directories"},
        "writers": {"command", "layer_types", "filename_extensions", "display_name"},
        "widgets": {"command", "display_name", "autogenerate"},
        "sample_data": {"command", "key", "display_name", "uri", "reader_plugin"},
    }

    for kind, keys in known.items():
        for each in contributions[kind]:
            assert set(each) <= keys


def test_the_embedded_sample_opens_through_the_manifest(plugins):
    sample = next(each for each in CONTRIBUTIONS.sample_data if each.key == "colon")
    ((pixels, options, kind),) = plugins.commands.execute(sample.command)

    assert kind == "image"
    assert pixels.shape == (512, 512, 3)
    assert "DAB" in options["name"]
    assert options["scale"] == (0.5, 0.5)


def test_the_public_sample_is_fetched_from_the_cache_of_the_preferences(plugins, tmp_path, monkeypatch):
    import histoloom.gui.sample_data as sample_data

    asked: list[tuple[str, Path | None]] = []
    monkeypatch.setattr(sample_data, "preferred_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(sample_data, "fetch_sample", lambda *words: asked.append(words) or tmp_path / "slide.svs")
    monkeypatch.setattr(sample_data, "read_tiles", lambda path: [path])
    sample = next(each for each in CONTRIBUTIONS.sample_data if each.key != "colon")

    assert plugins.commands.execute(sample.command) == [str(tmp_path / "slide.svs")]
    assert asked == [("CMU-1-Small-Region.svs", tmp_path)]


def test_the_docks_open_in_napari_through_the_manifest(make_napari_viewer, qtbot: QtBot):
    from histoloom.gui.menus import open_docks
    from histoloom.gui.opening import DOCKS

    viewer = make_napari_viewer()
    open_docks(viewer)

    assert {name for name in viewer.window.dock_widgets if "histoloom" in name} == {
        f"{each} (histoloom)" for each in DOCKS
    }
