"""What the documentation says is what the program does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("page", ["README.md", "docs/scripting.md"])
def test_the_python_example_runs_as_it_stands(page, tmp_path, monkeypatch):
    from PIL import Image

    from histoloom.tiles.samples import embedded_sample

    Image.fromarray(embedded_sample().read()).save(tmp_path / "tile.png")
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    names = runpy.run_path("example.py")

    assert names["image"].shape == (512, 512, 3)
    assert names["layout"].nuclei


def test_the_page_of_shortcuts_is_that_of_the_program():
    script = runpy.run_path(str(ROOT / "docs" / "shortcuts_page.py"))

    assert script["PAGE"].read_text(encoding="utf-8") == script["page"](), "run docs/shortcuts_page.py"


def test_pictures_that_are_shown_are_there_and_pictures_that_are_there_are_shown():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {
        (page.parent / target).resolve()
        for page in pages
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target
    }

    assert shown == {each.resolve() for each in (ROOT / "docs" / "images").iterdir()}


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [each.relative_to(ROOT / "docs").as_posix() for each in (ROOT / "docs").rglob("*.md")]

    assert [page for page in pages if page not in navigation] == []
