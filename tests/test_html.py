"""The page of a plan: complete in itself, for everybody, and quick. (What escapes is proved in
test_review_hostile.py, what it says in test_review.py.)
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from itertools import pairwise

import pytest

from friendli_iac.review import html
from friendli_iac.review.links import Links

from .reviews import Page, parsed, plan, refused, rich, update


@pytest.fixture(scope="module")
def source() -> str:
    return html.render([rich(), refused()], links=Links("https://example.com/r/blob/c"))


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return parsed(source)


def test_nothing_else_is_loaded_or_run(page: Page, source: str) -> None:
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "style-src": hashed(page.inside["style"]),
        "script-src": hashed(page.inside["script"]),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    loading = {"src", "srcset", "background", "poster", "data", "action", "formaction", "style"}
    assert [n for n, a in page.elements if loading & set(a) or n in ("link", "iframe", "img")] == []
    assert [a for _, a in page.elements for name in a if name.startswith("on")] == []
    assert "url(" not in page.inside["style"]
    assert "@import" not in page.inside["style"]
    assert {a["href"].partition("blob")[0] for a in page.all("a") if a["href"][0] != "#"} == {
        "https://example.com/r/"
    }
    assert source.index("http-equiv") < source.index("<style>")  # before what it is about


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_everybody_can_use_it(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    names = [name for name, _ in page.elements]
    for once in ("header", "main", "footer", "h1", "title"):
        assert names.count(once) == 1
    levels = [int(n[1]) for n in names if re.fullmatch("h[1-6]", n)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {a["for"] for a in page.all("label")}
    targets |= {a["href"][1:] for a in page.all("a") if a["href"][0] == "#"}
    targets |= {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    assert targets <= set(ids)
    inputs = [a for n in ("input", "select") for a in page.all(n)]
    assert {a["id"] for a in inputs} <= {a["for"] for a in page.all("label")}
    assert all(a["type"] == "button" for a in page.all("button"))
    assert [a["aria-live"] for a in page.all("output")] == ["polite"]
    assert all("scope" in a for a in page.all("th"))


def test_without_scripts_all_can_be_read(page: Page, source: str) -> None:
    """What needs the script is hidden until it runs, and nothing else is."""
    assert [a["role"] for _, a in page.elements if "hidden" in a] == ["search"]
    items = [a for a in page.all("article") if "item" in a["class"]]
    assert [a["id"] for a in items[:2]] == ["prod/Endpoint/embed", "prod/Endpoint/legacy"][::-1]
    assert len(items) == source.count("<article") == 10


def test_each_change_can_be_filtered(page: Page) -> None:
    found = {a["id"]: (a["data-group"], a["data-marks"]) for a in page.all("article")}
    assert found["prod/Endpoint/legacy"] == ("destructive", "warning")
    assert found["prod/Endpoint/chat"] == ("versions", "")
    assert found["prod/Endpoint/eval"] == ("new", "warning warn exempt")
    boxes = {a["value"] for a in page.all("input") if a["type"] == "checkbox"}
    assert boxes == {group for group, _ in found.values()}
    options = {a["value"] for a in page.all("option")}
    assert {mark for _, marks in found.values() for mark in marks.split()} <= options


def test_before_and_after_stand_side_by_side(source: str) -> None:
    row = re.search(r"<tr><th[^>]*>autoscaling.maxReplicas</th>(.*?)</tr>", source)
    assert row
    assert '<td class="old">4</td><td class="new">6</td>' in row[1]
    folded = re.search(r"<summary>(\d+) unchanged</summary>\s*<dl>(.*?)</dl>", source)
    assert folded
    assert "<dt>engine.maxBatchSize</dt><dd>64</dd>" in folded[2]
    assert folded[2].count("<dt>") == int(folded[1])


def test_each_change_has_its_cost(source: str) -> None:
    (bill, _) = re.findall(r"per hour</h3>(.*?)</table>", source, re.DOTALL)
    cells = re.findall(r"Endpoint/chat</code></th>(.*?)</tr>", bill)
    assert cells == ["<td>$7.80-15.60</td><td>$7.80-23.40</td><td>up to +$15.60</td>"]
    assert re.search(r"<tfoot>.*<td>\$27.30-39.00</td><td>\$23.40-42.90</td>", bill, re.DOTALL)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str, page: Page) -> None:
    """Of every text on every ground that it stands on: 4.5 to 1 or more."""
    blocks = re.findall(r":root \{(.*?)\}", page.inside["style"], re.DOTALL)
    colours: dict[str, str] = {}
    for block in blocks[: 2 if scheme == "dark" else 1]:
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    grounds = {"page", "card"}
    pairs = [(text, on) for text in ("text", "quiet", "link") for on in grounds]
    pairs += [(name, f"{name}-card") for name in ("red", "amber", "green", "blue")]
    pairs += [(name, "page") for name in ("red", "amber", "green", "blue")]
    for text, on in pairs:
        assert contrast(colours[text], colours[on]) >= 4.5, (text, on)
    assert contrast(colours["focus"], colours["page"]) >= 3


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_thousand_changes_are_quick_and_small() -> None:
    many = plan(*(update(f"chat-{n:04}") for n in range(1000)))
    began = time.process_time()
    made = html.render([many])
    assert time.process_time() - began < 20
    assert len(made.encode()) < 3_000_000
