"""The page is one whole file that holds what it needs; what it does is tested in a browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from helpers import quiet_tensorflow
from helpers.basics.errors import DamagedFileError, UsageError
from helpers.exports import page, write_page
from helpers.exports.onnx import run_onnx
from helpers.models.trained_on import TrainedOn, note_trained_on

with quiet_tensorflow():
    import keras
    from keras import layers

NAMES = ("</script><b>", "고양이 🐱", "$title")


@pytest.fixture
def model():
    model = keras.Sequential(
        [keras.Input((18, 18, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3)]
    )
    note_trained_on(model, TrainedOn(NAMES, (18, 18, 1), "pad"))
    return model


def part(text: str, name: str) -> str:
    return re.search(rf'<script type="[\w/]+" id="{name}">(.*?)</script>', text, re.DOTALL)[1]


def test_it_holds_the_model_the_classes_and_what_it_computes_with(model, dataset, tmp_path):
    path = write_page(
        model, tmp_path / "there" / "my.html", dataset.test.images,
        title="A & <i>B</i>", about="$model of 5 < 6", least_confidence=0.7,
    )  # fmt: skip
    text = path.read_text(encoding="utf-8")
    assert "A &amp; &lt;i&gt;B&lt;/i&gt;" in text
    assert "$model of 5 &lt; 6" in text
    assert json.loads(part(text, "facts")) == {
        "class_names": list(NAMES), "image_shape": [18, 18, 1], "fit": "pad",
        "pixels": [0.0, 255.0], "dtype": "uint8", "gives": "logits", "least_confidence": 0.7,
    }  # fmt: skip
    content = gzip.decompress(base64.b64decode(part(text, "model")))
    images = dataset.test.images
    np.testing.assert_allclose(run_onnx(content, images), model(images), atol=1e-5)
    for name in ("runtime", "wasm"):
        assert len(gzip.decompress(base64.b64decode(part(text, name)))) > 50_000
    assert 4e6 < path.stat().st_size < 6e6


def test_nothing_in_it_leads_to_the_network(model, dataset, tmp_path):
    text = write_page(model, tmp_path / "my.html", dataset.test.images).read_text()
    assert "default-src 'none'" in text
    assert json.loads(part(text, "facts"))["least_confidence"] == 0.5
    shell = re.sub(r'<script type="text/plain".*?</script>', "", text, flags=re.DOTALL)
    assert re.findall(r"https?://[\w./-]+", shell) == ["https://onnxruntime.ai"]  # a link to read
    assert not re.search(r"\b(src|href)=\"(?!https://onnxruntime.ai)", shell)


def test_git_leaves_every_byte_of_the_runtime_as_it_is():
    """With core.autocrlf it would change the ends of lines, and with them the hash."""
    folder = Path(page.__file__).parent / "onnxruntime_web"
    command = ["git", "-C", folder, "check-attr", "text", "--", *page.RUNTIME]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode:
        pytest.skip("not a git clone")
    assert asked.stdout.splitlines() == [f"{name}: text: unset" for name in page.RUNTIME]


def test_a_changed_runtime_is_not_used(model, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "RUNTIME", dict.fromkeys(page.RUNTIME, "0" * 64))
    with pytest.raises(DamagedFileError, match="git checkout -- helpers"):
        write_page(model, tmp_path / "my.html", dataset.test.images)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [None, {"pixels": None}, {"image_shape": (18, 18, 4)}], ids=str)
def test_a_model_that_does_not_know_what_photos_are_to_it(dataset, tmp_path, change):
    model = keras.Sequential([keras.Input((18, 18, 1)), layers.Flatten(), layers.Dense(3)])
    if change:
        note_trained_on(
            model, TrainedOn(**{"class_names": NAMES, "image_shape": (18, 18, 1)} | change)
        )
    with pytest.raises(UsageError, match=r"save_model\(model, path, dataset\)"):
        write_page(model, tmp_path / "my.html", dataset.test.images)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"path": "my.htm"}, "ends in .html"), ({"least_confidence": 50}, "from 0 to 1"),
     ({"images": None}, "dataset.test.images"), ({"model": "m"}, "a Keras model")],
    ids=str,
)  # fmt: skip
def test_what_is_no_page(model, dataset, wrong, words):
    given = {"model": model, "path": "my.html", "images": dataset.test.images} | wrong
    with pytest.raises(UsageError, match=words):
        write_page(**given)
