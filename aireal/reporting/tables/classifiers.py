"""The tables that compare the classifiers, and whether the metrics support the chosen one."""

from __future__ import annotations

from aireal.classifier.model import BACKBONE
from aireal.classifier.one_class import one_class_note

from .metrics import CLASSIFIERS, format_estimate
from .table import Table

SHORT = {
    "en": {
        "head": ("classifier", "starts from", "test AUROC"),
        "external": "AUROC elsewhere",
        "note": "{n} test pictures of {groups} sources; brackets: 95% intervals over sources; {device}, seed {seed}.",
    },
    "ko": {
        "head": ("분류기", "초기 가중치", "테스트 AUROC"),
        "external": "외부 이미지의 AUROC",
        "note": "테스트 이미지 {n}장(출처 {groups}개), 대괄호는 출처 단위 95% 구간입니다. {device}, 시드 {seed}.",
    },
}

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
            "crops in fine-tuning",
            "training, probe included",
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
            "미세 조정에 쓴 조각(crop) 수",
            "학습 시간(프로브 포함)",
        ),
    ),
}
NOTES = {
    "en": {
        "test": "{n} test images of {groups} sources; brackets: 95% interval of a bootstrap over sources; {device}, "
        "seed {seed}, torch {torch}.",
        "unseen": "On AI images of generator families that occur only in the test split ({n} images with the "
        "photographs), {name} has an AUROC of {auroc}.",
        "pretrained": "Its backbone was also pretrained on files that curation left out; their generators are not "
        "known, and some may be of these families.",
        "band": "A verdict with a probability below {below:.1%} is marked uncertain. The error rate of the other "
        "verdicts ({coverage} of all) is {error}, that of the uncertain ones {inside}.",
        "missed": " On validation, no limit reached the target error of {target:.0%}.",
        "kept": "{names}: no epoch of fine-tuning was better on validation, so the linear probe on the backbone is "
        "kept. The crops are those of fine-tuning, which is not used.",
        "cost": "Speed and peak memory are those of the network alone, in {precision}. Training uses {train_batch} "
        "crops of {crop} px per step, prediction {predict_batch} pictures of {image_size} px; the GMACs are per "
        "picture of that size.",
    },
    "ko": {
        "test": "테스트 이미지 {n}장 (출처 {groups}개). 대괄호는 출처 단위 부트스트랩의 95% 구간입니다. "
        "{device}, 시드 {seed}, torch {torch}.",
        "unseen": "테스트에만 나오는 생성 모델 계열만 놓고 본 {name}의 AUROC (사진 포함 {n}장): {auroc}.",
        "pretrained": "백본의 사전 학습에는 데이터셋에서 뺀 파일도 쓰였습니다. "
        "그 생성 모델은 알려지지 않아 이 계열이 섞였을 수 있습니다.",
        "band": "확률이 {below:.1%}보다 낮은 판정은 불확실로 표시합니다. "
        "나머지 판정({coverage})의 오류율은 {error}, 불확실한 판정의 오류율은 {inside}입니다.",
        "missed": " 검증 데이터에서 오류율을 {target:.0%}까지 낮추는 기준은 없었습니다.",
        "kept": "{names}: 미세 조정한 어느 에폭도 검증에서 더 낫지 않아 백본 위의 선형 분류기를 그대로 씁니다. "
        "표의 조각 수는 쓰지 않게 된 미세 조정의 것입니다.",
        "cost": "속도와 최대 메모리는 신경망만 {precision} 정밀도로 잰 값입니다. "
        "학습은 {crop} px 조각 {train_batch}장, "
        "예측은 {image_size} px 이미지 {predict_batch}장 단위이며 GMACs도 이 크기의 이미지 한 장 기준입니다.",
    },
}
WEIGHTS_KO = {
    "random": "무작위",
    "backbone (this repository)": "백본 (이 저장소)",
    "imagenet (timm)": "ImageNet (timm)",
    "clip, openai (timm)": "CLIP, OpenAI (timm)",
}
FROZEN = {"en": "{weights}, frozen", "ko": "{weights}, 고정"}


def _weights(initial: str, language: str) -> str:
    return initial if language == "en" else WEIGHTS_KO.get(initial, initial)


def _start(report: dict, language: str) -> str:
    """What a classifier starts from, and whether that stayed as it was (a linear probe)."""
    weights = _weights(report["initial_weights"], language)
    return FROZEN[language].format(weights=weights) if report.get("frozen") else weights


def classifier_tables(metrics: dict, language: str) -> list[Table]:
    """Two tables, quality and cost of the classifiers, each with its note; the second ends with `support`."""
    reports = [metrics[name] for name in CLASSIFIERS if name in metrics]
    names = [[r["architecture"], _start(r, language)] for r in reports]
    quality = [
        [format_estimate(r["test"][k]) for k in ("auroc", "average_precision", "accuracy_real", "accuracy_fake", "ece")]
        for r in reports
    ]
    below = [NOTES[language]["cost"].format(**metrics["resnet34"]["cost"])]
    if kept := [r["architecture"] for r in reports if r.get("kept_epoch") == 0 and not r.get("frozen")]:
        below.append(NOTES[language]["kept"].format(names=", ".join(kept)))
    if "comparison" in metrics:
        below.append(support(metrics["comparison"], language))
    notes = ([_quality_note(metrics["resnet34"], language)], below)
    return [
        Table(head, [a + b for a, b in zip(names, rows)], note)
        for head, rows, note in zip(HEADS[language], (quality, [_cost(r) for r in reports]), notes)
    ]


def short_table(metrics: dict, language: str) -> Table:
    """The classifiers' AUROC on the test, and on pictures from elsewhere where `metrics/external.json` holds it."""
    reports, words = [metrics[name] for name in CLASSIFIERS if name in metrics], SHORT[language]
    rows = [[r["architecture"], _start(r, language), format_estimate(r["test"]["auroc"])] for r in reports]
    head, external = list(words["head"]), metrics.get("external")
    if external:
        head.append(words["external"])
        for row, report in zip(rows, reports):
            row.append(format_estimate(external["metrics"]["auroc"]) if _is_of(external, report) else "–")
    best = metrics["resnet34"]
    notes = [words["note"].format(**best["test"], device=best["device"], seed=best["seed"])]
    if one_class := one_class_note(best["test"], language):
        notes.append(one_class)
    return Table(head, rows, [" ".join(notes)])


def _is_of(external: dict, report: dict) -> bool:
    """Whether the pictures from elsewhere were given to the classifier of a report."""
    return all(external["classifier"][key] == report[key] for key in ("architecture", "initial_weights"))


def classifiers_block(metrics: dict, language: str) -> str:
    """Both tables in Markdown."""
    return "\n".join(table.markdown() for table in classifier_tables(metrics, language))


def _cost(report: dict) -> list[str]:
    cost = report["cost"]
    speeds = [
        "–" if v is None else f"{v:.0f}" for v in (cost["train_images_per_second"], cost["predict_images_per_second"])
    ]
    memory = [
        "–" if m is None else f"{m:.2f} GiB" for m in (cost["train_peak_memory_gib"], cost["predict_peak_memory_gib"])
    ]
    return [
        f"{cost['parameters'] / 1e6:.1f} M",
        f"{cost['gmacs']:.2f}",
        *speeds,
        *memory,
        f"{report['images_seen']:,}",
        f"{report['training_seconds']:.0f} s",
    ]


def _quality_note(best: dict, language: str) -> str:
    words, unseen, band = NOTES[language], best["unseen_generators"], best["selective"]
    notes = [
        words["test"].format(**best["test"], device=best["device"], seed=best["seed"], torch=best["versions"]["torch"])
    ]
    if one_class := one_class_note(best["test"], language):
        notes.append(one_class)
    if unseen:
        notes.append(
            words["unseen"].format(name=best["architecture"], n=unseen["n"], auroc=format_estimate(unseen["auroc"]))
        )
        if best["initial_weights"].startswith("backbone"):
            notes.append(words["pretrained"])
    if band["error_certain"]["value"] is not None and band["error_uncertain"]["value"] is not None:
        estimates = {
            name: format_estimate(band[key], True)
            for name, key in (("coverage", "coverage"), ("error", "error_certain"), ("inside", "error_uncertain"))
        }
        missed = "" if band["validation"]["target_reached"] else words["missed"].format(target=band["target_error"])
        notes.append(words["band"].format(below=band["uncertain_below"], **estimates) + missed)
    return " ".join(notes)


SUPPORT = {
    "en": {
        "alike": "With the same kind of initial weights ({weights}{budget}), the differences in test AUROC are "
        "{differences}: {verdict}.",
        "used": "With the initial weights in use ({weights}, which the other classifiers do not have), the differences "
        "are {differences}: {verdict}.",
        "frozen": "Against the yardstick, a linear probe on frozen {other} weights, the difference is {differences}: "
        "{verdict}.",
        "weights": "Only the initial weights changed ({weights} instead of {other}), the difference is {differences}: "
        "{verdict}.",
        "backbones": "The intervals cover the test's sources and not the pretraining: the backbones were not trained "
        "equally long.",
        "cost": "The GMACs per picture are {costs}.",
        "one_class": "The test has pictures of one class, so there is no AUROC to compare.",
        "budget": ", but not as many images seen",
        "for": "no interval includes 0, so these figures support {name}",
        "against": "an interval lies below 0, so these figures speak against {name}",
        "open": "an interval includes 0, so these figures do not decide it",
    },
    "ko": {
        "alike": "같은 종류의 초기 가중치({weights}{budget})에서 시작했을 때 "
        "테스트 AUROC 차이는 {differences}입니다. {verdict}.",
        "used": "실제로 쓰는 대로 {weights}에서 시작하면(다른 분류기의 초기 가중치는 다릅니다) "
        "차이는 {differences}입니다. {verdict}.",
        "frozen": "기준으로 삼은, 가중치를 고정한 선형 분류기({other})와의 차이는 {differences}입니다. {verdict}.",
        "weights": "초기 가중치만 바꾼 차이({other} → {weights})는 {differences}입니다. {verdict}.",
        "backbones": "구간은 테스트 출처에 대한 것이고 사전 학습은 담지 않습니다. 백본마다 학습한 양이 다릅니다.",
        "cost": "이미지 한 장의 연산량(GMACs)은 {costs}입니다.",
        "one_class": "테스트에 한 종류의 이미지만 있으므로 비교할 AUROC가 없습니다.",
        "budget": ", 학습에 쓴 이미지 수는 다름",
        "for": "0을 포함하는 구간이 없으므로 이 수치는 {name} 쪽을 뒷받침합니다",
        "against": "0보다 낮은 구간이 있으므로 이 수치는 {name} 선택을 뒷받침하지 않습니다",
        "open": "0을 포함하는 구간이 있으므로 이 수치만으로는 정할 수 없습니다",
    },
}


def support(comparison: dict, language: str) -> str:
    """Two to five sentences on whether the intervals of AUROC differences support the chosen classifier.

    Args:
        comparison: a record of `classifier.evaluate.compare`.
    """
    words, classifiers, chosen = SUPPORT[language], comparison["classifiers"], comparison["chosen"]
    name = classifiers[chosen]["architecture"]
    costs = {entry["architecture"]: f"{entry['architecture']} {entry['gmacs']:.2f}" for entry in classifiers.values()}
    cost = words["cost"].format(costs=", ".join(costs.values()))
    if any(pair["difference"]["value"] is None for pair in comparison["pairs"]):
        return f"{words['one_class']} {cost}"
    yardsticks = [pair for pair in comparison["pairs"] if pair.get("frozen")]
    others = [pair for pair in comparison["pairs"] if not pair["same_architecture"] and pair not in yardsticks]
    kinds = {
        "alike": [pair for pair in others if pair["alike"]],
        "used": [pair for pair in others if pair["one"] == chosen and not pair["alike"]],
        "frozen": yardsticks,
        "weights": [pair for pair in comparison["pairs"] if pair["same_architecture"]],
    }
    sentences = []
    for kind, pairs in kinds.items():
        if not pairs:
            continue
        weights, other = (
            _weights(classifiers[pairs[0][side]]["initial_weights"], language) for side in ("one", "other")
        )
        differences = ", ".join(_difference(pair, classifiers) for pair in pairs)
        verdict = words[_verdict([pair["difference"] for pair in pairs])].format(
            name=name if kind != "weights" else weights
        )
        budget = "" if all(pair["same_budget"] for pair in pairs) else words["budget"]
        sentences.append(
            words[kind].format(weights=weights, other=other, budget=budget, differences=differences, verdict=verdict)
        )
        if kind == "alike" and classifiers[pairs[0]["one"]]["initial_weights"] == BACKBONE:
            sentences.append(words["backbones"])
    return " ".join([*sentences, cost])


def _difference(pair: dict, classifiers: dict) -> str:
    difference = pair["difference"]
    one, other = (classifiers[pair[side]]["architecture"] for side in ("one", "other"))
    names = "" if pair["same_architecture"] else f"{one} − {other} "
    return f"{names}{difference['value']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"


def _verdict(differences: list[dict]) -> str:
    if any(d["high"] < 0 for d in differences):
        return "against"
    return "for" if all(d["low"] > 0 for d in differences) else "open"
