"""`python -m benchmarks [--quick]`: every figure with its limit; exit 1 when one is above it."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.reviews import reviews
from benchmarks.world import typical, world, write_manifests

OURS = [sys.executable, "-m", "friendli_iac"]
PLAN = [*OURS, "plan"]
RTT = 0.05
_missed: list[str] = []


def report(what: str, figure: float, limit: float | None, unit: str) -> None:
    """One line: the figure, its limit, and whether it is kept."""
    kept = limit is None or figure <= limit
    against = "" if limit is None else f"   limit {limit:.2f} {unit}   {'ok' if kept else 'MISSED'}"
    print(f"{what:<58} {figure:>8.2f} {unit}{against}", flush=True)
    if not kept:
        _missed.append(what)


def start_up(folder: Path, runs: int) -> None:
    click = typical([sys.executable, "-c", "import click"], folder, runs=runs)
    version = typical([*OURS, "--version"], folder, runs=runs)
    report("--version against `import click`, wall", version.wall / click.wall, 1.5, "x")


def validate(folder: Path, runs: int, count: int = 1000) -> None:
    root = folder / "validate"
    (root / ".git").mkdir(parents=True)
    write_manifests(root, count)
    ours = typical([*OURS, "validate"], root, runs=runs)
    report(f"validate {count} documents, wall", ours.wall, None, "s")
    peer = _octodns(root / "peer", count)
    theirs = typical(peer, root, runs=runs)
    report(f"octodns-validate {count} records, wall", theirs.wall, None, "s")
    report("validate against octodns-validate, wall", ours.wall / theirs.wall, 1.2, "x")


def _octodns(folder: Path, count: int) -> list[str]:
    folder.mkdir()
    records = "".join(
        f"r{number:05}:\n  ttl: 300\n  type: A\n  value: 192.0.2.1\n" for number in range(count)
    )
    (folder / "example.com.yaml").write_text("---\n" + records)
    (folder / "config.yaml").write_text(
        "providers:\n"
        f"  config: {{class: octodns.provider.yaml.YamlProvider, directory: {folder}}}\n"
        f"  target: {{class: octodns.provider.yaml.YamlProvider, directory: {folder}/out}}\n"
        "zones:\n  example.com.: {sources: [config], targets: [target]}\n"
    )
    script = Path(sys.executable).parent / "octodns-validate"
    return [str(script), "--config-file", str(folder / "config.yaml")]


def plans_over_a_network(folder: Path, runs: int, count: int = 1000) -> None:
    with world(folder / "network", count) as made:
        made.latency(RTT * 1000)
        walls = {}
        for parallelism in (16, 32):
            command = [*PLAN, "--parallelism", str(parallelism)]
            made.requests()
            ours = typical(command, made.root, runs=runs, env=made.env)
            sent = made.requests() / (runs + 1)
            if parallelism == 16:
                report("requests of a no-change plan", sent, count + math.ceil(count / 100), "")
            ideal = RTT + count / parallelism * RTT
            walls[parallelism] = ours.wall
            report(
                f"plan {count} at 50 ms, c={parallelism}, wall", ours.wall, 1.15 * ideal + 0.3, "s"
            )
        script = [sys.executable, "-m", "benchmarks.sdk_script", made.url, str(count // 10)]
        peer = typical(script, Path.cwd(), runs=1)
        report(f"official SDK, {count // 10} reads in a row, wall", peer.wall, None, "s")
        report("a tenth of the work by the SDK against our plan", peer.wall / walls[16], None, "x")


def levels_of_refresh(folder: Path, runs: int, count: int = 200) -> None:
    """What `docs/refresh.md` tells of `--refresh`."""
    with world(folder / "refresh", count) as made:
        made.latency(RTT * 1000)
        for command, wanted in (
            ("plan --refresh none", 0),
            ("plan", count + math.ceil(count / 100)),
            ("plan --refresh full", 2 * count + math.ceil(count / 100)),
            ("drift --refresh fast", count + math.ceil(count / 100)),
            ("drift", 2 * count + math.ceil(count / 100)),
        ):
            made.requests()
            ours = typical([*PLAN[:-1], *command.split()], made.root, runs=runs, env=made.env)
            sent = made.requests() / (runs + 1)
            report(f"requests of `{command}`, {count} endpoints", sent, wanted, "")
            report(f"`{command}` at 50 ms, wall", ours.wall, None, "s")


def shared_states(folder: Path, runs: int) -> None:
    from benchmarks.states import states  # its servers are needed by nothing else

    states(report, folder, runs)


def plans_without_a_network(folder: Path, runs: int, sizes: tuple[int, ...]) -> None:
    cpus = {}
    for count in sizes:
        with world(folder / f"cpu{count}", count) as made:
            made.change(100)
            ours = typical(PLAN, made.root, runs=runs if count <= 1000 else 1, env=made.env)
            cpus[count] = ours.cpu
            small = count <= 1000
            report(f"plan {count} at 0 ms, 1 % changed, CPU", ours.cpu, 1.2 if small else None, "s")
            report(f"plan {count} at 0 ms, peak memory", ours.peak, 80 if small else 200, "MiB")
    if len(sizes) > 1:
        report("CPU of ten times as many", cpus[sizes[1]] / cpus[sizes[0]], 11, "x")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="without the 10,000 endpoints")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", help="a part of a benchmark's name")
    options = parser.parse_args()
    sizes = (1000,) if options.quick else (1000, 10_000)
    parts: dict[str, Callable[[Path, int], None]] = {
        "start_up": start_up,
        "validate": validate,
        "cpu": lambda folder, runs: plans_without_a_network(folder, runs, sizes),
        "network": plans_over_a_network,
        "refresh": levels_of_refresh,
        "states": shared_states,
        "review": lambda folder, runs: reviews(report, folder, runs),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, part in parts.items():
            if not options.only or options.only in name:
                part(Path(folder), options.runs)
    print(f"{len(_missed)} missed" + (f": {', '.join(_missed)}" if _missed else ""))
    return 1 if _missed else 0


if __name__ == "__main__":
    sys.exit(main())
