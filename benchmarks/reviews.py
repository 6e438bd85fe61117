"""What a reviewer is shown of a thousand changes: how long it takes to make, and how long it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.world import typical, world

Report = Callable[[str, float, float | None, str], None]
OURS = [sys.executable, "-m", "friendli_iac"]
COMMENT = 60_000  # characters; GitHub takes 65,536, and bytes that are escaped count more
# In MiB. GitHub takes step summaries of 1 MiB; a page is to be there at once.
LARGEST = {"markdown": 1.0, "html": 3.0}


def reviews(report: Report, folder: Path, runs: int, count: int = 1000) -> None:
    """Each output of a saved plan with `count` changes, against making that plan."""
    with world(folder / "review", count) as made:
        made.change(1)
        plan = typical([*OURS, "plan", "--out", "plan.json"], made.root, runs=runs, env=made.env)
        report(f"plan {count}, all changed, CPU", plan.cpu, None, "s")
        saved = (made.root / "plan.json").stat().st_size
        report("the saved plan", saved / 2**20, None, "MiB")
        for format_ in ("text", "json", "markdown", "html"):
            command = [*OURS, "show", "plan.json", "--format", format_]
            shown = typical(command, made.root, runs=runs, env=made.env)
            report(f"show it as {format_}, CPU against plan", shown.cpu / plan.cpu, 0.25, "x")
            report(f"show it as {format_}, peak memory", shown.peak, 80, "MiB")
            size = len(subprocess.run(command, cwd=made.root, check=True, stdout=-1).stdout)
            report(f"the {format_}", size / 2**20, LARGEST.get(format_), "MiB")
        command = [sys.executable, "-m", "benchmarks.reviews", str(made.root / "plan.json")]
        comment = typical(command, Path.cwd(), runs=runs)
        report("a comment, CPU against plan", comment.cpu / plan.cpu, 0.25, "x")
        told = subprocess.run(command, check=True, stdout=-1, text=True).stdout
        report("a comment, characters", len(told), COMMENT, "")


def comment(file: Path) -> str:
    """The body of a comment about the plan in `file`."""
    import json

    from friendli_iac.core.planfile import from_file
    from friendli_iac.review.markdown import render

    return render([from_file(json.loads(file.read_text()))], limit=COMMENT)


if __name__ == "__main__":
    sys.stdout.write(comment(Path(sys.argv[1])))
