"""Examples of woven tiles with the outlines that they were woven from, as in figure 8 of Hou et al. (2019)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from histoloom.errors import TrainingError
from histoloom.studies.outlined_pictures import outlined
from histoloom.studies.picture_sheet import save_picture_sheet
from histoloom.training.data import LabelledPicture


def save_woven_examples(
    pictures: Sequence[LabelledPicture],
    titles: Sequence[str],
    path: Path,
    caption: str = "",
    refined: Sequence[LabelledPicture] = (),
) -> None:
    """Write woven tiles as PNG, beneath each the same with the outlines of its nuclei.

    Parameters
    ----------
    pictures
        Woven tiles of one size, with their nuclei.
    titles
        Of each, such as the tissue whose look it has.
    path
        The file.
    caption
        Lines beneath, or nothing.
    refined
        The same tiles refined, which are then shown with outlines; or none.

    Raises
    ------
    TrainingError
        If there are no woven tiles.
    WriteError
        If it cannot be written.
    """
    if not pictures:
        raise TrainingError("There are no woven tiles to show; weave some first.")
    rows = {"woven": [each.image for each in pictures]}
    if refined:
        rows["refined"] = [each.image for each in refined]
    rows["with its\nnuclei"] = [outlined(each.image, each.label_map) for each in refined or pictures]
    save_picture_sheet(titles, list(rows.values()), path, "synthetic tiles with their layouts", caption, list(rows))
