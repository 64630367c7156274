"""`make bench`: the floors miss where they should, and what is stored is what is claimed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from helpers.recipes import recipe as recipe_module

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
RESULTS = BENCHMARKS / "results"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(BENCHMARKS))
    import bench

    sys.path.remove(str(BENCHMARKS))
    return bench


class TestFloor:
    @pytest.mark.parametrize(
        ("values", "holds"),
        [([11.0, 14.0, 12.0], True), ([11.0, 12.5, 11.9], False), ([11.0, 11.9, 11.5], False)],
    )
    def test_it_is_missed_where_the_median_misses_it(self, bench, values, holds):
        row = bench.Floor("ratio", 12, 20).row(values)
        assert (row["holds"], row["median"]) == (holds, sorted(values)[1])

    def test_without_a_least_value_none_is_missed(self, bench):
        row = bench.Floor("ratio", None, 20).row([0.1])
        assert (row["holds"], row["floor"]) == (True, None)

    @pytest.mark.parametrize(("value", "holds"), [(900, True), (1300, True), (1301, False)])
    def test_of_memory_less_is_better(self, bench, value, holds):
        floor = bench.Floor("peak", 1300, 900, "MB", up=False)
        assert floor.row([value])["holds"] is holds

    def test_the_table_shows_what_was_missed(self, bench):
        rows = {"a": bench.Floor("speed", 2, 3).row([1.0]), "b": bench.Floor("size", 0, 1).row([1])}
        table = bench.table({"floors": rows})
        assert "| speed (times) | 1 | 1 to 1 | 2 | 3 | **missed** |" in table
        assert "| size (times) | 1 | 1 to 1 | 0 | 1 | holds |" in table

    def test_a_ratio_is_taken_in_each_turn(self, bench):
        assert bench.ratios([10.0, 20.0, 90.0], [1.0, 4.0]) == [10.0, 5.0]


@pytest.mark.parametrize(("seconds", "epochs"), [(5, 1), (21, 1), (22, 2), (29, 2), (30, 3)])
def test_as_many_epochs_as_fit(bench, seconds, epochs):
    """The first takes 14 seconds, with building the graph, and each other one 8."""
    assert bench.epochs_within(seconds, [[14.0, 0.5], [22.0, 0.6]]) == epochs


@pytest.mark.parametrize(("fast", "name"), [("yes", "bench"), ("no", "bench_float32")])
def test_each_kind_of_processor_has_a_result_of_its_own(bench, monkeypatch, fast, name):
    monkeypatch.setenv("COURSE_BFLOAT16", fast)
    assert bench.result_name() == name


def test_without_the_images_it_says_what_to_do(bench, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["bench.py", "--quick"])
    assert bench.main() == 2
    assert "make cifar10" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("what", ["keras_speed", "torch_speed"])
def test_a_peer_measures_itself_and_its_process_is_measured(bench, what):
    """On the bundled images, so that it runs everywhere."""
    if what == "torch_speed":
        pytest.importorskip("torch")
    measured = bench.run_alone(bench.PEERS, what, "fashion_mnist", "256", "64")
    assert measured["images"] == 256
    assert 0 < measured["cpu_seconds"] < measured["process_cpu_seconds"]
    assert 0 < measured["wall_seconds"] < measured["process_wall_seconds"]


def test_a_process_that_fails_is_told_with_its_error(bench, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("raise ValueError('no such recipe')")
    with pytest.raises(SystemExit, match="no such recipe"):
        bench.run_alone(str(script))


@pytest.fixture(scope="module")
def journey():
    return json.loads((RESULTS / "journey_cifar10.json").read_text(encoding="utf-8"))


class TestStoredJourney:
    def test_its_steps_are_those_that_are_measured_and_end_at_fast(self, journey, monkeypatch):
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        import journey as module

        assert list(journey["steps"]) == list(module.STEPS)
        assert list(module.STEPS.values())[-1] == recipe_module.FAST

    def test_each_step_changes_one_thing(self, monkeypatch):
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        import journey as module

        steps = list(module.STEPS.values())
        for before, after in zip(steps, steps[1:], strict=False):
            changed = [name for name, value in vars(before).items() if vars(after)[name] != value]
            # A rate that follows a schedule is one thing with its highest value.
            assert len(set(changed) - {"learning_rate"}) == 1

    def test_it_says_that_it_is_no_official_copy(self, journey):
        assert "not known to be the official ones" in journey["dataset"]


KINDS = ("bench", "bench_float32")  # of processors: with fast 16-bit numbers, without


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def stored(kind):
    return json.loads((RESULTS / f"{kind}.json").read_text(encoding="utf-8"))


class TestStoredBenchmark:
    def test_one_of_them_has_every_figure_that_is_aimed_at(self, bench):
        results = [json.loads((RESULTS / f"{kind}.json").read_text("utf-8")) for kind in KINDS]
        assert {name for one in results for name in one["floors"]} == bench.FLOORS.keys()

    def test_its_floors_follow_from_what_was_measured(self, bench, stored):
        assert stored["floors"] == bench.judged(stored)

    def test_it_belongs_to_its_kind_of_processor(self, stored, kind):
        assert stored["machine"]["computes in bfloat16"] is (kind == "bench")

    def test_the_readme_names_what_misses_its_limit(self, bench, stored):
        readme = " ".join((BENCHMARKS.parent / "README.md").read_text(encoding="utf-8").split())
        for name, row in stored["floors"].items():
            way = "at least" if bench.FLOORS[name].up else "at most"
            found = f"{row['what']}: {row['median']:.3g} {row['unit']}"
            value = f"{found}, {way} {row['floor'] or 0:g} wanted"
            assert (value in readme) is not row["holds"], value

    def test_its_table_belongs_to_it(self, bench, stored, kind):
        shown = (RESULTS / f"{kind}.md").read_text(encoding="utf-8")
        assert shown.endswith(f"{bench.table(stored)}\n")
        assert stored["machine"]["processor"] in shown

    def test_its_recipes_are_those_of_the_helpers(self, stored, monkeypatch):
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        import ours

        for name, recipe in {
            "FAST, 3/4 epoch": recipe_module.FAST.but(epochs=1),
            "ACCURATE": recipe_module.ACCURATE,
        }.items():
            runs = stored["trainings"][name]
            # ACCURATE has as many epochs as fit into the seconds of the classic script.
            recipe = recipe.but(epochs=len(runs[0]["curve"]))
            expected = json.loads(json.dumps(ours.recipe_text(recipe)))
            assert all(run["recipe"] == expected for run in runs)


def test_the_made_photos_are_those_of_a_telephone(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from made_photos import telephone_photos

    one, other = (
        telephone_photos(tmp_path / name, ("bag", "dress"), 10, (80, 60)) for name in "ab"
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert len({path.read_bytes() for path in one}) == len(one) == 20
    with Image.open(one[0]) as upright, Image.open(one[1]) as turned:
        assert (upright.size, upright.getexif()) == ((80, 60), {})
        assert (turned.size, dict(turned.getexif())) == ((80, 60), {0x0112: 6})
