"""Parts of the document that are written once and referred to."""

from collections.abc import Mapping
from typing import Any

from gateway.dialects.operation import Shared


class Components:
    """Collects shared schemas and responses on the way through the document."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self.responses: dict[str, Any] = {}
        self._sources: dict[str, Shared] = {}

    def plain(self, part: Any) -> Any:
        """A part of a schema as JSON has it, with a reference in place of what is shared."""
        if isinstance(part, Shared):
            return {"$ref": f"#/components/schemas/{self._shared(part)}"}
        if isinstance(part, Mapping):
            return {name: self.plain(value) for name, value in part.items()}
        if isinstance(part, list | tuple):
            return [self.plain(value) for value in part]
        return part

    def response(self, name: str, response: Mapping[str, Any]) -> dict[str, str]:
        """A reference to this response, under the name or one like it."""
        free = self._free_name(self.responses, name, response)
        self.responses[free] = response
        return {"$ref": f"#/components/responses/{free}"}

    def _shared(self, shared: Shared) -> str:
        # Models `a.1` in version 2 and `a` in version 1.2 ask for one name.
        name = self._free_name(self._sources, shared.name, shared)
        if name not in self._sources:
            self._sources[name] = shared
            self.schemas[name] = self.plain(shared.schema)
        return name

    def _free_name(self, taken: Mapping[str, Any], name: str, content: Any) -> str:
        candidate, number = name, 1
        while candidate in taken and taken[candidate] != content:
            number += 1
            candidate = f"{name}-{number}"
        return candidate
