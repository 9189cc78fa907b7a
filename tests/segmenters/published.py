"""The published architectures, and small ones of the same layers."""

from __future__ import annotations

import copy
from functools import cache

import torch

from histoloom.segmenters.contract import SegmenterNetwork
from histoloom.segmenters.registry import architecture, build_segmenter

NARROW = {
    "fcn8s": 4,
    "segnet": 4,
    "deeplabv3plus-resnet18": 8,
    "deeplabv3plus-resnet50": 4,
    "fcdensenet": 3,
    "hou-unet": 4,
    "hou-cnn": 4,
}
"""Name -> a width at which its tests take no time."""
WHOLE = ("hovernet", "hovernet-resnet34")
"""Those that come in one width."""
PUBLISHED = (*NARROW, *WHOLE)


def small(name: str, classes: int = 1) -> SegmenterNetwork:
    """Return a network, narrow where there is such a thing; the same weights each time."""
    return copy.deepcopy(_made(name, classes))


@cache
def _made(name: str, classes: int) -> SegmenterNetwork:
    settings = {"width": NARROW[name]} if name in NARROW else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_segmenter(name, classes, settings)


def without_weights(name: str, classes: int = 1) -> SegmenterNetwork:
    """Return a network of published size that has shapes only."""
    with torch.device("meta"):
        return architecture(name)(classes)


def count(*modules: torch.nn.Module) -> int:
    """Return how many numbers are learned."""
    return sum(each.numel() for module in modules for each in module.parameters())


def layers(network: torch.nn.Module, kind: type[torch.nn.Module]) -> list[torch.nn.Module]:
    """Return all layers of one kind."""
    return [each for each in network.modules() if type(each) is kind]
