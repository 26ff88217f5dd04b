"""A JupyterLab of one's own, and a notebook in it as a learner has it on the screen.

`running_lab` starts the server, in a folder and with settings that are nobody else's.
`Notebook` opens a notebook of it in a page of Playwright's. What the page cannot tell,
such as whether the kernel still works, it asks the application, which
`--expose-app-in-browser` makes reachable; what a learner does, mouse and keys do.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
NAMES = sorted(p.stem for p in (NOTEBOOKS / "solutions").glob("[0-9][0-9]_*.ipynb"))
PATIENCE = 600_000  # milliseconds that a condition may take on a slow machine

# Every cell is in the page (a window would hold only those on the screen), and nobody
# is asked anything.
_SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
_THEME = "apputils-extension/themes"

# What the application knows of the notebook in front
_STATE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    if (!panel?.content?.widgets || !kernel) return null;
    const cells = panel.content.widgets.map(({model}) => ({
        id: model.id, type: model.type, source: model.sharedModel.getSource(),
        number: model.executionCount ?? null, state: model.executionState ?? null,
        outputs: model.type == 'code' ? model.outputs.toJSON() : [],
    }));
    return {kernel: kernel.status, connected: kernel.connectionStatus,
            ready: panel.sessionContext.isReady && panel.context.isReady, cells};
}"""


class Lab:
    """A running server: `url` for a browser, `folder` for the notebooks."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url, self.token, self.folder = url, token, folder

    def address(self, notebook: str) -> str:
        """Give the address at which a notebook is opened, and nothing beside it."""
        return f"{self.url}/doc/tree/{notebook}?token={self.token}"


@contextmanager
def running_lab(place: Path, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """Start JupyterLab on a free port; stop it and its kernels at the end.

    Args:
        place: an empty folder. Below it lie the notebooks, the settings and the log.
        theme: that it opens with.

    Raises:
        RuntimeError: the server ends, or does not answer in ten minutes; with its log.
    """
    folder = place / "work"
    shutil.copytree(NOTEBOOKS / "solutions", folder, ignore=_made_by_runs)
    (folder / "learner").mkdir()
    for name in NAMES:
        shutil.copy(NOTEBOOKS / f"{name}.ipynb", folder / "learner")
    for name, values in (_SETTINGS | {_THEME: {"theme": theme}}).items():
        path = place / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port, token = _free_port(), secrets.token_hex(16)
    log = place / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
                *(f"--IdentityProvider.token={token}", f"--notebook-dir={folder}"),
                *("--expose-app-in-browser", "--LabApp.news_url=None"),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=_environment(place),
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(server, f"{url}/api?token={token}", log)
        yield Lab(url, token, folder)
    finally:
        server.terminate()  # which ends the kernels, too
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _made_by_runs(_: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".ipynb")]


def _environment(place: Path) -> dict[str, str]:
    """Keep the user's Jupyter out of it; without CI, for widgets listen to a person."""
    kept = {k: v for k, v in os.environ.items() if k != "CI" and "JUPYTER" not in k}
    own = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "share",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    kept |= {name: str(place / folder) for name, folder in own.items()}
    return {"WORKSHOP_PRESET": "ci"} | kept


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(server: Any, url: str, log: Path) -> None:
    end = monotonic() + PATIENCE / 1000
    while monotonic() < end and server.poll() is None:
        try:
            with urlopen(url, timeout=30):
                return
        except (URLError, OSError):
            sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-4000:]}")


class Notebook:
    """One notebook in a page; `said` holds what the console said was an error."""

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page = page
        self.said: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", self._listen)
        page.goto(lab.address(name))
        page.wait_for_function(f"(({_STATE})() ?? {{}}).ready")
        self.wait_until_idle()

    def _listen(self, message: Any) -> None:
        if message.type == "error":
            place = message.location.get("url", "").partition("?")[0]
            self.said.append(f"{message.text} ({place})")

    def state(self) -> dict[str, Any]:
        """Return kernel and cells, as the application knows them."""
        found: dict[str, Any] = self.page.evaluate(_STATE)
        return found

    def cells(self) -> dict[str, dict[str, Any]]:
        """Return the code cells by their id: number, state, outputs."""
        return {c["id"]: c for c in self.state()["cells"] if c["type"] == "code"}

    def wait_until_idle(self) -> None:
        """Wait until the kernel has nothing to do, and no cell waits for it."""
        self.page.wait_for_function(
            f"""() => {{
                const s = ({_STATE})();
                return s && s.kernel == 'idle' && s.connected == 'connected'
                    && s.cells.every(c => c.state == null || c.state == 'idle');
            }}"""
        )

    def run_all(self) -> None:
        """Choose Run > Run All Cells from the menu, and wait for the end."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        # The last number, or an error: what stops a notebook leaves the rest blank
        self.page.wait_for_function(
            f"""() => {{
                const codes = ({_STATE})().cells.filter(c => c.type == 'code');
                return codes.at(-1).number != null || codes.some(
                    c => c.outputs.some(o => o.output_type == 'error'));
            }}"""
        )
        self.wait_until_idle()

    def find(self, part: str) -> str:
        """Return the id of the only code cell whose source holds this."""
        (found,) = [k for k, cell in self.cells().items() if part in cell["source"]]
        return found

    def cell(self, name: str) -> Any:
        """Find on the screen the cell with this id."""
        position = [c["id"] for c in self.state()["cells"]].index(name)
        return self.page.locator(".jp-Notebook .jp-Cell").nth(position)

    def write(self, name: str, source: str) -> None:
        """Click into a cell, type another source, and run it with Shift+Enter."""
        before = self.cells()[name]["number"]
        editor = self.cell(name).locator(".cm-content")
        editor.scroll_into_view_if_needed()
        editor.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function(
            f"""([name, before]) => {{
                const cell = ({_STATE})().cells.find(c => c.id == name);
                return cell.number != null && cell.number != before;
            }}""",
            arg=[name, before],
        )
        self.wait_until_idle()

    def theme(self, name: str) -> None:
        """Put on another theme, as Settings > Theme does."""
        self.page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})",
            name,
        )
        light = str("Dark" not in name).lower()
        self.page.wait_for_selector(
            f'body[data-jp-theme-light="{light}"]', state="attached"
        )

    def close(self) -> None:
        """End the kernel, so that its memory is free for the next, and the page."""
        self.page.evaluate(
            "() => jupyterapp.shell.currentWidget.sessionContext.shutdown()"
        )
        self.page.close()
