"""The set-up: the requirement files agree, and what can go wrong is said in one line.

tools/setup.sh runs here in a temporary project against stand-ins for Python: small scripts
on a PATH of their own that answer as a Python that is too old, or whose pip fails, would.
"""

import ast
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8")
CONDA_PYTHON = re.search(r"- python=(3\.\d+)$", ENVIRONMENT, flags=re.MULTILINE)[1]


def requirements(name: str) -> dict[str, tuple[Requirement, str]]:
    """Map each package of a requirements file to its requirement and the comment beside it."""
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "-e ")):
            text, _, comment = line.partition("  # ")
            requirement = Requirement(text)
            found[canonicalize_name(requirement.name)] = requirement, comment
    return found


COURSE = requirements("requirements.txt")
TEST = requirements("requirements-test.txt")
PINS = COURSE | TEST


def pinned_version(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not pinned"
    return Version(specifier.version)


# --- The requirement files ---------------------------------------------------------------


def test_the_set_up_names_the_pinned_versions():
    """In what it says of systems that are too old."""
    text = (ROOT / "tools" / "setup.sh").read_text(encoding="utf-8")
    names = {"TensorFlow": "tensorflow", "PyTorch": "torch", "ONNX Runtime": "onnxruntime"}
    for words, package in names.items():
        release = pinned_version(COURSE[package][0]).release
        said = set(re.findall(rf"{words} (\d+\.\d+)", text))
        assert said == {f"{release[0]}.{release[1]}"}, words


def test_every_package_is_pinned_once():
    for name in ("requirements.txt", "requirements-test.txt"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        packages = [line for line in lines if line and not line.startswith(("#", "-e "))]
        assert len(packages) == len(requirements(name)), f"{name} names a package twice"
    assert COURSE.keys() & TEST.keys() == set()
    for requirement, _ in PINS.values():
        pinned_version(requirement)


@pytest.mark.parametrize("name", ["requirements", "requirements-test"])
def test_every_direct_package_has_its_reason_and_its_pin(name):
    for package, (requirement, reason) in requirements(f"{name}.in").items():
        assert reason, f"{package} in {name}.in has no reason"
        pin, comment = PINS[package]
        assert requirement.specifier.contains(pinned_version(pin))
        # A test tool that the course needs anyway keeps the course's comment.
        assert comment == reason or (name == "requirements-test" and package in COURSE)


def test_indirect_packages_say_who_needs_them():
    direct = requirements("requirements.in").keys() | requirements("requirements-test.in").keys()
    for package, (_, comment) in PINS.items():
        if package not in direct | {"torch"}:
            assert comment.startswith("via "), package


def test_installed_packages_need_nothing_that_is_not_pinned():
    """Every package that an installed one asks for is on the list too."""
    for package, (requirement, _) in PINS.items():
        if requirement.marker is None or requirement.marker.evaluate():
            for needed in map(Requirement, distribution(package).requires or []):
                # On Linux PyTorch's usual build brings GPU packages of its own.
                gpu = needed.name.startswith(("nvidia-", "cuda-", "triton"))
                if not gpu and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                    assert canonicalize_name(needed.name) in PINS, f"{package} needs {needed}"


def test_security_floors():
    for package, floor in {"keras": "3.15.1", "jupyter-server": "2.20"}.items():
        assert pinned_version(COURSE[package][0]) >= Version(floor)


def test_pins_satisfy_the_package():
    project = PYPROJECT["project"]
    for text in project["dependencies"] + project["optional-dependencies"]["torch"]:
        requirement = Requirement(text)
        pin, _ = COURSE[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned_version(pin)), text


def test_the_package_names_all_that_it_imports():
    """As dependencies of the package, and with a reason in requirements.in."""
    imported = set()
    for path in ROOT.glob("helpers/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.partition(".")[0])
    project = PYPROJECT["project"]
    texts = project["dependencies"] + project["optional-dependencies"]["torch"]
    named = {canonicalize_name(Requirement(text).name) for text in texts}
    # JupyterLab brings IPython, PyTorch may bring Triton; the package does without them elsewhere.
    brought = {"IPython", "triton"}
    distributions = packages_distributions()
    for module in imported - set(sys.stdlib_module_names) - {"helpers"} - brought:
        packages = {canonicalize_name(name) for name in distributions[module]}
        assert packages & named, f"helpers imports {module}"
        assert packages & (requirements("requirements.in").keys() | {"torch"}), module


def test_conda_gets_the_same_pins():
    assert re.search(r"- pip:\n\s+- -r requirements.txt\n", ENVIRONMENT)
    assert re.search(r"^channels:\n\s+- \S", ENVIRONMENT, flags=re.MULTILINE)
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(CONDA_PYTHON)


def test_every_pinned_version_supports_the_oldest_python():
    """The version that environment.yml names is the oldest that the course accepts."""
    assert PYPROJECT["project"]["requires-python"].startswith(f">={CONDA_PYTHON},")
    for package, (requirement, _) in PINS.items():
        if requirement.marker is None or requirement.marker.evaluate():
            installed = distribution(package)
            assert Version(installed.version).public == str(pinned_version(requirement)), package
            supported = SpecifierSet(installed.metadata.get("Requires-Python", ""))
            # ".0": a range such as >=3.11.5 would leave out an early 3.11.
            assert supported.contains(f"{CONDA_PYTHON}.0"), f"{package} needs Python {supported}"


def test_requirement_files_name_no_host():
    """Where packages come from is the reader's own choice, made in pip's settings."""
    for path in [*ROOT.glob("requirements*"), ROOT / "pyproject.toml", ROOT / "environment.yml"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text), path.name


def test_tracked_files_name_no_package_registry():
    registry = r"pypi[.]org|pythonhosted|download[.]pytorch|registry[.]npmjs|conda[.]anaconda"
    command = ["git", "-C", str(ROOT), "grep", "-I", "-l", "-E", registry]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode > 1:
        pytest.skip("not a git clone")
    assert found.stdout.split() == ["tests/test_setup.py"][: found.returncode == 0]


# --- make help ---------------------------------------------------------------------------


def test_make_help_explains_every_target():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", text, flags=re.MULTILINE))
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    explained = re.findall(r"^  make ([a-z0-9-]+) +\S", shown.stdout, flags=re.MULTILINE)
    assert set(explained) == targets
    assert {"lab", "test", "test-browser", "outputs", "cifar10", "format", "clean"} <= targets


# --- tools/setup.sh ----------------------------------------------------------------------

# A stand-in for python3: the Python that runs this test, after one line of disguise (in
# which a quotation mark is a double one, because the line stands in single ones).
STAND_IN = """#!/bin/sh
[ "$1" = -V ] && {{ echo "Python {version}"; exit; }}
[ "$1" = -c ] && {{ shift; exec "{python}" -c 'import sys
{disguise}
exec(sys.argv.pop(1))' "$@"; }}
exec "{python}" "$@"
"""
# A stand-in for `python3 -m venv`: it makes a .venv whose pip does as the test wants.
VENV_STAND_IN = """#!/bin/sh
if [ "$2" = venv ]; then
    mkdir -p .venv/bin
    cp "$(dirname "$0")/pip-stand-in" .venv/bin/python
    exit
fi
exec "{python}" "$@"
"""
PIP_STAND_IN = """#!/bin/sh
[ "$1" = -V ] && {{ echo "Python 3.11.9"; exit; }}
[ "$1" = -c ] && exit
{pip}
"""


@pytest.fixture
def project(tmp_path):
    """A copy of what setup.sh reads, in a folder whose name has a space and Korean in it."""
    folder = tmp_path / "my course 과정"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "setup.sh", folder / "tools")
    for name in ("requirements.txt", "requirements-test.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    # The system's own tools, without any Python.
    tools = folder / "bin"
    tools.mkdir()
    names = "bash sh awk cat cksum cp date df dirname du env find grep id mkdir rm sed tail"
    for name in [*names.split(), "uname", "wc"]:
        (tools / name).symlink_to(shutil.which(name))
    put(folder, "sleep", f"#!/bin/sh\nexec {shutil.which('sleep')} 0.02\n")  # no test waits
    return folder


def put(folder: Path, name: str, text: str) -> None:
    (folder / "bin" / name).unlink(missing_ok=True)
    (folder / "bin" / name).write_text(text)
    (folder / "bin" / name).chmod(0o755)


def put_python(folder: Path, name="python3", version="3.11.9", disguise="pass") -> None:
    put(folder, name, STAND_IN.format(version=version, disguise=disguise, python=sys.executable))


def put_pip(folder: Path, script: str) -> None:
    put(folder, "python3.12", VENV_STAND_IN.format(python=sys.executable))
    put(folder, "pip-stand-in", PIP_STAND_IN.format(pip=script))


def put_free_disk(folder: Path, megabytes: int) -> None:
    text = f"#!/bin/sh\necho Filesystem\necho /dev/disk 9 9 {1024 * megabytes} 9% /\n"
    put(folder, "df", text)


def start_set_up(folder: Path, **settings: str) -> subprocess.Popen:
    environment = {"PATH": str(folder / "bin"), "HOME": str(folder), **settings}
    command = [str(folder / "tools" / "setup.sh"), "lab"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def set_up(folder: Path, **settings: str) -> subprocess.CompletedProcess:
    process = start_set_up(folder, **settings)
    output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


def the_line(result: subprocess.CompletedProcess) -> str:
    """The one line that a failed set-up says."""
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    return line


def version_disguise(*version: int) -> str:
    return f"sys.version_info = {version}"


def test_no_python(project):
    line = the_line(set_up(project))
    assert line.startswith("No Python found: install Python 3.11")
    assert "make lab" in line
    assert line.endswith("Or take conda, which brings its own Python: see README.md.")
    assert not list((project / ".venv").glob("stamp-*"))


def test_python_setting_that_is_no_python(project):
    put_python(project)
    assert "No Python found at python9" in the_line(set_up(project, PYTHON="python9"))


@pytest.mark.parametrize(
    ("version", "says"),
    [((3, 10, 12), "Python 3.10 (python3) is too old"), ((3, 14, 0), "too new")],
)
def test_python_that_does_not_fit(project, version, says):
    put_python(project, disguise=version_disguise(*version))
    line = the_line(set_up(project))
    assert says in line
    assert "install Python 3.11, 3.12 or 3.13" in line
    assert "Or take conda" in line


def test_python_without_venv(project):
    put_python(project, disguise='sys.modules["ensurepip"] = None')
    # An older Python further down the list must not hide the one that is nearly right.
    put_python(project, "python3.13", disguise=version_disguise(3, 9, 2))
    major, minor = sys.version_info[:2]
    assert f"type: sudo apt install python{major}.{minor}-venv" in the_line(set_up(project))


def test_python_of_an_intel_mac(project):
    disguise = 'import platform; sys.platform = "darwin"; platform.machine = lambda: "x86_64"'
    put_python(project, disguise=disguise)
    line = the_line(set_up(project))
    assert "the course cannot be installed on one. On Apple silicon this is an Intel Python" in line
    assert "conda" not in line


@pytest.mark.parametrize(
    ("version", "fits"), [("12.7.6", False), ("13.6", False), ("14.0", True), ("26.1", True)]
)
def test_macos_that_is_too_old(project, version, fits):
    put_pip(project, "exit 0")
    put(project, "uname", "#!/bin/sh\necho Darwin\n")
    put(project, "sw_vers", f"#!/bin/sh\n[ $1 = -productVersion ] && echo {version}\n")
    result = set_up(project)
    assert (result.returncode == 0) is fits
    if not fits:
        line = the_line(result)
        assert line.startswith(f"macOS {version} is too old:")
        assert "macOS 14 or later" in line
        assert "make lab" in line


def test_shim_with_no_python_behind_it_is_passed_over(project):
    put(project, "python3.13", "#!/bin/sh\nexit 127\n")
    put_pip(project, "exit 0")
    assert set_up(project).returncode == 0


@pytest.mark.parametrize(
    ("pip_says", "says"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\n"
            "ERROR: Could not find a version that satisfies the requirement keras",
            "No connection to the package index",
        ),
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full"),
    ],
)
def test_pip_fails_for_a_known_reason(project, pip_says, says):
    put_pip(project, f"echo '{pip_says.replace(chr(39), '')}' >&2; exit 1")
    line = the_line(set_up(project))
    assert line.startswith(says)
    assert "type: make lab" in line
    # Nothing is left that the next run would trip on.
    put_pip(project, "exit 0")
    shutil.copy(project / "bin" / "pip-stand-in", project / ".venv" / "bin" / "python")
    assert set_up(project).returncode == 0


def test_pip_fails_for_an_unknown_reason(project):
    put_pip(project, "echo 'ERROR: the moon is full' >&2; exit 1")
    result = set_up(project)
    assert result.returncode != 0
    assert "the moon is full" in result.stderr
    assert str(project / ".venv" / "install.log") in result.stderr.splitlines()[-1]


def test_disk_without_room(project):
    put_python(project)
    put_free_disk(project, 1024)
    line = the_line(set_up(project, TORCH="no"))
    assert line.startswith("The disk is nearly full: 1024 MB free, 4000 MB needed")


def test_gpu_code_of_pytorch_needs_more_room(project):
    """That is said on Linux, unless PyTorch is left out, or pip is told where another build is."""
    put_pip(project, "exit 0")
    put_free_disk(project, 6000)

    def says_it(system="Linux", **settings):
        put(project, "uname", f"#!/bin/sh\necho {system}\n")
        shutil.rmtree(project / ".venv", ignore_errors=True)
        if settings.pop("has_torch", False):
            (project / ".venv/lib/python3.11/site-packages/torch").mkdir(parents=True)
        result = set_up(project, **settings)
        assert result.returncode == 0
        return "6000 MB are free" in result.stdout and "make lab TORCH=no" in result.stdout

    assert says_it()
    assert not says_it(TORCH="no")
    assert not says_it(PIP_EXTRA_INDEX_URL="file:///cpu")
    assert not says_it("Darwin")
    assert not says_it(has_torch=True)
    put_free_disk(project, 12_000)
    assert not says_it()


def test_folder_that_cannot_be_written(project):
    put_python(project)
    # Tests may run as root, whom no permission stops; a read-only file system would.
    put(project, "mkdir", "#!/bin/sh\necho 'mkdir: Read-only file system' >&2; exit 1\n")
    assert the_line(set_up(project)).startswith(f"Cannot write in {project}")


def test_interrupted_installation(project):
    put_pip(project, ': >"$HOME/started"; n=0; while [ $n -lt 1000 ]; do sleep 1; n=$((n+1)); done')
    process = start_set_up(project)
    wait_for(project / "started")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode != 0
    assert errors == "Interrupted. To go on where it stopped, type: make lab\n"
    assert not list((project / ".venv").glob("stamp-*"))


def test_package_that_was_being_unpacked_is_installed_again(project):
    """pip takes a package for complete as soon as its folder is there."""
    put_pip(project, "exit 0")
    assert set_up(project).returncode == 0
    packages = project / ".venv" / "lib" / "python3.11" / "site-packages"
    for name, file in (("whole", "INSTALLER"), ("half", "METADATA")):
        (packages / f"{name}-1.0.dist-info").mkdir(parents=True)
        (packages / f"{name}-1.0.dist-info" / file).touch()
    (project / ".venv" / "stamp-lab").unlink()
    assert set_up(project).returncode == 0
    assert [path.name for path in packages.iterdir()] == ["whole-1.0.dist-info"]


def test_second_run_does_nothing_until_something_changes(project):
    put_pip(project, 'echo "$@" >> "$HOME/calls"')
    assert set_up(project).returncode == 0
    calls = project / "calls"
    first = calls.read_text()
    assert first.count("pip install") == 2
    assert set_up(project).stdout == ""
    assert calls.read_text() == first

    with (project / "requirements.txt").open("a") as file:
        file.write("# changed\n")
    assert set_up(project).returncode == 0
    assert calls.read_text().count("pip install") == 4


def test_torch_can_be_left_out(project):
    put_pip(project, "exit 0")
    assert set_up(project, TORCH="no").returncode == 0
    asked_for = (project / ".venv" / "requirements.txt").read_text()
    assert "torch==" not in asked_for
    assert "\nkeras==" in asked_for


def test_that_torch_was_left_out_is_remembered(project):
    """Also where the installation was broken off: `make lab`, as it says, goes on without it."""
    put_pip(project, "exit 1")
    assert set_up(project, TORCH="no").returncode != 0
    put_pip(project, 'echo "$@" >> "$HOME/calls"')
    shutil.copy(project / "bin" / "pip-stand-in", project / ".venv" / "bin" / "python")
    asked_for = project / ".venv" / "requirements.txt"
    assert set_up(project).returncode == 0
    assert "torch==" not in asked_for.read_text()
    calls = (project / "calls").read_text()
    assert set_up(project).stdout == set_up(project, TORCH="no").stdout == ""
    assert (project / "calls").read_text() == calls

    assert set_up(project, TORCH="yes").returncode == 0
    assert "torch==" in asked_for.read_text()
    assert set_up(project).stdout == ""


def test_weights_that_could_not_be_converted_are_named(project):
    said = "MissingPackageError: Expected PyTorch"
    put_pip(project, f'[ "$2" = helpers.models ] && {{ echo "{said}"; exit 1; }}; exit 0')
    result = set_up(project)
    assert result.returncode == 0
    first, cause, rest = result.stderr.splitlines()
    log = project / ".venv" / "install.log"
    assert first == f"The weights of lesson 7 could not be converted (details: {log}):"
    assert cause == said
    assert rest == "All other lessons can be run."
    assert result.stdout.endswith("All is in place.\n")


def test_moved_project_is_mended(project):
    """A moved .venv names its old folder: its paths are rewritten, without the network."""
    put_pip(project, 'echo "$@" >> "$HOME/calls"')
    assert set_up(project).returncode == 0
    moved = project.with_name("moved")
    project.rename(moved)
    (moved / "calls").unlink()
    assert set_up(moved).returncode == 0
    assert str(moved / ".venv/") in (moved / "calls").read_text()
    assert (moved / ".venv" / "made-in").read_text().strip() == str(moved)
