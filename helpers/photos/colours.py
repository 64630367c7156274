"""From what a decoder gives to 8-bit RGB as screens show it: sRGB. Introduced in lesson 2.

    pixels, remarks = in_srgb(opened)          # of an image of Pillow that was just opened

What is transparent lies over white, 16 bits are rounded to 8, and a colour profile is used. The
arithmetic with profiles is LittleCMS's, which comes with Pillow.

Sources: the PNG specification, https://www.w3.org/TR/png-3/ (depths, the transparent colour,
gAMA); the ICC's, https://www.color.org/specification/ICC.1-2022-05.pdf (the head of a profile).
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from helpers.photos.formats import TEXT_BYTES
from helpers.photos.remarks import Remark

PIECE = 1 << 22  # pixels that are worked on at once: all at once, they would need memory thrice
# Pillow cuts the colours of a PNG with 16 bits a colour down to 8. Unpacked as if they lay the
# other way round, they give the other 8; a grey and an alpha value of 16 bits are four bytes.
OTHER_HALF = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}
MOST = {"L;2": 3, "L;4": 15}  # the largest grey value, where there are 2 or 4 bits
DARK = 1 << 14  # of 65,536: cameras and scanners give 10, 12 or 14 bits
# The colour space that a profile is for, as it says itself, in Pillow's words.
SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
SAME = 2  # grey levels that a profile may differ by from sRGB and still be called that
WHITE, GREY = 240, 32  # grey levels: white has as many, the colours of a grey differ by less
SRGB_GAMMA = 0.45455
SRGB_PLACES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue
NEAR_GAMMA, NEAR_PLACE = 0.01, 0.01
ADOBE_RGB = b"R03\0"  # in the EXIF data of cameras that write no profile
SRGB_CODE = bytes((1, 13))  # which red, green and blue, and which brightness


def in_srgb(
    image: Image.Image, reopened: Callable[[], Image.Image]
) -> tuple[np.ndarray, list[Remark]]:
    """The pixels of an image.

    Args:
        image: opened by Pillow, and not yet loaded.
        reopened: gives the same once more.

    Returns:
        uint8, (height, width, 3); and a list of remarks, each a kind and a cause.

    Introduced in lesson 2.
    """
    layout = image.tile[0].args if image.tile else ""
    inside = image.tile[0].extents if image.format == "GIF" else None
    image.load()
    halves = [image]
    if image.format == "PNG" and layout in OTHER_HALF:
        halves.append(other := reopened())
        other.tile = [other.tile[0]._replace(args=OTHER_HALF[layout])]
        other.load()
    if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
        halves = [image.convert("RGB")]  # no program takes alpha that is 0 everywhere for that
    pixels, remarks = _in_pieces(halves, layout, image.info.get("icc_profile"))
    if halves[0] is not image:
        remarks.append(("extra data", "It calls all of itself transparent. That was passed over."))
    if inside is not None:
        _whiten_around(pixels, inside)
    if image.format == "PNG" and str(layout).endswith(";16B"):
        remarks += _few_of_sixteen_bits(image)
    return pixels, remarks + _colours_unused(image)


def with_profile(pixels: np.ndarray, image: Image.Image) -> tuple[np.ndarray, list[Remark]]:
    """The pixels of a JPEG file that were decoded by another library, in sRGB as well.

    Introduced in lesson 2.
    """
    if not (profile := image.info.get("icc_profile")):
        return pixels, _colours_unused(image)
    transform, remarks = _to_srgb(profile, image.mode)
    if transform is None:
        return pixels, list(remarks)
    changed = np.empty_like(pixels)
    for rows in _pieces(*pixels.shape[:2]):
        piece = Image.fromarray(pixels[rows])
        changed[rows] = np.asarray(transform(piece.convert(image.mode)))
    return changed, list(remarks)


def _pieces(height: int, width: int) -> Iterator[slice]:
    """So many rows at a time."""
    rows = max(PIECE // width, 1)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def _in_pieces(
    halves: list[Image.Image], layout: str, profile: bytes | None
) -> tuple[np.ndarray, list[Remark]]:
    width, height = halves[0].size
    pixels, remarks = np.empty((height, width, 3), np.uint8), ()
    for rows in _pieces(height, width):
        box = (0, rows.start, width, rows.stop)
        parts = [half.crop(box) if rows.stop - rows.start < height else half for half in halves]
        colours, alpha = _colours_and_alpha(parts, layout)
        transform = None
        if profile:
            transform, remarks = _to_srgb(profile, colours.mode)
        piece = colours.convert("RGB") if transform is None else transform(colours)
        if alpha is not None:
            white = Image.new("RGB", piece.size, "white")
            white.paste(piece, mask=alpha)
            piece = white
        pixels[rows] = np.asarray(piece)
    return pixels, list(remarks)


def _colours_and_alpha(
    halves: list[Image.Image], layout: str
) -> tuple[Image.Image, Image.Image | None]:
    """The colours of an image (L, RGB or CMYK), and how opaque each is, if any is not."""
    image = halves[0]
    if len(halves) == 2 or image.mode.startswith("I"):
        return _rounded(_deep(halves, layout), image.info.get("transparency"))
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("LA", "RGBA"):
        return image.convert(image.mode[:-1]), image.getchannel("A")
    through = image.info.get("transparency")
    if image.mode == "1":
        image = image.convert("L")
    if through is None or image.mode not in ("L", "RGB"):
        return image, None
    if layout in MOST:  # Pillow spreads the values of the pixels, and this one not
        through = (through & MOST[layout]) * 255 // MOST[layout]
    return image, _opaque(np.asarray(image), through)


def _opaque(values: np.ndarray, through: int | tuple[int, ...]) -> Image.Image:
    """A mask of 255 where the colour is another than the one that is transparent."""
    values = values.reshape(*values.shape[:2], -1)
    return Image.fromarray((values != np.asarray(through)).any(axis=-1).astype(np.uint8) * 255)


def _deep(halves: list[Image.Image], layout: str) -> np.ndarray:
    """uint16, (height, width, 1 to 4)."""
    if len(halves) == 1:
        return np.asarray(halves[0]).astype(np.uint16)[..., None]
    high, low = map(np.asarray, halves)
    if layout == "LA;16B":
        return low.view(">u2").astype(np.uint16)
    return high.astype(np.uint16) << 8 | low


def _rounded(
    values: np.ndarray, through: int | tuple[int, ...] | None
) -> tuple[Image.Image, Image.Image | None]:
    """Values of 16 bits as 8-bit colours, and how opaque each is."""
    mask = None if through is None else _opaque(values, through)
    rounded = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if rounded.shape[2] in (2, 4):
        mask = Image.fromarray(np.ascontiguousarray(rounded[..., -1]))
        rounded = rounded[..., :-1]
    rounded = rounded[..., 0] if rounded.shape[2] == 1 else rounded
    return Image.fromarray(np.ascontiguousarray(rounded)), mask


def _few_of_sixteen_bits(image: Image.Image) -> list[Remark]:
    if image.mode.startswith("I"):
        most = image.getextrema()[1]
    else:
        most = max(most for _, most in image.getextrema()[:3]) << 8
    if not 0 < most < DARK:
        return []
    cause = f"Its numbers could go up to 65,535, and none is larger than {DARK:,}: nearly black."
    return [("very dark", cause)]


def _whiten_around(pixels: np.ndarray, inside: tuple[int, int, int, int]) -> None:
    """A GIF need not cover its whole screen: what it leaves free is transparent."""
    left, top, right, bottom = inside
    pixels[:top] = pixels[bottom:] = 255
    pixels[:, :left] = pixels[:, right:] = 255


@functools.lru_cache(maxsize=16)
def _to_srgb(
    profile: bytes, mode: str
) -> tuple[Callable[[Image.Image], Image.Image] | None, tuple[Remark, ...]]:
    """What turns colours of this mode into sRGB: None if they are, or if the profile is no use."""
    from PIL import ImageCms

    space = SPACES.get(profile[16:20])
    if space != mode and (space, mode) != ("RGB", "L"):
        cause = "Its colour profile is one for other images than this, and was not used."
        return None, (("colour profile", cause),)
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            space,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        transform = None
    change = None if transform is None else _largest_change(transform, space)
    if change is None:
        cause = "Its colour profile cannot be read, and was not used."
        return None, (("colour profile", cause),)
    if change <= SAME:
        return None, ()
    return lambda image: transform.apply(image.convert(space)), ()


def _largest_change(transform: object, space: str) -> int | None:
    """How many grey levels many colours differ in sRGB from what they are without a profile.

    Most profiles are sRGB's own, and change nothing. None for one that no screen or camera can
    have: its white is not white, or its greys are coloured.
    """
    if space == "CMYK":  # nothing to compare with
        return 255
    steps = np.arange(0, 256, 17, np.uint8)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    many = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(16, 256, 3)
    colours = greys if space == "L" else np.concatenate([greys, many])
    shown = np.asarray(transform.apply(Image.fromarray(colours).convert(space))).astype(int)
    coloured = np.ptp(shown[0], axis=-1).max()
    if shown[0, 255].min() < WHITE or coloured > GREY:
        return None
    return int(abs(shown - colours).max())


def _colours_unused(image: Image.Image) -> list[Remark]:
    """What a file says about its colours in another way than by a profile."""
    info = image.info
    if info.get("icc_profile", "") is None:  # so Pillow says it of a JPEG file
        cause = "A piece of its colour profile is missing, and the rest was not used."
        return [("colour profile", cause)]
    if info.get("icc_profile") or "srgb" in info:
        return []
    gamma, places = info.get("gamma"), info.get("chromaticity")
    if ADOBE_RGB in info.get("exif", b""):
        said = "Its EXIF data say that its colours are those of Adobe RGB"
    elif gamma is not None and abs(gamma - SRGB_GAMMA) > NEAR_GAMMA:
        said = f"It asks for another brightness (gAMA {gamma:.5f}, and screens have {SRGB_GAMMA})"
    elif places and np.abs(np.subtract(places, SRGB_PLACES)).max() > NEAR_PLACE:
        said = "It says that its red, green and blue are others than those of screens (cHRM)"
    else:
        return []
    return [("other colours", f"{said}, and has no colour profile. That was not used.")]


def coded_colours(file: BinaryIO) -> list[Remark]:
    """What a PNG file says by numbers about its colours, such as of wide or very bright ones."""
    file.seek(0)
    head = file.read(TEXT_BYTES).partition(b"IDAT")[0]
    _, said, code = head.partition(b"cICP")
    if not said or code[:2] == SRGB_CODE:
        return []
    cause = "It says that its colours are others than those of screens (cICP). That was not used."
    return [("other colours", cause)]
