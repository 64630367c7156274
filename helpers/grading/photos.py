"""Checks of functions that name photos, in the exercises of lessons 2 and 5.

It makes up photos, and networks that answer by what they see: brightness, order of the channels,
which side is up. So a step that is missing shows in the answer, and can be named.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from helpers.basics.quiet import quiet_tensorflow
from helpers.checking.functions import check_callable, function
from helpers.checking.limits import run
from helpers.checking.plain import NotAnswered, Wrong, plain, received

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
GREY, CYAN, MAGENTA, BLACK = (200, 200, 200), (0, 255, 255), (255, 0, 255), (0, 0, 0)
# What the eight EXIF orientations do to a photo: 1 is upright.
TURNED = {
    1: "upright", 2: "mirrored", 3: "upside down", 4: "mirrored and upside down",
    5: "mirrored and lying on one side", 6: "lying on one side",
    7: "mirrored and lying on the other side", 8: "lying on the other side",
}  # fmt: skip
ORIENTATION = 0x0112  # the EXIF tag
# How such a file stores its pixels: whether rows and columns change places, and the steps that
# rows and columns are then read with.
STORED = {
    1: (False, 1, 1), 2: (False, 1, -1), 3: (False, -1, -1), 4: (False, -1, 1),
    5: (True, 1, 1), 6: (True, -1, 1), 7: (True, -1, -1), 8: (True, 1, -1),
}  # fmt: skip
SAID = {
    "blue": "Red and blue are exchanged: in which order do the channels come? Pillow gives red "
    "first, OpenCV blue first.",
    "dark": "The model got pixels near 0. It scales them from 0..255 itself: are they divided "
    "before?",
    "grey": "Does the name stand at the place of the largest number, in the order in which the "
    "names are given?",
    "a corner of it": "The model saw only a corner of the photo. Resize it instead of cutting.",
    "the middle of it": "The model saw only the middle of the photo. Resize it instead of cutting.",
    "rows and columns mixed": "Rows and columns are mixed up. A photo that is turned after it was "
    "resized is as high as it should be wide, and `reshape` does not turn it.",
}


@dataclass(frozen=True, eq=False)
class _Photo:
    pixels: np.ndarray  # upright
    right: str  # its class
    words: str  # what it is
    mode: str = "RGB"
    orientation: int = 1
    told: str = ""  # what to look at where the answer is wrong

    def write(self, folder: Path, number: int) -> Path:
        """Save it as JPEG or PNG, lying as its orientation says."""
        lying = Image.fromarray(_lying(self.pixels, self.orientation)).convert(self.mode)
        if self.orientation == 1:
            path = folder / f"{number}.png"
            lying.save(path)
        else:
            path = folder / f"{number}.jpg"
            exif = Image.Exif()
            exif[ORIENTATION] = self.orientation
            lying.save(path, exif=exif, quality=95)
        return path


def _lying(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera with this orientation stores an upright picture."""
    swapped, down, right = STORED[orientation]
    pixels = pixels.swapaxes(0, 1) if swapped else pixels
    return np.ascontiguousarray(pixels[::down, ::right])


def _plain(height: int, width: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), colour, dtype="uint8")


def _quarters(height: int, width: int) -> np.ndarray:
    """Another colour in each corner, so that each way of turning it looks different.

    The middle has a colour of its own, so that it shows where only the middle is left.
    """
    pixels = _plain(height, width, RED)
    pixels[:, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    pixels[height // 3 : -height // 3, width // 3 : -width // 3] = MAGENTA
    return pixels


def _half(height: int, width: int) -> np.ndarray:
    """Bright above, black below."""
    pixels = _plain(height, width, WHITE)
    pixels[height // 2 :] = 0
    return pixels


def _model(templates: dict[str, np.ndarray]) -> Any:
    """A network that names the picture, out of these, that is most like what it sees.

    The nearest picture T to x has the largest 2 x T - T T: that is a dense layer, with weights
    that nobody had to train.
    """
    with quiet_tensorflow():
        import keras

    shape = next(iter(templates.values())).shape

    class Network(keras.Sequential):
        """As Keras has it. It looks at the shape first, and takes no 0.1 s for one photo."""

        def __call__(self, inputs: Any, *more: object, **settings: object) -> Any:
            if not isinstance(inputs, keras.KerasTensor):
                _check_batch(tuple(np.shape(inputs)), shape)
            return super().__call__(inputs, *more, **settings)

        def predict(self, x: Any, *more: object, **settings: object) -> Any:
            x = x[0] if isinstance(x, list | tuple) and len(x) == 1 else x
            if hasattr(x, "shape") or isinstance(x, list):
                return keras.ops.convert_to_numpy(self(np.asarray(x)))
            return super().predict(x, *more, **settings)

    flat = np.stack([each.ravel() / 255 for each in templates.values()]).astype("float32")
    network = Network(
        [
            keras.Input(shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(len(templates)),
        ]
    )
    network.layers[-1].set_weights([2 * flat.T, -(flat**2).sum(axis=1)])
    network.run_eagerly = True
    return network


def _check_batch(given: tuple, wanted: tuple[int, int, int]) -> None:
    """Say what is wrong with the shape of what the model is called with."""
    height, width, channels = wanted
    if given[1:] == wanted or (channels == 1 and given[1:] == (height, width)):
        return
    got = f"The model was called with the shape {given}, and its input shape is {(None, *wanted)}."
    if given in (wanted, (height, width)):
        raise Wrong(f"{got} It takes a batch, of one photo too: which axis is missing?")
    if given[-3:] == (channels, height, width):
        raise Wrong(f"{got} The channels come last in Keras.")
    if given[1:3] == (height, width):
        raise Wrong(
            f"{got} The channels do not fit. A file may be grey, or have a palette or a fourth "
            "channel: make what the model wants of it, colour or grey."
        )
    if given[1:3] == (width, height):
        raise Wrong(
            f"{got} Height and width are exchanged. Pillow's `resize` takes the width first. And "
            "a photo that is turned after it was resized has another shape again."
        )
    raise Wrong(f"{got} Was the photo resized to the height and the width that the model wants?")


IN_COLOUR = "The model wants colour. The file need not have three channels of it."
IN_GREY = "The model wants one channel: grey, made of all three colours."
LYING = "A note in the file (EXIF) says how the photo lies. It was not followed, or wrongly."


def _colours() -> dict[str, np.ndarray]:
    side = (32, 32)
    return {
        "grey": _plain(*side, GREY), "blue": _plain(*side, BLUE), "red": _plain(*side, RED),
        "dark": _plain(*side, BLACK),
    }  # fmt: skip


def _turned() -> dict[str, np.ndarray]:
    """A photo in each way that it can lie, and what is seen where it was cut and not squeezed."""
    wide = (24, 40)
    turned = {
        words: np.asarray(Image.fromarray(_lying(_quarters(80, 80), each)).resize(wide[::-1]))
        for each, words in reversed(TURNED.items())
    }
    return turned | {
        "a corner of it": _plain(*wide, RED), "the middle of it": _plain(*wide, MAGENTA),
        "rows and columns mixed": _quarters(*wide[::-1]).reshape(*wide, 3),
    }  # fmt: skip


def _greys() -> dict[str, np.ndarray]:
    half = _half(28, 28)[:, :, :1]
    return {
        "dark": np.zeros_like(half), "bright": np.full_like(half, 255), "bright above": half,
        "bright below": half[::-1], "bright at the left": half.swapaxes(0, 1),
        "bright at the right": half.swapaxes(0, 1)[:, ::-1],
    }  # fmt: skip


@functools.cache
def _tasks() -> list[tuple[Any, list[str], list[_Photo]]]:
    """Networks, the names of their classes, and photos to ask them about; simple ones first."""
    colours, turned, greys = _colours(), _turned(), _greys()
    of_colours, of_greys = _model(colours), _model(greys)
    return [
        (of_colours, list(colours), [
            _Photo(_plain(32, 32, RED), "red", "A red PNG photo, as large as the model wants it"),
        ]),
        (_model(turned), list(turned), [
            _Photo(_quarters(120, 180), "upright", "A PNG photo, 180 pixels wide and 120 high"),
            _Photo(_quarters(100, 64), "upright", "A JPEG photo that lies on its side in the "
                   "file", orientation=6, told=LYING),
            _Photo(_quarters(60, 80), "upright", "A JPEG photo that is upside down in the file",
                   orientation=3, told=LYING),
            _Photo(_quarters(90, 70), "upright", "A JPEG photo that lies on its other side in "
                   "the file", orientation=8, told=LYING),
            _Photo(_quarters(70, 90), "upright", "A JPEG photo that is mirrored in the file",
                   orientation=2, told=LYING),
            _Photo(_quarters(72, 88), "upright", "A JPEG photo that is mirrored and lies on its "
                   "side in the file", orientation=5, told=LYING),
            _Photo(_quarters(66, 90), "upright", "A JPEG photo that is mirrored and upside down in "
                   "the file", orientation=4, told=LYING),
            _Photo(_quarters(84, 70), "upright", "A JPEG photo that is mirrored and lies on its "
                   "other side in the file", orientation=7, told=LYING),
        ]),
        (of_colours, list(colours), [
            _Photo(_plain(50, 40, GREY), "grey", "A PNG photo in grey", "L", told=IN_COLOUR),
            _Photo(_plain(50, 40, RED), "red", "A red PNG photo with four channels", "RGBA",
                   told=IN_COLOUR),
            _Photo(_plain(50, 40, RED), "red", "A red PNG photo with a palette", "P",
                   told=IN_COLOUR),
        ]),
        (of_greys, list(greys), [
            _Photo(_plain(40, 50, CYAN), "bright", "A blue-green PNG photo, for a model that "
                   "wants grey", told=IN_GREY),
            _Photo(_plain(40, 50, (255, 120, 255)), "bright", "A pink PNG photo, for a model that "
                   "wants grey", told=IN_GREY),
            _Photo(_half(50, 40), "bright above", "A grey JPEG photo that lies on its side, for "
                   "a model that wants grey", "L", 8, told=LYING),
        ]),
    ]  # fmt: skip


def names_photos(answer: object) -> None:
    """Ask for a function that gets a path, a model and names, and gives the name of the class."""
    check_callable(answer, 3)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        number = 0
        for model, names, photos in _tasks():
            for photo in photos:
                number += 1
                path = photo.write(Path(folder), number)
                before = path.read_bytes()
                try:
                    given = run(answer, str(path), model, list(names))
                except Wrong as wrong:
                    raise Wrong(f"{photo.words}: {wrong}") from None
                if number == 1 and (given is None or given is ...):
                    raise NotAnswered
                _compare_name(given, photo, names)
                if not path.exists() or path.read_bytes() != before:
                    raise Wrong("Your function changes the file. Work on what was read from it.")


def _compare_name(given: object, photo: _Photo, names: list[str]) -> None:
    given = plain(given)
    if isinstance(given, str) and given == photo.right:
        return
    if given is None:
        raise Wrong(f"{photo.words}: it gives nothing. Is there a `return` for this case?")
    if not isinstance(given, str):
        raise Wrong(
            f"{photo.words}: expected one name out of {', '.join(names[:3])} ... "
            f"Received: {received(given)}."
        )
    look = (
        (SAID.get(given) if given == "rows and columns mixed" else photo.told)
        or SAID.get(given)
        or ("Is what the model gets still the photo, with rows as rows and columns as columns?")
    )
    if given not in names:
        look = "That is none of the names that it was given."
    raise Wrong(f"{photo.words}: the answer was {received(given)}. {look}")


# A network that scales its pixels itself. Its classes are told by their brightness.

MIDDLES = np.array([0.1, 0.5, 0.9])


def _bright_and_dark(count: int) -> np.ndarray:
    """Every brightness, and no photo that lies between two classes."""
    levels = np.resize([230, 20, 130, 250, 5, 120, 140, 225, 40], count)
    noise = np.random.default_rng(count).integers(-5, 6, (count, 8, 6, 1))
    return (levels[:, np.newaxis, np.newaxis, np.newaxis] + noise).astype(np.uint8)


def _class_by_brightness(photos: np.ndarray) -> np.ndarray:
    return np.abs(photos.mean(axis=(1, 2, 3))[:, np.newaxis] / 255 - MIDDLES).argmin(axis=1)


def _logits(photos: np.ndarray) -> np.ndarray:
    return 2 * photos.mean(axis=(1, 2, 3))[:, np.newaxis] / 255 * MIDDLES - MIDDLES**2


@functools.cache
def _network_by_brightness() -> Any:
    import keras

    class Network(keras.Sequential):
        __name__ = "model"  # as messages call it

        def __deepcopy__(self, memo: dict) -> Network:  # each call gets this one
            return self

    return Network(
        [
            keras.Input((8, 6, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(MIDDLES)),
        ]
    )


def scales_once(answer: object) -> None:
    """Asks for a function of (model, photos) that gives the number of the class of each photo."""
    network = _network_by_brightness()
    network.set_weights([2 * MIDDLES[np.newaxis], -(MIDDLES**2)])
    told = [
        (lambda model, photos: _class_by_brightness(photos / 255),
         "It gives class 0 to every photo, the bright ones too. Try it: give the model "
         "`photos[:1]` and then `photos[:1] / 255.0`, and compare the logits. In which layer are "
         "the pixels scaled?"),
        (lambda model, photos: _logits(photos).argmax(axis=0),
         "It looks for the largest number among the photos. It is asked for among the classes, "
         "for each photo."),
        (lambda model, photos: _logits(photos),
         "These are the logits. Asked for is the number of the class, for each photo."),
    ]  # fmt: skip
    cases = [(network, _bright_and_dark(count)) for count in (2, 35)]
    function(lambda model, photos: _class_by_brightness(photos), cases, told=told)(answer)
