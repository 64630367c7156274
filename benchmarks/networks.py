#!/usr/bin/env python3
"""Several machines that train together, as network namespaces of this one: see namespaces.py.

    sudo python benchmarks/networks.py                  all parts, 25 minutes on two cores
    sudo python benchmarks/networks.py equal            this part

equal: whether two and four machines end with the weights of one worker. speed: seconds of a step
over three networks, beside what the cost model says. Its numbers are fitted to one machine, to be
measured before (benchmarks/workers.py speed), and to two machines on the slowest network; the
others, and four machines, it predicts. cut: the link of one machine goes down in the middle of the
training, and comes back. lost: all of one machine is killed, and it comes back. Goes into
benchmarks/results/networks.json.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from machine import RESULTS, measure_parts, summary
from namespaces import Machines, why_not
from workers import ROOT, SCRIPTS, one_run

from helpers.basics.memory import usable_cores
from helpers.workers.cost import Network, StepCost, with_hops

SCRATCH = ROOT / "scratch" / f"benchmark_networks_{os.getpid()}"
# Bytes a second, and seconds one way.
NETWORKS = {
    "1 Gbit/s, 0.2 ms": Network(125e6, 0.0002),
    "100 Mbit/s, 1 ms": Network(12.5e6, 0.001),
    "100 Mbit/s, 10 ms": Network(12.5e6, 0.01),
}
SLOWEST = "100 Mbit/s, 10 ms"
REPEATS = 3
PORT = 29_400


def command(form: str, machines: Machines, number: int, restarts: int = 3) -> list[str]:
    """torchrun, as it is started on each machine.

    "static": every machine has the number that it is given. "c10d": torchrun gives the numbers,
    by the machines' addresses in the order of text, and starts all anew together.
    """
    first = machines.address(0)
    forms = {
        "static": [
            f"--node-rank={number}", f"--master-addr={first}", f"--master-port={PORT}",
        ],
        "c10d": [
            "--rdzv-backend=c10d", "--rdzv-id=course", f"--rdzv-endpoint={first}:{PORT}",
            f"--rdzv-conf=is_host={int(number == 0)}", f"--local-addr={machines.address(number)}",
        ],
    }  # fmt: skip
    return [
        sys.executable, "-m", "torch.distributed.run", f"--nnodes={machines.count}",
        "--nproc-per-node=1", *forms[form], f"--max-restarts={restarts}",
    ]  # fmt: skip


class Training:
    """One training on all machines, each with a folder of its own."""

    def __init__(self, machines: Machines, framework: str, form: str, **settings: object):
        self.machines, self.form = machines, form
        self.script = SCRIPTS[framework]
        self.words = [
            str(word)
            for name, value in settings.items()
            for word in (f"--{name.replace('_', '-')}", value)
        ]
        shutil.rmtree(SCRATCH, ignore_errors=True)
        self.processes = [self.start(number) for number in range(machines.count)]

    def folder(self, number: int) -> Path:
        return SCRATCH / f"machine_{number}"

    def start(self, number: int) -> subprocess.Popen:
        self.folder(number).mkdir(parents=True, exist_ok=True)
        one = {"OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"}
        environment = os.environ | dict.fromkeys(one, "1") | {"PYTHONUNBUFFERED": "1"}
        with (self.folder(number) / "output.txt").open("ab") as output:
            return self.machines.start(
                number,
                [*command(self.form, self.machines, number), self.script, *self.words]
                + ["--folder", self.folder(number)],
                stdout=output, stderr=output, env=environment,
            )  # fmt: skip

    def report(self, number: int) -> dict:
        for file in self.folder(number).glob("worker_*.json"):
            try:
                return json.loads(file.read_text())
            except (OSError, ValueError):
                return {}
        return {}

    def wait(self) -> list[dict]:
        """Until all have come to their end; gives what each noted."""
        for number, process in enumerate(self.processes):
            if process.wait(600):
                sys.exit((self.folder(number) / "output.txt").read_text()[-3_000:])
        return [self.report(number) for number in range(self.machines.count)]

    def weights(self) -> list[np.ndarray]:
        files = SCRATCH.glob("machine_*/weights_*.npy")
        return [np.load(file) for file in files]


def equal() -> dict:
    measured = {}
    for framework in SCRIPTS:
        settings = {"images": 48 * 64, "floatx": "float64"}
        alone = one_run(framework, 1, **settings)["weights"]
        for count in (2, 4):
            with Machines(count, NETWORKS["1 Gbit/s, 0.2 ms"]) as machines:
                training = Training(machines, framework, "static", **settings)
                training.wait()
                apart = max(float(np.abs(one - alone).max()) for one in training.weights())
            measured[f"{framework}, {count} machines"] = apart
            print(framework, count, apart, flush=True)
    return {"steps": 48, "number format": "float64", "largest distance of a weight": measured}


def speed() -> dict:
    batch, images = 64, 1_920
    cases = [(name, f, 2) for name in NETWORKS for f in SCRIPTS]
    cases += [("100 Mbit/s, 1 ms", framework, 4) for framework in SCRIPTS]
    measured: dict[tuple, list] = {case: [] for case in cases}
    ways: dict[str, list] = {name: [] for name in NETWORKS}
    for _ in range(REPEATS):
        for name, framework, count in cases:
            with Machines(count, NETWORKS[name]) as machines:
                ways[name].append(machines.round_trip() / 2)
                settings = {"images": images, "batch_size": batch, "epochs": 5}
                reports = Training(machines, framework, "static", **settings).wait()
            steps = [seconds / (images / batch) for seconds in reports[0]["seconds"][1:]]
            measured[name, framework, count] += steps
            print(f"{name}, {framework}, {count}: {min(steps):.4f}", flush=True)
    rows = {}
    latency = {name: summary(values, 6)["median"] for name, values in ways.items()}
    for framework in SCRIPTS:
        cost = fitted(framework, min(measured[SLOWEST, framework, 2]), batch)
        for name, count in [(name, n) for name, f, n in cases if f == framework]:
            network = Network(NETWORKS[name].bytes_a_second, latency[name])
            rows[f"{framework}, {count} machines, {name}"] = {
                "measured seconds a step": summary(measured[name, framework, count], 5),
                "predicted": round(cost.seconds(count, batch, network, usable_cores()), 5),
                "fitted to it": (name, count) == (SLOWEST, 2),
            }
        rows[f"{framework}, cost"] = vars(cost)
    return {"batch": batch, "latency as measured, seconds one way": latency, "steps": rows}


def fitted(framework: str, slow_step: float, batch: int) -> StepCost:
    """From one machine, and the number of hops from two on the slowest network."""
    stored = json.loads((RESULTS / "workers.json").read_text(encoding="utf-8"))
    cost = StepCost(**stored["speed"]["model"][framework]["cost"])
    return with_hops(cost, slow_step, batch, NETWORKS[SLOWEST], usable_cores())


def cut() -> dict:
    """Two machines; the link of the second goes down for a while."""
    measured = {}
    for framework in SCRIPTS:
        for form, seconds in (("static", 30), ("static", 90), ("c10d", 90)):
            name = f"{framework}, {form}, cut for {seconds} s"
            measured[name] = cut_once(framework, form, seconds)
            print(name, json.dumps(measured[name], indent=2), flush=True)
    return measured


def cut_once(framework: str, form: str, away: float) -> dict:
    with Machines(2, NETWORKS["100 Mbit/s, 1 ms"]) as machines:
        training = Training(machines, framework, form, images=1_280, epochs=60)
        pids = _wait_for(training, lambda reports: reports[0].get("epoch", 0) >= 3)
        machines.cut_off(1)
        at, kept = time.time(), training.report(0)["epoch"]
        noticed: dict[int, float] = {}
        while len(noticed) < 2 and time.time() - at < away:
            for number in {0, 1} - {*noticed}:
                if not _runs(pids[number]):
                    noticed[number] = round(time.time() - at, 1)
            time.sleep(0.1)
        faults = [_words(training.folder(number)) for number in (0, 1)]
        time.sleep(max(at + away - time.time(), 0))
        machines.connect(1)
        back = time.time()
        after = _go_on(training, kept)
        return {
            "seconds until the workers ended": [noticed.get(number) for number in (0, 1)],
            "their words": faults,
            "seconds from the link's return to the end of the next epoch": round(
                time.time() - back, 1
            ),
            **after,
        }


def lost() -> dict:
    """All processes of one machine are killed. It comes back 10 seconds later.

    The second machine comes back with an empty folder; the first has its epochs.
    """
    measured = {}
    for number in (1, 0):
        with Machines(2, NETWORKS["100 Mbit/s, 1 ms"]) as machines:
            training = Training(machines, "TensorFlow", "static", images=1_280, epochs=60)
            _wait_for(training, lambda reports: reports[0].get("epoch", 0) >= 3)
            kept, torchrun = training.report(0)["epoch"], training.processes[number]
            for process in [*psutil.Process(torchrun.pid).children(recursive=True), torchrun]:
                process.kill()
            at = time.time()
            time.sleep(10)
            if number:
                shutil.rmtree(training.folder(number))
            training.processes[number] = training.start(number)
            after = _go_on(training, kept)
            seconds = round(time.time() - at, 1)
        name = f"machine {number}, TensorFlow, static"
        measured[name] = {"seconds to the end of the next epoch": seconds, **after}
        print(name, measured[name], flush=True)
    return measured


def _go_on(training: Training, kept: int) -> dict:
    """Wait until an epoch more is whole; a torchrun that ended is started again."""
    until, anew = time.monotonic() + 240, []
    while time.monotonic() < until and training.report(0).get("epoch", 0) <= kept + 1:
        for number, process in enumerate(training.processes):
            if process.poll():  # as somebody would, or Slurm or Kubernetes
                anew.append(number)
                training.processes[number] = training.start(number)
        time.sleep(0.2)
    return {
        "machines whose torchrun ended and was started again": anew,
        "went on": training.report(0).get("epoch", 0) > kept,
        "whole epochs before": kept,
    }


def _wait_for(training: Training, ready) -> list[int]:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        reports = [training.report(number) for number in (0, 1)]
        if ready(reports):
            return [report["pid"] for report in reports]
        time.sleep(0.1)
    sys.exit((training.folder(0) / "output.txt").read_text()[-3_000:])


def _runs(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _words(folder: Path) -> str:
    """The line of a worker in the output, and those that belong to it."""
    lines = (folder / "output.txt").read_text(errors="replace").splitlines()
    found = [n for n, line in enumerate(lines) if line.startswith("Worker ")]
    return " ".join(lines[found[0] : found[0] + 2]) if found else ""


PARTS = {"equal": equal, "speed": speed, "cut": cut, "lost": lost}


def main() -> None:
    if reason := why_not():
        sys.exit(f"Expected a system with network namespaces. Received: {reason}.")
    measure_parts("networks", PARTS, sys.argv[1:])
    shutil.rmtree(SCRATCH, ignore_errors=True)


if __name__ == "__main__":
    main()
