"""The program that lesson 5 ends with keeps what the lesson says of it."""

from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "notebooks" / "whole_course.py"


def test_it_has_at_most_40_lines():
    assert len(PROGRAM.read_text(encoding="utf-8").splitlines()) <= 40
