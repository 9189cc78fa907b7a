"""ImageNet's weights for the encoders that were published with them, fetched when someone asks for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol, cast, runtime_checkable

import torch
from torch import nn

from histoloom.errors import SegmenterError
from histoloom.segmenters.contract import SegmenterNetwork

IMAGENET_FILES: Mapping[str, str] = {
    "vgg16": "vgg16-397923af.pth",
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "inception_v3": "inception_v3_google-0cc3c7bd.pth",
}
"""Encoder -> torchvision's file; the end of its name is the beginning of its hash, which is checked."""

_SERVER = "https://download.pytorch.org/models"


@runtime_checkable
class BeginsFromImageNet(Protocol):
    """A network whose encoder can take ImageNet's weights."""

    imagenet: ClassVar[str]
    """The encoder, one of `IMAGENET_FILES`."""

    def imagenet_names(self) -> dict[str, str]:
        """Return names of its own weights -> torchvision's names of those that they begin from."""
        ...


def imagenet_weights(encoder: str, otherwise: str = "begin from random weights") -> dict[str, torch.Tensor]:
    """Return torchvision's ImageNet weights of an encoder by name, downloaded the first time.

    They are kept in torch.hub's folder. The file's hash is checked, and nothing but tensors is read from it.

    Parameters
    ----------
    encoder
        One of `IMAGENET_FILES`.
    otherwise
        What someone who cannot have the file may do instead, in the words of a sentence.

    Raises
    ------
    SegmenterError
        If there is no such encoder, or the file cannot be had or read.
    """
    if encoder not in IMAGENET_FILES:
        raise SegmenterError(f"There is no encoder called '{encoder}'; choose one of: {', '.join(IMAGENET_FILES)}.")
    file = IMAGENET_FILES[encoder]
    # torch.hub checks the hash of what it downloads, but not of what lies there from before.
    kept = Path(torch.hub.get_dir()) / "checkpoints" / file
    if kept.exists() and not _sha256(kept).startswith(_hash_in(file)):
        raise SegmenterError(f"{kept} is not ImageNet's weights of {encoder} as published; delete it and try again.")
    try:
        weights = torch.hub.load_state_dict_from_url(
            f"{_SERVER}/{file}", map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except OSError as error:
        raise SegmenterError(
            f"ImageNet's weights of {encoder} could not be downloaded ({error}); connect to the internet and try "
            f"again, or {otherwise}."
        ) from error
    except RuntimeError as error:
        raise SegmenterError(f"ImageNet's weights of {encoder} arrived damaged; try again, or {otherwise}.") from error
    return cast("dict[str, torch.Tensor]", weights)


def begin_from_imagenet(network: SegmenterNetwork, weights: Mapping[str, torch.Tensor] | None = None) -> None:
    """Give a network's encoder ImageNet's weights; what comes after the encoder stays as it is.

    Parameters
    ----------
    network
        One that is a `BeginsFromImageNet`, at its published width.
    weights
        By torchvision's names; downloaded where none are given.

    Raises
    ------
    SegmenterError
        If the network has no such encoder, the weights do not fit it, or they cannot be downloaded. The network is then
        as it was.
    """
    if not isinstance(network, BeginsFromImageNet):
        raise SegmenterError(f"{network.title} has no ImageNet weights; begin from random ones.")
    names = network.imagenet_names()
    own = network.state_dict()
    if weights is None:
        weights = imagenet_weights(network.imagenet)
    taken = {}
    for name, theirs in names.items():
        weight = weights.get(theirs)
        if weight is None:
            raise SegmenterError(
                f"The weights for {network.title} lack '{theirs}'; give those of torchvision's {network.imagenet}."
            )
        # A linear layer and a convolution that sees all of its input have the same weights.
        if weight.numel() != own[name].numel() or weight.shape[0] != own[name].shape[0]:
            raise SegmenterError(
                f"ImageNet's weights do not fit {network.title} at this width; leave the width as published, or begin "
                "from random weights."
            )
        taken[name] = weight.reshape(own[name].shape)
    network.load_state_dict({**own, **taken})


def same_names(encoder: nn.Module, place: str) -> dict[str, str]:
    """Return the names that `BeginsFromImageNet` asks for, of an encoder that has torchvision's own.

    Parameters
    ----------
    encoder
        Part of a network.
    place
        The attribute of the network that it is.
    """
    return {f"{place}.{name}": name for name in encoder.state_dict() if not name.endswith("num_batches_tracked")}


def _hash_in(file: str) -> str:
    return Path(file).stem.rsplit("-", 1)[-1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
