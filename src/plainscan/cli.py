"""The command line: one sub-command per stage, its options made from the stage's section in `config`.

No logic here: parse, call, turn an error into a message and an exit code (2: yours to mend, 1: ours).
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_type_hints

import typer

import plainscan
from plainscan import config
from plainscan.errors import STORAGE, ConfigError, MissingPartError, PlainscanError, printable, storage_error
from plainscan.setting_types import ShippedName

# Sub-command: its section, and which of its fields are positional; `RUN` stands for the run folder, `OUT` for a folder
# of results that is none.
STAGES: Final[dict[str, tuple[type[config.Section], tuple[str, ...]]]] = {
    "phantom": (config.PhantomSettings, ()),
    "world": (config.WorldSettings, ()),
    "fetch": (config.FetchSettings, ("pacs",)),
    "deidentify": (config.DeidentifySettings, ("source", "OUT")),
    "scan": (config.ScanSettings, ("source",)),
    "images": (config.ImagesSettings, ("source",)),
    "select": (config.SelectSettings, ("RUN",)),
    "label": (config.LabelSettings, ("RUN",)),
    "score": (config.ScoreSettings, ("RUN",)),
    "slices": (config.SlicesSettings, ("RUN",)),
    "disagree": (config.DisagreeSettings, ("RUN",)),
    "split": (config.SplitSettings, ("RUN",)),
    "prepare": (config.PrepareSettings, ("RUN",)),
    "account": (config.AccountSettings, ("RUN",)),
    "leak": (config.LeakSettings, ("RUN",)),
    "train": (config.TrainSettings, ("RUN",)),
    "calibrate": (config.CalibrateSettings, ("RUN",)),
    "evaluate": (config.EvaluateSettings, ("RUN",)),
    "predict": (config.PredictSettings, ("source",)),
}

# The sub-commands by what a person is about, as `--help` lists them: the order of a day.
PANELS: Final[dict[str, tuple[str, ...]]] = {
    "Using a model": ("predict",),
    "From an archive to a cohort": ("fetch", "scan", "images", "select", "label", "explain"),
    "Slices to read, labels to doubt": ("score", "slices", "disagree"),
    "From a cohort to a judged model": ("split", "prepare", "account", "leak", "train", "calibrate", "evaluate", "run"),
    "Giving away": ("deidentify", "sheets"),
    "Synthetic data": ("phantom", "world"),
}
PANEL_OF: Final = {name: panel for panel, names in PANELS.items() for name in names}

# Packages that only some commands need, and the extra that brings each.
EXTRAS: Final = {
    **dict.fromkeys(("jinja2", "matplotlib", "onnx", "scipy", "sklearn"), "study"),
    **dict.fromkeys(("safetensors", "torch"), "train"),
    "gdcm": "compressed",
    **dict.fromkeys(("dicomweb_client", "pynetdicom", "requests"), "pacs"),
    "keyring": "keyring",
}

STOPPED: Final = 130  # the exit code of a command that Ctrl-C ended

app = typer.Typer(
    name="plainscan",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From an archive of non-contrast head CT to a slice classifier with heat maps. "
    "Research software, not a medical device.",
)


def _add(stage: str, section: type[config.Section], positional: tuple[str, ...]) -> None:
    def command(**values: Any) -> None:
        folder = _run_folder(values.pop("run", None), values.pop("out", None))
        settings = config.make_section(section, **values)
        importlib.import_module(f"plainscan.stages.{stage}").run(folder, settings)

    parameters = [_run_argument()] if positional == ("RUN",) else []
    parameters += [_parameter(section, name, name in positional) for name in section.model_fields]
    parameters.append(_out_argument() if "OUT" in positional else _out_option(required=positional != ("RUN",)))
    parameters.sort(key=lambda p: p.kind)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
    app.command(stage, help=section.__doc__, rich_help_panel=PANEL_OF[stage])(command)


def _parameter(section: type[config.Section], name: str, is_argument: bool) -> inspect.Parameter:
    field = section.model_fields[name]
    hint = get_type_hints(section)[name]
    default: Any = inspect.Parameter.empty if field.is_required() else field.default
    if is_argument:
        info: Any = typer.Argument(help=field.description)
        return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Annotated[hint, info])
    if name == "windows":
        hint, default = str, ",".join(f"{center:g}/{width:g}" for center, width in default)
    metavar = {"window": "CENTER WIDTH", "model": "BUNDLE", "init": "WEIGHTS"}.get(name)
    flags = f"--{name.replace('_', '-')}"
    info = typer.Option(f"{flags}/--no-{flags[2:]}" if hint is bool else flags, help=field.description, metavar=metavar)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[_plain(hint), info]
    )


def _plain(hint: Any) -> Any:
    """The hint without the ranges that pydantic checks; the word or the path of a bundle stays text until it does."""
    if get_args(hint) and hasattr(hint, "__metadata__"):
        return get_args(hint)[0]
    if ShippedName in get_args(hint):
        return str | None if type(None) in get_args(hint) else str
    return hint


def _run_argument() -> inspect.Parameter:
    info = typer.Argument(help="The run folder: it holds the tables of the stages before.", metavar="RUN")
    return inspect.Parameter(
        "run",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[Path | None, info],
    )


def _out_argument() -> inspect.Parameter:
    annotation = Annotated[
        Path, typer.Argument(help="The folder to write to; nothing else may be in it.", metavar="OUT")
    ]
    return inspect.Parameter("out", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)


def _out_option(required: bool) -> inspect.Parameter:
    text = "The run folder to write to." if required else "The same as RUN; give one of them."
    default = inspect.Parameter.empty if required else None
    hint = Path if required else Path | None
    annotation = Annotated[hint, typer.Option("--out", help=text)]  # type: ignore[valid-type]  # chosen at run time
    return inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _run_folder(run: Path | None, out: Path | None) -> Path:
    folder = run or out
    if folder is None or (run and out and run.resolve() != out.resolve()):
        raise ConfigError(
            "no run folder" if folder is None else "two different run folders",
            where="RUN",
            expected="the folder that holds the tables of the stages before",
        )
    if folder.suffix != ".parquet":
        return folder
    if run is None or not _is_table(run):
        raise ConfigError("a table where a folder is needed", where=str(folder), expected="a run folder")
    return folder.parent


def _is_table(path: Path) -> bool:
    """Whether it is one of a run folder's tables: RUN may be given as any of them."""
    from plainscan.tables import TABLES  # only here: `--help` need not load polars

    return path.is_file() and path.stem in {table.name for table in TABLES}


def _refuse_empty(arguments: list[str]) -> None:
    """An empty path would silently mean the current folder: `--out "$RUN"` with RUN not set."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument == "" or (argument.startswith("--") and argument.endswith("=")):
            where = before if before.startswith("--") else argument.rstrip("=")
            raise ConfigError("an empty argument", where=where, expected="a value", remedy="Is a variable not set?")


def _spread_window(arguments: list[str]) -> list[str]:
    """`--window 40/120`, as `--windows` and configuration files write it, as the two values that Typer asks for.

    >>> _spread_window(["--window", "40/120", "--out", "a/b"]), _spread_window(["--window=40/120"])
    (['--window', '40', '120', '--out', 'a/b'], ['--window', '40', '120'])
    """
    spread: list[str] = []
    for argument in arguments:
        name, joined, value = argument.partition("=")
        if name == "--window" and joined:
            spread += [name, *value.split("/")]
        elif spread[-1:] == ["--window"]:
            spread += argument.split("/")
        else:
            spread.append(argument)
    return spread


for _stage in sorted(STAGES, key=list(PANEL_OF).index):
    _add(_stage, *STAGES[_stage])


@app.command("run", rich_help_panel=PANEL_OF["run"])
def run_experiment(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The experiment; see configs/.")],
) -> None:
    """Run all stages of an experiment; a stage whose inputs have not changed is skipped."""
    from plainscan.stages.run import run

    run(config_file)


@app.command("explain", rich_help_panel=PANEL_OF["explain"])
def explain_reports(
    source: Annotated[Path, typer.Argument(help="Reports: anything that `label --reports` reads.")],
    out: Annotated[Path, typer.Option("--out", help="The page to write; it holds report text.")],
) -> None:
    """Write a page that shows why reports read as they do, phrase by phrase."""
    from plainscan.stages.explain import write_page

    write_page(source, out)


@app.command("sheets", rich_help_panel=PANEL_OF["sheets"])
def write_sheets(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that holds tables.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the CSV files.")],
) -> None:
    """Write every table of a run as CSV, for a spreadsheet."""
    from plainscan.stages import sheets

    sheets.write_sheets(run, out)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plainscan {plainscan.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version  # the callback above has already acted on it


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 yours to mend, 1 ours."""
    # NumPy's own threads would compete with ONNX Runtime's and torch's; our matrices are small.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _open_closed_streams()
    given = sys.argv[1:] if arguments is None else arguments

    def call() -> None:
        _refuse_empty(given)
        app(_spread_window(given), standalone_mode=True)

    sys.exit(_guard(call))


def _open_closed_streams() -> None:
    """Let a stream that was closed lead nowhere, so that no message lands in another and no file has its number."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # until we end


def _guard(call: Callable[[], object]) -> int:
    try:
        call()
    except PlainscanError as error:
        return _fail(f"Error: {error}", error.exit_code)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            return _ours()
        advice = f'Run: pip install "plainscan[{extra}]"'
        return _fail(f"Error: the package {error.name} is not installed. {advice}", MissingPartError.exit_code)
    except KeyboardInterrupt:
        return _stopped()
    except SystemExit as ended:
        if ended.code == STOPPED:  # Typer makes this of Ctrl-C, and says nothing
            return _stopped()
        raise
    except OSError as error:
        if error.errno not in STORAGE:
            return _ours()
        refusal = storage_error(error)
        return _fail(f"Error: {refusal}", refusal.exit_code)
    except MemoryError as error:
        found = f"not enough memory ({error})" if str(error) else "not enough memory"
        return _fail(f"Error: {found}. Ask for less at a time, or use a machine with more.", 2)
    except Exception:  # the last line of defence: everything else is our mistake
        return _ours()
    return 0


def _stopped() -> int:
    return _fail("Stopped. Run the same command again to go on.", STOPPED)


def _fail(message: str, code: int) -> int:
    print(printable(message), file=sys.stderr)
    return code


def _ours() -> int:
    traceback.print_exc()
    return _fail("This is a mistake in plainscan. Please report the lines above, without patient data.", 1)
