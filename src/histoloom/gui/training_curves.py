"""Curves of a training: losses, scores of what it finds, and figures of what it weaves, over its steps."""

from __future__ import annotations

from html import escape
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from histoloom.jobs.training_series import Group, TrainingSeries

_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Okabe and Ito's, which colour-blind people can tell apart."""

_HEIGHT = 150


class TrainingCurves(QWidget):
    """Losses on training crops (drawn through) and held-out crops (dashed), then scores, diversity and colour.

    Of scores, the best one is marked: what a segmenter's training hands out are the weights that had it.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.losses = _Plot("Losses", ("training", "held-out"))
        self.scores = _Plot("Scores of held-out crops", ("score",), marks_best=True)
        self.diversity = _Plot("Diversity", ("diversity",))
        self.colour = _Plot("Colour drift", ("colour",))
        self.logarithmic = QCheckBox("Logarithmic losses")
        self.logarithmic.toggled.connect(self.losses.set_logarithmic)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.losses)
        column.addWidget(self.logarithmic)
        column.addWidget(self.scores)
        column.addWidget(self.diversity)
        column.addWidget(self.colour)
        self.show_series(TrainingSeries())

    def show_series(self, series: TrainingSeries) -> None:
        """Show all curves as they are now."""
        self.losses.show_series(series)
        for plot, group in self._figures():
            plot.show_series(series)
            plot.setVisible(bool(series.curves(group)))

    def _figures(self) -> tuple[tuple[_Plot, Group], ...]:
        return (self.scores, "score"), (self.diversity, "diversity"), (self.colour, "colour")


class _Plot(QWidget):
    """One plot with the latest values in words beneath it.

    Parameters
    ----------
    title
        What screen readers call it.
    groups
        Whose curves are drawn; those of the second one dashed.
    marks_best
        Whether each curve's highest point is marked.
    """

    def __init__(self, title: str, groups: tuple[Group, ...], *, marks_best: bool = False) -> None:
        super().__init__()
        import pyqtgraph

        self._pyqtgraph = pyqtgraph
        self._groups = groups
        self._title = title
        self._best = pyqtgraph.ScatterPlotItem(symbol="star", size=13, pen=None) if marks_best else None
        self.lines: dict[tuple[Group, str], Any] = {}
        self.plot = pyqtgraph.PlotWidget(background=None)
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setLabel("bottom", "step")
        self.plot.getPlotItem().getAxis("left").setWidth(44)
        if self._best is not None:
            self._best.setZValue(1)
            self.plot.addItem(self._best)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(QLabel(f"<b>{title}</b>"))
        column.addWidget(self.plot)
        column.addWidget(self.words)

    @property
    def text(self) -> str:
        """The latest values in plain words."""
        return str(self.plot.accessibleName())

    def set_logarithmic(self, logarithmic: bool) -> None:
        """Draw values on a logarithmic scale, or a linear one."""
        self.plot.setLogMode(x=False, y=logarithmic)

    def show_series(self, series: TrainingSeries) -> None:
        """Draw the curves as they are now; those that are gone go."""
        drawn: dict[tuple[Group, str], Any] = {}
        colored, plain, best = [], [], []
        names = list(dict.fromkeys(name for group in self._groups for name in series.curves(group)))
        for group in self._groups:
            for name, curve in series.curves(group).items():
                if not curve.steps:
                    continue
                color = _COLORS[names.index(name) % len(_COLORS)]
                is_dashed = group == "held-out"
                line = self.lines.pop((group, name), None) or self._line(color, is_dashed=is_dashed)
                # A line of one point would not be seen.
                symbol = "o" if len(curve.steps) == 1 else None
                line.setData(curve.steps, curve.values, symbol=symbol, symbolBrush=color)
                drawn[group, name] = line
                shown = f"{name}{' (held out)' if is_dashed else ''} {curve.values[-1]:.4g}"
                if self._best is not None and curve.best is not None:
                    best.append({"pos": curve.best, "brush": color})
                    shown += f", best {curve.best[1]:.4g} at step {curve.best[0]:,}"
                colored.append(
                    f'<span style="color: {color};">{"┅" if is_dashed else "━"}</span>&nbsp;{_unbroken(shown)}'
                )
                plain.append(shown)
        for line in self.lines.values():
            self.plot.removeItem(line)
        self.lines = drawn
        if self._best is not None:
            self._best.setData(best)
        self.words.setText(" &nbsp;".join(colored) or "Nothing yet.")
        self.plot.setAccessibleName(f"{self._title}: {', '.join(plain) or 'nothing yet'}")

    def _line(self, color: str, *, is_dashed: bool) -> Any:
        style = Qt.PenStyle.DashLine if is_dashed else Qt.PenStyle.SolidLine
        return self.plot.plot([], [], pen=self._pyqtgraph.mkPen(color, width=1.5, style=style))


def _unbroken(text: str) -> str:
    return escape(text).replace(" ", "&nbsp;")
