"""What was measured of a classifier on pictures from elsewhere (`evaluate_folder`), for those who show its verdicts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from aireal.config import REPOSITORY
from aireal.core.json_text import has_fields, read_object
from aireal.core.statistics import interval

FOLDERS = (REPOSITORY / "outputs" / "metrics", REPOSITORY / "metrics")  # this machine's runs first, then the published
FIELDS = {
    "classifier": {"fingerprint": str},
    "metrics": {"auroc": dict, "n": int},
    "error_certain": {"value": float | None, "low": float | None, "high": float | None},
    "n_certain": int,
}
OPTIMISTIC = (
    "이며, 방법을 고를 때 쓴 이미지라 낙관적인 값입니다",
    "; these pictures were used for choosing, so it is optimistic",
)


def measured_elsewhere(fingerprint: str, out: Path | None = None) -> dict | None:
    """The record external.json of a classifier; None where there is none that can be read.

    The fingerprint is that of the training's data and numbers. Weights that were trained by the same recipe on another
    machine have the published record, too.

    Args:
        out: folder of a run, whose metrics/ is looked into first.
    """
    for folder in (*([out / "metrics"] if out else []), *FOLDERS):
        with suppress(ValueError, OSError):
            record = read_object(folder / "external.json", "")
            if fingerprint and has_fields(record, FIELDS) and record["classifier"]["fingerprint"] == fingerprint:
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
    rate, (ko, en) = interval(error, 100, "%"), OPTIMISTIC if record.get("used_for_choosing") else ("", "")
    return (
        f"외부 이미지에서는 ‘불확실’ 표시가 없는 판정도 {rate}가 틀렸습니다({n}건, 동전 던지기는 50%{ko}).",
        f"On pictures from elsewhere {rate} of the verdicts that are not marked uncertain were wrong ({n} verdicts; a "
        f"coin toss: 50%{en}).",
    )
