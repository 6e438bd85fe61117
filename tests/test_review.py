"""One review of a plan in three forms: each says all of it, and none lets others speak."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from friendli_iac.core.plan import Plan
from friendli_iac.core.state import Applied
from friendli_iac.core.warnings import warnings
from friendli_iac.emulator import Emulator
from friendli_iac.review import html, markdown, text
from friendli_iac.review.build import command, review
from friendli_iac.review.links import NO_LINKS, Links, links_from

from .harness import TOKEN, Project, endpoint
from .reviews import (
    COMMIT,
    NEW,
    REVISION,
    changed,
    create,
    delete,
    parsed,
    plan,
    record,
    refused,
    replacement,
    rich,
    shown,
    spec,
    update,
)

FORMS: dict[str, Callable[[Plan], str]] = {
    "text": lambda made: " ".join(text.render(made).split()),
    "markdown": lambda made: shown(markdown.render([made])).text,
    "html": lambda made: parsed(html.render([made])).text,
}
SAID = (
    "prod of acme/infra", "serial 418", "commit 3f9c1ab03f9c", "2 more states are in this place",
    "no revision is said", "Write the full commit.", "endpoints/eval.yaml:6", "maxHourlyCost",
    "it may cost $31.20 /h, and 25 are allowed", "friendli-iac.yaml:11", "Endpoint/eval",
    "an evaluation, until 2026-12-24", "an incident, see the channel", "profiles.yaml:4",
    "nothing redirects from ep_legacy", "clients must learn the new id", "whether the integration",
    "Accept the terms with it.", "expires: 72h after it was created", NEW, "team=search",
    "HELD OFF", "it is FAILED", "applied 3, live 4", "1 unchanged", "2026-11-22T10:00:00Z",
    "$27.30-39.00 → $23.40-42.90", "$19,929-28,470 → $17,082-31,317", "estimate from list prices",
    "up to +$19.50 /h", "without 1 of unknown price", "waits for Endpoint/embed",
    "$7.80-15.60 → $7.80-23.40 /h (while rolling: up to +$15.60)", "cost UNKNOWN",
    "same id; a new version, with a cold start", "the value before is presumed",
    "changed in manifest", "RUNNING v12 → v13", "unpinned revision: no revision is said",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_says_all_of_it(form: str) -> None:
    made = rich()
    found = FORMS[form](made)
    assert [one for one in (*SAID, made.digest) if one not in found] == []
    against = FORMS[form](refused())
    assert "it is protected (preventDestroy)" in against
    assert "Apply `false` first." in against
    assert "denied" in against.lower()


@pytest.mark.parametrize("form", FORMS)
def test_the_most_severe_stands_first(form: str) -> None:
    found = FORMS[form](rich(findings=(), drift=()))
    names = ("legacy", "embed", "chat", "eval", "labelled", "rank")
    places = [re.search(rf"Endpoint/{name}\b(?! |\s*waits)?", found) for name in names]
    starts = [one.start() for one in places if one]
    assert len(starts) == len(names)
    assert starts == sorted(starts)


def test_the_command_applies_exactly_this() -> None:
    made = plan(delete("a"), update("b"))
    assert command(made) == (
        f"friendli-iac apply --env prod --approved {made.digest} --allow-destroy Endpoint/a"
    )
    many = plan(*(delete(f"e{n}") for n in range(9)), environment="", override="it's fine")
    assert command(many) == (
        f"friendli-iac apply --approved {many.digest} --allow-destroy"
        """ --override 'it'"'"'s fine'"""
    )
    told = markdown.render([made])
    assert f"```sh\n{command(made)}\n```" in told
    for never in (refused(), rich(override=""), plan()):
        assert review(never).next == ""
        assert "--approved" not in markdown.render([never]) + html.render([never])


def test_no_changes_are_a_short_line() -> None:
    told = markdown.render([plan()])
    assert told.startswith("### friendli-iac plan: prod: no changes\n")
    assert "digest" not in told
    assert "No changes" in html.render([plan()])


def test_several_environments_have_a_sum() -> None:
    both = [plan(delete("a"), environment="staging"), plan(update("b"))]
    page = shown(markdown.render(both))
    assert "2 of 2 environments change" in page.text
    assert "$11.70-19.50 → $7.80-23.40" in page.text  # together
    assert page.text.index("staging") < page.text.index("prod")
    seen = parsed(html.render(both))
    assert "$11.70-19.50 → $7.80-23.40" in seen.text
    ids = [a["id"] for _, a in seen.elements if "id" in a]
    assert {"staging/Endpoint/a", "prod/Endpoint/b"} <= set(ids)


# --- warnings ---


def after(**more: Any) -> Applied:
    return Applied(spec("chat", **more))


FIELD = {"fields": (changed("engine.maxBatchSize", 64, 128),)}
BRANCH = {"huggingFace": {"repo": "acme/search", "revision": "main"}}
LOCKED = replace(after(), asked={REVISION: "main"})
WARNED = {
    "nothing redirects from ep_a": delete("a"),
    "clients must learn the new id": replacement("a"),
    "nothing serves from the end": replacement("a"),
    "its protection is lifted": replace(
        record("a"), fields=(changed("lifecycle.preventDestroy", True, False, local=True),)
    ),
    "this overwrites a version that somebody else made": update(
        "a", fields=(changed(REVISION, NEW, NEW, write_only=True, unknown=True),)
    ),
    "its pin is lifted": update("a", unpins=True),
    "it cannot be rolled back": update("a", restorable=False),
    "nothing proves the new version until": update("a", asleep=True),
    "whether the GPU of an endpoint can change": update(
        "a", fields=(changed("instance.gpu", "H100", "H200"),)
    ),
    "not known to survive an update: quantization": update(
        "a", after=after(suite={"quantization": "8-bit"})
    ),
    "unpinned revision: the manifest says main, and which": update("a", after=after(model=BRANCH)),
    "unpinned revision: the manifest says main; this plan sends 5f0b02c1f2e1,": update(
        "a", after=LOCKED
    ),
    "unpinned revision: no revision is said, and which": create("a"),
    "minReplicas 0: idle, it sleeps": update(
        "a", fields=(changed("autoscaling.minReplicas", 1, 0),)
    ),
    "asleep for 48 h, Friendli terminates it": update("a", steps=("update", "sleep")),
    "content logging is on": update(
        "a", fields=(changed("engine.contentLogging", False, True, write_only=True),)
    ),
}


@pytest.mark.parametrize("words", WARNED)
def test_a_reviewer_is_warned(words: str) -> None:
    assert [one for one in warnings(WARNED[words]) if words in one]


def test_nothing_is_warned_of_without_need() -> None:
    quiet = (
        update("a"),
        update("a", after=LOCKED, **FIELD),  # the weights stay as they are
        record("a"),
        replace(delete("a"), action="no-op"),
        update("a", after=after(suite="none")),
    )
    assert [warnings(change) for change in quiet] == [()] * len(quiet)
    first = replace(replacement("a"), steps=("create", "terminate", "delete"))
    assert [one for one in warnings(first) if "nothing serves" in one] == []


def test_warnings_stand_in_every_output(project: Project, emulator: Emulator) -> None:
    project.write(endpoint(maximum=2).replace("minReplicas: 1", "minReplicas: 0"))
    (change,) = project.run("plan", "--format", "json").json["changes"]
    assert len(change["warnings"]) == 2
    for form in ("text", "markdown", "html"):
        found = project.run("plan", "--format", form)
        assert found.code == 0, found
        for warning in change["warnings"]:
            assert warning in found.out
        assert TOKEN not in found.out


# --- links ---


@pytest.mark.parametrize(
    ("environ", "prefix", "source", "url"),
    [
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/infra"},
            "",
            "a/b.yaml:7",
            f"https://github.com/acme/infra/blob/{COMMIT}/a/b.yaml#L7",
        ),
        (
            {"CI_PROJECT_URL": "https://git.example.com/a/b"},
            "deploy/",
            "x (1).yaml:7:3",
            f"https://git.example.com/a/b/-/blob/{COMMIT}/deploy/x%20%281%29.yaml#L7",
        ),
        (
            {"CI_PROJECT_URL": "https://git.example.com/a/b"},
            "deploy/prod",
            "../base.yaml:2",
            f"https://git.example.com/a/b/-/blob/{COMMIT}/deploy/base.yaml#L2",
        ),
        ({"CI_PROJECT_URL": "https://git.example.com/a/b"}, "", "../../etc/passwd:1", ""),
        ({"CI_PROJECT_URL": "https://git.example.com/a/b"}, "", "/etc/passwd:1", ""),
        ({"CI_PROJECT_URL": "https://git.example.com/a/b"}, "", "(default)", ""),
        ({"CI_PROJECT_URL": "javascript://git.example.com/%0aalert(1)"}, "", "a.yaml:1", ""),
        ({"CI_PROJECT_URL": "https://u:p@example.com/x"}, "", "a.yaml:1", ""),
        ({"CI_PROJECT_URL": "https://x)[y](https://z"}, "", "a.yaml:1", ""),
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b?x=)"},
            "",
            "a.yaml:1",
            "",
        ),
        ({}, "", "a.yaml:1", ""),
    ],
)
def test_places_are_links(environ: dict[str, str], prefix: str, source: str, url: str) -> None:
    assert links_from(environ, COMMIT, prefix).of(source) == url


def test_a_commit_that_is_none_links_nothing() -> None:
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/infra"}
    for commit in ("", "main", "../../x", "abc)"):
        assert links_from(github, commit) == NO_LINKS


def test_ci_makes_links(project: Project, emulator: Emulator) -> None:
    project.write(endpoint())
    env = {
        "GITHUB_SERVER_URL": "https://github.example.com",
        "GITHUB_REPOSITORY": "acme/infra",
        "GITHUB_SHA": COMMIT,
    }
    url = f"https://github.example.com/acme/infra/blob/{COMMIT}/main.yaml#L6"
    assert f"[main.yaml:6]({url})" in project.run("plan", "--format", "markdown", env=env).out
    project.run("plan", "--out", "p.plan", env=env)
    page = parsed(project.run("show", "p.plan", "--format", "html", env=env).out)
    assert url in [one.get("href") for one in page.all("a")]
    assert "github" not in project.run("show", "p.plan", "--format", "html").out


def test_links_stand_in_markdown_and_in_the_page() -> None:
    links = Links("https://example.com/acme/infra/blob/c")
    wanted = "https://example.com/acme/infra/blob/c/profiles.yaml#L4"
    for page in (
        shown(markdown.render([rich()], links=links)),
        parsed(html.render([rich()], links=links)),
    ):
        assert wanted in [one.get("href") for one in page.all("a")]


def test_a_value_that_reads_as_nothing_is_quoted(project: Project, emulator: Emulator) -> None:
    """In all forms, and nothing is left out of one that has it within."""

    def revised(revision: str, more: str = "") -> str:
        return endpoint(more=more).replace("acme/model", f"acme/model, revision: '{revision}'")

    project.write(revised("main", "  versionComment: hello\n"))
    assert project.apply().code == 0
    for revision, written in (("stable(none)", "stable(none)"), ("(none)", '"(none)"')):
        project.write(revised(revision))
        assert f"~ {REVISION} main → {written} " in " ".join(project.run("plan").out.split())
        table = project.run("plan", "--format", "markdown").out
        assert f"| `~` | `{REVISION}` | `main` | `{written}` |" in table
        assert "| `-` | `versionComment` | `hello` |  |" in table
        page = parsed(project.run("plan", "--format", "html").out).text
        assert page.count(written) >= 2, "in the title and in the table"
