"""The README's figures are those of the stored measurements, and its links lead somewhere."""

import json
import re
import shutil
from pathlib import Path
from statistics import median

import pytest
from made_images import fill
from PIL import Image

from helpers import ACCURATE, FAST

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")
START_HERE = (ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8")
LESSON_TIMES = json.loads((RESULTS / "lesson_times.json").read_text())["lessons"]
LESSONS = [name for name in LESSON_TIMES if not name.startswith("00")]


def code_of(heading: str) -> str:
    """The indented lines of a section, one after the other."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))


def rounded(seconds: float) -> str:
    """To the next five seconds, a long one to the minute, as the lessons say it."""
    return f"{5 * -(-seconds // 5):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_gives_its_measured_time(lesson):
    written = rounded(LESSON_TIMES[lesson]["seconds"])
    row = rf"\({{}}{lesson}\.ipynb\) \|[^|]*\| {written} \|"
    assert re.search(row.format("notebooks/"), README)
    assert re.search(row.format(""), START_HERE)
    assert f"Runs in {written} on two" in (ROOT / f"notebooks/{lesson}.ipynb").read_text("utf-8")


@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_the_table_of_results_is_what_was_measured(dataset):
    measured = json.loads((RESULTS / f"classic_example_{dataset}.json").read_text())
    low, high = measured["interval"]
    row = (
        f"| {100 * measured['test_accuracy']:.1f} % | {100 * low:.1f} to {100 * high:.1f} % "
        f"| {measured['training_seconds']:.0f} s | {measured['peak_megabytes'] / 1000:.1f} GB |"
    )
    assert row in README
    assert measured["processor"] in README


def embedded(file: str) -> str:
    """The description that a picture carries with it."""
    with Image.open(RESULTS / file) as picture:
        return picture.text["Description"]


def test_the_pictures_of_the_classic_example_are_those_that_it_drew():
    drawn = json.loads((RESULTS / "classic_example_fashion_mnist.json").read_text())["pictures"]
    assert len(drawn) == 3
    for file, description in drawn.items():
        assert embedded(file) == description
        assert f"](benchmarks/results/{file})" in README


def test_the_picture_of_the_trainings_is_what_was_measured():
    result = json.loads((RESULTS / "bench.json").read_text(encoding="utf-8"))
    trainings = {name: runs[0]["curve"] for name, runs in result["trainings"].items()}
    described = embedded("bench.png")
    for name, curve in trainings.items():
        assert name in described
        assert f"{100 * curve[-1][1]:.3g}" in described


def test_the_code_about_your_own_photos_runs_as_it_stands(tmp_path, monkeypatch):
    photos = fill(tmp_path / "photos", {"cat": 40, "dog": 40})
    shutil.copytree(photos / "cat", tmp_path / "new_photos")
    (tmp_path / "my_lessons").mkdir()
    monkeypatch.chdir(tmp_path / "my_lessons")
    exec(code_of("Your own photos"), names := {})
    assert len(names["answer"]) == 40
    assert Path("answers.csv").is_file()


def test_the_code_of_the_recipes_trains_what_was_measured():
    """It is read, not run: an epoch on CIFAR-10 takes long."""
    code = code_of("How fast it gets")
    compile(code, "README.md", "exec")
    assert "FAST.but(epochs=1).train(dataset.subset(33_750))" in code
    assert "ACCURATE.but(epochs=5).train(dataset)" in code
    assert "`FAST` trains 2 epochs and `ACCURATE` 8" in README
    assert (FAST.epochs, ACCURATE.epochs) == (2, 8)


def test_links_to_files_lead_somewhere():
    targets = re.findall(r"\]\((?!http)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_check_of_a_folder_takes_what_was_measured():
    largest = json.loads((RESULTS / "check_folder.json").read_text())["median_runs"][-1]
    took = f"{largest['seconds']:.0f} s and {largest['peak_megabytes'] / 1000:.1f} GB of memory"
    assert f"Checking {largest['images']:,} small JPEG files takes {took}" in " ".join(
        README.split()
    )


def test_loading_a_folder_again_takes_what_was_measured():
    measured = json.loads((RESULTS / "bench.json").read_text(encoding="utf-8"))["folder"]
    speed = measured["readers"]["helpers"]["second_load"]["images_a_second"]["median"]
    assert f"the next start takes {measured['files'] / speed:.0f} s" in " ".join(README.split())


def test_the_longest_lesson_on_cifar10_takes_what_was_measured():
    lessons = json.loads((RESULTS / "lesson_times_cifar10.json").read_text())["lessons"]
    minutes = -(-max(lesson["seconds"] for lesson in lessons.values()) // 60)
    assert f"the longest of lessons 1 to 5 then runs for {minutes:.0f} minutes" in " ".join(
        README.split()
    )


def test_the_journey_of_lesson_6_is_what_was_measured():
    steps = json.loads((RESULTS / "journey_cifar10.json").read_text(encoding="utf-8"))["steps"]
    first, last = steps["classic"], steps["compact network"]
    text = " ".join(README.split())
    for what, form in (("accuracy", "{:.1f} %"), ("cpu_seconds", "{:.0f}")):
        scale = 100 if what == "accuracy" else 1
        one, other = (form.format(scale * step[what]["median"]) for step in (first, last))
        assert f"from {one} to {other}" in text


@pytest.mark.parametrize("kind", ["bench", "bench_float32"])
def test_the_tables_of_trainings_are_what_was_measured(kind):
    bench = json.loads((RESULTS / f"{kind}.json").read_text(encoding="utf-8"))
    for name, runs in bench["trainings"].items():
        seconds, accuracy, memory = (
            median(run[what] for run in runs)
            for what in ("cpu_seconds", "test_accuracy", "peak_megabytes")
        )
        figures = f"{seconds:.0f} | {100 * accuracy:.1f} % | {memory / 1000:.1f} GB"
        epochs = len(runs[0]["curve"])
        assert f"| {name} | {epochs} | {len(runs)} | {figures} |" in README
    assert bench["machine"]["processor"] in README


def test_the_seconds_of_whole_programs_are_what_was_measured():
    trainings = json.loads((RESULTS / "bench.json").read_text(encoding="utf-8"))["trainings"]
    classic, fast = (
        median(run["process_cpu_seconds"] for run in trainings[name])
        for name in ("classic script", "FAST, 3/4 epoch")
    )
    assert f"the classic script takes {classic:.0f} and `FAST` {fast:.0f} on the first" in README


def test_the_speed_beside_keras_is_what_was_measured():
    floors = json.loads((RESULTS / "bench_float32.json").read_text(encoding="utf-8"))["floors"]
    text = " ".join(README.split())
    assert f"trains {floors['speed']['median']:.1f} times as many images a processor second" in text
    assert "about as many as Keras does in its best form" in text
    assert abs(floors["keras"]["median"] - 1) < 0.1


def test_the_gain_of_onednn_is_what_was_measured():
    of = json.loads((RESULTS / "onednn.json").read_text(encoding="utf-8"))["cpu_seconds"]
    gains = {
        name: 1 - of["with oneDNN"][name]["median"] / of["without"][name]["median"]
        for name in ("CLASSIC", "FAST", "ACCURATE")
    }
    assert 0.15 < gains["CLASSIC"] < 0.25
    assert 0.35 < gains["FAST"] < 0.45
    assert 0.35 < gains["ACCURATE"] < 0.45
    said = "a fifth less with the classic network, and about two fifths less with those of `FAST`"
    assert said in " ".join(README.split())


def test_the_way_from_photos_to_a_page_takes_what_was_measured():
    went = json.loads((RESULTS / "photos_to_page.json").read_text(encoding="utf-8"))
    minutes = -(-went["seconds together"] // 60)
    text = f"{went['photos']['number']} photos of a telephone, it takes {minutes:.0f} minutes"
    assert text in " ".join(README.split())
    assert went["the new photo"]["answer"] == went["the new photo"]["shows"]


def test_predict_takes_what_was_measured():
    seconds = json.loads((RESULTS / "predict.json").read_text(encoding="utf-8"))["seconds"]
    a_photo = [
        row[which]["wall"]["median"]
        for row in seconds["one_photo"].values()
        for which in ("first", "warm")
    ]
    text = " ".join(README.split())
    assert f"megapixels takes about {max(a_photo):.1f} s, the first after loading" in text
    a_minute = {name: row["photos a minute"]["median"] for name, row in seconds["folder"].items()}
    in_memory = seconds["in_memory"]["small"]
    shares = in_memory["model.predict"]["cpu"]["median"] / in_memory["predict"]["cpu"]["median"]
    assert shares > 20
    assert f"{round(a_minute['classic'], -2):,.0f} a minute on two cores" in text
    assert f"({round(a_minute['pretrained'], -2):,.0f} with the large network" in text
