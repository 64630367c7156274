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
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from PIL import Image

from helpers.photos.formats import TEXT_BYTES
from helpers.photos.remarks import Remark

# All pixels at once would need the memory thrice.
PIXELS_AT_ONCE = 1 << 22
# Pillow cuts the colours of a PNG with 16 bits a colour down to 8. Unpacked as if they lay the
# other way round, they give the other 8; a grey and an alpha value of 16 bits are four bytes.
OTHER_HALF = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}
MOST = {"L;2": 3, "L;4": 15}  # the largest grey value, where there are 2 or 4 bits
DARK = 64  # grey levels: cameras and scanners give 10, 12 or 14 of the 16 bits
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
        image: opened by Pillow, best not yet loaded.
        reopened: gives the same once more.

    Returns:
        uint8, (height, width, 3); and a list of remarks, each a kind and a cause.

    Introduced in lesson 2.
    """
    tile = getattr(image, "tile", None)  # one that was made has none
    layout = tile[0].args if tile else ""
    inside = image.tile[0].extents if image.format == "GIF" else None
    image.load()
    halves = [image]
    if image.format == "PNG" and layout in OTHER_HALF:
        halves.append(other := reopened())
        other.tile = [other.tile[0]._replace(args=OTHER_HALF[layout])]
    if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
        halves = [image.convert("RGB")]  # no program takes alpha that is 0 everywhere for that
    pixels, remarks = _in_pieces(halves, layout, image.info.get("icc_profile"))
    if halves[0] is not image:
        remarks.append(("extra data", "It calls all of itself transparent. That was passed over."))
    if inside is not None:  # a GIF need not cover its whole screen: what it leaves free is white
        left, top, right, bottom = inside
        pixels[:top] = pixels[bottom:] = pixels[:, :left] = pixels[:, right:] = 255
    if str(layout).endswith(";16B") and 0 < pixels.max() < DARK:
        cause = "Its numbers may go up to 65,535, and none is a quarter of that: nearly black."
        remarks.append(("very dark", cause))
    return pixels, remarks + _colours_unused(image)


def with_profile(pixels: np.ndarray, image: Image.Image) -> tuple[np.ndarray, list[Remark]]:
    """The pixels of a JPEG file that were decoded by another library, in sRGB as well.

    Introduced in lesson 2.
    """
    if not (profile := image.info.get("icc_profile")):
        return pixels, _colours_unused(image)
    transform, remarks = _to_srgb(profile, image.mode)
    if transform is not None:
        pixels, _ = _in_pieces([Image.fromarray(pixels).convert(image.mode)], "", profile)
    return pixels, list(remarks)


def _in_pieces(
    halves: list[Image.Image], layout: str, profile: bytes | None
) -> tuple[np.ndarray, list[Remark]]:
    width, height = halves[0].size
    pixels, remarks = np.empty((height, width, 3), np.uint8), ()
    at_once = max(PIXELS_AT_ONCE // width, 1)
    for top in range(0, height, at_once):
        box = (0, top, width, min(top + at_once, height))
        parts = [half.crop(box) if at_once < height else half for half in halves]
        colours, alpha = _colours_and_alpha(parts, layout)
        transform = None
        if profile:
            transform, remarks = _to_srgb(profile, colours.mode)
        piece = colours.convert("RGB") if transform is None else transform(colours)
        if alpha is not None:
            white = Image.new("RGB", piece.size, "white")
            white.paste(piece, mask=alpha)
            piece = white
        pixels[top : top + at_once] = np.asarray(piece)
    return pixels, list(remarks)


def _colours_and_alpha(
    halves: list[Image.Image], layout: str
) -> tuple[Image.Image, Image.Image | None]:
    """The colours of an image (L, RGB or CMYK), and how opaque each is, if any is not."""
    image = halves[0]
    if len(halves) == 2 or image.mode.startswith("I"):
        return _rounded(_of_sixteen_bits(halves, layout), image.info.get("transparency"))
    if layout in MOST and "transparency" in image.info:  # Pillow spreads the pixels, but not this
        through = image.info["transparency"] & MOST[layout]
        image.info["transparency"] = through * 255 // MOST[layout]
    kind = "L" if image.mode in ("1", "L", "LA") else "RGB"
    if image.has_transparency_data:
        image = image.convert(f"{kind}A")
        return image.convert(kind), image.getchannel("A")
    return image if image.mode == "CMYK" else image.convert(kind), None


def _opaque(values: np.ndarray, through: int | tuple[int, ...]) -> Image.Image:
    """A mask of 255 where the colour is another than the one that is transparent."""
    different = np.atleast_3d(values) != np.asarray(through)
    return Image.fromarray(different.any(axis=-1).astype(np.uint8) * 255)


def _of_sixteen_bits(halves: list[Image.Image], layout: str) -> np.ndarray:
    """uint16, (height, width, 1 to 4)."""
    parts = [np.atleast_3d(np.asarray(half)) for half in halves]
    if len(parts) == 1:
        return parts[0].astype(np.uint16)
    if layout == "LA;16B":
        return parts[1].view(">u2").astype(np.uint16)
    return parts[0].astype(np.uint16) << 8 | parts[1]


def _rounded(
    values: np.ndarray, through: int | tuple[int, ...] | None
) -> tuple[Image.Image, Image.Image | None]:
    """Values of 16 bits as 8-bit colours, and how opaque each is."""
    rounded = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    image = Image.fromarray(rounded if rounded.shape[2] > 1 else rounded[..., 0])
    if image.mode in ("LA", "RGBA"):
        return image.convert(image.mode[:-1]), image.getchannel("A")
    return image, None if through is None else _opaque(values, through)


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
