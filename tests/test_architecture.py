"""The house as it is described: who may import whom, what starts without torch, what every file owes its reader."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "edgeproof"
SOURCES = sorted(PACKAGE.rglob("*.py"))
DRAWING = ROOT / "docs" / "house.svg"
FLOORS = (
    ("cli",),
    ("api",),
    ("pipeline",),
    ("phases",),
    ("rundir", "client", "devices"),
    ("serve",),
    ("measure", "meters"),
    ("formats", "report"),
    ("model", "differences", "verdict"),
    ("metrics",),
    ("spike", "mil", "documents", "apart", "forkserver", "schedule"),
    ("process", "files", "trust"),
    ("scratch", "together", "timeline", "child"),
    ("errors",),
)
"""Top first. The server uses the measuring's reading of the machine, so it stands on it."""
LEVEL = {room: len(FLOORS) - number for number, floor in enumerate(FLOORS) for room in floor}
ALONE = {"spike": {"spike", "errors"}, "mil": {"mil", "errors"}}
"""Rooms that could be packages of their own, and what they may know."""

HEAVY = ("torch", "numpy", "matplotlib", "onnx", "onnxruntime", "coremltools", "openvino", "starlette", "rich")

SCRIPTS = (
    "android_convert_tflite.py",
    "collect_bench_and_log.py",
    "convert_torchscript.py",
    "edge_server.py",
    "generate_rep_samples.py",
    "ios_convert_coreml.py",
    "mobile_client_sim.py",
    "plot_bench.py",
    "rpi_setup_and_bench.sh",
    "run_edge_phase_pipeline.py",
    "validate_converted_model.py",
)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    return ".".join(("edgeproof", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def imports_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every module that runs in a file's code, wherever in it the import stands; what is for type checkers alone is
    left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno} imports relatively"
            yield node.module or "", node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        yield from imports_of(node)


def imported_rooms(path: Path) -> set[tuple[str, int]]:
    """Rooms that a file imports, anywhere in it, with the line; those for type checkers too."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, line in imports_of(ast.Module([node], [])):
                first, _, rest = name.partition(".")
                if first == "edgeproof" and rest.partition(".")[0] in LEVEL:
                    rooms.add((rest.partition(".")[0], line))
    return rooms


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in SOURCES} - {"__init__"} == set(LEVEL)


def test_the_drawing_has_every_room_on_its_floor() -> None:
    drawn: dict[float, set[str]] = {}
    for y, name in re.findall(r'<text [^>]*y="(\d+)"[^>]*font-weight="600"[^>]*>(\w+)<', DRAWING.read_text()):
        drawn.setdefault(float(y), set()).add(name)
    assert [drawn[y] for y in sorted(drawn)] == [set(floor) for floor in FLOORS]


def test_a_room_imports_only_what_stands_below_it() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {room_of(path)} imports {other}"
        for path in SOURCES
        if room_of(path) != "__init__"
        for other, line in imported_rooms(path)
        if other != room_of(path) and LEVEL[other] >= LEVEL[room_of(path)]
    ]
    assert not wrong, "\n".join(wrong)


def test_what_is_timed_from_its_start_is_no_fork() -> None:
    """A cold start with PyTorch imported already would be none."""
    forking = {room_of(path) for path in SOURCES for other, _ in imported_rooms(path) if other == "forkserver"}
    assert forking == {"model", "formats", "phases"}
    forking_phases = {
        path.name
        for path in SOURCES
        if room_of(path) == "phases" and "forkserver" in {n for n, _ in imported_rooms(path)}
    }
    assert forking_phases == {"untimed.py"}, "which refuses a job that is timed"
    starting = [
        path
        for path in SOURCES
        if room_of(path) in ("devices", "serve", "client", "measure")
        and any("warm" in name or name.endswith("supervise") for name, _ in imports_of(ast.parse(path.read_text())))
    ]
    assert starting == []


def test_there_is_no_circle_between_modules() -> None:
    """Between files too, wherever in them an import stands: a circle that is imported late is a circle."""
    known = {module_of(path) for path in SOURCES}
    graph = {
        module_of(path): {
            name
            for name, _ in imports_of(ast.parse(path.read_text()))
            if name in known and name not in ("edgeproof", module_of(path))
        }
        for path in SOURCES
    }
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("room", ALONE)
def test_a_room_that_could_be_a_package_knows_nothing_of_the_rest(room: str) -> None:
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert {other for path in files for other, _ in imported_rooms(path)} <= ALONE[room]
    documents = [
        f"{path.relative_to(ROOT)}"
        for path in files
        if re.search(r'"[\w.]*(artifact|manifest)\.json"', path.read_text())
    ]
    assert not documents, "it reads a document of another room's"


def test_nothing_above_the_formats_knows_one_by_name() -> None:
    """Formats come from their entry points; a phase that imports one, or names one in its code, would know it."""
    import tomllib

    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["edgeproof.formats"]
    modules = {target.partition(":")[0] for target in entries.values()}
    for path in SOURCES:
        if room_of(path) in ("formats", "spike", "mil"):
            continue
        tree = ast.parse(path.read_text())
        found = modules & {name for name, _ in imports_of(tree)}
        assert not found, f"{path.relative_to(ROOT)} imports {found}"
        if room_of(path) == "phases":
            words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            assert not words & set(entries), f"{path.relative_to(ROOT)} names {words & set(entries)}"


def test_one_room_starts_processes() -> None:
    """Compilers are the toolchain's: it could be a package of its own."""
    starters = [
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if any(name.partition(".")[0] == "subprocess" for name, _ in imports_of(ast.parse(path.read_text())))
        and room_of(path) != "spike"
    ]
    assert starters == ["process.py"]


def test_a_document_s_file_is_spelled_in_one_place() -> None:
    """But for the door through which an engine opens before a document's module could be imported."""
    from edgeproof.documents.base import Document

    for path in (PACKAGE / "documents").glob("*.py"):
        importlib.import_module(f"edgeproof.documents.{path.stem}")
    for kind in Document.__subclasses__():
        if kind.FILE:
            spelled = [
                str(path.relative_to(PACKAGE))
                for path in SOURCES
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and node.value == kind.FILE
            ]
            assert len([place for place in spelled if place != "formats/engine_artifact.py"]) == 1, (kind.FILE, spelled)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edgeproof.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as left: assert left.code == 0, left\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout
    assert done.stderr.strip() == "loaded:"


def test_every_command_has_help_and_a_summary() -> None:
    from edgeproof.cli import COMMANDS, SUMMARIES

    assert list(COMMANDS) == list(SUMMARIES)
    for name, target in COMMANDS.items():
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert command.name == name
        assert command.help
        assert "edgeproof" in command.epilog, f"{name} shows no example"


def test_the_documented_scripts_are_there_and_executable() -> None:
    folder = ROOT / "scripts" / "device"
    assert {path.name for path in folder.iterdir() if path.is_file()} == set(SCRIPTS)
    assert all(os.access(folder / name, os.X_OK) for name in SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_help_works(script: str) -> None:
    path = ROOT / "scripts" / "device" / script
    command = ["bash" if script.endswith(".sh") else sys.executable, str(path), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout.lower()


def test_every_module_says_what_it_is_for() -> None:
    wordless = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not wordless


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_all_is_sorted_and_true(path: Path) -> None:
    tree = ast.parse(path.read_text())
    declared: list[str] | None = None
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets = [part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            if targets == ["__all__"]:
                declared = ast.literal_eval(node.value)
            defined.update(targets)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.add(node.target.id)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            defined.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.If):
            inner = [statement for statement in node.body if isinstance(statement, ast.ImportFrom)]
            defined.update(name.asname or name.name for statement in inner for name in statement.names)
    if declared is None:
        public = [
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        ]
        assert not public, f"no __all__, and public: {public}"
        return
    # ruff's order: constants, classes, the rest
    assert sorted(declared, key=_sort_key) == declared
    assert set(declared) <= defined


def _sort_key(name: str) -> tuple[int, str]:
    bare = name.strip("_")
    return (0 if bare.isupper() and len(bare) > 1 else 1 if bare[:1].isupper() else 2, name)


def tracked_text() -> Iterator[tuple[str, str]]:
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (raw := path.read_bytes()):
            yield name, raw.decode()


def test_no_source_file_is_hidden_from_the_linter_or_from_git() -> None:
    sources = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    ruff = Path(sys.executable).with_name("ruff")
    shown = subprocess.run(
        [ruff, "check", "--show-files", PACKAGE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    linted = {Path(line).relative_to(ROOT).as_posix() for line in shown.stdout.splitlines() if line.endswith(".py")}
    assert sources - linted == set()
    if (ROOT / ".git").exists():
        command = ["git", "check-ignore", "--no-index", "--stdin"]
        ignored = subprocess.run(
            command, cwd=ROOT, input="\n".join(sources), capture_output=True, text=True, check=False
        )
        assert ignored.stdout == ""


def test_no_tracked_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's own setting: a lock or script that names a place breaks elsewhere."""
    pattern = re.compile(
        "|".join(["py" + r"pi\.org", "python" + "hosted", "test" + r"\.py" + "pi", "index-" + r"url[ =]+\w"])
    )
    found = [f"{name}: {hit[0]}" for name, text in tracked_text() if (hit := pattern.search(text))]
    assert not found


def test_no_tracked_file_holds_a_key_or_a_folder_of_one_machine() -> None:
    pattern = re.compile("BEGIN [A-Z ]*PRIVATE " + r"KEY|(?<!\w)/wo" + "rk/|/ro" + r"ot/\w+")
    found = [f"{name}: {hit[0]}" for name, text in tracked_text() if (hit := pattern.search(text))]
    assert not found


def test_locks_pin_everything_once_and_cover_the_project() -> None:
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins: dict[str, str] = {}
    for lock in ("requirements.lock", "requirements-test.lock"):
        for line in (ROOT / lock).read_text().splitlines():
            if line and not line.startswith("#"):
                pin = Requirement(line)
                (version,) = [bound.version for bound in pin.specifier if bound.operator == "=="]
                assert line.startswith(f"{canonicalize_name(pin.name)}=={version}"), f"{lock}: {line}"
                assert pin.name not in pins, f"{lock}: {pin.name} twice"
                pins[pin.name] = version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(requirement for extra in project["optional-dependencies"].values() for requirement in extra),
    ]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name != "edgeproof":
            assert requirement.specifier.contains(pins[name]), f"{requirement} is pinned to {pins[name]}"
