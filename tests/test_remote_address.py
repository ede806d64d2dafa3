"""[remote] in model.toml."""

from typing import Any

import pytest

from model import ArtifactRejected
from model.remote.address import RemoteAddress, parse_remote


def test_address_with_all_its_keys() -> None:
    """A trailing slash and the protocol's own /v2 are not part of the base."""
    address = parse_remote(
        {
            "url": "https://engine.example/serving/v2/",
            "model": "churn",
            "version": "3",
            "timeout_s": 2,
            "token_file": "/run/secrets/engine",
            "ca_file": "/etc/engine/ca.pem",
        }
    )

    assert address == RemoteAddress(
        "https://engine.example/serving",
        "churn",
        "3",
        2.0,
        "/run/secrets/engine",
        "/etc/engine/ca.pem",
    )


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]", "localhost:9000"])
def test_plain_http_on_the_loopback(host: str) -> None:
    """Nothing leaves the machine there."""
    assert parse_remote({"url": f"http://{host}", "model": "m"}).url == f"http://{host}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"url": "http://engine.example"}, "https for any host"),
        ({"url": "http://10.0.0.7:8080"}, "https for any host"),
        ({"url": "ftp://localhost"}, "http or https"),
        ({"url": "https://user:secret@engine.example"}, "without user"),
        ({"url": "https://engine.example/?a=b"}, "query"),
        ({"url": "https://engine.example:99999"}, "http or https"),
        ({"url": ""}, "http or https"),
        ({"url": "https://engine.example/a b"}, "without spaces"),
        ({"model": ""}, "name the model"),
        ({"model": "a\nb"}, "without spaces"),
        ({"model": 3}, "must be text"),
        ({"timeout_s": 0}, "above 0"),
        ({"timeout_s": float("nan")}, "above 0"),
        ({"timeout_s": 601}, "at most 600"),
        ({"timeout_s": True}, "above 0"),
        ({"retries": 3}, "unknown key 'retries'"),
    ],
)
def test_unusable_address_is_refused(changes: dict[str, Any], problem: str) -> None:
    """One line that names the key; rows and tokens never go over a network in clear text."""
    table = {"url": "https://engine.example", "model": "m", **changes}
    with pytest.raises(ArtifactRejected, match=problem) as refusal:
        parse_remote(table)

    assert refusal.value.reason.startswith("model.toml: [remote] ")


def test_remote_that_is_no_table_is_refused() -> None:
    """`remote = "https://…"` is a mistake with a clear answer."""
    with pytest.raises(ArtifactRejected, match="must be a table"):
        parse_remote("https://engine.example")
