"""The files for Slurm and Kubernetes, as far as they can be tried without a cluster."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from helpers.workers.start import _free_ports

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "notebooks" / "08_outgrowing_one_machine.ipynb"
SLURM = ROOT / "notebooks" / "jobs" / "several_workers.slurm"
KUBERNETES = ROOT / "notebooks" / "jobs" / "several_workers.yaml"
# What each machine runs; how many there are, the number of the machine, where all meet, the name
# of the run and the seconds to wait for each other differ.
DOCUMENTED = [
    "--nnodes={count}", "--node-rank={rank}", "--nproc-per-node=1", "--max-restarts=3",
    "--master-addr={first}", "--master-port={port}", "--rdzv-id={name}",
    "--rdzv-conf=timeout={patience}", "notebooks/several_workers.py",
]  # fmt: skip

needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not here")

# What a cluster has, as functions of bash: each machine of srun runs the same command.
STAND_INS = """
scontrol() { [ "$*" = "show hostnames node[07-10]" ] && printf '%s\n' node07 node08 node09 node10; }
srun() {
    [ "$1 $2" = "--kill-on-bad-exit=1 --cpus-per-task=8" ] || return 9
    for number in 0 1 2 3; do SLURM_NODEID=$number "${@:3}" || return; done
}
export -f scontrol srun
"""


@pytest.fixture
def run_slurm(tmp_path):
    """Gives a function that runs the job as Slurm does, with stand-ins for its commands."""

    def run(*arguments, job=1_234_567, torchrun='printf "%s|" torchrun "$@"; echo'):
        (tmp_path / "torchrun").write_text(f"#!/bin/bash\n{torchrun}\n")
        (tmp_path / "torchrun").chmod(0o755)
        (tmp_path / "stand_ins").write_text(STAND_INS)
        slurm = {
            "SLURM_JOB_NODELIST": "node[07-10]", "SLURM_JOB_ID": job, "SLURM_NNODES": 4,
            "SLURM_CPUS_PER_TASK": 8, "BASH_ENV": tmp_path / "stand_ins",
        }  # fmt: skip
        environment = os.environ | {name: str(value) for name, value in slurm.items()}
        environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", SLURM, *arguments], env=environment, capture_output=True, text=True
        )

    return run


@needs_bash
def test_bash_reads_the_job_of_slurm():
    subprocess.run(["bash", "-n", SLURM], check=True)


def documented(**numbers):
    return [word.format(**numbers) for word in DOCUMENTED]


def test_the_lesson_has_the_documented_command():
    cells = {cell.id: cell.source for cell in nbformat.read(LESSON, as_version=4).cells}
    [command] = re.findall("```\n(.*?)```", cells["elsewhere-why"], re.DOTALL)
    command = shlex.split(command.replace("\\\n", " "))
    expected = documented(
        count=2, rank=0, first="10.0.0.1", port=29_400, name="clothes", patience=60
    )
    assert command[: len(expected) + 1] == ["torchrun", *expected]


@needs_bash
def test_slurm_runs_the_documented_command_on_each_machine(run_slurm):
    done = run_slurm("--epochs", "3", "--dataset", "my photos")
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip("|").split("|") for line in done.stdout.splitlines()]
    port = 20_000 + 67 * 8
    for rank, line in enumerate(lines):
        numbers = {"count": 4, "rank": rank, "port": port, "name": 1_234_567, "patience": 300}
        command = documented(**numbers, first="node07")
        own = ["--folder", "scratch/several_workers_1234567"]
        given = ["--epochs", "3", "--dataset", "my photos"]
        assert line == ["torchrun", *command, *own, *given]
    assert len(lines) == 4


@needs_bash
def test_a_second_job_of_slurm_goes_on_in_the_folder_of_the_first(run_slurm):
    """As the head of the file says it; argparse takes the last of two folders."""
    [said] = re.findall(r"^# +sbatch \S+ (.*--folder.*)$", SLURM.read_text("utf-8"), re.MULTILINE)
    given = shlex.split(said.replace("<number>", "77"))
    line = run_slurm(*given).stdout.splitlines()[0].rstrip("|").split("|")
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder")
    parsed, _ = parser.parse_known_args(line[line.index("notebooks/several_workers.py") + 1 :])
    assert parsed.folder == "scratch/several_workers_77"


@needs_bash
def test_each_machine_uses_its_cores(run_slurm):
    done = run_slurm(torchrun='echo "$OMP_NUM_THREADS $TF_NUM_INTRAOP_THREADS"')
    assert done.stdout.split() == ["8", "8"] * 4


@needs_bash
def test_a_failure_on_a_machine_is_a_failure_of_the_job(run_slurm):
    assert run_slurm(torchrun='[ "$2" != "--node-rank=2" ]').returncode != 0


@needs_bash
@pytest.mark.parametrize("job", [1, 1_499, 1_500, 99_999_999])
def test_ports_are_ports(run_slurm, job):
    words = run_slurm(job=job).stdout.split("|")
    (port,) = {word.partition("=")[2] for word in words if word.startswith("--master-port")}
    assert 20_000 <= int(port) <= 32_768 - 8  # Linux gives those above to whoever asks for any
    assert int(port) % 8 == 0


def test_what_is_asked_of_slurm_stands_before_the_commands():
    """sbatch reads no #SBATCH behind the first command."""
    lines = SLURM.read_text(encoding="utf-8").splitlines()
    commands = [n for n, line in enumerate(lines) if line and not line.startswith("#")]
    asked = [n for n, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert lines[0] == "#!/bin/bash"
    assert asked and max(asked) < commands[0]
    words = [lines[n].split()[1] for n in asked]
    assert {"--nodes=4", "--ntasks-per-node=1", "--requeue", "--open-mode=append"} <= {*words}


@pytest.fixture(scope="module")
def kubernetes():
    """What the file makes, by its kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(KUBERNETES.read_text(encoding="utf-8"))}


def test_kubernetes_gets_nothing_that_must_be_installed(kubernetes):
    assert {kind: one["apiVersion"] for kind, one in kubernetes.items()} == {
        "PersistentVolumeClaim": "v1", "Service": "v1", "NetworkPolicy": "networking.k8s.io/v1",
        "Job": "batch/v1", "Pod": "v1",
    }  # fmt: skip


def test_the_pods_of_kubernetes_find_each_other(kubernetes):
    service, job = kubernetes["Service"], kubernetes["Job"]
    pod = job["spec"]["template"]["spec"]
    assert service["spec"]["clusterIP"] == "None"  # a text: names without an address
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert job["spec"]["completionMode"] == "Indexed"


def test_only_the_pods_of_the_job_reach_the_workers(kubernetes):
    """On all ports: PyTorch's workers get theirs from the system."""
    policy = kubernetes["NetworkPolicy"]["spec"]
    own = {"matchLabels": {"job-name": kubernetes["Job"]["metadata"]["name"]}}
    assert policy == {
        "podSelector": own,
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": own}]}],
    }
    assert "labels" not in kubernetes["Pod"]["metadata"]  # nor is it taken for a worker


def test_what_kubernetes_keeps_outlasts_the_pods_and_can_be_copied_out(kubernetes):
    claim, pod = kubernetes["PersistentVolumeClaim"], kubernetes["Pod"]["spec"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]  # pods on four machines write
    named = {"claimName": claim["metadata"]["name"]}
    for spec in (kubernetes["Job"]["spec"]["template"]["spec"], pod):
        assert spec["volumes"] == [{"name": "kept", "persistentVolumeClaim": named}]
    worker = kubernetes["Job"]["spec"]["template"]["spec"]["containers"][0]
    assert pod["containers"][0]["image"] == worker["image"]
    assert pod["containers"][0]["volumeMounts"] == [{**worker["volumeMounts"][0], "readOnly": True}]


def test_the_commands_in_the_head_of_the_file_name_what_is_in_it(kubernetes):
    head = KUBERNETES.read_text(encoding="utf-8").partition("\napiVersion")[0]
    said = [shlex.split(line) for line in re.findall(r"^# {5}kubectl (.*)$", head, re.MULTILINE)]
    file, job = KUBERNETES.relative_to(ROOT).as_posix(), kubernetes["Job"]["metadata"]["name"]
    pods, count = ["-l", f"job-name={job}"], kubernetes["Job"]["spec"]["completions"]
    place = kubernetes["Pod"]["spec"]["containers"][0]["volumeMounts"][0]["mountPath"]
    kept = f"{kubernetes['Pod']['metadata']['name']}:{place}"
    assert said == [
        ["apply", "-f", file],
        ["wait", f"--for=jsonpath={{.status.ready}}={count}", f"job/{job}", "--timeout=10m"],
        ["logs", "-f", *pods, "--tail=-1", "--prefix"],
        ["cp", kept, "kept"],
        ["delete", "job", job],
        ["delete", "-f", file],
    ]


def test_kubernetes_runs_the_documented_command(kubernetes):
    service, job = kubernetes["Service"], kubernetes["Job"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    own = {one["name"]: one["value"] for one in container["env"]}
    assert all(isinstance(value, str) for value in own.values())
    first = f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    port = service["spec"]["ports"][0]["port"]
    for rank in range(job["spec"]["completions"]):
        filled = own | {"JOB_COMPLETION_INDEX": str(rank)}  # set by Kubernetes in indexed Jobs
        words = list(container["command"])
        for name, value in filled.items():
            words = [word.replace(f"$({name})", value) for word in words]
        count, name = job["spec"]["completions"], job["metadata"]["name"]
        numbers = {"count": count, "rank": rank, "port": port, "name": name, "patience": 600}
        command = documented(**numbers, first=first)
        assert words[: len(command) + 1] == ["torchrun", *command]
        assert words[len(command) + 1 :] == ["--folder=/kept", "--epochs=3"]


def test_the_numbers_of_kubernetes_agree(kubernetes):
    job = kubernetes["Job"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    own = {one["name"]: one["value"] for one in container["env"]}
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == int(own["NODES"])
    cores = container["resources"]["requests"]["cpu"]
    assert own["OMP_NUM_THREADS"] == own["TF_NUM_INTRAOP_THREADS"] == cores
    kept = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert kept.keys() == {one["name"] for one in pod["volumes"]}
    assert kept["kept"] == "/kept"
    assert pod["restartPolicy"] == "OnFailure"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "words"), [(0, "waiting for clients. 1/2 clients joined"), (1, "trying to connect to")]
)
def test_a_machine_that_never_comes_is_said(rank, words, tmp_path):
    """By torchrun, which waits for all machines before it starts a worker."""
    pytest.importorskip("torch")
    command = documented(
        count=2, rank=rank, first="127.0.0.1", port=_free_ports(), name="x", patience=2
    )
    command[-1] = (tmp_path / "script.py").as_posix()
    (tmp_path / "script.py").write_text("raise SystemExit('it was started')")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *command],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 1
    assert words in done.stderr
    assert "it was started" not in done.stderr


def test_what_was_measured_is_the_documented_command(monkeypatch):
    pytest.importorskip("fcntl")  # Linux and macOS
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import networks

    machines = networks.Machines(4, networks.NETWORKS[networks.SLOWEST])
    for rank in range(4):
        command = networks.command("static", machines, rank)
        numbers = {"count": 4, "rank": rank, "port": 29_400, "name": "course", "patience": 60}
        filled = documented(**numbers, first="10.77.0.1")
        assert {*command[3:]} == {*filled[:-1]}
