"""Which exercises are solved: a plain text file with a line for each, in the learner's own folder.

A line is added in one step, so two notebooks at once lose nothing. Git ignores the folder.
"""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "my_lessons" / "solved.txt"


def note(sheet: str, name: str) -> str:
    """Keep that an exercise is solved. Returns what is to be said where that cannot be kept."""
    if (sheet, name) in solved():
        return ""
    try:
        FILE.parent.mkdir(exist_ok=True)
        with FILE.open("a", encoding="utf-8") as file:
            file.write(f"\n{sheet} {name}\n")  # its own line, even after one that was cut
    except OSError as error:
        return (
            f"It could not be noted as solved, because {FILE} cannot be written: {error.strerror}."
        )
    return ""


def solved() -> set[tuple[str, str]]:
    """The solved exercises, each as the name of its sheet and its own."""
    try:
        lines = FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # none yet
        return set()
    return {tuple(words) for line in lines if len(words := line.split()) == 2}


def wipe() -> None:
    """Forget all of it."""
    FILE.unlink(missing_ok=True)
