"""A plan with something of everything that can be said, in each form that people read."""

from __future__ import annotations

import re

from friendli_iac.review import html, markdown, text
from friendli_iac.review.links import Links

from ..reviews import COMMIT, delete, plan, refused, rich, update
from .transcript import Scene, scenario

LINKS = Links(f"https://github.com/acme/infra/blob/{COMMIT}")


@scenario
def a_review_as_text(scene: Scene) -> None:
    """At a terminal: once where the policy is overridden, once where it is refused and denied."""
    for made in (rich(), refused()):
        scene.shows(text.render(made, reads=14))


@scenario
def a_review_as_markdown(scene: Scene) -> None:
    """As a comment: whole, of two environments, and in the least room."""
    scene.shows(markdown.render([rich()], links=LINKS))
    both = [plan(delete("legacy"), environment="staging"), plan(update("chat"))]
    scene.shows(markdown.render(both, links=LINKS))
    scene.shows(markdown.render([refused()], limit=2500, whole="https://ci.example.com/run/7"))
    scene.shows(markdown.render([refused()], limit=1000, whole="the page of this job"))


@scenario
def a_review_as_html(scene: Scene) -> None:
    """As a page, without its style and its script."""
    page = html.render([refused()], links=LINKS)
    page = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", page, flags=re.DOTALL)
    scene.shows(re.sub(r"'sha256-[^']*'", "'sha256-HASH'", page))
