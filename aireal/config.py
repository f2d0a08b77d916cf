"""Paths and profiles: the layout of a dataset root, and the three sizes of a run.

The differences between a smoke test, a laptop and a GPU runtime are numbers and model ids in `Profile`; `core.profile`
chooses one and changes its numbers. A profile's name is compared for two purposes alone: `core.run` keeps the products
of `smoke` out of the dataset root, and `stages.requirements` checks what `full` needs before it starts.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

__version__ = "0.1.0"
LABELS = ("0_real", "1_fake")  # folder names; the number is the label
REPOSITORY = Path(__file__).resolve().parent.parent
WEIGHTS = REPOSITORY / "aireal" / "weights"
SMALL_PALIGEMMA = WEIGHTS / "paligemma_small"


def backbone_file(architecture: str) -> Path | None:
    """The repository's backbone of an architecture, aireal/weights/ARCHITECTURE_backbone.safetensors, or None."""
    path = WEIGHTS / f"{architecture}_backbone.safetensors"
    return path if path.is_file() else None


def project_url() -> str:
    """The repository's address, from `[project.urls]` of pyproject.toml, its only definition."""
    path = REPOSITORY / "pyproject.toml"
    if path.is_file():
        return tomllib.loads(path.read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    urls = dict(
        line.split(", ", 1) for line in metadata("aireal").get_all("Project-URL")
    )  # installed without repository
    return urls["Repository"]


def has_address() -> bool:
    """Whether `project_url` is real; the placeholder lies under example.org, which nobody can own (RFC 2606)."""
    return "//example.org/" not in project_url()


@dataclass(frozen=True)
class Profile:
    """The settings of one size of run. Sizes are in pixels, `limit` in images a class and split (None: all of them)."""

    name: str
    limit: int | None
    crop: int  # side of the random training crop; prediction takes whole pictures at `image_size`
    image_size: int
    epochs: int  # the same for all classifiers, so that they train on equally many pictures
    batch_size: int
    learning_rate: float
    pretrained: bool  # timm's ImageNet weights from the hub; otherwise the repository's backbones (`backbone_file`)
    vit: str
    lime_samples: int  # upper limit for a picture
    captions_per_image: int  # augmented sentences a language
    paligemma: str  # hub id, folder, or "embedded"
    lora_rank: int
    lora_learning_rate: float
    lora_steps: int
    lora_batch: int
    demo_images: int
    heatmap_images: int  # validation pictures to select the heatmap method with, both classes together
    explained_images: int  # test pictures whose explanations notebook 04 evaluates, both classes together
    warmup: float = 0.1  # share of a classifier's training steps over which the learning rate grows
    ema_decay: float = 0.999  # of the averaged weights, after their own warm-up
    patience: int = 10  # epochs without a better validation AUROC before a classifier's training stops
    checkpoint_seconds: float = 30.0  # between two checkpoints of a classifier's training
    lora_patience: int = 2  # evaluations without a higher region accuracy before PaliGemma's fine-tuning stops
    clip: str | None = None  # timm's image tower of a CLIP, measured frozen with a linear probe beside the baselines
    four_bit: bool = False  # PaliGemma's frozen language model in 4 bits (QLoRA); CUDA with bitsandbytes only
    dtype: str = "auto"  # PaliGemma's number format: float16, bfloat16, float32, or auto (what the device is fast in)
    lora_mirrored: bool = False  # train on the mirrored overlays, too
    lora_procedural: int = 0  # procedural overlays to train on, over the training pictures
    lora_selection: int = 64  # sentences per evaluation, by which the kept weights are selected
    needs_gpu: bool = False  # a run without a GPU is refused; a rehearsal overrides it
    # What one run reads of a large dataset, both classes together (None: all of it); the draw is dataset.bounds'
    test_images: int | None = 2000  # test pictures that are predicted, explained and tested for robustness
    audit_images: int | None = 4000  # pictures that the shortcut audit of notebook 03 reads
    caption_images: int | None = 1000  # overlays that notebook 05 writes sentences about
    overlay_images: int | None = 100  # overlays that PaliGemma is validated on, and as many that it is tested on
    import_images: int = 50_000  # pictures a class and split that `dataset` imports where no `limit` is set


PROFILES = {
    "smoke": Profile(
        name="smoke",
        limit=4,
        crop=64,
        image_size=96,
        epochs=1,
        batch_size=8,
        learning_rate=1e-3,
        pretrained=False,
        vit="vit_tiny_patch16_224",
        lime_samples=64,
        captions_per_image=2,
        paligemma="embedded",
        lora_rank=4,
        lora_learning_rate=4e-3,
        lora_steps=4,
        lora_batch=4,
        demo_images=1,
        checkpoint_seconds=0,
        heatmap_images=4,
        explained_images=2,
        audit_images=40,
        import_images=20,
    ),
    "sample": Profile(
        name="sample",
        limit=None,
        crop=128,
        image_size=256,
        epochs=2,
        batch_size=32,
        learning_rate=1e-3,
        pretrained=False,
        vit="vit_tiny_patch16_224",
        lime_samples=1000,
        captions_per_image=4,
        paligemma="embedded",
        lora_rank=16,
        lora_learning_rate=3e-4,
        lora_steps=300,
        lora_batch=16,
        demo_images=4,
        heatmap_images=8,
        explained_images=8,
        import_images=5000,
    ),
    "full": Profile(
        name="full",
        limit=None,
        crop=224,
        image_size=256,
        epochs=8,
        batch_size=64,
        learning_rate=1e-3,
        pretrained=True,
        vit="vit_base_patch16_224",
        clip="vit_base_patch16_clip_224.openai",
        lime_samples=2000,
        captions_per_image=5,
        paligemma="google/paligemma-3b-pt-224",
        lora_rank=8,
        lora_learning_rate=2e-4,
        lora_steps=1000,
        lora_batch=4,
        lora_mirrored=True,
        lora_procedural=1800,
        lora_selection=128,
        demo_images=4,
        heatmap_images=64,
        explained_images=200,
        needs_gpu=True,
    ),
}


@dataclass(frozen=True)
class DatasetRoot:
    """The folders and files of one dataset.

    Pictures are read under `root`. The stages write under `products`, which is the root itself unless the run must
    not touch it (smoke).
    """

    root: Path
    products: Path

    @classmethod
    def at(cls, root: str | Path, products: str | Path | None = None) -> DatasetRoot:
        """The dataset root in a folder; `products` defaults to the same folder."""
        root = Path(root)
        return cls(root, Path(products) if products else root)

    @property
    def train(self) -> Path:
        return self.root / "data" / "train"

    @property
    def test(self) -> Path:
        return self.root / "test"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.csv"

    @property
    def model(self) -> Path:
        return self.products / "data" / "model"

    @property
    def result(self) -> Path:
        return self.products / "result"

    @property
    def gradcam(self) -> Path:
        return self.products / "gradcam"

    @property
    def table(self) -> Path:
        return self.products / "data.csv"

    @property
    def answers(self) -> Path:
        return self.products / "data_answer_add.csv"

    @property
    def adapter(self) -> Path:
        return self.products / "data" / "paligemma_lora"
