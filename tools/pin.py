"""Write requirements.txt and requirements-test.txt from their .in files (`make pins`).

The .in files name what the course asks for, with reasons; uv works out one version of
everything, indirect packages too, for every system and Python from 3.11 on. Versions that
are pinned already stay as they are, so that adding a package moves nothing else;
`--upgrade` (or `--upgrade-package NAME`) takes newer ones.

Two lines are added by hand at the end of requirements.txt. PyTorch is pinned here because
resolvers would add several GB of GPU packages that pip does not need to install; the
course's own package is installed editable, so that a changed helper counts at once.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from helpers.torch_twin.network import TORCH

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OLDEST_PYTHON = re.search(r">=([\d.]+)", PROJECT["requires-python"])[1]
HEADER = "# Written by `make pins` from {source}: change that file, not this one.\n"
ADDED = f"""\
{TORCH}  # lesson 1: the same CNN in PyTorch
-e .  # the helpers package itself, editable
"""


def package_name(line: str) -> str:
    """The normalised name a requirement line starts with, or "" for other lines."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def requirement_lines(path: Path) -> dict[str, str]:
    """Map each package of a requirements file to its line (the last one, if several)."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {package_name(line): line for line in lines if package_name(line)}


def compile_pins(source: Path, constraints: str, uv_options: list[str]) -> list[str]:
    """Let uv pin all that `source` asks for; return the lines, each with its reason."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        sys.exit("uv is missing. Type: make pins")
    with tempfile.TemporaryDirectory() as folder:
        constraints_file, pins = Path(folder, "constraints.txt"), Path(folder, "pins.txt")
        constraints_file.write_text(constraints, encoding="utf-8")
        # uv keeps the versions that it finds in its output file.
        current = requirement_lines(source.with_suffix(".txt"))
        current.pop("torch", None)
        pins.write_text("\n".join(current.values()) + "\n", encoding="utf-8")
        command = [uv, "pip", "compile", source.name, "--quiet", "--no-header"]
        command += ["--universal", "--python-version", OLDEST_PYTHON]
        command += ["--fork-strategy", "fewest"]  # one version for every Python, where it can be
        command += ["--annotation-style", "line", "--constraint", str(constraints_file)]
        command += ["--no-emit-index-url", "--no-emit-find-links", "-o", str(pins), *uv_options]
        subprocess.run(command, cwd=ROOT, check=True)
        lines = pins.read_text(encoding="utf-8").splitlines()

    reasons = {name: line.partition("  # ")[2] for name, line in requirement_lines(source).items()}
    pinned = []
    for line in lines:
        requirement, _, via = (part.strip() for part in line.partition("# via"))
        via = via.replace(str(constraints_file), "").replace("-c ,", "").strip(", ")
        pinned.append(f"{requirement}  # {reasons.get(package_name(line)) or 'via ' + via}\n")
    return pinned


def main(uv_options: list[str]) -> None:
    course = compile_pins(ROOT / "requirements.in", "", uv_options)
    constraints = "".join(course)
    in_course = {package_name(line) for line in course}
    test = [
        line
        for line in compile_pins(ROOT / "requirements-test.in", constraints, uv_options)
        # What the course installs anyway is not listed twice.
        if package_name(line) not in in_course
    ]
    for name, lines, added in (("requirements", course, ADDED), ("requirements-test", test, "")):
        text = HEADER.format(source=f"{name}.in") + "".join(lines) + added
        (ROOT / f"{name}.txt").write_text(text, encoding="utf-8")
        print(f"{name}.txt: {len(lines)} packages")


if __name__ == "__main__":
    main(sys.argv[1:])
