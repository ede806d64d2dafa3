"""Seldon's convention: a folder with `Model.py` and `class Model`, its hooks found by name.

No base class is needed. What runs under `seldon-core-microservice --service-type MODEL` runs here
unchanged: on tables, or on messages where its model.toml has examples of those.
"""

from collections.abc import Mapping
from typing import Any

from model.component.construction import Component
from model.component.messages import MessageModel
from model.component.model import ComponentModel
from model.contract import Contract
from model.protocol import Model

__all__ = ["ComponentModel", "open_component"]


def open_component(
    files: Mapping[str, bytes], module: str, contract: Contract, parameters: Mapping[str, Any]
) -> Model:
    """The model of a class that was added before, with the contract it had then.

    Raises: ArtifactRejected.
    """
    if contract.messages:
        return MessageModel(Component(files, module, parameters), contract)
    return ComponentModel(files, module, contract, parameters)
