"""Plans."""

from pathlib import Path

import pytest

from config.plans import SHIPPED_PLANS, InvalidPlans, Plan, load_plans, plans_file

GOOD = "max_rows_per_call = 10\nmax_concurrent_calls = 2\n"


def _load(folder: Path, text: str) -> dict[str, Plan]:
    path = folder / "plans.toml"
    path.write_text(text)
    return dict(load_plans(path))


def test_the_shipped_plans_have_the_documented_numbers() -> None:
    """As in the table of defaults of the design."""
    assert dict(load_plans(SHIPPED_PLANS)) == {
        "trial": Plan("trial", 1_000, 4, 20, 600, 100_000),
        "standard": Plan("standard", 10_000, 16, 100, 3_000, 5_000_000),
        "unlimited": Plan("unlimited", 100_000, 64, None, None, None),
    }


def test_a_limit_left_out_is_no_limit(tmp_path: Path) -> None:
    """Rates may be left out one by one."""
    plan = _load(tmp_path, "[small]\nrequests_per_minute = 1\n" + GOOD)["small"]

    assert plan == Plan("small", 10, 2, requests_per_minute=1)


def test_the_largest_call_may_use_up_the_hour(tmp_path: Path) -> None:
    """Equal is possible; one row more never is."""
    assert _load(tmp_path, "[p]\nrows_per_hour = 10\n" + GOOD)["p"].rows_per_hour == 10

    with pytest.raises(InvalidPlans) as caught:
        _load(tmp_path, "[p]\nrows_per_hour = 9\n" + GOOD)
    assert caught.value.problems == ["plan p: max_rows_per_call is more than rows_per_hour"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[p]\nmax_rows_per_call = 1", ["plan p: max_concurrent_calls is missing"]),
        ("[p]\nmax_concurrent_calls = 1", ["plan p: max_rows_per_call is missing"]),
        ("[p]\nrows_per_day = 1\n" + GOOD, ["plan p: unknown limit rows_per_day"]),
        ("[p]\nname = 1\n" + GOOD, ["plan p: unknown limit name"]),
        ("p = 1", ["plan p: must be a table of limits"]),
        ("[[p]]\n" + GOOD, ["plan p: must be a table of limits"]),
        *[
            (
                f"[p]\nrequests_per_second = {value}\n" + GOOD,
                ["plan p: requests_per_second must be a whole number above 0"],
            )
            for value in ("0", "-1", "1.5", "true", '"20"', "[1]", "inf", "1979-05-27")
        ],
    ],
)
def test_a_wrong_plan_is_refused(tmp_path: Path, text: str, problems: list[str]) -> None:
    """Each in one sentence that names plan and limit."""
    with pytest.raises(InvalidPlans) as caught:
        _load(tmp_path, text)

    assert caught.value.problems == problems


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    """Over all plans of the file."""
    with pytest.raises(InvalidPlans) as caught:
        _load(tmp_path, "a = 1\n[b]\nx = 1\nmax_rows_per_call = 0\n")

    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("content", [b"", b"# none", b"[p", b"\xff", b"[p]\n[p]"])
def test_a_file_without_plans_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, not TOML, not UTF-8: one sentence with its path."""
    path = tmp_path / "plans.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidPlans) as caught:
        load_plans(path)

    assert [problem.startswith(f"{path}: ") for problem in caught.value.problems] == [True]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Absent, and a folder in its place."""
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(InvalidPlans):
            load_plans(path)


def test_the_file_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GATEWAY_PLANS, else config/plans.toml here, else the shipped one."""
    monkeypatch.chdir(tmp_path)
    assert plans_file() == SHIPPED_PLANS
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "plans.toml").touch()
    assert plans_file() == Path("config/plans.toml")
    monkeypatch.setenv("GATEWAY_PLANS", "/elsewhere.toml")

    assert plans_file() == Path("/elsewhere.toml")
