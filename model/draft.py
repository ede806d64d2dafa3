"""A contract in the making: tried on its example, and proved where values may be missing.

Whatever kind of model answers: an estimator, a graph, a class of its own, a server elsewhere.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from model.batch import Array
from model.contract import Contract
from model.declaration import Declaration, reject
from model.errors import ArtifactRejected, InvalidInput, ModelError
from model.example import Row
from model.protocol import require_complete
from model.signature import Feature

# How a model answers the example of a contract. May raise anything.
Ask = Callable[[Contract], Mapping[str, Array]]


def draft_contract(
    model_name: str,
    model_version: str,
    features: Sequence[Feature],
    declaration: Declaration,
    said: str = "",
) -> Contract:
    """What is known before the model has answered anything: no example, no outputs.

    Args:
        said: how the model describes itself, where model.toml does not.
    """
    return Contract(
        model_name,
        model_version,
        declaration.description or said,
        tuple(features),
        outputs=(),
        example=(),
        limits=declaration.limits,
        cost=declaration.cost,
    )


def first_answered(
    draft: Contract, examples: Sequence[tuple[Row, ...]], ask: Ask
) -> tuple[Contract, Mapping[str, Array]]:
    """The contract with the first example that the model answers, and that answer.

    Raises:
        ArtifactRejected: it answers none, or an example does not keep the contract.
    """
    failure: Exception | None = None
    for example in examples:
        contract = dataclasses.replace(draft, example=example)
        check_example(contract)
        try:
            return contract, _whole_answer(ask, contract)
        except ArtifactRejected:
            raise
        except Exception as exc:
            failure = failure or exc
    raise ArtifactRejected(
        f"The model fails on its example ({_in_words(failure)});"
        " give rows that it answers in [example] of model.toml."
    ) from failure


def check_example(contract: Contract) -> None:
    """Raise ArtifactRejected where the example does not keep the contract."""
    try:
        contract.check(contract.example_batch)
    except InvalidInput as exc:
        fault = exc.faults[0]
        subject = "it" if fault.feature is None else repr(fault.feature)
        reject(f"in the example, {subject} has {fault.found}, expected is {fault.expected}")


def require_nullable(contract: Contract, ask: Ask) -> None:
    """Ask for a row without all that model.toml says may be missing.

    Raises: ArtifactRejected, where the model fails on it.
    """
    if not contract.has_nullable:
        return
    row = tuple(
        None if feature.nullable else value
        for feature, value in zip(contract.features, contract.example[0], strict=True)
    )
    try:
        _whole_answer(ask, dataclasses.replace(contract, example=(row,)))
    except Exception as exc:
        raise nullable_refused() from exc


def nullable_refused() -> ArtifactRejected:
    """For whoever has found out in another way that the model fails on missing values."""
    return ArtifactRejected(
        "model.toml allows missing values (nullable), but the model fails on them."
    )


def _whole_answer(ask: Ask, contract: Contract) -> Mapping[str, Array]:
    answer = ask(contract)
    require_complete(answer, len(contract.example))
    return answer


def _in_words(failure: Exception | None) -> Any:
    """Our own errors say what happened; what others say may quote anything."""
    return failure if isinstance(failure, ModelError) else type(failure).__name__
