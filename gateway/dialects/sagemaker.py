"""What a SageMaker endpoint's container answers: an array in the type that Accept names.

Sources: Amazon SageMaker Developer Guide, "Use your own inference code"; the media types are those
of the SageMaker inference toolkit. Its paths are those of `gateway.dialects.invocations`.
"""

from collections.abc import Mapping

from gateway.dialects import instances
from gateway.dialects.endpoint import Call, Reply
from gateway.dialects.output_choice import outputs_by_choice
from gateway.errors import BadRequest, NotAcceptable
from gateway.wire.encode import encode_json
from gateway.wire.formats import FORMATS
from gateway.wire.formats.format import Format
from gateway.wire.json_document import JsonDocument
from gateway.wire.table import Table
from model import Batch, Contract
from model.batch import Array

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_MOST_ATTRIBUTES = 1024


def attributes(call: Call) -> Mapping[str, str]:
    """The custom attributes, which go back as they came.

    Raises: BadRequest, where they are not what the platform passes on.
    """
    given = call.header(ATTRIBUTES)
    if not given:
        return {}
    if len(given) > _MOST_ATTRIBUTES or not (given.isascii() and given.isprintable()):
        raise BadRequest(f"{ATTRIBUTES} may have {_MOST_ATTRIBUTES} visible ASCII characters.")
    return {ATTRIBUTES: given}


def read(document: JsonDocument, contract: Contract) -> Batch:
    """A bare list of rows, each a list or an object by feature.

    Raises: BadRequest, where it is no list; InvalidInput (the model's).
    """
    if document.member_names() is not None:
        document.refuse()
        raise BadRequest(
            "The object has none of dataframe_split, dataframe_records, instances and inputs."
        )
    return instances.by_row(document, None, contract)


def chosen(accepted: Mapping[str, str], contract: Contract) -> str | None:
    """The output that an accepted type names, as in `text/csv; output=probabilities`.

    The platform passes on what Accept says, and hardly anything else.

    Raises: NotAcceptable, where the model has no such output.
    """
    wanted = accepted.get("output")
    if wanted is None:
        return None
    choices = outputs_by_choice(contract)
    if wanted not in choices:
        raise NotAcceptable(f"The outputs are {', '.join(choices)}.")
    return choices[wanted].name


def answer(name: str, values: Array, known: Format, accepted: Mapping[str, str]) -> Reply:
    """The array, without a name or a header."""
    if known is FORMATS["json"]:
        return Reply(encode_json(values), known.content_type)
    parameters = {key: value for key, value in accepted.items() if key != "output"}
    encoded = known.encode(Table({name: values}), {"header": "absent", **parameters})
    return Reply(encoded, known.content_type)
