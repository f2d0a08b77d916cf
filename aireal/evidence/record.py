"""The evidence record: everything that was measured of one picture, as the one object that every later stage reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from .provenance import Provenance
from .value_types import misfit

CLASSES = ("real", "fake")  # the name of each label: 0 real, 1 fake
REGIONS = (
    "top-left",
    "top-center",
    "top-right",
    "middle-left",
    "middle-center",
    "middle-right",
    "bottom-left",
    "bottom-center",
    "bottom-right",
)
COLOURS = ("white", "gray", "black", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown")
BRIGHTNESS = ("dark", "medium", "bright")
TEXTURE = ("smooth", "moderate", "rough")
EDGES = ("soft", "moderate", "sharp")


@dataclass(frozen=True)
class Cues:
    """The appearance of one region in words. `values` holds the measurements behind the words."""

    colour: str
    brightness: str
    texture: str
    edges: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LimeFeature:
    """One superpixel of LIME's list: its number, its weight for class 1 (fake) and the weight's 95% interval."""

    superpixel: int
    weight: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Occlusion:
    """The effect of hiding an area of the picture on P(verdict), beside that of random areas of equal size and shape.

    All but `beats` are differences of probability (0..1), positive where P(verdict) falls. Each is a mean over
    several ways of hiding (`explain.faithfulness.occlusion`). 95% of the random areas lie between `random_low` and
    `random_high`; `beats` is the share of random areas with a smaller drop.
    """

    drop: float
    random: float
    random_low: float
    random_high: float
    beats: float


@dataclass(frozen=True)
class EvidenceRecord:
    """Everything a sentence about an image may say. Fields that were not measured are None or empty.

    Attributes:
        image: name of the file.
        label: the verdict, "real" or "fake".
        probability: the verdict's own probability in percent, rounded to two decimals once, here; texts and tables
            copy it.
        probability_fake: calibrated P(fake), 0..1, not rounded.
        region: the 3×3 cell that contains the heatmap's peak; None, like `peak` and `cues`, for a picture without a
            heatmap.
        peak: that peak as (x, y) fractions of width and height.
        cues: the appearance of `region`.
        lime: LIME's five superpixels with the largest weights.
        lime_r2: the surrogate's weighted R² on samples that it was not fitted to.
        uncertain: whether `probability` lies in the classifier's uncertain band (`classifier.calibration`).
        lime_samples: number of perturbed pictures that LIME used.
        lime_settled: whether LIME is expected to give the same list if it is run again (`explain.lime`).
        agreement: IoU of the hottest fifth of the heatmap and the fifth with the largest LIME weights for the verdict.
        agreement_chance: the mean IoU over all moves of one of the two (`explain.faithfulness.agreement`).
        peak_contradicted: whether LIME counts the superpixel under `peak` as evidence against it.
        region_removal: the effect of hiding `region`.
        lime_removal: the effect of hiding the five superpixels with the largest LIME weights for the verdict.
        provenance: what the file says of itself (`aireal.provenance`); None where the file was not looked at. No
            measurement and no sentence depends on it.
    """

    image: str
    label: str
    probability: float
    probability_fake: float
    region: str | None
    peak: tuple[float, float] | None
    cues: Cues | None
    lime: tuple[LimeFeature, ...] = ()
    lime_r2: float | None = None
    uncertain: bool = False
    lime_samples: int | None = None
    lime_settled: bool | None = None
    agreement: float | None = None
    agreement_chance: float | None = None
    peak_contradicted: bool | None = None
    region_removal: Occlusion | None = None
    lime_removal: Occlusion | None = None
    provenance: Provenance | None = None

    def to_dict(self) -> dict:
        """The record as a JSON object (`evidence/schema.json`), without `provenance` where it is None."""
        values = asdict(self)
        if self.provenance is None:
            del values["provenance"]
        return values

    def to_json(self) -> str:
        """`to_dict` as text."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, values: dict) -> EvidenceRecord:
        """The record of a parsed JSON object.

        Its words go into prompts and its numbers into figures, so that each must be one that was measured here.

        Raises:
            ValueError: it is no object with this class's fields, each of its type; a word is none of this module's
                lists; or a number is not finite or out of its range.
        """
        try:
            record = cls._of(values)
        except (KeyError, TypeError, AttributeError):
            raise ValueError("it is no evidence record: a field is missing, unknown or of another type") from None
        _check(record)
        return record

    @classmethod
    def _of(cls, values: dict) -> EvidenceRecord:
        """Errors: KeyError, TypeError and AttributeError, by the fault."""
        occlusions = ("region_removal", "lime_removal")
        return cls(
            **{
                **values,
                "peak": tuple(values["peak"]) if values["peak"] else None,
                "cues": Cues(**values["cues"]) if values["cues"] else None,
                "lime": tuple(LimeFeature(**feature) for feature in values.get("lime", ())),
                **{name: Occlusion(**values[name]) for name in occlusions if values.get(name)},
                "provenance": Provenance.from_dict(found) if (found := values.get("provenance")) else None,
            }
        )


def _check(record: EvidenceRecord) -> None:
    """Raise ValueError where a foreign record holds what no stage writes."""
    if name := misfit(record):
        raise ValueError(f"the record's {name} is of another type, or no finite number")
    try:
        record.to_json().encode()
    except UnicodeEncodeError:
        raise ValueError("a text of the record holds half a surrogate pair, which no file can hold") from None
    words = [("label", record.label, CLASSES)]
    if record.region is not None:
        if record.cues is None:
            raise ValueError("the record has a region without cues")
        words.append(("region", record.region, REGIONS))
    if record.cues:
        lists = {"colour": COLOURS, "brightness": BRIGHTNESS, "texture": TEXTURE, "edges": EDGES}
        words += [(name, getattr(record.cues, name), known) for name, known in lists.items()]
    for name, word, known in words:
        if word not in known:
            raise ValueError(f"{name} is {str(word)[:40]!r}, none of {', '.join(known)}")
    numbers = [("probability", record.probability, 100), ("probability_fake", record.probability_fake, 1)]
    numbers += [("peak", value, 1) for value in record.peak or ()]
    for name, number, most in numbers:
        if not 0 <= number <= most:
            raise ValueError(f"{name} is {str(number)[:40]}, no number from 0 to {most}")


def verdict(probability_fake: float) -> tuple[str, float]:
    """Label and the label's probability in percent with two decimals. The calibrated threshold is one half."""
    label = "fake" if probability_fake >= 0.5 else "real"
    return label, round(100 * (probability_fake if label == "fake" else 1 - probability_fake), 2)
