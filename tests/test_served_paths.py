"""`gateway run PATH…`: what is brought into service, under which name and version, and what not."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from cli_fixtures import Shell
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fakes import save_artifact, wine_classifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from config.settings import Settings
from gateway.cli.journey import partner_commands
from gateway.cli.prepare import first_caller, prepare
from gateway.cli.served_paths import bring_into_service


@pytest.fixture
def shell(prepared: Shell, tmp_path: Path) -> Shell:
    return prepared.copy_to(tmp_path)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A model's folder."""
    return save_artifact(tmp_path / "line", LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]))


def _served(shell: Shell) -> dict[str, str]:
    """The current version of each model, beside the example."""
    rows = shell.store.model_versions()
    return {row.name: row.version for row in rows if row.active and row.name != "breast-cancer"}


def _refused(settings: Settings, paths: Sequence[str], *, trust: bool = False) -> str:
    with pytest.raises(click.ClickException) as refusal:
        bring_into_service(settings, paths, trust=trust)
    assert "\n" not in refusal.value.message
    return refusal.value.message


def test_a_path_is_served_under_its_own_name_or_the_one_given(shell: Shell, line: Path) -> None:
    """Several at once; each with a body to send, which is the contract's example."""
    paths = [str(line), f"churn={line}/model.joblib"]
    calls = bring_into_service(shell.settings, paths, trust=False)

    assert _served(shell) == {"line": "1", "churn": "1"}
    assert [call.model for call in calls] == ["line", "churn"]
    assert json.loads(Path(calls[1].body).read_text()) == {"data": [[0.0]]}
    assert {entry.action for entry in shell.store.audit_entries(4)} == {
        "model_version_added",
        "model_promoted",
    }


def test_a_path_with_an_equals_sign_is_a_path(shell: Shell, tmp_path: Path) -> None:
    """Where there is such a file, it is meant."""
    folder = save_artifact(tmp_path / "run=7", wine_classifier())
    bring_into_service(shell.settings, [str(folder)], trust=False)

    assert _served(shell) == {"run-7": "1"}


def test_unchanged_content_stays_the_version_it_is(
    shell: Shell, line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Served again it is no new version; changed in one byte of any file, it is the next one."""
    versions = []
    for text in ("", "", "[limits]\nmax_rows = 5\n", "[limits]\nmax_rows = 6\n"):
        (line / "model.toml").write_text(text)
        bring_into_service(shell.settings, [str(line)], trust=False)
        versions.append(_served(shell)["line"])

    assert versions == ["1", "1", "2", "3"]
    assert "line 1 serves already, and is unchanged." in capsys.readouterr().err


def test_a_version_out_of_service_is_added_anew(shell: Shell, line: Path) -> None:
    """What serves is compared, not what once did; a store that lost a version is no hindrance."""
    bring_into_service(shell.settings, [str(line)], trust=False)
    shell.done("model", "retire", "line", "--all")
    bring_into_service(shell.settings, [str(line)], trust=False)
    (shell.data_dir / "models" / "line" / "2" / "manifest.json").unlink()
    bring_into_service(shell.settings, [str(line)], trust=False)

    assert _served(shell) == {"line": "3"}


def test_one_that_is_refused_keeps_all_out(shell: Shell, line: Path, tmp_path: Path) -> None:
    """One line; the sound one before it is not half-added."""
    broken = tmp_path / "broken.pkl"
    broken.write_bytes((line / "model.joblib").read_bytes()[:100])
    before = shell.audited()

    assert "broken.pkl" in _refused(shell.settings, [str(line), str(broken)])
    assert _served(shell) == {}
    assert shell.audited() == before
    assert not (shell.data_dir / "models" / "line").exists()
    assert not (shell.data_dir / "first-calls").exists()


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("nowhere.pkl", "There is no nowhere.pkl"),
        ("churn=nowhere.pkl", "There is no nowhere.pkl"),
        ("Churn=line", "'Churn' is no name for a model"),
        ("=line", "'' is no name for a model"),
        ("other/line", "2 of the paths would be the model line"),
    ],
)
def test_a_wrong_argument_is_one_line(shell: Shell, line: Path, argument: str, says: str) -> None:
    """Before anything is loaded."""
    assert says in _refused(shell.settings, [str(line), argument])
    assert _served(shell) == {}


def test_trust_is_asked_for_once(shell: Shell, tmp_path: Path) -> None:
    """As with `model add`; the version that serves already has it."""
    odd = make_pipeline(FunctionTransformer(copy.copy), LinearRegression())
    folder = save_artifact(tmp_path / "odd", odd.fit([[0.0], [1.0]], [0.0, 1.0]))

    assert "--trust" in _refused(shell.settings, [str(folder)])
    bring_into_service(shell.settings, [str(folder)], trust=True)
    bring_into_service(shell.settings, [str(folder)], trust=False)
    assert _served(shell) == {"odd": "1"}
    added, _promoted = shell.store.audit_entries(2)
    assert added.after["trusted"] == ["copy:copy"]


def test_where_signatures_are_required_only_what_serves_is_served(
    shell: Shell, line: Path, tmp_path: Path
) -> None:
    """The gateway cannot sign, so it says who has to; an unchanged version needs nothing."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    key = tmp_path / "public.pem"
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    signed_only = {"require_signature": True, "signing_public_key": str(key)}
    strict = Settings(data_dir=shell.data_dir, models=signed_only)
    bring_into_service(shell.settings, [str(line)], trust=False)

    assert "sign and promote" in _refused(strict, [f"other={line}"])
    bring_into_service(strict, [str(line)], trust=False)
    assert _served(shell) == {"line": "1"}


def test_the_first_caller_is_made_only_where_there_is_nobody(tmp_path: Path) -> None:
    """An empty gateway gets the partner demo; one with partners of its own gets no further one."""
    empty, used = Shell(tmp_path / "a"), Shell(tmp_path / "b")
    for each in (empty, used):
        prepare(each.settings, demo=False)
    used.done("partner", "create", "acme", "--plan", "trial", "--scope", "model:*:read")
    used.done("partner", "create", "beta", "--plan", "trial", "--scope", "model:*:read")
    used.done("partner", "disable", "acme")

    assert [first_caller(empty.settings) for _ in range(2)] == ["demo", "demo"]
    assert first_caller(used.settings) == "beta"
    assert [partner.name for partner in used.store.partners()] == ["acme", "beta"]
    assert not (used.data_dir / "demo-credentials.json").exists()
    commands = partner_commands(used.settings, partner="beta")
    assert f"--data-dir {used.data_dir} token issue beta)" in commands


@pytest.mark.parametrize("role", ["tokens", "predictions"])
def test_only_the_joined_role_takes_paths(tmp_path: Path, role: str) -> None:
    """The token service touches no model, and prediction workers have no right to add one."""
    refusal = Shell(tmp_path / "var").refused("run", "x.pkl", "--role", role, exit_code=2)

    assert "gateway model add" in refusal
    assert not (tmp_path / "var").exists()
