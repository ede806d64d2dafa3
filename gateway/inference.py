"""One inference call: the contract is checked, the call is charged, the model answers in time."""

from functools import partial

from gateway.admission import Admission
from gateway.deadline import DeadlineRunner
from gateway.errors import UnknownModel
from gateway.request_context import context, note
from model import Batch, ModelNotReady, Prediction, ServedModel, ServedModels


class Inference:
    """What the predict resources call. Raises problems, or the model's own errors."""

    def __init__(
        self,
        models: ServedModels,
        admission: Admission,
        deadline: DeadlineRunner,
        *,
        default_model: str,
    ) -> None:
        self._models = models
        self._admission = admission
        self._deadline = deadline
        self._default_model = default_model

    def model_names(self) -> list[str]:
        """Every active model, served or failed, in order."""
        return self._models.names()

    def default_model_name(self) -> str:
        """The configured model, else the only one.

        Raises: UnknownModel, where there are several or none.
        """
        names = [self._default_model] if self._default_model else self.model_names()
        if len(names) != 1:
            raise UnknownModel("There is no default model: name one, /v1/models/{model}/predict.")
        return names[0]

    def model(self, model_name: str, version: str | None = None) -> ServedModel:
        """The model in service under this name.

        Raises: UnknownModel, UnknownVersion, ModelNotReady (all of them the model's).
        """
        note(model=model_name)
        served = self._models.get(model_name, version)
        note(version=served.version)
        return served

    def ready_version(self, model_name: str) -> str | None:
        """The version of a model that answers here; None where none does."""
        try:
            return self._models.get(model_name).version
        except ModelNotReady:
            return None

    def predict(self, model: ServedModel, batch: Batch) -> Prediction:
        """Check, charge, predict.

        Raises: InvalidInput (model's), RateLimited, DeadlineExceeded, Overloaded, ModelFailed.
        """
        current = context()
        current.facts["rows"] = batch.row_count
        current.enter("validate")
        model.contract.check(batch)
        current.enter("limits")
        self._admission.charge(batch.row_count)
        current.enter("predict")
        prediction = self._deadline.run(
            partial(model.predict, batch),
            estimate_s=model.estimate_s(batch.row_count),
            remaining_s=current.remaining_s(),
        )
        current.enter("")
        return prediction
