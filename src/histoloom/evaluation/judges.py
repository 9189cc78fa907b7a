"""Who judges woven tiles: a network by its name, and whether it has seen before what it judges by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from histoloom.layouts.tile_folders import TileFolder
from histoloom.models import TrainingSource


@dataclass(frozen=True)
class Judge:
    """A network that judges.

    Parameters
    ----------
    name
        What sentences call it.
    weights_sha256
        Hash of its weights.
    training_data
        What it was trained on, or nothing where nobody knows.
    """

    name: str
    weights_sha256: str
    training_data: tuple[TrainingSource, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "weights_sha256": self.weights_sha256,
            "training_data": [each.model_dump() for each in self.training_data],
        }


def what_judge_knows(judge: Judge, folders: Iterable[TileFolder]) -> list[str]:
    """Return sentences about what a judge was trained on, and warnings where that is among the tiles it judges.

    Bundles keep one hash for each folder of tiles and labels that they were trained on, so that a folder is known again
    if it holds all of these tiles and no other labelled ones. Part of a folder, or tiles in other files, are not known
    again; a folder of the same name is mentioned.

    Parameters
    ----------
    judge
        The network.
    folders
        What it judges, or judges by.

    Raises
    ------
    TileError, LayoutError
        If a tile whose hash is needed is damaged.
    """
    if not judge.training_data:
        return [
            f"'{judge.name}' does not say what it was trained on, so nobody can tell whether these tiles were among it."
        ]
    listed = ", ".join(_said(each) for each in judge.training_data)
    sentences = [f"'{judge.name}' was trained on {listed}."]
    for folder in folders:
        labelled = sum(pair.labels is not None for pair in folder.pairs)
        # Hashing reads every tile, and a folder of another number of tiles cannot be the same.
        candidates = {each.sha256 for each in judge.training_data if each.sha256 and each.tiles == labelled}
        if candidates and folder.content_sha256() in candidates:
            sentences.append(
                f"Warning: '{judge.name}' was trained on the tiles of '{folder.path.name}' themselves, and flatters "
                "what is like them; give one that was trained on other patients."
            )
        elif folder.path.name in {each.name for each in judge.training_data}:
            sentences.append(
                f"Warning: '{judge.name}' was trained on tiles called '{folder.path.name}', too; make sure that "
                "these are of other patients."
            )
    return sentences


def _said(source: TrainingSource) -> str:
    tiles = "1 tile" if source.tiles == 1 else f"{source.tiles:,} tiles"
    held_out = f", {source.validation_tiles:,} of them only validated on" if source.validation_tiles else ""
    return f"'{source.name}' ({tiles}{held_out}, licence {source.licence})"
