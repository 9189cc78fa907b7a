"""Choosing the generator: the texture weaver, shipped bundles, one's own, and adding more of these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qtpy.QtCore import QMimeData, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from histoloom.errors import HistoloomError
from histoloom.generators.registry import (
    GeneratorChoice,
    default_generator,
    generator_choices,
    generator_named,
    import_generator,
)
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.look_chooser import narrow
from histoloom.gui.preferences import preferences
from histoloom.models import BUNDLE_SUFFIX

_ADD = "Add a bundle…"


class GeneratorChooser(QComboBox):
    """A list of all generators by their titles; its last entry adds a trained one from a file.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(str)
    """What `histoloom.generators.generator_named` takes, when another generator is chosen."""
    added = Signal(str)
    """The title of a bundle that was checked, copied and chosen."""
    problem = Signal(str)
    """One sentence, if a generator or file cannot be used."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._call = LatestCall(self)
        preferred = preferences().generator
        self._reference = preferred or default_generator()
        of_environment = bool(os.environ.get("HISTOLOOM_GENERATOR", "").strip())
        self._asked_by = (
            "your preferences name" if preferred else "HISTOLOOM_GENERATOR names" if of_environment else "was chosen"
        )
        self.refusal = ""
        """Why another generator was chosen than the one asked for, or nothing."""
        self.setToolTip(
            "What weaves: the texture weaver, or a trained network; drop a .safetensors file here to add it."
        )
        self.setAccessibleName("Generator")
        narrow(self)
        self.renew()
        self.currentIndexChanged.connect(self._on_index)
        self.activated.connect(self._on_activated)

    @property
    def reference(self) -> str:
        """The generator that is chosen, as `histoloom.generators.generator_named` takes it."""
        return self._reference

    def renew(self) -> None:
        """List the generators that are there now; the choice stays unless it cannot be used any more."""
        choices = generator_choices()
        if self._reference not in {each.reference for each in choices}:
            choices.append(_unlisted(self._reference))
        self.blockSignals(True)
        self.clear()
        for choice in choices:
            self.addItem(f"{choice.title} ⚠" if choice.problem else choice.title, choice.reference)
            self.setItemData(self.count() - 1, choice.problem or choice.reference, _TOOLTIP)
            self.setItemData(self.count() - 1, choice.problem, _PROBLEM)
        self.insertSeparator(self.count())
        self.addItem(_ADD)
        index = self.findData(self._reference)
        problem = self.itemData(index, _PROBLEM)
        # The first one, the texture weaver, needs no file that could be damaged.
        self.setCurrentIndex(0 if problem else index)
        self.blockSignals(False)
        if problem:
            self.refusal = (
                f"The texture weaver was chosen because the generator that {self._asked_by} cannot be used: {problem}"
            )
            self._reference = str(self.itemData(0))
            self.chosen.emit(self._reference)
            self.problem.emit(self.refusal)

    def choose(self, reference: str) -> None:
        """Choose a generator of the list; one that is not there is explained by `problem`."""
        index = self.findData(reference)
        if index < 0:
            self.renew()
            index = self.findData(reference)
        if index < 0:
            self.problem.emit(f"There is no generator called '{reference}'; choose one of the list.")
            return
        self.setCurrentIndex(index)

    def add_bundle(self, path: Path) -> None:
        """Check a bundle, copy it to one's own and choose it; reading it happens in the background."""
        self._call.start(lambda: import_generator(path), self._on_added, self._on_refused)

    def ask_for_bundle(self) -> None:
        """Ask for a bundle's file and add it."""
        name, _ = QFileDialog.getOpenFileName(self, "A trained generator", "", f"Bundles (*{BUNDLE_SUFFIX})")
        if name:
            self.add_bundle(Path(name))

    def cancel(self) -> None:
        """Forget the bundle that is being read."""
        self._call.cancel()

    def _on_added(self, reference: str) -> None:
        self.renew()
        self.choose(reference)
        self.added.emit(self.currentText())

    def _on_refused(self, error: Exception) -> None:
        self.problem.emit(str(error) if isinstance(error, HistoloomError) else f"The bundle cannot be added: {error}.")

    def _on_index(self, index: int) -> None:
        reference = self.itemData(index)
        if reference is None or reference == self._reference:
            return
        problem = self.itemData(index, _PROBLEM)
        if problem:
            self._go_back()
            self.problem.emit(problem)
            return
        self._reference = str(reference)
        self.chosen.emit(self._reference)

    def _on_activated(self, index: int) -> None:
        if self.itemText(index) == _ADD and self.itemData(index) is None:
            self._go_back()
            self.ask_for_bundle()

    def _go_back(self) -> None:
        self.setCurrentIndex(max(self.findData(self._reference), 0))


def _unlisted(reference: str) -> GeneratorChoice:
    """Return a generator that no list has: a bundle's file outside one's own folder, or one that is not there."""
    try:
        return GeneratorChoice(reference, generator_named(reference).title)
    except HistoloomError as error:
        return GeneratorChoice(reference, Path(reference).stem, str(error))


def dropped_bundles(data: QMimeData | None) -> list[Path]:
    """Return the bundles among files that are dragged."""
    urls: list[Any] = data.urls() if data is not None and data.hasUrls() else []
    paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
    return [path for path in paths if path.suffix == BUNDLE_SUFFIX]


_PROBLEM, _TOOLTIP = 0x0101, 3
"""Qt's roles: the first of ours (``UserRole + 1``), and the tooltip's."""
