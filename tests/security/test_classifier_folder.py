"""A classifier's folder from somebody else fetches nothing, and takes no more memory than a classifier."""

from __future__ import annotations

import json
import socket

import pytest

from aireal.classifier.model import load, read_config

CONFIG = {
    "architecture": "resnet34",
    "image_size": 96,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "initial_weights": "random",
}
FAULTS = [
    ({"architecture": "hf-hub:evil/model"}, "timm has no network 'hf-hub:evil/model'"),
    ({"architecture": "hf_hub:evil/model"}, "timm has no network"),
    ({"architecture": "local-dir:/tmp/model"}, "timm has no network"),
    ({"architecture": "../model"}, "timm has no network"),
    ({"architecture": 5}, "timm has no network"),
    ({"image_size": 100_000}, "image_size is 100000"),
    ({"image_size": True}, "image_size"),
    ({"image_size": "96"}, "image_size"),
    ({"temperature": 0}, "must not be 0"),
    ({"temperature": float("nan")}, "not finite"),
    ({"bias": "x"}, "not finite"),
    ({"mean": [0.5]}, "three numbers"),
    ({"std": [0.5, 0, 0.5]}, "must not be 0"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


@pytest.mark.fault(
    "weights",
    "a classifier's configuration that nobody trained",
    "no classifier's configuration, and what is wrong in it",
    "nothing is loaded",
)
@pytest.mark.parametrize(("changed", "why"), FAULTS)
def test_a_configuration_that_nobody_trained_is_one_sentence(folder, changed, why):
    (folder / "config.json").write_text(json.dumps(CONFIG | changed))
    for read in (read_config, load):
        with pytest.raises(ValueError, match=f"no classifier's configuration: .*{why}"):
            read(folder)


@pytest.mark.parametrize("text", ["[]", "5", "{}", "not json", '{"architecture": "resnet34"}', "null"])
def test_odd_json_is_one_sentence(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match="it cannot be read|timm has no network"):
        read_config(folder)


def test_an_own_configuration_is_read(folder):
    (folder / "config.json").write_text(json.dumps(CONFIG))
    assert read_config(folder).architecture == "resnet34"
