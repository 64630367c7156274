"""Open the course in JupyterLab: `make lab`, or `python tools/lab.py` without make.

Further arguments go to JupyterLab (`--no-browser`, `--port 8890`, ...). JupyterLab keeps
its safe defaults: it answers this machine only, and asks for its token. What would contact
the network is off: the check for updates, the news, the list of extensions.
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_LESSON = "notebooks/00_start_here.ipynb"
SETTINGS = [
    f"--ServerApp.root_dir={ROOT}",
    f"--LabApp.default_url=/lab/tree/{FIRST_LESSON}",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    # overrides.json answers the question whether to fetch news. A learner's own JupyterLab
    # settings still count over it.
    f"--LabApp.app_settings_dir={ROOT / 'tools' / 'lab_settings'}",
    # Warnings, errors and the address to open, but not the server's diary.
    "--log-level=WARN",
]


def make_home_writable() -> None:
    """Where nothing may be written at home, as on some shared computers, use a folder for now."""
    try:
        with tempfile.TemporaryFile(dir=Path.home()):
            return
    except OSError:
        home = tempfile.mkdtemp(prefix="image_classification_home_")
    print(f"Nothing may be written in your home folder {Path.home()}.")
    print(f"JupyterLab keeps its settings in {home} this time. Your lessons are not affected.")
    os.environ["HOME"] = home


def main(arguments: list[str]) -> None:
    make_home_writable()
    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        sys.exit("JupyterLab is not installed here. Type: make lab    (or see README.md)")
    # The course's kernel comes before one of the same name in the home folder.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    settings = SETTINGS
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # JupyterLab refuses root unless told. Whoever is root here, usually in a container
        # with no other user, could run any cell's code as root anyway.
        settings = [*settings, "--allow-root"]
    print("JupyterLab starts. To stop it, press Ctrl-C here and answer y.", flush=True)
    try:
        LabApp.launch_instance([*settings, *arguments])
    except OSError as error:
        sys.exit(f"JupyterLab could not start: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
