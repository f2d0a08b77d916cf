"""`make demo`: run the notebooks in order, keep executed copies and their HTML, print what was measured and write the report."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter
from traitlets.config import Config

from aireal.core.device import peak_memory_of_children
from aireal.core.files import write_json
from aireal.reporting.html.report import write_report

from .config import REPOSITORY, DatasetRoot, resolve_profile

NOTEBOOKS = REPOSITORY / "notebooks"
# a socket file instead of TCP ports, so that nothing on the network can talk to the kernel; and no log lines among ours
QUIET_KERNEL = {"config": Config({"KernelManager": {"transport": "ipc"}}), "extra_arguments": ["--log-level=CRITICAL"]}


def run_notebooks(profile: str, root: Path, out: Path, seed: int, only: list[str], force: bool) -> int:
    """Execute the notebooks (all, or those whose names start with one of `only`) that are not done yet.

    Returns the exit status: 1 when one failed; the later ones were then not run.
    A notebook is done when its executed copy was made from the same notebook, package, dataset, parameters and earlier notebooks.
    """
    began, ran = time.time(), []
    key = _key_of_package(profile, root, seed)
    parameters = _parameters(profile, root, out, seed)
    for path in sorted(NOTEBOOKS.glob("0*.ipynb")):
        key = hashlib.sha256((key + path.read_text(encoding="utf-8")).encode()).hexdigest()[:16]
        if only and not any(path.name.startswith(n) for n in only):
            continue
        if not force and _done(out, path, key):
            print(f"  {path.stem:<28} done before, reused", flush=True)
            continue
        if not _execute(path, parameters, out, key):
            return 1
        ran.append(out / "notebooks" / path.name)
    if len(ran) == len(list(NOTEBOOKS.glob("0*.ipynb"))):  # where some were reused, nobody has measured the whole
        write_json(out / "metrics" / "pipeline.json", _times(out, ran))
    print(f"\n{_summary(out)}\n")
    print(
        f"{time.time() - began:.0f} s in all, peak memory {peak_memory_of_children() / 2**30:.1f} GiB in one notebook. Look at:"
    )
    where = _shown(out)
    write_report(out, DatasetRoot.at(root, out / "products" if profile == "smoke" else None))
    for name, what in (
        ("report.html", "all figures and every picture, in one file"),
        ("notebooks/*.html", "the seven notebooks as they ran"),
        ("readme_images/*.png", "the demonstration"),
        ("metrics/*.json", "every figure, with its circumstances"),
    ):
        print(f"  {where}/{name:<22} {what}")
    return 0


def _times(out: Path, notebooks: list[Path]) -> dict:
    """Seconds of each notebook, as its stamp has them, in all, and where that was; the memory is that of the largest notebook."""
    report = json.loads((out / "metrics" / "resnet34.json").read_text(encoding="utf-8"))
    seconds = {
        path.stem: json.loads(path.with_suffix("").with_suffix(".stamp.json").read_text(encoding="utf-8"))["seconds"]
        for path in notebooks
    }
    return {
        "stage": "pipeline",
        **{name: report[name] for name in ("profile", "seed", "device", "versions")},
        "precision": report["cost"]["precision"],
        "notebooks": seconds,
        "wall_seconds": round(sum(seconds.values()), 1),
        "peak_memory_gib": round(peak_memory_of_children() / 2**30, 2),
    }


def _parameters(profile: str, root: Path, out: Path, seed: int) -> dict:
    """Only what differs from the notebooks' own defaults is injected, so that a default run leaves no path in its copies."""
    wanted = {"profile": profile, "root": str(root.resolve()), "out": str(out.resolve()), "seed": seed}
    own = REPOSITORY / "outputs" / ("smoke" if profile == "smoke" else "")  # where `run.start` would write
    default = {
        "profile": resolve_profile("auto")[0].name,
        "root": str(REPOSITORY / "dataset"),
        "out": str(own),
        "seed": 7,
    }
    return {name: value for name, value in wanted.items() if value != default[name]}


def _shown(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _key_of_package(profile: str, root: Path, seed: int) -> str:
    digest = hashlib.sha256(f"{profile}|{seed}|{root.resolve()}".encode())
    package = Path(__file__).parent
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.safetensors")]):
        digest.update(path.read_bytes())
    manifest = root / "manifest.csv"
    digest.update(
        manifest.read_bytes() if manifest.exists() else "".join(sorted(p.name for p in root.rglob("*"))).encode()
    )
    return digest.hexdigest()


def _stamp(out: Path, path: Path) -> Path:
    return out / "notebooks" / f"{path.stem}.stamp.json"


def _done(out: Path, path: Path, key: str) -> bool:
    stamp = _stamp(out, path)
    return stamp.exists() and json.loads(stamp.read_text())["key"] == key and (out / "notebooks" / path.name).exists()


def _execute(path: Path, parameters: dict, out: Path, key: str) -> bool:
    target = out / "notebooks" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    _stamp(out, path).unlink(missing_ok=True)
    began = time.time()
    print(f"  {path.stem:<28} running … ", end="", flush=True)
    try:
        papermill.execute_notebook(
            str(path),
            str(target),
            parameters,
            cwd=str(NOTEBOOKS),
            kernel_name="python3",
            progress_bar=False,
            **QUIET_KERNEL,
        )
    except papermill.PapermillExecutionError as error:
        print(
            f"failed in cell {error.exec_count}: {error.ename}: {error.evalue}\n  the notebook as far as it came: {_shown(target)}",
            file=sys.stderr,
        )
        return False
    except Exception as error:  # the kernel died (out of memory), or could not be started
        print(f"failed: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    tidy(target)
    html, _ = HTMLExporter().from_filename(str(target))
    target.with_suffix(".html").write_text(html, encoding="utf-8")
    seconds = round(time.time() - began, 1)
    write_json(_stamp(out, path), {"key": key, "seconds": seconds})
    print(f"{seconds:.0f} s", flush=True)
    return True


def tidy(path: Path) -> None:
    """Keep of each progress bar its last state, as a terminal would show it, and join pieces of one stream; leave out widgets, which
    show nothing once the kernel is gone, and papermill's notes, which hold paths of the machine."""
    notebook = nbformat.read(path, as_version=4)
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type != "code":
            continue
        outputs = []
        for output in cell.outputs:
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                continue
            if (
                output.output_type == "stream"
                and outputs
                and outputs[-1].output_type == "stream"
                and outputs[-1].name == output.name
            ):
                outputs[-1].text += output.text
            else:
                outputs.append(output)
        for output in outputs:
            if output.output_type == "stream":
                output.text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in output.text.split("\n"))
        cell.outputs = outputs
    nbformat.write(notebook, path)


def _summary(out: Path) -> str:
    """The main figures of each stage, a line each, from the JSON files that the notebooks wrote."""
    from aireal.reporting.tables.metrics import summary_rows

    rows = summary_rows(out / "metrics")
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
