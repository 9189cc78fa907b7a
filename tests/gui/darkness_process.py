"""A process that judges without a network, for tests of what is shown of its judgements."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from histoloom.errors import ImportanceError
from histoloom.importance import Judgement
from histoloom.jobs.judge_process import Order
from histoloom.models import BundleHeader, JudgementFacts


class DarknessProcess:
    """Judges in this process, at once, and without a network: dark places look woven."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def judge(self, order: Order) -> tuple[Judgement, float]:
        self.orders.append(order)
        if abs(order.pixel_size - 0.5) > 0.02:
            raise ImportanceError("The picture has another pixel size; weave at its pixel size.")
        if "comparing" in order.critic.name and order.reference is None:
            raise ImportanceError("'comparing.safetensors' got no reference; give a picture.")
        height, width = order.image.shape[:2]
        rows, columns = -(-height // 8), -(-width // 8)
        grid = np.zeros((rows * 8, columns * 8))
        grid[:height, :width] = order.image.mean(axis=2)
        means = grid.reshape(rows, 8, columns, 8).mean(axis=(1, 3))
        return Judgement((means / 40.0 - 3.0).astype(np.float32), 8, (height, width), 1.0), 0.01

    def close(self) -> None:
        pass


def critic_of(name: str = "dark", reference_size: int = 0, sees: str = "picture") -> tuple[Path, BundleHeader]:
    facts = JudgementFacts(receptive_field=8, step=8, reference_size=reference_size, sees=sees, slope=2.0)
    header = BundleHeader(
        kind="discriminator", system="critic", recipe={}, pixel_size=0.5, normalization="none", judges=facts
    )
    return Path(f"{name}.safetensors"), header
