"""The parts of both READMEs that are rendered from `metrics/`, never typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

CLASSIFIERS = ("rexnet150", "vit", "resnet34")
BLOCK = re.compile(r"(<!-- begin:(?P<name>\w+) -->\n).*?(<!-- end:(?P=name) -->)", re.DOTALL)


def read_metrics(folder: Path) -> dict[str, dict]:
    """All JSON files of a metrics folder by their stem."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def estimate(e: dict, percent: bool = False) -> str:
    """`0.912 [0.874, 0.943]`: a value with its 95% interval."""
    if percent:
        return f"{100 * e['value']:.1f}% [{100 * e['low']:.1f}, {100 * e['high']:.1f}]"
    return f"{e['value']:.3f} [{e['low']:.3f}, {e['high']:.3f}]"


def summary_rows(folder: Path) -> list[tuple[str, str]]:
    """(what, value) lines of everything measured, for the end of `make demo`; stages that have not run are left out."""
    found = read_metrics(folder)
    rows = []
    for report in (found[name] for name in CLASSIFIERS if name in found):
        auroc, seconds = estimate(report["test"]["auroc"]), report["training_seconds"]
        rows.append((f"{report['architecture']}, test AUROC", f"{auroc}, from {report['initial_weights']}, {seconds:.0f} s of training"))
    if "predict" in found:
        rows.append(("images predicted", f"{found['predict']['test']['n']}, and {found['predict']['failed']} could not be used"))
    if "captions" in found:
        rows.append(("sentences", ", ".join(f"{n} by {author}" for author, n in found["captions"]["authors"].items())))
    for language in ("ko", "en") if "paligemma" in found else ():
        rates = found["paligemma"]["after"][language]
        rows.append((f"PaliGemma's raw sentences, {language}", ", ".join(f"{kind} {estimate(rates[kind], True)}" for kind in ("class", "number", "region"))))
    for image in found["demo"]["images"] if "demo" in found else ():
        rows.append((image["image"], f"{image['label']} {image['probability']:.2f}%, {image['region']}; in truth {image['truth']}"))
    return rows


def render_blocks(folder: Path, language: str) -> dict[str, str]:
    """The generated blocks of one README by name, in Markdown. `language` is 'en' or 'ko'."""
    found = read_metrics(folder)
    return {"results": _results(found, language), "classifiers": _classifiers(found, language), "sentences": _sentences(found, language)}


TRUTH = {"en": {"fake": "in truth an AI image", "real": "in truth a real photograph"}, "ko": {"fake": "정답: AI 이미지", "real": "정답: 실제 사진"}}
ALT = {"en": ("verdict, Grad-CAM and sentence", "LIME superpixels and list"), "ko": ("판정, Grad-CAM, 문장", "LIME 슈퍼픽셀과 목록")}


def _results(found: dict, language: str) -> str:
    parts = []
    for number, image in enumerate(found["demo"]["images"], 1):
        verdict, sentence, features = (image[f"{name}_{language}"] for name in ("verdict", "sentence", "features"))
        parts.append(
            f"### {number}. `{image['image']}` — {TRUTH[language][image['truth']]}\n\n![{ALT[language][0]}](readme_images/{number}_x.png)\n\n"
            f"> {verdict} — {sentence}\n>\n> {' '.join(features)}\n\n![{ALT[language][1]}](readme_images/{number}_lime.png)\n")
    return "\n".join(parts)


HEADS = {
    "en": "| classifier | starts from | parameters | AUROC | average precision | accuracy real | accuracy fake | ECE | training |",
    "ko": "| 분류기 | 초기 가중치 | 매개변수 | AUROC | 평균 정밀도 | 실제 정확도 | 가짜 정확도 | ECE | 학습 시간 |",
}
UNSEEN = {
    "en": " {name} against AI images of generator families that occur in the test split only ({n} images with the photographs): AUROC {auroc}.",
    "ko": " 테스트에만 나오는 생성 모델 계열만 놓고 본 {name}의 AUROC (사진 포함 {n}장): {auroc}.",
}
WEIGHTS_KO = {"random": "무작위", "backbone (this repository)": "백본 (이 저장소)", "imagenet (timm)": "ImageNet (timm)"}


def _classifiers(found: dict, language: str) -> str:
    lines = [HEADS[language], "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name in CLASSIFIERS:
        report = found[name]
        test = report["test"]
        initial = report["initial_weights"] if language == "en" else WEIGHTS_KO.get(report["initial_weights"], report["initial_weights"])
        estimates = " | ".join(estimate(test[k]) for k in ("auroc", "average_precision", "accuracy_real", "accuracy_fake", "ece"))
        lines.append(f"| {report['architecture']} | {initial} | {report['parameters'] / 1e6:.1f} M | {estimates} | {report['training_seconds']:.0f} s |")
    best = found["resnet34"]
    unseen = best.get("unseen_generators") or {}
    notes = {
        "en": f"{best['test']['n']} test images of {best['test']['groups']} sources; in brackets the 95% interval of a bootstrap over sources; "
              f"{best['device']}, seed {best['seed']}, torch {best['versions']['torch']}.",
        "ko": f"테스트 이미지 {best['test']['n']}장 (출처 {best['test']['groups']}개). 대괄호는 출처 단위 부트스트랩의 95% 구간입니다. "
              f"{best['device']}, 시드 {best['seed']}, torch {best['versions']['torch']}.",
    }[language]
    if unseen:
        notes += UNSEEN[language].format(name=best["architecture"], n=unseen["n"], auroc=estimate(unseen["auroc"]))
    return "\n".join([*lines, "", notes, ""])


SENTENCES = {
    "en": {
        "head": "| sentences | exact class | exact number | region of the heatmap's peak | contradict nothing, shown as written |",
        "before": "before LoRA", "after": "after LoRA", "ko": "Korean", "en": "English",
        "note": "{n} test overlays, raw sentences of the `{model}` PaliGemma; 95% Wilson intervals. Always naming the most frequent region would "
                "be right in {chance}. A sentence that contradicts its record is not shown: the rendered base caption stands in for it and is marked.",
    },
    "ko": {
        "head": "| 문장 | 클래스 일치 | 확률 일치 | 히트맵 정점의 위치 일치 | 모순이 없어 그대로 보이는 문장 |",
        "before": "LoRA 전", "after": "LoRA 후", "ko": "한국어", "en": "영어",
        "note": "테스트 오버레이 {n}장에 대한 `{model}` PaliGemma의 원래 문장이며, 대괄호는 95% 윌슨 구간입니다. 가장 흔한 위치만 말하면 {chance}가 맞습니다. "
                "기록과 어긋나는 문장은 보이지 않고, 표시와 함께 기본 설명으로 바뀝니다.",
    },
}


def _sentences(found: dict, language: str) -> str:
    report, words = found["paligemma"], SENTENCES[language]
    lines = [words["head"], "| --- | --- | --- | --- | --- |"]
    for when in ("before", "after"):
        for spoken in ("ko", "en"):
            rates = " | ".join(estimate(report[when][spoken][kind], True) for kind in ("class", "number", "region", "consistent"))
            lines.append(f"| {words[spoken]}, {words[when]} | {rates} |")
    after = report["after"]["ko"]
    note = words["note"].format(n=after["n"], model=report["model"], chance=f"{after['commonest_region']['value']:.1%}")
    return "\n".join([*lines, "", note, ""])


def update(text: str, blocks: dict[str, str]) -> str:
    """A README with its generated blocks replaced.

    Raises:
        ValueError: a block's markers are missing.
    """
    missing = set(blocks) - {m["name"] for m in BLOCK.finditer(text)}
    if missing:
        raise ValueError(f"the README has no place for {', '.join(sorted(missing))}: put <!-- begin:NAME --> and <!-- end:NAME --> there")
    return BLOCK.sub(lambda m: m[1] + blocks[m["name"]] + m[3] if m["name"] in blocks else m[0], text)
