"""`gateway run PATH…`: files and folders that are in service before the first request."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from config.settings import Settings
from gateway.cli.added_version import added_text
from gateway.cli.administration import Administration, refusable
from gateway.cli.journey import FirstCall
from gateway.cli.model_intake import (
    keep_version,
    model_store,
    name_of,
    prove_version,
    refused_in_one_line,
)
from gateway.dialects.native import describe
from model import ArtifactRejected, Contract, Manifest, is_model_name
from model.contents import read_contents
from model.manifest import check_libraries
from model.store import ProvenVersion

CALLS_FOLDER = "first-calls"


@dataclass(frozen=True, slots=True)
class ServedPath:
    """What shall be served, and under which name."""

    name: str
    path: Path


def bring_into_service(
    settings: Settings, arguments: Sequence[str], *, trust: bool
) -> list[FirstCall]:
    """Let each PATH or NAME=PATH serve as it is now; how to call each.

    What serves already stays the version it is; anything else becomes the next one. All are proved
    before the first is kept, so one that is refused leaves nothing behind.

    Raises: click.ClickException, one line.
    """
    served = _distinct([_served_path(argument) for argument in arguments])
    admin = Administration(settings)
    try:
        found = [_unchanged(admin, each) or _proven(admin, each, trust=trust) for each in served]
        return [_first_call(settings, _in_service(admin, each)) for each in found]
    finally:
        # What serves is forked from this process, and no connection of SQLite's may cross a fork.
        admin.close()


def _served_path(argument: str) -> ServedPath:
    name, sign, rest = argument.partition("=")
    if not sign or Path(argument).exists():
        return ServedPath(name_of(Path(argument)), Path(argument))
    if not is_model_name(name):
        raise click.ClickException(
            f"{name!r} is no name for a model: small letters, digits, dots, dashes and underscores."
        )
    return ServedPath(name, Path(rest))


def _distinct(served: list[ServedPath]) -> list[ServedPath]:
    name, count = Counter(each.name for each in served).most_common(1)[0]
    if count > 1:
        raise click.ClickException(
            f"{count} of the paths would be the model {name}; name them: gateway run NAME=PATH"
        )
    return served


def _unchanged(admin: Administration, served: ServedPath) -> Manifest | None:
    """The version in service, if it has these very files and loads with the libraries here."""
    rows = admin.store.model_versions()
    row = next((row for row in rows if row.name == served.name and row.active), None)
    if row is None:
        return None
    contents = refused_in_one_line(read_contents, served.path)
    try:
        manifest = model_store(admin).manifest(served.name, row.version)
    except ArtifactRejected:
        return None
    same = manifest.digest == row.manifest_digest and manifest.brought == contents.digests
    return manifest if same and _has_libraries(manifest) else None


def _has_libraries(manifest: Manifest) -> bool:
    try:
        check_libraries(manifest.libraries)
    except ArtifactRejected:
        return False
    return True


def _proven(admin: Administration, served: ServedPath, *, trust: bool) -> ProvenVersion:
    if admin.settings.models.require_signature:
        raise click.ClickException(
            f"Only signed versions serve here, and {served.path} is none: use gateway model add,"
            " sign and promote."
        )
    return prove_version(admin, served.path, served.name, None, trust=trust)


def _in_service(admin: Administration, found: Manifest | ProvenVersion) -> Manifest:
    if isinstance(found, Manifest):
        click.echo(f"{found.name} {found.version} serves already, and is unchanged.", err=True)
        return found
    manifest = keep_version(admin, found)
    keep_s = admin.settings.models.retired_for_s
    refusable(admin.store.promote_model, manifest.name, manifest.version, keep_s)
    click.echo(added_text(manifest), err=True)
    return manifest


def _first_call(settings: Settings, manifest: Manifest) -> FirstCall:
    """With the contract's example in a file: it is what the caller changes next."""
    example = describe(Contract.from_json(manifest.contract), [])["example"]
    folder = settings.data_dir / CALLS_FOLDER
    folder.mkdir(exist_ok=True)
    body = folder / f"{manifest.name}.json"
    body.write_text(json.dumps(example, default=str) + "\n")
    return FirstCall(manifest.name, str(body))
