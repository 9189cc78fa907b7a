"""What ``histoloom info LAYOUT`` tells of a layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from histoloom.errors import LayoutError
from histoloom.layouts import Layout, open_layout


def layout_facts(path: Path) -> dict[str, Any]:
    """Return what a layout file holds, as JSON values.

    Raises
    ------
    LayoutError
        If it is missing, damaged, or no layout.
    """
    if not path.exists():
        raise LayoutError(f"'{path.name}' does not exist; check the name and the folder.")
    layout, notes = open_layout(path)
    counts = Counter(nucleus.class_name for nucleus in layout.nuclei.values())
    return {
        "layout": path.name,
        "canvas": list(layout.shape),
        "pixel_size": layout.pixel_size,
        "nuclei": len(layout.nuclei),
        "classes": dict(counts.most_common()),
        "tissue_map": _tissue_facts(layout),
        "notes": notes,
    }


def layout_lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts of a layout as lines for people."""
    height, width = facts["canvas"]
    classes = ", ".join(f"{name} {count:,}" for name, count in facts["classes"].items())
    lines = [
        f"{facts['layout']}: {height} x {width} pixels of {facts['pixel_size']:g} µm",
        f"  {facts['nuclei']:,} nuclei{f' ({classes})' if classes else ''}",
    ]
    tissue = facts["tissue_map"]
    if tissue is None:
        lines.append("  no tissue map; the generator decides what lies between the nuclei")
    else:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in tissue["shares"].items() if share > 0.0)
        lines.append(f"  tissue map in cells of {tissue['cell_size']} pixels: {shares}")
    return lines + [f"  {note}" for note in facts["notes"]]


def _tissue_facts(layout: Layout) -> dict[str, Any] | None:
    tissue = layout.tissue_map
    if tissue is None:
        return None
    shares = {name: round(share, 4) for name, share in tissue.shares().items()}
    return {"cell_size": tissue.cell_size, "shares": shares}
