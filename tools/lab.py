"""Open the course in JupyterLab: `make lab`, or `python tools/lab.py` without make.

It opens the learner's own copies of the lessons (see copies.py). JupyterLab keeps its safe
defaults: it answers this machine only, and asks for its token. What would contact the network
is off: the check for updates, the news, the list of extensions.
"""

import argparse
import logging
import os
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAB_SETTINGS = ROOT / "tools" / "lab_settings"
FIRST_LESSON = "00_start_here.ipynb"
SETTINGS = [
    f"--ServerApp.root_dir={ROOT}",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    # overrides.json answers the question whether to fetch news. A learner's own JupyterLab
    # settings still count over it.
    f"--LabApp.app_settings_dir={LAB_SETTINGS}",
    # Warnings, errors and the address to open, but not the server's diary.
    "--log-level=WARN",
    "--LabApp.log_level=WARN",
]


# Lines of the server's log that tell nothing and alarm: a lesson is "not trusted" until it is run
# here, which only means that its stored outputs are shown without scripts; and two of the
# server's own settings do not fit together.
NO_NEWS = ("is not trusted", "websocket_ping_timeout")


def is_news(record: logging.LogRecord) -> bool:
    """Whether to show a line of the server's log. Errors are always shown."""
    said = record.getMessage()
    return record.levelno > logging.WARNING or not any(words in said for words in NO_NEWS)


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


def folder_to_open() -> str:
    """The learner's copies, made and renewed; the stored lessons where that is not possible."""
    import copies

    from helpers.basics.errors import StorageError, wrapped

    try:
        copies.renew()
    except StorageError as error:
        print(wrapped(str(error)))
    if (copies.MINE / FIRST_LESSON).is_file():
        return copies.MINE.name
    print("The lessons open as they are stored, with their outputs, for reading.")
    return copies.LESSONS.name


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description="Open your copies of the lessons, my_lessons/, in JupyterLab.",
        epilog="Further arguments go to JupyterLab: --no-browser, --port 8890, ...",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--again",
        nargs="+",
        metavar="LESSON",
        help="put lessons back as the "
        "course has them, for example 03 05, or all; yours are kept beside them",
    )
    parser.add_argument("--stored", action="store_true", help="open the lessons of the course "
                        "themselves, with their stored outputs")  # fmt: skip
    chosen, arguments = parser.parse_known_args(arguments)
    make_home_writable()
    try:
        import copies
        import zmq
        from jupyterlab.labapp import LabApp
    except ImportError:
        sys.exit(
            f"The course is not installed in this Python, {sys.executable}. With make, type: "
            "make lab    With conda, type: conda activate image-classification    and then: "
            "python tools/lab.py    (README.md says how to install it.)"
        )
    if chosen.again:
        return copies.put_back(chosen.again)
    folder = copies.LESSONS.name if chosen.stored else folder_to_open()
    # The course's kernel, this Python under its own name, comes before any other of that kind.
    kernels = [str(LAB_SETTINGS), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(kernels)
    # `python` and `pip` in JupyterLab's terminal, and `!pip` in a cell, are this Python's too.
    programs = [sysconfig.get_path("scripts"), *filter(None, [os.environ.get("PATH")])]
    os.environ["PATH"] = os.pathsep.join(programs)
    settings = [*SETTINGS, f"--LabApp.default_url=/lab/tree/{folder}/{FIRST_LESSON}"]
    if zmq.has("curve"):
        # What the server and a kernel say to each other is encrypted. Else each kernel warns.
        settings = [*settings, "--KernelManager.transport_encryption=auto"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # JupyterLab refuses root unless told. Whoever is root here, usually in a container
        # with no other user, could run any cell's code as root anyway.
        settings = [*settings, "--allow-root"]
    for name in ("ServerApp", "tornado.general"):
        logging.getLogger(name).addFilter(is_news)
    os.environ.pop("MAKELEVEL", None)  # so that make says nothing more in JupyterLab's terminal
    print("JupyterLab starts. To stop it, press Ctrl-C here and answer y.", flush=True)
    try:
        LabApp.launch_instance([*settings, *arguments])
    except OSError as error:
        sys.exit(f"JupyterLab could not start: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
