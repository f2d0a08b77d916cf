"""The parts of both READMEs that are rendered from `metrics/`, never typed."""

from __future__ import annotations

import re
from pathlib import Path

from aireal.reporting.tables.audit import audit_block
from aireal.reporting.tables.captions import caption_table
from aireal.reporting.tables.classifiers import classifiers_block
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.grounding import grounding_table, true_size
from aireal.reporting.tables.metrics import read_metrics
from aireal.reporting.tables.sentences import sentence_table

BLOCK = re.compile(r"(<!-- begin:(?P<name>\w+) -->\n).*?(<!-- end:(?P=name) -->)", re.DOTALL)


def render_blocks(folder: Path, language: str) -> dict[str, str]:
    """The generated blocks of one README by name, in Markdown. `language` is 'en' or 'ko'."""
    found = read_metrics(folder)
    return {
        "time": _time(found, language),
        "results": _results(found, language),
        "classifiers": classifiers_block(found, language),
        "audit": audit_block(found, language),
        "explanations": explanation_table(found, language).markdown(),
        "captions": caption_table(found, language).markdown(),
        "sentences": sentence_table(found, language).markdown()
        + "\n"
        + grounding_table(found, language).markdown()
        + true_size(found, language),
    }


TIME = {
    "en": "`make demo` took {minutes:.0f} minutes after installation ({device}, computing in {precision}); a second "
    "one reuses what is done.\n",
    "ko": "설치가 끝난 뒤 `make demo`는 {minutes:.0f}분 걸렸으며({device}, {precision} 정밀도), 다시 실행하면 끝난 "
    "단계는 건너뜁니다.\n",
}


NO_TIME = {
    "en": "How long `make demo` takes was not measured in one undisturbed run; a second one reuses what is done.\n",
    "ko": "`make demo`에 걸리는 시간은 방해 없는 한 번의 실행으로 재지 못했습니다. 다시 실행하면 끝난 단계는 "
    "건너뜁니다.\n",
}


def _time(found: dict, language: str) -> str:
    if not (report := found.get("pipeline")):
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


def _results(found: dict, language: str) -> str:
    parts = []
    for number, image in enumerate(found["demo"]["images"], 1):
        verdict, sentence, features = (image[f"{name}_{language}"] for name in ("verdict", "sentence", "features"))
        parts.append(
            f"### {number}. `{image['image']}` — "
            f"{TRUTH[language][image['truth']]}\n\n![{ALT[language][0]}](readme_images/{number}_x.png)\n\n"
            f"> {verdict} — {sentence}\n>\n> {' '.join(features)}\n>\n> {image[f'trust_{language}'][0]}\n\n"
            f"![{ALT[language][1]}](readme_images/{number}_lime.png)\n"
        )
    return "\n".join(parts)


def update(text: str, blocks: dict[str, str]) -> str:
    """A README with its generated blocks replaced.

    Raises:
        ValueError: a block's markers are missing.
    """
    missing = set(blocks) - {m["name"] for m in BLOCK.finditer(text)}
    if missing:
        raise ValueError(
            f"the README has no place for {', '.join(sorted(missing))}: put <!-- begin:NAME --> and <!-- end:NAME --> "
            f"there"
        )
    return BLOCK.sub(lambda m: m[1] + blocks[m["name"]] + m[3] if m["name"] in blocks else m[0], text)
