"""Choosing the critic: those that come along, one's own, and any other bundle."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from histoloom.errors import HistoloomError
from histoloom.gui.look_chooser import narrow
from histoloom.models import BUNDLE_SUFFIX, BundleHeader, bundle_name, inspect_bundle, known_bundles
from histoloom.runs import BUNDLE

_NONE = "(no critic)"
_FILE = "A bundle's file…"
_HOUSE_CRITIC = "critic"

Critic = tuple[Path, BundleHeader]
"""A critic's file and its header."""


class CriticChooser(QComboBox):
    """A list of the discriminators that are known, and any other by its file.

    Parameters
    ----------
    parent
        Qt parent.
    """

    chosen = Signal(object)
    """A `Critic`, or None."""
    problem = Signal(str)
    """One sentence, if a file cannot be used."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._own: list[Critic] = []
        self._critics: list[Critic] = []
        self.critic: Critic | None = None
        self.setAccessibleName("Critic")
        self.setToolTip(
            "The discriminator that says how real the tissue looks; 'Train a critic…' makes one of your own."
        )
        narrow(self)
        self.activated.connect(self._on_activated)
        self.renew()

    def renew(self) -> None:
        """List the critics that are there now; where none is chosen, the one that comes along is."""
        entries = known_bundles("discriminator")
        known = [(each.path, each.header) for each in entries if each.header is not None and each.header.judges]
        self._critics = [*sorted(known, key=lambda each: each[0].stem != _HOUSE_CRITIC), *self._own]
        if self.critic is not None and self.critic[0] not in {each[0] for each in self._critics}:
            # Its file may have gone; it stays chosen until somebody chooses another.
            self._critics.append(self.critic)
        if self.critic is None and self._critics:
            self.critic = self._critics[0]
        self._fill()

    def choose(self, critic: Critic | None) -> None:
        """Choose a critic, as a click does."""
        self.critic = critic
        self._fill()
        self.chosen.emit(critic)

    def choose_file(self, path: Path) -> None:
        """Choose a bundle by its file; what cannot be used is explained by `problem`."""
        critic = self.add_file(path)
        if critic is not None:
            self.choose(critic)

    def add_file(self, path: Path) -> Critic | None:
        """List a bundle by its file and return it, or None for one that cannot be used, which `problem` explains."""
        try:
            header = inspect_bundle(path)
            header.check_kind("discriminator", path.name)
        except HistoloomError as error:
            self._fill()
            self.problem.emit(str(error))
            return None
        if header.judges is None:
            self._fill()
            self.problem.emit(
                f"'{path.name}' does not say how its logits are read; make it anew with 'histoloom bundles "
                "discriminator', or choose another critic."
            )
            return None
        self._own = [each for each in self._own if each[0] != path] + [(path, header)]
        self._critics = [each for each in self._critics if each[0] != path] + [(path, header)]
        self._fill()
        return path, header

    def showPopup(self) -> None:
        """List what has been added to the bundles meanwhile, too."""
        self.renew()
        super().showPopup()

    def _fill(self) -> None:
        self.blockSignals(True)
        self.clear()
        self.addItem(_NONE)
        for path, header in self._critics:
            self.addItem(f"{critic_title(path)} ({header.pixel_size:g} µm)")
            self.setItemData(self.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
        self.insertSeparator(self.count())
        self.addItem(_FILE)
        paths = [each[0] for each in self._critics]
        self.setCurrentIndex(0 if self.critic is None else 1 + paths.index(self.critic[0]))
        self.blockSignals(False)

    def _on_activated(self, index: int) -> None:
        if self.itemText(index) == _FILE:
            self._fill()
            name, _ = QFileDialog.getOpenFileName(self, "A critic", "", f"Bundles (*{BUNDLE_SUFFIX})")
            if name:
                self.choose_file(Path(name))
            return
        self.choose(self._critics[index - 1] if index > 0 else None)


def critic_title(path: Path) -> str:
    """Return what a critic is called: its bundle's name, or that of the run that it is the result of."""
    return path.parent.name if path.name == BUNDLE else bundle_name(path)
