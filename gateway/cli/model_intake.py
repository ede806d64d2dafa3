"""How a model comes into the store: what `gateway model add` and `gateway run PATH` share."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from gateway.cli.administration import Administration, actor, refusable
from gateway.cli.progress import Progress
from gateway.model_signatures import signature_policy
from model import (
    ArtifactRejected,
    Manifest,
    ModelError,
    ModelStore,
    VersionExists,
    is_model_name,
)
from model.artifact import artifact_stem
from model.engines.record import EngineWish
from model.first_load import load_confined
from model.store import ProvenVersion

P = ParamSpec("P")
T = TypeVar("T")

_ANY_ENGINE = EngineWish()


def prove_version(
    admin: Administration,
    path: Path,
    name: str,
    version: str | None,
    *,
    trust: bool,
    wish: EngineWish = _ANY_ENGINE,
) -> ProvenVersion:
    """Let a model answer its example, and choose its engines, confined. Nothing is kept.

    Raises: click.ClickException, one line that says what is wrong with it.
    """
    taken = {row.version for row in admin.store.model_versions() if row.name == name}
    if version in taken:
        raise click.ClickException(f"{name} {version} exists already; choose another version.")
    store = model_store(admin)
    version = version or store.next_version(name, taken)
    with Progress(f"{name} {version}") as progress:
        load = partial(load_confined, wish=wish, progress=progress)
        return refused_in_one_line(
            store.prove, path, name, version, actor(), trust=trust, load=load
        )


def keep_version(admin: Administration, proven: ProvenVersion) -> Manifest:
    """Copy a proven version into the store, and make it known. It does not serve yet."""
    if not proven.manifest.protections and not proven.contents.is_remote:
        click.echo("Warning: nothing confined its first load on this system.", err=True)
    admin.settings.models_dir.mkdir(parents=True, exist_ok=True)
    manifest = refused_in_one_line(model_store(admin).place, proven)
    refusable(
        admin.store.add_model_version,
        manifest.name,
        manifest.version,
        manifest.digest,
        notes={"trusted": list(manifest.trusted)} if manifest.trusted else None,
    )
    return manifest


def model_store(admin: Administration) -> ModelStore:
    """The versions of this gateway, with the signatures it asks for."""
    return ModelStore(admin.settings.models_dir, signatures=signature_policy(admin.settings.models))


def refused_in_one_line(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the store of models; what it refuses becomes one line and exit code 1."""
    try:
        return call(*args, **kwargs)
    except ArtifactRejected as exc:
        raise click.ClickException(exc.reason) from exc
    except VersionExists as exc:
        raise click.ClickException(str(exc)) from exc
    except ModelError as exc:
        raise click.ClickException(f"The model does not answer its example ({exc}).") from exc


def name_of(path: Path) -> str:
    """The name a model gets from its file or folder."""
    resolved = path.resolve()
    stem = resolved.name if resolved.is_dir() else artifact_stem(resolved.name)
    if not resolved.is_dir() and resolved.suffix in {".py", ".toml"}:
        stem = resolved.parent.name
    name = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")
    if not is_model_name(name):
        raise click.ClickException(f"{path} gives no usable name; say one: --name churn")
    return name
