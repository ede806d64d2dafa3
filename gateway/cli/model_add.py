"""`gateway model add|contract|diff`: bringing a model, and what its versions promise."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import click

from gateway.cli.administration import (
    AdminCommand,
    Administration,
    actor,
    administration,
    refusable,
)
from gateway.cli.model_versions import promote_version
from gateway.cli.output import show_json, show_table
from gateway.dialects.native import describe
from gateway.model_signatures import signature_policy
from model import (
    ArtifactRejected,
    Contract,
    Manifest,
    ModelError,
    ModelStore,
    VersionExists,
    is_model_name,
)
from model.compatibility import compare
from model.declaration import DECLARATION_FILE
from model.first_load import load_confined

_SHOWN_FEATURES = 10


@click.command(cls=AdminCommand)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", help="Default: that of the file or folder.")
@click.option("--version", help="Default: the next whole number.")
@click.option("--trust", is_flag=True, help="You answer for what it names beyond the known list.")
@click.option("--promote", "promoted", is_flag=True, help="Let it serve at once.")
@click.pass_obj
def add(
    data_dir: Path | None,
    *,
    path: Path,
    name: str | None,
    version: str | None,
    trust: bool,
    promoted: bool,
) -> None:
    """Copy a model into the store, prove that it answers, and show what partners will see.

    PATH is a saved estimator (.joblib, .pkl), a folder with one and its model.toml, a folder with
    Model.py and class Model, or a folder whose model.toml has [remote].
    """
    admin = administration(data_dir)
    manifest = _added(admin, path, name or _name_of(path), version, trust=trust)
    refusable(
        admin.store.add_model_version,
        manifest.name,
        manifest.version,
        manifest.digest,
        notes={"trusted": list(manifest.trusted)} if manifest.trusted else None,
    )
    _show(manifest)
    if promoted:
        promote_version(admin, manifest.name, manifest.version)
    else:
        click.echo(f"\nTo serve it: gateway model promote {manifest.name} {manifest.version}")


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("version", required=False)
@click.pass_obj
def contract(data_dir: Path | None, name: str, version: str | None) -> None:
    """What a version takes and gives, as partners read it; default: the one added last."""
    show_json(describe(_contract_of(_store(administration(data_dir)), name, version), []))


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("old")
@click.argument("new")
@click.pass_obj
def diff(data_dir: Path | None, name: str, old: str, new: str) -> None:
    """What callers of version OLD would notice of version NEW; exit code 1 if it breaks them."""
    store = _store(administration(data_dir))
    changes = compare(_contract_of(store, name, old), _contract_of(store, name, new))
    if not changes:
        click.echo("Callers would notice nothing.")
        return
    rows = [("yes" if change.breaks else "no", change.sentence) for change in changes]
    show_table(("breaks", "change"), rows)
    click.get_current_context().exit(1 if any(change.breaks for change in changes) else 0)


def _contract_of(store: ModelStore, name: str, version: str | None) -> Contract:
    versions = store.versions(name)
    if not versions:
        raise click.ClickException(f"There is no model {name} (see: gateway model list)")
    if version is not None and version not in versions:
        raise click.ClickException(f"Model {name} has no version {version}.")
    manifest = refused_in_one_line(store.manifest, name, version or versions[-1])
    return Contract.from_json(manifest.contract)


def refused_in_one_line(call: Any, *arguments: Any) -> Any:
    """Call the store of models; what it refuses becomes one line and exit code 1."""
    try:
        return call(*arguments)
    except ArtifactRejected as exc:
        raise click.ClickException(exc.reason) from exc
    except VersionExists as exc:
        raise click.ClickException(str(exc)) from exc
    except ModelError as exc:
        raise click.ClickException(f"The model does not answer its example ({exc}).") from exc


def _store(admin: Administration) -> ModelStore:
    return ModelStore(admin.settings.models_dir, signatures=signature_policy(admin.settings.models))


def _added(
    admin: Administration, path: Path, name: str, version: str | None, *, trust: bool
) -> Manifest:
    admin.settings.models_dir.mkdir(parents=True, exist_ok=True)
    manifest: Manifest = refused_in_one_line(
        partial(_store(admin).add, trust=trust, load=load_confined), path, name, version, actor()
    )
    return manifest


def _name_of(path: Path) -> str:
    resolved = path.resolve()
    stem = resolved.name if resolved.is_dir() else resolved.name.partition(".")[0]
    if resolved.suffix == ".py":
        stem = resolved.parent.name
    name = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")
    if not is_model_name(name):
        raise click.ClickException(f"{path} gives no usable name; say one: --name churn")
    return name


def _show(manifest: Manifest) -> None:
    promised = Contract.from_json(manifest.contract)
    click.echo(f"Added {manifest.name} {manifest.version}: {len(manifest.files)} files.")
    if not manifest.protections and manifest.artifact != DECLARATION_FILE:
        click.echo("Warning: nothing confined its first load on this system.", err=True)
    if manifest.trusted:
        click.echo(f"You answered for: {', '.join(manifest.trusted)}.")
    if manifest.artifact.endswith(".py"):
        click.echo(f"It runs code of its own: {manifest.artifact}.")
    click.echo(f"\nPOST /v1/models/{manifest.name}/predict")
    for feature in promised.features[:_SHOWN_FEATURES]:
        click.echo(f"  takes  {feature.name} ({feature.datatype}{_missing(feature.nullable)})")
    more = len(promised.features) - _SHOWN_FEATURES
    if more > 0:
        click.echo(f"  … and {more} more (see: gateway model contract {manifest.name})")
    for output in promised.outputs:
        click.echo(f"  gives  {output.name} ({output.datatype}, shape {list(output.shape)})")
    example = describe(promised, [])["example"]
    click.echo(f"  try    {json.dumps(example, default=str)[:400]}")


def _missing(nullable: bool) -> str:
    return ", may be missing" if nullable else ""
