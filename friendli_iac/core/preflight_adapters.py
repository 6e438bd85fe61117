"""What is known of the LoRA adapters of an endpoint, and whether they fit it and one another. Pure.

That they must be in the format of PEFT, as safetensors, of the base model's number format and with
the same target modules is from Friendli's documents on serving Multi-LoRA models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from friendli_iac.core.preflight import REPO, Check, RepoFacts, access, is_commit
from friendli_iac.resources.endpoint_adapters import base_of
from friendli_iac.resources.spec import Spec, get_path

ADAPTER, TENSORS, OTHER = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
# As safetensors has them, and as config.json does.
_FORMATS = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}

Known = RepoFacts | Check


def judge_adapters(
    blocks: Sequence[Mapping[str, Any]], known: Sequence[Known], spec: Spec, base: str = ""
) -> tuple[Check, ...]:
    """The checks of the adapters of an endpoint with `spec`; `known` has what is known of each, and
    `base` is the number format of its model, empty where that is not known.
    """
    found: list[Check] = []
    both = list(zip(blocks, known, strict=True))
    for block, facts in both:
        checks = [facts] if isinstance(facts, Check) else _one(block, facts, spec)
        found += [_about(block, check) for check in checks]
    read = {b["name"]: f for b, f in both if isinstance(f, RepoFacts) and f.adapter is not None}
    return (*found, *_modules(read), *_formats(read, base))


def _about(block: Mapping[str, Any], check: Check) -> Check:
    return replace(check, text=f"adapter {block['name']}: {check.text}")


def _one(block: Mapping[str, Any], facts: RepoFacts, spec: Spec) -> Iterator[Check]:
    if facts.commit:
        yield from _reach(block, facts)
    if TENSORS in facts.files:
        yield _tensors(facts)
    elif OTHER in facts.files:
        remedy = f"Convert it to {TENSORS}."
        yield Check("fail", f"there is only {OTHER}, which Friendli does not load", remedy)
    else:
        remedy = "Use a LoRA adapter in the format of PEFT."
        yield Check("fail", f"{TENSORS} is missing", remedy)
    if facts.adapter is not None:
        yield from _config(facts.adapter, spec)
    elif ADAPTER not in facts.files:
        yield Check("fail", f"{ADAPTER} is missing", "Use a LoRA adapter in the format of PEFT.")
    elif facts.readable:
        yield Check("fail", f"{ADAPTER} cannot be read", "Use one that holds a JSON object.")


def _tensors(facts: RepoFacts) -> Check:
    if facts.dtypes:
        return Check("ok", f"{TENSORS} is there")
    if facts.commit:
        return Check("UNKNOWN", f"{TENSORS} is there, and the header of its tensors was not read")
    remedy = "Store it as safetensors; if it is a pointer of Git LFS: git lfs pull."
    return Check("fail", f"{TENSORS} has no header of safetensors", remedy)


def _reach(block: Mapping[str, Any], facts: RepoFacts) -> Iterator[Check]:
    for check in access(facts):
        # Without it, nothing of what follows can be looked at.
        here = check.remedy.startswith("Set HF_TOKEN")
        yield replace(check, level="fail") if here and facts.readable is False else check
    if not is_commit(block["huggingFace"].get("revision")):
        why = "not locked: which commit will be attached is not known"
        yield Check("UNKNOWN", why, "Write the full commit as huggingFace.revision.")


def _config(config: Mapping[str, Any], spec: Spec) -> Iterator[Check]:
    kind = config.get("peft_type")
    if kind != "LORA":
        yield Check("fail", f"it is no LoRA adapter, but {_shown(kind)}", "Use a LoRA adapter.")
    base, repo = config.get("base_model_name_or_path"), get_path(spec, REPO)
    if not isinstance(base, str) or not base:
        yield Check("warn", f"{ADAPTER} does not say which model it was trained for")
    elif repo is None:
        what = base_of(spec) or "the endpoint's model"
        yield Check("warn", f"it was trained for {_shown(base)}, which nobody compares with {what}")
    elif base.casefold() == str(repo).casefold():
        yield Check("ok", f"it was trained for {_shown(base)}")
    elif not _NAME.fullmatch(base):
        yield Check("warn", f"it was trained for a folder, which nobody compares with {repo}")
    else:
        yield Check(
            "fail",
            f"it was trained for {base}, and the endpoint serves {repo}",
            "Use an adapter of the model that the endpoint serves.",
        )


def _modules(read: Mapping[str, RepoFacts]) -> Iterator[Check]:
    targets = {name: _targets(facts.adapter or {}) for name, facts in read.items()}
    told = {name: modules for name, modules in targets.items() if modules}
    silent = ", ".join(name for name in targets if name not in told)
    if len(set(told.values())) > 1:
        listed = "; ".join(f"{n} has {', '.join(map(_shown, sorted(t)))}" for n, t in told.items())
        remedy = "Use adapters that were trained with the same target_modules."
        yield Check("fail", f"the adapters have other target modules: {listed}", remedy)
    elif len(targets) > 1 and silent:
        why = f"{ADAPTER} of {silent} names no target modules: whether they are the same"
        yield Check("UNKNOWN", f"{why} is not known")
    elif len(targets) > 1:
        yield Check("ok", "the adapters have the same target modules")


def _targets(config: Mapping[str, Any]) -> frozenset[str]:
    """The modules, or an expression for them; none where it does not say which."""
    said = config.get("target_modules")
    return frozenset(map(str, said if isinstance(said, list) else [said] if said else []))


def _formats(read: Mapping[str, RepoFacts], base: str) -> Iterator[Check]:
    told = {name: sorted(facts.dtypes) for name, facts in read.items() if facts.dtypes}
    formats = {one for dtypes in told.values() for one in dtypes}
    if len(formats) > 1:
        listed = "; ".join(f"{n} has {', '.join(map(_shown, d))}" for n, d in told.items())
        remedy = "Store them in one format."
        yield Check("fail", f"the adapters are not of one number format: {listed}", remedy)
        return
    for one in formats:
        word = _FORMATS.get(one, _shown(one))
        if base in _FORMATS.values() and word != base:
            yield Check(
                "warn",
                f"the adapters are {word}, and their model is {base}: Friendli's documents want "
                "the same",
                f"Store the adapters as {base}.",
            )
        else:
            yield Check("ok", f"the adapters are {word}")


def _shown(text: object) -> str:
    """What a stranger's file says, where it is a plain name."""
    return text if isinstance(text, str) and _NAME.fullmatch(text) else "something else"
