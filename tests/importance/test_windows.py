"""Maps of pictures of any size: windows leave no gap, and say of a place what is there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from histoloom.importance.judging import windows
from histoloom.importance.judging.contract import JudgingNetwork
from histoloom.window import Window


class Places(JudgingNetwork):
    """Logits that are the row of their centre, in pixels."""

    @classmethod
    def from_recipe(cls, recipe, channels):
        raise NotImplementedError

    def logits(self, picture, condition, reference):
        return torch.zeros(1, 1)

    def of_window(self, window: Window) -> np.ndarray:
        if self.side is None:
            count = [(side - self.receptive_field) // self.step + 1 for side in window.shape]
        else:
            count = [side // self.step - round(2 * self.offset) for side in window.shape]
        centre = window.y0 + self.step * (np.arange(count[0]) + self.offset + 0.5)
        return np.repeat(centre[:, None], count[1], axis=1).astype(np.float32)


def unpadded(field: int, step: int) -> Places:
    return Places(nn.Identity(), receptive_field=field, step=step, offset=0.5 * field / step - 0.5)


def of_fixed_side(steps: int, step: int, offset: float) -> Places:
    return Places(nn.Identity(), receptive_field=steps * step, step=step, offset=offset, side=steps * step)


judges = st.builds(unpadded, st.integers(9, 60), st.sampled_from([4, 8, 16])) | st.builds(
    of_fixed_side, st.integers(4, 9), st.sampled_from([4, 8]), st.sampled_from([0.0, 1.0])
)


@settings(max_examples=60, deadline=None)
@given(judges, st.integers(0, 150), st.integers(0, 150), st.integers(64, 128))
def test_a_map_has_a_logit_for_each_square_that_tells_its_place(judge, more_rows, more_columns, most_side):
    shape = judge.least_side + more_rows, judge.least_side + more_columns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "MOST_SIDE", most_side)
        found = windows.local_map(shape, judge, judge.of_window)

    assert found.shape == tuple(-(-side // judge.step) for side in shape)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) == 0).all()
    centre = judge.step * (np.arange(len(found)) + 0.5)
    seen = found[:, 0]
    inside = (centre >= seen.min()) & (centre <= seen.max())
    np.testing.assert_allclose(seen[inside], centre[inside], atol=1e-3)
    # Beyond the first and the last centre of a patch there is nothing to interpolate with.
    assert seen.min() <= judge.step * (max(judge.offset, 0.0) + 0.5) + 1e-3
    assert (np.diff(seen) >= -1e-3).all()
