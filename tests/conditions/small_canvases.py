"""Small canvases and pictures for the tests of conditions."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.window import Window

QUICK = settings(max_examples=15, deadline=None)

CLASSES = ("nucleus", "tumor", "inflammatory")
PIXEL_SIZE = 0.5


@st.composite
def canvases(draw: st.DrawFn) -> Layout:
    """Canvases of 20 to 70 pixels with ellipses that overlap and stick out."""
    shape = (draw(st.integers(20, 70)), draw(st.integers(20, 70)))
    nuclei = []
    for key in draw(st.lists(st.sampled_from([1, 2, 3, 9, 2**31 - 1]), unique=True)):
        center = (draw(st.floats(-4.0, shape[0] + 4.0)), draw(st.floats(-4.0, shape[1] + 4.0)))
        radii = (draw(st.floats(2.0, 9.0)), draw(st.floats(2.0, 9.0)))
        outline = Outline.ellipse(center, radii, draw(st.floats(0.0, 3.0)))
        nuclei.append(Nucleus.create(key, outline, draw(st.sampled_from(CLASSES)), draw(st.integers(0, 2))))
    return Layout.from_nuclei(nuclei, shape, PIXEL_SIZE)


def windows(shape: tuple[int, int]) -> st.SearchStrategy[Window]:
    """Windows on a canvas and partly beyond it."""
    return st.tuples(
        st.integers(-6, shape[0] - 1), st.integers(-6, shape[1] - 1), st.integers(1, 40), st.integers(1, 40)
    ).map(lambda each: Window(each[0], each[1], each[0] + each[2], each[1] + each[3]))


def tissue(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A picture with soft dark blobs on pink ground, and noise."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng(seed)
    blobs = gaussian_filter(generator.normal(size=shape), 3.0)
    nuclei = (blobs > np.quantile(blobs, 0.75))[..., None]
    pixels = np.where(nuclei, [110.0, 60.0, 140.0], [235.0, 170.0, 205.0]) + generator.normal(0.0, 6.0, (*shape, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)
