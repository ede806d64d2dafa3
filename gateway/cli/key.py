"""`gateway key …`: the keys that sign access tokens."""

import re
import time
from pathlib import Path

import click

from gateway.auth.keys import (
    SigningKey,
    UnusableKey,
    load_private_key,
    make_pepper,
    make_signing_key,
    write_private_key,
)
from gateway.cli.administration import AdminGroup, Administration, administration, refusable
from gateway.cli.output import json_option, moment, show_json, show_table

_HYPHEN_FIRST = re.compile(r"-[A-Za-z0-9_-]{42}")


class _TakesKid(click.Command):
    """The name of one key in 64 begins with a hyphen: it is no option for that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        kids = [each for each in args if _HYPHEN_FIRST.fullmatch(each)]
        if kids:
            args = [*(each for each in args if each not in {*kids, "--"}), "--", *kids]
        return super().parse_args(ctx, args)


@click.group(cls=AdminGroup)
def key() -> None:
    """List, rotate and retire signing keys."""


@key.command("list")
@json_option
@click.pass_obj
def list_keys(data_dir: Path | None, as_json: bool) -> None:
    """All keys: staged (published), active (signs), retiring (verifies only)."""
    keys = administration(data_dir).store.signing_keys()
    rows = [(row.kid, row.algorithm, row.state, moment(row.created_at)) for row in keys]
    if as_json:
        names = ("kid", "algorithm", "state", "created_at")
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table(("kid", "algorithm", "state", "created"), rows)


@key.command()
@click.pass_obj
def rotate(data_dir: Path | None) -> None:
    """Make a new key, and sign with it once every worker knows it. The old one still verifies."""
    admin = administration(data_dir)
    kid = stage_key(admin)
    click.echo(f"Key {kid} published.")
    revision = refusable(admin.store.activate_key, kid)
    click.echo(f"Key {kid} signs. Retire the old one when its last token has expired:")
    for old in _retiring(admin):
        click.echo(f"  gateway key retire {old}")
    admin.finish(revision)


def stage_key(admin: Administration) -> str:
    """Publish a new key that does not sign yet; return when every live worker has it.

    A key file that this gateway never had goes first: where keys are mounted, that is how a new
    one comes.

    Raises: click.ClickException, where a worker does not get it: a token it cannot verify would
        be refused there.
    """
    store = admin.store
    signing_key = _mounted_key(admin)
    if signing_key is None:
        signing_key = make_signing_key()
        write_private_key(admin.settings.keys_dir, signing_key)
    revision = refusable(
        store.add_key,
        signing_key.kid,
        signing_key.algorithm,
        dict(signing_key.jwk),
        "staged",
    )
    if not admin.await_served(revision):
        raise click.ClickException(
            f"Key {signing_key.kid} is published but not active: not every worker has it."
        )
    return signing_key.kid


def _mounted_key(admin: Administration) -> SigningKey | None:
    keys_dir = admin.settings.keys_dir
    for path in sorted(keys_dir.glob("*.pem")):
        # One that was retired, because it leaked perhaps, must not come back.
        if not admin.store.ever_had_key(path.stem):
            try:
                return load_private_key(keys_dir, path.stem)
            except UnusableKey as exc:
                raise click.ClickException(str(exc)) from exc
    return None


@key.command("make")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def make_key(out: Path) -> None:
    """Make a key file in a folder, and a pepper if there is none: to be mounted as a secret."""
    make_pepper(out)
    click.echo(write_private_key(out, make_signing_key()))


@key.command(cls=_TakesKid)
@click.argument("kid")
@click.option("--force", is_flag=True, help="Even if tokens it signed may still be alive.")
@click.pass_obj
def retire(data_dir: Path | None, kid: str, force: bool) -> None:
    """Forget a key: tokens it signed are refused from now on."""
    admin = administration(data_dir)
    if not force:
        _refuse_if_tokens_live(admin, kid)
    revision = refusable(admin.store.retire_key, kid)
    try:
        (admin.settings.keys_dir / f"{kid}.pem").unlink(missing_ok=True)
    except OSError:
        click.echo(f"Its file stays, because it is mounted: take {kid}.pem out of the secret.")
    click.echo(f"Key {kid} retired.")
    admin.finish(revision)


def _refuse_if_tokens_live(admin: Administration, kid: str) -> None:
    # Tokens were signed with it until the active key became active, at the latest.
    auth = admin.settings.auth
    replaced_at = admin.store.key_replaced_at(kid)
    left_s = (replaced_at or 0.0) + auth.access_token_ttl_s + auth.leeway_s - time.time()
    if replaced_at is not None and left_s > 0:
        raise click.ClickException(
            f"Tokens signed with key {kid} may live for {left_s:.0f} s more: wait, or --force."
        )


def _retiring(admin: Administration) -> list[str]:
    return [row.kid for row in admin.store.signing_keys() if row.state == "retiring"]
