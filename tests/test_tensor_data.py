"""Tensors of the Open Inference Protocol: their elements as JSON and as bytes."""

import math
import tracemalloc
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from tritonclient.utils import serialize_bf16_tensor

from model.tensor_data import datatype_of, from_binary, from_json, to_binary, to_json

_NUMBERS = [
    *(f"FP{bits}" for bits in (16, 32, 64)),
    *(f"INT{bits}" for bits in (8, 16, 32, 64)),
    *(f"UINT{bits}" for bits in (8, 16, 32, 64)),
]

# What the caller turns into a failure of the model.
_REFUSED = (ValueError, TypeError, OverflowError)


@st.composite
def tensors(draw: st.DrawFn, *, finite: bool) -> tuple[str, np.ndarray[Any, Any]]:
    """A datatype, and an array of it of one or two dimensions."""
    datatype = draw(st.sampled_from([*_NUMBERS, "BOOL", "BYTES"]))
    shape = draw(st_numpy.array_shapes(max_dims=2, max_side=5))
    if datatype == "BYTES":
        texts = draw(st.lists(_TEXTS, min_size=math.prod(shape), max_size=math.prod(shape)))
        return datatype, np.array(texts, dtype=object).reshape(shape)
    name = datatype.lower().replace("fp", "float")
    dtype = np.dtype("bool" if datatype == "BOOL" else name)
    bounded = {"allow_nan": False, "allow_infinity": False} if finite else {}
    elements = st_numpy.from_dtype(dtype, **bounded)
    return datatype, draw(st_numpy.arrays(dtype, shape, elements=elements))


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def _same(received: np.ndarray[Any, Any], sent: np.ndarray[Any, Any]) -> bool:
    # As bytes, so that NaN is equal to itself and 0.0 is not -0.0.
    if sent.dtype.kind == "O":
        return received.shape == sent.shape and received.tolist() == sent.tolist()
    return (received.dtype, received.shape) == (sent.dtype, sent.shape) and (
        received.tobytes() == sent.tobytes()
    )


@given(tensors(finite=False))
def test_bytes_come_back_as_the_array_they_were(
    tensor: tuple[str, np.ndarray[Any, Any]],
) -> None:
    """All datatypes survive the binary form exactly, infinities and NaN among them."""
    datatype, array = tensor
    data = to_binary(array, datatype)
    assert data is not None
    received = from_binary(memoryview(data), datatype, array.shape)

    assert _same(received, array)
    assert datatype_of(received) == datatype


@given(tensors(finite=True))
def test_json_comes_back_as_the_array_it_was(tensor: tuple[str, np.ndarray[Any, Any]]) -> None:
    """All datatypes survive JSON exactly, as long as they are numbers."""
    datatype, array = tensor
    written = orjson.dumps(to_json(array, datatype), option=orjson.OPT_SERIALIZE_NUMPY)
    received = from_json(orjson.loads(written), datatype, array.shape)

    assert _same(received, array)


@given(tensors(finite=False), st.data())
def test_truncated_bytes_are_refused(
    tensor: tuple[str, np.ndarray[Any, Any]], data: st.DataObject
) -> None:
    """Whatever is cut off, what is left is never taken for the whole."""
    datatype, array = tensor
    whole = to_binary(array, datatype)
    assert whole
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(_REFUSED):
        from_binary(memoryview(whole)[:cut], datatype, array.shape)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP64", ["1.5"]),
        ("FP64", [None]),
        ("FP64", [[1.0], [2.0, 3.0]]),
        ("FP64", [1.0, 2.0]),
        ("FP64", 1.0),
        ("FP64", {"0": 1.0}),
        ("INT64", [1.5]),
        ("INT8", [128]),
        ("UINT8", [-1]),
        ("INT64", [2**64]),
        ("BOOL", [1]),
        ("BYTES", [1]),
        ("BYTES", [None]),
        ("BYTES", [["a", "b"]]),
    ],
)
def test_elements_of_another_kind_are_refused(datatype: str, data: Any) -> None:
    """Nothing is converted that the datatype does not hold."""
    with pytest.raises(_REFUSED):
        from_json(data, datatype, (1,))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("BOOL", b"\x02"), ("BYTES", b"\x01\x00\x00\x00\xff"), ("BYTES", b"\xff\xff\xff\xff")],
)
def test_bytes_that_are_no_element_are_refused(datatype: str, data: bytes) -> None:
    """A flag is 0 or 1, a text is UTF-8 and as long as it says."""
    with pytest.raises(_REFUSED):
        from_binary(memoryview(data), datatype, (1,))


@pytest.mark.parametrize(
    ("datatype", "array"),
    [
        ("INT64", np.array([1.0, np.nan])),
        ("BOOL", np.array([True, None], dtype=object)),
        ("BYTES", np.array(["a", None], dtype=object)),
    ],
)
def test_missing_values_without_binary_form_are_null_in_json(
    datatype: str, array: np.ndarray[Any, Any]
) -> None:
    """Only a missing number has a byte form, NaN."""
    assert to_binary(array, datatype) is None
    assert to_json(array, datatype)[1] is None


def test_bf16_is_the_upper_half_of_fp32() -> None:
    """As tritonclient packs it; it has no form in JSON."""
    values = np.array([[1.0, -2.5], [3.0e38, 0.0]], dtype=np.float32)
    packed = serialize_bf16_tensor(values).item()
    back = from_binary(memoryview(packed), "BF16", (2, 2))

    assert back.dtype == np.float32
    assert np.allclose(back, values, rtol=2**-7)
    for refuse in (
        lambda: from_json([1.0], "BF16", (1,)),
        lambda: from_binary(memoryview(b"\0\0\0"), "BF16", (1,)),
    ):
        with pytest.raises(_REFUSED):
            refuse()


def test_texts_among_numbers_take_no_room():
    """numpy would give each element the room of the longest: 84 bytes for a digit."""
    data = [[1, "a"]] * 50_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="do not fit"):
        from_json(data, "FP64", (50_000, 2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000


@pytest.mark.parametrize(("count", "fits"), [(5_000_000, True), (5_000_001, False)])
def test_texts_in_bytes_are_as_many_as_in_json(count, fits):
    """Four bytes are an empty one."""
    shape = (count,)
    with pytest.raises(ValueError, match="cannot reshape" if fits else "do not fit"):
        from_binary(memoryview(bytes(4)), "BYTES", shape)
