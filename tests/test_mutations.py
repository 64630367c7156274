"""The check of the lessons must be able to fail: it is given wrong lessons here.

The beginning of lesson 4, up to its first stated figure, is run under nbval as `make test` runs
it, in a copy of the project. Untouched it passes. Each mutation below must make its cell fail.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSON = "04_training_the_model.ipynb"
LAST_CELL = "untrained-measured"


pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of what the beginning of the lesson needs."""
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers")
    (tmp_path / "data").symlink_to(ROOT / "data")
    lesson = nbformat.read(ROOT / "notebooks" / LESSON, as_version=4)
    ids = [cell.id for cell in lesson.cells]
    lesson.cells = lesson.cells[: ids.index(LAST_CELL) + 1]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(lesson, tmp_path / "notebooks" / LESSON)
    return tmp_path


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"the mutation no longer fits: {old!r} is not in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def failed_cells(project: Path) -> set[str]:
    """Run the lesson in this project; give back the ids of the cells that nbval finds wrong."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=120"]
    command += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
    command += [f"--rootdir={project}", "-c", os.devnull, str(project / "notebooks" / LESSON)]
    environment = os.environ | {"PYTHONPATH": str(project)}
    result = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    numbers = re.findall(r"^FAILED .*::Cell (\d+) - .*cell execution failed", result.stdout, re.M)
    assert result.returncode == bool(numbers), result.stdout
    lesson = nbformat.read(project / "notebooks" / LESSON, as_version=4)
    ids = [cell.id for cell in lesson.cells if cell.cell_type == "code"]
    return {ids[int(number)] for number in numbers}


def test_the_untouched_lesson_passes(project):
    assert not failed_cells(project)


# Each mutation, and the cell that must fail for it. Those of a group are made in one run.
IN_THE_LESSON = {
    "a stored figure was changed": (f"notebooks/{LESSON}", "4.605]", "4.606]", "loss-hand"),
    "an output is stale, its code has changed": (
        f"notebooks/{LESSON}", "-np.log(1 / classes)", "-np.log(2 / classes)",
        "untrained-expected",
    ),
    "a stated figure was changed in its output": (
        f"notebooks/{LESSON}", "mean of ten seeds 2.3", "mean of ten seeds 2.4", LAST_CELL,
    ),
}  # fmt: skip
IN_THE_HELPERS = {
    "a helper gives a wrong result": (
        "helpers/models/cnn.py", "Rescaling(1 / 255", "Rescaling(1", LAST_CELL,
    ),
    "a helper splits the images otherwise": (
        "helpers/datasets/load.py", "read_fashion_mnist, 2_000", "read_fashion_mnist, 2_001",
        "load",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutations", [IN_THE_LESSON, IN_THE_HELPERS], ids=["lesson", "helpers"])
def test_wrong_cells_fail_and_no_others(project, mutations):
    for path, old, new, _ in mutations.values():
        replace_in(project / path, old, new)
    assert failed_cells(project) == {cell for *_, cell in mutations.values()}
