"""Messages between the viewer and the weave process: a JSON header and raw arrays, one frame each.

A frame is the four bytes ``HLM1``, the header's length as a little-endian ``uint32``, the header as UTF-8 JSON, and the
bytes of the arrays that the header lists, one after another. Nothing in it can run code on the other side.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import (
    AcceptedStructure,
    MaskAndStructureEncoding,
    StructureLabelsEncoding,
    encoding_from_json,
)
from histoloom.errors import ConditionError, WeaveProcessError
from histoloom.layouts import Layout, Nucleus, TissueMap
from histoloom.layouts.columns import (
    layout_from_columns,
    layout_to_columns,
    nuclei_from_columns,
    nuclei_to_columns,
)
from histoloom.tiles import Tile
from histoloom.tiles.looks import AnyLook, Look, NamedLook

_MAGIC = b"HLM1"
_PREFIX = struct.Struct("<4sI")
_DTYPES = {name: np.dtype(name) for name in ("|u1", "<i8", "<f8")}


class ReadableBytes(Protocol):
    """Where frames come from: an unbuffered pipe, or a file in memory."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill a buffer as far as bytes are at hand; 0 means the end."""


class WritableBytes(Protocol):
    """Where frames go to."""

    def write(self, data: Any, /) -> int | None:
        """Write bytes, perhaps not all of them, and return how many."""


@dataclass(frozen=True, eq=False)
class Message:
    """One frame.

    Parameters
    ----------
    kind
        What it is about: ``"weave"``, ``"edit"``, ``"answer"``, ...
    values
        JSON values.
    arrays
        Arrays of dtype ``uint8``, ``int64`` or ``float64``.
    """

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def write_message(stream: WritableBytes, message: Message) -> None:
    """Write one frame; raises `OSError` where the other side is gone."""
    arrays = {name: np.ascontiguousarray(array) for name, array in message.arrays.items()}
    listing = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    for name, dtype, _ in listing:
        if dtype not in _DTYPES:
            raise WeaveProcessError(f"The array '{name}' of type {dtype} cannot be sent; report this as a defect.")
    header = json.dumps({"kind": message.kind, "values": dict(message.values), "arrays": listing}).encode()
    _write_all(stream, _PREFIX.pack(_MAGIC, len(header)) + header)
    for array in arrays.values():
        if array.size:
            _write_all(stream, array.reshape(-1).view(np.uint8).data)


def read_message(stream: ReadableBytes) -> Message | None:
    """Read one frame, or None at the end of the stream.

    Raises
    ------
    WeaveProcessError
        If the stream holds something else than frames, or ends within one.
    """
    prefix = bytearray(_PREFIX.size)
    received = _read_into(stream, prefix)
    if received == 0:
        return None
    magic, length = _PREFIX.unpack(prefix)
    header = bytearray(length if magic == _MAGIC else 0)
    if received < len(prefix) or magic != _MAGIC or _read_into(stream, header) < length:
        raise _damaged()
    try:
        content = json.loads(header)
        arrays = {name: np.empty(shape, _DTYPES[dtype]) for name, dtype, shape in content["arrays"]}
        message = Message(content["kind"], content["values"], arrays)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged() from error
    for array in arrays.values():
        if array.size and _read_into(stream, array.reshape(-1).view(np.uint8).data) < array.nbytes:
            raise _damaged()
    return message


def layout_message(layout: Layout, revision: int) -> Message:
    """Return the message that replaces the whole layout."""
    columns, values = layout_to_columns(layout)
    return Message("layout", {"layout": values, "revision": revision}, columns)


def layout_of(message: Message) -> Layout:
    """Return the layout of a `layout_message`, equal to the last bit."""
    return layout_from_columns(message.arrays, message.values["layout"])


def edit_message(rows: Mapping[int, Nucleus | None], revision: int) -> Message:
    """Return the message that adds, replaces or (None) removes rows of the table."""
    columns, class_names = nuclei_to_columns(nucleus for nucleus in rows.values() if nucleus is not None)
    columns["removed"] = np.array([key for key, nucleus in rows.items() if nucleus is None], np.int64)
    return Message("edit", {"class_names": class_names, "revision": revision}, columns)


def rows_of(message: Message) -> dict[int, Nucleus | None]:
    """Return the rows of an `edit_message`."""
    nuclei = nuclei_from_columns(message.arrays, message.values["class_names"])
    return {**dict.fromkeys(message.arrays["removed"].tolist()), **{nucleus.id: nucleus for nucleus in nuclei}}


def look_parts(look: AnyLook) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a look as the values and arrays of a message."""
    if isinstance(look, NamedLook):
        return {"named_look": look.as_json()}, {}
    return {"look_pixel_size": look.pixel_size}, {"pixels": look.pixels}


def look_of(message: Message) -> AnyLook:
    """Return the look of a message with `look_parts`; raises `LookError` if it is none."""
    if "named_look" in message.values:
        return NamedLook.from_json(message.values["named_look"])
    return Look.from_tile(Tile.from_array(message.arrays["pixels"], message.values["look_pixel_size"]))


def tissue_message(tissue_map: TissueMap | None, revision: int) -> Message:
    """Return the message that replaces the tissue map, or (None) takes it away."""
    arrays = {} if tissue_map is None else {"values": tissue_map.values}
    return Message("tissue", {"cell_size": tissue_map and tissue_map.cell_size, "revision": revision}, arrays)


def tissue_of(message: Message) -> TissueMap | None:
    """Return the tissue map of a `tissue_message`."""
    if "values" not in message.arrays:
        return None
    return TissueMap(message.arrays["values"], message.values["cell_size"])


def structure_parts(structure: AcceptedStructure | None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return accepted structure, or None, as the values and arrays of a message."""
    if structure is None:
        return {"structure": None}, {}
    arrays = {"structure_labels": structure.labels, "structure_corrected": structure.corrected.view(np.uint8)}
    return {"structure": structure.encoding.as_json()}, arrays


def structure_of(message: Message) -> AcceptedStructure | None:
    """Return the structure of a message with `structure_parts`; raises `ConditionError` if it is none."""
    if message.values["structure"] is None:
        return None
    encoding = encoding_from_json(message.values["structure"])
    if not isinstance(encoding, StructureLabelsEncoding | MaskAndStructureEncoding):
        raise ConditionError(f"There is no structure in '{encoding.name}'; accept it again in the Structure dock.")
    corrected = message.arrays["structure_corrected"].view(np.bool_)
    return AcceptedStructure(message.arrays["structure_labels"], encoding, corrected)


def _write_all(stream: WritableBytes, data: Any) -> None:
    view = memoryview(data).cast("B")
    while view:
        view = view[stream.write(view) or 0 :]


def _read_into(stream: ReadableBytes, buffer: Any) -> int:
    view = memoryview(buffer).cast("B")
    received = 0
    while received < len(view):
        count = stream.readinto(view[received:])
        if not count:
            break
        received += count
    return received


def _damaged() -> WeaveProcessError:
    return WeaveProcessError("The weave process and the viewer no longer understand each other; restart live weaving.")
