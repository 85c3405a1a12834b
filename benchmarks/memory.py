"""Peak memory as the cohort grows tenfold: scan, select, split, prepare must stay flat.

Prints the peak resident memory of a process that runs these stages on a cohort of N and of 10 N studies, and
their ratio. Limit: 1.25.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 1.25
SMALL = 6  # patients; the large cohort has ten times as many


def run_stages(folder: Path) -> None:
    """The stages on a ready archive; prints this process's peak in MiB."""
    from plainscan.config import LabelSettings, PrepareSettings, ScanSettings, SelectSettings, SplitSettings
    from plainscan.stages import label, prepare, scan, select, split

    scan.run(folder, ScanSettings(source=folder / "dicom"))
    select.run(folder, SelectSettings())
    label.run(folder, LabelSettings(truth=folder))
    split.run(folder, SplitSettings())
    prepare.run(folder, PrepareSettings(size=128))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print((own + children) / 1024)


def peak_mib(patients: int, folder: Path) -> float:
    from plainscan.config import PhantomSettings
    from plainscan.stages import phantom

    phantom.run(folder, PhantomSettings(patients=patients, size=256, slices=(20, 22)))
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True, check=True)
    shutil.rmtree(folder)
    return float(done.stdout.strip().splitlines()[-1])


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        small = peak_mib(SMALL, Path(scratch) / "small")
        large = peak_mib(10 * SMALL, Path(scratch) / "large")
    print(f"peak memory: {small:.0f} MiB at {SMALL} patients, {large:.0f} MiB at {10 * SMALL}")
    print(f"ratio {large / small:.2f} (limit {LIMIT})")
    return int(large / small > LIMIT)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_stages(Path(sys.argv[1]))
    else:
        sys.exit(main())
