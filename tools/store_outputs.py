"""Run the lessons and store their outputs (`make outputs`, `make outputs NOTEBOOKS=...`).

Each lesson runs from a fresh kernel, in a copy. The copy replaces the lesson only when all
of it has run, so that a failure leaves the stored outputs as they were. Execution times,
widget state and metadata that differ from run to run are left out.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat

VIEW = "application/vnd.jupyter.widget-view+json"
ROOT = Path(__file__).resolve().parent.parent
EXECUTE = [
    *("-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "--log-level=ERROR"),
    "--ExecutePreprocessor.record_timing=False",
    "--ExecutePreprocessor.store_widget_state=False",
    # A learner's cell takes at most 120 s, but a whole lesson on the full-size dataset more.
    "--ExecutePreprocessor.timeout=1800",
]
# A bar of progress comes only where something takes long: it is no output to keep.
WITHOUT_BARS = os.environ | {"TQDM_DELAY": "600"}
CLEAN = ["-m", "nbstripout", "--keep-output", "--keep-count", "--keep-id"]


def store_outputs(notebook: Path) -> bool:
    """Run `notebook` and write it with its new outputs; on failure leave it as it was."""
    # The copy lies beside the lesson, because its cells may name files relative to it.
    copy = notebook.with_name(f".running-{notebook.name}")
    shutil.copyfile(notebook, copy)
    try:
        for step in (EXECUTE, CLEAN):
            if subprocess.run([sys.executable, *step, str(copy)], env=WITHOUT_BARS).returncode:
                return False
        tidy(copy)
        copy.replace(notebook)
        return True
    finally:
        copy.unlink(missing_ok=True)


def tidy(path: Path) -> None:
    """Leave out what differs from run to run.

    What one cell printed in several pieces is joined. A moving picture is gone with its kernel, so
    only its name and the still picture below it are kept.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        merged = []
        for output in cell.get("outputs", []):
            before = merged[-1] if merged else {}
            if output.output_type == "stream" and output.name == before.get("name"):
                before.text += output.text
            else:
                output.get("data", {}).pop(VIEW, None)
                merged.append(output)
        if "outputs" in cell:
            cell.outputs = merged
    nbformat.write(notebook, path)


def main(names: list[str]) -> None:
    notebooks = [Path(name) for name in names] or sorted((ROOT / "notebooks").glob("0*.ipynb"))
    failed = []
    for notebook in notebooks:
        started = time.monotonic()
        stored = store_outputs(notebook)
        seconds = time.monotonic() - started
        outcome = "stored" if stored else "FAILED, left as it was"
        print(f"{notebook.name}: {outcome}, {seconds:.0f} s", flush=True)
        if not stored:
            failed.append(notebook.name)
    if failed:
        sys.exit(f"Not stored: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])
