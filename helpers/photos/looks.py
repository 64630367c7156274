"""Whether there is anything to see in a picture: blank, very dark, blurred, tiny. Lesson 2.

    suspects = may_show_nothing(pictures, thumbnails)         # a fast look at many
    remark = shows_nothing(pictures[0], thumbnails[0])        # a whole look at one

Measured on pictures that are as they should be: of the 22,000 bundled Fashion-MNIST pictures
(28 x 28), of CIFAR-10's 60,000 (32 x 32, as JPEG) and of 416 others, up to 2,000 pixels wide, none
was noted that shows something. In the first two the nearest ones to the limits have a brightest
spot of 41, colours that vary by 8 grey levels, and a steepest step of 0.2. One in a hundred needs
a whole look.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.photos.remarks import Refused, Remark
from helpers.photos.thumbnails import of_same_shape

FEWEST_PIXELS = 4  # a side
LONGEST = 8  # times the shorter side
SPOTS = 8  # a side; a spot of a picture is as large as a dot of its thumbnail
DARK = 40  # grey levels, of the brightest spot
FLAT = 2.0  # grey levels: the standard deviation of a colour,
SPREAD = 16  # where its spots differ by less than this
# The largest difference between two neighbours, as a share of that between the darkest and the
# brightest. A sharp edge has nearly 1; blurred by a Gaussian of 2.7 pixels, it has 0.15.
SOFT = 0.15
EVERY = 4  # rows: so many are enough to see that most pictures are sharp


def about_shape(pixels: np.ndarray) -> list[Remark]:
    """A remark on a very long picture; raises Refused for one of nearly no pixels.

    Introduced in lesson 2.
    """
    height, width, _ = pixels.shape
    shorter, longer = (width, height) if width < height else (height, width)
    if shorter >= FEWEST_PIXELS and longer <= LONGEST * shorter:
        return []
    shape = f"It has {width} x {height} pixels."
    if shorter < FEWEST_PIXELS:
        raise Refused("tiny", shape)
    return [("very long", shape)]


def may_show_nothing(pictures: Sequence[np.ndarray], thumbnails: np.ndarray) -> list[int]:
    """The indices of those pictures that need a whole look.

    Args:
        pictures: uint8, each (height, width, 3).
        thumbnails: uint8, (pictures, 8, 8, 3), of the same.

    Introduced in lesson 2.
    """
    suspect = thumbnails.max(axis=(1, 2, 3), initial=0) < DARK
    for (_, width, _), indices in of_same_shape(pictures):
        rows = np.concatenate([pictures[index][::EVERY, :, 1] for index in indices])
        rows = rows.reshape(len(indices), -1, width)
        suspect[indices] |= _steepest(rows[..., :-1], rows[..., 1:]) < SOFT * 255
    return np.flatnonzero(suspect).tolist()


def shows_nothing(picture: np.ndarray, thumbnail: np.ndarray) -> Remark | None:
    """What is to be said about a picture of at most some hundred pixels a side.

    Args:
        picture: uint8, (height, width, 3).
        thumbnail: uint8, (8, 8, 3).

    Introduced in lesson 2.
    """
    varies = 255.0
    if np.ptp(thumbnail, axis=(0, 1)).max() < SPREAD:
        varies = picture.std(axis=(0, 1)).max()
    if varies < FLAT:
        cause = f"Nearly all of it has one colour: it varies by {varies:.1f} grey levels of 255."
        return "blank", cause
    if (brightest := int(thumbnail.max())) < DARK:
        cause = (
            f"The brightest of its {SPOTS**2} parts has a mean of {brightest}, and white has 255."
        )
        return "very dark", cause
    if all(map(_is_soft, np.moveaxis(picture, -1, 0))):  # in red light, green alone is no picture
        return "blurred", "It has no sharp edge anywhere, not even when it is made small."
    return None


def _is_soft(colour: np.ndarray) -> bool:
    """Whether no step between two neighbours, down or across, is steep in this colour."""
    steps = (_steepest(turned[None, :-1], turned[None, 1:])[0] for turned in (colour, colour.T))
    return max(steps) <= SOFT * (int(colour.max()) - int(colour.min()))


def _steepest(one: np.ndarray, next_to_it: np.ndarray) -> np.ndarray:
    """The largest difference between neighbours in each picture, (pictures,)."""
    steps = np.maximum(one, next_to_it) - np.minimum(one, next_to_it)
    return steps.reshape(len(steps), -1).max(axis=1, initial=0)
