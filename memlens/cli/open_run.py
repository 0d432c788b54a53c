"""``memlens open RUN``."""

from argparse import Namespace
from typing import Any

from memlens.cli import arguments


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "open",
        help="look at a recording in the browser",
        description="Start the dashboard on a recording, or on all that lie in a folder. It listens on this machine only, answers to the "
        "names 127.0.0.1 and localhost only, and shows nothing that is not in that folder; end it with Ctrl-C.",
    )
    parser.add_argument(
        "recording", metavar="RUN", help="folder of the recording, or the folder that recordings lie in"
    )
    parser.add_argument("--port", type=arguments.port, default=8501, help="port to listen on (8501)")
    parser.add_argument("--headless", action="store_true", help="start no browser")
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Become the dashboard's server: one process, so that whoever ends this command ends the server."""
    import os
    import sys

    from memlens.cli import locate

    path = locate.root(args.recording)
    from memlens.resources import dashboard_app

    settings = {
        "server.port": args.port,
        "server.address": "127.0.0.1",
        "server.headless": str(args.headless).lower(),
        # asked for on a first start, with nothing served until it is answered
        "server.showEmailPrompt": "false",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    # the server refuses other hosts too; this is Streamlit's own check of WebSockets
    options += [f"--server.allowedHosts={host}" for host in ("127.0.0.1", "localhost")]
    server = dashboard_app().with_name("server.py")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(server), *options, "--", str(path)])
