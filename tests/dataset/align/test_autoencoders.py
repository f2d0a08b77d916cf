"""Autoencoders of diffusers are opened from folders, run at any size, and refused in one sentence."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aireal.cli import main
from aireal.core.imagefile import open_rgb
from aireal.dataset.align.autoencoders import open_autoencoder
from aireal.dataset.align.pair import padded_round_trip
from helpers.align import pairs_of, photographs

needs_diffusers = pytest.mark.skipif(
    importlib.util.find_spec("diffusers") is None, reason='diffusers is missing: pip install -e ".[align]"'
)
FOUR = (8, 8, 8, 8)
SMALL = {
    "AutoencoderKL": {
        "block_out_channels": FOUR,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "norm_num_groups": 4,
    },
    "AutoencoderKLFlux2": {"block_out_channels": FOUR, "norm_num_groups": 4, "layers_per_block": 1},
    "AutoencoderTiny": {
        "encoder_block_out_channels": FOUR,
        "decoder_block_out_channels": FOUR,
        "num_encoder_blocks": (1, 1, 1, 1),
        "num_decoder_blocks": (1, 1, 1, 1),
    },
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A folder of each kind, with random weights."""
    diffusers = pytest.importorskip("diffusers")
    made = {}
    for kind, options in SMALL.items():
        torch.manual_seed(7)
        made[kind] = tmp_path_factory.mktemp("vae") / kind
        getattr(diffusers, kind)(**options).save_pretrained(made[kind])
    return made


@pytest.fixture
def broken(folders, tmp_path) -> Path:
    """A copy to be broken."""
    return Path(shutil.copytree(folders["AutoencoderTiny"], tmp_path / "vae"))


@needs_diffusers
@pytest.mark.parametrize("kind", SMALL)
def test_round_trips_keep_any_size_and_repeat(folders, kind):
    autoencoder = open_autoencoder(str(folders[kind]), device=torch.device("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (2, 45, 62, 3), dtype=np.uint8)
    painted = padded_round_trip(autoencoder, images)
    assert painted.shape == images.shape
    assert (painted == padded_round_trip(autoencoder, images)).all()


@needs_diffusers
def test_a_round_trip_is_what_diffusers_computes(folders):
    import diffusers

    model = diffusers.AutoencoderKL.from_pretrained(folders["AutoencoderKL"])
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        wanted = model(torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1).sample
    wanted = ((wanted.permute(0, 2, 3, 1).numpy() + 1) * 127.5).clip(0, 255)
    painted = open_autoencoder(str(folders["AutoencoderKL"]), device=torch.device("cpu")).round_trip(images)
    assert np.abs(painted - wanted).max() <= 0.51


@needs_diffusers
def test_a_picture_larger_than_a_tile_keeps_its_size(folders, monkeypatch):
    monkeypatch.setattr("aireal.dataset.align.autoencoders.TILE", 64)
    autoencoder = open_autoencoder(str(folders["AutoencoderKL"]), device=torch.device("cpu"))
    assert padded_round_trip(autoencoder, np.zeros((1, 130, 99, 3), np.uint8)).shape == (1, 130, 99, 3)


@needs_diffusers
def test_the_folder_of_a_pipeline_is_looked_into(folders, tmp_path):
    shutil.copytree(folders["AutoencoderTiny"], tmp_path / "pipeline/vae")
    opened = open_autoencoder(str(tmp_path / "pipeline"))
    assert opened.origin.weights_sha256 == open_autoencoder(str(folders["AutoencoderTiny"])).origin.weights_sha256


@needs_diffusers
@pytest.mark.parametrize("kind", ["AutoencoderKL", "AutoencoderTiny"])
def test_the_command_makes_a_root_and_refuses_another_autoencoder(folders, tmp_path, capsys, kind):
    source, root = photographs(tmp_path / "photos", 2), tmp_path / "pairs"
    command = ["dataset", "align", str(source.root), "--to", str(root), "--limit", "1", "--no-audit", "--vae"]
    assert main([*command, str(folders[kind])]) == 0
    assert "train: 1, val: 1, test: 1" in capsys.readouterr().out
    assert all(open_rgb(root / i.path).size == (256, 256) for pair in pairs_of(root) for i in pair)
    assert {fake.generator for _, fake in pairs_of(root)} == {kind}, "the folder's name, without its path"
    assert main([*command, str(folders["AutoencoderKLFlux2"])]) == 2
    assert f"vae was {kind}" in capsys.readouterr().err


@needs_diffusers
def test_a_broken_photograph_shows_in_the_exit_status(folders, tmp_path):
    source = photographs(tmp_path / "photos", 2, "test")
    next(source.test.rglob("*.jpg")).write_bytes(b"no image")
    command = ["dataset", "align", str(source.root), "--to", str(tmp_path / "pairs"), "--no-audit", "--vae"]
    assert main([*command, str(folders["AutoencoderTiny"])]) == 1


def edit_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@needs_diffusers
def test_weights_in_a_pickle_are_not_read(broken):
    weights = broken / "diffusion_pytorch_model.safetensors"
    weights.rename(broken / "diffusion_pytorch_model.bin")
    with pytest.raises(ValueError, match="has no diffusion_pytorch_model.safetensors"):
        open_autoencoder(str(broken))


@pytest.mark.fault(
    "weights",
    "weights of an autoencoder that are cut off",
    "cannot be loaded ... fetch or save it again",
    "nothing is begun",
)
@needs_diffusers
def test_weights_that_are_cut_off_are_one_sentence(broken):
    weights = broken / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be loaded .* fetch or save it again"):
        open_autoencoder(str(broken))


@needs_diffusers
def test_missing_tensors_are_not_replaced_by_random_ones(broken):
    edit_config(broken, num_decoder_blocks=[1, 1, 1, 3])
    with pytest.raises(ValueError, match=r"lacks \d+ tensors|cannot be loaded"):
        open_autoencoder(str(broken))


@needs_diffusers
def test_another_kind_of_model_is_one_sentence(broken):
    edit_config(broken, _class_name="UNet2DModel")
    with pytest.raises(ValueError, match="is a 'UNet2DModel', and not one of AutoencoderKL"):
        open_autoencoder(str(broken))


@pytest.mark.fault(
    "network",
    "an autoencoder that is not cached, and no network",
    "not cached, and the hub cannot be reached",
    "nothing is begun",
)
@needs_diffusers
@pytest.mark.parametrize(
    "name, message",
    [
        ("no such folder", "neither a folder nor an id of the hub .* sd1, sdxl, flux"),
        ("nobody/nothing", "not cached, and the hub cannot be reached"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(name, message):
    with pytest.raises(ValueError, match=message):
        open_autoencoder(name)


@needs_diffusers
def test_a_folder_without_autoencoder_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds no autoencoder"):
        open_autoencoder(str(tmp_path))


@needs_diffusers
def test_a_revision_of_a_folder_is_refused(folders):
    with pytest.raises(ValueError, match="--revision is for repositories"):
        open_autoencoder(str(folders["AutoencoderKL"]), revision="main")


def test_missing_diffusers_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    source = photographs(tmp_path / "photos", 1, "test")
    assert main(["dataset", "align", str(source.root), "--to", str(tmp_path / "pairs")]) == 2
    assert "pip install diffusers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message", [(["--limit", "0"], "--limit must be 1 or more"), (["--vae", "x"], "x is neither")]
)
def test_arguments_that_make_no_sense_are_one_sentence(tmp_path, capsys, arguments, message):
    if arguments[0] == "--vae":
        pytest.importorskip("diffusers")
    source = photographs(tmp_path / "photos", 1, "test")
    assert main(["dataset", "align", str(source.root), "--to", str(tmp_path / "pairs"), *arguments]) == 2
    assert message in capsys.readouterr().err
