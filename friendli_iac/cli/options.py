"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from friendli_iac.cli.console import Console

F = TypeVar("F", bound=Callable[..., Any])


LONGEST_REASON = 200  # characters


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A duration such as 90s, 5m, 1h30m; a bare number counts seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        parts = re.findall(r"(\d+)([smhd])", value)
        if not parts or "".join(n + u for n, u in parts) != value:
            self.fail(f"{value!r} is no duration; write 90s, 5m or 1h30m", param, ctx)
        return float(sum(int(n) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[u] for n, u in parts))


SECONDS = Seconds()


@dataclass(frozen=True)
class Target:
    """Where to work, as the command line says it."""

    chdir: Path
    state: str | None
    environment: str
    base_url: str | None
    emulator: bool
    verbose: int
    events: Path | None = None  # where what happens is written to, too


@dataclass(frozen=True)
class Reading:
    """How to read the manifests, as the command line says it."""

    files: tuple[str, ...]
    variables: dict[str, str]
    variable_files: tuple[Path, ...]
    allow_env: tuple[str, ...]


def _environment(context: click.Context, param: click.Parameter, value: str) -> str:
    """It becomes a part of addresses: nothing in it may lead out of its place there."""
    if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise click.BadParameter("an environment has letters, digits and . _ - in its name")
    return value


def with_target(function: F) -> F:
    """Adds the options of `Target`."""
    for option in reversed(
        (
            click.option(
                "-C", "--chdir", type=click.Path(exists=True, file_okay=False, path_type=Path),
                default=Path(), metavar="FOLDER", is_eager=True,
                help="Work as if started in this folder.",
            ),
            click.option(
                "--state", metavar="ADDRESS", envvar="FRIENDLI_IAC_STATE",
                help="Where the state is, instead of where friendli-iac.yaml says.",
            ),
            click.option(
                "--env", "environment", metavar="NAME", envvar="FRIENDLI_IAC_ENV", default="",
                callback=_environment,
                help="The environment that is meant, one of those in friendli-iac.yaml. Its state "
                "must be of the same one.",
            ),
            click.option(
                "--base-url", metavar="URL", envvar="FRIENDLI_BASE_URL",
                help="The API's address.  [default: https://api.friendli.ai]",
            ),
            click.option(
                "--emulator", is_flag=True,
                help="Use an emulator inside this command: no GPUs, no bill, a state of its own.",
            ),
            click.option("-v", "--verbose", count=True, help="Say which requests are sent."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def with_manifests(function: F) -> F:
    """Adds the options of `Reading`."""
    for option in reversed(
        (
            click.option(
                "-f", "--file", "files", multiple=True, metavar="PATH",
                help="Only these files or folders (- is stdin). What is outside is left alone.",
            ),
            click.option(
                "--var", "variables", multiple=True, metavar="NAME=VALUE",
                help="Set a variable.",
            ),
            click.option(
                "--var-file", "variable_files", multiple=True,
                type=click.Path(path_type=Path), metavar="PATH",
                help="Set the variables in this YAML file.",
            ),
            click.option(
                "--allow-env", multiple=True, metavar="PATTERN",
                help="Let manifests use these environment variables. "
                "[env: FRIENDLI_IAC_ALLOW_ENV]",
            ),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def with_selection(function: F) -> F:
    """Adds --target and --selector."""
    for option in reversed(
        (
            click.option(
                "--target", "targets", multiple=True, metavar="ADDR",
                help="Only this resource, and what it needs.",
            ),
            click.option(
                "--selector", "-l", "selectors", multiple=True, metavar="LABEL=VALUE",
                help="Only resources with this label.",
            ),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def with_parallelism(function: F) -> F:
    """Adds --parallelism."""
    return click.option(
        "--parallelism", type=click.IntRange(1, 256), default=16, show_default=True,
        envvar="FRIENDLI_IAC_PARALLELISM", help="Requests and changes at a time.",
    )(function)  # fmt: skip


def with_refresh(*levels: str) -> Callable[[F], F]:
    """Adds --refresh; the first level is the default."""
    return click.option(
        "--refresh", type=click.Choice(levels), default=levels[0], show_default=True,
        help="How much to read: versions where the update time moved (fast), or all of them "
        "(full)" + ("; or nothing, and trust the state (none)." if "none" in levels else "."),
    )  # fmt: skip


def with_replace(function: F) -> F:
    """Adds --replace."""
    return click.option(
        "--replace", multiple=True, metavar="ADDR", help="Make this resource anew."
    )(function)


def _reason(context: click.Context, param: click.Parameter, value: str | None) -> str:
    """One line that can stand in a table, and that says something."""
    text = (value or "").strip()
    if value is not None and not (text and text.isprintable() and len(text) <= LONGEST_REASON):
        raise click.BadParameter(f"say why, in one line of {LONGEST_REASON} characters at most")
    return text


def _from_here(context: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """With -C, which is read before, the folder would be another one: the checkout's."""
    moved = context.params.get("chdir", Path()) != Path()
    return value.absolute() if value and moved else value


def with_policy_file(function: F) -> F:
    """Adds --policy."""
    return click.option(
        "--policy", "policy", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
        envvar="FRIENDLI_IAC_POLICY", callback=_from_here,
        help="Rules that hold beside those of friendli-iac.yaml, from a protected place: as seen "
        "from the folder where this is typed, whatever -C says.",
    )(function)  # fmt: skip


def with_policy(function: F) -> F:
    """Adds --policy and --override."""
    return with_policy_file(
        click.option(
            "--override", metavar="REASON", callback=_reason,
            help="Do it though rules deny it. The reason is recorded.",
        )(function)
    )  # fmt: skip


def with_preflight(function: F) -> F:
    """Adds --no-preflight."""
    return click.option(
        "--no-preflight", is_flag=True,
        help="Do not look at the models on Hugging Face, and lock no revision. "
        "[env: FRIENDLI_IAC_PREFLIGHT=off]",
    )(function)  # fmt: skip


def with_retry(function: F) -> F:
    """Adds --retry-failed."""
    return click.option(
        "--retry-failed", is_flag=True,
        help="Try again what failed and is held off, though the manifests say the same.",
    )(function)  # fmt: skip


def _events(context: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value == Path("-"):
        raise click.BadParameter("events go to a file: stdout has what --format says")
    return value


def with_events(function: F) -> F:
    """Adds --events."""
    return click.option(
        "--events", type=click.Path(path_type=Path, dir_okay=False), callback=_events,
        metavar="FILE", help="Also write what happens to this file, as lines of JSON.",
    )(function)  # fmt: skip


def with_apply(function: F) -> F:
    """Adds how to carry out a plan."""
    function = with_events(function)
    for option in reversed(
        (
            click.option("--yes", "-y", is_flag=True, help="Do not ask."),
            click.option(
                "--timeout", type=SECONDS, default="30m", show_default=True,
                envvar="FRIENDLI_IAC_TIMEOUT", help="How long to wait for each resource to serve.",
            ),
            click.option("--no-wait", is_flag=True, help="Send, and do not wait until it serves."),
            click.option(
                "--continue-on-error", is_flag=True,
                help="Go on with what does not depend on what failed.",
            ),
            click.option(
                "--lock-timeout", type=SECONDS, default="0s", show_default=True,
                envvar="FRIENDLI_IAC_LOCK_TIMEOUT", help="How long to wait for another apply.",
            ),
            click.option(
                "--settle-grace", type=SECONDS, default="120s", show_default=True,
                envvar="FRIENDLI_IAC_SETTLE_GRACE",
                help="How long after a create without an answer it may still appear.",
            ),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def with_format(*formats: str) -> Callable[[F], F]:
    """Adds --format; the first one is the default. With json, errors are JSON, too."""

    def told(context: click.Context, _: click.Parameter, value: str) -> str:
        if isinstance(context.obj, Console):
            context.obj.machine = value == "json"
        return value

    return click.option(
        "--format", "format_", type=click.Choice(formats), default=formats[0], show_default=True,
        is_eager=True, callback=told, help="How to print it.",
    )  # fmt: skip


def take_target(options: dict[str, Any]) -> Target:
    """Takes the options of `with_target` out of a command's arguments."""
    names = ("chdir", "state", "environment", "base_url", "emulator", "verbose")
    where = {name: options.pop(name) for name in names}
    if where["chdir"] != Path():  # absolute: a command may work there several times
        where["chdir"] = where["chdir"].resolve()
    return Target(**where, events=options.pop("events", None))


def take_reading(options: dict[str, Any], environ: Any) -> Reading:
    """Takes the options of `with_manifests` out of a command's arguments."""
    variables = {}
    for pair in options.pop("variables"):
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--var {pair}: write --var NAME=VALUE")
        variables[name] = value
    from_env = environ.get("FRIENDLI_IAC_ALLOW_ENV", "")
    return Reading(
        files=tuple(options.pop("files")),
        variables=variables,
        variable_files=tuple(options.pop("variable_files")),
        allow_env=(*options.pop("allow_env"), *from_env.replace(",", " ").split()),
    )
