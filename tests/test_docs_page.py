"""The page at /docs: public, static, and all of it from here."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from app_fixture import AppFixture, make_app

FOLDER = Path("gateway/page")
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.suffix not in {"", ".py"})
FIELDS = "Content-Security-Policy"


def test_the_page_needs_no_token(shared_gateway: AppFixture) -> None:
    """Who opens it has none yet; nothing of a model or a partner is in it."""
    for path in ("/docs", "/docs/"):
        response = shared_gateway.client.get(path)

        assert response.status_code == 200
        assert response.content_type == "text/html; charset=utf-8"
        assert "wine" not in response.text


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_served_with_a_strict_policy(shared_gateway: AppFixture, name: str) -> None:
    """One policy, without a word that begins with unsafe, that lets nothing in from outside."""
    response = shared_gateway.client.get(f"/docs/{name}")
    policy = response.headers.getlist(FIELDS)

    assert response.status_code == 200
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none'")
    assert not re.search(r"unsafe|\*|https?:|data:|blob:", policy[0])
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_another_host_or_has_code_in_its_markup(name: str) -> None:
    """What the policy would refuse is not there in the first place."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", re.sub(r"(?m)^\s*//.*$", "", text))

    assert set(addresses) <= {"http://www.w3.org"}  # The name of SVG, which nobody fetches.
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\b|new Function", text)
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie", text)


def test_every_file_that_is_named_is_there() -> None:
    """What the page and its modules load exists, and what exists is loaded by one of them."""
    named = {
        match
        for name in NAMES
        for match in re.findall(r"/docs/([\w.]+)", (FOLDER / name).read_text(encoding="utf-8"))
    }

    assert named | {"index.html"} == set(NAMES)


def test_the_files_are_part_of_the_package() -> None:
    """An installed gateway has them, too."""
    configured = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    patterns = configured["tool"]["setuptools"]["package-data"]["gateway.page"]

    assert [name for name in NAMES if not any(fnmatch(name, one) for one in patterns)] == []


def test_an_unchanged_file_is_not_sent_again(shared_gateway: AppFixture) -> None:
    """Browsers may keep the page, and ask each time whether it is still the same."""
    first = shared_gateway.client.get("/docs")
    again = shared_gateway.client.get("/docs", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "public, no-cache"
    assert (again.status_code, again.data) == (304, b"")


def test_there_is_no_other_file(shared_gateway: AppFixture) -> None:
    """Names are looked up, never opened: the package's own code is not among them."""
    for name in ("files.py", "__init__.py", "..%2fapp.py", "main.js%00"):
        assert shared_gateway.client.get(f"/docs/{name}").status_code in {401, 404}


def test_the_page_can_be_turned_off(tmp_path: Path) -> None:
    """Then its paths are like any others that do not exist."""
    gateway = make_app(tmp_path, docs={"page": False})

    for path in ("/docs", "/docs/main.js"):
        assert gateway.client.get(path).status_code == 401
        assert gateway.client.get(path, headers=gateway.bearer()).status_code == 404
