"""What only a browser can tell: charts are drawn, a click in the map picks a slot, nothing is asked of other hosts."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
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
    # a name that leads here, as after DNS rebinding
    "--host-resolver-rules=MAP elsewhere.example 127.0.0.1",
]

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


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
        page.set_default_timeout(60_000)
        yield page
        browser.close()


@needs_chromium
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


@needs_chromium
def test_an_analysis_is_chosen_by_its_question_and_drawn(address: str, page: Any) -> None:
    page.goto(f"{address}/analyses")
    page.get_by_role("combobox", name="Question").click()
    page.get_by_role("option", name="How full is the store").click()
    page.locator(".main-svg").first.wait_for()
    page.get_by_text("Level 0 ends with").wait_for()


def test_every_answer_closes_the_page(address: str) -> None:
    with urllib.request.urlopen(address, timeout=10) as answer:
        headers = answer.headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/host-config", "/_stcore/stream"])
def test_another_host_name_gets_nothing(address: str, path: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    for more in ({}, upgrade):
        asked = urllib.request.Request(f"{address}{path}", headers={"Host": "elsewhere.example", **more})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=10)
        assert refused.value.code in (400, 403)
        assert b"planted" not in refused.value.read()


@needs_chromium
def test_a_page_of_another_name_sees_nothing(address: str, page: Any) -> None:
    page.goto(address)
    page.get_by_text("Decisions of the controller").wait_for()
    page.goto(address.replace("127.0.0.1", "elsewhere.example"))
    assert "Invalid host" in page.content()
    assert "planted" not in page.content()


@needs_chromium
def test_hostile_text_runs_nothing(hostile: Path, page: Any) -> None:
    with served(hostile, "--headless") as address:
        said: list[str] = []
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        page.get_by_text("=1<img src=x").first.wait_for()
        page.get_by_role("link", name="Slots").click()
        page.get_by_text("One slot").wait_for()
        page.locator("g.points path.point").first.wait_for()
        page.wait_for_timeout(2000)
        assert said == []
        assert page.locator("img[src='x']").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
