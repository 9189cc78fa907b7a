"""Batch norm folded into the convolutions before it: the same numbers in less time."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(network: nn.Module) -> None:
    """Fold each batch norm that follows a convolution in a sequence into its weights, in place.

    Norms with running statistics multiply and add the same numbers everywhere, and so can the convolution.

    Parameters
    ----------
    network
        In use, not in training; it cannot be trained any more.
    """
    for sequence in network.modules():
        if not isinstance(sequence, nn.Sequential):
            continue
        for index in range(len(sequence) - 1):
            convolution, norm = sequence[index], sequence[index + 1]
            if type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
                sequence[index] = fuse_conv_bn_eval(convolution, norm)
                sequence[index + 1] = nn.Identity()
