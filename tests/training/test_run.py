"""What is kept of a training for the reader."""

from __future__ import annotations

from dataclasses import replace

from helpers.training import TrainingRun


def run_of(**history: tuple[float, ...]) -> TrainingRun:
    return TrainingRun(history, 12.34, 32, 0, "a test")


class TestTrainingRun:
    def test_the_repr_says_how_it_went(self):
        run = run_of(
            loss=(2.0, 1.0, 0.5), accuracy=(0.2, 0.5, 0.8125),
            val_loss=(1.9, 0.9, 1.1), val_accuracy=(0.3, 0.6, 0.575),
        )  # fmt: skip
        assert repr(run).splitlines() == [
            "TrainingRun on a test: 3 epochs in 12.3 s, batches of 32, seed 0",
            "  training    loss 0.500, accuracy 81.2 %",
            "  validation  loss 1.100, accuracy 57.5 %",
            "  lowest validation loss in epoch 2",
        ]
        assert run.validation_accuracy == 0.575  # after the last epoch, not the best
        of_a_folder = repr(replace(run, source="images from the folder my photos of last summer"))
        assert max(map(len, of_a_folder.splitlines())) <= 88

    def test_a_run_that_diverged_names_the_best_of_the_epochs_before(self):
        nan = float("nan")
        run = run_of(
            loss=(2.0, nan, nan), accuracy=(0.3, 0.1, 0.1),
            val_loss=(1.5, nan, nan), val_accuracy=(0.3, 0.1, 0.1),
        )  # fmt: skip
        assert run.best_epoch == 1
        assert "lowest validation loss in epoch 1" in repr(run)

    def test_plot_draws_the_learning_curves(self):
        run = run_of(loss=(2.0, 1.0), accuracy=(0.2, 0.5))
        left, right = run.plot().axes
        assert left.lines[0].get_ydata().tolist() == [2, 1]
        assert right.lines[0].get_ydata().tolist() == [20, 50]
