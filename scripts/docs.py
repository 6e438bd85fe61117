"""The generated documents: docs/manifest.md, docs/cli.md and docs/plan.svg.

python -m scripts.docs --write     # or --check
"""

from __future__ import annotations

import contextlib
import functools
import html
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import click
from rich.console import Console as RichConsole
from rich.text import Text

from friendli_iac.cli.console import Console
from friendli_iac.cli.main import cli, run, subcommands
from friendli_iac.cli.options import with_apply, with_manifests, with_selection, with_target
from friendli_iac.emulator import Emulator
from friendli_iac.manifest.schema import manifest_schema, settings_schema
from friendli_iac.resources import KINDS, TEMPLATES
from friendli_iac.resources.instances import GPUS, counts
from friendli_iac.resources.prices import LIST_PRICES
from friendli_iac.resources.spec import SpecModel, leaves, submodel

DOCS = Path(__file__).resolve().parent.parent / "docs"
Schema = dict[str, Any]

# --- docs/manifest.md ---

MANIFEST = """\
# Manifest reference

<!-- Written by `make docs` from the models. Do not edit. -->

A manifest is a YAML document. A file may hold several, separated by `---`.

{envelope}

Values may hold `${{var.NAME}}`, a [variable](#friendli-iacyaml), and `${{env:NAME}}`, a variable of
the environment: `FRIENDLI_PROJECT_ID`, `FRIENDLI_TEAM_ID` and what `--allow-env` names, but never
one whose name contains TOKEN, KEY, SECRET or PASS. `$${{` stands for a plain `${{`.

A field that is left out is not managed: an update sends it back as it was found. What the last
column says:

- **required**: where the block around it is given, the field must be, too; `defaults` may give it.
- **replaces**: a change ends the endpoint and makes another one; its id changes.
- **write-only**: the API never gives it back. It is compared with what was last applied; see
  [what it cannot see](../README.md#what-it-cannot-see).
- **local**: kept in the state only; a change sends nothing.

{kinds}## Instances

Prices are list prices per GPU and hour, as published in {date}. Plans, `status` and `cost` estimate
with them, or with those of `prices` in friendli-iac.yaml.

{instances}

## friendli-iac.yaml

The settings of a project, found from the working directory upwards, and not beyond the Git root.
Its folder is the project's folder. Tokens and addresses of services cannot stand in it.

{settings}

Which value of a variable wins: `--var`, then `FRIENDLI_IAC_VAR_NAME`, then the last `--var-file`,
then the environment that `--env` chose, then the default here. See
[environments](environments.md).
"""


def manifest_reference() -> str:
    """docs/manifest.md."""
    schema = manifest_schema()
    definitions = schema["definitions"]
    properties = schema["properties"]
    metadata = properties["metadata"]["properties"]
    envelope = {"apiVersion": properties["apiVersion"], "kind": properties["kind"]}
    envelope |= {f"metadata.{name}": part for name, part in metadata.items()}
    envelope["spec"] = properties["spec"]
    models = {**{name: kind.model for name, kind in KINDS.items()}, **TEMPLATES}
    kinds = ""
    for name, model in models.items():
        kinds += f"## {name}\n\n{_doc(model)}\n\n"
        if model.PARTIAL:  # its fields are in another table
            continue
        rows = list(_fields(model, definitions))
        kinds += _table(("field below `spec`", "type", "", "behaviour"), rows) + "\n\n"
    return MANIFEST.format(
        envelope=_table(("field", "type", ""), map(_described, envelope, envelope.values())),
        kinds=kinds,
        date=LIST_PRICES.as_of,
        instances=_table(
            ("`gpu`", "`count`", "price"),
            ((gpu, ", ".join(map(str, counts(gpu))), _price(LIST_PRICES.of(gpu))) for gpu in GPUS),
        ),
        settings=_table(
            ("field", "type", ""),
            (_described(name, part) for name, part in settings_schema()["properties"].items()),
        ),
    )


def _fields(
    model: type[SpecModel], definitions: Schema, prefix: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    """A row for every block and every field below `model`, in the order of the model."""
    schemas = definitions[model.__name__]["properties"]
    for name, info in model.model_fields.items():
        key = info.alias or name
        block = submodel(model, key)
        behaviour = ["required"] if info.is_required() else []
        if block is not None:
            yield f"`{prefix}{key}`", "block", _doc(block) + _choices(block), ", ".join(behaviour)
            yield from _fields(block, definitions, f"{prefix}{key}.")
            continue
        leaf = leaves(model)[key]
        marks = {"replaces": leaf.immutable, "write-only": leaf.write_only, "local": leaf.local}
        behaviour += [word for word, holds in marks.items() if holds]
        path, type_, text = _described(f"{prefix}{key}", schemas[key])
        yield path, type_, text, ", ".join(behaviour)


def _choices(model: type[SpecModel]) -> str:
    groups = [", ".join(f"`{key}`" for key in group) for group in model.ALTERNATIVES]
    return f" Give {'; or '.join(groups)}." if groups else ""


def _doc(model: type[SpecModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _described(name: str, schema: Schema) -> tuple[str, str, str]:
    return f"`{name}`", _type(schema), schema.get("description", "")


def _type(schema: Schema) -> str:
    """A schema as a word or two."""
    for option in schema.get("anyOf", ()):
        if "$ref" not in option:
            return _type(option)
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("pattern", "").endswith("[smhd])+$"):
        return "duration"
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f", {low} to {high}" if high is not None else f" ≥ {low}" if low is not None else ""
    words = {
        "string": "text",
        "boolean": "true or false",
        "array": "list of text",
        "object": "block",
    }
    kind = str(schema.get("type", "any"))
    return words.get(kind, kind) + bounds


def _price(dollars: float | None) -> str:
    return "no public price" if dollars is None else f"${dollars:.2f}"


# --- docs/cli.md ---

CLI = """\
# Command reference

<!-- Written by `make docs` from the commands. Do not edit. -->

{overview}

Exit codes, and the environment variables beyond those below, are in the
[README](../README.md#exit-codes). Durations are written `90s`, `5m` or `1h30m`.

{commands}{groups}"""

# What several commands share is told once.
GROUPS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("Project options", with_target),
    ("Manifest options", with_manifests),
    ("Selection options", with_selection),
    ("Apply options", with_apply),
)


def cli_reference() -> str:
    """docs/cli.md."""
    commands = list(_commands(cli, "friendli-iac"))
    overview = _table(
        ("command", ""),
        ((f"[`{path}`](#{path.replace(' ', '-')})", _help(c)[0]) for path, c in commands),
    )
    return CLI.format(
        overview=overview,
        commands="".join(_section(path, command) for path, command in commands),
        groups="\n".join(
            f"## {title}\n\n{_options(_parameters(decorator))}\n" for title, decorator in GROUPS
        ),
    )


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in subcommands(group).items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _section(path: str, command: click.Command) -> str:
    usage = " ".join(
        [
            path,
            "[OPTIONS]",
            *(_argument(p) for p in command.params if isinstance(p, click.Argument)),
        ]
    )
    own = {p.name: p for p in command.params if isinstance(p, click.Option)}
    shared = []
    for title, decorator in GROUPS:
        names = {p.name for p in _parameters(decorator)}
        if names <= own.keys():
            shared.append(f"[{title.lower()}](#{title.lower().replace(' ', '-')})")
            own = {name: p for name, p in own.items() if name not in names}
    text = f"## {path}\n\n```text\n{usage}\n```\n\n" + "\n\n".join(_help(command)) + "\n\n"
    if own:
        text += _options(own.values()) + "\n\n"
    return text + (f"And the {', '.join(shared)}.\n\n" if shared else "")


def _parameters(decorator: Callable[[Any], Any]) -> list[click.Option]:
    """The options that a decorator of `friendli_iac.cli.options` adds."""

    def bare() -> None: ...

    command = click.command()(decorator(bare))
    return [p for p in command.params if isinstance(p, click.Option)]


def _options(options: Any) -> str:
    return _table(("option", ""), map(_option, options))


def _option(option: click.Option) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if isinstance(option.type, click.Choice):
        names += " " + ", ".join(f"`{choice}`" for choice in option.type.choices)
    elif not option.is_flag and not option.count:
        names += f" `{option.metavar or option.type.name.removesuffix(' range').upper()}`"
    # A default that click does not know of is in the help text itself.
    text, _, note = (option.help or "").partition(" [")
    notes = [note.strip(" ]")] if note else []
    if option.show_default and option.default is not None:
        notes.append(f"default: {option.default}")
    if option.multiple:
        notes.append("repeatable")
    if option.envvar:
        notes.append(f"env: {option.envvar}")
    return names, text.strip() + (f" ({'; '.join(notes)})" if notes else "")


def _argument(argument: click.Argument) -> str:
    name = str(argument.metavar or argument.name).upper()
    name += "..." if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def _help(command: click.Command) -> list[str]:
    """The paragraphs of a command's help."""
    return [" ".join(part.split()) for part in (command.help or "").split("\n\n")]


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in r)} |" for r in lines)


# --- docs/plan.svg ---

COLUMNS = 104  # of the terminal
SETTINGS = """\
manifests: [endpoints/, policies.yaml]
defaults:
  Endpoint:
    project: ${env:FRIENDLI_PROJECT_ID}
    instance: {gpu: H100, count: 1}
"""
POLICY = """\
apiVersion: friendli-iac/v1
kind: AutoscalingPolicy
metadata: {{name: interactive}}
spec: {{minReplicas: 2, maxReplicas: {maximum}, cooldown: 10m}}
"""
ENDPOINT = """\
apiVersion: friendli-iac/v1
kind: Endpoint
metadata: {{name: {name}}}
spec:
  model:
    huggingFace: {{repo: acme/{name}, revision: {revision}}}
  autoscaling: {scaling}
"""
INTERACTIVE, SMALL = "{policy: interactive}", "{minReplicas: 0, maxReplicas: 1, cooldown: 5m}"


def plan_picture() -> str:
    """docs/plan.svg: what `friendli-iac plan` prints, in the terminal's colours."""
    printed = Text.from_ansi(_plan())
    console = RichConsole(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ friendli-iac plan", style="bold"))
    console.print(printed)
    svg = console.export_svg(title="friendli-iac plan", unique_id="plan")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # nothing from elsewhere


def _plan() -> str:
    """A project before and after some edits, and the plan between the two."""
    with tempfile.TemporaryDirectory() as folder, _in_project(Path(folder)) as write:
        write("friendli-iac.yaml", SETTINGS)
        write("policies.yaml", POLICY.format(maximum=4))
        write(
            "endpoints/chat.yaml",
            ENDPOINT.format(name="chat", revision="0e9e39f", scaling=INTERACTIVE),
        )
        write(
            "endpoints/legacy.yaml",
            ENDPOINT.format(name="legacy", revision="5206a32", scaling=SMALL),
        )
        _command("apply", "--yes", "--parallelism", "1")  # one after the other: the ids, too
        write("policies.yaml", POLICY.format(maximum=6))
        write(
            "endpoints/chat.yaml",
            ENDPOINT.format(name="chat", revision="5f0b02c", scaling=INTERACTIVE),
        )
        write(
            "endpoints/eval.yaml", ENDPOINT.format(name="eval", revision="9b21f76", scaling=SMALL)
        )
        Path("endpoints/legacy.yaml").unlink()
        return _command("plan")


@contextlib.contextmanager
def _in_project(root: Path) -> Iterator[Callable[[str, str], None]]:
    """A folder to work in, on an emulator that is the same every time; writes files there."""
    same = functools.partial(Emulator, seed=1, durations=0)
    environ = {"FORCE_COLOR": "1", "HOME": str(root), "FRIENDLI_BASE_URL": "emulator:"}
    (root / ".git").mkdir()

    def write(name: str, text: str) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")

    with (
        mock.patch("friendli_iac.emulator.Emulator", same),
        mock.patch.dict(os.environ, environ, clear=True),
        contextlib.chdir(root),
    ):
        yield write


def _command(*arguments: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments), Console(os.environ))
    if code:
        raise RuntimeError(f"friendli-iac {' '.join(arguments)}: exit {code}\n{err.getvalue()}")
    return out.getvalue()


def words(svg: str) -> str:
    """What an SVG says, whatever it looks like: versions of rich differ in that."""
    text = html.unescape("".join(re.findall(r">([^<>]+)</text>", svg)))
    return "".join(text.split())


# --- files ---

FILES: dict[str, Callable[[], str]] = {
    "manifest.md": manifest_reference,
    "cli.md": cli_reference,
    "plan.svg": plan_picture,
}


def write_docs(folder: Path) -> None:
    """Writes the generated files into `folder`."""
    folder.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (folder / name).write_text(make(), encoding="utf-8")


def stale_docs(folder: Path) -> list[str]:
    """The files in `folder` that are missing or say something else than would be written now."""

    def says(name: str, text: str) -> str:
        return words(text) if name.endswith(".svg") else text

    return [
        name
        for name, make in FILES.items()
        if not (folder / name).is_file()
        or says(name, (folder / name).read_text(encoding="utf-8")) != says(name, make())
    ]


def main(arguments: Sequence[str]) -> int:
    """Writes or checks docs/; the exit code."""
    match list(arguments):
        case ["--write"]:
            write_docs(DOCS)
            return 0
        case ["--check"]:
            stale = stale_docs(DOCS)
            for name in stale:
                sys.stderr.write(f"docs/{name} is stale: make docs\n")
            return 1 if stale else 0
    sys.stderr.write("usage: python -m scripts.docs --write|--check\n")
    return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
