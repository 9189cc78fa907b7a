"""How many of the tiles that a training has woven for itself are there, as its folder tells."""

from __future__ import annotations

import json
from pathlib import Path

from histoloom.runs import RECIPE, START, WOVEN


def woven_so_far(run: Path) -> tuple[int, int]:
    """Return how many tiles a run has woven, and how many its recipe asks for; 0 and 0 where it weaves none.

    Parameters
    ----------
    run
        The run's folder. Its tiles lie in one folder, or in one for each part of a critic's.
    """
    path = run / RECIPE if (run / RECIPE).is_file() else run / START / RECIPE
    try:
        wanted = json.loads(path.read_text(encoding="utf-8")).get("weave", 0)
    except (OSError, ValueError, AttributeError):
        return 0, 0
    if not isinstance(wanted, int) or wanted < 1:
        return 0, 0
    folder = run / START / WOVEN
    # A tile that is being written lies in a hidden folder until it is whole.
    pictures = [*folder.glob("*.png"), *folder.glob("[!.]*/*.png")]
    return min(len(pictures), wanted), wanted
