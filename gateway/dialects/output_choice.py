"""Which output of a model is answered, in protocols that answer one."""

from collections.abc import Mapping

from model import Contract, Output

# As scikit-learn calls what gives these outputs.
_METHODS = {
    "predict": "predictions",
    "predict_proba": "probabilities",
    "decision_function": "scores",
    "transform": "transformed",
}


def default_output(contract: Contract) -> Output:
    """The first: of a classifier the labels, as KServe, MLflow and SageMaker answer them."""
    return contract.outputs[0]


def outputs_by_choice(contract: Contract) -> Mapping[str, Output]:
    """Each output by what callers may call it: its name, or scikit-learn's method."""
    outputs = {output.name: output for output in contract.outputs}
    methods = {method: outputs[name] for method, name in _METHODS.items() if name in outputs}
    return {**methods, **outputs}
