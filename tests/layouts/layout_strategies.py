"""Hypothesis strategies for label maps and layouts."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from histoloom.layouts import Layout, Nucleus, Outline

QUICK = settings(max_examples=40, deadline=None)
"""Enough to find what goes wrong, over days; a test run should stay short."""

label_maps = npst.arrays(
    np.int32,
    npst.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.sampled_from([0, 0, 0, 1, 2, 3, 7, 2**31 - 1]),
)
"""Small maps full of holes, diagonal neighbours, one-pixel nuclei and nuclei that touch."""

_coordinates = st.floats(-20.0, 60.0, allow_nan=False, width=32).map(float)
_rings = st.lists(st.tuples(_coordinates, _coordinates), min_size=3, max_size=8)
outlines = st.lists(_rings, min_size=1, max_size=3).map(Outline)
"""Rings as no one draws them: crossing, nested, without area, partly off the canvas."""


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    ids = draw(st.lists(st.integers(1, 2**31 - 1), unique=True, max_size=6))
    nuclei = [
        Nucleus(
            key,
            draw(outlines),
            draw(st.sampled_from(["nucleus", "tumor", "mitosis"])),
            draw(st.integers(-3, 3)),
            draw(st.integers(0, 2**32 - 1)),
            (draw(_coordinates), draw(_coordinates)),
            draw(st.floats(-10.0, 10.0)),
        )
        for key in ids
    ]
    return Layout.from_nuclei(nuclei, (draw(st.integers(1, 50)), draw(st.integers(1, 50))), 0.5)
