"""The page at /docs in a real browser: from the login to code that works elsewhere."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import find_browser, install_browser, opened
from playwright.sync_api import Page, expect
from stack_process import ROOT, Stack, bearer

_ROW = {
    "months": 60,
    "monthly_charge": None,
    "contract": "two years",
    "payment": "invoice",
    "region": None,
    "complaints": 0,
    "paperless": False,
}
# How long a busy machine may take for what is then there; five seconds are Playwright's own.
_PATIENT_MS = 30_000


class Visit:
    """A page in the browser, and what it did beside what it shows."""

    def __init__(self, page: Page, stack: Stack) -> None:
        self.page = page
        self.stack = stack
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.goto(f"{stack.base_url}/docs")

    def log_in(self, credentials: dict[str, str]) -> None:
        """As a person does: type both, press Enter."""
        self.page.get_by_label("Client id").fill(credentials["client_id"])
        self.page.get_by_label("Client secret").fill(credentials["client_secret"])
        self.page.keyboard.press("Enter")

    def pick(self, model: str) -> None:
        self.page.get_by_label("Model", exact=True).select_option(model)
        expect(self.page.locator("#model-facts")).to_contain_text("Version 1 answers.")

    def send(self) -> None:
        self.page.get_by_role("button", name="Send").click()
        expect(self.page.locator("#answer-facts")).to_contain_text("Request id")


@pytest.fixture(scope="module")
def credentials(stack: Stack) -> dict[str, str]:
    return stack.create_partner("reader")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser for all tests of this module."""
    install_browser()
    if find_browser() is None:
        message = "the page is tested in Chromium (Debian package chromium)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    with opened(tmp_path_factory.mktemp("profile")) as context:
        context.set_default_timeout(_PATIENT_MS)
        expect.set_options(timeout=_PATIENT_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context


@pytest.fixture
def visit(pages: Any, stack: Stack) -> Iterator[Visit]:
    page = pages.new_page()
    yield Visit(page, stack)
    page.close()


def _pasted(visit: Visit, text: str) -> None:
    if not visit.page.locator("#pasted").is_visible():
        visit.page.get_by_text("Paste a row instead").click()
    visit.page.locator("#pasted").fill(text)
    visit.page.get_by_role("button", name="Fill in", exact=True).click()


def test_from_the_login_to_an_answer(
    visit: Visit, credentials: dict[str, str], telephone: str, token: str
) -> None:
    """Log in, pick a model, see its features, paste a row, send it, read what the API answers."""
    visit.log_in(credentials)
    visit.pick(telephone)
    months = visit.page.locator(".feature", has_text="How long the customer has been one.")
    contract = visit.page.get_by_label("contract", exact=True)
    _pasted(visit, json.dumps(_ROW))
    visit.send()
    with visit.stack.client() as client:
        answer = client.post(
            f"/v1/models/{telephone}/predict", json={"rows": [_ROW]}, headers=bearer(token)
        ).json()

    expect(months).to_contain_text("A number, at least 0. Unit: months. May be missing")
    assert contract.locator("option").all_inner_texts()[1:] == ["monthly", "one year", "two years"]
    assert json.loads(visit.page.locator("#raw").text_content() or "") == answer
    expect(visit.page.locator("#outputs .value")).to_have_text(answer["predictions"][0])
    expect(visit.page.locator("#outputs meter")).to_have_count(2)


@pytest.mark.parametrize(
    "pasted",
    [
        json.dumps(list(_ROW.values())),
        json.dumps({"data": [list(_ROW.values())]}),
        json.dumps({"columns": {name: [value] for name, value in _ROW.items()}}),
        '60,,"two years",invoice,,0,false',
        "paperless,months,contract,payment,complaints\nfalse,60,two years,invoice,0",
    ],
)
def test_a_row_may_be_pasted_in_many_shapes(
    visit: Visit, credentials: dict[str, str], telephone: str, pasted: str
) -> None:
    """JSON in order, a whole body, a line of CSV with a header or without: one row of fields."""
    visit.log_in(credentials)
    visit.pick(telephone)
    _pasted(visit, pasted)
    fields = visit.page.locator("#features input, #features select")
    values = [fields.nth(at).input_value() for at in range(fields.count())]

    assert values == ["60", "", '"two years"', '"invoice"', "", "0", "false"]


def test_what_is_wrong_is_said_at_its_feature(
    visit: Visit, credentials: dict[str, str], telephone: str
) -> None:
    """What cannot be sent is refused on the page; what the contract refuses, by the gateway."""
    visit.log_in(credentials)
    visit.pick(telephone)
    months, charge = visit.page.get_by_label("months"), visit.page.get_by_label("monthly_charge")
    charge.fill("12,5")
    visit.page.get_by_role("button", name="Send").click()
    expect(charge).to_have_attribute("aria-invalid", "true")
    expect(visit.page.locator("#feature-1-error")).to_contain_text("This is not a number")
    charge.fill("12.5")
    months.fill("-5")
    visit.send()

    expect(charge).not_to_have_attribute("aria-invalid", "true")
    expect(months).to_have_attribute("aria-invalid", "true")
    expect(visit.page.locator("#feature-0-error")).to_contain_text("expected number of at least 0")
    expect(visit.page.locator("#answer-error")).to_contain_text("invalid_input")


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_copied_code_works(
    visit: Visit, credentials: dict[str, str], telephone: str, token: str, language: str
) -> None:
    """What the clipboard then holds asks the same and is answered the same."""
    visit.log_in(credentials)
    visit.pick(telephone)
    visit.page.get_by_label("region").fill('it\'s "north" \\ true')
    visit.send()
    answer = json.loads(visit.page.locator("#raw").text_content() or "")
    visit.page.get_by_role("button", name=language).click()
    visit.page.get_by_role("button", name="Copy").click()
    expect(visit.page.locator("#copied")).to_have_text("Copied.")
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    commands = {
        "curl": ["bash", "-c", copied],
        "Python": [sys.executable, "-c", copied],
        "JavaScript": ["node", "--input-type=module", "--eval", copied],
    }
    authority = str(visit.stack.data_dir / "tls/ca.pem")
    trust = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    done = subprocess.run(
        commands[language],
        env={
            "PATH": os.environ["PATH"],
            "TOKEN": token,
            "CLIENT_ID": credentials["client_id"],
            "CLIENT_SECRET": credentials["client_secret"],
            **dict.fromkeys(trust, authority),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert str(answer["predictions"][0]) in done.stdout
    assert str(answer["probabilities"][0][0])[:12] in done.stdout


def test_a_wrong_secret_is_said_beside_the_form(visit: Visit, credentials: dict[str, str]) -> None:
    """No dialogue of the browser's own, and the rest of the page stays closed."""
    dialogues: list[str] = []
    visit.page.on("dialog", lambda dialogue: dialogues.append(dialogue.message))
    visit.log_in({**credentials, "client_secret": "wrong"})

    expect(visit.page.locator("#login-error")).to_contain_text("invalid_client")
    expect(visit.page.locator("#model")).to_be_hidden()
    assert dialogues == []


def test_the_secret_and_the_token_are_nowhere_to_be_found(
    visit: Visit, credentials: dict[str, str]
) -> None:
    """Not in storage, cookies or the page; and logging out forgets the token."""
    visit.log_in(credentials)
    expect(visit.page.locator("#row")).to_be_visible()
    stored = visit.page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    values = visit.page.evaluate(
        "[...document.querySelectorAll('input')].map((input) => input.value).join()"
    )
    visit.page.get_by_role("button", name="Log out").click()

    assert stored == '[{},{},""]'
    assert credentials["client_secret"] not in values + visit.page.content()
    assert "eyJ" not in visit.page.content()
    expect(visit.page.locator("#row")).to_be_hidden()
    expect(visit.page.get_by_label("Client id")).to_be_focused()


def test_the_document_can_be_had_from_the_page(
    visit: Visit, credentials: dict[str, str], tmp_path: Path
) -> None:
    """With the token of the login, as a file."""
    visit.log_in(credentials)
    expect(visit.page.locator("#row")).to_be_visible()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="openapi.json").click()
    download.value.save_as(tmp_path / "openapi.json")

    assert json.loads((tmp_path / "openapi.json").read_text())["openapi"].startswith("3.1")


def test_nothing_comes_from_elsewhere_and_the_policy_is_kept(
    visit: Visit, credentials: dict[str, str], telephone: str
) -> None:
    """Every request is to the gateway; the browser has nothing to complain about."""
    visit.log_in(credentials)
    visit.pick(telephone)
    visit.send()

    assert {url[: len(visit.stack.base_url)] for url in visit.requested} == {visit.stack.base_url}
    assert visit.complaints == []


def test_a_keyboard_is_enough(visit: Visit, credentials: dict[str, str]) -> None:
    """From the first field to the answer without a mouse; the focus is where one reads on."""
    keys = visit.page.keyboard
    keys.press("Tab")
    keys.type(credentials["client_id"])
    keys.press("Tab")
    keys.type(credentials["client_secret"])
    keys.press("Enter")
    expect(visit.page.get_by_label("Model", exact=True)).to_be_focused()
    for _ in range(40):
        if visit.page.evaluate("document.activeElement.id") == "send":
            break
        keys.press("Tab")
    keys.press("Enter")

    expect(visit.page.get_by_role("heading", name="Read the answer")).to_be_focused()


def test_every_field_has_a_name(visit: Visit, credentials: dict[str, str]) -> None:
    """What assistive software reads: no control without a label, no image without a text."""
    visit.log_in(credentials)
    expect(visit.page.locator("#row")).to_be_visible()
    nameless = visit.page.evaluate(
        """[...document.querySelectorAll('input, select, textarea')]
        .filter((control) => !control.labels.length).map((control) => control.id)"""
    )

    assert nameless == []
    assert visit.page.locator("img:not([alt])").count() == 0
    assert (ROOT / "gateway/page/index.html").read_text().startswith("<!doctype html>")
