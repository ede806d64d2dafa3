"""TensorFlow's tensors in JSON: read and written, and never larger than what was sent."""

from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.wire.tensor_proto import from_tensor_proto, to_tensor_proto

_TWO = {"dim": [{"size": "1"}, {"size": "2"}]}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"dtype": "DT_DOUBLE", "doubleVal": [1.5, 2]}, [[1.5, 2.0]]),
        ({"dtype": "DT_DOUBLE", "double_val": [1.5, 2]}, [[1.5, 2.0]]),
        ({"dtype": "DT_FLOAT", "floatVal": [1.5, -2.0]}, [[1.5, -2.0]]),
        ({"dtype": "DT_INT64", "int64Val": ["9007199254740993", 2]}, [[9007199254740993, 2]]),
        ({"dtype": "DT_INT32", "intVal": [1, 2]}, [[1, 2]]),
        ({"dtype": "DT_BOOL", "boolVal": [True, False]}, [[True, False]]),
        ({"dtype": "DT_STRING", "stringVal": ["w7w=", ""]}, [["ü", ""]]),
        (
            {
                "dtype": "DT_DOUBLE",
                "tensorContent": b64encode(np.array([1.5, 2]).tobytes()).decode(),
            },
            [[1.5, 2.0]],
        ),
    ],
)
def test_values_are_read(members: dict[str, Any], expected: Any) -> None:
    """Each list of values, and bytes; names in either of protobuf's ways."""
    for shape in ("tensorShape", "tensor_shape"):
        assert from_tensor_proto({**members, shape: _TWO}).tolist() == expected


@pytest.mark.parametrize(
    "proto",
    [
        None,
        [],
        {},
        {"dtype": "DT_DOUBLE", "doubleVal": [1.0, 2.0]},
        {"dtype": "DT_DOUBLE", "tensorShape": {"dim": []}, "doubleVal": []},
        {"dtype": "DT_DOUBLE", "tensorShape": {"dim": [{}]}, "doubleVal": []},
        {"dtype": "DT_DOUBLE", "tensorShape": {"dim": [{"size": "-1"}]}, "doubleVal": []},
        {"dtype": "DT_DOUBLE", "tensorShape": _TWO, "doubleVal": [1.0]},
        {"dtype": "DT_DOUBLE", "tensorShape": _TWO, "doubleVal": ["1", "2"]},
        {"dtype": "DT_DOUBLE", "tensorShape": _TWO, "doubleVal": None},
        {"dtype": "DT_INT32", "tensorShape": _TWO, "intVal": [1.5, 2]},
        {"dtype": "DT_INT8", "tensorShape": _TWO, "intVal": [300, 2]},
        {"dtype": "DT_INT64", "tensorShape": _TWO, "int64Val": ["x", "y"]},
        {"dtype": "DT_BOOL", "tensorShape": _TWO, "boolVal": [1, 0]},
        {"dtype": "DT_STRING", "tensorShape": _TWO, "stringVal": ["%", "%"]},
        {"dtype": "DT_STRING", "tensorShape": _TWO, "stringVal": ["/w==", ""]},
        {"dtype": "DT_DOUBLE", "tensorShape": _TWO, "tensorContent": "AAAA"},
        {"dtype": "DT_DOUBLE", "tensorShape": _TWO, "tensorContent": 7},
        {"dtype": "DT_COMPLEX64", "tensorShape": _TWO, "doubleVal": [1.0, 2.0]},
        {"dtype": ["DT_DOUBLE"], "tensorShape": _TWO, "doubleVal": [1.0, 2.0]},
    ],
)
def test_what_is_no_tensor_is_refused(proto: Any) -> None:
    """400, whatever part of it is wrong."""
    with pytest.raises(BadRequest):
        from_tensor_proto(proto)


def test_one_value_does_not_stand_for_millions() -> None:
    """TensorFlow repeats the last value; here that would be memory for nothing."""
    million = {"dim": [{"size": "1000"}, {"size": "1000"}]}
    with pytest.raises(BadRequest):
        from_tensor_proto({"dtype": "DT_DOUBLE", "tensorShape": million, "doubleVal": [1.0]})


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_what_is_written_is_read_again(values: list[float]) -> None:
    """Numbers of every kind that TensorFlow has come back as they were."""
    for dtype in ("f8", "f4", "i8", "i4", "u1"):
        with np.errstate(all="ignore"):
            array = np.array([values]).astype(dtype)
        back = from_tensor_proto(to_tensor_proto(array))

        assert back.dtype == array.dtype
        assert back.tolist() == array.tolist()
