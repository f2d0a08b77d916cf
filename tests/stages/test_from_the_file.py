"""What a file says stands beside the verdict, in the record and the JSON, and changes neither number nor sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from aireal.config import REPOSITORY
from aireal.evidence.record import EvidenceRecord
from aireal.explain.predictor import Predictor
from aireal.provenance import c2pa_library
from aireal.provenance.trust_list import read_trust_list
from aireal.stages.explain_files import explain_files
from aireal.stages.explainer import Explainer
from helpers.images import encoded, write
from helpers.signing import make_signer, signed


@pytest.fixture
def explainer(smoke_run):
    with Explainer(Predictor(smoke_run.data.model, smoke_run.device), lime_samples=0) as ready:
        yield ready


@pytest.fixture
def pictures(photograph) -> dict[str, bytes]:
    plain = encoded(photograph, "PNG")
    return {"plain.png": plain, "signed.png": signed(plain, "PNG", make_signer("OpenAI"))}


def test_the_number_is_that_of_the_picture_without_marks(explainer, pictures):
    without, with_marks = (explainer.explain(data, "x.png").record for data in pictures.values())
    assert with_marks.provenance.credentials.state == "valid"
    named = {name: getattr(with_marks, name) for name in ("label", "probability", "probability_fake", "region", "cues")}
    assert named == {name: getattr(without, name) for name in named}


def test_the_writer_of_sentences_does_not_see_what_the_file_says(explainer, pictures):
    seen = []

    class Writer:
        version = "spy"

        def write(self, overlays, records):
            seen.extend(records)
            return [{}]

    explainer.writer = Writer()
    assert explainer.explain_without_lime(pictures["signed.png"]).record.provenance
    assert [record.provenance for record in seen] == [None]


def test_the_command_prints_a_line_for_each_file_and_the_json_has_it(explainer, pictures, tmp_path, capsys):
    paths = [write(tmp_path / "in" / name, data) for name, data in pictures.items()]
    explain_files(paths, tmp_path / "out", explainer, tmp_path / "l.jsonl")
    printed = capsys.readouterr().out
    assert printed.count("    From the file: ") == 1, "a file that says nothing of itself has no line"
    assert "signed by “OpenAI”: valid (unchanged since signing), but the certificate was not checked" in printed
    assert printed.count("can be forged or removed, and their absence proves nothing") == 1
    plain, found = (json.loads(line) for line in (tmp_path / "l.jsonl").read_text(encoding="utf-8").splitlines())
    assert plain["provenance"] == {"credentials": None, "marks": []}
    assert found["provenance"]["credentials"]["signer"] == "OpenAI"
    assert "서명자 “OpenAI”" in found["from_the_file"]["ko"]


def test_the_record_follows_the_schema(explainer, pictures):
    schema = json.loads((REPOSITORY / "aireal" / "evidence" / "schema.json").read_text(encoding="utf-8"))
    record = explainer.explain(pictures["signed.png"], "x.png").record
    jsonschema.validate(json.loads(record.to_json()), schema)
    assert EvidenceRecord.from_dict(json.loads(record.to_json())) == record


def test_another_trust_list_or_library_makes_an_explanation_outdated(explainer, tmp_path, monkeypatch):
    made = {explainer.made_with}
    (tmp_path / "list.pem").write_text(make_signer().root)
    explainer.trust_list = read_trust_list(tmp_path / "list.pem")
    made.add(explainer.made_with)
    explainer.trust_list = None
    monkeypatch.setattr(c2pa_library, "load", lambda: None)
    assert len(made | {explainer.made_with}) == 3


def test_a_lime_run_keeps_what_the_file_says(explainer, pictures):
    explainer.lime_samples = 30
    explanation = explainer.explain(pictures["signed.png"], "x.png")
    assert explanation.lime
    assert explanation.record.provenance.credentials.signer == "OpenAI"


def test_a_record_of_before_has_no_line(explainer, pictures):
    explanation = explainer.explain(pictures["plain.png"], "x.png")
    earlier = replace(explanation, record=replace(explanation.record, provenance=None))
    assert earlier.from_the_file == {}
    assert "provenance" not in earlier.to_dict()
