"""Debian's Chromium without a window, driven by Playwright; installed where that is allowed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

# Nothing of its own may leave the machine, and root has no sandbox.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """The program, if there is one."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def install_browser() -> None:
    """Debian's package, ahead of the tests, where root and apt-get are there."""
    if find_browser() is not None or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    sys.stderr.write("Installing Debian's chromium (a minute or two) …\n")
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run(
            ["apt-get", "-qq", *command],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )


@contextmanager
def opened(profile: Path, *, dark: bool = False) -> Iterator[BrowserContext]:
    """A browser with an empty profile of its own."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=find_browser(),
            headless=True,
            args=_FLAGS,
            # Its answers come from our own authority, as those of `make stack` do.
            ignore_https_errors=True,
            color_scheme="dark" if dark else "light",
            viewport={"width": 1100, "height": 900},
        )
        try:
            yield context
        finally:
            context.close()


if __name__ == "__main__":
    install_browser()
