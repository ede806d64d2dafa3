"""`gateway logs`: lines for people, filters, and what a hostile log line cannot do."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from log_events import GOOD, NGINX, REQUEST_ID, UNSIGNED, WARNING, event_lines

from gateway.cli import main
from gateway.cli.log_stream import MAX_LINE_BYTES

# ESC, CSI as one character, DEL, bell, carriage return, line separators, a bidi override, a tag.
HOSTILE = "\x1b[2J\x9b31m\x7f\x07\r\n\u2028\u2029\u202e\u200f\U000e0041"
LIMITED = {**GOOD, "request_id": "b" * 32, "status": 429, "code": "rate_limited", "partner": "beta"}
FAILED = {**GOOD, "request_id": "c" * 32, "status": 504, "model": "iris", "level": "error"}
STREAM = event_lines(GOOD, NGINX, LIMITED, FAILED, UNSIGNED, WARNING) + b"plain words\n"


def run(*args: str, stream: bytes = STREAM) -> Result:
    return CliRunner().invoke(main, ["logs", *args], input=stream)


def shown_ids(*args: str) -> list[str]:
    result = run(*args, "--json")
    return [json.loads(line).get("request_id", "-")[:1] for line in result.stdout.splitlines()]


def test_request_is_one_line_with_its_id() -> None:
    """Status, partner, route, model, rows, time, and the id that `why` takes."""
    result = run(stream=event_lines(GOOD))

    assert result.stdout == (
        "11-23 13:41:03.163  200  acme  POST /v1/models/<name>/predict  wine 1  12 rows  3.4 ms  "
        f"{REQUEST_ID}\n"
    )


def test_every_line_is_shown_without_filters() -> None:
    """Events of all kinds and lines that are no events, in their order."""
    lines = run().stdout.splitlines()

    assert len(lines) == 7
    assert "nginx  POST /v1/models/wine/predict" in lines[1]
    assert "WARNING  limits_fallback_started  cause=TimeoutError" in lines[5]
    assert lines[6] == "plain words"


def test_refusal_shows_code_and_reason() -> None:
    """What was wrong stands on the line itself."""
    assert "unauthenticated expired" in run(stream=event_lines(UNSIGNED)).stdout


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--partner", "beta"], ["b"]),
        (["--status", "429"], ["b"]),
        (["--status", "4xx"], ["b", "d"]),
        (["--status", "4xx", "--status", "504"], ["b", "c", "d"]),
        (["--code", "rate_limited"], ["b"]),
        (["--model", "iris"], ["c"]),
        (["--request-id", REQUEST_ID], ["a", "a"]),
        (["--level", "warning"], ["c", "-"]),
        (["--partner", "beta", "--model", "iris"], []),
    ],
)
def test_filters_pick_lines(options: list[str], ids: list[str]) -> None:
    """Values of one filter are alternatives; different filters must all match."""
    assert shown_ids(*options) == ids


def test_filter_hides_lines_that_are_no_events() -> None:
    """Nobody knows whose they are."""
    assert "plain words" not in run("--status", "200").stdout


def test_json_passes_lines_unchanged() -> None:
    """Byte for byte, whatever the spacing; what is no JSON object would break the reader."""
    line = b'{ "request_id" :"x",  "b": [1.50, "\\u00e9"] }\n'

    assert run("--json", stream=line + b"words\n[1]\n").stdout_bytes == line


def test_last_line_without_newline_is_shown() -> None:
    """A log cut off in the middle loses nothing that was written."""
    assert REQUEST_ID in run(stream=event_lines(GOOD).rstrip(b"\n")).stdout


def test_bad_byte_does_not_hide_a_request() -> None:
    """A line with a byte that is no UTF-8 is still an event, and found."""
    line = event_lines({**NGINX, "path": "/@"}).replace(b"/@", b"/\xff")

    assert "POST /\ufffd" in run("--request-id", REQUEST_ID, stream=line).stdout


def test_endless_line_is_cut() -> None:
    """Memory is bounded, and the next line is whole again."""
    result = run(stream=b"x" * (2 * MAX_LINE_BYTES + 5) + b"\nnext\n")

    assert [len(line) for line in result.stdout.splitlines()] == [MAX_LINE_BYTES, 4]


def test_exception_follows_its_line_indented() -> None:
    """A traceback is readable, and none of its lines can pose as an event."""
    event = {**WARNING, "exception": 'Traceback:\n  File "x"\n{"event":"forged"}\x1b[0m'}

    assert run(stream=event_lines(event)).stdout.splitlines()[1:] == [
        "    | Traceback:",
        '    |   File "x"',
        '    | {"event":"forged"}\\x1b[0m',
    ]


@pytest.mark.parametrize("command", [[], ["why", REQUEST_ID], ["summary"]])
@pytest.mark.parametrize("template", [GOOD, NGINX, {**WARNING, "request_id": REQUEST_ID}])
def test_no_field_controls_the_terminal(command: list[str], template: dict[str, Any]) -> None:
    """With controls in every string, in lists and in names, only text and newlines come out."""
    kept = {"event", "request_id"}
    hostile = {name: value if name in kept else HOSTILE for name, value in template.items()}
    more = {HOSTILE: HOSTILE, "fault_codes": [HOSTILE], "code": HOSTILE, "reason": HOSTILE}
    result = run(*command, stream=event_lines({**hostile, **more, "duration_ms": 1}))

    assert result.exit_code == 0
    assert result.stdout
    assert all(char.isprintable() for char in result.stdout.replace("\n", ""))


def test_raw_line_cannot_control_the_terminal() -> None:
    """A line that is no event is shown with its controls and broken bytes escaped."""
    result = run(stream=b"\x1b]0;owned\x07 \xc2\x9b31m \xff \xe2\x80\xae\r\n")

    assert result.stdout == "\\x1b]0;owned\\x07 \\x9b31m \\xff \\u202e\n"


@settings(max_examples=100)
@given(
    st.binary()
    | st.dictionaries(st.text(), st.text()).map(lambda event: json.dumps(event).encode())
)
def test_any_bytes_are_shown_harmlessly(line: bytes) -> None:
    """No input makes the command fail or lets anything but printable text through."""
    result = run(stream=line)

    assert result.exit_code == 0
    assert all(char.isprintable() for char in result.stdout.replace("\n", ""))


def test_colours_come_only_when_asked_where_there_is_no_terminal() -> None:
    """A file or a pipe gets none by itself."""
    assert "\x1b[" not in run().stdout
    assert "\x1b[33m" in run("--color").stdout


def test_first_word_that_is_no_command_is_a_file(tmp_path: Path) -> None:
    """`logs FILE`, `logs show FILE` and `logs FILE -f` in any order of options mean one thing."""
    log = tmp_path / "log"
    log.write_bytes(event_lines(GOOD))

    assert run(str(log), stream=b"").stdout == run("show", str(log), stream=b"").stdout != ""
    assert run("--status", "2xx", str(log), stream=b"").stdout != ""


def test_file_named_like_a_command_needs_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`why` alone is the command, `./why` the file."""
    monkeypatch.chdir(tmp_path)
    Path("why").write_bytes(event_lines(GOOD))

    assert REQUEST_ID in run("./why", stream=b"").stdout
    assert run("why", stream=b"").exit_code == 2


@pytest.mark.parametrize(
    "args",
    [["no-such-file"], ["--status", "42"], ["--status", "6xx"], ["why"], ["why", " "], ["a", "b"]],
)
def test_wrong_usage_exits_2(args: list[str]) -> None:
    """Scripts can tell a wrong call from nothing found."""
    assert run(*args).exit_code == 2


def test_help_shows_filters_and_commands() -> None:
    """One page, though the filters belong to a command that need not be named."""
    text = run("--help").stdout

    assert "--partner" in text
    assert "summary" in text
