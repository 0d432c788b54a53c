"""A wheel of memlens, installed without the checkout and beside another package called ``dashboard``, does its work."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


class Installed:
    """A new environment that holds the wheel, and a folder in which nothing else is."""

    def __init__(self, folder: Path):
        self.bin, self.cwd = folder / "env/bin", folder / "cwd"
        self.cwd.mkdir()
        called(sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-w", str(folder))
        called(sys.executable, "-m", "venv", "--without-pip", str(folder / "env"))
        [wheel] = folder.glob("memlens-*.whl")
        python = str(self.bin / "python")
        called(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", str(wheel))
        [packages] = folder.glob("env/lib/python*/site-packages")
        # what memlens depends on; a path in a .pth file brings no .pth files with it, so not the editable memlens of the checkout
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (packages / "dashboard").mkdir()
        for name in ("__init__.py", "app.py"):
            (packages / "dashboard" / name).write_text("raise SystemExit('another package called dashboard')\n")
        self.environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def memlens(self, *arguments: str) -> str:
        """What the command prints."""
        return called(str(self.bin / "memlens"), *arguments, cwd=self.cwd, env=self.environment)

    def python(self, code: str) -> str:
        """What the code prints."""
        return called(str(self.bin / "python"), "-c", code, cwd=self.cwd, env=self.environment).strip()


def called(*arguments: str, **options: object) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def run(installed: Installed) -> Path:
    installed.memlens("record", "nano", "builtin", "--length", "3K", "-o", "run")
    return installed.cwd / "run"


def test_what_is_imported_is_the_wheel(installed: Installed) -> None:
    place = Path(installed.python("import memlens; print(memlens.__file__)"))
    assert place.is_relative_to(installed.bin.parent)
    assert (place.parent / "py.typed").is_file()
    assert "nano" in installed.python("import memlens; print(memlens.load_model('nano').name)")
    assert installed.memlens("info", "nano").startswith("nano: a memory model")


def test_record_and_report(installed: Installed, run: Path) -> None:
    assert installed.memlens("info", "run").startswith("run: a recording, complete")
    installed.memlens("report", "run", "-o", "report")
    assert (installed.cwd / "report/report.html").stat().st_size > 1e6


def test_demo(installed: Installed) -> None:
    said = installed.memlens("demo", "--length", "3K", "-o", "demo")
    assert "memlens open demo" in said
    assert (installed.cwd / "demo/recording").is_dir() and (installed.cwd / "demo/report/report.pdf").is_file()


def test_the_dashboard_answers(installed: Installed, run: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(installed.bin / "memlens"), "open", "run", "--headless", "--port", str(port)]
    with subprocess.Popen(command, cwd=installed.cwd, env=installed.environment, stdout=subprocess.DEVNULL) as server:
        try:
            assert fetched(f"http://127.0.0.1:{port}/_stcore/health", 120) == b"ok"
            assert b"<title>Streamlit</title>" in fetched(f"http://127.0.0.1:{port}/", 10)
        finally:
            server.terminate()


def fetched(address: str, seconds: float) -> bytes:
    """What is at an address, as soon as somebody answers there."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(address, timeout=10) as answer:
                return answer.read()
        except (URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def test_the_dashboard_draws_its_pages(installed: Installed, run: Path) -> None:
    code = (
        "import sys; from memlens.resources import dashboard_app; from streamlit.testing.v1 import AppTest\n"
        f"sys.argv = ['app.py', {str(run)!r}]\n"
        "app = AppTest.from_file(str(dashboard_app()), default_timeout=300).run()\n"
        "assert not app.exception and not app.error, (app.exception, app.error)\n"
        "print(len(app.get('plotly_chart')))"
    )
    assert int(installed.python(code).splitlines()[-1]) > 0
