"""The embedded small PaliGemma: the same classes as the 3B model, 1.2 million parameters, trained from scratch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch.utils.data import Dataset
from transformers import (
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessor,
)

from aireal.captions.language.grammar import LANGUAGES, prompt, render, variant_count
from aireal.captions.language.lexicon import REGION_WRITTEN
from aireal.evidence.record import BRIGHTNESS, COLOURS, EDGES, REGIONS, TEXTURE, Cues, EvidenceRecord

from .synthetic import OverlayPool, random_verdict

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))


@dataclass(frozen=True)
class Shape:
    """Sizes of the small model.

    Its 8x8 patches are the cells of ResNet34's Grad-CAM on 256 px pictures. Maps of other sizes are learnt, too.
    """

    image_size: int = 112
    patch_size: int = 14
    text_width: int = 128
    text_layers: int = 3
    text_heads: int = 4
    text_inner: int = 384
    vision_width: int = 96
    vision_layers: int = 3
    vision_heads: int = 4
    vision_inner: int = 256
    vocabulary: int = 1600

    @property
    def image_tokens(self) -> int:
        return (self.image_size // self.patch_size) ** 2


def corpus(seed: int, count: int = 20000) -> Iterable[str]:
    """Prompts and sentences of both languages over random records and variants."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        cues = Cues(*(str(rng.choice(words)) for words in (COLOURS, BRIGHTNESS, TEXTURE, EDGES)))
        record = random_verdict(rng, str(rng.choice(REGIONS)), (0.5, 0.5), cues)
        language = LANGUAGES[rng.integers(len(LANGUAGES))]
        yield from region_question(record, language, rng)
        yield prompt(record, language)
        yield render(record, language, int(rng.integers(variant_count(record, language))))


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """BPE as Gemma's, learnt from `texts`: blanks are ▁, unknown letters fall back to bytes, each digit is a token."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"[0-9.,:;%()=\n]"), "isolated"), pre_tokenizers.Split("▁", "merged_with_next")]
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*SPECIAL, *BYTES],
        initial_alphabet=list("0123456789.,:;%()=\n▁"),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": "<image>"},
    )


def build_small_paligemma(
    shape: Shape = Shape(), seed: int = 7
) -> tuple[PaliGemmaForConditionalGeneration, PaliGemmaProcessor]:
    """A small PaliGemma with random weights, and its processor with a tokenizer learnt from the grammar's texts."""
    images = SiglipImageProcessor(
        size={"height": shape.image_size, "width": shape.image_size}, image_seq_length=shape.image_tokens
    )
    tokenizer = train_tokenizer(corpus(seed), shape.vocabulary)
    processor = PaliGemmaProcessor(image_processor=images, tokenizer=tokenizer)  # adds 1024 <loc> and 128 <seg> tokens
    ids = {f"{name}_token_id": getattr(processor.tokenizer, f"{name}_token_id") for name in ("pad", "eos", "bos")}
    size = len(processor.tokenizer)
    config = PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": shape.vision_width,
            "intermediate_size": shape.vision_inner,
            "num_hidden_layers": shape.vision_layers,
            "num_attention_heads": shape.vision_heads,
            "image_size": shape.image_size,
            "patch_size": shape.patch_size,
            "vision_use_head": False,
            "projection_dim": shape.text_width,
        },
        text_config={
            "model_type": "gemma",
            "hidden_size": shape.text_width,
            "intermediate_size": shape.text_inner,
            "num_hidden_layers": shape.text_layers,
            "num_attention_heads": shape.text_heads,
            "num_key_value_heads": 1,
            "head_dim": shape.text_width // shape.text_heads,
            "vocab_size": size,
            "max_position_embeddings": 512,
            "initializer_range": 0.05,
            **ids,
        },
        image_token_index=processor.image_token_id,
        vocab_size=size,
        projection_dim=shape.text_width,
        hidden_size=shape.text_width,
        **ids,
    )
    torch.manual_seed(seed)
    return PaliGemmaForConditionalGeneration(config), processor


def region_question(record: EvidenceRecord, language: str, rng: np.random.Generator) -> tuple[str, str]:
    """The question for the region alone, and its answer.

    PaliGemma's own pre-training mixes tasks, too. Here the question raises the weight of the picture: only a few of a
    sentence's 27 tokens depend on it, and a model trained on sentences alone learns to use the picture very late.
    """
    phrases = REGION_WRITTEN[language][record.region]
    return f"region {language}", phrases[int(rng.integers(len(phrases)))]


class SyntheticDataset(Dataset):
    """`length` examples over a pool, each mirrored at random, with a random class, number, language and sentence.

    A share of them, `questions`, is a `region_question` instead of a sentence. Item i depends on (seed, i) alone, so a
    resumed training gets the same items as an uninterrupted one.
    """

    def __init__(self, pool: OverlayPool, length: int, seed: int, questions: float = 0.35):
        self.pool, self.length, self.seed, self.questions = pool, length, seed, questions

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, index))
        picture, flip = int(rng.integers(len(self.pool))), (bool(rng.integers(2)), bool(rng.integers(2)))
        record = self.pool.record(picture, rng, flip)
        language = LANGUAGES[rng.integers(len(LANGUAGES))]
        if rng.random() < self.questions:
            text, answer = region_question(record, language, rng)
        else:
            variant = int(rng.integers(variant_count(record, language)))
            text, answer = prompt(record, language), render(record, language, variant)
        return {"image": self.pool.image(picture, flip), "prompt": text, "sentence": answer}
