"""The table of scores of one comparison."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from histoloom.evaluation.pixel_scores import BACKGROUND
from histoloom.evaluation.score_names import CLASS_SCORES, SCORE_GROUPS, score_words
from histoloom.evaluation.scores import Scores
from histoloom.layouts.classes import DEFAULT_CLASS

_WAITING = "…"
_MIDDLE = Qt.AlignmentFlag.AlignVCenter


class ScoreTable(QTableWidget):
    """Scores in groups, and those of each class where truth and prediction have classes.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self.setHorizontalHeaderLabels(["Score", "Value"])
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
        self.setShowGrid(False)
        self.setAccessibleName("Scores")
        self.setMinimumHeight(180)
        self._keys: list[tuple[str, str]] = []

    def show_scores(self, scores: Scores | None) -> None:
        """Show scores, or none; rows stay where they are if they are the same."""
        rows = [] if scores is None else _rows(scores)
        if [key for key, _, _ in rows] != self._keys:
            self._lay_out(rows)
        for row, (_, _, value) in enumerate(rows):
            self.item(row, 1).setText(value)

    def value(self, key: str, class_name: str = "") -> str:
        """Return what is shown for a score, of a class or of all nuclei; an empty str where it is not."""
        place = (class_name, key)
        return str(self.item(self._keys.index(place), 1).text()) if place in self._keys else ""

    def _lay_out(self, rows: list[tuple[tuple[str, str], str, str]]) -> None:
        self._keys = [key for key, _, _ in rows]
        self.clearSpans()
        self.setRowCount(len(rows))
        for row, ((_, key), title, _) in enumerate(rows):
            name, number = QTableWidgetItem(title), QTableWidgetItem()
            if key:
                name.setText(f"  {title}")
                name.setToolTip(f"'{key}' in exports and in Python; the documentation's page on scores defines it.")
                number.setTextAlignment(Qt.AlignmentFlag.AlignRight | _MIDDLE)
            else:
                font = QFont(name.font())
                font.setBold(True)
                name.setFont(font)
            self.setItem(row, 0, name)
            self.setItem(row, 1, number)
            if not key:
                self.setSpan(row, 0, 1, 2)


def _rows(scores: Scores) -> list[tuple[tuple[str, str], str, str]]:
    """Return (class and key, title, value) of each line; headings have no key."""
    classes = {name: each for name, each in scores["classes"].items() if name != BACKGROUND}
    by_class = bool(set(classes) - {DEFAULT_CLASS})
    rows: list[tuple[tuple[str, str], str, str]] = []
    for heading, group in SCORE_GROUPS:
        rows.append(((heading, ""), heading, ""))
        for key, title in group:
            # Layers of labels have no probabilities.
            if (key == "mpq_plus" and not by_class) or key == "auroc":
                continue
            value = score_words(key, scores[key]) if key in scores else _WAITING
            rows.append((("", key), title, value))
    for name, of_class in classes.items() if by_class else ():
        rows.append(((name, ""), f"Class {name}", ""))
        rows += [((name, key), title, score_words(key, of_class.get(key))) for key, title in CLASS_SCORES]
    return rows
