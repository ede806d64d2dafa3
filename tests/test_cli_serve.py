"""`gateway serve`: what it asks for before it serves without tokens, and what it makes."""

from pathlib import Path

import click
import pytest
from cli_fixtures import Shell

from config.plans import Plan
from config.settings import Settings
from gateway.cli.administration import Administration
from gateway.cli.prepare import prepare_stores
from gateway.cli.serve import partners_plan, worker_count

RATES = Plan("trial", 1000, 4, requests_per_second=20)
NO_RATES = Plan("unlimited", 100_000, 64)


def test_it_does_not_start_without_a_partner(tmp_path: Path) -> None:
    """One line says what is missing; nothing has been made."""
    line = Shell(tmp_path / "var").refused("serve", "--port", "1")

    assert "GATEWAY_SAGEMAKER__PARTNER" in line
    assert not (tmp_path / "var").exists()


def test_the_partner_is_made_without_credentials(tmp_path: Path) -> None:
    """It may predict and nothing else, and could not ask for a token; a second start keeps it."""
    settings = Settings(data_dir=tmp_path / "var", sagemaker={"partner": "cloud"})
    prepare_stores(settings)
    plans = [partners_plan(settings), partners_plan(settings)]
    store = Administration(settings).store
    partner = store.partner("cloud")

    assert [plan.name for plan in plans] == ["unlimited", "unlimited"]
    assert (partner.scopes, partner.plan) == (("model:*:predict",), "unlimited")
    assert store.secrets_of("cloud") == []
    assert [entry.action for entry in store.audit_entries(5)] == ["partner_created"]


def test_no_key_is_made(tmp_path: Path) -> None:
    """A process that unpickles models holds none, and this one needs none."""
    settings = Settings(data_dir=tmp_path / "var", sagemaker={"partner": "cloud"})
    prepare_stores(settings)
    partners_plan(settings)

    assert not settings.keys_dir.exists()


def test_a_partner_that_is_there_is_taken_as_it_is(prepared: Shell, tmp_path: Path) -> None:
    """Its plan and scopes are what was decided, whatever sagemaker.plan says."""
    shell = prepared.copy_to(tmp_path)
    settings = Settings(data_dir=shell.data_dir, sagemaker={"partner": "demo"})

    assert partners_plan(settings).name == "trial"
    assert len(shell.store.partners()) == 1


def test_an_unknown_plan_is_refused(tmp_path: Path) -> None:
    """In one line that names those there are."""
    settings = Settings(data_dir=tmp_path / "var", sagemaker={"partner": "cloud", "plan": "gold"})
    prepare_stores(settings)

    with pytest.raises(click.ClickException, match="unlimited"):
        partners_plan(settings)


def test_workers_never_make_a_rate_more_than_it_is(tmp_path: Path) -> None:
    """In memory each counts for itself: so one, unless there is no rate or a Redis."""
    memory = Settings(data_dir=tmp_path)
    redis = Settings(data_dir=tmp_path, limits={"storage": "redis://localhost:6379"})

    assert worker_count(memory, RATES, None) == 1
    assert worker_count(memory, RATES, 1) == 1
    with pytest.raises(click.ClickException, match="Redis"):
        worker_count(memory, RATES, 2)
    assert worker_count(memory, NO_RATES, 3) == worker_count(redis, RATES, 3) == 3
    # Health has to be answered while a worker predicts.
    assert worker_count(memory, NO_RATES, None) >= 2
