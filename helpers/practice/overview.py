"""The map of the lessons, with what is solved of their exercises."""

from __future__ import annotations

import numpy as np

from helpers.checking import marks
from helpers.pictures.letters import fitted
from helpers.pictures.picture import COLOURS, FRAME, Picture, finished, new_axes
from helpers.pictures.words import sentences
from helpers.practice.load import load_exercises, numbers_of_lessons

SIDE, NAMES = 0.34, 2.9  # inches, of a square and of the names beside it


def progress(*, wipe: bool = False) -> Picture:
    """Draw the lessons with their exercises: a filled square with a tick is solved.

    Args:
        wipe: forget first what was solved.

    Introduced in the exercises of lesson 0.
    """
    if wipe:
        marks.wipe()
    solved = marks.solved()
    sheets = [load_exercises(number) for number in numbers_of_lessons()]
    most = max(len(sheet) for sheet in sheets)
    ax = new_axes(size=(NAMES + SIDE * most, SIDE * (len(sheets) + 1.6)))[0]
    counts = []
    for row, sheet in enumerate(sheets):
        done = np.array([(sheet.lesson, each.name) in solved for each in sheet])
        counts.append(f"lesson {sheet.title}: {done.sum()} of {len(sheet)}")
        for column, fits in enumerate(done):
            face = COLOURS[2] if fits else "white"
            ax.scatter(column, row, marker="s", s=180, facecolor=face, edgecolor=FRAME)
            if fits:
                ax.text(column, row, "\N{CHECK MARK}", color="white", ha="center", va="center")
    names = [fitted(sheet.title, NAMES) for sheet in sheets]
    ax.set_yticks(range(len(sheets)), names)
    ax.set_xticks([])
    ax.set_xlim(-0.6, most - 0.4)
    ax.set_ylim(len(sheets) - 0.4, -0.6)
    ax.tick_params(length=0)
    ax.spines[:].set(visible=False)
    ax.set_title("Exercises solved")
    return finished(ax, "Exercises solved", sentences("Exercises solved", "; ".join(counts)))
