"""Write docs/shortcuts.md from the program's own table of shortcuts."""

from __future__ import annotations

from pathlib import Path

from histoloom.gui.shortcuts import help_markdown

PAGE = Path(__file__).parent / "shortcuts.md"

INTRODUCTION = """\
# Shortcuts

The keys and gestures of the canvas. This page, the help beside the canvas and the key bindings are made from one table
in the program (`python docs/shortcuts_page.py` writes the page).
"""


def page() -> str:
    """Return the page as Markdown."""
    return f"{INTRODUCTION}\n{help_markdown().rstrip()}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
