"""A project and an emulator, and a transcript of everything that is done with them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from friendli_iac.emulator import Emulator

from ..harness import Project, Result

# What differs from run to run; ids, addresses and paths are added by each scene.
VARIES = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{20}\b|\b[0-9a-f]{16}\b", "HASH"),
    (r"(?<=digest `)[0-9a-f]{12}\b", "HASH"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME"),
    (r"\(\d+ s\)", "(N s)"),
    (r"after \d+ s", "after N s"),
    (r"\d+ s after", "N s after"),
)
SCENARIOS: dict[str, Callable[[Scene], None]] = {}


def scenario(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
    """Marks a function as a scenario; its docstring is the transcript's title."""
    SCENARIOS[function.__name__] = function
    return function


class Scene:
    """What a scenario works with. Every command is written down with its output and requests."""

    def __init__(self, project: Project, emulator: Emulator, title: str) -> None:
        self.project = project
        self.emulator = emulator
        # One request at a time, so that their order is always the same.
        self.project.env |= {"FRIENDLI_IAC_PARALLELISM": "1", "GITHUB_ACTOR": "dana"}
        self._ids: dict[str, str] = {}
        self._lines = [" ".join(title.split())]

    # --- steps ---

    def write(self, *documents: str, name: str = "main.yaml") -> None:
        """Makes these documents the manifest."""
        text = "---\n".join(documents)
        self._lines += ["", f"== {name}", *(f"   {line}" for line in text.splitlines())]
        self.project.write(text, name)

    def happens(self, what: str) -> None:
        """Says what the scenario does next behind the tool's back."""
        self._lines += ["", f"== {what}"]

    def shows(self, text: str) -> None:
        """Writes down what was rendered."""
        self._lines += ["", "== shown", *_stream("", text)]

    def run(self, *arguments: str, **options: Any) -> Result:
        """Runs a command and writes down what it said and sent."""
        self._note_ids()
        self.emulator.clear_requests()
        result = self.project.run(*arguments, **options)
        self._note_ids()
        given = "".join(f"{k}={v} " for k, v in options.get("env", {}).items())
        self._lines += ["", f"$ {given}friendli-iac {' '.join(arguments)}"]
        self._lines += _stream("", result.out) + _stream("! ", result.err)
        self._lines += [f"exit {result.code}", *self._requests()]
        return result

    def apply(self, *arguments: str) -> Result:
        return self.run("apply", "--yes", *arguments)

    def given(self, *documents: str) -> None:
        """Documents that were applied before the scenario begins; only they are written down."""
        self.write(*documents)
        done = self.project.apply()
        assert done.code == 0, done
        self._note_ids()
        self._lines.append("   (applied)")

    def id(self, name: str = "chat") -> str:
        """The id of the live endpoint with this name."""
        (found,) = [
            e["id"]
            for e in self.emulator.endpoints()
            if e["versions"][e["serving"]]["settings"]["name"] == name
        ]
        return str(found)

    # --- the transcript ---

    def transcript(self) -> str:
        text = "\n".join(self._lines) + "\n"
        for id, name in self._ids.items():
            text = text.replace(id, name)
        text = text.replace(self.emulator.url, "http://EMULATOR")
        host = self.emulator.url.partition("//")[2]  # Markdown keeps it from being a link
        text = text.replace(host, "EMULATOR")
        text = text.replace("Unprocessable Content", "Unprocessable Entity")  # since Python 3.13
        text = text.replace(str(self.project.root), "PROJECT")
        for pattern, name in VARIES:
            text = re.sub(pattern, name, text)
        return text

    def _note_ids(self) -> None:
        made = self.emulator.endpoints()  # side by side, so in an order of their own
        for endpoint in sorted(made, key=lambda e: str(e["versions"][0]["settings"]["name"])):
            self._ids.setdefault(endpoint["id"], f"ep{len(self._ids) + 1}")

    def _requests(self) -> list[str]:
        """Reads counted, for their order tells nothing; writes in order, with their bodies."""
        asked, requests = _apart(self.emulator.requests)
        reads = [r for r in requests if r["method"] == "GET"]
        refused = [r for r in reads if r["status"] not in (200, 404)]
        if refused:  # which others had been sent by then is a matter of chance
            lines = sorted({f"> GET: {r['status']}" for r in refused})
        else:
            counts = sorted(Counter(r["path"] for r in reads).items())
            lines = [f"> {count} x GET {path}" for path, count in counts]
        lines += [f"> W&B is asked {', '.join(sorted(asked))}"] * bool(asked)
        for request in requests:
            if request["method"] == "GET":
                continue
            status = request["status"] or "no answer"
            lines.append(f"> {request['method']} {request['path']}: {status}")
            if request["body"]:
                lines += [f">   {line}" for line in _body(request["body"])]
        return lines


def _apart(requests: list[dict[str, Any]]) -> tuple[set[str], list[dict[str, Any]]]:
    """The names of the queries to W&B, and all other requests; of what changes something in W&B,
    the name and the values. How often is a matter of time: lists are kept for a second.
    """
    asked: set[str] = set()
    others = []
    for request in requests:
        if request["path"] != "/graphql":
            others.append(request)
            continue
        found = re.search(r"\b(query|mutation) (\w+)", request["body"]["query"])
        assert found, request
        if found[1] == "query":
            asked.add(found[2])
        else:
            values = request["body"]["variables"]
            others.append({**request, "path": f"/graphql {found[2]}", "body": values})
    return asked, others


def _stream(mark: str, text: str) -> list[str]:
    return [f"{mark}{line}".rstrip() for line in text.splitlines()]


def _body(body: dict[str, Any]) -> list[str]:
    return [f"{key}: {json.dumps(value)}" for key, value in body.items()]
