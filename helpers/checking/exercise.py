"""An exercise: a question, a place for the answer, a check, hints step by step, a solution.

    exercises = load_exercises("03")
    exercises.border.check(24)       correct or not, and what is wrong about it
    exercises.border.hint()          the first hint; each call gives one more
    exercises.border.solution()      the code, and why

A check accepts every right answer, in whatever form it comes, and never tells the answer.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from helpers.basics.errors import UsageError, wrapped
from helpers.checking import marks
from helpers.checking.plain import NotAnswered, Wrong
from helpers.checking.values import Check

KINDS = ("recall", "predict", "by hand", "code", "fault", "explain")
CORRECT, WRONG, OPEN = "Correct", "Not yet", "Not answered yet"


@dataclass(frozen=True)
class Verdict:
    """What a check says about an answer.

    Attributes:
        state: "Correct", "Not yet" or "Not answered yet".
        words: what is wrong, or how the answer was understood; may be empty.
    """

    state: str
    words: str = ""

    def __bool__(self) -> bool:
        return self.state == CORRECT

    def __repr__(self) -> str:
        mark = {CORRECT: "\N{CHECK MARK}", WRONG: "\N{BALLOT X}", OPEN: "\N{HORIZONTAL ELLIPSIS}"}
        return wrapped(f"{mark[self.state]} {self.state}. {self.words}".strip())


@dataclass
class Exercise:
    """One exercise.

    Attributes:
        name: as it is called in code, and what the learner's answer is called.
        kind: one of KINDS: what the learner does.
        title: a few words.
        question: in Markdown.
        stub: the code that the learner begins with; it must run.
        judge: takes the answer; gives a remark or None where it is correct, and raises `Wrong`
            where it is not.
        hints: one leads to the next.
        code: a solution; it defines the answer.
        why: in Markdown: why it is so, and the ways in which it often goes wrong.
        steps: of an own project that it practises, from STEPS.
        wrong_idea: the idea that it meets, where there is one.
        given: code above the stub, which is left as it is.
    """

    sheet = ""  # the lesson, once it stands in a Sheet

    name: str
    kind: str
    title: str
    question: str
    judge: Check
    hints: Sequence[str]
    code: str
    why: str
    stub: str = ""
    given: str = ""
    steps: Sequence[str] = ()
    wrong_idea: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"Expected a kind out of {', '.join(KINDS)}. Received: {self.kind!r}.")
        if isinstance(self.hints, str) or not self.hints:
            raise UsageError("Expected hints as a list of texts, one at least.")
        for name in ("question", "code", "why", "stub", "given"):
            setattr(self, name, textwrap.dedent(getattr(self, name)).strip())
        self.stub = self.stub or f"{self.name} = ..."
        self._hints_shown = 0

    def verdict(self, answer: object = ...) -> Verdict:
        """What is to be said about an answer, without printing it or noting it."""
        try:
            if _is_open(answer):
                raise NotAnswered
            return Verdict(CORRECT, self.judge(answer) or "")
        except NotAnswered:
            return Verdict(
                OPEN, "Write your answer in the place of `...`. `hint()` gives a first hint."
            )
        except Wrong as wrong:
            return Verdict(WRONG, str(wrong))

    def check(self, answer: object = ...) -> None:
        """Say whether an answer is correct and, where it is not, what is wrong about it."""
        verdict = self.verdict(answer)
        print(verdict)
        if verdict and self.sheet and (trouble := marks.note(self.sheet, self.name)):
            print(wrapped(trouble))

    def hint(self) -> None:
        """Give one hint; the next call gives the next one."""
        shown = min(self._hints_shown, len(self.hints) - 1)
        self._hints_shown = shown + 1
        left = len(self.hints) - self._hints_shown
        more = f" ({left} more)" if left else " (the last one)"
        print(wrapped(f"Hint {self._hints_shown}{more}: {' '.join(self.hints[shown].split())}"))

    def solution(self) -> None:
        """Show a solution, and why it is one."""
        print(f"{self.code}\n\n{wrapped(' '.join(self.why.split()))}")

    def __repr__(self) -> str:
        return f"Exercise {self.name}: {self.title}. Call check(answer), hint() or solution()."


def _is_open(answer: object) -> bool:
    """Whether `...` still stands in it."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    return answer is ... or (isinstance(answer, list | tuple) and any(map(_is_open, answer)))


class Sheet:
    """The exercises of one lesson: `sheet.name_of_one`. Completion with Tab shows their names."""

    def __init__(
        self,
        lesson: str,
        title: str,
        exercises: Sequence[Exercise],
        *,
        minutes: int,
        setup: str = "from helpers.practice import load_exercises",
    ):
        """Put exercises together.

        Args:
            lesson: the name of its notebook, such as "03_building_a_cnn".
            title: of the lesson.
            exercises: in rising order.
            minutes: to plan for all of them.
            setup: code that comes before the first exercise: imports, `load_exercises` among them.
        """
        self._by_name = {each.name: each for each in exercises}
        if len(self._by_name) < len(exercises):
            raise UsageError("Expected a name of its own for each exercise.")
        self.lesson, self.title, self.minutes = lesson, title, minutes
        self.setup = textwrap.dedent(setup).strip()
        for each in exercises:
            each.sheet = lesson

    def __iter__(self) -> Iterator[Exercise]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __dir__(self) -> list[str]:
        return list(self._by_name)

    def __getattr__(self, name: str) -> Exercise:
        # copy and pickle ask for names before there are any
        by_name = self.__dict__.get("_by_name", {})
        if name not in by_name:
            raise AttributeError(f"There is no exercise {name!r}. There are: {', '.join(by_name)}.")
        return by_name[name]

    def __repr__(self) -> str:
        lines = [f"{each.name:20} {each.kind:8} {each.title}" for each in self]
        return "\n".join([f"Exercises of lesson {self.lesson}", *lines])
