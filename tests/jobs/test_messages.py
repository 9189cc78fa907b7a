from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from histoloom.errors import LayoutError, WeaveProcessError
from histoloom.jobs.messages import (
    Message,
    edit_message,
    layout_message,
    layout_of,
    look_of,
    look_parts,
    read_message,
    rows_of,
    write_message,
)
from histoloom.layouts import Layout, Nucleus, NucleusClass, Outline, TissueMap
from histoloom.layouts.columns import layout_fingerprint, layout_to_columns, nuclei_from_columns
from histoloom.tiles import Look, NamedLook

finite = st.floats(-(2.0**30), 2.0**30)
rings = hnp.arrays(np.float64, st.tuples(st.integers(3, 6), st.just(2)), elements=finite)
CLASSES = tuple(NucleusClass(name, (1, 2, 3)) for name in ("nucleus", "Kern", "核"))


@st.composite
def nuclei(draw, key):
    return Nucleus(
        key,
        Outline(draw(st.lists(rings, min_size=1, max_size=3))),
        draw(st.sampled_from([each.name for each in CLASSES])),
        draw(st.integers(-(2**40), 2**40)),
        draw(st.integers(0, 2**32 - 1)),
        (draw(finite), draw(finite)),
        draw(finite),
    )


@st.composite
def tables(draw):
    keys = draw(st.lists(st.integers(1, 2**31 - 1), unique=True, max_size=5))
    return {key: draw(nuclei(key)) for key in keys}


@st.composite
def layouts(draw):
    tissue = draw(
        st.none() | hnp.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(0, 4))
    )
    return Layout(
        draw(tables()),
        draw(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))),
        draw(st.floats(0.01, 10)),
        CLASSES,
        None if tissue is None else TissueMap(tissue, draw(st.integers(1, 64))),
        draw(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2)),
    )


class _Dribble(io.RawIOBase):
    """A pipe that takes and gives a few bytes at a time, as full pipes do."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)

    def write(self, data):
        part = bytes(data[:7])
        self.content += part
        return len(part)

    def readinto(self, buffer):
        part = self.content[: min(5, len(buffer))]
        buffer[: len(part)] = part
        del self.content[: len(part)]
        return len(part)


def _sent(message: Message) -> Message:
    pipe = _Dribble()
    write_message(pipe, message)
    received = read_message(pipe)
    assert received is not None
    assert read_message(pipe) is None
    return received


@given(layouts())
@settings(max_examples=50, deadline=None)
def test_a_layout_arrives_as_it_was_sent_to_the_last_bit(layout):
    received = layout_of(_sent(layout_message(layout, 7)))
    assert received.equals(layout)
    assert received.provenance == layout.provenance
    sent, again = layout_to_columns(layout)[0], layout_to_columns(received)[0]
    assert {name: array.tobytes() for name, array in sent.items()} == {
        name: array.tobytes() for name, array in again.items()
    }


@given(tables(), st.sets(st.integers(1, 2**31 - 1), max_size=4))
@settings(max_examples=50, deadline=None)
def test_an_edit_arrives_with_its_removed_rows(table, removed):
    rows = {**table, **dict.fromkeys(removed - set(table))}
    assert rows_of(_sent(edit_message(rows, 1))) == rows


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)))
@settings(max_examples=50, deadline=None)
def test_pixels_of_any_shape_arrive_and_may_be_written_to(pixels):
    received = _sent(Message("prepare", {"recipe": {"größe": None}}, {"pixels": pixels}))
    assert received.values == {"recipe": {"größe": None}}
    np.testing.assert_array_equal(received.arrays["pixels"], pixels)
    assert received.arrays["pixels"].shape == pixels.shape


def test_several_messages_follow_each_other_in_one_stream():
    pipe = io.BytesIO()
    for number in range(3):
        write_message(pipe, Message("weave", {"request_id": number}, {"a": np.arange(number)}))
    pipe.seek(0)
    found = [read_message(pipe) for _ in range(4)]
    assert [each and each.values["request_id"] for each in found] == [0, 1, 2, None]


@given(st.integers(1, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_message_cut_short_is_recognized(cut):
    pipe = io.BytesIO()
    write_message(pipe, Message("edit", {"revision": 1}, {"vertices": np.ones((9, 2))}))
    content = pipe.getvalue()
    with pytest.raises(WeaveProcessError):
        read_message(io.BytesIO(content[: 1 + cut % (len(content) - 1)]))


@pytest.mark.parametrize(
    "noise", [b"Traceback (most recent call last)", b"HLM1\x02\x00\x00\x00{]", b"HLM1\x02\0\0\0{}"]
)
def test_something_else_than_messages_is_recognized(noise):
    with pytest.raises(WeaveProcessError, match="restart live weaving"):
        read_message(io.BytesIO(noise))


def test_objects_are_never_sent():
    with pytest.raises(WeaveProcessError, match="cannot be sent"):
        write_message(io.BytesIO(), Message("edit", {}, {"rows": np.array([object()])}))


def test_columns_that_do_not_fit_each_other_are_refused(layout):
    columns, values = layout_to_columns(layout)
    columns["ring_length"] = columns["ring_length"] + 1
    with pytest.raises(LayoutError, match="damaged"):
        nuclei_from_columns(columns, values["class_names"])


def test_the_fingerprint_knows_layouts_apart_and_ignores_provenance_and_order(layout):
    turned = Layout(dict(reversed(layout.nuclei.items())), layout.shape, 0.25, provenance={"seed": 4})
    assert layout_fingerprint(turned) == layout_fingerprint(layout)
    moved = layout.with_nuclei({3: layout.nuclei[3].moved(0, 1e-9)})
    assert layout_fingerprint(moved) != layout_fingerprint(layout)
    assert layout_fingerprint(layout.resized((300, 401))) != layout_fingerprint(layout)


def test_looks_of_tiles_and_looks_by_name_arrive_as_they_were_sent(look):
    for sent in (look, NamedLook.of("colon", look.stains, [0.1, -2.5])):
        stream = io.BytesIO()
        write_message(stream, Message("prepare", *look_parts(sent)))
        stream.seek(0)
        arrived = look_of(read_message(stream))
        assert type(arrived) is type(sent)
        assert (arrived.sha256, arrived.stains) == (sent.sha256, sent.stains)
    assert not isinstance(arrived, Look)
    assert (arrived.name, arrived.texture) == ("colon", (0.1, -2.5))
