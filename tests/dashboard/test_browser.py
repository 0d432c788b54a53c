"""What only a browser can tell: charts are drawn, a click in the map picks a slot, nothing is asked of other hosts."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def served(run: Path, *options: str, **how: Any) -> Iterator[str]:
    """Address of the dashboard that the command starts, once it answers; a failure where it never does."""
    port = free_port()
    command = [sys.executable, "-m", "memlens", "open", str(run), "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how) as server:
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.25)
            else:
                pytest.fail(f"nothing answers at port {port} after a minute")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    with served(run, "--headless") as address:
        yield address


def test_a_first_start_asks_nothing(run: Path, tmp_path: Path) -> None:
    """In a home where Streamlit never ran, with a browser to start, and nobody who answers."""
    with served(run, stdin=subprocess.PIPE, env={**os.environ, "HOME": str(tmp_path), "BROWSER": "true"}) as address:
        assert address


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, args=FLAGS, viewport={"width": 1400, "height": 1000}
        )
        page = browser.new_page()
        page.set_default_timeout(90_000)
        yield page
        browser.close()


def test_a_click_in_the_map_picks_a_slot(address: str, page: Any) -> None:
    foreign: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            foreign.append(request.url)

    page.on("request", note)
    page.goto(address)
    page.get_by_text("Decisions of the controller").wait_for()
    page.get_by_role("link", name="Slots").click()
    page.get_by_text("One slot").wait_for()
    mark = page.locator("g.points path.point").nth(40)
    mark.wait_for()
    page.wait_for_timeout(4000)
    box = mark.bounding_box()
    at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*at)  # the chart takes a click at what it last saw hovered
    page.wait_for_timeout(500)
    page.mouse.click(*at)
    page.wait_for_function("location.search.includes('segment=')")
    segment = page.evaluate("new URLSearchParams(location.search).get('segment')")
    page.get_by_text(f"of segment {segment}, sequence").wait_for()
    assert foreign == []


def test_an_analysis_is_chosen_by_its_question_and_drawn(address: str, page: Any) -> None:
    page.goto(f"{address}/analyses")
    page.get_by_role("combobox").click()
    page.get_by_role("option", name="How full is the store").click()
    page.locator(".main-svg").first.wait_for()
    page.get_by_text("Level 0 ends with").wait_for()
