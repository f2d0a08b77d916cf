"""PaliGemma as a user meets it: a batch that teaches the right thing, steady sentences, adapters that come back, bound facts."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aireal.captions.language.grammar import LANGUAGES, contradictions, parse, prompt, render
from aireal.config import REPOSITORY
from aireal.evidence.record import REGIONS, peak_of, region_of
from aireal.paligemma import arguments
from aireal.paligemma import model as models
from aireal.paligemma import train as training
from aireal.paligemma.consistency import PALIGEMMA, consistency_rates, select_consistent
from aireal.paligemma.data import IGNORED, Collator, OverlayDataset
from aireal.paligemma.generate import describe
from aireal.paligemma.small import synthetic as procedural
from aireal.paligemma.small.model import build_small_paligemma
from aireal.paligemma.small.pretrain_vision import VisionPretraining, seeing_item
from aireal.paligemma.train import finetune
from helpers.paligemma import NUMBERS, batch_, examples_, folder_, rows_, small_, train_on_files  # noqa: F401  (fixtures)

# --- loading -----------------------------------------------------------------------------------------------------------


def test_loading_says_what_to_do(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no PaliGemma"):
        models.load(tmp_path / "empty", "cpu")
    with pytest.raises(ValueError, match="4-bit weights need a CUDA GPU"):
        models.load(folder, "cpu", four_bit=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "gemma", "hidden_size": 8}), encoding="utf-8")
    with pytest.raises(ValueError, match="not PaliGemma"):
        models.load(other, "cpu")


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (
            "GatedRepoError",
            "accept its licence on https://huggingface.co/google/paligemma-3b-pt-224 .*HF_TOKEN .*huggingface-cli login",
        ),
        ("RepositoryNotFoundError", "check the name"),
        ("LocalEntryNotFoundError", "go online once"),
    ],
)
def test_a_model_the_hub_refuses_is_one_sentence_with_the_step(monkeypatch, error, step):
    def refuse(*args, **kwargs):
        raise OSError("from the hub") from type(error, (Exception,), {})()

    monkeypatch.setattr(models.PaliGemmaConfig, "from_pretrained", refuse)
    with pytest.raises(ValueError, match=step) as caught:
        models.load("google/paligemma-3b-pt-224", "cpu")
    assert "\n" not in str(caught.value)


def test_number_format_follows_size_and_device(small, monkeypatch):
    config = small[0].config
    assert models.dtype_for(config, torch.device("cuda")) == torch.float32
    large = type(config)()
    assert models.dtype_for(large, torch.device("cpu")) == torch.bfloat16
    for native, wanted in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation=True, native=native: native or including_emulation,
        )
        assert models.dtype_for(large, torch.device("cuda")) == wanted


# --- generation --------------------------------------------------------------------------------------------------------


def test_describe_is_deterministic_and_batch_size_does_not_change_the_text(small, examples):
    model, processor = small
    images, records = zip(*examples[:7])
    prompts = [prompt(record, LANGUAGES[i % 2]) for i, record in enumerate(records)]
    one = describe(model, processor, images, prompts, batch_size=1, max_new_tokens=40)
    assert describe(model, processor, images, prompts, batch_size=1, max_new_tokens=40) == one
    assert describe(model, processor, images, prompts, batch_size=3, max_new_tokens=40) == one
    assert describe(model, processor, images, prompts, batch_size=7, max_new_tokens=40) == one


def test_generation_sees_what_training_sees(small, rows):
    """The next token after the prompt: from the training batch (right padding) and from generate (left padding)."""
    model, processor = small
    items = [OverlayDataset(rows)[i] for i in range(4)]
    trained = Collator(processor)(items)
    with torch.inference_mode():
        logits = model(**trained).logits
    first = (trained["labels"] != IGNORED).long().argmax(1) - 1
    expected = logits[torch.arange(4), first].argmax(-1)
    texts = describe(
        model, processor, [item["image"] for item in items], [item["prompt"] for item in items], max_new_tokens=1
    )
    assert texts == [
        text.strip() for text in processor.tokenizer.batch_decode(expected[:, None], skip_special_tokens=True)
    ]


def test_describe_wants_one_prompt_an_overlay(small, examples):
    with pytest.raises(ValueError, match="one prompt an overlay"):
        describe(*small, [examples[0][0]], [])


# --- binding and scoring -----------------------------------------------------------------------------------------------


@st.composite
def records(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pick = [str(rng.choice(words)) for words in procedural.CUE_WORDS]
    return procedural.random_verdict(rng, draw(st.sampled_from(REGIONS)), (0.5, 0.5), procedural.Cues(*pick))


@settings(max_examples=80, deadline=None)
@given(
    records(),
    records(),
    st.sampled_from(LANGUAGES),
    st.sampled_from(LANGUAGES),
    st.integers(0, 500),
    st.text(max_size=60),
)
def test_bind_never_shows_a_wrong_fact(record, other, language, spoken, variant, noise):
    texts = [
        render(record, language, variant),
        render(other, spoken, variant),
        noise,
        render(record, spoken, variant) + " " + noise,
        "",
    ]
    shown = select_consistent(texts, [record] * len(texts), [language] * len(texts))
    for text, sentence in zip(texts, shown):
        found = parse(sentence.text)
        assert (found.label, found.probability, found.region, found.language) == (
            record.label,
            record.probability,
            record.region,
            language,
        )
        assert (sentence.source == PALIGEMMA) == (sentence.text == text and not contradictions(text, record, language))
        assert sentence.source == PALIGEMMA or sentence.source.startswith(
            "base caption (model sentence contradicted the record: "
        )
    assert shown[0].source == PALIGEMMA


def test_score_counts_what_is_wrong(examples):
    truth = [record for _, record in examples]
    good = [render(record, "ko", i) for i, record in enumerate(truth)]
    assert all(
        consistency_rates(good, truth, "ko")[name]["value"] == 1
        for name in ("class", "number", "region", "colour", "consistent")
    )
    moved = [dataclasses.replace(record, region=REGIONS[(REGIONS.index(record.region) + 1) % 9]) for record in truth]
    spoilt = consistency_rates([render(record, "en") for record in moved[:9]] + good[9:17] + ["nonsense"], truth)
    assert (
        spoilt["region"]["value"] == round(8 / 18, 4)
        and spoilt["number"]["value"] == round(17 / 18, 4) == spoilt["class"]["value"]
    )
    assert consistency_rates(good, truth, "en")["consistent"]["value"] == 0
    assert spoilt["region"]["low"] < 8 / 18 < spoilt["region"]["high"] and spoilt["n"] == 18
    with pytest.raises(ValueError, match="at least one"):
        consistency_rates([], [])


# --- training and adapters ---------------------------------------------------------------------------------------------


def test_adapter_comes_back_the_same_and_names_no_path(small, folder, batch, tmp_path):
    model, _ = small
    wrapped = models.attach_lora(model, 4)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(0, 0.02, generator=torch.Generator().manual_seed(1))
        expected = wrapped.eval()(**batch).logits
    models.save_adapter(wrapped, tmp_path / "adapter")
    again = models.load_adapter(models.load(folder, "cpu")[0], tmp_path / "adapter")
    with torch.no_grad():
        assert torch.equal(again(**batch).logits, expected)
        with again.disable_adapter():
            assert not torch.allclose(again(**batch).logits, expected)
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "base.json",
        "README.md",
    }
    for path in ("adapter_config.json", "README.md"):
        text = (tmp_path / "adapter" / path).read_text(encoding="utf-8")
        assert folder.name in text and str(folder.parent) not in text and str(tmp_path) not in text
    assert models.lora_modules(again) == models.lora_modules(wrapped)
    fresh = models.load(folder, "cpu")[0]
    with torch.no_grad():
        fresh.get_input_embeddings().weight[0] += 1
    with pytest.raises(ValueError, match="trained on other weights .*run notebook 06"):
        models.load_adapter(fresh, tmp_path / "adapter")
    again.name_or_path = again.get_base_model().name_or_path = "google/paligemma-3b-pt-224"
    with pytest.raises(ValueError, match="load the same base"):
        models.load_adapter(again.get_base_model(), tmp_path / "adapter")
    with pytest.raises(ValueError, match="holds no LoRA adapter"):
        models.load_adapter(model, tmp_path)


def test_finetune_learns_its_rows_leaves_the_base_alone_and_is_not_done_twice(small, folder, rows, tmp_path):
    model, processor = small
    frozen = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wrapped = models.attach_lora(model, 8)
    numbers = dataclasses.replace(NUMBERS, lora_steps=30, lora_batch=8, lora_rank=8)
    history = finetune(wrapped, processor, rows[:8], rows[8:12], numbers, 7, tmp_path)
    assert history.steps == 30 and history.loss[-1][1] < history.loss[0][1] and len(history.val_loss) >= 5
    assert [sample["wanted"] for sample in history.samples] == [row.sentence for row in rows[8:11]]
    assert {path.name for path in tmp_path.iterdir()} == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "base.json",
        "README.md",
        "training.json",
    }
    for name, tensor in wrapped.unload().state_dict().items():
        assert torch.equal(tensor, frozen[name]), name
    fresh = models.attach_lora(models.load(folder, "cpu")[0], 8)
    began = time.monotonic()
    assert finetune(fresh, processor, rows[:8], rows[8:12], numbers, 7, tmp_path) == history
    assert time.monotonic() - began < 2
    kept = models.load_adapter(models.load(folder, "cpu")[0], tmp_path)
    assert all(
        torch.equal(a, dict(kept.named_parameters())[name]) for name, a in fresh.named_parameters() if ".lora_" in name
    )


def test_checkpointed_activations_of_large_models_change_no_figure(folder, rows, tmp_path, monkeypatch):
    def run(out):
        model, processor = models.load(folder, "cpu")
        return finetune(models.attach_lora(model, 4), processor, rows[:8], [], NUMBERS, 7, tmp_path / out).loss

    plain = run("plain")
    monkeypatch.setattr(arguments, "SMALL_HIDDEN", 0)
    assert np.allclose(run("checkpointed"), plain, atol=2e-3)


def test_the_weights_that_look_best_on_validation_are_kept_not_the_last(small, folder, rows, tmp_path, monkeypatch):
    """Eleven steps, watched after 2, 4, ... and 11; the second and third look equally well, and the third has the lower loss."""
    model, processor = small
    scripted, seen = dict(zip((2, 4, 6, 8, 10, 11), (0.2, 0.8, 0.8, 0.4, 0.4, 0.1))), []

    def watch(self, model, loss):
        seen.append(
            {name: parameter.detach().clone() for name, parameter in model.named_parameters() if ".lora_" in name}
        )
        rate = scripted[list(scripted)[len(seen) - 1]]
        return {"region": rate, "choice": rate - 1e-5 * loss}

    monkeypatch.setattr(training.Watch, "__call__", watch)
    wrapped = models.attach_lora(model, 4)
    history = finetune(
        wrapped, processor, rows[:8], rows[8:12], dataclasses.replace(NUMBERS, lora_steps=11), 7, tmp_path
    )
    assert history.val_region == [[step, rate] for step, rate in scripted.items()]
    losses = dict(history.val_loss)
    assert history.best_step == (6 if losses[6] < losses[4] else 4)
    kept = models.load_adapter(models.load(folder, "cpu")[0], tmp_path)
    chosen, last = seen[list(scripted).index(history.best_step)], seen[-1]
    found = dict(kept.named_parameters())
    assert all(
        torch.equal(found[name], value) and torch.equal(dict(wrapped.named_parameters())[name], value)
        for name, value in chosen.items()
    )
    assert any(not torch.equal(found[name], value) for name, value in last.items())


def test_training_stops_when_it_looks_no_better_any_more(small, rows, tmp_path, monkeypatch):
    rates = iter((0.5, 0.8, 0.4, 0.7, 0.9))
    monkeypatch.setattr(
        training.Watch,
        "__call__",
        lambda self, model, loss: {"region": (rate := next(rates)), "choice": rate - 1e-5 * loss},
    )
    numbers = dataclasses.replace(NUMBERS, lora_steps=10, lora_patience=2)
    history = finetune(models.attach_lora(small[0], 4), small[1], rows[:8], rows[8:12], numbers, 7, tmp_path)
    assert [step for step, _ in history.val_region] == [2, 4, 6, 8] and history.steps == 8 and history.best_step == 4


def test_training_tells_memory_time_and_sentences(small, rows, tmp_path, capsys):
    model, processor = small
    finetune(models.attach_lora(model, 4), processor, rows[:8], rows[8:12], NUMBERS, 7, tmp_path)
    said = capsys.readouterr().out
    assert "memory before the first step" in said and "memory after the last step" in said and " s left" in said
    assert said.count("validation sentences") == 6 and rows[8].prompt in said


def test_an_argument_that_trainer_does_not_know_stops_before_training(small, rows, tmp_path):
    model, processor = small
    with pytest.raises(ValueError, match="did you mean 'weight_decay'"):
        finetune(models.attach_lora(model, 4), processor, rows[:8], [], NUMBERS, 7, tmp_path, weight_deca=0.1)
    assert not (tmp_path / "adapter_model.safetensors").exists()


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import torch
torch.set_num_threads(1)
from helpers.paligemma import train_on_files
train_on_files(Path({folder!r}), Path({here!r}), "killed")
"""


def test_a_killed_training_goes_on_and_ends_the_same(folder, rows, tmp_path):
    """kill -9 after the first checkpoint, and a later checkpoint half-written; the curve is that of a run that was not killed."""
    for i, row in enumerate(rows[:8]):
        row.overlay.save(tmp_path / f"{i}.png")
    (tmp_path / "rows.json").write_text(
        json.dumps([[row.prompt, row.sentence] for row in rows[:8]], ensure_ascii=False), encoding="utf-8"
    )
    program = KILLED.format(tests=str(REPOSITORY / "tests"), folder=str(folder), here=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoints, limit = tmp_path / "killed" / "checkpoints", time.monotonic() + 120
    while (
        not (checkpoints / "checkpoint-12" / "trainer_state.json").exists()
        and process.poll() is None
        and time.monotonic() < limit
    ):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert (checkpoints / "checkpoint-12").is_dir() and not (tmp_path / "killed" / "training.json").exists()
    (checkpoints / "checkpoint-59").mkdir()
    (checkpoints / "checkpoint-59" / "adapter_model.safetensors").write_bytes(b"half")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the killed process: sums in another order would differ in the last digit
    try:
        resumed, whole = train_on_files(folder, tmp_path, "killed"), train_on_files(folder, tmp_path, "unbroken")
    finally:
        torch.set_num_threads(threads)
    assert 12 <= resumed.resumed_from < 60 and resumed.steps == whole.steps == 60
    assert resumed.loss == whole.loss and resumed.samples == whole.samples
    assert (resumed.val_region, resumed.best_step) == (whole.val_region, whole.best_step)
    killed, unbroken = ((tmp_path / out / "adapter_model.safetensors").read_bytes() for out in ("killed", "unbroken"))
    assert killed == unbroken


# --- procedural overlays -----------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(REGIONS))
def test_heatmaps_peak_where_they_are_said_to(seed, region):
    rng = np.random.default_rng(seed)
    heat = procedural.heatmap(rng, region)
    assert heat.shape == (256, 256) and heat.min() == 0 and heat.max() == 1
    assert region_of(*peak_of(heat)) == region


def drawing():
    photographs = procedural.read_photographs(None)
    return lambda rng, region: procedural.draw_example(rng, photographs, region)


def test_mirrored_examples_keep_picture_and_region_together():
    pool = procedural.make_pool(9, 112, 5, drawing())
    rng = np.random.default_rng(0)
    for index in range(9):
        record = pool.record(index, rng)
        mirrored = pool.record(index, rng, (True, False))
        swap = {"left": "right", "right": "left", "center": "center"}
        row, column = record.region.split("-")
        assert mirrored.region == f"{row}-{swap[column]}"
        assert np.array_equal(np.asarray(pool.image(index, (True, False))), np.asarray(pool.image(index))[:, ::-1])
        assert np.array_equal(np.asarray(pool.image(index, (False, True))), np.asarray(pool.image(index))[::-1])


def test_what_the_vision_tower_learns_lies_where_the_picture_has_it():
    pool = procedural.make_pool(18, 112, 6, drawing())
    side = procedural.COARSE
    for index in range(18):
        for flip in ((False, False), (True, False), (False, True), (True, True)):
            item = seeing_item(pool, index, flip)
            row, column = divmod(int(item["peak"]), side)
            around = item["heat"][max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            assert around.max() > 0.9 * item["heat"].max()
            assert (
                REGIONS[item["words"][0]] == region_of((column + 0.5) / side, (row + 0.5) / side)
                or min(abs(p * 3 - line) for p in pool.peak(index, flip) for line in (1, 2)) < 3 / side
            )
            assert (item["pixel_values"].min(), item["pixel_values"].max()) >= (-1, 0) and item[
                "pixel_values"
            ].max() <= 1


def test_maps_of_the_vision_tower_are_put_together_in_the_pictures_order():
    """Each token writes its own number; the map must then be the 8x8 grid of patches, row by row."""
    tower = build_small_paligemma()[0].model.vision_tower
    task = VisionPretraining(tower)
    numbers = torch.zeros(1, 64, tower.config.hidden_size)
    numbers[0, :, 0] = torch.arange(64)
    tower.forward = lambda pixel_values: types.SimpleNamespace(last_hidden_state=numbers)
    with torch.no_grad():
        task.local.weight.zero_()
        task.local.bias.copy_(torch.arange(5 * 16) / 1000)  # within a patch: cells row by row, five channels each
        task.local.weight[:, 0] = 1
        maps, _ = task.read(torch.zeros(1))
    assert maps.shape == (1, 5, 32, 32)
    grid = maps[0, 1].round().view(8, 4, 8, 4)
    assert torch.equal(grid, torch.arange(64.0).view(8, 1, 8, 1).expand(8, 4, 8, 4))
    within = (maps[0, 1, :4, :4] * 1000).round()
    assert torch.equal(within, (torch.arange(16.0) * 5 + 1).view(4, 4))
