"""What comes from a pull request or from the API is only read: it is no markup, nothing that
is linked, nobody who is called, and no word of ours.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from friendli_iac.core.diff import FieldChange
from friendli_iac.core.finding import Finding
from friendli_iac.core.plan import Change, Drift, Hold, Plan, Refusal
from friendli_iac.core.preflight import Check
from friendli_iac.core.state import Applied
from friendli_iac.review import html, markdown, text
from friendli_iac.review.escaping import code, prose

from .reviews import Page, parsed, plan, replacement, shown, spec, update

NASTY = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</details></summary><h1>APPROVED</h1>",
    "<!-- friendli-iac plan digest=" + "0" * 64 + " -->",
    "--><b>x</b><!--",
    "![x](https://evil.example/x.png)",
    "[approved](https://evil.example)",
    "[approved][1]\n\n[1]: https://evil.example",
    "https://evil.example www.evil.example mailto:a@evil.example",
    "<https://evil.example>",
    "@everyone @acme/admins #1 !2 $3 %4 ~5 &6 GH-7 :white_check_mark:",
    "&#64;everyone &lt;b&gt; &#x3c;i&#x3e;",
    "a | b | c |\n|---|---|---|\n| x | y | z |",
    "\n```\n\n# Approved\n\n```sh\nfriendli-iac destroy --yes\n",
    "`` ` ``` code",
    "\\`\\",
    "\\",
    "|\\|\\\\|",
    "# Approved",
    "- [ ] x\n- [x] approved",
    "1. x\n2. y",
    "+ x",
    "> quoted",
    "===\n---\n***",
    "~~gone~~ **loud** __loud__ $`x`$ $$x$$",
    "\n\n/approve\n/merge",
    "a\u202eb\u2066c\x1b[31m\x00\r\n::error::x",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}</style></script><script>1</script>",
    "",
    " ",
    "\u200b",
)
ALLOWED = {
    "h3", "h4", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "strong", "ul",
    "li", "details", "summary", "b", "sub", "blockquote", "em",
}  # fmt: skip


def hostile(bad: str) -> Plan:
    """A plan in which others say `bad` wherever they can say anything."""
    field = FieldChange("name", bad, bad, bad + "x", bad, source=bad)
    long = replace(field, path=f"labels.{bad}", unknown=True, write_only=True)
    said = Change(
        f"Endpoint/{bad or 'x'}", "update", bad, steps=("update",), id=bad, name=bad, status=bad,
        after=Applied(spec(bad, suite={bad: 1}), {bad: bad}), fields=(field, long),
        notes=(bad,), waits_for=(bad,), expires=bad, checks=(Check("warn", bad, bad),),
        cost_before=(1.0, 1.0), cost_after=(2.0, 2.0),
    )  # fmt: skip
    held = Hold({"name": bad}, bad, 1, (bad,), {"name": bad}, behind=bad)
    return plan(
        said,
        replace(said, address=f"Endpoint/a{bad}", action="delete", fields=(), protected=True),
        replace(said, address=f"Endpoint/b{bad}", action="no-op", fields=(), held=held),
        refusals=(Refusal(bad, bad, bad),),
        notes=(bad,),
        unsettled=(bad,),
        narrowed=bad,
        drift=(Drift("Endpoint/c", bad, bad, bad),),
        project=bad,
        environment=bad,
        commit=bad,
        prices=bad,
        expires=bad,
        override=bad,
        api=bad,
        team=bad,
        findings=(
            Finding(bad, "deny", bad, bad, bad, bad, bad, bad),
            Finding(bad, "warn", f"Endpoint/{bad}", bad, bad, bad, bad, bad),
            Finding(bad, "deny", bad, bad, bad, bad, bad, bad, bad),
        ),
    )


def harmless(page: Page) -> None:
    """Only elements of ours, without a link, and nothing that a host would make one of."""
    assert {name for name, _ in page.elements} <= ALLOWED
    assert [a for _, a in page.elements if set(a) - {"open", "class"}] == []
    assert [a["class"] for _, a in page.elements if "class" in a] in ([], ["language-sh"])
    assert page.comments == []


@pytest.mark.parametrize("bad", NASTY)
def test_markdown_shows_it_and_does_nothing_else(bad: str) -> None:
    made = hostile(bad)
    for limit in (None, 6000, 2500, 1200):
        told = markdown.render([made, made], limit=limit, whole=bad)
        harmless(shown(told))
        fences = [line for line in told.splitlines() if line.lstrip().startswith("```")]
        assert set(fences) <= {"```sh", "```"}
        assert not re.search(r"^\s*/", told, re.MULTILINE)
    told = markdown.render([made])
    for number, row in enumerate(told.splitlines()):
        if row.startswith("| `~`"):
            assert len(re.findall(r"(?<!\\)\|", row)) == 6, (number, row)


@pytest.mark.parametrize("bad", NASTY)
def test_nobody_is_called_and_nothing_is_linked(bad: str) -> None:
    """A host looks for these in the text that Markdown has become, outside of code."""
    outside = re.sub(r"<(code|pre)\b.*?</\1>", "", render_of(prose(bad)), flags=re.DOTALL)
    page = parsed(outside)
    found = "".join(page.texts)
    assert not re.search(r'[@#!%~$^&][\w"]|GH-\d|:\w+:|://|www\.', found), found
    assert page.text == " ".join(bad.replace("\x00", "").replace("\u200b", "").split())


def render_of(source: str) -> str:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).render(f"- {source}")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="`|\\<>[]()!*_#@$~:&;ab /-+=\n\"'.1", max_size=24))
def test_any_text_is_only_text(bad: str) -> None:
    flat = " ".join(bad.split())
    for told in (prose(bad), code(bad)):
        page = parsed(render_of(f"x {told} y"))
        assert {name for name, _ in page.elements} <= {"ul", "li", "code"}
        assert page.text == " ".join(f"x {flat} y".split())
    table = shown(f"| a | b |\n|---|---|\n| {prose(bad)} | {code(bad, cell=True)} |\n")
    assert len(table.all("td")) == 2
    assert "".join(table.texts).replace("\u200b", "").split() == f"a b {flat} {flat}".split()


@pytest.mark.parametrize("bad", NASTY)
def test_the_page_shows_it_and_does_nothing_else(bad: str) -> None:
    page = parsed(html.render([hostile(bad), hostile(bad)]))
    clean = parsed(html.render([hostile("x"), hostile("x")]))
    assert {name for name, _ in page.elements} <= {name for name, _ in clean.elements}
    assert {n for _, a in page.elements for n in a} <= {n for _, a in clean.elements for n in a}
    assert page.inside == clean.inside  # nothing joins our script or our style
    assert page.comments == []
    assert [a for a in page.all("a") if not a["href"].startswith("#")] == []
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert not any(re.search(r"\s", one) for one in ids)
    if bad.strip().isprintable():
        assert " ".join(bad.replace("\u200b", "").split()) in page.text


@pytest.mark.parametrize("bad", NASTY)
def test_text_stays_in_its_lines(bad: str) -> None:
    lines = text.render(hostile(bad)).splitlines()
    if bad.strip("\u200b "):
        assert len(lines) == len(text.render(hostile("x")).splitlines())
    assert all(line.isprintable() for line in lines)


def test_a_value_is_shown_as_it_is() -> None:
    """Escaping must not change what is reviewed."""
    value = "a `b` ``c`` |d| <e> &amp; \\f"
    field = FieldChange("name", "x", "x", value, "changed in manifest")
    made = plan(update("a", fields=(field,)), replacement("b"))
    assert value in shown(markdown.render([made])).text
    assert value in parsed(html.render([made])).text
