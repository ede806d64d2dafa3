"""docs/errors.md, nginx's errors and the code say the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.auth import oauth_errors
from gateway.errors import catalogue

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
_FAULT_CODE = re.compile(r"[a-z]+(_[a-z]+)+")


def test_every_problem_has_its_section_and_no_section_is_left_over() -> None:
    """A code without a paragraph leaves a partner alone; a paragraph without a code misleads."""
    sections = re.findall(r"^## (\S+)$", PAGE, re.MULTILINE)

    assert sections == list(dict.fromkeys(sections))
    assert set(sections) == set(catalogue())


def test_every_section_begins_with_its_status_and_says_whether_to_retry() -> None:
    """The status is the one that the code gives, and no paragraph forgets the retry rule."""
    for code, problem in catalogue().items():
        section = _section(code)

        assert re.match(rf"{problem.status}\b", section), code
        assert "Retry:" in section, code


def test_the_table_of_faults_is_the_faults_of_the_code() -> None:
    """Each code that a fault can have is in the table, and nothing else is."""
    table = PAGE.partition("# Faults of invalid_input")[2].partition("\n# ")[0]
    documented = re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)

    assert sorted(documented) == sorted(_fault_codes())


def test_the_table_of_oauth_errors_is_the_errors_of_the_code() -> None:
    """Every `error` that the token service answers with is in the table."""
    table = PAGE.partition("# Errors of /oauth/*")[2]
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))
    classes = [oauth_errors.OAuthError, *oauth_errors.OAuthError.__subclasses__()]
    answered = {kind.error for kind in classes} | {
        oauth_errors.oauth_error_from(problem()).error
        for problem in (ValueError, oauth_errors.UnsupportedGrantType)
    }

    assert documented == answered


def test_errors_that_nginx_makes_are_problems_of_the_catalogue() -> None:
    """nginx answers a code with the status and the title that the application gives it."""
    titles = _map_of("problem_title")
    problems = catalogue()

    assert titles.pop("default") == problems["bad_request"].title
    assert titles == {code: problems[code].title for code in titles}
    for code, statuses in _nginx_statuses().items():
        assert problems[code].status in statuses, code


def test_every_error_that_nginx_makes_has_a_title_of_its_own() -> None:
    """No code falls back to the title of bad_request."""
    assert set(_nginx_statuses()) - {"bad_request"} == set(_map_of("problem_title")) - {"default"}


def _section(code: str) -> str:
    return PAGE.partition(f"\n## {code}\n")[2].partition("\n#")[0].strip()


def _fault_codes() -> set[str]:
    """The words in snake case of the modules that make faults."""
    found: set[str] = set()
    for path in [*(ROOT / "model").glob("*.py"), *(ROOT / "gateway").rglob("*.py")]:
        if path.parent.name == "scoring":
            # A client: it knows the codes of problems as well.
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(_makes_fault(node) for node in ast.walk(tree)):
            found |= {word for word in _texts(tree) if _FAULT_CODE.fullmatch(word)}
    return found


def _makes_fault(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fault"
    )


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _map_of(variable: str) -> dict[str, str]:
    text = (ROOT / "nginx" / "problem_texts.conf").read_text(encoding="utf-8")
    block = re.search(rf"map \$problem_code \${variable} {{(.*?)\n}}", text, re.DOTALL)
    assert block is not None
    return dict(re.findall(r'^\s+([a-z_]+) "([^"]*)";$', block[1], re.MULTILINE))


def _nginx_statuses() -> dict[str, set[int]]:
    """By code, the statuses that `error_page CODE… [=STATUS] /_problem/…` answers with."""
    statuses: dict[str, set[int]] = {}
    for name in ("problem_errors.conf", "oauth_errors.conf"):
        text = (ROOT / "nginx" / name).read_text(encoding="utf-8")
        pattern = (
            r"^error_page ([\d ]+?)(?: =(\d+))? "
            r"/_(?:oauth_problem|problem/\$problem_shape)/([a-z_]+);"
        )
        for codes, answered, problem in re.findall(pattern, text, re.MULTILINE):
            numbers = {int(answered)} if answered else {int(code) for code in codes.split()}
            statuses.setdefault(problem, set()).update(numbers)
    return statuses
