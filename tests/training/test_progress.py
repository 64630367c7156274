"""What is shown while a training runs, in a terminal and in a notebook."""

from __future__ import annotations

import errno
import re
import sys

import pytest
from made_trainings import (
    as_built,
    dense_model,
)

from helpers import quiet_tensorflow, train
from helpers.training import progress

with quiet_tensorflow():
    import keras


class TestInATerminal:
    def test_a_bar_on_the_error_stream(self, dataset, capsys, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        shown = capsys.readouterr()
        assert shown.out == ""
        meters = shown.err.split("\r")
        assert "epoch 1 of 2:  17%" in meters[1]  # 1 of 6 steps
        assert "| 1/6 [" in meters[1]
        assert "epoch 2 of 2: 100%" in meters[-1]
        assert "| 6/6 [" in meters[-1]
        assert meters[-1].endswith("\n")

    def test_a_last_smaller_batch_is_a_step_too(self, dataset, capsys, every_step):
        train(as_built(dense_model), dataset, epochs=1, batch_size=10)
        assert "| 3/3 [" in capsys.readouterr().err

    @pytest.mark.slow
    def test_several_steps_at_once_are_counted(self, dataset, capsys, every_step):
        model = dense_model()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=3)
        train(model, dataset, epochs=2, batch_size=8)
        steps = 2 * -(-len(dataset.train) // 8)
        assert f"{steps}/{steps}" in capsys.readouterr().err.split("\r")[-1]

    def test_the_bar_is_full_at_the_end_of_the_shortest_training(
        self, dataset, capsys, monkeypatch
    ):
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 1_000)
        train(as_built(dense_model), dataset, epochs=1, batch_size=8)
        assert "| 3/3 [" in capsys.readouterr().err

    def test_no_progress_shows_nothing(self, dataset, capsys):
        train(as_built(dense_model), dataset, epochs=1, progress=False)
        assert capsys.readouterr() == ("", "")


class Drawn:
    """Stands in for the picture of the curves: says how many epochs it was given."""

    def __init__(self, history):
        self.html = f"<img {len(history.get('loss', ()))} epochs>"

    def to_html(self) -> str:
        return self.html


class TestInANotebook:
    def test_one_output_is_replaced_from_beginning_to_end(self, dataset, notebook, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        assert len(notebook) > 2 * 3  # steps
        assert [shown.update for shown in notebook] == [False] + [True] * (len(notebook) - 1)
        assert len({shown.id for shown in notebook}) == 1
        assert notebook[0].id

    @pytest.mark.slow
    def test_each_holds_the_curves_and_the_bar_but_the_last_one_no_bar(
        self, dataset, notebook, every_step
    ):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        for shown in notebook:
            assert set(shown.data) == {"text/plain", "text/html"}
            assert shown.data["text/plain"] == "Picture: learning curves"
            assert shown.data["text/html"].startswith('<img alt="Learning curves')
        html = [shown.data["text/html"] for shown in notebook]
        assert (
            '<progress value="1" max="6" aria-label="training"></progress> epoch 1 of 2, step 1 '
            in (html[1])
        )
        assert "epoch 2 of 2, step 6 of 6 (at " in html[-2]
        assert "<div" not in html[-1]
        assert html[-1].endswith(">")

    def test_the_curves_grow_with_every_epoch(self, dataset, notebook, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        pictures = [shown.data["text/html"].split("<div")[0] for shown in notebook]
        assert len(set(pictures)) == 3  # before the first epoch, after it, after the second
        assert len(set(pictures[:4])) == 1  # while the first epoch runs
        assert pictures[-1] == pictures[-2]

    def test_short_trainings_end_with_all_their_epochs(self, dataset, notebook, monkeypatch):
        monkeypatch.setattr(progress, "live_curves", lambda history, epochs: Drawn(history))
        train(as_built(dense_model), dataset, epochs=3, batch_size=8)
        assert "3 epochs" in notebook[-1].data["text/html"]

    @pytest.mark.slow
    def test_a_screen_reader_is_told_of_epochs_not_of_steps(self, dataset, notebook, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        html = [shown.data["text/html"] for shown in notebook]
        told = [re.findall('role="status"[^>]*>([^<]*)<', one) for one in html]
        assert [words for words in told if words] == [
            ["Epoch 1 of 2 ended"],
            ["Epoch 2 of 2 ended"],
        ] + (
            [["Epoch 2 of 2 ended"]]  # the last time with the end of all
        )
        for one in html:
            bar = "".join(one.partition('<div class="training-bar">')[1:]).partition("</div>")[0]
            assert "role" not in bar
            assert "aria-live" not in bar
            assert not re.search("[^ -~]", bar)  # no blocks that draw a bar

    def test_the_time_left_counts_from_the_first_step(
        self, dataset, notebook, every_step, monkeypatch
    ):
        """The first one is made into a graph, which takes longer than many others."""
        clock = [0.0]
        monkeypatch.setattr(progress.time, "perf_counter", lambda: clock[0])

        def tick(*_):
            clock[0] += 1_000.0 if clock[0] == 0 else 10.0

        patched = keras.callbacks.CallbackList.on_train_batch_begin
        monkeypatch.setattr(
            keras.callbacks.CallbackList, "on_train_batch_begin",
            lambda self, *given: (tick(), patched(self, *given))[1],
        )  # fmt: skip
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        words = [re.search("step [^(]*", shown.data["text/html"]) for shown in notebook]
        words = list(dict.fromkeys(found[0].strip() for found in words if found))
        assert words == [
            "step 1 of 6",
            "step 2 of 6, about 00:40 left",
            "step 3 of 6, about 00:30 left",
            "step 4 of 6, about 00:20 left",
            "step 5 of 6, about 00:10 left",
            "step 6 of 6",
        ]

    def test_updates_are_seldom_enough_for_a_browser(self, dataset, notebook, monkeypatch):
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 1_000)
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_PICTURES", 1_000)
        train(as_built(dense_model), dataset, epochs=4, batch_size=8)
        assert len(notebook) < 6  # of 12 steps and 4 epochs: the beginning and the end

    def test_no_progress_displays_nothing(self, dataset, notebook):
        train(as_built(dense_model), dataset, epochs=1, progress=False)
        assert notebook == []


def test_a_screen_that_fails_ends_no_training(dataset, every_step, monkeypatch):
    """Such as a terminal that was closed meanwhile."""

    class Closed:
        def write(self, text):
            raise OSError(errno.EIO, "Input/output error")

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stderr", Closed())
    run = train(as_built(dense_model), dataset, epochs=2, batch_size=8)
    assert (run.epochs, run.stopped) == (2, "")


def test_each_step_is_seen_at_once(dataset, every_step, monkeypatch):
    """A terminal keeps a line for itself until it ends, or is told to show it."""
    unseen: list[str] = []
    seen: list[str] = []

    class Terminal:
        def write(self, text):
            unseen.append(text)

        def flush(self):
            seen.append("".join(unseen))
            unseen.clear()

    monkeypatch.setattr(sys, "stderr", Terminal())
    train(as_built(dense_model), dataset, epochs=2, batch_size=8)
    assert unseen == []
    steps = [int(line.split("| ")[1].split("/6 [")[0]) for line in seen if "/6 [" in line]
    assert list(dict.fromkeys(steps)) == [1, 2, 3, 4, 5, 6]  # the last of an epoch comes twice


def test_ipython_without_a_kernel_is_a_terminal(dataset, notebook, capsys, every_step):
    from IPython import get_ipython

    del get_ipython().kernel
    train(as_built(dense_model), dataset, epochs=1)
    assert notebook == []
    assert "epoch 1 of 1" in capsys.readouterr().err
