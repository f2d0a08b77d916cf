"""The table, the offline author, the gate, the journal and the figures about sentences."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time

import openpyxl
import pandas as pd
import pytest

from aireal.captions.augment import augment
from aireal.captions.diversity import bleus, counts, distinct, diversity, rejections, self_bleu, similarity
from aireal.captions.language.grammar import contradictions, parse, render, shape_count, variant_count
from aireal.captions.language.validate import filter_valid, violations
from aireal.captions.offline import paraphrase
from aireal.captions.table import Answer, CaptionRow, Rows, read_answers, read_rows, write_answers, write_table
from aireal.config import REPOSITORY
from aireal.core.journal import Journal
from aireal.evidence.record import REGIONS, Cues, EvidenceRecord, LimeFeature


def make_record(i: int = 0) -> EvidenceRecord:
    label = ("fake", "real")[i % 2]
    colour, brightness = (("white", "bright"), ("orange", "medium"), ("blue", "dark"))[i % 3]
    cues = Cues(colour, brightness, ("smooth", "rough")[i % 2], "soft", {"lightness": 71.5})
    probability = round(50 + (i * 7.31) % 50, 2)
    share = probability / 100 if label == "fake" else 1 - probability / 100
    return EvidenceRecord(
        f"사진_{i}.png", label, probability, share, REGIONS[i % 9], (0.1, 0.2), cues, (LimeFeature(3, 0.25),), 0.8
    )


def make_row(i: int = 0) -> CaptionRow:
    record = make_record(i)
    captions = {language: render(record, language) for language in ("ko", "en")}
    return CaptionRow(record.image, ("train", "val", "test")[i % 3], f"gradcam/{i}.png", record, captions)


def as_table(row: CaptionRow) -> dict:
    record = row.record
    return {
        "image": row.image,
        "split": row.split,
        "label_true": record.label,
        "label": record.label,
        "probability": record.probability,
        "probability_fake": record.probability_fake,
        "region": record.region,
        "peak_x": 0.1,
        "peak_y": 0.2,
        "colour": record.cues.colour,
        "brightness": record.cues.brightness,
        "texture": record.cues.texture,
        "edges": record.cues.edges,
        "caption_ko": row.captions["ko"],
        "caption_en": row.captions["en"],
        "overlay": row.overlay,
        "evidence": record.to_json(),
    }


# --- tables ------------------------------------------------------------------------------------------------------------


def test_data_csv_reads_back_as_it_was(tmp_path):
    rows = [make_row(i) for i in range(9)]
    csv, xlsx = write_table([as_table(row) for row in rows], tmp_path / "data.csv")
    assert read_rows(csv) == rows
    assert csv.read_bytes().startswith(b"\xef\xbb\xbf"), "Excel needs the byte order mark for Korean"
    assert openpyxl.load_workbook(xlsx).active["A2"].value == "사진_0.png"


def test_answers_read_back_from_both_files(tmp_path):
    answers = augment([make_row(i) for i in range(3)], "offline", n=2, say=str).rows
    csv, xlsx, jsonl = write_answers(answers, tmp_path / "data_answer_add.csv")
    assert [path.suffix for path in (csv, xlsx, jsonl)] == [".csv", ".xlsx", ".jsonl"]
    assert read_answers(csv) == answers == read_answers(jsonl)
    assert answers[0].record == make_record(0)
    table = pd.read_excel(xlsx)
    assert list(table["sentence"]) == [answer.sentence for answer in answers] and "확률" in table["sentence"][0]
    assert list(table["probability"]) == [answer.probability for answer in answers]


def test_the_same_rows_give_the_same_bytes_a_second_later(tmp_path):
    answers = augment([make_row(i) for i in range(2)], "offline", n=2, say=str).rows
    first = [path.read_bytes() for path in write_answers(answers, tmp_path / "a" / "data_answer_add.csv")]
    time.sleep(2.1)  # a zip archive keeps times to two seconds
    second = [path.read_bytes() for path in write_answers(answers, tmp_path / "b" / "data_answer_add.csv")]
    assert first == second


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1+1", "-1", "@SUM(A1)", "\t=1", "'=1"])
def test_no_cell_is_a_formula_and_the_text_survives(tmp_path, text):
    answer = Answer.of(make_row(), "en", text, "offline")
    csv, xlsx, jsonl = write_answers([answer], tmp_path / "t.csv")
    cells = [cell for row in openpyxl.load_workbook(xlsx).active.iter_rows() for cell in row]
    assert all(cell.data_type != "f" and not str(cell.value).startswith(("=", "+", "@")) for cell in cells)
    assert read_answers(jsonl)[0].sentence == text
    assert read_answers(csv)[0].sentence == text


def test_what_was_asked_and_what_was_read_stand_in_the_table(tmp_path):
    row = make_row()
    mine = Answer.of(row, "en", row.captions["en"], "some-model", "req_1", prompt_hash="ab12", enriched=True)
    unread = Answer.of(row, "en", "Nothing at all.", "some-model")
    csv, xlsx, jsonl = write_answers([mine, unread], tmp_path / "t.csv")
    for read in (read_answers(csv), read_answers(jsonl)):
        assert read == [mine, unread] and read[0].enriched is True and read[1].enriched is False
        assert json.loads(read[0].parse) == {
            "class": "fake",
            "number": 50.0,
            "region": "top-left",
            "cues": {"colour": "white", "brightness": "bright", "texture": "smooth", "edges": "soft"},
            "language": "en",
        }
        assert json.loads(read[1].parse) == {"refused": "no class is named: say real or fake"}
    table = pd.read_excel(xlsx)
    assert list(table["enriched"]) == [True, False] and table["prompt_hash"][0] == "ab12"


def test_a_table_of_an_earlier_version_is_read(tmp_path):
    new = ["prompt_hash", "enriched", "parse"]
    csv, _, jsonl = write_answers([Answer.of(make_row(), "en", make_row().captions["en"], "base")], tmp_path / "t.csv")
    pd.read_csv(csv).drop(columns=new).to_csv(csv, index=False)
    old = {name: value for name, value in json.loads(jsonl.read_text("utf-8")).items() if name not in new}
    jsonl.write_text(json.dumps(old) + "\n", "utf-8")
    for path in (csv, jsonl):
        assert read_answers(path)[0].parse == "" and read_answers(path)[0].sentence == make_row().captions["en"]


def test_rows_are_read_one_by_one_and_again(tmp_path):
    csv, _ = write_table([as_table(make_row(i)) for i in range(3)], tmp_path / "data.csv")
    rows = Rows(csv)
    assert next(iter(rows)) == make_row(0) and list(rows) == list(rows) == read_rows(csv)


def test_an_interrupted_table_leaves_the_old_one(tmp_path):
    answers = [Answer.of(make_row(i), "en", make_row(i).captions["en"], "base") for i in range(3)]
    paths = write_answers(answers[:1], tmp_path / "t.csv")
    before = [path.read_bytes() for path in paths]

    def broken():
        yield answers[1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_answers(broken(), tmp_path / "t.csv")
    assert [path.read_bytes() for path in paths] == before and sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_table_longer_than_a_sheet_goes_on_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("aireal.core.spreadsheet.LONGEST_SHEET", 3)
    _, xlsx = write_table([{"n": i} for i in range(5)], tmp_path / "t.csv")
    sheets = openpyxl.load_workbook(xlsx).worksheets
    assert [[cell.value for cell in sheet["A"]] for sheet in sheets] == [["n", 0, 1], ["n", 2, 3], ["n", 4]]


def test_an_empty_table_has_its_header(tmp_path):
    csv, _, jsonl = write_answers([], tmp_path / "t.csv")
    assert read_answers(csv) == [] == read_answers(jsonl)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_text("image,split\na,b\n"), "lacks the column overlay"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00bad"), "is no UTF-8 table"),
        (
            lambda path: path.write_text(path.read_text("utf-8-sig").replace('""label""', '""lab""'), "utf-8"),
            "line 2: the evidence of",
        ),
    ],
)
def test_a_spoilt_table_is_refused_in_one_sentence(tmp_path, spoil, message):
    path = tmp_path / "data.csv"
    write_table([as_table(make_row())], path)
    spoil(path)
    with pytest.raises(ValueError, match=message) as refused:
        read_rows(path)
    assert "\n" not in str(refused.value)


# --- offline author and gate ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("n", [1, 4, 12, 60])
def test_offline_sentences_are_true_different_and_repeatable(language, n):
    for i in range(9):
        record = make_record(i)
        sentences = paraphrase(record, language, n, seed=7)
        assert len(set(sentences)) == n and render(record, language) not in sentences
        assert all(contradictions(sentence, record, language) == [] for sentence in sentences)
        assert sentences == paraphrase(record, language, n, seed=7)
        assert sentences[:1] == paraphrase(record, language, 1, seed=7) or n > 1


@pytest.mark.parametrize("language", ["ko", "en"])
def test_forty_offline_sentences_have_forty_shapes(language):
    shapes = shape_count(language)
    for i in range(3):
        record = make_record(i)
        shape_of = {
            render(record, language, variant): variant % shapes for variant in range(variant_count(record, language))
        }
        assert (
            len(
                {shape_of[sentence] for sentence in paraphrase(record, language, 40)}
                | {shape_of[render(record, language)]}
            )
            == 41
        )


def test_offline_sentences_depend_on_image_and_seed_and_use_many_shapes():
    record = make_record(0)
    assert paraphrase(record, "ko", 8, seed=1) != paraphrase(record, "ko", 8, seed=2)
    openings = {sentence.split()[0] for sentence in paraphrase(record, "en", 12)}
    assert len(openings) >= 5


def test_the_grammar_is_not_endless():
    with pytest.raises(ValueError, match="has only"):
        paraphrase(make_record(0), "ko", 100_000)


def test_the_gate_names_each_fault():
    record, base = make_record(0), render(make_record(0), "en")
    good = render(record, "en", 3)
    faults = {
        "": "empty",
        good.replace("50.00", "50"): "two decimals",
        good + " Truly so." * 60: "longer",
        good.replace(" ", "\n", 1): "line break",
        render(record, "ko"): "language",
        good.replace("50.00", "50.01"): "number",
    }
    for sentence, word in faults.items():
        assert any(word in reason for reason in violations(sentence, record, "en")), (sentence, word)
    accepted, rejected = filter_valid([good, good.upper().capitalize(), base.rstrip("."), None], record, "en", base)
    assert accepted == [good] and len(rejected) == 3
    assert "repeats" in rejected[0][1][0] and "repeats" in rejected[1][1][0] and "empty" in rejected[2][1][0]


# --- augment without a key ---------------------------------------------------------------------------------------------


def test_without_a_key_the_offline_author_is_named_plainly(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    told: list[str] = []
    rows = [make_row(i) for i in range(4)]
    result = augment(rows, "auto", n=3, say=told.append)
    assert "not by Claude" in told[0] and result.author == "offline" and result.cost_usd == 0
    assert {row.author for row in result.rows} == {"base", "offline"} and len(result.rows) == 4 * 2 * (1 + 3)
    assert [(row.author, row.language) for row in result.rows[:2]] == [("base", "ko"), ("base", "en")]
    for answer in result.rows:
        found = parse(answer.sentence)
        assert (found.label, found.probability, found.region, found.language) == (
            answer.label,
            answer.probability,
            answer.region,
            answer.language,
        )
    assert result.rows == augment(rows, "offline", n=3, say=str).rows


def test_claude_without_a_key_or_journal_is_refused(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ValueError, match="ANTHROPIC_API_KEY"):
        augment([make_row()], "claude")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with pytest.raises(ValueError, match="journal_path"):
        augment([make_row()], "claude")
    with pytest.raises(ValueError, match="choose auto, offline, claude"):
        augment([make_row()], "gpt")
    with pytest.raises(ValueError, match="at least one"):
        augment([make_row()], "offline", n=0)


def test_a_base_caption_that_lies_is_left_out_and_the_rest_goes_on():
    lying = make_row(1)
    lying = CaptionRow(
        lying.image, lying.split, lying.overlay, lying.record, lying.captions | {"ko": render(make_record(2), "ko")}
    )
    result = augment([make_row(0), lying, make_row(0)], "offline", n=1, say=str)
    assert {row.image for row in result.rows} == {"사진_0.png"}
    assert [(r.image, r.language) for r in result.rejected] == [("사진_1.png", "ko"), ("사진_0.png", "ko")]
    assert "class" in rejections(result)["reason"][0] and "twice" in rejections(result)["reason"][1]


# --- journal -----------------------------------------------------------------------------------------------------------


def test_a_torn_last_line_is_dropped_and_writing_goes_on(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add({"event": "a", "text": "한국어\u2028"})
        journal.add({"event": "b"})
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            kept = len(journal.entries)
            assert kept == whole[:cut].count(b"\n")
            journal.add({"event": "c"})
        assert [json.loads(line)["event"] for line in path.read_text("utf-8").split("\n")[:-1]] == ["a", "b"][:kept] + [
            "c"
        ]


def test_a_spoilt_journal_and_a_second_run_are_refused(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event": "a"}\nrubbish\n{"event": "b"}\n')
    with pytest.raises(ValueError, match="line 2"):
        Journal(path)
    with Journal(tmp_path / "other.jsonl"):
        code = "import sys; from aireal.core.journal import Journal\ntry: Journal(sys.argv[1])\nexcept ValueError as e: print(e)"
        command = [sys.executable, "-c", code, str(tmp_path / "other.jsonl")]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout
    if sys.platform != "win32":
        assert "in use by another run" in said


# --- figures about sentences -------------------------------------------------------------------------------------------


def test_distinct_and_similarity_on_cases_done_by_hand():
    assert distinct(["a b a b", "a b"], 1) == pytest.approx(2 / 6)
    assert distinct(["a b a b", "a b"], 2) == pytest.approx(2 / 4)
    assert distinct(["at 98.67% now", "at 51.00% now"], 1) == pytest.approx(3 / 6), "numbers are no variety"
    assert math.isnan(distinct([], 1)) and math.isnan(similarity([["alone"]]))
    assert similarity([["the same words", "the same words"]]) == pytest.approx(1)
    assert similarity([["abcdef", "uvwxyz"]]) == pytest.approx(0)
    assert similarity([["abcdef", "abcdef", "uvwxyz"]]) == pytest.approx(1 / 3)


def test_bleu_has_its_published_values():
    """The sentences of Papineni et al. 2002, with the value that NLTK documents for the first."""
    candidate = "It is a guide to action which ensures that the military always obeys the commands of the party"
    references = (
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the command of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    )
    first = next(bleus([text.split() for text in (candidate, *references)]))
    assert first == pytest.approx(0.5045666840058485)
    assert next(bleus([["the"] * 7, "the cat is on the mat".split()])) == pytest.approx(
        (2 / 7 * 0.1 / 6 * 0.1 / 5 * 0.1 / 4) ** 0.25
    ), "clipped"
    assert next(bleus([list("abcd"), list("abcdefgh")])) == pytest.approx(math.exp(1 - 8 / 4)), "too short"


def test_self_bleu_knows_copies_from_strangers():
    assert self_bleu(["a b c d e", "a b c d e", "a b c d e"]) == pytest.approx(1)
    assert self_bleu(["a b c d e", "f g h i j"]) == 0
    assert self_bleu(["at 98.67% it is so", "at 51.00% it is so"]) == pytest.approx(1), "numbers are no variety"
    assert math.isnan(self_bleu(["alone"]))


def test_diversity_is_measured_on_a_sample_of_whole_images():
    result = augment([make_row(i) for i in range(6)], "offline", n=3, say=str)
    table = diversity(result.rows, sample=7).set_index(["author", "language"])
    assert set(table.loc["offline", "measured"]) == {9} and set(table.loc["offline", "sentences"]) == {18}
    pd.testing.assert_frame_equal(diversity(result.rows, sample=7), diversity(result.rows[::-1], sample=7))


def test_tables_for_the_notebook():
    result = augment([make_row(i) for i in range(3)], "offline", n=2, say=str)
    assert counts(result.rows).to_dict() == {"en": {"base": 3, "offline": 6}, "ko": {"base": 3, "offline": 6}}
    table = diversity(result.rows).set_index(["author", "language"])
    assert table.loc[("offline", "ko"), "sentences"] == 6 and 0 < table.loc[("offline", "ko"), "similarity"] < 1
    assert 0 < table.loc[("offline", "ko"), "self-BLEU"] < 1
    assert table.loc[("offline", "en"), "distinct-2"] > 0 and math.isnan(table.loc[("base", "en"), "similarity"])
    assert (
        list(rejections(result).columns) == ["image", "language", "author", "sentence", "reason"]
        and rejections(result).empty
    )
