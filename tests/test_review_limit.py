"""A comment has a limit: it is kept whatever the plan, and what a reviewer must know never goes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from friendli_iac.core.finding import Finding
from friendli_iac.core.plan import Change, Plan
from friendli_iac.review import markdown

from .reviews import create, delete, plan, record, replacement, shown, unchanged, update

LIMIT = 60_000


def denying(address: str, message: str = "too many replicas") -> Finding:
    return Finding("maxReplicas", "deny", address, "autoscaling.maxReplicas", message, "Use 4.")


def large() -> Plan:
    """500 endpoints that change, 60 of which end."""
    changes = [
        *(delete(f"old-search-index-{n:03}") for n in range(40)),
        *(replacement(f"moved-to-the-other-project-{n:03}") for n in range(20)),
        *(update(f"chat-{n:03}", notes=(f"a note about {n}",)) for n in range(300)),
        *(create(f"evaluation-{n:03}") for n in range(100)),
        *(record(f"labelled-{n:03}") for n in range(40)),
        *(unchanged(f"calm-{n:03}") for n in range(100)),
    ]
    findings = tuple(denying(f"Endpoint/chat-{n:03}") for n in range(20))
    return plan(*changes, findings=findings)


def kept(told: str, made: Plan) -> None:
    """What never goes."""
    assert made.digest in told or not made.pending_changes
    for change in made.changes:
        assert (
            not change.destructive or f"{change.address}<" in told or f"`{change.address}`" in told
        )


def test_five_hundred_changes_fit() -> None:
    made = large()
    told = markdown.render([made], limit=LIMIT, whole="https://ci.example.com/run/1#page")
    assert LIMIT / 3 < len(told) <= LIMIT  # and the room is used
    kept(told, made)
    page = shown(told)
    assert "40 delete, 20 replace" in page.text
    assert "per hour" in page.text
    assert page.text.count("the id is lost") == 40  # one by one, with what it does
    assert [told.count(f"`Endpoint/chat-{n:03}`") >= 2 for n in range(20)] == [True] * 20  # denied
    assert "all but the names of 300 under “New versions and cold starts”" in page.text
    assert "https://ci.example.com/run/1#page" in [a.get("href") for a in page.all("a")]


def test_it_degrades_by_meaning() -> None:
    """The less room there is, the less is told, and what matters least goes first."""
    made = large()
    told = {limit: markdown.render([made], limit=limit) for limit in (1_000_000, 90_000, 30_000)}
    assert told[1_000_000] == markdown.render([made])
    assert "Shortened" not in told[1_000_000]
    for limit, text in told.items():
        assert len(text) <= limit
        kept(text, made)
    assert "Endpoint/labelled-001" in told[90_000]
    assert "3.90 → $0.00 /h" in told[30_000]
    barest = markdown.render([made], limit=14_000)
    assert "Shortened to fit" in barest
    assert [n for n in range(20) if f"`Endpoint/chat-{n:03}`" not in barest] == []  # denied


@pytest.mark.parametrize("limit", [0, 1, 50, 400, 3000])
def test_no_limit_is_too_small(limit: int) -> None:
    told = markdown.render([large(), large()], limit=limit, whole="x" * 5000)
    assert len(told) <= limit


texts = st.sampled_from(
    ["x", "word " * 400, "`" * 900, "@" * 2000, "<b>" * 700, "|\\" * 800, "é☃" * 500]
)
kinds = st.sampled_from([delete, replacement, update, create, record, unchanged])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of any size, in which others have said far too much."""
    changes: list[Change] = []
    for number in range(draw(st.integers(0, 60))):
        more: dict[str, Any] = {"notes": (draw(texts),), "expires": draw(texts)}
        changes.append(draw(kinds)(f"e{number:02}{'-long' * draw(st.integers(0, 8))}", **more))
    findings = [denying(c.address, draw(texts)) for c in changes[: draw(st.integers(0, 9))]]
    long = {name: draw(texts) for name in ("environment", "project", "prices", "override")}
    return plan(*changes, findings=tuple(findings), **long, notes=(draw(texts),))


@settings(max_examples=30, deadline=None)
@given(plans(), st.integers(0, 12_000), texts)
def test_the_limit_holds_and_what_ends_is_named(made: Plan, limit: int, whole: str) -> None:
    told = markdown.render([made], limit=limit, whole=whole)
    assert len(told) <= limit
    names = [change.address for change in made.changes if change.destructive]
    if limit >= 3_000 + sum(len(name) + 4 for name in names):
        kept(told, made)
        shown(told)


def test_long_names_are_cut_and_it_says_so() -> None:
    made = plan(*(delete(f"{n:03}-{'x' * 300}-end{n}") for n in range(100)))
    told = markdown.render([made], limit=6_000)
    assert len(told) <= 6_000
    assert "Long names are cut" in told
    assert [n for n in range(100) if f"Endpoint/{n:03}-" not in told] == []
    assert [n for n in range(100) if f"-end{n}`" not in told] == []
    assert "`Endpoint/000-" in told
    fewer = markdown.render([made], limit=2_000)
    assert len(fewer) <= 2_000
    assert "100 to delete" in fewer
    assert "more" in fewer


@pytest.mark.parametrize(
    "name",
    [
        "team-{:04}-llama-3-3-70b-instruct-fp8-eu-west-1-production",
        "the-search-team-of-acme-llama-3-3-70b-instruct-fp8-eu-west-1-{:04}",
        "the-search-team-of-acme-llama-3-3-70b-{:04}-instruct-fp8-eu-west-1-production",
    ],
)
def test_shortened_names_still_differ(name: str) -> None:
    """Wherever they do, and the room is used for it."""
    made = plan(*(delete(name.format(n)) for n in range(1500)))
    told = markdown.render([made], limit=LIMIT)
    assert LIMIT * 0.8 < len(told) <= LIMIT
    names = re.findall("`(Endpoint/[^`]*)`", told)
    assert (len(names), len(set(names))) == (1500, 1500)
