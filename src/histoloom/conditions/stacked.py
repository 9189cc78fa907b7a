"""Several encodings as one: their channels one above the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.encoding import Encoding
from histoloom.errors import ConditionError
from histoloom.layouts import Layout
from histoloom.window import Window


class StackedEncoding:
    """The channels of several encodings, in order.

    `decode` gives the channels as they are: each part decodes its own, which `split` hands out.

    Parameters
    ----------
    parts
        At least one encoding.
    """

    name: ClassVar[str] = "stacked"

    def __init__(self, parts: Iterable[Encoding]) -> None:
        self.parts = tuple(parts)
        if not self.parts:
            raise ConditionError("A stacked encoding has no parts; give at least one encoding.")

    @property
    def channels(self) -> tuple[str, ...]:
        """What each channel shows."""
        return tuple(channel for part in self.parts for channel in part.channels)

    @property
    def needs_picture(self) -> bool:
        """Whether one of the parts wants a picture."""
        return any(part.needs_picture for part in self.parts)

    def halo(self, pixel_size: float) -> int | None:
        """Return the largest of the parts' halos, or None if one of them needs the whole picture."""
        halos = [part.halo(pixel_size) for part in self.parts]
        return None if None in halos else max(each for each in halos if each is not None)

    def resolved(self, picture: NDArray[np.uint8], pixel_size: float) -> StackedEncoding:
        """Return the encoding with every part resolved."""
        return StackedEncoding(part.resolved(picture, pixel_size) for part in self.parts)

    def encode(
        self, layout: Layout, window: Window | None = None, picture: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """Return ``float32 (C, H, W)``; see `Encoding.encode`."""
        return np.concatenate([part.encode(layout, window, picture) for part in self.parts])

    def split(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return each part's own channels."""
        ends = np.cumsum([len(part.channels) for part in self.parts])[:-1]
        return tuple(np.split(values, ends))

    def decode(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the channels as they are."""
        return values

    def as_json(self) -> dict[str, Any]:
        """Return name and parts as plain JSON values."""
        return {"name": self.name, "parts": [part.as_json() for part in self.parts]}

    def __eq__(self, other: object) -> bool:
        """Whether the other has the same parts."""
        return isinstance(other, StackedEncoding) and self.parts == other.parts

    def __hash__(self) -> int:
        """Hash by parts."""
        return hash((self.name, self.parts))

    def __repr__(self) -> str:
        """Show the parts."""
        return f"StackedEncoding({list(self.parts)!r})"
