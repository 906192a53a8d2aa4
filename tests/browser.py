"""Headless Chromium for tests of pages: nothing leaves the machine, and what a page tries is kept.

    from browser import open_page

    def test_a_page(tmp_path):
        with open_page(tmp_path / "report.html") as opened:
            opened.is_quiet()                                # no request but for the file, no dialog, no script error
            opened.page.click("summary")                     # Playwright's page, to look and to act
            assert opened.page.locator("math").count() == 3
            opened.page.screenshot(path=tmp_path / "report.png", full_page=True)

It drives the Chromium of the system (Debian's package `chromium`); a test skips where there is none.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Page, Route, WebSocketRoute, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
INSIDE = ("localhost", "127.0.0.1")
# A second wall behind the routes below: what they do not see (a preconnect, a name looked up) finds nobody.
WALLS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1", "--disable-webrtc"]


@dataclass
class Opened:
    """A page that is open in Chromium, and what it has tried so far.

    `page` is Playwright's; `requests` are the addresses asked for, those refused too; `dialogs` the texts of alert,
    confirm and prompt, each dismissed; `errors` what scripts raised or the console said as an error; `refused` the
    addresses of `requests` that were outside the machine.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def is_quiet(self, beside: tuple[str, ...] = ()) -> None:
        """Assert that it asked for nothing but itself and the addresses `beside` (their ends), and ran into nothing."""
        allowed = (urlsplit(self.page.url)._replace(query="", fragment="").geturl(), *beside)
        asked = [request for request in self.requests if not request.split("#")[0].split("?")[0].endswith(allowed)]
        assert not asked and not self.refused, f"asked for {asked + self.refused}"
        assert not self.dialogs and not self.errors, f"dialogs {self.dialogs}, errors {self.errors}"


def _inside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.scheme == "file" or parts.hostname in INSIDE


@contextmanager
def open_page(address: str | Path, width: int = 1200, height: int = 900, scripts: bool = True) -> Iterator[Opened]:
    """Open a file or a http://localhost address in a Chromium of its own, and close it afterwards.

    `scripts` off is a browser without JavaScript. The test skips where there is no Chromium.
    """
    if not CHROMIUM:
        pytest.skip("no chromium on this machine (Debian's package is `chromium`)")
    url = Path(address).resolve().as_uri() if isinstance(address, Path) or "://" not in address else address
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=WALLS, chromium_sandbox=False)
        try:
            context = browser.new_context(
                viewport={"width": width, "height": height}, service_workers="block", java_script_enabled=scripts
            )
            opened = Opened(context.new_page())
            _watch(opened)
            opened.page.goto(url, wait_until="load")
            yield opened
        finally:
            browser.close()


def _watch(opened: Opened) -> None:
    """Keep what the page and the pages that it opens try, and refuse what would leave the machine."""

    def decide(route: Route) -> None:
        url = route.request.url
        opened.requests.append(url)
        if _inside(url):
            return route.continue_()
        opened.refused.append(url)
        return route.abort()

    def connect(socket: WebSocketRoute) -> None:
        if urlsplit(socket.url).hostname in INSIDE:
            socket.connect_to_server()
        else:
            opened.refused.append(socket.url)
            socket.close()

    def watch(page: Page) -> None:
        def dismiss(dialog) -> None:
            opened.dialogs.append(dialog.message)
            try:
                dialog.dismiss()
            except Error:  # the page is gone
                pass

        page.on("dialog", dismiss)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("console", lambda said: opened.errors.append(said.text) if said.type == "error" else None)

    context = opened.page.context
    context.route("**/*", decide)
    context.route_web_socket("**/*", connect)
    watch(opened.page)
    context.on("page", watch)
