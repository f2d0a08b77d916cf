"""The parts of both READMEs that are rendered from `metrics/`, never typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

from aireal.core.statistics import interval
from aireal.reporting.tables.captions import caption_table
from aireal.reporting.tables.explanations import explanation_table
from aireal.reporting.tables.grounding import grounding_table, true_size
from aireal.reporting.tables.table import Table

CLASSIFIERS = ("rexnet150", "vit", "resnet34_random", "resnet34")
BLOCK = re.compile(r"(<!-- begin:(?P<name>\w+) -->\n).*?(<!-- end:(?P=name) -->)", re.DOTALL)


def read_metrics(folder: Path) -> dict[str, dict]:
    """All JSON files of a metrics folder by their stem."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def format_estimate(e: dict, percent: bool = False) -> str:
    """`0.912 [0.874, 0.943]`: a value with its 95% interval."""
    return interval(e, 100, "%") if percent else interval(e)


def summary_rows(folder: Path) -> list[tuple[str, str]]:
    """(what, value) lines of everything measured, for the end of `make demo`; stages that have not run are left out."""
    found = read_metrics(folder)
    rows = []
    for report in (found[name] for name in CLASSIFIERS if name in found):
        auroc, seconds = format_estimate(report["test"]["auroc"]), report["training_seconds"]
        rows.append(
            (
                f"{report['architecture']}, test AUROC",
                f"{auroc}, from {report['initial_weights']}, {seconds:.0f} s of training",
            )
        )
    if "predict" in found:
        rows.append(
            ("images predicted", f"{found['predict']['test']['n']}, and {found['predict']['failed']} could not be used")
        )
    if "captions" in found:
        rows.append(("sentences", ", ".join(f"{n} by {author}" for author, n in found["captions"]["authors"].items())))
    for language in ("ko", "en") if "paligemma" in found else ():
        rates = found["paligemma"]["after"][language]
        rows.append(
            (
                f"PaliGemma's raw sentences, {language}",
                ", ".join(f"{kind} {format_estimate(rates[kind], True)}" for kind in ("class", "number", "region")),
            )
        )
    for image in found["demo"]["images"] if "demo" in found else ():
        rows.append(
            (
                image["image"],
                f"{image['label']} {image['probability']:.2f}%, {image['region']}; in truth {image['truth']}",
            )
        )
    return rows


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
    "en": "`make demo` took {minutes:.0f} minutes after installation ({device}, computing in {precision}); a second one reuses what is done.\n",
    "ko": "설치가 끝난 뒤 `make demo`는 {minutes:.0f}분 걸렸으며({device}, {precision} 정밀도), 다시 실행하면 끝난 단계는 건너뜁니다.\n",
}


NO_TIME = {
    "en": "How long `make demo` takes was not measured in one undisturbed run; a second one reuses what is done.\n",
    "ko": "`make demo`에 걸리는 시간은 방해 없는 한 번의 실행으로 재지 못했습니다. 다시 실행하면 끝난 단계는 건너뜁니다.\n",
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
            f"### {number}. `{image['image']}` — {TRUTH[language][image['truth']]}\n\n![{ALT[language][0]}](readme_images/{number}_x.png)\n\n"
            f"> {verdict} — {sentence}\n>\n> {' '.join(features)}\n>\n> {image[f'trust_{language}'][0]}\n\n"
            f"![{ALT[language][1]}](readme_images/{number}_lime.png)\n"
        )
    return "\n".join(parts)


HEADS = {
    "en": (
        ("classifier", "starts from", "AUROC", "average precision", "accuracy real", "accuracy fake", "ECE"),
        (
            "classifier",
            "starts from",
            "parameters",
            "GMACs",
            "training, images/s",
            "prediction, images/s",
            "training, memory",
            "prediction, memory",
            "images seen",
            "training",
        ),
    ),
    "ko": (
        ("분류기", "초기 가중치", "AUROC", "평균 정밀도", "실제 정확도", "가짜 정확도", "ECE"),
        (
            "분류기",
            "초기 가중치",
            "매개변수",
            "GMACs",
            "학습, 장/초",
            "예측, 장/초",
            "학습 메모리",
            "예측 메모리",
            "학습에 쓴 이미지 수",
            "학습 시간",
        ),
    ),
}
NOTES = {
    "en": {
        "test": "{n} test images of {groups} sources; in brackets the 95% interval of a bootstrap over sources; {device}, seed {seed}, torch {torch}.",
        "unseen": "{name} against AI images of generator families that occur in the test split only ({n} images with the photographs): AUROC {auroc}.",
        "band": "Verdicts with less than {below:.1%} are marked uncertain; of the others ({coverage}) {error} are wrong, of the uncertain ones {inside}.",
        "missed": " No limit brought the error down to {target:.0%} on validation.",
        "cost": "Speed and peak memory are those of the network alone, in {precision}: training with {train_batch} crops of {crop} px a step, prediction "
        "with {predict_batch} pictures of {image_size} px, for which the GMACs are, too.",
    },
    "ko": {
        "test": "테스트 이미지 {n}장 (출처 {groups}개). 대괄호는 출처 단위 부트스트랩의 95% 구간입니다. {device}, 시드 {seed}, torch {torch}.",
        "unseen": "테스트에만 나오는 생성 모델 계열만 놓고 본 {name}의 AUROC (사진 포함 {n}장): {auroc}.",
        "band": "확률이 {below:.1%}보다 낮은 판정은 불확실로 표시합니다. 나머지 판정({coverage})의 오류율은 {error}, 불확실한 판정의 오류율은 {inside}입니다.",
        "missed": " 검증 데이터에서 오류율을 {target:.0%}까지 낮추는 기준은 없었습니다.",
        "cost": "속도와 최대 메모리는 신경망만 {precision} 정밀도로 잰 값입니다. 학습은 {crop} px 조각 {train_batch}장, "
        "예측은 {image_size} px 이미지 {predict_batch}장 단위이며 GMACs도 이 크기의 이미지 한 장 기준입니다.",
    },
}
WEIGHTS_KO = {
    "random": "무작위",
    "backbone (this repository)": "백본 (이 저장소)",
    "imagenet (timm)": "ImageNet (timm)",
}


def _weights(initial: str, language: str) -> str:
    return initial if language == "en" else WEIGHTS_KO.get(initial, initial)


def classifier_tables(found: dict, language: str) -> list[Table]:
    """Two tables, what the classifiers are worth and what they cost, each with its note, and whether that supports the choice."""
    reports = [found[name] for name in CLASSIFIERS if name in found]
    names = [[r["architecture"], _weights(r["initial_weights"], language)] for r in reports]
    quality = [
        [format_estimate(r["test"][k]) for k in ("auroc", "average_precision", "accuracy_real", "accuracy_fake", "ece")]
        for r in reports
    ]
    below = [NOTES[language]["cost"].format(**found["resnet34"]["cost"])]
    if "comparison" in found:
        below.append(support(found["comparison"], language))
    notes = ([_quality_note(found["resnet34"], language)], below)
    return [
        Table(head, [a + b for a, b in zip(names, rows)], note)
        for head, rows, note in zip(HEADS[language], (quality, [_cost(r) for r in reports]), notes)
    ]


def classifiers_block(found: dict, language: str) -> str:
    """Both tables in Markdown."""
    return "\n".join(table.markdown() for table in classifier_tables(found, language))


def _cost(report: dict) -> list[str]:
    cost = report["cost"]
    memory = [
        "–" if m is None else f"{m:.2f} GiB" for m in (cost["train_peak_memory_gib"], cost["predict_peak_memory_gib"])
    ]
    return [
        f"{cost['parameters'] / 1e6:.1f} M",
        f"{cost['gmacs']:.2f}",
        f"{cost['train_images_per_second']:.0f}",
        f"{cost['predict_images_per_second']:.0f}",
        *memory,
        f"{report['images_seen']:,}",
        f"{report['training_seconds']:.0f} s",
    ]


def _quality_note(best: dict, language: str) -> str:
    words, unseen, band = NOTES[language], best["unseen_generators"], best["selective"]
    notes = [
        words["test"].format(**best["test"], device=best["device"], seed=best["seed"], torch=best["versions"]["torch"])
    ]
    if unseen:
        notes.append(
            words["unseen"].format(name=best["architecture"], n=unseen["n"], auroc=format_estimate(unseen["auroc"]))
        )
    if band["error_certain"]["value"] is not None and band["error_uncertain"]["value"] is not None:
        shown = {
            name: format_estimate(band[key], True)
            for name, key in (("coverage", "coverage"), ("error", "error_certain"), ("inside", "error_uncertain"))
        }
        missed = "" if band["validation"]["target_reached"] else words["missed"].format(target=band["target_error"])
        notes.append(words["band"].format(below=band["uncertain_below"], **shown) + missed)
    return " ".join(notes)


SUPPORT = {
    "en": {
        "alike": "Started alike ({weights} weights{budget}), the differences in test AUROC are {differences}: {verdict}.",
        "used": "As it is used, starting from {weights}, which the others do not, the differences are {differences}: {verdict}.",
        "weights": "The initial weights alone ({weights} instead of {other}) make a difference of {differences}: {verdict}.",
        "cost": "The cost of a picture in GMACs is {costs}.",
        "budget": ", but not as many images seen",
        "for": "no interval includes 0, so these figures support {name}",
        "against": "an interval lies below 0, so these figures speak against {name}",
        "open": "an interval includes 0, so these figures do not decide it",
    },
    "ko": {
        "alike": "같은 종류의 초기 가중치({weights}{budget})에서 시작했을 때 테스트 AUROC 차이는 {differences}입니다. {verdict}.",
        "used": "실제로 쓰는 대로 {weights}에서 시작하면(다른 분류기의 초기 가중치는 다릅니다) 차이는 {differences}입니다. {verdict}.",
        "weights": "초기 가중치만 바꾼 차이({other} → {weights})는 {differences}입니다. {verdict}.",
        "cost": "이미지 한 장의 연산량(GMACs)은 {costs}입니다.",
        "budget": ", 학습에 쓴 이미지 수는 다름",
        "for": "0을 포함하는 구간이 없으므로 이 수치는 {name} 쪽을 뒷받침합니다",
        "against": "0보다 낮은 구간이 있으므로 이 수치는 {name} 선택을 뒷받침하지 않습니다",
        "open": "0을 포함하는 구간이 있으므로 이 수치만으로는 정할 수 없습니다",
    },
}


def support(comparison: dict, language: str) -> str:
    """Whether the figures support the chosen classifier, in two to four sentences, from the intervals of a record of `assess.compare`."""
    words, known, chosen = SUPPORT[language], comparison["classifiers"], comparison["chosen"]
    name = known[chosen]["architecture"]
    others = [pair for pair in comparison["pairs"] if not pair["same_architecture"]]
    kinds = {
        "alike": [pair for pair in others if pair["alike"]],
        "used": [pair for pair in others if pair["one"] == chosen and not pair["alike"]],
        "weights": [pair for pair in comparison["pairs"] if pair["same_architecture"]],
    }
    said = []
    for kind, pairs in kinds.items():
        if not pairs:
            continue
        weights, other = (_weights(known[pairs[0][side]]["initial_weights"], language) for side in ("one", "other"))
        differences = ", ".join(_difference(pair, known) for pair in pairs)
        verdict = words[_verdict([pair["difference"] for pair in pairs])].format(
            name=name if kind != "weights" else weights
        )
        budget = "" if all(pair["same_budget"] for pair in pairs) else words["budget"]
        said.append(
            words[kind].format(weights=weights, other=other, budget=budget, differences=differences, verdict=verdict)
        )
    costs = {entry["architecture"]: f"{entry['architecture']} {entry['gmacs']:.2f}" for entry in known.values()}
    return " ".join([*said, words["cost"].format(costs=", ".join(costs.values()))])


def _difference(pair: dict, known: dict) -> str:
    found = pair["difference"]
    names = (
        ""
        if pair["same_architecture"]
        else f"{known[pair['one']]['architecture']} − {known[pair['other']]['architecture']} "
    )
    return f"{names}{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def _verdict(differences: list[dict]) -> str:
    if any(d["high"] < 0 for d in differences):
        return "against"
    return "for" if all(d["low"] > 0 for d in differences) else "open"


AUDIT = {
    "en": {
        "head": ("told apart by", "AUROC", "suspected"),
        "yes": "yes",
        "no": "no",
        "names": {
            "container": "file format and metadata",
            "size": "size",
            "overlay": "a mark at a fixed place",
            "bytes": "file length",
            "colour": "colour statistics",
            "frequency": "frequency and noise statistics",
            "together": "all together",
        },
        "changes": {},
        "note": "Small classifiers that see only such features, {images} pictures, out of fold. Stored anew, the network's verdict flips on "
        "{flips} of {n} test pictures.",
    },
    "ko": {
        "head": ("구분에 쓴 것", "AUROC", "의심"),
        "yes": "예",
        "no": "아니요",
        "names": {
            "container": "파일 형식과 메타데이터",
            "size": "크기",
            "overlay": "고정된 자리의 표시",
            "bytes": "파일 길이",
            "colour": "색 통계",
            "frequency": "주파수·잡음 통계",
            "together": "전부",
        },
        "changes": {"half size": "절반 크기"},
        "note": "이런 특징만 보는 작은 분류기들의 교차 검증 결과이며, 이미지 {images}장을 썼습니다. "
        "테스트 이미지 {n}장을 다시 저장했을 때 신경망의 판정이 뒤집힌 수: {flips}.",
    },
}


def audit_table(found: dict, language: str) -> Table:
    """What each family of cheap features tells of the class, and the format swap."""
    report, words = found["audit"], AUDIT[language]
    families = {**report["families"], "together": report["together"]}
    rows = [
        [words["names"][name], format_estimate(f["auroc"]), words["yes" if f["suspected"] else "no"]]
        for name, f in families.items()
    ]
    swap = report["format_swap"]
    flips = ", ".join(f"{count} ({words['changes'].get(name, name)})" for name, count in swap["flipped"].items())
    return Table(
        words["head"], rows, [words["note"].format(images=sum(report["images"].values()), flips=flips, n=swap["n"])]
    )


def audit_block(found: dict, language: str) -> str:
    """The audit's table in Markdown, and in English its own paragraph."""
    return audit_table(found, language).markdown() + (f"\n> {found['audit']['verdict']}\n" if language == "en" else "")


SENTENCES = {
    "en": {
        "head": (
            "sentences",
            "exact class",
            "exact number",
            "region of the heatmap's peak",
            "contradict nothing, shown as written",
        ),
        "before": "before LoRA",
        "after": "after LoRA",
        "ko": "Korean",
        "en": "English",
        "note": "{n} test overlays, raw sentences of the `{model}` PaliGemma; 95% intervals over sources. Always naming the most frequent region would "
        "be right in {chance}. A sentence that contradicts its record is never shown.",
    },
    "ko": {
        "head": ("문장", "클래스 일치", "확률 일치", "히트맵 정점의 위치 일치", "모순이 없어 그대로 보이는 문장"),
        "before": "LoRA 전",
        "after": "LoRA 후",
        "ko": "한국어",
        "en": "영어",
        "note": "테스트 오버레이 {n}장에 대한 `{model}` PaliGemma의 원래 문장이며, 대괄호는 출처 단위 95% 구간입니다. "
        "가장 흔한 위치만 말하면 {chance}가 맞습니다. 기록과 어긋나는 문장은 보여 주지 않습니다.",
    },
}


def sentence_table(found: dict, language: str) -> Table:
    """How often PaliGemma's raw sentences say what was measured, before and after LoRA."""
    report, words = found["paligemma"], SENTENCES[language]
    rows = [
        [
            f"{words[spoken]}, {words[when]}",
            *(
                format_estimate(report[when][spoken][kind], True)
                for kind in ("class", "number", "region", "consistent")
            ),
        ]
        for when in ("before", "after")
        for spoken in ("ko", "en")
    ]
    after = report["after"]["ko"]
    return Table(
        words["head"],
        rows,
        [words["note"].format(n=after["n"], model=report["model"], chance=f"{after['commonest_region']['value']:.1%}")],
    )


def update(text: str, blocks: dict[str, str]) -> str:
    """A README with its generated blocks replaced.

    Raises:
        ValueError: a block's markers are missing.
    """
    missing = set(blocks) - {m["name"] for m in BLOCK.finditer(text)}
    if missing:
        raise ValueError(
            f"the README has no place for {', '.join(sorted(missing))}: put <!-- begin:NAME --> and <!-- end:NAME --> there"
        )
    return BLOCK.sub(lambda m: m[1] + blocks[m["name"]] + m[3] if m["name"] in blocks else m[0], text)
