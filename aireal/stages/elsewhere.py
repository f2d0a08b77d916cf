"""What was measured of a classifier on pictures from elsewhere (`evaluate_folder`), for those who show its verdicts."""

from __future__ import annotations

from aireal.config import REPOSITORY
from aireal.core.json_text import read_object
from aireal.core.statistics import interval

FOLDERS = (REPOSITORY / "outputs" / "metrics", REPOSITORY / "metrics")  # this machine's runs first, then the published


def measured_elsewhere(fingerprint: str) -> dict | None:
    """The record external.json of a classifier; None where there is none.

    Args:
        fingerprint: of the classifier's training.

    Raises:
        ValueError: the file is damaged.
    """
    for path in (folder / "external.json" for folder in FOLDERS):
        record = read_object(path, "Run `aireal evaluate` again, or remove the file.") if path.is_file() else {}
        classifier = record.get("classifier")
        if fingerprint and isinstance(classifier, dict) and classifier.get("fingerprint") == fingerprint:
            return record
    return None


def elsewhere_lines(record: dict) -> tuple[str, str]:
    """One sentence in Korean and English: how often its sure verdicts were wrong on pictures from elsewhere.

    Args:
        record: of `measured_elsewhere`.
    """
    error, n = record["error_certain"], record["n_certain"]
    if error["value"] is None:
        return (
            "외부 이미지에서는 모든 판정이 불확실했습니다.",
            "On pictures from elsewhere every verdict was marked uncertain.",
        )
    rate = interval(error, 100, "%")
    return (
        f"외부 이미지에서는 ‘불확실’ 표시가 없는 판정도 {rate}가 틀렸습니다({n}건, 동전 던지기는 50%).",
        f"On pictures from elsewhere {rate} of the verdicts that are not marked uncertain were wrong ({n} verdicts; a "
        "coin toss: 50%).",
    )
