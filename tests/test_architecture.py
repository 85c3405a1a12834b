"""The laws of ARCHITECTURE.md that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from plainscan import errors

SOURCE = Path(__file__).parents[1] / "src" / "plainscan"
MODULES = sorted(SOURCE.rglob("*.py"))

# Lowest first; a module may import its own layer and those below.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "findings", "setting_types", "config", "experiment", "counted"}),
    frozenset({"ct", "phantom", "reports", "cohort", "evaluation"}),
    frozenset({"storage", "tables", "dictionary", "bundle", "pictures", "spreadsheet", "dicom", "learning"}),
    frozenset({"inference"}),
    frozenset({"stages"}),
    frozenset({"cli", "__main__"}),
)
PURE = ("ct", "phantom", "reports", "cohort", "evaluation")
# What a pure package may take from the layer above: names of columns, not reading or writing.
COLUMN_NAMES_ONLY = {"plainscan.tables"}
ONLY_IMPORTERS = {
    "torch": ("learning",),
    "pydicom": ("dicom",),
    "gdcm": ("dicom",),
    "pynetdicom": ("dicom",),
    "dicomweb_client": ("dicom",),
    "requests": ("dicom",),
    "keyring": ("dicom",),
    "onnxruntime": ("inference",),
    "typer": ("cli.py",),
}
FORBIDDEN_IN_PURE = {"time", "datetime", "subprocess", "socket", "tempfile", "shutil", "urllib", "requests"}


SAYS_ALL = {"where", "expected", "remedy"}  # beside what was found


def part(module: Path) -> str:
    """The package or top module a file belongs to, such as "ct" or "tables"."""
    relative = module.relative_to(SOURCE)
    return relative.parts[0].removesuffix(".py")


def imports(module: Path) -> set[str]:
    """Absolute names of everything a module imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def layer(name: str) -> int:
    for level, members in enumerate(LAYERS):
        if name in members:
            return level
    raise AssertionError(f"{name} is in no layer: add it to LAYERS and ARCHITECTURE.md")


def identify(module: Path) -> str:
    return str(module.relative_to(SOURCE))


@pytest.mark.parametrize("module", MODULES, ids=identify)
def test_a_module_imports_only_its_own_layer_and_lower_ones(module: Path) -> None:
    if module == SOURCE / "__init__.py":
        return
    own = layer(part(module))
    for name in imports(module):
        parts = name.split(".")
        if parts[0] != "plainscan" or len(parts) == 1 or parts[1].startswith("__"):
            continue
        if part(module) in ("cohort", "evaluation") and any(name.startswith(allowed) for allowed in COLUMN_NAMES_ONLY):
            continue
        assert layer(parts[1]) <= own, f"{identify(module)} imports {name} from a layer above"


@pytest.mark.parametrize(("package", "owners"), ONLY_IMPORTERS.items())
def test_a_heavy_package_has_one_importer(package: str, owners: tuple[str, ...]) -> None:
    for module in MODULES:
        if module.relative_to(SOURCE).parts[0] in owners:
            continue
        assert not {n for n in imports(module) if n.split(".")[0] == package}, f"{identify(module)} imports {package}"


@pytest.mark.parametrize("module", [m for m in MODULES if part(m) in PURE], ids=identify)
def test_a_pure_package_has_no_clock_no_io_no_global_random_state(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert not {n.split(".")[0] for n in imports(module)} & FORBIDDEN_IN_PURE
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    seeded = {"np.random.default_rng", "np.random.SeedSequence", "np.random.Generator", "np.random.PCG64"}
    random = {c for c in calls if c.startswith(("np.random.", "random."))} - seeded
    assert not random, f"global random state: {random}"
    assert "open" not in calls
    assert not {c for c in calls if c.endswith((".write_text", ".write_bytes", ".savefig"))}


@pytest.mark.parametrize("module", MODULES, ids=identify)
def test_no_pickle_anywhere(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert not {n.split(".")[0] for n in imports(module)} & {
        "pickle",
        "cPickle",
        "dill",
        "joblib",
        "shelve",
        "cloudpickle",
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant), "allow_pickle must be the literal False"
            assert node.value.value is False
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            safe = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert safe.get("weights_only") == "True"


def test_no_module_has_a_vague_name() -> None:
    vague = {"utils", "util", "helpers", "helper", "misc", "common", "base", "core"}
    assert not [identify(m) for m in MODULES if m.stem in vague]


def test_every_stage_is_sub_command_module_section_and_page() -> None:
    from plainscan.cli import STAGES
    from plainscan.experiment import Experiment

    pages = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"
    page = pages.read_text(encoding="utf-8")
    for stage in STAGES:
        assert (SOURCE / "stages" / f"{stage}.py").is_file()
        assert f"## plainscan {stage}" in page
        assert (Path(__file__).parent / "stages" / f"test_{stage}.py").is_file()
        if stage not in ("predict", "deidentify"):  # these work on a source, outside an experiment
            assert stage in Experiment.model_fields


IMPORT_WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "onnx", "scipy", "sklearn", "matplotlib", "jinja2", "gdcm",
                                  "pynetdicom", "dicomweb_client", "requests", "keyring"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
import plainscan, plainscan.cli
for stage in (
    *("fetch", "scan", "select", "label", "images", "predict", "split", "prepare", "run", "train"),
    *("score", "slices", "disagree", "account", "leak"),
):
    __import__(f"plainscan.stages.{stage}")
"""


def test_every_command_imports_from_the_small_install() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", [m for m in MODULES if part(m) in ("inference", "bundle")], ids=lambda m: m.stem)
def test_a_refusal_of_a_bundle_or_a_source_says_what_where_what_was_expected_and_what_to_do(module: Path) -> None:
    names = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.UserError)
    }
    silent = [
        node.lineno
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
        if not SAYS_ALL.issubset({keyword.arg for keyword in node.keywords})
    ]
    assert silent == [], f"{module.name}: an error without where, expected or remedy"
