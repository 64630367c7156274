#!/usr/bin/env python3
"""Several machines that train together, as network namespaces of this one: see namespaces.py.

    sudo python benchmarks/networks.py                  all parts, 45 minutes on two cores
    sudo python benchmarks/networks.py equal            this part

equal: whether two and four machines end with the weights of one worker. speed: seconds of a step
over three networks. model: what the cost model says of these, fitted to one machine and to two, on
the fastest network and on the slowest. It predicts the one between, four machines, and a batch
between those two of the fastest. cut: the link of one machine goes down in the middle of the
training, and comes back. lost: all of one machine is killed, and it comes back. Goes into
benchmarks/results/networks.json.
"""

import contextlib
import itertools
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

from helpers.workers.cost import Network, StepCost, fit_cost, with_hops

SCRATCH = ROOT / "scratch" / f"benchmark_networks_{os.getpid()}"
# Bytes a second, and seconds one way.
NETWORKS = {
    "1 Gbit/s, 0.2 ms": Network(125e6, 0.0002),
    "100 Mbit/s, 1 ms": Network(12.5e6, 0.001),
    "100 Mbit/s, 10 ms": Network(12.5e6, 0.01),
}
FASTEST, BETWEEN, SLOWEST = NETWORKS
REPEATS = 3
BATCH, IMAGES = 64, 1_920
# Network, machines and batch of what the cost model is fitted to. The share of a worker lies
# between the smallest and the largest of these in all that is predicted.
FITTED = [
    (FASTEST, 1, 16), (FASTEST, 1, 64), (FASTEST, 2, 32), (FASTEST, 2, 128), (SLOWEST, 2, BATCH),
]  # fmt: skip
PREDICTED = [(name, count, BATCH) for name in (FASTEST, BETWEEN) for count in (2, 4)]
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
            "--rdzv-conf=timeout=60",
        ],
        "c10d": [
            "--rdzv-backend=c10d", f"--rdzv-endpoint={first}:{PORT}",
            f"--rdzv-conf=is_host={int(number == 0)}", f"--local-addr={machines.address(number)}",
        ],
    }  # fmt: skip
    return [
        sys.executable, "-m", "torch.distributed.run", f"--nnodes={machines.count}",
        "--nproc-per-node=1", "--rdzv-id=course", *forms[form], f"--max-restarts={restarts}",
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
    """The first epoch builds the graph, and is left out."""
    steps: dict[str, list] = {}
    networks: dict[str, list] = {name: [] for name in NETWORKS}
    gradient_bytes = {}
    for _ in range(REPEATS):
        for framework, (name, count, batch) in itertools.product(SCRIPTS, FITTED + PREDICTED):
            with Machines(count, NETWORKS[name]) as machines:
                if count > 1:
                    networks[name].append([*vars(machines.as_measured()).values()])
                settings = {"images": IMAGES, "batch_size": batch, "epochs": 5}
                training = Training(machines, framework, "static", **settings)
                report = training.wait()[0]
                gradient_bytes[framework] = 4 * training.weights()[0].size
            taken = [seconds / (IMAGES / batch) for seconds in report["seconds"][1:]]
            row = row_of(framework, name, count, batch)
            steps.setdefault(row, []).extend(taken)
            print(f"{row}: {min(taken):.4f}", flush=True)
    return {
        "networks as measured": {
            name: vars(Network(*np.median(values, axis=0).tolist()))
            for name, values in networks.items()
        },
        "gradient bytes": gradient_bytes,
        "seconds a step": {row: summary(taken, 5) for row, taken in steps.items()},
    }


def row_of(framework: str, network: str, count: int, batch: int) -> str:
    return f"{framework}, {count} machines, batch of {batch}, {network}"


def model() -> dict:
    """What the cost model says of the steps that `speed` stored, without a measurement."""
    stored = json.loads((RESULTS / "networks.json").read_text(encoding="utf-8"))["speed"]
    met = {name: Network(**network) for name, network in stored["networks as measured"].items()}
    cores = stored["machine"]["cores"]
    costs, steps = {}, {}
    for framework, gradient_bytes in stored["gradient bytes"].items():
        took = {
            case: stored["seconds a step"][row_of(framework, *case)]["median"]
            for case in FITTED + PREDICTED
        }
        cost = fitted({case: took[case] for case in FITTED}, gradient_bytes, met, cores)
        costs[framework] = vars(cost)
        for name, count, batch in PREDICTED:
            said = cost.seconds(count, batch, met[name], cores)
            taken = took[name, count, batch]
            steps[row_of(framework, name, count, batch)] = {
                "predicted": round(said, 5), "measured": taken, "ratio": round(said / taken, 3),
            }  # fmt: skip
    return {"costs": costs, "seconds a step": steps}


def fitted(
    seconds: dict[tuple, float], gradient_bytes: int, met: dict[str, Network], cores: int
) -> StepCost:
    """From one machine and from two, on the fastest network and on the slowest.

    What the fast one says of computing and handling depends on the number of hops, and what the
    slow one says of that on the former: so in turn. After ten rounds nothing changes any more.
    """
    alone = {batch: taken for (_, count, batch), taken in seconds.items() if count == 1}
    two = {b: taken for (name, n, b), taken in seconds.items() if (name, n) == (FASTEST, 2)}
    slow = seconds[SLOWEST, 2, BATCH]
    hops = 2.0
    for _ in range(10):
        cost = fit_cost(alone, two, gradient_bytes, cores=cores, hops=hops, network=met[FASTEST])
        cost = with_hops(cost, slow, BATCH, met[SLOWEST], cores)
        hops = cost.hops
    return cost


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
    for framework, number in itertools.product(SCRIPTS, (1, 0)):
        with Machines(2, NETWORKS["100 Mbit/s, 1 ms"]) as machines:
            training = Training(machines, framework, "static", images=1_280, epochs=60)
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
        name = f"machine {number}, {framework}, static"
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


PARTS = {"equal": equal, "speed": speed, "model": model, "cut": cut, "lost": lost}


def main() -> None:
    if sys.argv[1:] != ["model"] and (reason := why_not()):
        sys.exit(f"Expected a system with network namespaces. Received: {reason}.")
    measure_parts("networks", PARTS, sys.argv[1:])
    shutil.rmtree(SCRATCH, ignore_errors=True)


if __name__ == "__main__":
    main()
