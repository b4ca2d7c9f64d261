"""The layers of the package: imports go down only, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: The floors of the package from the lowest up: each may import those below it. What shares a floor stays apart.
FLOORS: tuple[dict[str, str], ...] = (
    {
        "errors": "the error tree",
        "runtime": "imports, and work beside trials",
        "stats": "the metrics, one formula each, their intervals and comparisons: arrays in, numbers out",
    },
    {"spec": "what is asked: the typed study, the search space, the YAML reader"},
    {"records": "what happened: schema, study store, run folder, provenance"},
    {
        "data": "read, clean, split, encode once, batch",
        "machine": "devices, slots, cores, memory",
    },
    {"tasks": "one small file a task: text and image classification, tags of words, answers, text regression"},
    {"training": "the core: loop, evaluation, device; fast/ is speed alone, trainable/ is what is trained"},
    {"trial": "`run_trial`: the one trial function, a generator that pauses after each evaluation"},
    {"search": "what is tried next and who goes on: source, proposals, samplers; pruners/"},
    {"engines": "where trials run: dispatch, warm workers, inline, local; ray/"},
    {"testing": "contract tests and fakes for one's own engines and tasks; `pytest` imports it, the program never"},
    {
        "report": "what it means: kit/, lenses/, study/, compare/, benchmark/",
        "benchmark": "how fast this machine trains",
        "loggers": "TensorBoard and MLflow, where a study asks for them",
    },
    {"jobs": "one file a command: sweep, conclude, export, predict, rerun, score"},
    {"terminal": "what a person sees while it runs"},
    {
        "api": "what `from harness import ...` gives: sweep, load, predict, evaluate, export, bench, Study",
        "cli": "the command line",
    },
    {"__main__": "`python -m harness`"},
)
RANK = {name: rank for rank, floor in enumerate(FLOORS) for name in floor}
Imports = dict[str, set[str]]


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_imports(root: Path, package: str) -> Imports:
    """What each module imports anywhere in it: at its top, in functions, and for type checking only."""
    files = {module_name(path, root): path for path in sorted((root / package).rglob("*.py"))}
    return {name: set(_imported(path, name, set(files))) for name, path in files.items()}


def _imported(path: Path, name: str, modules: set[str]) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            found += [f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names]
    return found


def layer_of(module: str) -> str:
    """`harness.spec.study` is of floor `spec`; the package itself is above all."""
    return module.split(".")[1] if "." in module else "__main__"


def upward_steps(imports: Imports, package: str = "harness") -> list[str]:
    """Imports of a higher layer, or of a neighbour in the same one."""
    return [
        f"{module} imports {target}"
        for module, targets in imports.items()
        for target in sorted(targets)
        if target.split(".")[0] == package and layer_of(target) != layer_of(module)
        if RANK.get(layer_of(target), len(FLOORS)) >= RANK.get(layer_of(module), len(FLOORS))
    ]


def circle(imports: Imports) -> list[str]:
    """The modules of a circle of imports, or none."""
    graph = {module: {target for target in targets if target in imports} for module, targets in imports.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def importers(imports: Imports, library: str) -> set[str]:
    return {name for name, targets in imports.items() if any(target.split(".")[0] == library for target in targets)}


@pytest.fixture(scope="module")
def imports() -> Imports:
    return read_imports(ROOT, "harness")


def floors_sentence() -> str:
    """The order of the floors, for CONTRIBUTING.md."""
    return "\n".join(
        f"{number}. {', '.join(f'`{name}`' for name in floor)}" for number, floor in enumerate(FLOORS, start=1)
    )


def file_map() -> str:
    """The table of files, for README.md."""
    rows = [(name, caption) for floor in FLOORS for name, caption in floor.items() if name != "__main__"]
    lines = [
        f"| `harness/{name}{'/' if (ROOT / 'harness' / name).is_dir() else '.py'}` | {caption} |"
        for name, caption in rows
    ]
    return "\n".join(["| file | in one line |", "|---|---|", *lines])


#: What is written from the list above, by file: between the two marks.
WRITTEN = {"README.md": file_map, "CONTRIBUTING.md": floors_sentence, "ARCHITECTURE.md": floors_sentence}
BEGIN, END = "<!-- floors: written by tests/test_architecture.py -->", "<!-- end of floors -->"


def written(name: str) -> str:
    """The file as it should be."""
    before, rest = (ROOT / name).read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n{WRITTEN[name]()}\n{END}{rest.split(END)[1]}"


@pytest.mark.parametrize("name", list(WRITTEN))
def test_lists_of_floors_are_those_of_this_test(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == written(name), f"{name} differs from FLOORS: run python tests/test_architecture.py"


def test_no_folder_is_crowded() -> None:
    folders = [path for path in (ROOT / "harness").rglob("*") if path.is_dir()]
    assert {folder.name: count for folder in folders if (count := len(list(folder.glob("*.py")))) > 22} == {}


def test_every_module_has_a_layer(imports: Imports) -> None:
    assert {layer_of(module) for module in imports} - set(RANK) == set()


def test_imports_go_down_only(imports: Imports) -> None:
    assert upward_steps(imports) == []


def test_imports_have_no_circle(imports: Imports) -> None:
    assert circle(imports) == []


def test_plotly_is_in_report_only(imports: Imports) -> None:
    assert {layer_of(module) for module in importers(imports, "plotly")} <= {"report"}


def test_ray_is_in_its_engine_only(imports: Imports) -> None:
    assert all(module.startswith("harness.engines.ray") for module in importers(imports, "ray"))


def test_only_opening_an_engine_loads_ray(imports: Imports) -> None:
    """Nobody else imports the engine's modules, so that nobody else loads ray."""
    ours = {module for module in imports if module.startswith("harness.engines.ray")}
    assert {module for module, targets in imports.items() if targets & ours} - ours <= {"harness.engines.open"}


def test_only_tests_import_what_is_for_tests(imports: Imports) -> None:
    """pytest is no dependency of the program."""
    ours = {module for module in imports if layer_of(module) == "testing"}
    assert {module for module, targets in imports.items() if targets & ours} <= ours
    assert {layer_of(module) for module in importers(imports, "pytest")} == {"testing"}


@pytest.mark.parametrize("library", ["torch", "transformers", "optuna", "ray", "pandas", "numpy"])
def test_spec_knows_no_heavy_library(imports: Imports, library: str) -> None:
    assert {module for module in importers(imports, library) if layer_of(module) in ("errors", "spec")} == set()


def test_stats_knows_arrays_only(imports: Imports) -> None:
    heavy = {"torch", "transformers", "optuna", "ray", "pandas", "sklearn", "pydantic"}
    modules = [module for module in imports if layer_of(module) == "stats"]
    assert {target for module in modules for target in imports[module] if target.split(".")[0] in heavy} == set()


def test_report_reads_records_and_answers_only(imports: Imports) -> None:
    """It needs neither the tasks' code nor the prepared data: the run folder alone."""
    below = {"harness.data.answers", "harness.data.encoded"}
    modules = [name for name in imports if layer_of(name) == "report"]
    targets = {target for name in modules for target in imports[name] if layer_of(target) in ("data", "tasks")}
    assert {target for target in targets if target.startswith("harness.")} <= below


def test_only_tasks_metrics_and_lenses_know_outputs_by_name() -> None:
    """What a model said is `Answers` to everybody else; earlier.py reads files of when there was one kind of task."""
    knowing = {"tasks", "stats", "report/lenses", "records/earlier.py"}
    texts = {
        path.relative_to(ROOT / "harness"): path.read_text(encoding="utf-8") for path in ROOT.glob("harness/**/*.py")
    }
    found = {path.as_posix() for path, text in texts.items() if _has_constant(text, "probabilities", "predictions")}
    assert {path for path in found if not any(path.startswith(known) for known in knowing)} == set()


def _has_constant(text: str, *values: str) -> bool:
    return any(isinstance(node, ast.Constant) and node.value in values for node in ast.walk(ast.parse(text)))


def _write(root: Path, files: dict[str, str]) -> Imports:
    for name, text in files.items():
        path = root / "harness" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read_imports(root, "harness")


@pytest.mark.parametrize(
    "text",
    [
        "import harness.engines.local",
        "from harness.engines import local",
        "from ..engines.local import run",
        "def late():\n    from harness.engines.local import run",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from harness.engines.local import run",
    ],
)
def test_upward_step_is_found(tmp_path: Path, text: str) -> None:
    found = upward_steps(_write(tmp_path, {"engines/local.py": "run = 1", "spec/study.py": text}))
    assert len(found) == 1
    assert found[0].startswith("harness.spec.study imports harness.engines")


def test_neighbours_of_a_layer_are_apart(tmp_path: Path) -> None:
    assert upward_steps(_write(tmp_path, {"benchmark.py": "import harness.report", "report.py": ""}))


def test_downward_step_is_allowed(tmp_path: Path) -> None:
    assert not upward_steps(_write(tmp_path, {"errors.py": "", "spec/a.py": "from harness.errors import x"}))


def test_circle_is_found(tmp_path: Path) -> None:
    found = circle(_write(tmp_path, {"spec/a.py": "from harness.spec import b", "spec/b.py": "from . import a"}))
    assert set(found) == {"harness.spec.a", "harness.spec.b"}


def loaded_by(code: str) -> set[str]:
    """The top-level packages in a new process after `code`."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_reading_a_study_loads_no_numpy() -> None:
    """The metrics that a study may name import it inside their formulas."""
    assert not loaded_by("import harness.spec.reader") & {"numpy", "scipy", "torch", "pandas"}


@pytest.mark.skipif(importlib.util.find_spec("harness.cli") is None, reason="there is no command line yet")
def test_help_loads_no_heavy_library() -> None:
    assert not loaded_by("import harness.cli") & {"torch", "optuna", "ray", "transformers", "plotly"}


def test_report_loads_no_torch(imports: Imports) -> None:
    modules = [module for module in imports if layer_of(module) in ("errors", "spec", "records", "report")]
    assert not loaded_by(f"import {', '.join(modules)}") & {"torch", "ray", "transformers"}


if __name__ == "__main__":
    for name in WRITTEN:
        (ROOT / name).write_text(written(name), encoding="utf-8")
