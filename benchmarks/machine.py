"""What every benchmark needs: processes of their own, and what they took on which machine."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryFile

from helpers.basics.memory import usable_cores

RESULTS = Path(__file__).parent / "results"
# A thread that waits for another keeps its core busy, in PyTorch and in the kernels that TensorFlow
# uses too. On a machine with other work, processor seconds grew to ten times what the computation
# takes. A single thread waits for nobody.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, object]:
    """The machine and the versions that figures belong to."""
    from helpers.recipes.bfloat16 import has_fast_bfloat16

    flags = ""
    if sys.platform == "linux":
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    names = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    packages = ("keras", "numpy", "pillow", "torch")
    return {
        "processor": processor(),
        "instructions": [name for name in names if f" {name} " in flags],
        "computes in bfloat16": has_fast_bfloat16(),
        "cores": usable_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "tensorflow": tensorflow_version(),
    }


def tensorflow_version() -> str:
    """Without importing it, which takes seconds."""
    return version("tensorflow-cpu" if sys.platform == "linux" else "tensorflow")


def cpu_seconds(of: int = resource.RUSAGE_SELF) -> float:
    """Processor seconds that this process has taken so far, on all cores together."""
    used = resource.getrusage(of)
    return used.ru_utime + used.ru_stime


def peak_megabytes(used: resource.struct_rusage | None = None) -> int:
    """The most memory that this process, or the one that `used` is of, has held at once.

    Linux tells KiB, and 1,000 of them are taken as a MB here: 2.4 % more than a million bytes.
    """
    used = used or resource.getrusage(resource.RUSAGE_SELF)
    return round(used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))


class EpochMarks:
    """Tells the processor seconds of training from those of judging the validation images.

    `marks.callback()` goes to Keras' `fit`; the first mark is set where this is made.
    """

    def __init__(self):
        self.seconds = [cpu_seconds()]

    def callback(self):
        import keras  # here: each benchmark starts TensorFlow in its own way

        def mark(logs: dict | None = None) -> None:
            self.seconds.append(cpu_seconds())

        class Marking(keras.callbacks.Callback):
            on_test_begin = on_test_end = staticmethod(mark)

        return Marking()

    def curve(self, accuracies: Sequence[float]) -> list[list[float]]:
        """After each epoch: the processor seconds of training so far, and the accuracy."""
        begins, ends = self.seconds[::2], self.seconds[1::2]
        spent = accumulate(end - begin for begin, end in zip(begins, ends, strict=False))
        return [list(point) for point in zip(spent, map(float, accuracies), strict=True)]


class SecondEpoch:
    """What the second of two epochs of Keras' `fit` takes: in the first one it builds the graph."""

    def __init__(self):
        self.ends = []

    def callback(self):
        import keras  # here, as above

        def note(epoch: int, logs: dict | None = None) -> None:
            self.ends.append((cpu_seconds(), time.perf_counter()))

        return keras.callbacks.LambdaCallback(on_epoch_end=note)

    def speed(self, images: int) -> dict[str, float]:
        """As the function below."""
        (before, start), (after, end) = self.ends
        return {"images": images, "cpu_seconds": after - before, "wall_seconds": end - start}


def speed(images: int, before: float, start: float) -> dict[str, float]:
    """What `images` took since these processor and wall-clock seconds were read."""
    return {
        "images": images,
        "cpu_seconds": cpu_seconds() - before,
        "wall_seconds": time.perf_counter() - start,
    }


def import_seconds(module: str) -> dict[str, float]:
    """What importing a module takes in a fresh Python, without Python's own start."""
    code = (
        "import time; a, b = time.process_time(), time.perf_counter()\n"
        f"import {module}\n"
        "print('[%r, %r]' % (time.process_time() - a, time.perf_counter() - b))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    cpu, wall = json.loads(done.stdout)
    return {"cpu_seconds": cpu, "wall_seconds": wall}


def run_alone(script: str, *arguments: str, one_thread: bool = False) -> dict:
    """Run a script as a process of its own, and read the JSON on its last line of output.

    What the whole process took, from its start to its end, is added to it, and the load of the
    machine before it: how many threads of anything ran, mean of a minute. With `one_thread` it
    computes with one only, and its processor seconds hardly depend on that load. Its peak memory
    is at least that of the calling process (on Linux it is counted at the start): keep that small.
    """
    command = [sys.executable, script, *arguments]
    load, start = os.getloadavg()[0], time.perf_counter()
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, text=True,
            env=os.environ | (ONE_THREAD if one_thread else {}),
        )  # fmt: skip
        try:
            _, status, used = os.wait4(process.pid, 0)  # tells the memory of this one process
        except KeyboardInterrupt:
            process.kill()  # or it would go on alone, and slow what is measured next
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (output, errors):
            file.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{errors.read()}")
        measured = json.loads(output.read().splitlines()[-1])
    return measured | {
        "load": round(load, 1),
        "process_cpu_seconds": used.ru_utime + used.ru_stime,
        "process_wall_seconds": time.perf_counter() - start,
        "peak_megabytes": peak_megabytes(used),
    }


def summary(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """The median with the smallest and the largest value."""
    named = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits) for name, value in named.items()}


def write_result(name: str, result: dict) -> None:
    """Store a result in benchmarks/results/."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def measure_parts(name: str, parts: Mapping[str, Callable[[], dict]], asked: Sequence[str]) -> None:
    """Measure some parts of a benchmark, or all; each goes into its result beside the others."""
    if unknown := {*asked} - {*parts}:
        sys.exit(f"Expected some of {', '.join(parts)}. Received: {', '.join(unknown)}.")
    stored = RESULTS / f"{name}.json"
    for part in asked or parts:
        load, began = [round(one, 2) for one in os.getloadavg()], time.monotonic()
        found = parts[part]()
        minutes = round((time.monotonic() - began) / 60, 1)
        known = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
        known[part] = {"machine": machine(), "load before": load, "minutes": minutes, **found}
        write_result(name, {one: known[one] for one in parts if one in known})
