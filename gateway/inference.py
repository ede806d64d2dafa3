"""One inference call: the contract is checked, the call is charged, the model answers in time."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from flask import Response, after_this_request

from gateway.admission import Admission
from gateway.control.model_statistics import Asked
from gateway.deadline import DeadlineRunner
from gateway.errors import DeadlineExceeded, ModelUnavailable, UnknownModel
from gateway.model_statistics import ModelStatistics
from gateway.principal import ADMIN
from gateway.request_context import context, note
from gateway.shadow import Shadowing
from gateway.sunset import ending_fields
from model import (
    Batch,
    ModelNotReady,
    Prediction,
    ServedModel,
    ServedModels,
    SiftedRows,
)

log = structlog.get_logger()

_LOGGED_METRICS = 20


class Inference:
    """What the predict resources call. Raises problems, or the model's own errors."""

    def __init__(  # noqa: PLR0913  # What an inference needs, each part once.
        self,
        models: ServedModels,
        admission: Admission,
        deadline: DeadlineRunner,
        *,
        default_model: str,
        statistics: ModelStatistics,
        shadowing: Shadowing | None = None,
    ) -> None:
        self._models = models
        self._admission = admission
        self._deadline = deadline
        self._default_model = default_model
        self._shadowing = shadowing
        self._statistics = statistics

    def model_names(self) -> list[str]:
        """Every active model, served or failed, in order."""
        return self._models.names()

    def usable_names(self) -> list[str]:
        """Those of them that the caller may use: read, or predict with."""
        caller = context().caller
        return [
            name
            for name in self.model_names()
            if caller.may("read", name) or caller.may("predict", name)
        ]

    def default_model_name(self) -> str:
        """The configured model, else the only one.

        Raises: UnknownModel, where there are several or none.
        """
        names = [self._default_model] if self._default_model else self.model_names()
        if len(names) != 1:
            raise UnknownModel("There is no default model: name one, /v1/models/{model}/predict.")
        return names[0]

    def model(self, model_name: str, version: str | None = None) -> ServedModel:
        """The model in service under this name; where it has a canary, the caller's version.

        Raises: UnknownModel, UnknownVersion, ModelNotReady (all of them the model's).
        """
        note(model=model_name)
        principal = context().principal
        partner = principal.partner if principal is not None else ""
        served = self._models.get(model_name, version, sticky=partner)
        note(version=served.version)
        if served.role != "current":
            note(role=served.role)
        if served.deprecated_at is not None and served.role != "canary":
            self._announce_end(served)
        return served

    def versions(self, model_name: str) -> list[ServedModel]:
        """The versions that callers may name, the current one first."""
        return self._models.versions(model_name)

    def ready_version(self, model_name: str) -> str | None:
        """The version of a model that answers here; None where none does."""
        try:
            return self._models.get(model_name).version
        except ModelNotReady:
            return None

    def answering(self, model_name: str, partner: str) -> ServedModel | None:
        """Who answers this partner where it names no version; None where nothing does."""
        try:
            return self._models.get(model_name, sticky=partner)
        except ModelNotReady:
            return None

    def predict(self, model: ServedModel, batch: Batch) -> Prediction:
        """Check, charge, predict.

        Raises: InvalidInput (model's), RateLimited, DeadlineExceeded, Overloaded, ModelFailed.
        """
        current = context()
        current.facts["rows"] = batch.row_count
        self._count(model, batch.row_count)
        current.enter("validate")
        model.check(batch)
        return self._charge_and_ask(model, batch, batch.row_count)

    def predict_good(self, model: ServedModel, rows: SiftedRows) -> Prediction:
        """Charge all rows, those that were refused too: each was read and judged. Ask about the
        good ones; where there are none, the model is not asked.

        Raises: as `predict`, but for InvalidInput.
        """
        note(rows=rows.row_count, refused_rows=len(rows.faults))
        self._count(model, rows.row_count)
        if rows.batch.row_count:
            return self._charge_and_ask(model, rows.batch, rows.row_count)
        context().enter("limits")
        self._admission.charge(model.charged_rows(rows.row_count))
        return model.empty_prediction

    def statistics(self, model_name: str) -> Mapping[str, Mapping[str, float]]:
        """What the caller asked of a model, by version; of an administrator's, what all did.

        Raises: ModelUnavailable, where that cannot be read.
        """
        caller = context().caller
        partner = None if caller.may(ADMIN, model_name) else caller.partner
        return self._statistics.of(model_name, partner)

    def _count(self, model: ServedModel, row_count: int) -> None:
        """Once the answer is out, count the call."""
        current = context()
        asked = Asked(current.caller.partner, model.name, model.version)
        count = partial(self._statistics.count, current, asked, row_count)
        current.on_close.append(count)

    def _charge_and_ask(self, model: ServedModel, batch: Batch, row_count: int) -> Prediction:
        current = context()
        current.enter("limits")
        self._admission.charge(model.charged_rows(row_count))
        current.enter("predict")
        started = time.perf_counter()
        prediction = self._deadline.run(
            partial(model.predict, batch),
            estimate_s=model.estimate_s(batch.row_count),
            remaining_s=model.allowed_s(current.remaining_s()),
        )
        duration_s = time.perf_counter() - started
        current.enter("")
        if prediction.metrics:
            note(model_metrics=_metrics(prediction))
        self._shadow(model, batch, prediction, duration_s)
        return prediction

    def take_feedback(
        self, model: ServedModel, batch: Batch, reward: float, truth: Sequence[Any] | None
    ) -> None:
        """Check, charge one request, log the feedback, and tell the model if it wants to know.

        Raises: as `predict`.
        """
        current = context()
        current.facts["rows"] = batch.row_count
        current.enter("validate")
        model.check(batch)
        current.enter("limits")
        self._admission.charge(0)
        current.enter("predict")
        # Inputs and truths are not logged; the request id leads to the caller.
        log.info(
            "feedback",
            model=model.name,
            version=model.version,
            rows=batch.row_count,
            reward=reward,
            truths=0 if truth is None else len(truth),
        )
        self._deadline.run(
            partial(model.send_feedback, batch, reward, truth),
            estimate_s=model.estimate_s(batch.row_count),
            remaining_s=model.allowed_s(current.remaining_s()),
        )
        current.enter("")

    def health_status(self, model: ServedModel) -> Mapping[str, Any] | None:
        """What the model's own code says of how it is; None where it has none, or says nothing.

        Raises: RateLimited, Overloaded; ModelUnwell (the model's), ModelUnavailable if it is late.
        """
        if not model.reports_health:
            return None
        current = context()
        current.enter("limits")
        # Before its code runs: failures are not charged afterwards.
        self._admission.charge(0)
        current.enter("predict")
        remaining_s = model.allowed_s(current.remaining_s())
        try:
            # Nothing is known of how long it takes.
            return self._deadline.run(
                model.health_status, estimate_s=remaining_s, remaining_s=remaining_s
            )
        except DeadlineExceeded as exc:
            detail = "The model did not say in time how it is."
            raise ModelUnavailable(detail, retry_after_s=5) from exc
        finally:
            current.enter("")

    def _shadow(
        self, model: ServedModel, batch: Batch, prediction: Prediction, duration_s: float
    ) -> None:
        """Once the answer is out, let a shadow version answer the same."""
        shadow = self._models.shadow(model.name) if model.role == "current" else None
        if self._shadowing is not None and shadow is not None:
            offer = partial(self._shadowing.offer, model, shadow, batch, prediction, duration_s)
            context().on_close.append(lambda _status: offer())

    def _announce_end(self, model: ServedModel) -> None:
        fields = ending_fields(model, self._models.versions(model.name))

        @after_this_request
        def _add(response: Response) -> Response:
            response.headers.extend(fields)
            return response


def _metrics(prediction: Prediction) -> dict[str, float]:
    """The first of the metrics that the model gave with its answer, by key."""
    return {metric["key"]: metric["value"] for metric in prediction.metrics[:_LOGGED_METRICS]}
