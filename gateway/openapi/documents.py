"""Documents by what their readers may use, each made once."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from gateway.openapi.document import DocumentMaker
from gateway.openapi.routes import Offer
from gateway.principal import Principal
from model import ServedModel

# Most partners may use the same models: few documents serve all of them.
_KEPT = 32


class Models(Protocol):
    """What is asked of the models in service."""

    def model_names(self) -> list[str]: ...
    def versions(self, model_name: str) -> list[ServedModel]: ...
    def answering(self, model_name: str, partner: str) -> ServedModel | None: ...


@dataclass(frozen=True, slots=True)
class Written:
    """A document's bytes, and a tag that is the same in every worker as long as they are."""

    body: bytes
    etag: str


class Documents:
    """The document for each caller, from memory where one like it was made before.

    Args:
        default_model: the configured one, if any.
    """

    def __init__(self, models: Models, maker: DocumentMaker, default_model: str) -> None:
        self._models = models
        self._maker = maker
        self._default_model = default_model
        self._written: dict[Hashable, Written] = {}

    def of(self, principal: Principal) -> Written:
        """The document for this caller."""
        names = self._models.model_names()
        default_names = [self._default_model] if self._default_model else names
        default_model = default_names[0] if len(default_names) == 1 else None
        uses = [use for name in names if (use := self._use(principal, name)) is not None]
        # Of digests, not of models: a replaced model must not be kept in memory for its document.
        key = default_model, tuple(use.key for use in uses)
        written = self._written.get(key)
        if written is None:
            offers = {use.name: use.offer for use in uses}
            written = self._write(offers, default_model)
            while len(self._written) >= _KEPT:
                del self._written[next(iter(self._written))]
            self._written[key] = written
        return written

    def _use(self, principal: Principal, name: str) -> "_Use | None":
        verbs = frozenset(verb for verb in self._maker.verbs if principal.may(verb, name))
        answered_by = self._models.answering(name, principal.partner) if verbs else None
        if answered_by is None:
            return None
        return _Use(name, verbs, answered_by, tuple(self._models.versions(name)))

    def _write(self, offers: Mapping[str, Offer], default_model: str | None) -> Written:
        body = orjson.dumps(self._maker.document(offers, default_model))
        return Written(body, hashlib.sha256(body).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class _Use:
    """A model as a caller may use it."""

    name: str
    verbs: frozenset[str]
    answered_by: ServedModel
    versions: tuple[ServedModel, ...]

    @property
    def key(self) -> Hashable:
        digests = tuple((served.version, served.digest) for served in self.versions)
        return self.name, self.verbs, self.answered_by.version, self.answered_by.digest, digests

    @property
    def offer(self) -> Offer:
        versions = {served.version: served.contract for served in self.versions}
        return Offer(self.answered_by.contract, versions, self.verbs)
