"""Answers as JSON."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from gateway.wire.encode import encode_json


def _strict(text: bytes) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def _decoded(value: Any) -> Any:
    return _strict(encode_json({"value": value}))["value"]


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "int64", "uint64", "bool"]
)
def test_arrays_of_numbers_are_written_as_they_are(dtype: str) -> None:
    """Every datatype of the protocol, with its own precision."""
    array = np.array([[0, 1], [1, 0]], dtype=dtype)

    assert _decoded(array) == array.tolist()


def test_largest_integers_are_exact() -> None:
    """64 bits, both signs."""
    assert _decoded(np.array([2**64 - 1], dtype=np.uint64)) == [2**64 - 1]
    assert _decoded(np.array([-(2**63)], dtype=np.int64)) == [-(2**63)]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (), (1, 1, 1)])
def test_every_shape_is_written(shape: tuple[int, ...]) -> None:
    """Empty arrays and single numbers too."""
    assert _decoded(np.zeros(shape)) == np.zeros(shape).tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0).reshape(3, 4)[:, ::2],
        np.arange(12.0)[::-1],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4, dtype=">f8"),
        np.arange(4, dtype=">i4"),
    ],
    ids=["transposed", "columns", "reversed", "fortran", "big endian", "big endian int"],
)
def test_every_layout_is_written(array: Any) -> None:
    """Views and foreign byte orders give their values, not their memory."""
    assert _decoded(array) == array.tolist()


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["malignant", "gutartig ü"]),
        np.array(["a", "bc"], dtype=object),
        np.array([1, "b", None, 2.5, True], dtype=object),
        (np.str_("a"), np.str_("b")),
        (np.int64(0), np.int64(1)),
        (np.float64(0.5), np.bool_(True)),
    ],
)
def test_labels_are_written(labels: Any) -> None:
    """Class labels as scikit-learn leaves them: text, objects, numpy's own scalars."""
    assert _decoded(labels) == [getattr(label, "item", lambda one=label: one)() for label in labels]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", object])
def test_what_json_cannot_say_becomes_null(dtype: Any) -> None:
    """NaN and infinity never reach a caller as bare words (RFC 8259 section 6)."""
    values = [float("nan"), float("inf"), float("-inf"), 1.0]

    assert _decoded(np.array(values, dtype=dtype)) == [None, None, None, 1.0]
    assert _decoded(values) == [None, None, None, 1.0]
    assert _decoded([np.float64("nan"), np.float32("inf")]) == [None, None]


@pytest.mark.parametrize(
    "value", [b"bytes", {1, 2}, object(), 1j, np.array([1j]), np.array([b"b"])]
)
def test_what_has_no_json_form_is_an_error(value: Any) -> None:
    """The caller gets a constant 500 for it, never half an answer."""
    with pytest.raises(TypeError):
        encode_json({"value": value})


@given(np_st.arrays(np_st.floating_dtypes(sizes=(32, 64)), np_st.array_shapes(max_dims=3)))
def test_any_array_is_valid_json_that_reads_back(array: Any) -> None:
    """What is finite comes back equal, everything else as null."""
    read = np.array(_decoded(array), dtype=np.float64).astype(array.dtype)

    assert np.array_equal(read, np.where(np.isfinite(array), array, np.nan), equal_nan=True)


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
)
def test_any_text_reads_back(value: dict[str, str]) -> None:
    """Quotes, controls and every script."""
    assert _decoded(value) == value
