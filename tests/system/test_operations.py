"""What operations do while partners keep calling: no call is lost, and changes hold at once."""

import os
import signal
import time

from load import Load
from stack_process import EXAMPLE_BODY, PREDICT, Stack, bearer


def test_revoked_token_is_refused_everywhere_once_the_command_returned(stack: Stack) -> None:
    """Under load from four callers, no call succeeds 2 s after the revocation was typed."""
    token = stack.token(stack.create_partner("revoked"))
    other = stack.token(stack.create_partner("bystander"))
    with Load(stack, lambda: token) as load, Load(stack, lambda: other, callers=1) as bystander:
        load.wait_for_answers(50)
        typed_at = time.monotonic()
        stack.cli("token", "revoke", "--token", token)
        stack.wait_until(lambda: time.monotonic() > typed_at + 2.0, 3, "two seconds later")
        accepted = load.statuses[200]
        load.wait_for_answers(100)

    assert load.statuses[200] - accepted <= load.callers  # Calls already begun then.
    assert load.statuses[401] >= 96
    assert set(bystander.statuses) == {200}


def test_partner_revokes_its_own_token(stack: Stack) -> None:
    """RFC 7009: 200, and within 2 s no worker accepts it."""
    credentials = stack.create_partner("leaver")
    token = stack.token(credentials)
    with stack.client() as client:
        answer = client.post(
            "/oauth/revoke",
            data={"token": token},
            auth=(credentials["client_id"], credentials["client_secret"]),
        )

        def refused() -> bool:
            calls = [client.get("/v1/limits", headers=bearer(token)) for _ in range(8)]
            return all(call.status_code == 401 for call in calls)

        assert answer.status_code == 200
        stack.wait_until(refused, 2.5, "refused by every worker")


def test_disabled_partner_is_refused_and_comes_back(stack: Stack) -> None:
    """Its tokens die with it, and live again when it is enabled."""
    token = stack.token(stack.create_partner("paused"))
    with stack.client() as client:
        stack.cli("partner", "disable", "paused")
        disabled = [client.get("/v1/limits", headers=bearer(token)).status_code for _ in range(6)]
        stack.cli("partner", "enable", "paused")
        enabled = [client.get("/v1/limits", headers=bearer(token)).status_code for _ in range(6)]

    assert disabled == [401] * 6
    assert enabled == [200] * 6


def test_key_rotation_loses_no_call(stack: Stack) -> None:
    """Old tokens verify on, new ones are signed with the new key; nothing fails in between."""
    credentials = stack.create_partner("rotating")
    with stack.client() as client:
        before = client.get("/.well-known/jwks.json").json()["keys"]
    tokens = [stack.token(credentials)]
    with Load(stack, lambda: tokens[-1], callers=2) as load:
        stack.cli("key", "rotate")
        tokens.append(stack.token(credentials))
        load.wait_for_answers(30)
    with stack.client() as client:
        after = client.get("/.well-known/jwks.json").json()["keys"]
        old = client.get("/v1/limits", headers=bearer(tokens[0]))

    assert set(load.statuses) == {200}
    assert not load.broken
    assert len(after) == len(before) + 1
    assert old.status_code == 200


def test_secret_rotation_loses_no_call(stack: Stack) -> None:
    """Both secrets work until the old one is retired; then only the new one does."""
    first = stack.create_partner("careful")
    second = stack.cli_json("partner", "secret", "add", "careful")
    assert stack.token(first)
    assert stack.token(second)
    oldest = stack.cli_json("partner", "show", "careful")["secrets"][0]["secret"]
    stack.cli("partner", "secret", "retire", "careful", oldest)
    with stack.client() as client:
        refused = client.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(first["client_id"], first["client_secret"]),
        )

    assert refused.status_code == 401
    assert stack.token(second)


def test_worker_killed_and_workers_told_to_stop_lose_no_waiting_call(
    stack: Stack, token: str
) -> None:
    """SIGTERM to each worker loses nothing; SIGKILL at most the call that it was answering."""
    with Load(stack, lambda: token) as load:
        load.wait_for_answers(30)
        for pid in stack.worker_pids():
            os.kill(pid, signal.SIGTERM)
            stack.wait_until(lambda pid=pid: _replaced(stack, pid), 60, "replaced")
            load.wait_for_answers(30)
        graceful = dict(load.statuses), list(load.broken)
        os.kill(stack.worker_pids()[0], signal.SIGKILL)
        load.wait_for_answers(100)

    assert graceful == ({200: graceful[0][200]}, []), load.bodies[:2]
    failed = sum(count for status, count in load.statuses.items() if status != 200)
    assert failed + len(load.broken) <= 1
    stack.wait_until(lambda: len(stack.worker_pids()) == 2, 60, "two workers again")


def _replaced(stack: Stack, pid: int) -> bool:
    pids = stack.worker_pids()
    return len(pids) == 2 and pid not in pids


def test_status_audit_and_log_tell_the_same_story(stack: Stack) -> None:
    """A change is in the audit table, and once in the service's log."""
    stack.create_partner("storied", "trial")
    # Others may change something in the same moment.
    entry = next(
        found for found in stack.cli_json("audit", "--last", "9") if found["target"] == "storied"
    )

    def logged() -> int:
        changes = stack.events("control_changed")
        return sum(1 for change in changes if change["audit_id"] == entry["id"])

    assert (entry["action"], entry["target"]) == ("partner_created", "storied")
    stack.wait_until(lambda: logged() >= 1, 30, "logged")
    status = stack.cli_json("status")
    assert status["healthy"]
    assert min(worker["revision"] for worker in status["workers"]) >= entry["revision"]
    assert logged() == 1


def test_secrets_and_inputs_are_in_no_log(stack: Stack) -> None:
    """SEC-82: a token, a secret and a feature value, sent wherever a caller can send them."""
    credentials = stack.create_partner("canary")
    token = stack.token(credentials)
    value = "271828.1828459"
    body = EXAMPLE_BODY.replace(b"[[", f"[[{value},".encode())
    with stack.client() as client:
        for path in (PREDICT, f"{PREDICT}?access_token={token}", f"/v1/{token}"):
            for headers in (
                bearer(token),
                {"X-Api-Key": token, "User-Agent": token, "Referer": token},
            ):
                client.post(path, content=body, headers=headers)
        client.post(PREDICT, content=f'{{"{value}": "{token}"}}', headers=bearer(token))
        client.post(
            "/oauth/token",
            data={"grant_type": "client_credentials", "scope": credentials["client_secret"]},
            auth=(credentials["client_id"], credentials["client_secret"]),
        )
        last = client.get("/v1/limits", headers=bearer(token)).headers["X-Request-ID"]
    stack.wait_until(lambda: last in stack.log_path.read_text(), 30, "logged")
    log = stack.log_path.read_text() + stack.stderr()

    for canary in (token, credentials["client_secret"], value, token.rpartition(".")[2]):
        assert canary not in log
