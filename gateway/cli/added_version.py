"""What the command line says of a version that was added."""

import json
from collections.abc import Iterator

from gateway.cli.engine_words import engine_lines
from gateway.dialects.native import describe
from model import Contract, Feature, Manifest

_SHOWN_FEATURES = 10
_SHOWN_CHARACTERS = 400


def added_text(manifest: Manifest) -> str:
    """What was added, and what partners will see of it."""
    promised = Contract.from_json(manifest.contract)
    facts = [f"Added {manifest.name} {manifest.version}: {len(manifest.brought)} files."]
    if manifest.trusted:
        facts.append(f"You answered for: {', '.join(manifest.trusted)}.")
    if manifest.artifact.endswith(".py"):
        facts.append(f"It runs code of its own: {manifest.artifact}.")
    return "\n".join([*facts, *engine_lines(manifest), "", *_promise(promised)])


def _promise(promised: Contract) -> Iterator[str]:
    if promised.messages:
        yield f"POST /seldon/models/{promised.model_name}/api/v1.0/predictions"
        yield f"  takes  a SeldonMessage with {' or '.join(promised.messages)}"
        yield f"  try    {promised.example[0][0][:_SHOWN_CHARACTERS]}"
        return
    yield f"POST /v1/models/{promised.model_name}/predict"
    yield from map(_taken, promised.features[:_SHOWN_FEATURES])
    more = len(promised.features) - _SHOWN_FEATURES
    if more > 0:
        yield f"  … and {more} more (see: gateway model contract {promised.model_name})"
    for output in promised.outputs:
        yield f"  gives  {output.name} ({output.datatype}, shape {list(output.shape)})"
    example = describe(promised, [])["example"]
    yield f"  try    {json.dumps(example, default=str)[:_SHOWN_CHARACTERS]}"


def _taken(feature: Feature) -> str:
    missing = ", may be missing" if feature.nullable else ""
    return f"  takes  {feature.name} ({feature.datatype}{missing})"
