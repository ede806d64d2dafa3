"""`gateway model add|contract|diff`: bringing a model, and what its versions promise."""

from pathlib import Path

import click

from gateway.cli.added_version import added_text
from gateway.cli.administration import AdminCommand, administration
from gateway.cli.model_intake import (
    keep_version,
    model_store,
    name_of,
    prove_version,
    refused_in_one_line,
)
from gateway.cli.model_versions import promote_version
from gateway.cli.output import show_json, show_table
from gateway.dialects.native import describe
from model import Contract, ModelStore
from model.compatibility import compare
from model.engines.record import AUTO, WISHES, EngineWish


@click.command(cls=AdminCommand)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="Default: that of the file or folder.")
@click.option("--version", help="Default: the next whole number.")
@click.option(
    "--trust",
    is_flag=True,
    help="You answer for what it names beyond the known list, or for the token that it sends.",
)
@click.option(
    "--engine",
    type=click.Choice(WISHES),
    default=AUTO,
    show_default=True,
    help="Its own library (native), ONNX Runtime or nothing (onnx), or what is proved and fastest.",
)
@click.option(
    "--probe",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows like those that will come, .csv or .json: engines are compared on them, too.",
)
@click.option("--promote", "promoted", is_flag=True, help="Let it serve at once.")
@click.pass_obj
def add(
    data_dir: Path | None,
    *,
    path: Path,
    name: str | None,
    version: str | None,
    trust: bool,
    engine: str,
    probe: Path | None,
    promoted: bool,
) -> None:
    """Copy a model into the store, prove that it answers, and show what partners will see.

    PATH is a saved estimator (.joblib, .pkl, .skops), an .onnx file, a folder with one and its
    model.toml, a folder with Model.py and class Model, or a folder whose model.toml has [remote].
    """
    admin = administration(data_dir)
    wish = EngineWish(engine)
    if probe is not None:
        wish = EngineWish(engine, probe.name, probe.read_bytes())
    proven = prove_version(admin, path, name or name_of(path), version, trust=trust, wish=wish)
    manifest = keep_version(admin, proven)
    click.echo(added_text(manifest))
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
    show_json(describe(_contract_of(model_store(administration(data_dir)), name, version), []))


@click.command(cls=AdminCommand)
@click.argument("name")
@click.argument("old")
@click.argument("new")
@click.pass_obj
def diff(data_dir: Path | None, name: str, old: str, new: str) -> None:
    """What callers of version OLD would notice of version NEW; exit code 1 if it breaks them."""
    store = model_store(administration(data_dir))
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
