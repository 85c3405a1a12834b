"""plainscan: from an archive of non-contrast head CT to a trusted slice classifier with heat maps.

``plainscan.load()`` gives a model whose ``predict`` scores a study, a volume or a picture.

Research software, not a medical device.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plainscan.inference.classifier import load

__all__ = ["__version__", "load"]
__version__ = version("plainscan")


def __getattr__(name: str) -> object:
    """`load` is imported when it is first used: `import plainscan` stays light."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from plainscan.inference.classifier import load

    return load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
