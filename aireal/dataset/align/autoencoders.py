"""Open a generator's autoencoder by diffusers: a short name, an id of the hub, or a local folder. Weights are read from
safetensors alone."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from aireal.core.device import best_device, device_name, precision
from aireal.core.errors import first_line, quoted
from aireal.core.json_text import read_object
from aireal.core.secrets import gated_advice

from .pair import GRID, Origin

KNOWN = {  # short name → repository of the hub
    "sd1": "stabilityai/sd-vae-ft-mse",
    "sdxl": "stabilityai/sdxl-vae",
    "flux": "black-forest-labs/FLUX.1-schnell",
    "taesd": "madebyollin/taesd",
    "taesdxl": "madebyollin/taesdxl",
    "taef1": "madebyollin/taef1",
}
CLASSES = ("AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderTiny")
CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
PLACES = ("", "vae/")  # in a repository: of an autoencoder, of a whole pipeline
TILE = 1024  # px: larger pictures go through an AutoencoderKL in overlapping tiles, or they would fill the memory
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass
class DiffusersAutoencoder:
    """An autoencoder of diffusers for round trips.

    Attributes:
        name: what the user called it; of a local folder the last part.
        sha256: of its weights.
        multiple: px that the sides of a picture must be multiples of.
        dtype: of its computation: bfloat16 or float16 on CUDA, float32 elsewhere.
    """

    model: torch.nn.Module
    name: str
    sha256: str
    multiple: int
    device: torch.device
    dtype: torch.dtype

    @property
    def origin(self) -> Origin:
        """What the new root tells about it."""
        computed = f"{device_name(self.device)}, {str(self.dtype).removeprefix('torch.')}"
        return Origin(self.name, self.sha256, f"{computed}, diffusers {version('diffusers')}, torch {version('torch')}")

    @torch.inference_mode()
    def round_trip(self, images: np.ndarray) -> np.ndarray:
        """uint8 [B, H, W, 3] encoded (the mode of the latents' distribution) and decoded again.

        Raises:
            ValueError: the numbers overflowed.
        """
        x = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        found = self.model.encode(x.to(self.dtype))
        latents = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
        painted = self.model.decode(latents).sample.float()
        if not painted.isfinite().all():
            raise ValueError(
                f"the autoencoder {self.name} overflowed in {self.dtype}; use a GPU with bfloat16, or another --vae"
            )
        painted = painted.add_(1).mul_(127.5).clamp_(0, 255).round_()
        return painted.byte().permute(0, 2, 3, 1).cpu().numpy()


def open_autoencoder(
    name: str, revision: str | None = None, device: torch.device | None = None
) -> DiffusersAutoencoder:
    """An autoencoder, ready for round trips.

    Args:
        name: of `KNOWN`, an id of the hub, or a local folder; a folder or repository of a whole pipeline is looked at
            in its `vae`.
        revision: branch, tag or commit of a repository.
        device: default: the best one.

    Raises:
        ValueError: diffusers is missing, nothing of that name can be had, it is no autoencoder of pictures that
            diffusers knows, or it has no safetensors.
    """
    diffusers = _library()
    folder = _locate(name, revision)
    config = _config(folder, name)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ValueError(
            f"{name} has no {WEIGHTS}; other files of weights may run code when they are read, so they are not: "
            "save it with save_pretrained, or use another --vae"
        )
    device = device or best_device()
    dtype = _dtype(device, config)
    model = _load(diffusers, config["_class_name"], folder, name, dtype)
    model = model.to(device).eval().requires_grad_(False)
    if config["_class_name"] != "AutoencoderTiny":  # which needs little memory
        model.tile_sample_min_size, model.tile_latent_min_size = TILE, TILE // _scale(model.config)
        model.enable_tiling()
    short = Path(name).resolve().name if Path(name).is_dir() else name
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return DiffusersAutoencoder(model, short, digest, max(GRID, _scale(model.config)), device, dtype)


def _library():
    try:
        import diffusers
    except ImportError:
        raise ValueError(
            "autoencoders are opened by the library `diffusers`, which is not installed; "
            'install it with: pip install diffusers (or this package with pip install -e ".[align]")'
        ) from None
    return diffusers


def _locate(name: str, revision: str | None) -> Path:
    """The folder that holds config and weights; fetched from the hub unless it is local or cached."""
    if Path(name).is_dir():
        if revision:
            raise ValueError(f"--revision is for repositories of the hub, and {name} is a local folder; leave it out")
        return _inside(Path(name), name)
    repository = KNOWN.get(name, name)
    if not HUB_ID.fullmatch(repository):
        raise ValueError(
            f"--vae {name} is neither a folder nor an id of the hub (owner/name); short names are {', '.join(KNOWN)}"
        )
    files = [place + file for place in PLACES for file in (CONFIG, WEIGHTS)]
    try:
        return _inside(Path(snapshot_download(repository, revision=revision, allow_patterns=files)), name)
    except GatedRepoError:
        raise ValueError(f"{repository} is gated: {gated_advice(repository)}") from None
    except RevisionNotFoundError:
        raise ValueError(f"{repository} has no revision {revision}; check --revision") from None
    except RepositoryNotFoundError:
        raise ValueError(f"{repository} is not on the hub, or your account may not see it; check --vae") from None
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(
            f"{repository} is not cached, and the hub cannot be reached ({first_line(error, 80)}); connect to the "
            "internet once, or give a local folder as --vae"
        ) from None


def _inside(folder: Path, name: str) -> Path:
    for place in PLACES:
        if (folder / place / CONFIG).is_file():
            return folder / place
    raise ValueError(f"{name} holds no autoencoder: there is neither {CONFIG} nor vae/{CONFIG}; check --vae")


def _config(folder: Path, name: str) -> dict:
    try:
        config = read_object(folder / CONFIG, "", {"_class_name": str})
        kind = config["_class_name"]
    except ValueError:
        raise ValueError(f"{CONFIG} of {name} is damaged; fetch or save the autoencoder again") from None
    if kind not in CLASSES:
        raise ValueError(f"{name} is a {quoted(kind)}, and not one of {', '.join(CLASSES)}; use another --vae")
    return config


def _load(diffusers, kind: str, folder: Path, name: str, dtype: torch.dtype) -> torch.nn.Module:
    """The model, complete."""
    verbosity = diffusers.utils.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity_error()  # it warns of entries that it writes into configs itself
    try:
        model, about = getattr(diffusers, kind).from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, torch_dtype=dtype
        )
    except Exception as error:  # diffusers passes on whatever safetensors, torch or the config's values raise
        raise ValueError(
            f"the autoencoder {name} cannot be loaded ({first_line(error)}); fetch or save it again"
        ) from None
    finally:
        diffusers.utils.logging.set_verbosity(verbosity)
    if about["missing_keys"]:
        raise ValueError(
            f"{WEIGHTS} of {name} lacks {len(about['missing_keys'])} tensors that its {CONFIG} asks for; "
            "fetch or save it again"
        )
    return model


def _dtype(device: torch.device, config: dict) -> torch.dtype:
    """float16 only where bfloat16 is missing and the config does not say that the model overflows in it (SDXL's)."""
    if device.type != "cuda":
        return torch.float32
    if precision(device) == "bf16":
        return torch.bfloat16
    return torch.float32 if config.get("force_upcast", True) else torch.float16


def _scale(config: dict) -> int:
    """How much smaller the latents' sides are than the picture's."""
    return 2 ** (len(config.get("encoder_block_out_channels") or config["block_out_channels"]) - 1)
