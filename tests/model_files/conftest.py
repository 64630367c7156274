"""A good model file, and functions that write changed ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from made_models import (
    archive_of,
    members_of,
    sequential,
    trained,
)

from helpers.model_files.save import save_model


@pytest.fixture(scope="session")
def model() -> keras.Model:
    return trained(sequential())


@pytest.fixture(scope="session")
def good(model, tmp_path_factory) -> dict[str, bytes]:
    """The members of a good file, by name."""
    path = save_model(model, tmp_path_factory.mktemp("good") / "good")
    return members_of(path)


@pytest.fixture
def write(good, tmp_path) -> Callable[..., Path]:
    """Gives a function that writes a good file with other members, or none where given None."""

    def write_changed(changes: dict[str, bytes | None], **options) -> Path:
        members = {**good, **changes}
        kept = {name: content for name, content in members.items() if content is not None}
        return archive_of(tmp_path / "changed.keras", kept, **options)

    return write_changed


@pytest.fixture
def write_config(good, write) -> Callable[..., Path]:
    """Gives a function that writes a good file whose config a given function has changed."""

    def write_changed(change: Callable[[dict], object], version: str | None = None) -> Path:
        config = json.loads(good["config.json"])
        change(config)
        changes = {"config.json": json.dumps(config).encode()}
        if version:
            changes["metadata.json"] = json.dumps({"keras_version": version}).encode()
        return write(changes)

    return write_changed
