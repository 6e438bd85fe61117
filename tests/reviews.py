"""Plans to be reviewed, made of data, and how what is rendered is read back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from friendli_iac.core.diff import DEFAULT, FieldChange
from friendli_iac.core.finding import Finding
from friendli_iac.core.plan import Change, Drift, Hold, Plan, Refusal
from friendli_iac.core.preflight import Check
from friendli_iac.core.state import Applied, Fence

OLD, NEW = "0e9e39f249a16976918f6564b8830bc894c89659", "5f0b02c1f2e19d7a8b3c4d5e6f708192a3b4c5d6"
COMMIT = "3f9c1ab0" * 5
REVISION = "model.huggingFace.revision"


def spec(name: str, **more: Any) -> dict[str, Any]:
    return {
        "project": "p3",
        "name": name,
        "model": {"huggingFace": {"repo": "acme/search", "revision": NEW}},
        "instance": {"gpu": "H100", "count": 1},
        "autoscaling": {"minReplicas": 1, "maxReplicas": 6, "cooldown": 300},
        "engine": {"maxBatchSize": 64, "contentLogging": False},
        **more,
    }


def changed(path: str, old: Any, new: Any, source: str = "", **marks: Any) -> FieldChange:
    reason = marks.pop("reason", "changed in manifest")
    live = None if marks.get("write_only") or marks.get("local") else old
    return FieldChange(path, old, live, new, reason, source=source, **marks)


def delete(name: str, **more: Any) -> Change:
    return Change(
        f"Endpoint/{name}", "delete", "it is in state, and not wanted any more",
        steps=("terminate", "delete"), id=f"ep_{name}", name=name, status="RUNNING",
        fence=Fence(6), cost_before=(3.9, 3.9), cost_after=(0.0, 0.0), **more,
    )  # fmt: skip


def replacement(name: str, **more: Any) -> Change:
    return Change(
        f"Endpoint/{name}", "replace", "project cannot change in place",
        steps=("terminate", "delete", "create"), id=f"ep_{name}", name=name, status="RUNNING",
        after=Applied(spec(name, project="p4")), cost_before=(3.9, 7.8), cost_after=(3.9, 7.8),
        fields=(changed("project", "p3", "p4", f"endpoints/{name}.yaml:5", immutable=True),),
        **more,
    )  # fmt: skip


def update(name: str, **more: Any) -> Change:
    fields = (
        changed(REVISION, OLD, NEW, f"endpoints/{name}.yaml:7", write_only=True),
        changed("autoscaling.maxReplicas", 4, 6, "profiles.yaml:4"),
    )
    how: dict[str, Any] = {
        "steps": ("update",),
        "after": Applied(spec(name), {"team": "search", "owner": "dana"}),
        "fields": fields,
        "fence": Fence(12),
        "cost_before": (7.8, 15.6),
        "cost_after": (7.8, 23.4),
        "surge": 15.6,
    }
    return Change(
        f"Endpoint/{name}", "update", "changed in manifest",
        id=f"ep_{name}", name=name, status="RUNNING", **{**how, **more},
    )  # fmt: skip


def create(name: str, **more: Any) -> Change:
    said = (("project", "p3"), ("model.huggingFace.repo", "acme/eval"), ("instance.gpu", "B300"))
    fields = [
        FieldChange(path, None, None, value, "new in manifest", source=f"endpoints/{name}.yaml:{n}")
        for n, (path, value) in enumerate(said, 5)
    ]
    default = FieldChange("engine.contentLogging", None, None, False, "", source=DEFAULT)
    return Change(
        f"Endpoint/{name}", "create", "new in the manifests",
        steps=("create",), name=name, fields=(*fields, default), cost_before=(0.0, 0.0),
        after=Applied(spec(name, model={"huggingFace": {"repo": "acme/eval"}})), surge=None, **more,
    )  # fmt: skip


def record(name: str, **more: Any) -> Change:
    return Change(
        f"Endpoint/{name}", "record", "only our own records change", id=f"ep_{name}", name=name,
        fields=(changed("labels.team", None, "search", "main.yaml:3", local=True),),
        after=Applied(spec(name), {"team": "search"}), status="RUNNING",
        cost_before=(3.9, 3.9), cost_after=(3.9, 3.9), **more,
    )  # fmt: skip


def unchanged(name: str, **more: Any) -> Change:
    return Change(
        f"Endpoint/{name}", "no-op", "", id=f"ep_{name}", name=name, status="RUNNING",
        cost_before=(3.9, 3.9), cost_after=(3.9, 3.9), **more,
    )  # fmt: skip


def plan(*changes: Change, **more: Any) -> Plan:
    how: dict[str, Any] = {
        "project": "acme/infra",
        "environment": "prod",
        "commit": COMMIT,
        "prices": "list prices of 2025-09",
    }
    made = Plan("0" * 32, "lineage", 418, "https://api.friendli.ai", "acme", "0.1.0", "digest")
    return replace(made, changes=changes, **{**how, **more})


def rich(**more: Any) -> Plan:
    """Something of everything that can be said."""
    checks = (
        Check("ok", "weights 16.1 GB (bfloat16) on 80 GB (1 × H100)"),
        Check("UNKNOWN", "whether the integration has access", "Accept the terms with it."),
    )
    held = Hold({REVISION: OLD}, "it is FAILED", version=8, places=("endpoints/rank.yaml:6",))
    findings = (
        Finding(
            "requirePinnedRevision", "warn", "Endpoint/eval", REVISION, "no revision is said",
            "Write the full commit.", "endpoints/eval.yaml:6", "friendli-iac.yaml:14",
        ),
        Finding(
            "allowedGpus", "deny", "Endpoint/eval", "instance.gpu", "B300 is not one of H100, H200",
            "Use one of them.", "endpoints/eval.yaml:7", exempt="an evaluation, until 2026-12-24",
        ),
        Finding(
            "maxHourlyCost", "deny", "", "", "it may cost $31.20 /h, and 25 are allowed",
            "Lower maxReplicas.", "", "friendli-iac.yaml:11",
        ),
    )  # fmt: skip
    how: dict[str, Any] = {
        "notes": ("2 more states are in this place",),
        "findings": findings,
        "override": "an incident, see the channel",
        "drift": (Drift("Endpoint/chat", "autoscaling.maxReplicas", 3, 4),),
        "expires": "2026-11-22T10:00:00Z",
    }
    return plan(
        record("labelled"),
        create("eval", expires="72h after it was created"),
        update("chat", checks=checks, waits_for=("Endpoint/embed",)),
        unchanged("rank", held=held),
        unchanged("calm"),
        replacement("embed"),
        delete("legacy"),
        **{**how, **more},
    )


def refused() -> Plan:
    """A plan that must not be applied."""
    why = Refusal("Endpoint/embed", "it is protected (preventDestroy)", "Apply `false` first.")
    return rich(refusals=(why,), override="")


# --- reading back ---


@dataclass
class Page(HTMLParser):
    """What a document in HTML consists of."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    inside: dict[str, str] = field(default_factory=dict)  # of style and script

    def __post_init__(self) -> None:
        super().__init__()
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("style", "script"):
            self.inside[self._open] = self.inside.get(self._open, "") + data
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, in one line."""
        return " ".join("".join(self.texts).replace("\u200b", "").split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


def shown(markdown: str) -> Page:
    """What a forge makes of Markdown, before it looks for mentions and takes tags out."""
    forge = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return parsed(forge.render(markdown))
