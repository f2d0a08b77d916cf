"""Damage files of every kind by the thousand, and let the package read them: `python scripts/fuzz.py --count 10000`.

Each case follows from --seed and its number. It may be read, or refused with one sentence. Anything else is a fault: an
exception of another kind, a case that takes longer than 20 seconds, a file outside of the case's folder that is written
or that is private and opened, a program or connection that is started, a file that stays open. The same cases, fewer of
them, are run by the tests.

    --kinds manifests,tables   of pictures, manifests, tables, journals, records, captions, configurations
    --case journals:17         run one case alone, with its traceback
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from aireal.config import REPOSITORY
from aireal.core.files import write_json
from aireal.core.run import versions
from aireal.core.statistics import wilson
from helpers.fuzz.campaign import Campaign
from helpers.fuzz.kinds import NAMES, make_case


def main() -> int:
    """Run the cases, write the metrics, and return 1 where a fault was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="cases of each kind (default: 10000)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kinds", default=",".join(NAMES))
    parser.add_argument("--case", default="")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "metrics" / "fuzz.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        if options.case:
            return _one(options.case, options.seed, Path(work))
        kinds = _measure(options, Path(work))
    faults = sum(len(found["faults"]) for found in kinds.values())
    print(f"{faults} faults; see {options.out}")
    return int(faults > 0)


def _measure(options: argparse.Namespace, work: Path) -> dict[str, dict]:
    """Run every kind; the file of metrics is written after each, so that a stopped run has what was done."""
    campaign = Campaign(work)
    earlier = json.loads(options.out.read_text(encoding="utf-8"))["kinds"] if options.out.exists() else {}
    kinds = {}
    for kind in options.kinds.split(","):
        began = time.monotonic()
        kinds[kind] = found = campaign.run(kind, options.count, options.seed, progress=True)
        found["seconds"] = round(time.monotonic() - began, 1)
        found["fault_rate"] = wilson(len(found["faults"]), options.count)
        print(f"{kind}: {found['outcomes']}, slowest {found['slowest']['seconds']} s")
        record = {"stage": "fuzz", "seed": options.seed, "device": "cpu", "kinds": {**earlier, **kinds}}
        write_json(options.out, record | {"versions": versions()})
    return kinds


def _one(case: str, seed: int, work: Path) -> int:
    kind, number = case.split(":")
    read = make_case(kind, int(number), seed, work)
    for path in filter(Path.is_file, work.rglob("*")):
        print(path.relative_to(work), path.read_bytes()[:2000])
    print(read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
