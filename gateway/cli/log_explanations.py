"""What was decided on one request and by which rule, in sentences."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from gateway.cli.log_events import (
    NGINX_ACCESS,
    PHASES,
    REFUSED_BY_SERVER,
    REQUEST_FINISHED,
    Event,
    moment,
    number,
    text,
)
from gateway.cli.log_rules import CODES, LIMITS, NGINX_STATUSES, REASONS


def explain(events: Sequence[Event]) -> Iterator[str]:
    """The sentences on all events of one request, a few to the line."""
    finished = [event for event in events if event.get("event") == REQUEST_FINISHED]
    passed = [event for event in events if event.get("event") == NGINX_ACCESS]
    refused = [event for event in events if event.get("event") == REFUSED_BY_SERVER]
    for event in finished:
        yield from _of_gateway(event)
    for event in refused:
        yield _of_server(event)
    if not finished and not refused:
        yield "The gateway logged no end of this request, so it does not say who called."
    for event in passed:
        yield from _of_nginx(event, finished)
    if not passed:
        yield "nginx logged no line for it in this stream."


def _of_gateway(event: Event) -> Iterator[str]:
    yield _who(event)
    yield _what(event)
    yield _outcome(event)
    yield f"Rule: {' '.join(_rule(event))}"
    yield from _times(event)


def _of_server(event: Event) -> str:
    refused = f"Gunicorn refused it with {text(event, 'status')}{_at(event)}"
    return f"{refused}, before the application saw it: {text(event, 'error')}."


def _who(event: Event) -> str:
    origin = f"from {text(event, 'client_address') or 'an unknown address'}{_at(event)}"
    if not text(event, "partner"):
        return f"An unauthenticated caller called {origin}."
    facts = [
        f"{label} {text(event, name)}"
        for label, name in (("client", "client_id"), ("key", "key_id"), ("token", "jti"))
        if text(event, name)
    ]
    return f"Partner {text(event, 'partner')} ({', '.join(facts)}) called {origin}."


def _what(event: Event) -> str:
    route = text(event, "route")
    place = "on a path that is no route of ours" if route == "unmatched" else route
    asked = f"It asked for {text(event, 'method')} {place}"
    version = f" version {text(event, 'version')}" if text(event, "version") else ""
    if text(event, "role"):
        version += f" ({text(event, 'role')})"
    if text(event, "model"):
        asked += f", model {text(event, 'model')}{version}"
    sizes = [
        f"{text(event, name)} {label}"
        for name, label in (("rows", "rows"), ("bytes_in", "bytes in"), ("bytes_out", "bytes out"))
        if text(event, name)
    ]
    return f"{asked} ({', '.join(sizes)})." if sizes else f"{asked}."


def _outcome(event: Event) -> str:
    status, code = number(event, "status"), text(event, "code")
    verb = "answered" if status is not None and status < 400 else "refused"
    if status is not None and status >= 500:
        verb = "not served: answered"
    took = f" after {text(event, 'duration_ms')} ms" if text(event, "duration_ms") else ""
    return f"It was {verb} with {text(event, 'status')}{f' {code}' if code else ''}{took}."


def _rule(event: Event) -> Iterator[str]:
    code = text(event, "code")
    if not code and (number(event, "status") or 0) < 400:
        yield _why_allowed(event)
        return
    yield CODES.get(code, f"No sentence is known for the code {code}." if code else "Not logged.")
    if text(event, "limit"):
        yield f"{_limit(event)}."
    if text(event, "reason"):
        yield _reason(text(event, "reason"))
    if text(event, "required_scope"):
        yield f"The scope it needs is {text(event, 'required_scope')}."
    if text(event, "fault_codes"):
        yield f"The faults: {text(event, 'fault_codes')}."
    if text(event, "waited_ms"):
        yield f"It had waited {text(event, 'waited_ms')} ms for a worker, more than max_wait_s."
    if text(event, "retry_after_s"):
        yield _retry(event)


def _why_allowed(event: Event) -> str:
    if text(event, "partner"):
        return "none refused it. The caller was authenticated, permitted and within its limits."
    return "none refused it. This path needs no token."


def _limit(event: Event) -> str:
    name = text(event, "limit")
    return f"The limit is {name} ({LIMITS[name]})" if name in LIMITS else f"The limit is {name}"


def _reason(reason: str) -> str:
    if reason.startswith("claim_"):
        return f"The token's claim `{reason.removeprefix('claim_')}` is missing or malformed."
    return REASONS.get(reason, f"The check that failed is {reason}.")


def _retry(event: Event) -> str:
    told = f"The caller was told to try again after {text(event, 'retry_after_s')} s"
    at, seconds = moment(event), number(event, "retry_after_s")
    if at is None or seconds is None or not 0 <= seconds < 1e6:
        return f"{told}."
    return f"{told}, from {_clock(at + timedelta(seconds=seconds))} on."


def _times(event: Event) -> Iterator[str]:
    # In the order of the event, which is the order in which the request went through them.
    phases = {
        name.removesuffix("_ms"): ms
        for name in event
        if name in PHASES and (ms := number(event, name)) is not None
    }
    whole = number(event, "duration_ms")
    if not phases or not whole:
        return
    # A phase that ended in a refusal has no time of its own, so the rest must be seen, too.
    phases["elsewhere"] = max(0.0, round(whole - sum(phases.values()), 3))
    named = ", ".join(f"{name} {ms:g} ms" for name, ms in phases.items())
    slowest = max(phases, key=lambda name: phases[name])
    yield f"Time went to: {named}. Most: {slowest}, {phases[slowest] / whole:.0%} of {whole:g} ms."


def _of_nginx(event: Event, finished: Sequence[Event]) -> Iterator[str]:
    status = text(event, "status")
    asked = f"{text(event, 'method')} {text(event, 'path')}".strip() or "a request"
    yield f"nginx had {asked} from {text(event, 'client_address')}{_at(event)}{_carried(event)}."
    took = f"in {text(event, 'duration_ms')} ms"
    if status in {text(each, "status") for each in finished}:
        upstream = number(event, "upstream_ms")
        part = "" if upstream is None else f", {upstream:g} ms of it the gateway's"
        yield f"nginx passed the gateway's answer on: {status} {took}{part}."
        return
    why = NGINX_STATUSES.get(status, "the log does not say why")
    if text(event, "limit"):
        why = _limit(event).removeprefix("The ")
    if finished:
        yield f"nginx ended it with {status} {took}, not with the gateway's answer: {why}."
    elif status.startswith("2"):
        yield f"nginx answered {status} {took}. The gateway logs no probe that succeeds."
    elif number(event, "upstream_ms") is None:
        yield f"nginx refused it by itself with {status} {took}: {why}."
    else:
        yield f"nginx asked the gateway and ended it with {status} {took}: {why}."


def _carried(event: Event) -> str:
    carried = [shown for name in ("tls", "http") if (shown := text(event, name))]
    return f", over {' and '.join(carried)}" if carried else ""


def _at(event: Event) -> str:
    at = moment(event)
    return f" at {at:%Y-%m-%d} {_clock(at)}" if at else ""


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} UTC"
