"""What the viewer is told about the weave process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.window import Window

WeaverState = Literal["starting", "ready", "preparing", "weaving", "dead", "restarted"]


@dataclass(frozen=True, eq=False)
class WeaveAnswer:
    """Woven pixels.

    Parameters
    ----------
    request_id
        The request that they answer.
    window
        Which pixels of the canvas; the request's window, or a piece of it.
    pixels
        RGB ``uint8 (H, W, 3)``, the receiver's to keep.
    elapsed_s
        Seconds that the weave process took for this piece.
    is_last
        Whether this completes the request.
    first
        The first picture that the generator refined, as `pixels`; None from generators that refine none.
    """

    request_id: int
    window: Window
    pixels: NDArray[np.uint8]
    elapsed_s: float
    is_last: bool = True
    first: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class WeaveFailure:
    """A request, or the preparation of a look, that came to nothing.

    Parameters
    ----------
    sentence
        What is wrong and what to do.
    request_id
        The request, or None if a look could not be prepared.
    """

    sentence: str
    request_id: int | None = None


@dataclass(frozen=True)
class WeaverStatus:
    """How the weave process is doing, for a status card.

    Parameters
    ----------
    state
        In short.
    message
        One sentence.
    device
        The name of what it computes on; empty until the process has said so.
    last_seconds
        How long the latest request took in the process.
    preparation, halo
        After a look has been prepared: the number that `WeaveClient.prepare` returned, and the generator's halo in
        pixels.
    pid
        Of the process, while there is one.
    """

    state: WeaverState
    message: str
    device: str = ""
    last_seconds: float | None = None
    preparation: int | None = None
    halo: int | None = None
    pid: int | None = None
