"""`gateway init`: the first start of an installation whose parts run apart, as containers do."""

import os
import time
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from gateway.auth.keys import key_problems
from gateway.cli.administration import AdminCommand, Administration, service_settings
from gateway.cli.prepare import EXAMPLE_NAME, prepare
from gateway.control import schema
from model import ModelStore, VersionExists

_VERSION = "1"
_DATABASE_WITHIN_S = 60.0


@click.command(cls=AdminCommand)
@click.option(
    "--example",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the trained example, put into service where there is no model yet.",
)
@click.pass_obj
def init(data_dir: Path | None, example: Path | None) -> None:
    """Make keys, control store and status database where there are none; never a partner.

    A second call changes nothing, or brings the control store to this version's schema.
    """
    # What is made here is for this user and its group: the parts share the group.
    os.umask(0o027)
    settings = service_settings(data_dir)
    _refuse_unusable(settings)
    _await_database(settings)
    prepare(settings, demo=False)
    _share_status(settings)
    admin = Administration(settings)
    if example is not None and not admin.store.model_versions():
        _add_example(admin, example)
    if not admin.store.partners():
        click.echo(_next_steps(settings), err=True)
    admin.close()


def _refuse_unusable(settings: Settings) -> None:
    problems = key_problems(settings.keys_dir)
    if problems:
        raise click.ClickException("\n".join(problems))


def _await_database(settings: Settings) -> None:
    """A database server may be starting, too.

    Raises: click.ClickException, if it does not answer in time.
    """
    deadline = time.monotonic() + _DATABASE_WITHIN_S
    while True:
        try:
            schema.current(settings.database_url)
            return
        except SQLAlchemyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _share_status(settings: Settings) -> None:
    """Let the prediction workers write how they are, and nothing else."""
    folder = settings.data_dir / "status"
    if folder.is_dir():
        for path in folder.glob("status.sqlite3*"):
            path.chmod(0o660)


def _add_example(admin: Administration, folder: Path) -> None:
    store = ModelStore(admin.settings.models_dir)
    try:
        manifest = store.add(folder, EXAMPLE_NAME, _VERSION, "gateway init")
    except VersionExists:
        manifest = store.manifest(EXAMPLE_NAME, _VERSION)
    admin.store.add_model_version(EXAMPLE_NAME, _VERSION, manifest.digest)
    admin.store.promote_model(EXAMPLE_NAME, _VERSION, 0)


def _next_steps(settings: Settings) -> str:
    url = settings.server.base_url
    scope = f"model:{EXAMPLE_NAME}"
    return (
        "Next: docker compose exec token-service gateway partner create acme --plan trial"
        f" --scope {scope}:predict --scope {scope}:read\n"
        f"Then: a token for its client id and secret from {url}/oauth/token"
        ' (README, "In containers")\n'
        f"Then: predictions from {url}/v1/models/{EXAMPLE_NAME}/predict"
    )
