"""The blocks of both READMEs and of docs/classifier.md that are rendered from `metrics/`, never typed."""

from __future__ import annotations

import re
from pathlib import Path

from aireal.reporting.tables.audit import audit_block
from aireal.reporting.tables.captions import caption_table
from aireal.reporting.tables.classifiers import classifiers_block
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.external import external_block, plain_words
from aireal.reporting.tables.grounding import grounding_table, true_size
from aireal.reporting.tables.metrics import read_metrics
from aireal.reporting.tables.pointing import pointing_figure
from aireal.reporting.tables.sentences import sentence_table

BLOCK = re.compile(r"(<!-- begin:(?P<name>\w+) -->\n).*?(<!-- end:(?P=name) -->)", re.DOTALL)


def render_blocks(folder: Path, language: str) -> dict[str, str]:
    """The generated blocks of one README by name, in Markdown; `language` is "en" or "ko"."""
    metrics = read_metrics(folder)
    return {
        "plain": plain_words(metrics, language),
        "time": _time(metrics, language),
        "results": _results(metrics, language),
        "classifiers": classifiers_block(metrics, language),
        "audit": audit_block(metrics, language),
        "explanations": explanation_table(metrics, language).markdown()
        + pointing_figure(metrics.get("pointing"), language),
        "captions": caption_table(metrics, language).markdown(),
        "sentences": "\n".join(table(metrics, language).markdown() for table in (sentence_table, grounding_table))
        + true_size(metrics, language),
    }


def render_pages(folder: Path) -> dict[str, dict[str, str]]:
    """The generated blocks of pages of docs/, by page and name."""
    return {"docs/classifier.md": {"external": external_block(read_metrics(folder))}}


TIME = {
    "en": "`make demo` took {minutes:.0f} minutes after installation ({device}, {precision} precision); "
    "a second run skips finished stages.\n",
    "ko": "설치가 끝난 뒤 `make demo`는 {minutes:.0f}분 걸렸으며({device}, {precision} 정밀도), "
    "다시 실행하면 끝난 단계는 건너뜁니다.\n",
}

NO_TIME = {
    "en": "The time of `make demo` was not measured in one undisturbed run; a second run skips finished stages.\n",
    "ko": "`make demo`에 걸리는 시간은 방해 없는 한 번의 실행으로 재지 못했습니다. "
    "다시 실행하면 끝난 단계는 건너뜁니다.\n",
}


def _time(metrics: dict, language: str) -> str:
    if not (report := metrics.get("pipeline")):
        return NO_TIME[language]
    return TIME[language].format(
        minutes=report["wall_seconds"] / 60, device=report["device"], precision=report["precision"]
    )


TRUTH = {
    "en": {"fake": "in truth an AI image", "real": "in truth a real photograph"},
    "ko": {"fake": "정답: AI 이미지", "real": "정답: 실제 사진"},
}
ALT = {
    "en": ("verdict, Grad-CAM and sentence", "LIME superpixels and list"),
    "ko": ("판정, Grad-CAM, 문장", "LIME 슈퍼픽셀과 목록"),
}


def _results(metrics: dict, language: str) -> str:
    parts = []
    for number, image in enumerate(metrics["demo"]["images"], 1):
        verdict, sentence, features = (image[f"{name}_{language}"] for name in ("verdict", "sentence", "features"))
        said = [f"{verdict} — {sentence}", *([" ".join(features)] if features else []), image[f"trust_{language}"][0]]
        parts.append(
            f"### {number}. `{image['image']}` — {TRUTH[language][image['truth']]}\n\n"
            f"![{ALT[language][0]}](readme_images/{number}_x.png)\n\n"
            + "\n>\n".join(f"> {text}" for text in said)
            + (f"\n\n![{ALT[language][1]}](readme_images/{number}_lime.png)\n" if features else "\n")
        )
    return "\n".join(parts)


def update(text: str, blocks: dict[str, str]) -> str:
    """A README or page with its generated blocks replaced.

    Raises:
        ValueError: a block's markers are missing.
    """
    missing = sorted(set(blocks) - {match["name"] for match in BLOCK.finditer(text)})
    if missing:
        raise ValueError(
            f"The page has no markers for {', '.join(missing)}. "
            "Put <!-- begin:NAME --> and <!-- end:NAME --> where the block belongs."
        )
    return BLOCK.sub(lambda m: m[1] + blocks[m["name"]] + m[3] if m["name"] in blocks else m[0], text)
