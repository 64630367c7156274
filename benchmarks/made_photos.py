"""Photos as a telephone makes them, for benchmarks: large, noisy, lying on their side.

They are the practice photos of lesson 7, enlarged, with noise. The same call makes the same files.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageOps

from helpers.lessons import make_practice_photos

LARGE, SMALL = (4032, 3024), (1152, 864)  # pixels: 12 and 1 million
ORIENTATION, TURNED = 0x0112, 6  # EXIF: what is stored lies on its left side
QUALITY = 88
NOISE = 40  # grey levels from the darkest to the brightest


def telephone_photos(
    folder: Path, classes: tuple[str, ...], each: int, size: tuple[int, int], seed: int = 0
) -> list[Path]:
    """Write folder/class/IMG_1000.jpg and so on, `each` of every class, and give their paths.

    Every second one was held upright: its pixels lie on their side, and EXIF says so.
    """
    with TemporaryDirectory() as beside:
        small = make_practice_photos(Path(beside, "small"), each=each, faults=False, seed=seed)
        return [*_enlarged(small, folder, classes, size, seed)]


def _enlarged(
    small: Path, folder: Path, classes: tuple[str, ...], size: tuple[int, int], seed: int
) -> Iterator[Path]:
    rng, numbers = np.random.default_rng(seed), count(1000)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for source, number in zip(sorted((small / name).iterdir()), numbers, strict=False):
            with Image.open(source) as opened:
                upright = ImageOps.exif_transpose(opened).convert("RGB")
            exif = Image.Exif()
            if number % 2:
                upright = upright.transpose(Image.Transpose.ROTATE_90)
                exif[ORIENTATION] = TURNED
            pixels = np.asarray(upright.resize(size, Image.Resampling.BICUBIC))
            noise = rng.integers(0, NOISE, pixels.shape, dtype=np.uint8)
            pixels = np.minimum(pixels, 255 - NOISE) + noise
            path = folder / name / f"IMG_{number}.jpg"
            Image.fromarray(pixels).save(path, "JPEG", quality=QUALITY, exif=exif)
            yield path
