"""Inception v3 (Szegedy et al. 2016) up to its last pooling, as torchvision has it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SIDE = 299
"""Pixels a side of the pictures that the network was trained on."""

FEATURES = 2048
"""How many features it gives."""

_Kernel = tuple[int, int]


class InceptionV3(nn.Module):
    """Table 1 of the paper, without the classifier and without the auxiliary one.

    Names of weights are torchvision's ``inception_v3``'s, so that its ImageNet weights fit as they are. Where the port
    and the paper differ, this is the port: each block at 35 x 35 pixels keeps a 5 x 5 convolution, and a second pooling
    halves the size where the paper has a stride.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Unit(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Unit(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = _Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = _Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = _Unit(80, 192, 3, padded=False)
        self.Mixed_5b = _At35(192, pooled=32)
        self.Mixed_5c = _At35(256, pooled=64)
        self.Mixed_5d = _At35(288, pooled=64)
        self.Mixed_6a = _To17(288)
        self.Mixed_6b = _At17(768, width=128)
        self.Mixed_6c = _At17(768, width=160)
        self.Mixed_6d = _At17(768, width=160)
        self.Mixed_6e = _At17(768, width=192)
        self.Mixed_7a = _To8(768)
        self.Mixed_7b = _At8(1280)
        self.Mixed_7c = _At8(2048)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features ``(B, 2048)`` of RGB pictures ``(B, 3, 299, 299)`` from -1 to 1."""
        x = self.Conv2d_1a_3x3(x)  # (B, 32, 149, 149)
        x = self.Conv2d_2a_3x3(x)  # (B, 32, 147, 147)
        x = _halved(self.Conv2d_2b_3x3(x))  # (B, 64, 73, 73)
        x = self.Conv2d_3b_1x1(x)  # (B, 80, 73, 73)
        x = _halved(self.Conv2d_4a_3x3(x))  # (B, 192, 35, 35)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (B, 288, 35, 35)
        x = self.Mixed_6a(x)  # (B, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        x = self.Mixed_7a(x)  # (B, 1280, 8, 8)
        x = self.Mixed_7c(self.Mixed_7b(x))  # (B, 2048, 8, 8)
        return x.mean((2, 3))


class _Unit(nn.Module):
    """Convolution, batch norm and rectifier; a stride goes without padding."""

    def __init__(
        self, channels: int, width: int, kernel: int | _Kernel, stride: int = 1, *, padded: bool = True
    ) -> None:
        super().__init__()
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (kernel[0] // 2, kernel[1] // 2) if padded and stride == 1 else 0
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class _Paths(nn.Module):
    """Paths side by side, of units called by their path and their number on it."""

    def along(self, path: str, x: torch.Tensor, *numbers: int) -> torch.Tensor:
        for number in numbers:
            x = self.get_submodule(f"{path}_{number}")(x)
        return x


class _At35(_Paths):
    """Figure 5, with the 5 x 5 convolution of the first Inception in one path."""

    def __init__(self, channels: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = _Unit(channels, 64, 1)
        self.branch5x5_1 = _Unit(channels, 48, 1)
        self.branch5x5_2 = _Unit(48, 64, 5)
        self.branch3x3dbl_1 = _Unit(channels, 64, 1)
        self.branch3x3dbl_2 = _Unit(64, 96, 3)
        self.branch3x3dbl_3 = _Unit(96, 96, 3)
        self.branch_pool = _Unit(channels, pooled, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        single = self.along("branch5x5", x, 1, 2)
        double = self.along("branch3x3dbl", x, 1, 2, 3)
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(_smoothed(x))], 1)


class _To17(_Paths):
    """Figure 10: half the size, by strides and by pooling at once."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3 = _Unit(channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = _Unit(channels, 64, 1)
        self.branch3x3dbl_2 = _Unit(64, 96, 3)
        self.branch3x3dbl_3 = _Unit(96, 96, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch3x3(x), self.along("branch3x3dbl", x, 1, 2, 3), _halved(x)], 1)


class _At17(_Paths):
    """Figure 6 with n = 7: convolutions of 7 x 7 as rows and columns."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch1x1 = _Unit(channels, 192, 1)
        self.branch7x7_1 = _Unit(channels, width, 1)
        self.branch7x7_2 = _Unit(width, width, row)
        self.branch7x7_3 = _Unit(width, 192, column)
        self.branch7x7dbl_1 = _Unit(channels, width, 1)
        self.branch7x7dbl_2 = _Unit(width, width, column)
        self.branch7x7dbl_3 = _Unit(width, width, row)
        self.branch7x7dbl_4 = _Unit(width, width, column)
        self.branch7x7dbl_5 = _Unit(width, 192, row)
        self.branch_pool = _Unit(channels, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        single = self.along("branch7x7", x, 1, 2, 3)
        double = self.along("branch7x7dbl", x, 1, 2, 3, 4, 5)
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(_smoothed(x))], 1)


class _To8(_Paths):
    """Figure 10 again, with rows and columns of 7 in one path."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = _Unit(channels, 192, 1)
        self.branch3x3_2 = _Unit(192, 320, 3, stride=2)
        self.branch7x7x3_1 = _Unit(channels, 192, 1)
        self.branch7x7x3_2 = _Unit(192, 192, (1, 7))
        self.branch7x7x3_3 = _Unit(192, 192, (7, 1))
        self.branch7x7x3_4 = _Unit(192, 192, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        single = self.along("branch3x3", x, 1, 2)
        return torch.cat([single, self.along("branch7x7x3", x, 1, 2, 3, 4), _halved(x)], 1)


class _At8(_Paths):
    """Figure 7: paths that end in a row and a column side by side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row, column = (1, 3), (3, 1)
        self.branch1x1 = _Unit(channels, 320, 1)
        self.branch3x3_1 = _Unit(channels, 384, 1)
        self.branch3x3_2a = _Unit(384, 384, row)
        self.branch3x3_2b = _Unit(384, 384, column)
        self.branch3x3dbl_1 = _Unit(channels, 448, 1)
        self.branch3x3dbl_2 = _Unit(448, 384, 3)
        self.branch3x3dbl_3a = _Unit(384, 384, row)
        self.branch3x3dbl_3b = _Unit(384, 384, column)
        self.branch_pool = _Unit(channels, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        single = self.along("branch3x3", x, 1)
        double = self.along("branch3x3dbl", x, 1, 2)
        ends = [self.branch3x3_2a(single), self.branch3x3_2b(single)]
        ends += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([self.branch1x1(x), *ends, self.branch_pool(_smoothed(x))], 1)


def _halved(x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(x, kernel_size=3, stride=2)


def _smoothed(x: torch.Tensor) -> torch.Tensor:
    # Zeros around the picture count, as in torchvision; in the TensorFlow network of FID they do not.
    return functional.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
