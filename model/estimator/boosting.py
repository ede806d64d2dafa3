"""What the trees of XGBoost and LightGBM remember of the data frame they were trained on.

Both are asked through the objects that were loaded; neither library is imported here.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class BoostedColumn:
    """One column; `flag` is whether it held truth values, `categories` is None for numbers."""

    flag: bool = False
    categories: list[Any] | None = None
    typical: float | None = None
    spread: tuple[float, float] | None = None


def xgboost_columns(booster: Any) -> list[BoostedColumn]:
    """One for each column of a training frame; none where it was a matrix."""
    types = booster.feature_types or []
    # The trees have to be written out for that, so only where there are categories.
    encoders = _xgboost_encoders(booster) if "c" in types else []
    encoders = encoders + [{}] * (len(types) - len(encoders))
    return [
        BoostedColumn(word == "i", _xgboost_categories(encoder) if word == "c" else None)
        for word, encoder in zip(types, encoders, strict=True)
    ]


def _xgboost_encoders(booster: Any) -> list[dict[str, Any]]:
    gradient_booster = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = gradient_booster.get("gbtree", gradient_booster)["model"]
    encoders: list[dict[str, Any]] = trees.get("cats", {}).get("enc", [])
    return encoders


def _xgboost_categories(encoder: dict[str, Any]) -> list[Any]:
    """Numbers are listed as they are, words as bytes one after the other, cut at `offsets`."""
    values = encoder.get("values", [])
    if "offsets" not in encoder:
        return list(values)
    data, offsets = bytes(values), encoder["offsets"]
    return [data[start:end].decode() for start, end in pairwise(offsets)]


def lightgbm_columns(booster: Any) -> list[BoostedColumn]:
    """One for each column; the middle of what was seen is all it knows of numbers."""
    dumped = booster.dump_model(num_iteration=1)
    categories = list(booster.pandas_categorical or [])
    return [
        _lightgbm_column(dumped["feature_infos"].get(name, {}), categories)
        for name in dumped["feature_names"]
    ]


def _lightgbm_column(facts: dict[str, Any], categories: list[Any]) -> BoostedColumn:
    """`categories` are those of the columns to come, in order; takes its own away."""
    if facts.get("values") and categories:
        return BoostedColumn(categories=list(categories.pop(0)))
    if not facts:
        return BoostedColumn()
    least, greatest = facts["min_value"], facts["max_value"]
    return BoostedColumn(typical=(least + greatest) / 2, spread=(least, greatest))
