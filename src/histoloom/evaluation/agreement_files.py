"""What a comparison of truth and prediction found, as tables (CSV) and as JSON."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histoloom import __version__
from histoloom.evaluation.agreement import Agreement, AgreementError
from histoloom.evaluation.score_names import finite_or_null
from histoloom.evaluation.scores import Scores
from histoloom.writing import write_json, written_whole

_SIDES = {"missed": "truth", "split": "truth", "spurious": "prediction", "merged": "prediction"}
_ERROR_COLUMNS = ("kind", "side", "label", "y_px", "x_px", "y_um", "x_um", "area_px", "area_um2", "partners")


@dataclass(frozen=True, eq=False)
class AgreementReport:
    """One comparison.

    Parameters
    ----------
    truth, prediction
        What the two are called.
    agreement
        Objects and errors.
    scores
        All scores; see `histoloom.evaluation.score_labels`.
    pixel_size
        µm per pixel, or None where nothing says.
    notes
        Sentences for people about what was found.
    """

    truth: str
    prediction: str
    agreement: Agreement
    scores: Scores
    pixel_size: float | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; scores without a value, and infinite ones, are None."""
        return {
            "histoloom_version": __version__,
            "truth": self.truth,
            "prediction": self.prediction,
            "shape": list(self.agreement.map.shape),
            "pixel_size": self.pixel_size,
            "scores": finite_or_null(self.scores),
            "objects": dict(self.agreement.counts),
            "errors": [_error_row(each, self.pixel_size) for each in self.agreement.errors],
            "notes": list(self.notes),
        }


def error_side(error: AgreementError) -> str:
    """Return whose label an error gives: ``"truth"`` or ``"prediction"``."""
    return _SIDES[error.kind]


def save_agreement_json(report: AgreementReport, path: str | Path) -> Path:
    """Write scores, counts and errors as one JSON object; returns the file, which ends with ``.json``.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    target = _with_suffix(path, ".json")
    write_json(target, report.as_dict())
    return target


def save_scores_table(report: AgreementReport, path: str | Path) -> Path:
    """Write the scores as CSV with the columns ``class``, ``score`` and ``value``; returns the file, a ``.csv``.

    Scores of nuclei of whatever class have the class ``(all)``. A value that there is not is empty, and an infinite
    one ``inf``.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    return _write_table(path, ("class", "score", "value"), list(_score_rows(report.scores)))


def save_errors_table(report: AgreementReport, path: str | Path) -> Path:
    """Write the errors as CSV, one a line, from top to bottom; returns the file, which ends with ``.csv``.

    ``side`` says whether ``label`` is of the truth or the prediction; ``partners`` are labels of the other side.
    Columns in µm are empty where the pixel size is not known.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    rows = [_error_row(each, report.pixel_size) for each in report.agreement.errors]
    for row in rows:
        row["partners"] = " ".join(str(each) for each in row["partners"])
    return _write_table(path, _ERROR_COLUMNS, [[row[name] for name in _ERROR_COLUMNS] for row in rows])


def _score_rows(scores: Scores) -> Iterator[tuple[str, str, Any]]:
    for key, value in scores.items():
        if key != "classes":
            yield "(all)", key, _cell(value)
    for name, of_class in scores.get("classes", {}).items():
        for key, value in of_class.items():
            yield name, key, _cell(value)


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def _error_row(error: AgreementError, pixel_size: float | None) -> dict[str, Any]:
    y, x = error.centroid
    in_um: tuple[float | None, ...] = (None, None, None)
    if pixel_size is not None:
        in_um = (round(y * pixel_size, 3), round(x * pixel_size, 3), round(error.area * pixel_size**2, 3))
    return {
        "kind": error.kind,
        "side": error_side(error),
        "label": error.label,
        "y_px": round(y, 3),
        "x_px": round(x, 3),
        "y_um": in_um[0],
        "x_um": in_um[1],
        "area_px": error.area,
        "area_um2": in_um[2],
        "partners": list(error.partners),
    }


def _write_table(path: str | Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    target = _with_suffix(path, ".csv")
    with written_whole(target) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return target


def _with_suffix(path: str | Path, suffix: str) -> Path:
    target = Path(path)
    return target if target.suffix.lower() == suffix else target.with_name(f"{target.name}{suffix}")
