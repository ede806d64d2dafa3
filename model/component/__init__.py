"""Seldon's convention: a folder with `Model.py` and `class Model`, its hooks found by name.

No base class is needed. What runs under `seldon-core-microservice --service-type MODEL` runs here
unchanged, as long as it answers with a table.
"""

from model.component.model import ComponentModel

__all__ = ["ComponentModel"]
