"""Checkpoints: all of a training's state as tensors and one JSON text in a safetensors file, never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from histoloom.errors import RunError
from histoloom.writing import written_whole

SCHEMA_VERSION = 1
_KEY, _TENSOR, _PAIRS = "histoloom_checkpoint", "__tensor__", "__pairs__"


def save_checkpoint(state: Mapping[str, Any], path: str | Path) -> None:
    """Write nested dictionaries and lists of tensors, numbers, words and None, whole or not at all.

    Raises
    ------
    WriteError
        If the file cannot be written, such as on a full disk; the checkpoints before it stay.
    """
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    structure = _taken_apart(state, "", tensors)
    text = json.dumps({"schema_version": SCHEMA_VERSION, "state": structure})
    content = save(tensors, metadata={_KEY: text, "sha256": _hash_of(tensors)})
    with written_whole(path) as beside:
        beside.write_bytes(content)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, on the CPU.

    Raises
    ------
    RunError
        If the file is missing, foreign, damaged or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    source = Path(path)
    name = source.name
    if not source.is_file():
        raise RunError(f"There is no checkpoint '{name}'; resume from one that is there.")
    try:
        with safe_open(str(source), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dictionary
        values = json.loads(metadata[_KEY])
        version = values["schema_version"]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError):
        raise RunError(f"The checkpoint '{name}' is damaged; remove it to resume from the one before.") from None
    if version != SCHEMA_VERSION:
        raise RunError(f"The checkpoint '{name}' was written by another version of histoloom; resume it with that one.")
    if metadata.get("sha256") != _hash_of(tensors):
        raise RunError(f"The checkpoint '{name}' is damaged; remove it to resume from the one before.")
    state: dict[str, Any] = _put_together(values["state"], tensors)
    return state


def _taken_apart(value: Any, place: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        # A copy, because two names of one memory cannot be saved.
        tensors[place] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: place}
    if isinstance(value, Mapping):
        # As pairs, because JSON would make words of an optimizer's numbers.
        return {
            _PAIRS: [[key, _taken_apart(each, f"{place}/{key}", tensors)] for key, each in value.items()],
        }
    if isinstance(value, list | tuple):
        return [_taken_apart(each, f"{place}/{index}", tensors) for index, each in enumerate(value)]
    return value


def _put_together(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        return {key: _put_together(each, tensors) for key, each in value[_PAIRS]}
    if isinstance(value, list):
        return [_put_together(each, tensors) for each in value]
    return value


def _hash_of(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        each = tensors[name]
        digest.update(f"{name}|{each.dtype}|{tuple(each.shape)}|".encode())
        digest.update(each.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
