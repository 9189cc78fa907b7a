"""The plan of the learning rate."""

from __future__ import annotations


def constant_then_linear(step: int, steps: int, decay_from: float) -> float:
    """Return the factor on the learning rate of a step (counted from 0): 1, then linearly towards 0.

    As in pix2pix's code and pix2pixHD (Wang et al. 2018, section 4): constant for the first share ``decay_from`` of all
    steps. The last step still moves by a little.
    """
    begin = decay_from * steps
    if step < begin or begin >= steps:
        return 1.0
    return (steps - step) / (steps - begin)
