"""The six lines of Python in README and docs/api.md do what they say."""

from __future__ import annotations

import code
import json
import re
import shutil
from unittest.mock import MagicMock

import pytest

from aireal import Explainer, load_explainer
from aireal.captions.language.grammar import contradictions
from aireal.config import REPOSITORY
from helpers.images import encoded, write

READMES = ["README.md", "README.ko.md"]
BLOCK = re.compile(r"```python\n(from aireal import load_explainer\n.*?)```", re.DOTALL)


def block_of(name: str) -> str:
    return BLOCK.search((REPOSITORY / name).read_text(encoding="utf-8")).group(1)


@pytest.fixture
def root(smoke_run, small_root):
    """A dataset root with a trained classifier."""
    shutil.copytree(smoke_run.data.model, small_root.model)
    return small_root.root


def lines_of(block: str) -> list[str]:
    """The lines that are not empty, with one name for every picture."""
    return [re.sub(r'explain\(".*?"\)', "explain(PICTURE)", line) for line in block.splitlines() if line]


@pytest.mark.parametrize("name", READMES)
def test_the_block_is_the_same_everywhere(name):
    own = block_of(name).replace('texts["ko"]', 'texts["en"]')  # each in the language of its page
    assert lines_of(own) == lines_of(block_of("docs/api.md"))


@pytest.mark.parametrize("name", READMES)
def test_the_picture_of_the_readmes_block_is_in_the_repository(name):
    picture = re.search(r'explain\("(.*?)"\)', block_of(name))[1]
    assert (REPOSITORY / picture).is_file()


@pytest.mark.parametrize("name", READMES)
def test_the_readmes_block_can_be_pasted_into_a_console(name, monkeypatch, capsys):
    monkeypatch.setattr("aireal.load_explainer", lambda: MagicMock(), raising=False)
    console = code.InteractiveConsole()
    for line in [*block_of(name).splitlines(), ""]:
        console.push(line)
    assert "Error" not in capsys.readouterr().err
    assert "explanation" in console.locals


def test_the_block_explains_a_picture(root, tmp_path, monkeypatch, photograph, capsys):
    (tmp_path / "proposal_images").mkdir()
    write(tmp_path / "proposal_images/fake_0345.jpg", encoded(photograph, "JPEG"))
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(block_of("docs/api.md").replace("load_explainer()", f"load_explainer({str(root)!r}, 'sample')"), names)
    explanation = names["explanation"]
    printed = capsys.readouterr().out
    assert explanation.record.label in printed
    assert explanation.texts["en"] in printed
    assert (tmp_path / "explained.png").stat().st_size > 10_000
    for language, text in explanation.texts.items():
        assert contradictions(text, explanation.record, language) == []
    assert explanation.lime.segments.shape == explanation.picture.heatmap.shape
    assert explanation.overlay.size == explanation.picture.pixels.shape[1::-1]
    assert json.loads(json.dumps(explanation.to_dict()))["label"] == explanation.record.label


def test_bytes_and_files_give_the_same_record(root, tmp_path, photograph):
    data = encoded(photograph, "PNG")
    path = write(tmp_path / "photo.png", data)
    with load_explainer(root, "sample", captions=False, lime=False) as explainer:
        assert isinstance(explainer, Explainer)
        assert explainer.explain(path).record == explainer.explain(data, "photo.png").record
        assert explainer.explain(path).texts == {}
        assert explainer.explain(path).lime is None


def test_a_file_that_is_no_picture_is_one_sentence(root, tmp_path):
    path = write(tmp_path / "text.jpg", b"no picture")
    with load_explainer(root, "sample", captions=False, lime=False) as explainer:
        with pytest.raises(ValueError) as error:
            explainer.explain(path)
    assert "\n" not in str(error.value)


def test_the_package_has_no_other_public_names():
    import aireal

    with pytest.raises(AttributeError, match="no attribute 'explain_all'"):
        _ = aireal.explain_all
