"""Run every benchmark, one process each, and sum up: `make bench`.

Each script measures its claim against a peer in one run, prints ratios with their limits, and exits 1 when a limit
is missed. A crowded machine moves both sides of a ratio; run it on an idle one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    scripts = sorted(p for p in HERE.glob("*.py") if p.name != Path(__file__).name)
    results = []
    for script in scripts:
        print(f"\n== {script.stem}", flush=True)
        started = time.monotonic()
        code = subprocess.run([sys.executable, str(script)], check=False).returncode
        results.append((script.stem, code, time.monotonic() - started))
    print("\n" + "\n".join(f"{'ok    ' if not code else 'missed'}  {name:<20} {s:5.0f} s" for name, code, s in results))
    return int(any(code for _, code, _ in results))


if __name__ == "__main__":
    sys.exit(main())
