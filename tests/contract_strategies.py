"""Contracts of every kind, for Hypothesis."""

from hypothesis import strategies as st

from model import Contract, Feature, Output
from model.signature import CallLimits

CELLS = {
    "FP64": st.floats(allow_nan=False, allow_infinity=False),
    "INT64": st.integers(-(2**53), 2**53),
    "BOOL": st.booleans(),
    "BYTES": st.text(max_size=8),
}
_BOUNDS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_NAMES = st.text(min_size=1, max_size=8)


@st.composite
def features(draw, name):
    """A feature that some value can keep."""
    datatype = draw(st.sampled_from(sorted(CELLS)))
    cells = CELLS[datatype]
    categories = draw(st.none() | st.lists(cells, min_size=1, max_size=7, unique=True).map(tuple))
    low, high = None, None
    if categories is None and datatype in {"FP64", "INT64"}:
        low, high = draw(_BOUNDS), draw(_BOUNDS)
        if low is not None and high is not None and low > high:
            low, high = high, low
    words = st.text(max_size=5)
    return Feature(
        name, datatype, draw(st.booleans()), low, high, categories, draw(words), draw(words)
    )


def outputs(name):
    labels = st.lists(st.text() | st.integers(-(2**63), 2**64 - 1) | st.booleans()).map(tuple)
    return st.builds(
        Output,
        name=st.just(name),
        datatype=st.sampled_from(["FP64", "FP32", "INT64", "UINT8", "BOOL", "BYTES"]),
        shape=st.lists(st.integers(-1, 9), min_size=1, max_size=3).map(tuple),
        classes=st.none() | labels,
        names=st.none() | st.lists(_NAMES).map(tuple),
        unit=st.text(max_size=3),
        description=st.text(max_size=3),
    )


@st.composite
def contracts(draw):
    """Contracts whose example has the right types, and missing values anywhere."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=5, unique=True))
    columns = tuple(draw(features(name)) for name in names)
    answers = draw(st.lists(_NAMES, max_size=3, unique=True))
    row = st.tuples(*(st.none() | CELLS[column.datatype] for column in columns))
    positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    return Contract(
        draw(_NAMES),
        draw(_NAMES),
        draw(st.text(max_size=5)),
        columns,
        tuple(draw(outputs(name)) for name in answers),
        tuple(draw(st.lists(row, max_size=3))),
        CallLimits(draw(st.none() | st.integers(1, 10**9)), draw(st.none() | positive)),
        draw(positive),
    )
