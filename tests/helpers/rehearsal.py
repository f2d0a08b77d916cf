"""`full` on a CPU without a network: the profile with other ids and smaller numbers, and everything that it fetches.

`make_stage` puts onto a disk what `full` takes from the hub, and a tiny dataset. `Stage.run` runs Python there in a
process of its own, as a runtime does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from aireal.captions.claude.mock import MockServer
from aireal.config import REPOSITORY, DatasetRoot
from aireal.dataset.manifest import load_items, write_manifest
from aireal.paligemma.full_size import build_full_size, configuration, make_processor
from aireal.stages.predict_testset import caption_split
from helpers.hub import cache_weights
from helpers.images import SAMPLE

VIT, CLIP = "vit_tiny_patch16_224", "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"
# wide enough for what the 3B model gets: 16 bits and checkpointed activations
TINY_PALIGEMMA = {
    "vision": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "patch_size": 28,
        "image_size": 224,
    },
    "text": {
        "hidden_size": 512,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 128,
    },
}
NUMBERS = {
    "needs_gpu": False,
    "vit": VIT,
    "clip": CLIP,
    "crop": 64,
    "image_size": 96,
    "epochs": 1,
    "batch_size": 8,
    "lime_samples": 64,
    "captions_per_image": 1,
    "lora_rank": 4,
    "lora_steps": 4,
    "lora_batch": 2,
    "lora_procedural": 4,
    "lora_selection": 4,
    "demo_images": 1,
    "heatmap_images": 4,
    "explained_images": 2,
    "audit_images": 24,
}  # of `full`, in place of its own
CALL = """
import sys
from aireal.notebooks import run_notebooks

sys.exit(run_notebooks("full", **{settings!r}))
"""
PICTURES = {"train": 6, "val": 4, "proposal": 1}  # of each class
OVERLAYS = {"train": 2, "val": 1, "test": 1}  # test pictures of each class, by PaliGemma's split


@dataclass(frozen=True)
class Stage:
    """Where a rehearsal plays.

    Attributes:
        root: a tiny dataset, with proposals.
        overrides: `NUMBERS`, with the folder of a tiny PaliGemma.
        server: stands for Claude.
        hub: `HF_HOME` with weights of the classifiers.
    """

    root: Path
    overrides: dict
    server: MockServer
    hub: Path

    def run(self, program: str, image: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
        """Run Python code in a new process, offline.

        Args:
            image: a folder of packages that a runtime brings; they go before the installed ones.
            environment: further variables. The process has no secret but these.
        """
        call = [sys.executable, "-c", program]
        return subprocess.run(
            call, env=self.environment(image) | environment, capture_output=True, text=True, timeout=900
        )

    def environment(self, image: Path | None = None) -> dict[str, str]:
        """The variables of `run`."""
        secret = ("HF_TOKEN", "ANTHROPIC_API_KEY", "HF_HUB_CACHE")
        inherited = {name: value for name, value in os.environ.items() if name not in secret}
        path = os.pathsep.join(str(part) for part in (image, REPOSITORY) if part)
        own = {"HF_HOME": str(self.hub), "HF_HUB_OFFLINE": "1", "ANTHROPIC_BASE_URL": self.server.url}
        return {**inherited, **own, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}

    def run_notebooks(
        self, keep: Path, image: Path | None = None, secrets: dict[str, str] | None = None, **arguments
    ) -> subprocess.CompletedProcess:
        """Run the notebooks in a new process, by the call in docs/full_profile.md; `arguments` are further ones.

        Args:
            secrets: variables that hold keys.
        """
        settings = {"root": str(self.root), "keep": str(keep), "overrides": self.overrides, **arguments}
        return self.run(CALL.format(settings=settings), image, **(secrets or {}))


def make_stage(folder: Path, server: MockServer) -> Stage:
    """Weights of small networks in a hub's cache, a tiny PaliGemma, and a dataset, all in `folder`."""
    for architecture in ("rexnet_150", "resnet34", VIT, CLIP):
        cache_weights(folder / "hf" / "hub", architecture)
    processor = make_processor(TINY_PALIGEMMA)
    shape = {**TINY_PALIGEMMA, "text": {**TINY_PALIGEMMA["text"], "vocab_size": len(processor.tokenizer)}}
    model = build_full_size(configuration(processor, shape), torch.device("cpu"), seed=7)
    with torch.no_grad():  # random weights might write nothing but line ends, which a real model does not
        model.get_input_embeddings().weight[_blank_tokens(processor.tokenizer)] = 0
    for part in (model, processor):
        part.save_pretrained(folder / "tiny-paligemma")
    overrides = {**NUMBERS, "paligemma": str(folder / "tiny-paligemma")}
    return Stage(make_root(folder / "root"), overrides, server, folder / "hf")


def _blank_tokens(tokenizer) -> list[int]:
    """The tokens that show nothing: the end of a sentence, line ends, blanks."""
    return [token for token in range(len(tokenizer)) if not tokenizer.decode([token], skip_special_tokens=True).strip()]


def make_root(folder: Path) -> Path:
    """`PICTURES` and `OVERLAYS` of the sample dataset, each of a source of its own, with a manifest."""
    wanted = {}  # by split, PaliGemma's split and class
    for label in (0, 1):
        wanted |= {(split, "", label): count for split, count in PICTURES.items()}
        wanted |= {("test", split, label): count for split, count in OVERLAYS.items()}
    chosen, sources = [], set()
    for item in load_items(DatasetRoot.at(SAMPLE)):
        key = (item.split, caption_split(item.group) if item.split == "test" else "", item.label)
        if wanted.get(key) and item.group not in sources:
            wanted[key] -= 1
            sources.add(item.group)
            chosen.append(item)
            (folder / item.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SAMPLE / item.path, folder / item.path)
    write_manifest(folder / "manifest.csv", chosen)
    return folder


def files_with(text: str, *folders: Path) -> list[Path]:
    """Files below the folders that hold the text, in their bytes or their names."""
    paths = [path for folder in folders for path in folder.rglob("*")]
    return [path for path in paths if text in path.name or path.is_file() and text.encode() in path.read_bytes()]


@pytest.fixture(name="stage", scope="session")
def stage_(tmp_path_factory) -> Iterator[Stage]:
    """Shared by all rehearsals of this process; each has a `keep` of its own."""
    with MockServer() as server:
        yield make_stage(tmp_path_factory.mktemp("stage"), server)
