"""Adapter: a LoRA adapter that endpoints refer to. It has no state and makes no request of its own.

The public API of Friendli has no field for adapters (OpenAPI of 2026-07-22): see
`friendli_iac.resources.endpoint_adapters` for what is done about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from friendli_iac.resources.spec import Spec, SpecModel, set_path
from friendli_iac.resources.values import Text


class AdapterRepo(SpecModel):
    """A repository on Hugging Face with a LoRA adapter in the format of PEFT."""

    repo: Text = Field(description="The repository, such as `acme/llama-3.1-8b-support-lora`.")
    revision: Text | None = Field(
        default=None, description="A commit, a branch or a tag. Left out, the newest one."
    )


class AdapterSpec(SpecModel):
    """A LoRA adapter: called as `ENDPOINT_ID:ROUTE`."""

    ALTERNATIVES: ClassVar = (("huggingFace",), ("folder",))
    REQUIRED: ClassVar = True

    route: Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)] = Field(
        description="What comes after the endpoint's id in a request's `model`. Unique for each "
        "endpoint that serves it."
    )
    hugging_face: AdapterRepo | None = None
    folder: Text | None = Field(
        default=None,
        description="A folder of the project with the adapter's files, for one that was uploaded "
        "to Friendli.",
    )


# What of an adapter a service can be told.
PARTS = ("route", "repo", "revision")


@dataclass(frozen=True)
class AdapterField:
    """How a service takes adapters with create and update: a list at the dotted path `field` of the
    body. Each item is one of PARTS, or an object: our names for its keys, by the service's.
    """

    field: str
    item: str | Mapping[str, str] = "route"

    def lacks(self, block: Mapping[str, Any]) -> str:
        """What an item is, and this adapter does not say; empty when it does."""
        if not isinstance(self.item, str):
            return ""  # a key without a value is left out
        return "" if self._item(block) is not None else self.item

    def sent(self, blocks: Sequence[Mapping[str, Any]]) -> Spec:
        """`sentAdapters` for these adapters, which are blocks as Endpoints have them."""
        body: Spec = {}
        set_path(body, self.field, [self._item(block) for block in blocks])
        return {"routes": [block["route"] for block in blocks], "body": body}

    def _item(self, block: Mapping[str, Any]) -> object:
        parts = {"route": block["route"], **block.get("huggingFace", {})}
        if isinstance(self.item, str):
            return parts.get(self.item)
        return {key: parts[part] for key, part in self.item.items() if part in parts}
