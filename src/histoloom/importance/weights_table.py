"""Weights of a folder's tiles as a table, as `histoloom train segmenter` reads it beside the tiles."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from histoloom.errors import ImportanceError
from histoloom.writing import written_whole

Decision = Literal["", "keep", "down-weight", "reject"]
"""What a person decided about a tile; empty where nobody did."""

DECISIONS: tuple[Decision, ...] = ("keep", "down-weight", "reject")
"""What can be decided."""

LARGEST_WEIGHT = 1e6
"""A larger one is a slip or a critic that is certain; a training would follow that tile alone."""

_KEPT, _DOWN = 1.0, 0.2

COLUMNS = ("file", "weight", "probability_real", "raw_weight", "decision", "critic", "clip", "patient")

_NEEDED = ("file", "weight")


@dataclass(frozen=True)
class TileWeight:
    """How much a woven tile counts, and why.

    Parameters
    ----------
    file
        Its picture's name.
    weight
        How much it counts, from 0.
    probability_real
        What the critic says, in 0..1.
    raw_weight
        What follows from that, neither clipped nor decided by hand.
    decision
        What a person decided; that overrules the critic.
    patient
        Whose tissue it is woven after, where that is known.
    """

    file: str
    weight: float
    probability_real: float = math.nan
    raw_weight: float = math.nan
    decision: Decision = ""
    patient: str = ""

    def decided(self, decision: Decision, clipped: float | None = None) -> TileWeight:
        """Return the tile with a decision, and the weight that it gives.

        Parameters
        ----------
        decision
            Empty takes an earlier one back.
        clipped
            Its weight where nobody decides (default: the raw one, or where that is not known the one it has).
        """
        own = self.raw_weight if math.isfinite(self.raw_weight) else self.weight
        weight = decided_weight(own if clipped is None else clipped, decision)
        return replace(self, decision=decision, weight=weight)


@dataclass(frozen=True)
class WeighingFacts:
    """How all tiles of a table were weighed.

    Parameters
    ----------
    critic
        Name of the critic's bundle.
    weights_sha256
        Hash of its weights.
    clip
        `histoloom.importance.ClipRange.as_text`.
    """

    critic: str = ""
    weights_sha256: str = ""
    clip: str = "none"

    @property
    def critic_text(self) -> str:
        """The critic as the table names it: its name, and enough of the hash to tell it from others of that name."""
        return f"{self.critic} {self.weights_sha256[:12]}".strip()


def decided_weight(weight: float, decision: Decision) -> float:
    """Return how much a tile counts about which somebody decided.

    Parameters
    ----------
    weight
        What it counts where nobody decides.
    decision
        A tile that is kept counts at least as much as a real one, 1; one that is down-weighted at most 0.2, the least
        of the published range; one that is rejected nothing.

    Raises
    ------
    ImportanceError
        If nobody can decide so.
    """
    if decision not in ("", *DECISIONS):
        raise ImportanceError(f"The decision '{decision}' is unknown; choose keep, down-weight, reject or none.")
    if decision == "keep":
        return max(weight, _KEPT)
    if decision == "down-weight":
        return min(weight, _DOWN)
    return 0.0 if decision == "reject" else weight


def write_weights(path: str | Path, rows: Sequence[TileWeight], facts: WeighingFacts) -> None:
    """Write a table of weights, whole or not at all.

    Parameters
    ----------
    path
        The file; as ``weights.csv`` beside the tiles it is what `histoloom train segmenter` reads.
    rows
        One for each tile.
    facts
        How they were weighed.

    Raises
    ------
    ImportanceError
        If there are no tiles, two of one name, a weight that is no number in 0 to `LARGEST_WEIGHT`, or all tiles are
        rejected.
    WriteError
        If the file cannot be written.
    """
    check_rows(rows, Path(path).name)
    with written_whole(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for each in rows:
            numbers = [_written(number) for number in (each.weight, each.probability_real, each.raw_weight)]
            table.writerow([each.file, *numbers, each.decision, facts.critic_text, facts.clip, each.patient])


def check_rows(rows: Sequence[TileWeight], table: str) -> None:
    """Make sure that a training could use the weights; ``table`` is what errors call their file.

    Raises
    ------
    ImportanceError
        If there are no tiles, two of one name, a weight that is no number in 0 to `LARGEST_WEIGHT`, or all tiles are
        rejected.
    """
    if not rows:
        raise ImportanceError(f"There are no tiles to write into '{table}'; weigh some.")
    seen: set[str] = set()
    for each in rows:
        if each.file in seen:
            raise ImportanceError(f"'{table}' would have two rows for '{each.file}'; rename one of the tiles.")
        seen.add(each.file)
        if not (math.isfinite(each.weight) and each.weight >= 0):
            raise ImportanceError(
                f"The weight {each.weight:g} of '{each.file}' is no number from 0; clip the weights, or reject the "
                "tile."
            )
        if each.weight > LARGEST_WEIGHT:
            raise ImportanceError(
                f"The weight {each.weight:g} of '{each.file}' is above {LARGEST_WEIGHT:,.0f}, so a training would "
                "follow that tile alone; clip the weights, or reject the tile."
            )
    if not any(each.weight for each in rows):
        raise ImportanceError(
            f"All {len(rows)} tiles are rejected (all weights are 0), so '{table}' would leave nothing to learn from; "
            "keep some of them, or raise the lower end of the clip range."
        )


def read_weights(path: str | Path) -> list[TileWeight]:
    """Read a table of weights, also one with no columns but ``file`` and ``weight``.

    Raises
    ------
    ImportanceError
        If there is no such table, a column is missing, or a value is none of its column.
    """
    table = Path(path)
    if not table.is_file():
        raise ImportanceError(f"There is no table '{table.name}'; weigh the folder first.")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, found = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise ImportanceError(f"'{table.name}' cannot be read as a table; save it as comma-separated UTF-8.") from None
    if not set(_NEEDED).issubset(columns):
        raise ImportanceError(
            f"'{table.name}' has no columns 'file' and 'weight'; give it both, weigh the folder anew, or take "
            "the table away for equal weights."
        )
    return [_row({key: str(value or "").strip() for key, value in each.items()}, table.name) for each in found]


def rows_of(rows: Iterable[TileWeight], files: Sequence[str], table: str, folder: str) -> dict[str, TileWeight]:
    """Return the row of each of a folder's tiles.

    Parameters
    ----------
    rows
        Of a table.
    files
        The tiles' pictures; folders in front of names do not matter.
    table, folder
        What errors call table and folder.

    Raises
    ------
    ImportanceError
        If the table does not match the folder: a tile without a row, a row without a tile, or two rows for one.
    """
    wanted = {_name(each): each for each in files}
    found: dict[str, TileWeight] = {}
    for row in rows:
        file = wanted.get(_name(row.file))
        if file is None:
            raise ImportanceError(
                f"'{table}' has a row for '{row.file}', and there is no such tile in '{folder}'; weigh the folder "
                "anew, or take the row out."
            )
        if file in found:
            raise ImportanceError(f"'{table}' has two rows for '{row.file}'; take one out.")
        found[file] = row
    missing = [each for each in files if each not in found]
    if missing:
        raise ImportanceError(
            f"'{table}' has no row for the tile '{missing[0]}' of '{folder}'; weigh the folder anew, or take the table "
            "away for equal weights."
        )
    return found


def with_decisions(rows: Sequence[TileWeight], earlier: Iterable[TileWeight]) -> list[TileWeight]:
    """Return tiles that were weighed anew, with what was decided about them before."""
    decisions = {_name(each.file): each.decision for each in earlier if each.decision}
    return [each.decided(decisions.get(_name(each.file), ""), each.weight) for each in rows]


def _row(values: Mapping[str, str], table: str) -> TileWeight:
    file, decision = values.get("file", ""), values.get("decision", "")
    if decision not in ("", *DECISIONS):
        raise ImportanceError(
            f"The decision '{decision}' about '{file}' in '{table}' is unknown; write keep, down-weight, reject or "
            "nothing."
        )
    return TileWeight(
        file,
        _weight(values.get("weight", ""), file, table),
        _number(values.get("probability_real", ""), file, table),
        _number(values.get("raw_weight", ""), file, table),
        decision,
        values.get("patient", ""),
    )


def _weight(text: str, file: str, table: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise ImportanceError(
            f"The weight '{text}' of '{file}' in '{table}' is no number from 0; correct it, or give 0 to reject the "
            "tile."
        )
    if weight > LARGEST_WEIGHT:
        raise ImportanceError(
            f"The weight {weight:g} of '{file}' in '{table}' is above {LARGEST_WEIGHT:,.0f}, so a training would "
            "follow that tile alone; give a smaller one, or 0 to reject the tile."
        )
    return weight


def _number(text: str, file: str, table: str) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise ImportanceError(f"'{text}' in the row of '{file}' in '{table}' is no number; correct it.") from None


def _written(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.6g}"


def _name(file: str) -> str:
    return PurePosixPath(file.replace("\\", "/")).name
