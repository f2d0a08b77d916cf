"""CLIP as a row of the comparison: a linear probe on its frozen image tower, with the normalisation and the picture
size that belong to its weights. The hub's cache is made on the spot, with a small CLIP of random weights."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from huggingface_hub import constants
from timm.layers import QuickGELU

from aireal.classifier.batch_inference import predict_folder
from aireal.classifier.data import eval_loader
from aireal.classifier.evaluate import compare, evaluate_classifier
from aireal.classifier.linear_probe import pooled_features
from aireal.classifier.model import build_classifier, load
from aireal.classifier.train import ensure_classifier, model_folder, train_architecture
from aireal.config import PROFILES
from aireal.core.picture_files import find_images
from aireal.dataset.manifest import load_items
from aireal.reporting.tables.classifiers import classifiers_block, support
from aireal.stages.requirements import check_requirements
from helpers.hub import cache_weights

SMALL_CLIP = "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def clip(smoke_run, tmp_path_factory):
    """A run whose profile has the small CLIP, offline, with the network that lies in its cache."""
    cache = tmp_path_factory.mktemp("hub")
    network = cache_weights(cache, SMALL_CLIP)
    profile = dataclasses.replace(smoke_run.profile, pretrained=True, clip=SMALL_CLIP)
    run = dataclasses.replace(smoke_run, profile=profile, out=tmp_path_factory.mktemp("clip"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        yield run, network


@pytest.fixture(scope="module")
def trained(clip):
    return train_architecture(clip[0], SMALL_CLIP)


@pytest.fixture(scope="module")
def report(clip, trained):
    return evaluate_classifier(clip[0], trained, load_items(clip[0].data, "test", clip[0].profile.limit))


def test_full_measures_clip():
    assert PROFILES["full"].clip == "vit_base_patch16_clip_224.openai"
    assert PROFILES["sample"].clip is None


def test_its_requirements_are_checked_in_the_first_cell(clip):
    check_requirements(clip[0], SMALL_CLIP)
    with pytest.raises(ValueError, match="openai is not cached"):
        check_requirements(clip[0], PROFILES["full"].clip)


def test_the_body_stays_as_it_was_and_only_the_probe_is_trained(clip, trained):
    before, after = clip[1].state_dict(), trained.model.state_dict()
    assert all(torch.equal(after[name].cpu(), before[name]) for name in before if not name.startswith("head."))
    assert after["head.weight"].shape == (2, clip[1].num_features)
    assert [row["epoch"] for row in trained.history] == [0]
    assert trained.images_seen == 0


def test_pictures_are_normalised_and_sized_as_clip_was_trained(clip, trained):
    config = trained.config
    assert (config.mean, config.std) == (MEAN, STD)
    assert config.image_size == 224, "not the profile's"
    assert config.frozen
    items = load_items(clip[0].data, "val", 4)
    batches = eval_loader(items, clip[0].data.root, config, 4)
    pixels = next(iter(batches))[0]
    undone = pixels * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    assert pixels.shape[-1] == 224
    assert undone.min() >= -1e-6
    assert undone.max() <= 1 + 1e-6
    features, _ = pooled_features(trained.model, batches)
    with torch.inference_mode():
        expected = torch.cat([clip[1].forward_head(clip[1].forward_features(x), pre_logits=True) for x, _ in batches])
    torch.testing.assert_close(torch.from_numpy(features), expected, atol=1e-4, rtol=1e-4)


def test_a_stored_probe_predicts_the_same_without_the_hub(clip, trained, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/nowhere")
    folder = model_folder(clip[0], SMALL_CLIP)
    assert folder == clip[0].out / "checkpoints" / "clip"
    model, config = load(folder)
    assert config == trained.config
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(model(pixels), trained.model(pixels))
    files = find_images([clip[0].data.test])[:2]
    predictions = list(predict_folder(files, folder, exact=True))
    assert all(0 < p.probability_fake < 1 for p in predictions)
    assert train_architecture(clip[0], SMALL_CLIP).reused


def test_its_metrics_say_what_it_is(report):
    assert json.loads(json.dumps(report)) == report
    assert report["frozen"]
    assert report["initial_weights"] == "clip, tinyclip_yfcc15m (timm)"
    assert report["normalisation"] == {"mean": list(MEAN), "std": list(STD)}
    assert report["cost"]["image_size"] == 224
    assert report["cost"]["train_images_per_second"] is None, "it was not trained"
    assert report["cost"]["predict_images_per_second"] > 0


def test_it_is_a_row_and_a_yardstick_of_the_comparison(clip, report, smoke_run):
    items = load_items(smoke_run.data, "test", smoke_run.profile.limit)
    ours = evaluate_classifier(smoke_run, ensure_classifier(smoke_run), items)
    settings = {"device": "cpu", "seed": 7, "versions": {"torch": "2"}}
    comparison = compare(items, {"clip": report, "resnet34": ours}, seed=7)
    metrics = {"clip": report | settings, "resnet34": ours | settings, "comparison": comparison}
    for language, frozen in (("en", ", frozen"), ("ko", ", 고정")):
        rows = [
            line for line in classifiers_block(metrics, language).splitlines() if line.startswith(f"| {SMALL_CLIP}")
        ]
        assert [frozen in row for row in rows] == [True, True]
        assert "| – |" in rows[1], "no speed of a training that there was not"
    assert "Against the yardstick, a linear probe on frozen clip" in support(comparison, "en")
    assert "With the initial weights in use" not in support(comparison, "en")


def test_openais_weights_get_the_activation_they_were_trained_with():
    with torch.device("meta"):
        openai, others = (build_classifier(name, 224) for name in (PROFILES["full"].clip, SMALL_CLIP))
    assert isinstance(openai.blocks[0].mlp.act, QuickGELU)
    assert not isinstance(others.blocks[0].mlp.act, QuickGELU)
