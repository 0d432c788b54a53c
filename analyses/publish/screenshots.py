"""Take the screenshots of docs/images from a recorded demo, in Chromium.

python -m analyses.publish.screenshots [runs/demo] [-o docs/images]
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip


def main() -> None:
    """Start the dashboard, visit its pages and the report, and save what is seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", nargs="?", default="runs/demo")
    parser.add_argument("-o", "--out", default="docs/images")
    args = parser.parse_args()
    out, run = Path(args.out), Path(args.run)
    out.mkdir(parents=True, exist_ok=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "memlens", "open", str(run), "--headless", "--port", str(port)]
    with subprocess.Popen(command) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1500})
        try:
            page.goto((run / "report" / "report.html").resolve().as_uri())
            page.wait_for_timeout(3000)
            page.screenshot(path=out / "report.png")
            for name, path in (("timeline", ""), ("slots", "slots")):
                for _ in range(60):
                    try:
                        page.goto(f"http://127.0.0.1:{port}/{path}")
                        break
                    except Exception:
                        time.sleep(1)
                page.wait_for_selector(".js-plotly-plot", timeout=60_000)
                page.wait_for_timeout(6000)
                page.screenshot(path=out / f"dashboard-{name}.png")
        finally:
            browser.close()
            server.terminate()


if __name__ == "__main__":
    main()
