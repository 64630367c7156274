"""Variants beside the baseline, and the log of what was tried."""

from __future__ import annotations

import csv
import math
import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from scipy import stats

from helpers import compare_variant, experiments, forget_experiments
from helpers.basics.errors import DamagedFileError, MissingPackageError, UsageError
from helpers.datasets.load import load_dataset
from helpers.practice import experiment, log
from helpers.practice.comparison import (
    MOST_SEEDS,
    Comparison,
    Result,
    interval_of_mean,
    seeds_needed,
)
from helpers.recipes.recipe import CLASSIC

BASELINE = experiment.BASELINE
TINY = CLASSIC.but(epochs=1, batch_size=8)


@pytest.fixture(autouse=True)
def own_log(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "FILE", tmp_path / "mine" / "experiments.sqlite")
    monkeypatch.setattr(experiment, "BASELINE", TINY)


def result(accuracy, epochs=2, seconds=1.0, parameters=100):
    return Result((0.1,) * (epochs - 1) + (accuracy,), (0.2,) * epochs, seconds, parameters)


def comparison(*differences):
    baseline = {seed: result(0.5) for seed in range(len(differences))}
    variant = {seed: result(0.5 + moved) for seed, moved in enumerate(differences)}
    return Comparison("wider", variant, baseline)


class TestComparison:
    def test_the_interval_is_that_of_a_paired_t_test(self):
        first, second = np.array([0.71, 0.73, 0.72, 0.75]), np.array([0.70, 0.70, 0.71, 0.71])
        expected = stats.ttest_rel(first, second).confidence_interval(0.95)
        assert np.allclose(interval_of_mean(first - second), expected)
        assert interval_of_mean([0.5]) == (-math.inf, math.inf)

    def test_with_so_many_seeds_four_of_five_experiments_would_tell(self):
        """Tried: experiments whose differences have this mean and spread."""
        rng = np.random.default_rng(0)
        seen = np.array([-0.012, 0.003, 0.021, 0.014, 0.012])
        needed = seeds_needed(seen)
        assert 10 < needed < 30

        def told(count):
            made = rng.normal(seen.mean(), seen.std(ddof=1), (4_000, count))
            means, spreads = made.mean(axis=1), made.std(axis=1, ddof=1)
            half_width = stats.t.ppf(0.975, count - 1) * spreads / math.sqrt(count)
            return (half_width < means).mean()

        assert told(needed) == pytest.approx(0.8, abs=0.03)
        assert told(needed - 5) < 0.77
        assert seeds_needed([1e-9, -1.1e-9]) == MOST_SEEDS + 1
        assert seeds_needed([0.01, 0.01]) == 2
        assert seeds_needed([0, 0]) == MOST_SEEDS + 1

    def test_too_little_is_said_to_be_too_little(self):
        said = comparison(0.012, -0.002, 0.008).sentence()
        assert said.startswith("+0.6 points in 3 seeds, between -1.2 and +2.4: too little")
        assert re.search(r"with \d+ more seeds four of five such experiments would tell", said)
        assert "hardly tell" in comparison(0.01, -0.0100001).sentence()

    def test_what_is_clear_is_said(self):
        assert comparison(0.02, 0.021, 0.022).sentence().endswith(": the variant is better.")
        assert comparison(-0.02, -0.021, -0.022).sentence().endswith("the variant is worse.")
        assert "one seed shows nothing" in comparison(0.05).sentence()
        assert comparison(0.1, 0.11).sentence().endswith("better.")  # two seeds can tell

    def test_what_is_close_is_said_as_it_is(self):
        nothing = comparison(0.0, 0.0, 0.0).sentence()
        assert nothing.startswith("+0.0 points in 3 seeds")
        assert nothing.endswith("about alike.")
        assert comparison(0.004, 0.005, 0.006).sentence().endswith("better.")  # by half a point
        assert comparison(-0.004, -0.005, -0.006).sentence().endswith("worse.")
        assert "too little" in comparison(-0.002, 0.002, 0.001).sentence()

    def test_it_shows_itself_with_a_picture_in_words(self):
        shown = comparison(0.02, 0.03, 0.01)._repr_mimebundle_()
        assert shown["text/plain"] == "wider beside the baseline"
        assert 'alt="wider beside the baseline. +2.0 points in 3 seeds' in shown["text/html"]
        assert "accuracy            52.0 %         50.0 %" in shown["text/html"]
        assert repr(comparison(0.02)).splitlines()[-1].split() == ["parameters", "100", "100"]

    @pytest.mark.parametrize("name", ["wide", "batch norm and dropout"])
    def test_numbers_stand_below_the_side_that_they_are_of(self, name):
        head, *rows = repr(Comparison(name, {0: result(0.6)}, {0: result(0.5)})).splitlines()[-4:]
        assert head.split("  ")[-1].strip() == "baseline"
        for row in rows:
            mine = row[: head.index(name) + len(name)]
            assert len(mine.split()) > 1 and not mine.endswith(" ")  # the name's column ends there
            assert len(row) == len(head)

    @pytest.mark.parametrize("name", ["_hidden", "$5 or $6", "w" * 200])
    def test_both_sides_are_named_whatever_they_are_called(self, name):
        sides = {0: result(0.6)}
        dots, curves = Comparison(name, sides, sides).plot().axes
        assert [label.get_text() for label in dots.get_yticklabels()][0] == "baseline"
        assert dots.get_yticklabels()[1].get_text()[:3] == name[:3]
        named = [text.get_text()[:3] for text in curves.get_legend().get_texts()]
        assert named == ["bas", "bas", name[:3], name[:3]]

    def test_runs_that_stopped_early_are_drawn_too(self):
        both = Comparison("early", {0: result(0.6, epochs=1)}, {0: result(0.5, epochs=3)})
        assert both.plot().description.startswith("early beside the baseline")


class TestLog:
    def test_rows_come_back_the_newest_first_and_sort(self, tmp_path):
        for seed, accuracy in enumerate((0.3, 0.9, 0.6)):
            log.add("a", "bands", seed, result(accuracy))
        rows = experiments()
        assert [row["seed"] for row in rows.rows] == [2, 1, 0]
        assert [row["seed"] for row in rows.sorted_by("accuracy").rows] == [1, 2, 0]
        rows.save_csv(tmp_path / "rows.csv")
        with (tmp_path / "rows.csv").open(newline="", encoding="utf-8-sig") as file:
            assert [row["accuracy"] for row in csv.DictReader(file)] == ["0.6", "0.9", "0.3"]
        assert "90.0 %, of a" in rows.plot().description
        log.add("_b", "bands", 0, result(0.5))
        legend = experiments().plot().axes[0].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["_b", "a"]
        assert repr(rows).count("bands") == 3
        forget_experiments()
        assert len(experiments()) == 0
        assert repr(experiments()) == "No experiments yet."

    def test_the_table_opens_in_spreadsheet_programs(self, tmp_path):
        for name in ("모형", "=1+1"):
            log.add(name, "bands", 0, result(0.5))
        experiments().save_csv(tmp_path / "rows.csv")
        text = (tmp_path / "rows.csv").read_bytes()
        assert text.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(text.decode("utf-8-sig").splitlines()))
        assert [row["name"] for row in rows] == ["./=1+1", "모형"]
        assert list(rows[0]) == list(log.COLUMNS)

    def test_a_copy_of_the_log_is_not_forgotten(self):
        log.add("a", "bands", 0, result(0.5))
        names = [f"{log.FILE.name}{end}" for end in ("", "-journal", "-wal", "-shm")]
        for name in (f"{log.FILE.name}.bak", f"{log.FILE.name}2", *names[1:]):
            log.FILE.with_name(name).touch()
        forget_experiments()
        left = {path.name for path in log.FILE.parent.iterdir()}
        assert left == {f"{log.FILE.name}.bak", f"{log.FILE.name}2"}

    def test_trackio_gets_a_run_a_training_the_oldest_first_and_once(self, monkeypatch):
        sent = []

        class StandIn(types.ModuleType):  # with the arguments that trackio 0.43 has
            def init(self, project, name=None, *, config=None, embed=True):
                sent.append([project, name, config])

            def log(self, metrics, step=None):
                sent[-1].append(metrics)

            def finish(self):
                sent[-1].append("finished")

            class Api:
                def runs(self, project):
                    if not sent:
                        raise ValueError(f"Project {project!r} does not exist")
                    return [types.SimpleNamespace(name=name) for _, name, *_ in sent]

        monkeypatch.setitem(sys.modules, "trackio", StandIn("trackio"))
        for seed, accuracy in enumerate([0.6, 0.7]):
            log.add("mine", "photos", seed, result(accuracy, seconds=3.0))
        experiments().send_to_trackio(project="shoes")
        assert [project for project, *_ in sent] == ["shoes", "shoes"]
        assert [config["seed"] for _, _, config, _, _ in sent] == [0, 1]
        assert [values["accuracy"] for _, _, _, values, _ in sent] == [0.6, 0.7]
        assert [values["seconds"] for _, _, _, values, _ in sent] == [3.0, 3.0]
        assert [end for *_, end in sent] == ["finished"] * 2
        log.add("another", "photos", 0, result(0.8))
        experiments().send_to_trackio(project="shoes")
        assert len(sent) == 3 and sent[-1][1].startswith("another, seed 0")

    def test_without_trackio_the_way_to_it_is_said(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "trackio", None)  # as if it were not installed
        with pytest.raises(MissingPackageError, match="%pip install trackio in a cell"):
            experiments().send_to_trackio()

    def test_what_is_no_column_is_said(self):
        with pytest.raises(UsageError, match="Expected a column: name"):
            experiments().sorted_by("speed")
        with pytest.raises(UsageError, match="The log is empty"):
            experiments().plot()

    def test_two_kernels_at_once_lose_nothing(self):
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=_write_twenty, args=(str(log.FILE),)) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len(experiments()) == 40

    def test_a_damaged_log_is_said_and_costs_no_training(self, make_dataset, capsys):
        log.FILE.parent.mkdir()
        log.FILE.write_bytes(b"no database at all" * 100)
        with pytest.raises(DamagedFileError, match="forget_experiments"):
            experiments()
        given = compare_variant("again", TINY, make_dataset(), seeds=1)
        assert len(given.variant) == 1
        said = " ".join(capsys.readouterr().out.split())
        assert "cannot be read" in said
        assert f"again, seed 0: {100 * given.variant[0].accuracies[-1]:.1f} %" in said
        assert "one seed shows nothing" in said

    def test_a_log_that_cannot_be_written_costs_no_training(self, make_dataset, capsys, tmp_path):
        (tmp_path / "mine").write_text("a file in the way")
        assert len(compare_variant("again", TINY, make_dataset(), seeds=1).variant) == 1
        assert "not possible" in " ".join(capsys.readouterr().out.split())


def _write_twenty(file: str) -> None:
    from pathlib import Path

    log.FILE = Path(file)
    for seed in range(20):
        log.add("a", "bands", seed, Result((0.5,), (0.5,), 1.0, 10))


class TestCompareVariant:
    @pytest.mark.slow
    def test_ten_variants_are_trained_and_kept(self, make_dataset):
        from helpers import train
        from helpers.models.cnn import build_cnn

        dataset = make_dataset()

        def plain_keras(dataset, seed, batch_size=8, **settings):
            model = build_cnn(dataset, seed=seed)
            run = train(model, dataset, epochs=1, batch_size=batch_size, seed=seed,
                        progress=False, **settings)  # fmt: skip
            return model, run

        def like(batch_size=8, **settings):
            return lambda dataset, seed: plain_keras(dataset, seed, batch_size, **settings)

        variants = {
            "the same": TINY, "dropout": TINY.but(dropout=0.5), "plain Keras": like(),
            "as it comes": plain_keras,
            **{f"batches of {size}": like(size) for size in (2, 4, 12, 24)},
            "weighted": like(class_weight="balanced"), "faster": like(learning_rate=0.1),
        }  # fmt: skip
        given = {name: compare_variant(name, v, dataset, seeds=1) for name, v in variants.items()}
        assert given["the same"].differences == (0.0,)
        rows = experiments().rows
        assert sum(row["name"] != "baseline" for row in rows) == 10
        assert {row["name"] for row in rows} == {*variants, "baseline"}
        assert all(row["parameters"] > 0 for row in experiments().rows)

    def test_the_bundled_images_have_a_stored_baseline(self):
        stored = experiment.stored_baseline(load_dataset())
        assert sorted(stored) == [*range(10)]
        assert {len(result.accuracies) for result in stored.values()} == {BASELINE.epochs}

    def test_a_stored_baseline_is_not_trained_again(self, make_dataset, monkeypatch, tmp_path):
        import json
        from dataclasses import asdict

        dataset = make_dataset()
        store = tmp_path / "baseline.json"
        runs = {seed: asdict(result(0.25)) for seed in range(2)}
        store.write_text(json.dumps({experiment.key_of(dataset): runs}))
        monkeypatch.setattr(experiment, "STORE", store)
        given = compare_variant("a", TINY, dataset, seeds=2)
        assert given.baseline[1].accuracies[-1] == 0.25
        here = [row for row in experiments().rows if row["name"] == "baseline"]
        assert len(here) == 1  # once, for its seconds
        assert given.baseline[1].seconds == here[0]["seconds"]
        monkeypatch.setattr(experiment, "BASELINE", None)
        compare_variant("a", TINY, dataset, seeds=2)
        other = make_dataset(train=30)
        assert experiment.stored_baseline(other) == {}

    @pytest.mark.parametrize(
        ("variant", "words"),
        [
            ("classic", "Expected a recipe"), (lambda dataset, seed: None, "return model, run"),
            (lambda dataset, seed: (1, 2), "return model, run"),
        ],
    )  # fmt: skip
    def test_what_is_no_variant_is_said(self, make_dataset, variant, words):
        with pytest.raises(UsageError, match=words):
            compare_variant("a", variant, make_dataset(), seeds=1)

    @pytest.mark.parametrize("name", [None, 5, " ", "baseline"])
    def test_what_is_no_name_is_said(self, make_dataset, name):
        with pytest.raises(UsageError, match="Expected a name for the variant"):
            compare_variant(name, TINY, make_dataset(), seeds=1)

    def test_the_seconds_are_those_of_as_many_images(self, make_dataset):
        larger, smaller = make_dataset(train=48), make_dataset()
        compare_variant("a", TINY, larger, seeds=1)
        given = compare_variant("a", TINY, smaller, seeds=1)
        rows = [row for row in experiments().rows if row["name"] == "baseline"]
        assert [row["dataset"] for row in rows] == ["bands, 24 images", "bands, 48 images"]
        assert given.baseline[0].seconds == rows[0]["seconds"]

    def test_what_is_no_dataset_or_number_is_said(self, make_dataset):
        with pytest.raises(UsageError, match="from load_dataset"):
            compare_variant("a", TINY, "fashion_mnist")
        with pytest.raises(UsageError, match="seeds as a whole number"):
            compare_variant("a", TINY, make_dataset(), seeds=0)

    def test_a_killed_variant_costs_only_itself(self, tmp_path):
        program = f"""
from pathlib import Path
from helpers.practice import log
from helpers.practice.comparison import Result
log.FILE = Path({str(log.FILE)!r})
log.add("first", "bands", 0, Result((0.5,), (0.5,), 1.0, 10))
with log._opened() as opened:
    opened.execute("INSERT INTO tried VALUES (" + ", ".join("?" * 9) + ")", ("half",) * 9)
    print("now", flush=True)
    import time
    time.sleep(60)
"""
        killed = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert killed.stdout.readline().strip() == b"now"
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
        assert [row["name"] for row in experiments().rows] == ["first"]
        log.add("next", "bands", 0, result(0.7))
        assert len(experiments()) == 2


def test_another_program_that_keeps_the_log_is_waited_for_and_then_said(monkeypatch, make_dataset):
    monkeypatch.setattr(log, "WAITS", 0.2)
    log.add("a", "bands", 0, result(0.5))
    other = sqlite3.connect(log.FILE)
    other.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(OSError, match="not possible"):
        log.add("b", "bands", 0, result(0.5))
    assert time.monotonic() - started < 30
    other.close()
