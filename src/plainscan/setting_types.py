"""What a setting may be: types that check themselves, and what to say when one is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError


def _parse_windows(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.split("/") for part in value.replace(",", " ").split()]


def _parse_path(value: object) -> object:
    if value == "":
        raise ValueError("an empty path; name a file or folder")
    return value


def _check_day(value: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("expected YYYY-MM-DD")
    return date.fromisoformat(value).isoformat()


def _check_pacs(value: str) -> str:
    """No password in it: a command line and a run record are read by others. The value is never repeated."""
    if not re.fullmatch(rf"https?://[^\s/@?#]+(/[^\s@?#]*)?|dicoms?://{_TITLE}@[^\s/@:]+:\d+", value) or not _port(
        value
    ):
        raise ValueError("expected http(s)://HOST/DICOMWEB or dicom(s)://AE_TITLE@HOST:PORT, without user and password")
    return value


_TITLE: Final = r"[!-.0-9;-?A-\[\]-~]{1,16}"  # as AeTitle, without what ends it in an address


def _port(address: str) -> bool:
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False


FilePath = Annotated[Path, BeforeValidator(_parse_path)]
# The word alone is the bundle that comes with plainscan; a folder of that name is meant by ./plainscan. The types keep
# them apart: a path forgets its leading "./".
ShippedName = Literal["plainscan"]
SHIPPED: Final[ShippedName] = "plainscan"
BundlePath = Annotated[ShippedName | Path, BeforeValidator(_parse_path)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1, le=100_000)]  # beyond lies a slip of the hand that would fill any memory
Slices = Annotated[int, Field(ge=1, le=1000)]  # of a synthetic study, which is held whole
Quota = Annotated[int, Field(ge=1, le=10**9)]  # of slices in a cohort
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]  # NumPy takes none below 0, torch none above
# CT numbers lie between -1024 and 3071, so no window in use reaches far beyond.
WindowPair = tuple[Annotated[float, Field(ge=-2000, le=4000)], Annotated[float, Field(ge=1, le=10_000)]]
Engine = Literal["auto", "fp32", "mixed", "int8"]
PacsAddress = Annotated[str, AfterValidator(_check_pacs)]
# Days and hours stay text: they are compared, written to a record and shown as they were given.
Day = Annotated[str, AfterValidator(_check_day)]
Hours = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]
# PS3.5 6.2: 16 of ASCII, no backslash.
AeTitle = Annotated[str, Field(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
Modality = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")]  # no wildcard: series are compared with it here too
Network = Literal["resnet18", "resnet50", "resnet18-fine", "resnet50-fine"]
Windows = Annotated[tuple[WindowPair, ...], BeforeValidator(_parse_windows), Field(min_length=1)]


def _key(item: Any) -> str:
    return ".".join(map(str, item["loc"]))


def explain(error: ValidationError, name: Callable[[Any], str] = _key) -> str:
    """What is wrong with which key, in one line.

    Args:
        error: What pydantic found.
        name: How one of its findings is called; by default the key with its sections.
    """
    return "; ".join(f"{name(item)}: {_say(item)}".removeprefix(": ") for item in error.errors())


def _say(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "no such key"
    message = str(item["msg"])
    return message.removeprefix("Value error, ")
