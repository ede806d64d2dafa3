"""Settings: documented, overridden by the environment, refused where they are unsafe (SEC-97)."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from config.running import load_running_settings, write_running_settings
from config.settings import SHIPPED_CONFIG, InvalidSettings, Settings, config_file, load_settings


def _walk(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= _walk(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _problems(**overrides: Any) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(**overrides)
    return caught.value.problems


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration file in use."""
    path = tmp_path / "gateway.toml"
    path.touch()
    monkeypatch.setenv("GATEWAY_CONFIG", str(path))
    return path


def test_every_setting_is_documented_with_its_default(config: Path) -> None:
    """The shipped file and the code hold the same names and the same values."""
    shipped = _walk(tomllib.loads(SHIPPED_CONFIG.read_text()))
    defaults = _walk(load_settings().model_dump(mode="json"))

    assert shipped == defaults


def test_every_setting_has_a_comment() -> None:
    """A setting stands below a comment, or below another setting that has one."""
    explained = False
    for line in SHIPPED_CONFIG.read_text().splitlines():
        explained = line.startswith("#") or (explained and " = " in line)
        assert explained or " = " not in line, line


def test_the_environment_overrides_every_setting(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each setting by its documented variable, also over what the file says."""
    password = tmp_path / "password"
    password.touch(mode=0o600)
    config.write_text('[auth]\naudience = "from the file"\n[log]\nlevel = "error"\n')
    given = {
        "data_dir": "elsewhere",
        "server.bind": "unix:/run/x.sock",
        "server.workers": 3,
        "server.base_url": "https://gateway.example",
        "server.request_deadline_s": 7.5,
        "server.max_wait_s": 1.5,
        "server.max_body_bytes": 1000,
        "server.max_inflated_bytes": 2000,
        "server.max_inflation_ratio": 3,
        "server.json_max_depth": 8,
        "server.json_max_elements": 100,
        "server.max_abandoned_predictions": 5,
        "server.graceful_timeout_s": 9,
        "server.max_in_flight_per_worker": 5,
        "auth.issuer": "https://issuer.example",
        "auth.audience": "others",
        "auth.access_token_ttl_s": 60,
        "auth.leeway_s": 0,
        "auth.max_token_bytes": 1024,
        "auth.refuse_tokens_after_s": 5.0,
        "control.database_url": "postgresql+psycopg://tokens@db/gateway",
        "control.password_file": str(password),
        "control.status_url": "sqlite:////b",
        "control.poll_s": 0.5,
        "limits.storage": "redis+unix:///run/redis.sock",
        "limits.password_file": str(password),
        "limits.timeout_s": 0.1,
        "limits.fallback_share": 0.5,
        "limits.lease_ttl_s": 3,
        "limits.lease_quota": False,
        "limits.failed_authentications_per_address": "1/second",
        "limits.tokens_per_address": "2/minute",
        "limits.tokens_in_all": "3/hour",
        "limits.failed_secrets_per_client_and_address": "4/day",
        "models.directory": "/srv/models",
        "models.default": "wine",
        "models.require_signature": True,
        "models.signing_public_key": "/etc/gateway/signer.pem",
        "models.retired_for_s": 0.0,
        "docs.openapi": False,
        "docs.page": False,
        "sagemaker.partner": "cloud",
        "sagemaker.plan": "standard",
        "log.level": "debug",
    }
    for name, value in given.items():
        monkeypatch.setenv("GATEWAY_" + name.upper().replace(".", "__"), str(value))

    assert _walk(load_settings().model_dump(mode="json")) == given


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[server]\nworkers = 2", "limits.storage is memory:// with server.workers > 1"),
        ('[auth]\naudience = ""', "auth.audience: "),
        ('[auth]\naudience = " "', "auth.audience: "),
        ('[auth]\nissuer = " "', "auth.issuer must be an http or https URL"),
        ('[auth]\nissuer = "http://issuer.example"', "auth.issuer must be https"),
        ('[auth]\nissuer = "https://issuer.example?a=b"', "auth.issuer must be an http"),
        ("[auth]\naccess_token_ttl_s = 86401", "auth.access_token_ttl_s: "),
        ("[auth]\naccess_token_ttl_s = 59", "auth.access_token_ttl_s: "),
        ("[auth]\nleeway_s = 31", "auth.leeway_s: "),
        ("[auth]\nmax_token_bytes = 16385", "auth.max_token_bytes: "),
        ("[auth]\nrefuse_tokens_after_s = inf", "auth.refuse_tokens_after_s: "),
        ("[auth]\nrefuse_tokens_after_s = nan", "auth.refuse_tokens_after_s: "),
        ("[auth]\nrefuse_tokens_after_s = 0", "auth.refuse_tokens_after_s: "),
        ('[server]\nbase_url = ""', "server.base_url: must be an http or https URL"),
        ('[server]\nbase_url = "http://gateway.example"', "server.base_url: must be https"),
        ('[server]\nbase_url = "http://localhost.example"', "server.base_url: must be https"),
        ('[server]\nbase_url = "https://user:pass@gateway.example"', "server.base_url: "),
        ('[server]\nbase_url = "https://gateway.example/`id`"', "server.base_url: "),
        ('[server]\nbase_url = "https://gateway.example:99999"', "server.base_url: "),
        ('[server]\nbase_url = "ftp://localhost"', "server.base_url: "),
        ('[server]\nbind = "8000"', "server.bind: must be host:port or unix:/path"),
        ('[server]\nbind = "fd://3"', "server.bind: must be host:port or unix:/path"),
        ("[server]\nworkers = 0", "server.workers: "),
        ("[server]\nrequest_deadline_s = inf", "server.request_deadline_s: "),
        ("[server]\nmax_wait_s = 10.0", "server.max_wait_s must be less than"),
        ("[server]\nmax_body_bytes = 0", "server.max_body_bytes: "),
        ("[server]\njson_max_depth = 1001", "server.json_max_depth: "),
        ("[server]\njson_max_elements = 0", "server.json_max_elements: "),
        ("[control]\npoll_s = 1.6", "control.poll_s: "),
        ('[limits]\nstorage = ""', "limits.storage: "),
        ('[limits]\nstorage = "memcached://localhost"', "limits.storage: "),
        ('[limits]\nstorage = "redis://gateway:open@host"', "limits.storage has a password in it"),
        ('[limits]\nstorage = "redis+unix://:open@/a"', "limits.storage has a password in it"),
        (
            '[control]\ndatabase_url = "postgresql+psycopg://gateway:open@host/gateway"',
            "control.database_url has a password in it: put that into a file, and name it in"
            " control.password_file",
        ),
        (
            '[control]\nstatus_url = "postgresql+psycopg://host/gateway?password=open"',
            "control.status_url has a password in it",
        ),
        ("[limits]\nfallback_share = 1.1", "limits.fallback_share: "),
        ("[limits]\ntimeout_s = 1.1", "limits.timeout_s: "),
        ('[limits]\ntokens_in_all = ""', "limits.tokens_in_all: must be a rate such as"),
        ('[limits]\ntokens_per_address = "0/minute"', "limits.tokens_per_address: "),
        ('[limits]\ntokens_per_address = "9/fortnight"', "limits.tokens_per_address: "),
        ('[log]\nlevel = "loud"', "log.level: "),
        ("[server]\nworkrs = 2", "server.workrs: there is no such setting"),
        ("colour = 1", "colour: there is no such setting"),
        ("server = 1", "server: "),
        ("[server", " is not valid TOML: "),
    ],
)
def test_each_unsafe_or_wrong_setting_is_refused(config: Path, toml: str, said: str) -> None:
    """One rule broken, one sentence, which names the setting (SEC-97)."""
    config.write_text(toml)
    [problem] = _problems()

    assert said in problem
    assert "\n" not in problem


@pytest.mark.parametrize("addresses", ["*", "127.0.0.1,*", " * "])
def test_wildcard_forwarding_is_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch, addresses: str
) -> None:
    """Gunicorn would believe any peer's X-Forwarded-… (SEC-97)."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", addresses)

    assert "FORWARDED_ALLOW_IPS is a wildcard" in _problems()[0]


@pytest.mark.parametrize(
    "toml",
    [
        '[server]\nworkers = 2\n[limits]\nstorage = "redis://localhost"',
        '[server]\nbase_url = "http://127.0.0.1:1"',
        '[server]\nbase_url = "http://[::1]:1"\nbind = "[::1]:1"',
        '[server]\nbind = "unix:var/run/a.sock"',
        "[auth]\nleeway_s = 30\naccess_token_ttl_s = 86400\nmax_token_bytes = 16384",
        "[server]\nmax_wait_s = 9.9\njson_max_depth = 1000\n[control]\npoll_s = 1.5",
    ],
)
def test_what_is_just_safe_is_accepted(config: Path, toml: str) -> None:
    """The other side of the limits above."""
    config.write_text(toml)
    load_settings()


def test_all_problems_are_said_at_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that show only when the others are put right, from file and environment."""
    config.write_text(
        '[server]\nworkers = 2\nmax_body_bytes = 0\nmax_wait_s = 11\nx = 1\n[log]\nlevel = "x"'
    )
    monkeypatch.setenv("GATEWAY_AUTH__AUDIENCE", "")
    monkeypatch.setenv("GATEWAY_SERVR__WORKERS", "2")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    problems = _problems()

    assert {problem.split()[0].rstrip(":") for problem in problems} == {
        "FORWARDED_ALLOW_IPS",
        "GATEWAY_SERVR__WORKERS",
        "server.max_body_bytes",
        "server.x",
        "server.max_wait_s",
        "auth.audience",
        "log.level",
        "limits.storage",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("GATEWAY_SERVR__WORKERS", "2"), ("GATEWAY_SERVER__WORKRS", "2"), ("GATEWAY_SERVER", "{")],
)
def test_unusable_variables_are_refused(
    config: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A typing error must not leave a default in force unnoticed."""
    monkeypatch.setenv(name, value)

    assert len(_problems()) == 1


def test_variables_of_kubernetes_are_left_alone(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service called `gateway` puts these into every pod."""
    monkeypatch.setenv("GATEWAY_PORT", "tcp://10.0.0.1:443")
    monkeypatch.setenv("GATEWAY_SERVICE_HOST", "10.0.0.1")

    assert load_settings().server.workers == 1


def test_the_file_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GATEWAY_CONFIG, else config/gateway.toml here, else the shipped one."""
    monkeypatch.chdir(tmp_path)
    assert config_file() == SHIPPED_CONFIG
    local = tmp_path / "config" / "gateway.toml"
    local.parent.mkdir()
    local.write_text('[models]\ndefault = "local"')
    assert load_settings().models.default == "local"
    monkeypatch.setenv("GATEWAY_CONFIG", str(tmp_path / "absent.toml"))

    assert _problems() == [f"GATEWAY_CONFIG names {tmp_path}/absent.toml: no such file"]


def test_a_file_that_is_not_utf_8_is_refused(config: Path) -> None:
    """With a sentence, not a traceback."""
    config.write_bytes(b'data_dir = "\xff"')

    assert "is not valid TOML" in _problems()[0]


def test_settings_of_a_running_service_are_found(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the command line decided at start holds for commands; the environment still wins."""
    storage = f'redis+unix://{tmp_path}/a "b"\\c.sock'
    chosen = {"bind": "127.0.0.1:9", "workers": 2, "base_url": "http://localhost:9"}
    started = Settings(data_dir=tmp_path, server=chosen, limits={"storage": storage})
    write_running_settings(started)
    write_running_settings(started)
    monkeypatch.setenv("GATEWAY_SERVER__BIND", "127.0.0.1:10")
    running = load_running_settings(data_dir=tmp_path)

    assert (running.server.workers, running.server.base_url) == (2, "http://localhost:9")
    assert (running.limits.storage, running.server.bind) == (storage, "127.0.0.1:10")
    assert load_running_settings(data_dir=tmp_path / "other").server.workers == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["service.toml"]
    assert (tmp_path / "run" / "service.toml").stat().st_mode & 0o777 == 0o600


def test_a_broken_file_of_a_running_service_is_named(config: Path, tmp_path: Path) -> None:
    """It is refused by its own name."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "service.toml").write_text("[server")
    with pytest.raises(InvalidSettings, match=r"service\.toml is not valid TOML"):
        load_running_settings(data_dir=tmp_path)
