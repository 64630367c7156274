"""What lesson 6 asks of an augmentation and of a schedule that learners write.

Both may be right in many ways, so they are held to what every right one has in common, and not to
the numbers of one of them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.checking.functions import check_callable
from helpers.checking.limits import run
from helpers.checking.models import Property
from helpers.checking.plain import NotAnswered, Wrong, as_array

if TYPE_CHECKING:
    import keras

# Functions


def result_of(answer: object, *arguments: object) -> object:
    """What the function of a learner gives. What it was given must stay as it was."""
    check_callable(answer, len(arguments))
    handed = [
        each if isinstance(each, np.random.Generator) else copy.deepcopy(each) for each in arguments
    ]
    result = run(answer, *handed)
    for before, after in zip(arguments, handed, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after):
            raise Wrong(
                "Your function changes the images that it is given. They are the only copy, and "
                "the next epoch needs them as they were: work on a copy."
            )
    return result


def _need_all(results: Sequence[object]) -> None:
    """Ask for a result of each call. None at all means that nothing was written yet."""
    empty = [result is None or result is ... for result in results]
    if all(empty):
        raise NotAnswered
    if any(empty):
        raise Wrong("One call gives nothing. Is there a `return` for each case?")


# An augmentation

MOST = 2  # pixels that an image may move
MANY, SINGLE = 300, 40  # images in the large batch, batches of one image
Move = tuple[bool, int, int]  # mirrored, down, right


def augments(answer: object) -> None:
    """Asks for a function that mirrors and moves each image by itself, with a given generator."""
    pixels = np.random.default_rng(0).integers(1, 256, (MANY, 6, 9, 3)).astype("uint8")
    grey, random = pixels[:1, ..., :1], np.random.default_rng(2)

    def call(images: np.ndarray, random: np.random.Generator = random) -> object:
        return result_of(answer, images, random)

    of_one, of_many = call(grey, np.random.default_rng(1)), call(pixels)
    _need_all([of_one, of_many])
    first = _moves(pixels, of_many)
    _each_by_itself(first)
    _not_by_place(first, _moves(pixels, call(pixels)))
    if not np.array_equal(first, _moves(pixels, call(pixels, np.random.default_rng(2)))):
        raise Wrong(
            "Two calls with generators of the same seed give different images. Draw all random "
            "numbers from the generator that your function is given."
        )
    single = np.concatenate([_moves(grey, call(grey)) for _ in range(SINGLE)])
    if len(np.unique(single[:, 0])) < 2 or len(np.unique(single, axis=0)) < 5:
        raise Wrong(
            f"A batch of one image was given {SINGLE} times. Some of these images should be "
            "mirrored, some not, and they should move by different numbers of pixels."
        )


def _moves(images: np.ndarray, result: object) -> np.ndarray:
    """How each image was changed: (images, 3), mirrored or not, pixels down, pixels right."""
    given = as_array(result)
    if given.shape != images.shape:
        turned = sorted(given.shape) == sorted(images.shape)
        hint = " The axes are in another order." if turned else ""
        raise Wrong(
            f"Given images of the shape {images.shape}. Expected the same shape. Received: "
            f"{given.shape}.{hint}"
        )
    if given.dtype != images.dtype:
        raise Wrong(f"Given images of the type {images.dtype}. Received: {given.dtype}.")
    found = np.full((len(images), 3), -9)
    for move in _all_moves(MOST):
        found[(given == _moved(images, move)).all(axis=(1, 2, 3))] = move
    unknown = np.flatnonzero(found[:, 0] == -9)
    if len(unknown):
        raise Wrong(_what_happened(images, int(unknown[0]), given[unknown[0]]))
    return found


def _all_moves(most: int) -> Iterator[Move]:
    steps = sorted(range(-most, most + 1), key=abs)
    return ((mirrored, down, right) for mirrored in (0, 1) for down in steps for right in steps)


def _moved(images: np.ndarray, move: Move, mode: str = "constant") -> np.ndarray:
    mirrored, down, right = move
    images = images[:, :, ::-1] if mirrored else images
    height, width = images.shape[1:3]
    margin = 2 * MOST
    padded = np.pad(images, [(0, 0), (margin, margin), (margin, margin), (0, 0)], mode=mode)
    top, left = margin - down, margin - right
    return padded[:, top : top + height, left : left + width]


def _what_happened(images: np.ndarray, place: int, given: np.ndarray) -> str:
    """In words, how an image was changed that is neither mirrored nor moved as asked."""
    one = images[place : place + 1]

    def is_like(changed: np.ndarray, most: int = MOST, mode: str = "constant") -> bool:
        return any((_moved(changed, move, mode) == given).all() for move in _all_moves(most))

    if is_like(one, 2 * MOST):
        return f"An image was moved by more than {MOST} pixels."
    if is_like(one, mode="wrap"):
        return (
            "What leaves an image on one side comes in again on the other side, as `np.roll` "
            "does. Expected black, 0, in the places that become free."
        )
    if any(is_like(one, mode=mode) for mode in ("edge", "reflect", "symmetric")):
        return "Expected black, 0, in the places that become free. They are filled from the image."
    if is_like(one[:, ::-1]):
        return "An image stands on its head. Expected left and right exchanged, not up and down."
    if is_like(one[..., ::-1]):
        return "The colours of an image are in another order: the wrong axis was turned round."
    others = (
        (_moved(images, move) == given).all(axis=(1, 2, 3)).any() for move in _all_moves(MOST)
    )
    if any(others):
        return (
            f"In place {place} stands another image of the batch. The labels stay where they are, "
            "so it would get the label of a stranger."
        )
    return (
        f"Image {place} is not the given one, mirrored or moved by whole pixels with black in the "
        "free places. Give an image with numbers that you know, and look at what comes back."
    )


def _each_by_itself(moves: np.ndarray) -> None:
    for name, drawn in zip(("mirrored", "moved down", "moved right"), moves.T, strict=True):
        if len(np.unique(drawn)) == 1 and (name == "mirrored" or drawn[0]):
            raise Wrong(
                f"All {MANY} images of a batch are {name} alike: {_worded(name, drawn[0])}. Each "
                "image needs a random number of its own."
            )
    share = moves[:, 0].mean()
    if not 0.35 < share < 0.65:
        raise Wrong(f"Expected about half of the images mirrored. Received: {share:.0%}.")
    for name, drawn in (("down", moves[:, 1]), ("right", moves[:, 2])):
        rare = [step for step in range(-MOST, MOST + 1) if (drawn == step).mean() < 0.03]
        if rare:
            raise Wrong(
                f"Of {MANY} images (almost) none was moved {name} by {rare[0]}. Moves of -2, -1, "
                "0, 1 and 2 should all occur, in both directions. Does what draws the numbers "
                "leave out its upper end?"
            )
    if (moves[1:] == moves[:-1]).all(axis=1).mean() > 0.2:
        raise Wrong("Neighbours are changed alike. Each image needs random numbers of its own.")
    if len(np.unique(moves, axis=0)) < 40:
        raise Wrong(
            "Moves down and moves to the right go together: of their 25 combinations some never "
            "occur. Each of the two needs a random number of its own."
        )
    together = np.abs(np.corrcoef(moves.T) - np.eye(3)).max()
    if together > 0.3:
        raise Wrong(
            "Mirroring, moving down and moving right go together: from one of them another one "
            "can be told. Each of the three needs a random number of its own."
        )


def _worded(name: str, drawn: int) -> str:
    if name == "mirrored":
        return "all of them" if drawn else "none of them"
    return f"by {drawn}"


def _not_by_place(first: np.ndarray, again: np.ndarray) -> None:
    alike = (first == again).mean(axis=0)
    if not 0.35 < alike[0] < 0.65 or alike[1:].max() > 0.8:
        raise Wrong(
            "A second call with the same generator changes the same images in the same way. Either "
            "the place in the batch decides, or your function makes a generator of its own, with "
            "a fixed seed. Then each image would be changed alike in every epoch."
        )


# A schedule

RISE = 0.3  # of the steps
FIRST, LAST = 0.2, 0.02  # at most, of the highest rate


def one_cycle_rates(answer: object) -> None:
    """Asks for a function that gives the learning rates of all steps: up, and down to nothing."""
    cases = ((20, 0.5), (57, 0.3), (100, 0.01), (240, 0.004))
    results = [result_of(answer, *case) for case in cases]
    _need_all(results)
    for (steps, highest), rates in zip(cases, results, strict=True):
        if hasattr(rates, "__next__"):  # of a function with yield
            rates = run(lambda rates=rates, steps=steps: list(islice(rates, steps + 1)))
        try:
            _is_a_row(as_array(rates), steps)
            _is_one_cycle(as_array(rates).astype(float), np.arange(steps), steps, highest)
        except Wrong as wrong:
            raise Wrong(f"Called with {steps} steps and {highest}: {wrong}") from None


def _is_a_row(rates: np.ndarray, steps: int) -> None:
    if rates.shape != (steps,):
        found = f"the shape {rates.shape}" if rates.ndim else "one number"
        raise Wrong(f"Expected a row of {steps} rates, one for each step. Received: {found}.")


def _is_one_cycle(rates: np.ndarray, places: np.ndarray, steps: int, highest: float) -> None:
    """Hold learning rates at some steps, not all of which need be given, against one cycle."""
    little, gap = 1e-6 * highest, np.diff(places).max() - 1
    top = rates.max()
    peaks = places[rates >= top - little]
    if rates.min() < -little:
        raise Wrong(f"The rate is negative at step {places[rates.argmin()]}: {rates.min():.3g}.")
    if np.ptp(rates) <= little:
        raise Wrong(f"The rate is the same at all steps: {rates[0]:.3g}.")
    if not 1 - max(0.02, 2 / steps) <= top / highest <= 1.001:
        raise Wrong(f"Expected {highest:.3g} as the highest rate. Received: {top:.4g}.")
    if rates[0] > FIRST * highest + little:
        raise Wrong(
            f"Expected a rate at step 0 that is much lower than the highest. Received: "
            f"{rates[0]:.3g}."
        )
    beside = np.abs(peaks - RISE * steps)
    if beside.min() > 1.5 or beside.max() > 1.5 + gap:
        raise Wrong(
            f"Expected the highest rate after 30 % of the {steps} steps. Received: at step "
            f"{', '.join(map(str, sorted({peaks[0], peaks[-1]})))}, counted from 0."
        )
    change = np.diff(rates)
    peak = rates.argmax()
    if (change[:peak] < -little).any():
        raise Wrong("The rate falls before it has reached its highest value.")
    if (change[peak:] > little).any():
        raise Wrong("The rate rises again after its highest value.")
    for part, words in ((change[:peak], "rise up to"), (change[peak:], "fall from")):
        # One or two neighbours may be alike, at the top or where the steps are very many.
        if (np.abs(part) <= little).sum() > 2 + len(part) // 10 or np.abs(part).max() > 0.5 * top:
            raise Wrong(f"The rate does not {words} its highest value step by step.")
    if rates[-1] > max(LAST, 1.5 / ((1 - RISE) * steps)) * highest + little:
        raise Wrong(
            f"Expected nearly 0 at the last step. Received: {rates[-1]:.3g}, and the highest rate "
            f"is {highest:.3g}."
        )


def follows_one_cycle(steps: int, highest: float) -> Property:
    """Asks for a compiled model whose optimizer changes its rate in one cycle."""

    def check(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        optimizer = getattr(model, "optimizer", None)
        if optimizer is None:
            raise Wrong("Your network is not compiled yet, so it has no learning rate.")
        begun = int(optimizer.iterations)
        peak = round(RISE * steps)
        near = range(peak - 2, peak + 3)
        places = np.array(sorted({*range(0, steps, 20), *near, steps - 1}))
        try:
            rates = run(rates_at, optimizer, places)
        finally:
            optimizer.iterations.assign(begun)
        try:
            _is_one_cycle(rates, places, steps, highest)
        except Wrong as wrong:
            raise Wrong(f"The learning rate of the optimizer: {wrong}") from None

    return check


def rates_at(optimizer: keras.optimizers.Optimizer, places: Sequence[int]) -> np.ndarray:
    """The learning rate at each of these steps. The optimizer's count of steps is moved."""
    rates = []
    for place in places:
        optimizer.iterations.assign(place)
        rates.append(float(optimizer.learning_rate))
    return np.array(rates)
