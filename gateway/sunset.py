"""What callers of a version that ends are told: since when it is deprecated, until when it answers.

Sources: RFC 9745 (Deprecation), RFC 8594 (Sunset), RFC 5829 (successor-version).
"""

from collections.abc import Sequence
from email.utils import formatdate

from model import ServedModel


def ending_fields(model: ServedModel, versions: Sequence[ServedModel]) -> dict[str, str]:
    """The fields of an answer by a version with a `deprecated_at`.

    Args:
        versions: all that callers may name; the current one, where it is loaded, is the first.
    """
    fields = {"Deprecation": f"@{int(model.deprecated_at or 0)}"}
    if model.sunset_at is not None:
        fields["Sunset"] = formatdate(model.sunset_at, usegmt=True)
    if versions and versions[0].role == "current" and versions[0].version != model.version:
        path = f"/v1/models/{model.name}/versions/{versions[0].version}"
        fields["Link"] = f'<{path}>; rel="successor-version"'
    return fields
