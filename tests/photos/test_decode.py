"""Single image files: every fault that real ones have, made here as real files.

What a decoded image must look like is compared with pixels that are known beforehand, not
with what Pillow makes of the same file.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from made_images import (
    ADOBE,
    NOISE,
    WIDE,
    chunk,
    encoded,
    fill,
    found,
    photo,
    picture,
    png,
    profile,
    profile_of_inks,
    state,
    with_segment,
    write,
)
from PIL import Image, ImageCms, ImageFile, ImageFilter

from helpers import check_folder, load_dataset
from helpers.basics.errors import FolderError
from helpers.folders import findings as images
from helpers.folders.examine import read_images
from helpers.photos import colours as colours_module
from helpers.photos import damage, decode, processes
from helpers.photos import remarks as remarks_module
from helpers.photos.processes import in_processes


def png_of(size: int) -> bytes:
    """A valid PNG of size x size black dots in about 49 KB, made by hand."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (size + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(size)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def flipped(content: bytes, position: float) -> bytes:
    changed = bytearray(content)
    changed[int(len(changed) * position)] ^= 0x55
    return bytes(changed)


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    brands = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(100)


def animation(kind: str) -> bytes:
    return encoded(picture(60), kind, save_all=True, append_images=[picture(61)])


COLOURS = np.asarray(picture(50))
INTEROP = Image.Exif()
INTEROP.get_ifd(0x8769)[0xA005] = {1: "R03"}  # how cameras say Adobe RGB

# file name, content, kind of the finding; these cannot be used and can be set aside
UNUSABLE = [
    ("a.jpg", b"", "zero bytes"),
    ("a.heic", b"", "zero bytes"),
    ("a.jpg", b"this is text", "no image content"),
    ("a.png", b"<html>404</html>", "no image content"),
    ("a.bmp", b"BM", "no image content"),
    ("a.gif", b"\0" * 1000, "no image content"),
    ("a.jpg", b"\xff\xd8", "no image content"),
    *((f"a.{kind.lower()}", encoded(NOISE, kind)[:-600], "truncated")
      for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF")),
    ("a.jpg", encoded(NOISE, "JPEG")[:300], "truncated"),
    ("a.jpg", encoded(NOISE, "JPEG")[:20], "damaged"),  # with its first segment, which is whole
    ("a.jpg", b"\xff\xd8\xff" + b"junk" * 100, "damaged"),
    ("a.png", b"\x89PNG\r\n\x1a\n" + b"junk" * 100, "truncated"),
    ("a.gif", b"GIF89a" + b"\xff" * 5, "damaged"),
    *((f"a{at}.png", flipped(encoded(NOISE), at), "damaged") for at in (0.1, 0.3, 0.6, 0.9)),
    ("a.heic", ftyp(b"heic", b"mif1"), "format"),
    ("a.jpg", ftyp(b"mif1", b"heic"), "format"),
    ("a.bin", ftyp(b"heix"), "format"),
    ("a.avif", encoded(picture(50), "AVIF"), "format"),
    ("a.png", encoded(picture(50), "AVIF"), "format"),
    ("a.tif", encoded(picture(50), "TIFF"), "format"),
    ("a.jpg", encoded(picture(50), "TIFF"), "format"),
    ("a.jp2", encoded(picture(50), "JPEG2000"), "format"),
    ("a.ppm", encoded(picture(50), "PPM"), "format"),
    ("a.ico", encoded(picture(50), "ICO"), "format"),
    ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format"),
    ("a.CR2", b"anything", "format"),
    ("a.png", picture(50, (1, 1)), "tiny"),
    ("a.png", picture(50, (3, 100)), "tiny"),
    ("a.png", picture(50, (100, 3)), "tiny"),
    *(("a.jpg", encoded(picture(50).convert(mode), kind), "format") for kind, mode in (
        ("PPM", "RGB"), ("PPM", "L"), ("PPM", "1"), ("ICO", "RGB"), ("PDF", "RGB"), ("EPS", "RGB"),
        ("JPEG2000", "RGB"))),
    *(("a.jpg", encoded(picture(50), kind), "no image content") for kind in ("TGA", "PCX", "SGI")),
    ("a.tga", encoded(picture(50), "TGA"), "format"),
    *(("a.jpg", content, "format") for content in (
        b"\xff\x0a" + bytes(50), b"\xff\x4f\xff\x51" + bytes(50), b"<svg width='9'/>",
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made -->\n<svg\n width='9'>",
        b"II+\0\x08\0\0\0" + bytes(50), bytes(128) + b"DICM" + bytes(50), b"8BPS" + bytes(50),
        b"FUJIFILMCCD-RAW 0201", b"FOVb\0\0\2", b"IIU\0\x18\0", ftyp(b"crx "))),
    ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI" + bytes(50), "format"),
    ("a.jpg", encoded(NOISE, "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
     "format"),  # 12 bits a colour
    ("a.dcm", bytes(128) + b"DICM" + bytes(50), "format"),
    ("a.x3f", b"anything", "format"),
    ("a.svgz", b"\x1f\x8b" + bytes(50), "format"),
    ("a.jpg", b"PK\3\4" + bytes(50), "archive"),
    ("a.png", b"\x1f\x8b" + bytes(50), "archive"),
    ("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git LFS pointer"),
    ("a.heic", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git LFS pointer"),
    ("a.heic", b"\n<!DOCTYPE html><html>", "no image content"),
    ("a.jpg", ftyp(b"isom", b"mp42"), "no image content"),
    (".a.jpg.icloud", b"bplist00" + bytes(50), "iCloud placeholder"),
    ("a.webp", encoded(photo(1, 200), "WEBP", quality=95)[:-3000] + bytes(3000), "truncated"),
    ("a.webp", encoded(NOISE, "WEBP", lossless=True)[:-3000] + bytes(3000), "truncated"),
    ("a.webp", encoded(NOISE, "WEBP")[:-4], "truncated"),
    ("a.webp", encoded(NOISE, "WEBP")[:20].ljust(len(encoded(NOISE, "WEBP")), b"\xff"), "damaged"),
    ("a.jpg.part", encoded(NOISE, "JPEG")[:-600], "unfinished download"),
    ("a.JPG.crdownload", b"", "unfinished download"),
    ("Unconfirmed 7.crdownload", encoded(NOISE, "PNG")[:-600], "unfinished download"),
]  # fmt: skip

# these are used, with a note
NOTED = [
    ("a.png", encoded(picture(50), "JPEG"), "wrong ending"),
    ("a.jpg", encoded(picture(50), "GIF"), "wrong ending"),
    ("a.heic", encoded(picture(50), "JPEG"), "wrong ending"),
    ("a", encoded(picture(50), "PNG"), "wrong ending"),
    ("a.txt", encoded(picture(50), "BMP"), "wrong ending"),
    *((f"a.{kind.lower()}", animation(kind), "animated") for kind in ("GIF", "WEBP", "PNG")),
    ("a.png", picture(50, (4, 33)), "very long"),
    ("a.png", picture(50, (330, 40)), "very long"),
    ("a.png", picture(50, (8, 65)), "very long"),
    ("a.jpg", encoded(picture(50), "JPEG", exif=b"Exif\0\0garbage"), "damaged EXIF"),
    ("a.jpg", encoded(picture(50), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12"),
     "damaged EXIF"),
    ("a.webp", encoded(picture(50), "WEBP", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
     "damaged EXIF"),
    ("a.jpg", encoded(picture(50), "JPEG", icc_profile=b"nonsense" * 40), "colour profile"),
    ("a.png", encoded(picture(50), "PNG", icc_profile=ADOBE[:200]), "colour profile"),
    ("a.jpg", encoded(picture(50), "JPEG", icc_profile=ADOBE).replace(
        b"ICC_PROFILE\0\1\1", b"ICC_PROFILE\0\1\2"), "colour profile"),  # one of two
    ("a.jpg", encoded(picture(50).convert("CMYK"), "JPEG", icc_profile=ADOBE), "colour profile"),
    ("a.png", png(COLOURS, 8, 2, chunk(b"gAMA", struct.pack(">I", 100_000))), "other colours"),
    ("a.png", png(COLOURS, 8, 2, chunk(b"cHRM", struct.pack(
        ">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))), "other colours"),
    ("a.png", png(COLOURS, 8, 2, chunk(b"cICP", bytes((9, 16, 0, 1)))), "other colours"),
    ("a.jpg", encoded(picture(50), "JPEG", exif=INTEROP), "other colours"),
    *((f"a{kind}.{kind.lower()}", encoded(Image.new("RGB", (20, 30), 90), kind), "blank")
      for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF")),
    ("a.png", encoded(Image.fromarray(np.dstack([COLOURS, COLOURS[..., 0] * 0]))), "blank"),
    ("a.png", png(COLOURS[..., :1].astype(np.uint16) << 4, 16, 0), "very dark"),
    ("a.png", png(COLOURS.astype(np.uint16) << 2, 16, 2), "very dark"),
    ("a.png", Image.fromarray(COLOURS // 8), "very dark"),
    ("a.png", photo(3).point(lambda value: value // 8), "very dark"),
    ("a.png", photo(3).point(lambda value: 128 + value // 64), "blank"),
    ("a.png", Image.merge("RGB", [photo(3).getchannel(0).point(lambda value: 200 + value // 64),
                                  *2 * [Image.new("L", (160, 160))]]), "blank"),
    *((f"a{number}.jpg", encoded(photo(number, 400).filter(ImageFilter.GaussianBlur(12)), "JPEG"),
       "blurred") for number in range(3)),
    ("a.png", picture(50, (64, 64)).filter(ImageFilter.GaussianBlur(8)), "blurred"),
    ("a.png", Image.merge("RGB", [photo(3, 64).getchannel(0).filter(ImageFilter.GaussianBlur(8)),
                                  *2 * [Image.new("L", (64, 64))]]), "blurred"),
]  # fmt: skip

# these are left out, with a note
OTHERS = [
    ("notes.txt", b"remember"),
    ("empty.txt", b""),
    ("empty", b""),
    ("labels.csv", b"a,b\n"),
    ("BMW.txt", b"BMW is a make of car, and this a long text on it"),
    ("film.mp4", ftyp(b"isom", b"mp42")),
    ("all.zip", b"PK\x03\x04" + bytes(100)),
    ("all.zip.part", b"PK\x03\x04" + bytes(100)),
    ("manual.pdf", b"%PDF-1.7"),
    ("list.txt", b"P1 is the first of them"),
]


class TestSingleFiles:
    @pytest.mark.parametrize("odd", [None, (0, 0), (5, 9), (11, 15)])
    def test_that_all_has_one_colour_is_said_where_a_file_is_decoded_alone(self, tmp_path, odd):
        image = Image.new("RGB", (13, 16), (7, 8, 9))
        if odd:
            image.putpixel(odd, (7, 8, 10))
        image.save(tmp_path / "a.png")
        pixels, remarks = decode.decoded(tmp_path / "a.png")
        assert pixels.shape == (16, 13, 3)
        expected = [] if odd else [("blank", "All of it has the colour (7, 8, 9).")]
        assert remarks == expected

    def test_what_is_wrong_with_its_name_comes_first(self, tmp_path):
        path = write(tmp_path / "a.jpg", encoded(Image.new("RGB", (16, 16)), "PNG"))
        assert [kind for kind, _ in decode.decoded(path)[1]] == ["wrong ending", "blank"]

    @pytest.mark.parametrize("size", [(8, 64), (64, 8), (4, 4)])
    def test_eight_times_as_long_as_wide_is_not_very_long(self, photos, size):
        write(photos / "cat" / "a.png", picture(50, size))
        assert found(check_folder(photos)) == []

    @pytest.mark.parametrize(("name", "content", "kind"), UNUSABLE)
    def test_what_cannot_be_used_is_a_problem_until_it_is_set_aside(
        self, photos, name, content, kind
    ):
        write(photos / "cat" / name, content)
        before = state(photos)
        report = check_folder(photos)
        assert found(report) == [(f"cat/{name}", kind, "problem")]
        assert len(report.images) == 20
        aside = check_folder(photos, set_aside=True)
        assert found(aside) == [(f"cat/{name}", kind, "set aside")]
        assert aside.ok
        assert aside.images == report.images
        assert state(photos) == before

    @pytest.mark.parametrize(("name", "content", "kind"), NOTED)
    def test_what_is_odd_is_used_and_noted(self, photos, name, content, kind):
        write(photos / "cat" / name, content)
        report = check_folder(photos)
        assert found(report) == [(f"cat/{name}", kind, "note")]
        assert len(report.images) == 21
        assert load_dataset(photos).report.ok

    @pytest.mark.parametrize(("name", "content"), OTHERS)
    def test_other_files_are_left_out_and_noted(self, photos, name, content):
        write(photos / "cat" / name, content)
        report = check_folder(photos)
        assert found(report) == [(f"cat/{name}", "not an image", "note")]
        assert len(report.images) == 20

    @pytest.mark.parametrize(("width", "height"), [(4, 4), (4, 32), (32, 4), (320, 40)])
    def test_at_the_limits_there_is_nothing_to_say(self, photos, width, height):
        write(photos / "cat" / "new.png", picture(50, (width, height)))
        assert check_folder(photos).findings == ()

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_exif_data_that_say_nothing_are_no_fault(self, photos, kind, order):
        """As of Image.save(path, exif=image.getexif()) where there were none."""
        exif = Image.Exif()
        exif.endian = order
        write(photos / "cat" / f"a.{kind.lower()}", encoded(picture(50), kind, exif=exif.tobytes()))
        assert check_folder(photos).findings == ()

    @pytest.mark.parametrize(
        ("length", "zeros", "empty"),
        [(3_000, 1_024, True), (3_000, 1_023, False), (2_048, 1_500, False), (2_049, 1_500, True)],
    )
    def test_how_long_an_empty_end_is(self, length, zeros, empty):
        head = b"RIFF" + struct.pack("<I", length - 8) + b"WEBPVP8 "
        whole = head + b"\1" * (length - len(head) - zeros) + bytes(zeros)
        assert damage.ends_in_zeros(io.BytesIO(whole)) is empty

    def test_how_dark_a_very_dark_picture_is(self, photos):
        write(photos / "cat" / "a.png", photo(3).point(lambda value: value // 8))
        [note] = check_folder(photos).notes
        assert note.cause.startswith("The brightest of its 64 parts has a mean of ")

    def test_zeros_behind_the_picture_are_no_fault(self, photos):
        padded = encoded(photo(1, 200), "WEBP", exif=EXIF.tobytes() + bytes(3000))
        write(photos / "cat" / "new.webp", padded)
        write(photos / "dog" / "new.webp", encoded(photo(2, 200), "WEBP") + bytes(3000))
        assert check_folder(photos).findings == ()

    def test_what_is_sharp_in_one_colour_is_not_blurred(self, photos):
        glow = np.zeros((64, 64, 3), np.uint8)
        glow[..., 1] = np.linspace(0, 40, 64)
        glow[20:40, 20:40, 0] = 255
        write(photos / "cat" / "new.png", Image.fromarray(glow))
        assert check_folder(photos).findings == ()

    def test_what_is_sharp_and_pale_is_not_blurred(self, photos):
        pale = picture(50, (64, 64)).point(lambda value: 200 + value // 9)
        write(photos / "cat" / "new.png", pale)
        assert check_folder(photos).findings == ()

    def test_the_first_picture_of_an_animation_counts(self, photos, tmp_path):
        for kind in ("GIF", "WEBP", "PNG"):
            options = {"lossless": True} if kind == "WEBP" else {}
            content = encoded(
                picture(60), kind, save_all=True, append_images=[picture(61)], **options
            )
            assert pixels_of(tmp_path, f"a.{kind.lower()}", content).tolist() == (
                np.asarray(picture(60)).tolist()
            )

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
    def test_no_damage_ends_the_check(self, tmp_path, kind):
        content = encoded(NOISE, kind)
        fill(tmp_path, {"cat": 7, "dog": 7})
        random = np.random.default_rng(0)
        for number in range(60):
            changed = bytearray(content)
            for position in random.integers(0, len(content) if number % 2 else 120, 6):
                changed[position] = random.integers(256)
            write(tmp_path / "cat" / f"x{number}.{kind.lower()}", bytes(changed))
        report = check_folder(tmp_path, set_aside=True)
        named = {image.path.name for image in report.images}
        named |= {Path(finding.path).name for finding in report.findings}
        assert named >= {f"x{number}.{kind.lower()}" for number in range(60)}
        for finding in report.findings:
            assert finding.cause.isprintable()
            assert " object at 0x" not in finding.cause
            assert finding.cause.endswith(".")

    @pytest.mark.parametrize(
        "error",
        [SyntaxError("bad"), struct.error("bad"), zlib.error("bad"), EOFError(), IndexError("bad"),
         KeyError("bad"), OverflowError("bad"), ValueError("bad"), RecursionError("bad"),
         OSError("bad"), AssertionError(), TypeError("bad")],
        ids=repr,
    )  # fmt: skip
    def test_whatever_a_decoder_raises_is_one_finding(self, photos, monkeypatch, error):
        def load(image):
            raise error

        monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load)
        write(photos / "cat" / "a.gif", encoded(picture(50), "GIF"))
        report = check_folder(photos)
        assert [finding.path for finding in report.problems] == ["cat/a.gif"]
        [problem] = report.problems
        if problem.kind != "truncated":
            assert problem.kind == "damaged"
            assert (str(error) or type(error).__name__) in problem.cause

    def test_exif_data_that_nothing_can_read_cost_only_a_note(self, photos, monkeypatch):
        def getexif(image):
            raise SyntaxError("bad")

        monkeypatch.setattr(Image.Image, "getexif", getexif)
        exif = b"Exif\0\0II*\0\x08\0\0\0"
        write(photos / "cat" / "a.jpg", encoded(picture(50), "JPEG", exif=exif))
        assert found(check_folder(photos)) == [("cat/a.jpg", "damaged EXIF", "note")]

    def test_an_orientation_that_is_no_number_costs_nothing(self, photos):
        tag = struct.pack(">HHHI4sI", 1, 0x0112, 2, 4, b"abc\0", 0)  # text
        exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + tag
        write(photos / "cat" / "a.jpg", encoded(picture(50), "JPEG", exif=exif))
        assert check_folder(photos).findings == ()

    def test_a_disk_that_fails_is_not_taken_for_a_damaged_image(self, photos, monkeypatch):
        def load(image):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load)
        write(photos / "cat" / "a.gif", encoded(picture(50), "GIF"))
        report = check_folder(photos)
        assert found(report) == [("cat/a.gif", "unreadable", "problem")]
        assert "The system says: Input/output error." in report.problems[0].cause

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "GIF cut short"])
    def test_damage_behind_the_first_picture_of_an_animation(self, photos, kind):
        kind, *cut_short = kind.split(maxsplit=1)
        content = bytearray(animation(kind))
        if cut_short:
            content = content[: content.rindex(b"!\xf9\x04") + 11]
        else:
            content[-40:-20] = bytes(20)
        write(photos / "cat" / f"a.{kind.lower()}", bytes(content))
        assert found(check_folder(photos)) == [(f"cat/a.{kind.lower()}", "animated", "note")]

    def test_too_little_memory_for_one_image_is_one_finding(self, photos, monkeypatch):
        def load(image):
            raise MemoryError

        monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load)
        write(photos / "cat" / "a.gif", encoded(picture(50), "GIF"))
        assert found(check_folder(photos)) == [("cat/a.gif", "too many pixels", "problem")]

    @pytest.mark.parametrize("side", [20_000, 12_000])
    def test_a_decompression_bomb_is_refused_before_it_costs_memory(self, photos, side):
        bomb = write(photos / "cat" / "bomb.png", png_of(side))
        assert bomb.stat().st_size < 60_000
        check_folder(photos)  # everything is imported now
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        report = check_folder(photos)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert found(report) == [("cat/bomb.png", "too many pixels", "problem")]
        assert after - before < 50_000  # kB; decoded it would be 800 MB and more

    @pytest.mark.parametrize(("most", "shown"), [(40_000, True), (39_999, False)])
    def test_an_unfinished_download_of_one_is_not_shown(self, photos, monkeypatch, most, shown):
        monkeypatch.setattr(decode, "MAX_PIXELS", most)
        write(photos / "cat" / "a.png.part", encoded(photo(1, 200))[:-600])
        report = check_folder(photos)
        assert found(report) == [("cat/a.png.part", "unfinished download", "problem")]
        assert ("<img" in report._repr_html_()) == shown

    def test_pillows_own_settings_stay(self, photos):
        write(photos / "cat" / "a.jpg", encoded(NOISE, "JPEG")[:-300])
        before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
        check_folder(photos)._repr_html_()
        after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
        assert after == before


# ------------------------------------------------------------------------- the shorter way

PLAIN = [
    *({"quality": quality, "subsampling": how} for quality in (5, 60, 95) for how in (0, 1, 2)),
    {"progressive": True}, {"optimize": True}, {"comment": b"mine"}, {"dpi": (72, 72)},
    {"restart_marker_blocks": 2}, {"quality": "web_low"},
]  # fmt: skip
EXIF = Image.Exif()
EXIF[0x010F] = "a maker of cameras"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = profile(1.0, [], b"GRAY")
INKS = profile_of_inks()
SWAPPED = profile(2.2, [[0.9, 0.1, 0.1]] * 3)  # its white is pink
DARKENED = profile(2.2, [[part / 2 for part in colour] for colour in WIDE])  # its white is grey
NOT_PLAIN = [
    {"exif": EXIF}, {"icc_profile": SRGB}, {"xmp": b"words"},
]  # fmt: skip


LARGE = encoded(NOISE.resize((800, 800)), "JPEG", quality=100, subsampling=0)


def is_plain(folder: Path, content: bytes) -> bool:
    with decode._opened(write(folder / "a.jpg", content)) as file:
        return decode._plain_pixels(file) is not None


def by_pillow(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


class TestJpeg:
    """JPEG files take a shorter way than through Pillow, to the very same pixels."""

    @pytest.mark.parametrize("options", PLAIN + NOT_PLAIN, ids=repr)
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    @pytest.mark.parametrize("size", [(64, 64), (2, 1), (7, 30), (250, 3)])
    def test_it_gives_what_pillow_gives(self, tmp_path, options, mode, size, monkeypatch):
        monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # Pillow is not asked to decode
        image = NOISE.resize(size).convert(mode)
        path = write(tmp_path / "a.jpg", encoded(image, "JPEG", **options))
        pixels, remarks = decode.decoded(path)
        monkeypatch.undo()
        assert (pixels.dtype, [kind for kind, _ in remarks if kind != "blank"]) == (np.uint8, [])
        np.testing.assert_array_equal(pixels, by_pillow(path))

    def test_a_large_file_does_too(self, tmp_path):
        assert len(LARGE) > decode.SMALL_FILE
        path = write(tmp_path / "a.jpg", LARGE)
        np.testing.assert_array_equal(decode.decoded(path)[0], by_pillow(path))

    @pytest.mark.parametrize("options", PLAIN, ids=repr)
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_small_files_without_frills_are_told(self, tmp_path, options, mode):
        assert is_plain(tmp_path, encoded(NOISE.convert(mode), "JPEG", **options))

    @pytest.mark.parametrize("options", NOT_PLAIN, ids=lambda options: next(iter(options)))
    def test_pillow_looks_at_what_has_frills(self, tmp_path, options):
        assert not is_plain(tmp_path, encoded(NOISE, "JPEG", **options))

    def test_and_at_cmyk_large_files_and_other_formats(self, tmp_path):
        cmyk = encoded(NOISE.convert("CMYK"), "JPEG")
        for content in (cmyk, LARGE, encoded(NOISE), b"\xff\xd8\xff", b"", b"text" * 50):
            assert not is_plain(tmp_path, content)

    @pytest.mark.parametrize("options", [{}, NOT_PLAIN[2]], ids=["plain", "with frills"])
    def test_damage_is_left_to_pillow(self, tmp_path, options):
        """Whatever a damaged file gives, Pillow gives as well."""
        content, random = encoded(NOISE, "JPEG", **options), np.random.default_rng(0)
        refused = 0
        for number in range(400):
            changed = bytearray(content[: len(content) if number % 4 else random.integers(900)])
            for place in random.integers(0, len(changed), random.integers(4)):
                changed[place] = random.integers(256)
            path = write(tmp_path / "a.jpg", bytes(changed))
            try:
                with processes.quiet_pillow():
                    pixels, _ = decode.decoded(path)
            except remarks_module.Refused:
                refused += 1
            else:
                np.testing.assert_array_equal(pixels, by_pillow(path), str(number))
        assert 0 < refused < 400


# ------------------------------------------------------------------------- pixels


def pixels_of(folder: Path, name: str, content: bytes | Image.Image) -> np.ndarray:
    """What a dataset holds of one file, uint8, at the file's own size."""
    path = write(folder / "one" / name, content)
    with Image.open(path) as image:
        size = image.size[::-1]
        if image.getexif().get(0x0112, 1) > 4:
            size = size[::-1]
    return read_images([images.ImageFile(path.parent, (path.name,), 0, "", 0)], size)[0]


def png16(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values.astype(np.uint16)))


class TestPixels:
    def test_sixteen_bits_are_scaled_and_rounded(self, tmp_path):
        deep = np.array([[0, 128, 129, 256, 257, 385, 386, 32_768, 65_406, 65_407, 65_535]])
        shown = pixels_of(tmp_path, "deep.png", png16(np.repeat(deep, 4, axis=0)))
        expected = [round(value / 257) for value in deep[0]]
        assert expected == [0, 0, 1, 1, 1, 1, 2, 128, 254, 255, 255]
        assert shown[2].tolist() == [[value] * 3 for value in expected]

    def test_grey_one_bit_and_palette(self, tmp_path):
        bits = np.indices((6, 6)).sum(axis=0) % 2 * 255
        grey = Image.fromarray(bits.astype(np.uint8))
        palette = Image.new("P", (6, 6))
        palette.putpalette([10, 20, 30, 200, 100, 50])
        palette.putdata((bits.ravel() // 255).tolist())
        for name, image in (("grey.png", grey), ("bits.png", grey.convert("1"))):
            np.testing.assert_array_equal(
                pixels_of(tmp_path, name, image), np.stack([bits] * 3, axis=-1)
            )
        for name in ("palette.png", "palette.gif"):
            content = encoded(palette, name[-3:].upper())
            shown = pixels_of(tmp_path, name, content)
            assert shown[0, 0].tolist() == [10, 20, 30]
            assert shown[0, 1].tolist() == [200, 100, 50]

    @pytest.mark.parametrize(
        ("mode", "dot", "expected"),
        [
            ("RGBA", (200, 0, 0, 0), (255, 255, 255)),
            ("RGBA", (200, 0, 100, 255), (200, 0, 100)),
            ("RGBA", (200, 0, 100, 51), (244, 204, 224)),  # a fifth of it, the rest white
            ("LA", (0, 0), (255, 255, 255)),
            ("LA", (100, 51), (224, 224, 224)),
        ],
    )
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_what_is_transparent_lies_over_white(self, tmp_path, mode, dot, expected, kind):
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        content = encoded(Image.new(mode, (8, 8), dot), kind, **options)
        shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
        np.testing.assert_allclose(shown[3, 3].astype(int), expected, atol=1)

    def test_a_transparent_palette_lies_over_white(self, tmp_path):
        image = Image.new("P", (8, 8), 0)
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putpixel((1, 0), 1)
        for kind in ("PNG", "GIF"):
            content = encoded(image, kind, transparency=0)
            shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
            assert shown[0, :2].tolist() == [[255, 255, 255], [200, 100, 50]]

    def test_one_transparent_colour_lies_over_white(self, tmp_path):
        image = Image.new("RGB", (8, 8), (1, 2, 3))
        image.putpixel((1, 0), (9, 9, 9))
        shown = pixels_of(tmp_path, "a.png", encoded(image, transparency=(1, 2, 3)))
        assert shown[0, :2].tolist() == [[255, 255, 255], [9, 9, 9]]

    @pytest.mark.parametrize(
        ("bits", "colour", "samples"),
        [(1, 0, 1), (2, 0, 1), (4, 0, 1), (8, 0, 1), (16, 0, 1), (8, 2, 3), (16, 2, 3)],
    )
    def test_the_transparent_colour_is_one_of_the_files_own_depth(
        self, tmp_path, bits, colour, samples
    ):
        values = np.random.default_rng(bits).integers(0, 1 << bits, (9, 9, samples))
        through = values[3, 4]
        content = png(values, bits, colour, chunk(b"tRNS", through.astype(">u2").tobytes()))
        expected = np.round(values * 255 / ((1 << bits) - 1))
        expected[(values == through).all(axis=-1)] = 255
        shown = pixels_of(tmp_path, "a.png", content)
        np.testing.assert_array_equal(shown, np.broadcast_to(expected, (9, 9, 3)))

    @pytest.mark.parametrize(("colour", "samples"), [(0, 1), (2, 3), (4, 2), (6, 4)])
    def test_sixteen_bits_a_colour_are_rounded_too(self, tmp_path, colour, samples):
        values = np.random.default_rng(colour).integers(0, 65_536, (9, 9, samples))
        values[0, 0] = 0x00FF  # 0 where it is cut, 1 where it is rounded
        expected = np.round(values[..., : 3 if samples > 2 else 1] / 257)
        if colour > 2:  # all is opaque, but for one dot
            values[..., -1] = 65_535
            values[4, 4, -1], expected[4, 4] = 0, 255
        shown = pixels_of(tmp_path, "a.png", png(values, 16, colour))
        np.testing.assert_array_equal(shown, np.broadcast_to(expected, (9, 9, 3)))
        assert decode.decoded(tmp_path / "one" / "a.png")[1] == []

    def test_a_gif_is_white_where_it_does_not_cover_its_screen(self, tmp_path):
        colours = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).resize((4, 4), 0)
        colours.putpalette([10, 20, 30, 200, 100, 50])
        content = bytearray(encoded(colours.convert("P"), "GIF"))
        content[6:10] = struct.pack("<HH", 9, 7)  # the screen
        at = content.index(b",", 13 + 3 * 2)  # behind the palette of two colours
        content[at + 1 : at + 5] = struct.pack("<HH", 3, 2)  # left and top
        expected = np.full((7, 9, 3), 255, np.uint8)
        expected[2:6, 3:7] = np.asarray(colours.convert("RGB"))
        np.testing.assert_array_equal(pixels_of(tmp_path, "a.gif", bytes(content)), expected)

    @pytest.mark.parametrize("header", [108, 124])
    def test_alpha_that_is_0_everywhere_in_a_bmp_is_none(self, tmp_path, header):
        rows = np.dstack([COLOURS[::-1, :, ::-1], np.zeros((16, 16), np.uint8)])
        masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        fields = (header, 16, 16, 1, 32, 3, rows.nbytes, 0, 0, 0, 0)
        head = struct.pack("<IiiHHIIiiII", *fields) + masks + bytes(header - 56)
        start = b"BM" + struct.pack("<IHHI", 14 + header + rows.nbytes, 0, 0, 14 + header)
        path = write(tmp_path / "a.bmp", start + head + rows.tobytes())
        pixels, remarks = decode.decoded(path)
        np.testing.assert_array_equal(pixels, COLOURS)
        assert [kind for kind, _ in remarks] == ["extra data"]

    def test_pieces_of_a_large_picture_fit_together(self, tmp_path, monkeypatch):
        content = encoded(photo(1, 64).convert("RGBA"), icc_profile=ADOBE)
        whole = pixels_of(tmp_path, "a.png", content)
        monkeypatch.setattr(colours_module, "PIXELS_AT_ONCE", 64 * 5)
        heights, piece = [], colours_module._colours_and_alpha
        monkeypatch.setattr(
            colours_module, "_colours_and_alpha",
            lambda parts, layout: [heights.append(parts[0].height), piece(parts, layout)][1],
        )  # fmt: skip
        np.testing.assert_array_equal(pixels_of(tmp_path, "a.png", content), whole)
        assert heights == [5] * 12 + [4]

    def test_cmyk(self, tmp_path):
        # No cyan, all magenta and yellow, no black: red.
        content = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
        np.testing.assert_allclose(
            pixels_of(tmp_path, "a.jpg", content)[8, 8].astype(int), [255, 0, 0], atol=3
        )

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_images_are_turned_upright(self, tmp_path, orientation, kind):
        # By the EXIF standard: which side of the picture row 0 and column 0 of the file show.
        upright = np.zeros((32, 48, 3), np.uint8)
        upright[:16, :16] = 255, 0, 0
        upright[16:, :16] = 0, 0, 255
        stored = {
            1: upright,
            2: upright[:, ::-1],  # left and right swapped
            3: np.rot90(upright, 2),
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: np.rot90(upright),  # stored a quarter turn to the left
            7: np.rot90(upright, 2).transpose(1, 0, 2),
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"subsampling": 0}}[kind]
        image = Image.fromarray(np.ascontiguousarray(stored))
        content = encoded(image, kind, exif=exif, **options)
        shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
        np.testing.assert_allclose(shown.astype(int), upright, atol=20 if kind == "JPEG" else 0)

    def test_the_same_size_keeps_every_pixel(self, tmp_path):
        np.testing.assert_array_equal(pixels_of(tmp_path, "a.png", NOISE), np.asarray(NOISE))

    def test_a_smaller_copy_is_the_mean_of_what_it_covers(self, photos, tmp_path):
        # A fine chequered pattern: without a filter it would turn all black or all white.
        fine = np.indices((64, 64)).sum(axis=0) % 2 * 255
        path = write(tmp_path / "a.png", Image.fromarray(fine.astype(np.uint8)))
        small = read_images([images.ImageFile(path.parent, (path.name,), 0, "", 0)], (8, 8))
        assert abs(small.astype(int) - 127).max() <= 3

    def test_height_comes_before_width(self, photos):
        assert load_dataset(photos, image_size=(10, 20)).train.images.shape[1:] == (10, 20, 3)


class TestProfiles:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_colours_are_those_that_littlecms_gives(self, tmp_path, kind):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(NOISE, kind, icc_profile=ADOBE, **options)
        shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
        np.testing.assert_array_equal(shown, by_littlecms(content, ADOBE))
        assert abs(shown.astype(int) - by_pillow(tmp_path / "one" / f"a.{kind.lower()}")).max() > 20

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_grey_profiles_too(self, tmp_path, kind):
        content = encoded(NOISE.convert("L"), kind, icc_profile=GREY)
        shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
        np.testing.assert_array_equal(shown, by_littlecms(content, GREY))

    def test_those_of_palettes_and_inks_too(self, tmp_path):
        few, inks = NOISE.quantize(), encoded(NOISE.convert("CMYK"), "JPEG", icc_profile=INKS)
        shown = pixels_of(tmp_path, "a.png", encoded(few, icc_profile=ADOBE))
        np.testing.assert_array_equal(shown, by_littlecms(encoded(few.convert("RGB")), ADOBE))
        np.testing.assert_array_equal(pixels_of(tmp_path, "a.jpg", inks), by_littlecms(inks, INKS))

    def test_one_that_leaves_greys_alone_is_used_too(self, tmp_path):
        """As those of many screens, whose red or green only is another one."""
        swapped = SRGB.replace(b"rXYZ", b"tmp ").replace(b"gXYZ", b"rXYZ").replace(b"tmp ", b"gXYZ")
        content = encoded(NOISE, icc_profile=swapped)
        shown = pixels_of(tmp_path, "a.png", content)
        np.testing.assert_array_equal(shown, by_littlecms(content, swapped))
        assert abs(shown.astype(int) - np.asarray(NOISE)).max() > 100

    def test_what_is_srgb_already_keeps_every_pixel(self, tmp_path):
        content = encoded(NOISE, icc_profile=SRGB)
        np.testing.assert_array_equal(pixels_of(tmp_path, "a.png", content), np.asarray(NOISE))

    def test_what_is_transparent_stays_white(self, tmp_path):
        image = Image.new("RGBA", (8, 8), (200, 0, 100, 0))
        shown = pixels_of(tmp_path, "a.png", encoded(image, icc_profile=ADOBE))
        assert (shown == 255).all()

    @pytest.mark.parametrize(
        "broken", [b"x" * 300, ADOBE[:200], GREY, b"", SWAPPED, DARKENED], ids=len
    )
    def test_one_that_is_no_use_costs_no_pixel(self, tmp_path, broken):
        content = encoded(NOISE, icc_profile=broken)
        np.testing.assert_array_equal(pixels_of(tmp_path, "a.png", content), np.asarray(NOISE))


def by_littlecms(content: bytes, profile: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as opened:
        return np.asarray(
            ImageCms.profileToProfile(
                opened, io.BytesIO(profile), ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB",
            )
        )  # fmt: skip


TEXT = zlib.compress(bytes(3_000_000))


@pytest.mark.parametrize(
    ("gamma", "kinds"),
    [(0.44, ["other colours"]), (0.446, []), (0.463, []), (0.47, ["other colours"])],
)
def test_a_brightness_near_that_of_screens_is_theirs(tmp_path, gamma, kinds):
    chunks = chunk(b"gAMA", struct.pack(">I", round(100_000 * gamma)))
    path = write(tmp_path / "a.png", png(COLOURS, 8, 2, chunks))
    assert [kind for kind, _ in decode.decoded(path, thorough=True)[1]] == kinds


@pytest.mark.parametrize(
    ("red", "kinds"), [(64_000, []), (64_900, []), (65_100, ["other colours"])]
)
def test_colours_near_those_of_screens_are_theirs(tmp_path, red, kinds):
    places = (31_270, 32_900, red, 33_000, 30_000, 60_000, 15_000, 6_000)
    chunks = chunk(b"cHRM", struct.pack(">8I", *places))
    path = write(tmp_path / "a.png", png(COLOURS, 8, 2, chunks))
    assert [kind for kind, _ in decode.decoded(path, thorough=True)[1]] == kinds


@pytest.mark.parametrize(
    "content",
    [png(COLOURS, 8, 2, chunk(b"cICP", bytes((1, 13, 0, 1)))),
     png(COLOURS, 8, 2, chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 100_000))),
     encoded(picture(50), "WEBP", exif=INTEROP, icc_profile=ADOBE)],
    ids=["cICP of sRGB", "sRGB beside gAMA", "profile beside EXIF"],
)  # fmt: skip
def test_colours_that_are_told_in_another_way_too(tmp_path, content):
    assert decode.decoded(write(tmp_path / "a", content))[1][1:] == []  # but for its ending


class TestBesideThePicture:
    """What a file holds beside the picture costs no picture, as in every other program."""

    @pytest.mark.parametrize(
        "extra",
        [chunk(b"zTXt", b"k\0\0" + TEXT), chunk(b"iCCP", b"k\0\0" + TEXT),
         chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + TEXT),
         chunk(b"tEXt", b"k\0x", wrong=True), chunk(b"iCCP", b"k", wrong=True),
         chunk(b"eXIf", b"MM\0*", wrong=True), chunk(b"pHYs", b"\0"), chunk(b"gAMA", b"\0")],
        ids=lambda extra: f"{extra[4:8].decode()} of {len(extra)}",
    )  # fmt: skip
    @pytest.mark.parametrize("where", ["before", "after"])
    def test_chunks_of_a_png(self, photos, extra, where):
        path = write(photos / "cat" / "a.png", png(COLOURS, 8, 2, **{where: extra}))
        assert found(check_folder(photos)) == [("cat/a.png", "extra data", "note")]
        with processes.quiet_pillow():
            np.testing.assert_array_equal(decode.decoded(path)[0], COLOURS)

    def test_a_good_profile_is_used_beside_a_bad_text(self, tmp_path):
        chunks = chunk(b"iCCP", b"k\0\0" + zlib.compress(ADOBE)) + chunk(b"tEXt", b"x", wrong=True)
        path = write(tmp_path / "a.png", png(COLOURS, 8, 2, chunks))
        truth = by_littlecms(encoded(Image.fromarray(COLOURS)), ADOBE)
        np.testing.assert_array_equal(decode.decoded(path, thorough=True)[0], truth)

    @pytest.mark.parametrize("name", [b"iCCP", b"gAMA", b"pHYs"])
    def test_which_side_is_up_is_still_read(self, tmp_path, name):
        turned = Image.Exif()
        turned[0x0112] = 3
        chunks = chunk(b"eXIf", turned.tobytes()[6:]) + chunk(name, b"x", wrong=True)
        path = write(tmp_path / "a.png", png(COLOURS, 8, 2, chunks))
        np.testing.assert_array_equal(decode.decoded(path)[0], COLOURS[::-1, ::-1])

    def test_what_makes_the_picture_is_never_left_out(self, photos):
        write(photos / "cat" / "a.png", png(COLOURS, 8, 2, chunk(b"ABCD", b"x", wrong=True)))
        assert found(check_folder(photos)) == [("cat/a.png", "damaged", "problem")]

    def test_first_only_what_is_not_about_the_picture_is_left_out(self):
        """What says how the colours are coded (JFIF, Adobe) goes later than a comment."""
        whole = encoded(photo(1), "JPEG", exif=EXIF)
        commented = io.BytesIO(with_segment(whole, 0xFE, b"a comment"))
        first = next(damage.without_extras(commented, "JPEG")).read()
        assert b"a comment" not in first
        assert b"JFIF" in whole
        assert b"JFIF" in first

    def test_what_is_about_the_picture_is_left_out_one_by_one(self):
        """JFIF, then Adobe, then the profile, and which side is up as the last."""
        markers, whole = (0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE), encoded(photo(1), "JPEG")
        for marker in markers:
            whole = with_segment(whole, marker, bytes([marker]) * 50)
        steps = [bare.read() for bare in damage.without_extras(io.BytesIO(whole), "JPEG")]
        kept = [[marker for marker in markers if bytes([marker]) * 50 in step] for step in steps]
        assert kept == [[0xE0, 0xE1, 0xE2, 0xEE], [0xE1, 0xE2, 0xEE], [0xE1, 0xE2], [0xE1], []]

    @pytest.mark.parametrize(("marker", "data"), [(0xEE, b"Adobe\0"), (0xE0, b"JFIF\0\1")])
    def test_short_segments_of_a_jpeg(self, tmp_path, marker, data):
        whole = encoded(photo(1), "JPEG", exif=EXIF)
        path = write(tmp_path / "a.jpg", with_segment(whole, marker, data))
        pixels, remarks = decode.decoded(path)
        assert [kind for kind, _ in remarks] == ["extra data"]
        np.testing.assert_array_equal(pixels, by_pillow(write(tmp_path / "b.jpg", whole)))


class TestCorruptJpeg:
    @pytest.mark.parametrize("options", [{}, {"exif": EXIF}], ids=["plain", "with frills"])
    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_what_the_decoder_would_fill_in_is_refused(self, photos, options, mode):
        content = bytearray(encoded(NOISE.convert(mode), "JPEG", **options))
        middle = len(content) // 2
        content[middle : middle + 20] = b"\xff\xd0" * 10
        write(photos / "cat" / "a.jpg", bytes(content))
        assert by_pillow(photos / "cat" / "a.jpg").shape == (64, 64, 3)  # which says nothing
        report = check_folder(photos)
        assert found(report) == [("cat/a.jpg", "damaged", "problem")]
        assert "Corrupt JPEG data" in report.problems[0].cause

    def test_bytes_that_belong_to_nothing_are_noted(self, tmp_path):
        whole = encoded(NOISE, "JPEG")
        path = write(tmp_path / "a.jpg", whole[:-2] + bytes(30) + whole[-2:])
        pixels, remarks = decode.decoded(path)
        assert [kind for kind, _ in remarks] == ["extra data"]
        np.testing.assert_array_equal(pixels, by_pillow(path))

    def test_but_not_where_they_may_be_of_the_picture(self, tmp_path):
        whole = encoded(NOISE, "JPEG")
        path = write(tmp_path / "a.jpg", whole[:-2] + b"not zeros at all" + whole[-2:])
        with pytest.raises(remarks_module.Refused, match="Its picture is damaged"):
            decode.decoded(path)

    @pytest.mark.parametrize("options", PLAIN, ids=repr)
    def test_whole_files_are_never_called_corrupt(self, tmp_path, options):
        for number in range(5):
            image = photo(number, 100 + number)
            path = write(tmp_path / "a.jpg", encoded(image, "JPEG", **options) + b"a film")
            assert decode.decoded(path)[1] == []


def test_a_system_that_gives_less_than_is_asked_for(tmp_path, monkeypatch):
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, size // 2))
    path = write(tmp_path / "a.png", picture(50))
    np.testing.assert_array_equal(decode.decoded(path)[0], COLOURS)


def test_checksums_are_compared_where_a_file_is_looked_at_thoroughly(tmp_path):
    content = bytearray(encoded(picture(50)))
    content[-13] ^= 1  # in that of the pixels
    path = write(tmp_path / "a.png", bytes(content))
    np.testing.assert_array_equal(decode.decoded(path)[0], COLOURS)
    with pytest.raises(remarks_module.Refused):
        decode.decoded(path, thorough=True)


def test_no_file_stays_open(tmp_path):
    small = write(tmp_path / "small.jpg", encoded(picture(50), "JPEG"))
    large = write(tmp_path / "large.png", encoded(photo(1, 400), "PNG"))
    broken = write(tmp_path / "broken.jpg", b"\xff\xd8\xff")
    assert small.stat().st_size <= decode.SMALL_FILE < large.stat().st_size
    before = psutil.Process().num_fds()
    for path in (small, large, broken, tmp_path):
        with contextlib.suppress(remarks_module.Refused, OSError):
            decode.decoded(path)
    assert psutil.Process().num_fds() == before


class TestLargePhotos:
    @pytest.mark.parametrize("options", [{}, {"exif": EXIF}], ids=["plain", "with frills"])
    def test_more_pixels_than_usual_are_read_at_half_the_size(self, tmp_path, monkeypatch, options):
        path = write(tmp_path / "a.jpg", encoded(photo(1, 200), "JPEG", **options))
        whole = Image.open(path).reduce(2)
        monkeypatch.setattr(decode, "MAX_PIXELS", 39_999)
        monkeypatch.setattr(decode, "MAX_HALVED_PIXELS", 40_000)
        pixels, remarks = decode.decoded(path)
        assert (pixels.shape, remarks) == ((100, 100, 3), [])
        assert abs(pixels.astype(int) - np.asarray(whole)).mean() < 2

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_as_many_as_usual_stay_as_they_are(self, tmp_path, monkeypatch, kind):
        path = write(tmp_path / "a", encoded(photo(1, 200), kind, exif=EXIF))
        monkeypatch.setattr(decode, "MAX_PIXELS", 40_000)
        assert decode.decoded(path)[0].shape == (200, 200, 3)

    def test_one_made_for_printing_too(self, tmp_path, monkeypatch):
        path = write(tmp_path / "a.jpg", encoded(photo(1, 200).convert("CMYK"), "JPEG"))
        monkeypatch.setattr(decode, "MAX_PIXELS", 30_000)
        monkeypatch.setattr(decode, "MAX_HALVED_PIXELS", 50_000)
        assert decode.decoded(path)[0].shape == (100, 100, 3)

    def test_phones_make_photos_of_200_million_pixels(self):
        assert 200_000_000 <= decode.MAX_HALVED_PIXELS <= 2 * decode.MAX_PIXELS

    @pytest.mark.parametrize(
        ("kind", "options"), [("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})]
    )
    def test_what_needs_the_memory_all_the_same_is_refused(
        self, tmp_path, monkeypatch, kind, options
    ):
        path = write(tmp_path / f"a.{kind.lower()}", encoded(photo(1, 200), kind, **options))
        monkeypatch.setattr(decode, "MAX_PIXELS", 30_000)
        monkeypatch.setattr(decode, "MAX_HALVED_PIXELS", 50_000)
        with pytest.raises(remarks_module.Refused, match="too many pixels"):
            decode.decoded(path)

    @pytest.mark.parametrize(
        ("cores", "memory", "files", "others"),
        [(8, 2.5, 20, [1]), (8, 1.5, 20, []), (2, 1.5, 20, []), (8, 0.5, 20, []), (8, 9, 0, [])],
    )
    def test_no_more_processes_than_the_memory_has_place_for(
        self, monkeypatch, cores, memory, files, others
    ):
        def refused(count: int) -> None:
            started.append(count)
            raise ZeroDivisionError

        started = []
        monkeypatch.setattr(processes, "usable_cores", lambda: cores)
        monkeypatch.setattr(processes, "available_memory", lambda: memory * processes.MOST_MEMORY)
        monkeypatch.setattr("loky.ProcessPoolExecutor", refused)
        with contextlib.suppress(ZeroDivisionError):
            in_processes(lambda *_: None, range(files), "try", False, lambda _: None, 4e6)
        assert started == others


class TestThreads:
    def test_warnings_are_as_before_when_threads_come_and_go_in_turn(self):
        before = list(warnings.filters)
        one, other = processes.quiet_pillow(), processes.quiet_pillow()
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        assert warnings.filters != before
        with pytest.warns(UserWarning, match="mine"):  # those of others are not hidden
            warnings.warn("mine", stacklevel=1)
        other.__exit__(None, None, None)
        assert warnings.filters == before

    def test_a_report_that_is_shown_lets_no_truncated_file_pass_elsewhere(self, photos):
        """Pillow's switch for truncated files is the same for all threads."""
        for number in range(6):
            content = encoded(photo(number, 300), "PNG" if number % 2 else "JPEG", quality=95)
            write(photos / "cat" / f"x{number}.{'png' if number % 2 else 'jpg'}", content[:-3000])
        report, done = check_folder(photos), threading.Event()

        def show() -> None:
            while not done.is_set():
                report._repr_html_()

        shower = threading.Thread(target=show)
        shower.start()
        try:
            checks = [len(check_folder(photos).problems) for _ in range(5)]
        finally:
            done.set()
            shower.join()
        assert checks == [6] * 5


def process_and_items(first: int, items: range) -> tuple[int, list[int]]:
    assert first == items[0]
    time.sleep(0.02)  # so that this process has not done it all before another has started
    return os.getpid(), list(items)


def refuse(everywhere_but: int, first: int, items: range) -> None:
    time.sleep(0.02)
    if os.getpid() != everywhere_but:
        raise FolderError("no")


def kill(everywhere_but: int, first: int, items: range) -> range:
    time.sleep(0.02)
    if os.getpid() != everywhere_but:
        psutil.Process().kill()
    return items


MANY = 60_000  # files that are worth several processes: 150 chunks

INTERRUPTED = """
import os, time
from helpers.photos.processes import in_processes

def work(first, items):
    time.sleep(0.05)
    return os.getpid()

def take(process):
    print(process, flush=True)

try:
    in_processes(work, range(1_000_000), "try", False, take, 0)
except KeyboardInterrupt:
    print("interrupted")
"""


class TestManyFiles:
    @pytest.mark.parametrize(
        ("count", "bytes_each", "alone"), [(100, 1.5e5, True), (MANY, 0, False)]
    )
    def test_they_come_in_order_from_several_processes_where_it_is_worth_it(
        self, count, bytes_each, alone
    ):
        results = []
        in_processes(process_and_items, range(count), "try", False, results.append, bytes_each)
        assert [item for _, items in results for item in items] == list(range(count))
        assert 1 < len(results[0][1]) < count
        assert ({process for process, _ in results} == {os.getpid()}) == alone

    def test_few_large_files_are_worth_it_too(self):
        results = []
        in_processes(process_and_items, range(150), "try", False, results.append, 4e6)
        assert len({process for process, _ in results} - {os.getpid()}) >= 1
        assert all(len(items) == 1 for _, items in results)

    def test_a_bar_ends_with_the_last_file(self, monkeypatch, capfd):
        monkeypatch.setenv("TQDM_DELAY", "0")
        in_processes(lambda *_: None, range(1_000), "try", True, lambda _: None, 0)
        assert "1000/1000" in capfd.readouterr().err

    @pytest.mark.parametrize("at_work", ["this", "another"])
    def test_an_error_comes_through_as_it_is(self, at_work):
        work = partial(refuse, 0 if at_work == "this" else os.getpid())
        with pytest.raises(FolderError, match="^no$"):
            in_processes(work, range(MANY), "try", False, lambda _: None, 0)

    def test_another_thread_may_ask_for_it(self):
        results = []
        arguments = (process_and_items, range(60), "try", False, results.append, 4e6)
        thread = threading.Thread(target=in_processes, args=arguments)
        thread.start()
        thread.join()
        assert [item for _, items in results for item in items] == list(range(60))

    def test_where_other_processes_are_killed_this_one_does_their_work(self, recwarn):
        results = []
        work = partial(kill, os.getpid())
        in_processes(work, range(60), "try", False, results.extend, 4e6)
        assert results == list(range(60))
        assert not recwarn.list

    def test_where_none_can_be_started_it_does_all(self, monkeypatch):
        def refused(*args) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr("loky.ProcessPoolExecutor.submit", refused)
        results = []
        in_processes(process_and_items, range(20), "try", False, results.append, 4e6)
        assert [item for _, items in results for item in items] == list(range(20))
        assert {process for process, _ in results} == {os.getpid()}

    @pytest.mark.parametrize(
        ("count", "at_work"),
        [(1_000, "this"), (MANY, "this"), (MANY, "another")],
        ids=["alone", "while others start", "while others work"],
    )
    def test_an_interrupt_ends_it_and_says_nothing(self, count, at_work, recwarn, capfd):
        def interrupted(result) -> None:
            if (result[0] == os.getpid()) == (at_work == "this"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            in_processes(process_and_items, range(count), "try", False, interrupted, 0)
        assert not recwarn.list
        assert capfd.readouterr().err == ""

    def test_the_check_is_the_same_in_processes_as_alone(self, tmp_path, monkeypatch):
        folder = fill(tmp_path / "photos", {"cat": 30, "dog": 30})
        write(folder / "cat" / "torn.jpg", encoded(picture(1), "JPEG")[:300])
        alone = check_folder(folder)
        monkeypatch.setattr(processes, "WORTH_PROCESSES", 0)
        shared = check_folder(folder)
        assert shared.findings == alone.findings
        assert shared.images == alone.images
        assert any(found.kind == "truncated" for found in shared.findings)

    @pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows has no process groups")
    @pytest.mark.parametrize("at_work", ["this", "another"])
    def test_an_interrupt_of_all_processes_at_once_shows_none_of_theirs(self, at_work):
        """As a terminal and JupyterLab send it; the others start, or are at work."""
        with subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED], start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            while (int(process.stdout.readline()) == process.pid) != (at_work == "this"):
                pass
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert out.endswith("interrupted\n")
        # At the end of the program loky may say what it tidied up after the killed processes.
        assert "Traceback" not in err
