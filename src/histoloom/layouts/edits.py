"""Edits of a layout, and the one history that undoes them.

Every change of nuclei, by brush, stamp, polygon, drag or key, is the same thing: some rows of the table before, and the
same rows after; of the tissue map likewise the map before and after. Its inverse swaps the two, which makes undo
complete by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from histoloom.layouts.layout import MOST_CANVAS_SIDE, Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.tissue_map import TissueMap
from histoloom.window import Window


@dataclass(frozen=True, eq=False)
class TissueChange:
    """The tissue map before and after; None stands for no map."""

    before: TissueMap | None
    after: TissueMap | None

    @property
    def window(self) -> Window:
        """The pixels whose tissue may differ, unclipped; all there can be where a map comes or goes."""
        if self.before is None or self.after is None:
            return Window(0, 0, MOST_CANVAS_SIDE, MOST_CANVAS_SIDE)
        return self.before.changed_window(self.after)


@dataclass(frozen=True)
class LayoutEdit:
    """Rows of the table before and after; None stands for a nucleus that is not there.

    Parameters
    ----------
    title
        What was done, for people: "Move 3 nuclei".
    before, after
        The same ids in both.
    tissue
        The change of the tissue map, or None where it stays.
    """

    title: str
    before: Mapping[int, Nucleus | None]
    after: Mapping[int, Nucleus | None]
    tissue: TissueChange | None = None

    @classmethod
    def of(cls, title: str, layout: Layout, changes: Mapping[int, Nucleus | None]) -> LayoutEdit:
        """Return the edit that makes ``changes`` to ``layout``; rows that would not change are left out."""
        changed = {key: nucleus for key, nucleus in changes.items() if layout.nuclei.get(key) != nucleus}
        return cls(title, {key: layout.nuclei.get(key) for key in changed}, changed)

    @classmethod
    def of_tissue(cls, title: str, layout: Layout, tissue_map: TissueMap | None) -> LayoutEdit:
        """Return the edit that gives ``layout`` a tissue map, or takes its away; empty where that changes nothing."""
        before = layout.tissue_map
        is_same = before is tissue_map or (before is not None and before.equals(tissue_map))
        return cls(title, {}, {}, None if is_same else TissueChange(before, tissue_map))

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not self.after and self.tissue is None

    @property
    def inverse(self) -> LayoutEdit:
        """The edit that takes this one back."""
        tissue = self.tissue and TissueChange(self.tissue.after, self.tissue.before)
        return LayoutEdit(self.title, self.after, self.before, tissue)

    @property
    def window(self) -> Window:
        """The pixels whose label may differ, unclipped; where tissue does, its change says."""
        dirty = Window(0, 0, 0, 0)
        for rows in (self.before, self.after):
            for nucleus in rows.values():
                if nucleus is not None:
                    dirty = dirty.union(nucleus.outline.window)
        return dirty

    def applied_to(self, layout: Layout) -> Layout:
        """Return the layout after the edit."""
        edited = layout.with_nuclei(self.after) if self.after else layout
        return edited if self.tissue is None else edited.with_tissue_map(self.tissue.after)


class Command(Protocol):
    """Anything that the history can take back and do again."""

    title: str

    def do(self) -> None:
        """Make the change."""

    def undo(self) -> None:
        """Take the change back."""


class CommandHistory:
    """Undo and redo over commands of every kind, in the order in which they were made.

    Parameters
    ----------
    limit
        How many commands are kept; the oldest are forgotten first.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._done: list[Command] = []
        self._undone: list[Command] = []

    def push(self, command: Command) -> None:
        """Record a command that has just been made; what was undone before it can no longer be redone."""
        self._done.append(command)
        self._undone.clear()
        del self._done[: -self._limit]

    def undo(self) -> str | None:
        """Take the latest command back and return its title, or None if there is none."""
        if not self._done:
            return None
        command = self._done.pop()
        command.undo()
        self._undone.append(command)
        return command.title

    def redo(self) -> str | None:
        """Make the latest undone command again and return its title, or None if there is none."""
        if not self._undone:
            return None
        command = self._undone.pop()
        command.do()
        self._done.append(command)
        return command.title

    def clear(self) -> None:
        """Forget everything, as when another layout is opened."""
        self._done.clear()
        self._undone.clear()

    @property
    def undoable(self) -> tuple[str, ...]:
        """Titles of the commands that can be undone, oldest first."""
        return tuple(command.title for command in self._done)

    @property
    def redoable(self) -> tuple[str, ...]:
        """Titles of the commands that can be redone, the next one last."""
        return tuple(command.title for command in self._undone)


def remove(layout: Layout, ids: Iterable[int]) -> LayoutEdit:
    """Return the edit that deletes nuclei."""
    return LayoutEdit.of("Delete nuclei", layout, dict.fromkeys(ids))
