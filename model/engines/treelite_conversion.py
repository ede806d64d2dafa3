"""Boosted trees written as treelite reads them."""

from collections.abc import Mapping
from typing import Any

import treelite
import treelite.sklearn

from model.contract import Contract
from model.errors import ArtifactRejected
from model.estimator.fitted import library, reads_names, steps


def convert(estimator: Any, contract: Contract) -> bytes:
    """The trees as treelite writes them.

    Raises:
        ArtifactRejected: these are no trees that it reads, or other steps come before them.
    """
    *before, final = steps(estimator)
    if before or not contract.dense or reads_names(estimator):
        raise ArtifactRejected("treelite takes trees alone, on a matrix of numbers.")
    read = READERS.get(library(final))
    # Its reading of scikit-learn's other trees does not round to single precision first.
    if read is None or (library(final) == "sklearn" and not hasattr(final, "_predictors")):
        raise ArtifactRejected(f"treelite does not read a {type(final).__name__}.")
    try:
        data: bytes = read(final).serialize_bytes()
        return data
    except Exception as exc:  # It raises whatever comes, also where a kind is unknown.
        raise ArtifactRejected(
            f"treelite cannot read this {type(final).__name__} ({type(exc).__name__})."
        ) from exc


READERS: Mapping[str, Any] = {
    "lightgbm": lambda final: treelite.frontend.from_lightgbm(final.booster_),
    "sklearn": treelite.sklearn.import_model,
    "xgboost": lambda final: treelite.frontend.from_xgboost(final.get_booster()),
}
