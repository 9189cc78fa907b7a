"""HoVer-Net (Graham et al. 2019)."""

from __future__ import annotations

import re
from typing import ClassVar

import torch

from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.hovernet_branches import HoVerNetBranches, monai_hovernet

_UNIT = re.compile(r"res_blocks\.d(\d)\.layers\.denselayer_(\d)\.layers\.conv(\d)(/bn)?\.(\w+)")
_STEM = {"conv0.conv.": "conv1.", "conv0.bn.": "bn1."}
_SHORTCUT = re.compile(r"res_blocks\.d(\d)\.shortcut\.weight")


class HoVerNet(SegmenterNetwork):
    """Figure 3 of the paper, of MONAI's layers: a pre-activated ResNet50 whose first stage keeps the picture's size.

    Output and picture have the same size, as in the authors' network for the CoNIC challenge; their fast one loses a
    border of 46 pixels. The type branch is always there; of one class of nuclei it tells the same as the nuclear one.

    Parameters
    ----------
    classes
        How many classes of nuclei.
    """

    name: ClassVar[str] = "hovernet"
    title: ClassVar[str] = "HoVer-Net"
    outputs: ClassVar[tuple[OutputName, ...]] = ("nucleus", "offsets", "classes")
    multiple: ClassVar[int] = 8
    imagenet: ClassVar[str] = "resnet50"

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        network = monai_hovernet(classes)
        self.conv0 = network.conv0
        self.res_blocks = network.res_blocks
        self.bottleneck = network.bottleneck
        self.branches = HoVerNetBranches(network)

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``nucleus (B, 1, H, W)``, ``offsets (B, 2, H, W)`` and ``classes (B, K + 1, H, W)``."""
        *encoded, deepest = self._encoded(x)  # (B, 256, H, W) .. (B, 1024, H/4, W/4); (B, 1024, H/8, W/8)
        outputs: dict[str, torch.Tensor] = self.branches(deepest, encoded)
        return outputs

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Return the encoder's features ``(B, 1024, H/8, W/8)``."""
        return self._encoded(x)[-1]

    def imagenet_names(self) -> dict[str, str]:
        """Return the names of ResNet50's convolutions, and of the norms within its units.

        A unit here begins with the norm that ResNet50's ends with, so of those, and of the norms of shortcuts, none has
        the same place; they begin anew.
        """
        names = {}
        for name in self.state_dict():
            if name.endswith("num_batches_tracked"):
                continue
            for ours, theirs in _STEM.items():
                if name.startswith(ours):
                    names[name] = name.replace(ours, theirs)
            if unit := _UNIT.fullmatch(name):
                stage, index, place, norm, each = unit.groups()
                names[name] = f"layer{int(stage) + 1}.{index}.{'bn' if norm else 'conv'}{place}.{each}"
            if shortcut := _SHORTCUT.fullmatch(name):
                names[name] = f"layer{int(shortcut[1]) + 1}.0.downsample.0.weight"
        return names

    def _encoded(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.conv0(x)  # (B, 64, H, W)
        stages = []
        for stage in self.res_blocks:
            x = stage(x)
            stages.append(x)  # (B, 256, H, W) .. (B, 2048, H/8, W/8)
        return [*stages[:-1], self.bottleneck(x)]
