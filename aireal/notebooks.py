"""`make demo`: execute the notebooks in order, keep the copies and their HTML, print the results, write the report."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbconvert import HTMLExporter
from traitlets.config import Config

from aireal.core.device import peak_memory_of_children
from aireal.core.file_names import shown
from aireal.core.files import write_json
from aireal.core.json_text import read_object
from aireal.core.notebook_failure import describe_failure
from aireal.core.notebook_times import NAME_WIDTH, NotebookTimes, shows_bars, time_bar
from aireal.core.profile import profile_of_products, require_gpu, resolve_profile
from aireal.core.run import places
from aireal.core.secrets import CLAUDE_KEY, EXPORTED, export_secrets
from aireal.dataset.importing.first_use import dataset_root
from aireal.figures.html.hangul import with_hangul
from aireal.reporting.html.report import write_report
from aireal.reporting.tables.metrics import summary_rows

from .config import REPOSITORY, DatasetRoot

NOTEBOOKS = REPOSITORY / "notebooks"
# The kernel talks through a socket file, so that nothing on the network can reach it, and logs nothing into our output.
QUIET_KERNEL = {"config": Config({"KernelManager": {"transport": "ipc"}}), "extra_arguments": ["--log-level=CRITICAL"]}
NO_NOTEBOOKS = "the notebooks are not part of the installed package: clone the repository and run `make demo` there"
# The first cell finds or fetches the code; a reader of the page has no use for it.
WITHOUT_SET_UP = Config({"TagRemovePreprocessor": {"enabled": True, "remove_cell_tags": ["bootstrap"]}})
OUTPUTS = (
    ("report.html", "all metrics and every picture, in one file"),
    ("notebooks/*.html", "the executed notebooks"),
    ("readme_images/*.png", "the figures of the demonstration"),
    ("metrics/*.json", "every metric with seed, device and versions"),
)


def run_notebooks(
    profile: str = "sample",
    root: str | Path | None = None,
    out: str | Path | None = None,
    seed: int = 7,
    only: Sequence[str] = (),
    force: bool = False,
    again: str = "",
    **parameters: Any,
) -> int:
    """Execute the notebooks that are not done yet, print the main results and write the report.

    A notebook is done if its executed copy was made from the same notebook, package, dataset, parameters and earlier
    notebooks. This is decided by a key, a hash of all of these, which is stored beside the copy.

    Args:
        root, out: as for `core.run.start`.
        only: numbers of the notebooks to execute, such as "01"; empty for all.
        force: execute also those that are done.
        again: the command that goes on after a failure, for the message; by default this call.
        parameters: other parameters, such as `keep`, `overrides`, `author`, `max_usd` and `now`. Without an author
            Claude writes in `full` alone, so that nothing is spent unasked. Each reaches the
            notebooks whose cell "parameters" names it. None leaves the notebook's own value. `dataset` and `limit` are
            imported here, once.

    Returns:
        Exit status: 1 if a notebook failed; the later ones are then not executed. Its cell, the cause and the command
        that goes on are on standard error.

    Raises:
        ValueError: no notebook has such a parameter, the profile is unknown or has no such number, it needs a GPU
            and there is none, or the package was installed without the repository, which holds the notebooks.
    """
    if not (paths := sorted(NOTEBOOKS.glob("0*.ipynb"))):
        raise ValueError(NO_NOTEBOOKS)
    began, executed = time.monotonic(), []
    chosen, _ = resolve_profile(profile, parameters.get("overrides"))
    require_gpu(chosen)
    dataset, limit = (parameters.pop(name, None) for name in ("dataset", "limit"))
    root = dataset_root(dataset, root, limit, profile, parameters.get("overrides"))
    data, out = places(chosen.name, root, out, parameters.get("keep") or "")
    asked = _parameters(paths, chosen.name, data, out, seed, parameters)
    keys = _keys(paths, _base_key(chosen.name, data.root, seed), asked)
    chosen_paths = _chosen(paths, only)
    done: dict[Path, bool] = {}
    for path in paths:  # what comes behind one that is not done is not done
        done[path] = not force and all(done.values()) and _is_done(out, path, keys[path])
    waiting = [path for path in chosen_paths if not done[path]]
    times = NotebookTimes(_known_seconds(out, paths, chosen.name), [path.stem for path in waiting])
    unasked = parameters.get("author") is None and chosen.name != "full"
    with _secrets_for_kernels(without=CLAUDE_KEY if unasked else ""):
        for path in chosen_paths:
            if path not in waiting:
                print(f"  {path.stem:<{NAME_WIDTH}} done before, reused", flush=True)
                continue
            if not _execute(path, asked[path], out, keys[path], times):
                print(f"  Go on with: {shown(again or 'this call again')}", file=sys.stderr)
                print("  Finished notebooks are reused.", file=sys.stderr)
                return 1
            executed.append(path)
    if executed == paths:  # the times of a whole run cannot be known if some notebooks were reused
        write_json(out / "metrics" / "pipeline.json", _times(out, paths))
    print(f"\n{_summary(out)}\n")
    write_report(out, data)
    _print_outputs(out, time.monotonic() - began)
    return 0


def _chosen(paths: list[Path], only: Sequence[str]) -> list[Path]:
    """The notebooks whose names begin with one of the numbers; all without numbers.

    Raises:
        ValueError: no notebook has one of the numbers.
    """
    if unknown := [number for number in only if not any(path.name.startswith(number) for path in paths)]:
        raise ValueError(f"no notebook begins with {unknown[0]}: --only takes numbers from 01 to {paths[-1].name[:2]}")
    return [path for path in paths if path.name.startswith(tuple(only) or "")]


@contextlib.contextmanager
def _secrets_for_kernels(without: str) -> Iterator[None]:
    """Export the secrets here, and let no kernel wait for a store that answers in the browser's notebook alone.

    Args:
        without: name of a secret that no kernel gets; "" for none.
    """
    for line in export_secrets():
        print(line, flush=True)
    held_back = os.environ.pop(without, None) if without else None
    if held_back:
        print(f"{without} is not used, so that nothing is spent unasked; --author claude lets Claude write", flush=True)
    os.environ[EXPORTED] = "1"
    try:
        yield
    finally:
        del os.environ[EXPORTED]
        if held_back:
            os.environ[without] = held_back


def _keys(paths: list[Path], key: str, parameters: dict[Path, dict]) -> dict[Path, str]:
    """For each notebook, in order, a hash of everything that its results depend on; the key before it is part of it."""
    keys = {}
    for path in paths:
        cells = [[cell.cell_type, cell.source] for cell in nbformat.read(path, as_version=4).cells]
        own = json.dumps([parameters[path], cells], sort_keys=True)
        key = keys[path] = hashlib.sha256((key + own).encode()).hexdigest()[:16]
    return keys


def _base_key(profile: str, root: Path, seed: int) -> str:
    """Hash of profile, seed, dataset and package."""
    digest = hashlib.sha256(f"{profile}|{seed}|{root.resolve()}".encode())
    package = Path(__file__).parent
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.safetensors")]):
        digest.update(path.read_bytes())
    manifest = root / "manifest.csv"
    if manifest.exists():
        digest.update(manifest.read_bytes())
    else:
        digest.update(_pictures_as_they_are(DatasetRoot.at(root)))
    return digest.hexdigest()


def _pictures_as_they_are(data: DatasetRoot) -> bytes:
    """Path, size and time of each file among the pictures of a root without manifest."""
    files = sorted(path for folder in (data.train, data.test) for path in folder.rglob("*") if path.is_file())
    told = [(path.relative_to(data.root).as_posix(), *_size_and_time(path)) for path in files]
    return repr(told).encode("utf-8", "surrogateescape")


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _parameters(
    paths: list[Path], profile: str, data: DatasetRoot, out: Path, seed: int, others: dict[str, Any]
) -> dict[Path, dict[str, Any]]:
    """For each notebook the parameters that differ from its defaults.

    Only these are injected, so that a default run leaves no path of this machine in the executed copies.

    Raises:
        ValueError: no notebook has such a parameter.
    """
    values = {"profile": profile, "root": str(data.root.resolve()), "out": str(out.resolve()), "seed": seed}
    made_by = profile_of_products(data)
    defaults = {
        "profile": resolve_profile("auto")[0].name if made_by in (None, (profile, {})) else "",
        "root": str(REPOSITORY / "dataset"),
        "out": str(places(profile)[1]),
        "seed": 7,
    }
    asked = {name: value for name, value in values.items() if value != defaults[name]}
    asked |= {name: value for name, value in others.items() if value not in (None, "", {})}
    names = {path: set(papermill.inspect_notebook(str(path))) for path in paths}
    if unknown := sorted(set(others) - set().union(*names.values())):
        raise ValueError(
            f"no notebook has a parameter {', '.join(unknown)}: the cell `parameters` of each names its own"
        )
    return {path: {name: asked[name] for name in sorted(asked) if name in names[path]} for path in paths}


def _stamp(out: Path, path: Path) -> Path:
    """The JSON file beside an executed copy, with the notebook's key and its seconds."""
    return out / "notebooks" / f"{path.stem}.stamp.json"


def _read_stamp(out: Path, path: Path) -> dict:
    fields = {"key": str, "seconds": float}
    return read_object(_stamp(out, path), "Delete it; the notebook then runs again.", fields)


def _is_done(out: Path, path: Path, key: str) -> bool:
    copy = out / "notebooks" / path.name
    return copy.exists() and _stamp(out, path).exists() and _read_stamp(out, path)["key"] == key


def _known_seconds(out: Path, paths: list[Path], profile: str) -> dict[str, float]:
    """Seconds of each notebook in its last run here, or else in the published one of the same profile."""
    published = REPOSITORY / "metrics" / "pipeline.json"
    report = json.loads(published.read_text(encoding="utf-8")) if published.is_file() else {}
    known = report["notebooks"] if report.get("profile") == profile else {}
    return known | {path.stem: _read_stamp(out, path)["seconds"] for path in paths if _stamp(out, path).exists()}


def _execute(path: Path, parameters: dict, out: Path, key: str, times: NotebookTimes) -> bool:
    """Execute a notebook into `out` and store its HTML and its stamp; return whether it succeeded. Those behind it are
    not done any more."""
    copy = out / "notebooks" / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    for later in (other for other in path.parent.glob("0*.ipynb") if other.name >= path.name):
        _stamp(out, later).unlink(missing_ok=True)
    began = time.monotonic()
    try:
        _run_with_progress(path, copy, parameters, times)
    except Exception as error:  # an error in a cell; or the kernel died (out of memory), or could not be started
        print(f"\n  {path.stem} failed {describe_failure(error, copy)}", file=sys.stderr)
        print(f"  The cells up to there: {shown(_relative(copy))}", file=sys.stderr)
        return False
    tidy(copy)
    html, _ = HTMLExporter(config=WITHOUT_SET_UP).from_filename(str(copy))
    copy.with_suffix(".html").write_text(with_hangul(html), encoding="utf-8")
    seconds = round(time.monotonic() - began, 1)
    write_json(_stamp(out, path), {"key": key, "seconds": seconds})
    times.finish(path.stem, seconds)
    print(f"{f'  {path.stem:<{NAME_WIDTH}} ' if shows_bars() else ''}{seconds:.0f} s", flush=True)
    return True


def _run_with_progress(path: Path, copy: Path, parameters: dict, times: NotebookTimes) -> None:
    """Execute a notebook with a bar of its time, or of its cells if that is unknown; one line without a terminal."""
    expected, left = times.expected(path.stem), times.left()
    cells: dict[str, Any] | bool = False
    with contextlib.ExitStack() as stack:
        if not shows_bars():
            print(f"  {path.stem:<{NAME_WIDTH}} running{times.about(path.stem)} … ", end="", flush=True)
        elif expected:
            stack.enter_context(time_bar(path.stem, expected, None if left is None else left - expected))
        else:
            cells = {"desc": f"  {path.stem:<{NAME_WIDTH}}", "leave": False}
        papermill.execute_notebook(
            str(path),
            str(copy),
            parameters,
            cwd=str(NOTEBOOKS),
            kernel_name="python3",
            progress_bar=cells,
            **QUIET_KERNEL,
        )


def tidy(path: Path) -> None:
    """Clean a notebook's outputs and metadata in place.

    Of each progress bar only the last state stays, as in a terminal, and consecutive outputs of one stream are joined.
    Widgets are removed, because they show nothing without their kernel, and so are papermill's metadata, which hold
    paths of this machine.
    """
    notebook = nbformat.read(path, as_version=4)
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        if cell.cell_type == "code":
            cell.outputs = _tidy_outputs(cell.outputs)
    nbformat.write(notebook, path)


def _tidy_outputs(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    tidied: list[nbformat.NotebookNode] = []
    for output in outputs:
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
            continue
        last = tidied[-1] if tidied else None
        is_stream = output.output_type == "stream"
        if is_stream and last and last.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            tidied.append(output)
    for output in tidied:
        if output.output_type == "stream":
            output.text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in output.text.split("\n"))
    return tidied


def _times(out: Path, paths: list[Path]) -> dict:
    """Seconds of each notebook and in all, and the peak memory of the largest one, with device and versions."""
    report = json.loads((out / "metrics" / "resnet34.json").read_text(encoding="utf-8"))
    seconds = {path.stem: _read_stamp(out, path)["seconds"] for path in paths}
    return {
        "stage": "pipeline",
        **{name: report[name] for name in ("profile", "seed", "device", "versions")},
        "precision": report["cost"]["precision"],
        "notebooks": seconds,
        "wall_seconds": round(sum(seconds.values()), 1),
        "peak_memory_gib": round(peak_memory_of_children() / 2**30, 2),
    }


def _summary(out: Path) -> str:
    """The main metrics of each stage, one a line, from the JSON files that the notebooks wrote."""
    rows = summary_rows(out / "metrics")
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def _print_outputs(out: Path, seconds: float) -> None:
    memory = peak_memory_of_children() / 2**30
    print(f"{seconds:.0f} s in all, peak memory of a notebook {memory:.1f} GiB. Look at:")
    for name, content in OUTPUTS:
        print(f"  {_relative(out)}/{name:<22} {content}")


def _relative(path: Path) -> str:
    """The path relative to the working directory if it lies below it, else absolute."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
