"""Values at the edge of what weights can be are used or refused in a sentence; nothing raises what is not said."""

from __future__ import annotations

import numpy as np
import pytest

from histoloom.errors import ImportanceError
from histoloom.importance import (
    ClipRange,
    Judgement,
    effective_sample_size,
    importance_weights,
    logit_weights,
    normalized_weights,
    nucleus_weights,
    verdict,
)
from small_bundles import small_layout

LOGITS = np.zeros((2, 2), np.float32)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: ClipRange("banana"), "Weights cannot be clipped by 'banana'"),
        (lambda: Judgement(LOGITS, 8, (16, 16), 0.0), "A ratio of 0 woven samples"),
        (lambda: Judgement(LOGITS, 8, (16, 16), -1.0), "A ratio of -1 woven samples"),
        (lambda: Judgement(LOGITS, 8, (16, 16), np.nan), "A ratio of nan woven samples"),
        (lambda: Judgement(LOGITS, 0, (16, 16)), "every 0 pixels; give a step of at least 1"),
        (lambda: Judgement(LOGITS, 8, (16, 16)).weight((0.1, 1.0, 2.0)), "has two ends and not 3"),
        (lambda: Judgement(LOGITS, 8, (16, 16)).weight((0.1, np.nan)), "clipped to 0.1 to nan"),
        (lambda: importance_weights([0.5], 1.0, clip=(0.1, 1.0, 2.0)), "has two ends and not 3"),
        (lambda: importance_weights([0.5], 1.0, clip=("low", "high")), "The ends of a clip range must be numbers"),
        (lambda: importance_weights(["likely"], 1.0), "Probabilities of being real must be numbers"),
        (lambda: importance_weights([[0.5], [0.5, 0.5]], 1.0), "in rows of one length"),
        (lambda: logit_weights("sure", 1.0), "Logits must be numbers"),
        (lambda: normalized_weights([None, "a"]), "Weights must be numbers"),
        (lambda: effective_sample_size(["heavy"]), "Weights must be numbers"),
        (lambda: verdict(np.zeros(6), ratio=np.inf), "A ratio of inf woven samples"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(wrong, sentence):
    with pytest.raises(ImportanceError, match=sentence) as refused:
        wrong()

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("weight", [1e-300, 1e308])
def test_weights_of_any_size_are_normalized(weight):
    assert normalized_weights([weight, weight]).tolist() == [1.0, 1.0]
    assert normalized_weights([0.0, weight]).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("logit", [40.0, 300.0, -300.0])
def test_nuclei_weigh_what_their_tile_weighs_where_a_critic_is_sure(logit):
    judged = Judgement(np.full((12, 12), logit, np.float32), 8, (96, 96), 3.0)

    weights = nucleus_weights(small_layout((96, 96)), judged)

    assert np.isfinite(judged.weight())
    assert list(weights.values()) == pytest.approx([judged.weight()] * len(weights))
    assert len(weights) > 0
