"""What is known of a model's repository, and what that means for an endpoint that is to serve it.

Pure: what is known is looked up elsewhere, and judged here. What cannot be known is UNKNOWN, never
ok: Friendli downloads with an integration of its own, whose access cannot be seen from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from friendli_iac.core.weights import missing_files, weight_files
from friendli_iac.resources import instances
from friendli_iac.resources.spec import Spec, get_path

REPO = "model.huggingFace.repo"
REVISION = "model.huggingFace.revision"
TIGHT = 0.8  # of the memory: what the weights leave is for the KV cache and the activations
GB = 1e9  # bytes, as Hugging Face counts them

Level = Literal["ok", "warn", "fail", "UNKNOWN"]

_COMMIT = re.compile("[0-9a-f]{40}")
_WORD = re.compile(r"[\w.-]{1,30}")
_OTHER_WEIGHTS = (".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack")
_SHOWN = 3  # of the names in a list


@dataclass(frozen=True)
class Check:
    """One judgement. What cannot be known is UNKNOWN, never ok. `remedy` is what to do about it."""

    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class RepoFacts:
    """A model repository on Hugging Face at one commit.

    `files` are paths with sizes in bytes, None where the hub tells none. `gated`: its files are for
    those only who accepted its terms. `readable` says whether the token here may read the files,
    None when that is not known; `token` whether there is one. `config` is config.json, None when
    it is not there or could not be read; `chat_template` is None when it is not known. Of a LoRA
    adapter, `adapter` is adapter_config.json, and `dtypes` are those of its tensors, none when they
    are not known: of a folder, then they have no header. For a folder on this machine, `repo` is
    its path and `commit` is empty.
    """

    repo: str
    commit: str
    gated: bool = False
    private: bool = False
    readable: bool | None = None
    token: bool = False
    files: Mapping[str, int | None] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    chat_template: bool | None = None
    adapter: Mapping[str, Any] | None = None
    dtypes: frozenset[str] = frozenset()


def is_commit(revision: object) -> bool:
    """Whether a revision names one commit for ever. Short ones may become ambiguous."""
    return isinstance(revision, str) and _COMMIT.fullmatch(revision) is not None


def judge(
    known: RepoFacts | Check, *, spec: Spec, gpu_memory_gb: float | None
) -> tuple[Check, ...]:
    """The checks of an endpoint's whole `spec`, as it will be sent. `known` is a check where
    nothing could be learnt. `gpu_memory_gb` is the memory of all GPUs of a replica, None when the
    table does not have them.
    """
    found = list(_locked(spec))
    if isinstance(known, Check):
        return (known, *found)
    found = [*access(known), *found, _weights(known), *_config(known)]
    if get_path(spec, "rollout.probe.chat") is not None:
        found.append(_chat_template(known))
    size = _size(known, spec, gpu_memory_gb)
    return (*found, *([size] if size else []))


def unseen(spec: Spec) -> Check | None:
    """The check of a model that no hub knows, None for one from Hugging Face. A spec without a
    model has none either.
    """
    if get_path(spec, "model.uploaded") is None:
        return None
    return Check("UNKNOWN", "an uploaded model: Friendli's API shows nothing of it")


def memory_of(spec: Spec) -> float | None:
    """The memory of all GPUs of a replica in GB; one GPU where no count is said. None when the
    table does not have the instance.
    """
    gpu = get_path(spec, "instance.gpu")
    return instances.memory_gb(gpu, _count(spec)) if isinstance(gpu, str) else None


def _count(spec: Spec) -> int:
    return get_path(spec, "instance.count") or 1


def _locked(spec: Spec) -> list[Check]:
    revision = get_path(spec, REVISION)
    if is_commit(revision):
        return []
    why = (
        f"{revision!r} goes to Friendli as it is, and which commit that will be is not known"
        if revision
        else "no revision is said, and which commit Friendli takes is not known"
    )
    return [
        Check(
            "UNKNOWN",
            f"not locked: {why}",
            "Write the full commit as model.huggingFace.revision.",
        )
    ]


def access(known: RepoFacts) -> list[Check]:
    """Who may read it."""
    where = f"{known.repo} at {known.commit[:7]}"
    kind = "private" if known.private else "gated" if known.gated else ""
    if not kind:
        return [Check("ok", f"{where}: public")]
    if known.readable:
        here = Check("ok", f"{where}: {kind}, and the token here may read it")
    elif known.readable is None:
        here = Check("UNKNOWN", f"{where}: {kind}; whether the token here may read it")
    else:
        who = "the token here may not read it" if known.token else "there is no HF_TOKEN here"
        here = Check(
            "UNKNOWN",
            f"{where}: {kind}, and {who}",
            "Set HF_TOKEN to a token of somebody who accepted its terms."
            if known.gated
            else "Set HF_TOKEN to a token that may read it.",
        )
    return [
        here,
        Check(
            "UNKNOWN",
            f"whether Friendli's own Hugging Face integration may read it: it is {kind}",
            "See the Hugging Face integration in Friendli's web page.",
        ),
    ]


def _weights(known: RepoFacts) -> Check:
    found = weight_files(known.files)
    missing, of, names = missing_files(found)
    if missing:
        return Check(
            "fail",
            f"{missing} of {of} weight files are missing: {_some(names, total=missing)}",
            "Use a commit that has them all: an upload may have stopped half-way.",
        )
    if found:
        only = found == ["adapter_model.safetensors"]
        if only:
            return Check(
                "fail",
                "it is an adapter, not a whole model: there is only adapter_model.safetensors",
                "Name the base model, or a repository with the adapter merged into it.",
            )
        return Check("ok", f"{len(found)} safetensors file{'s' if len(found) > 1 else ''}")
    nested = sorted({n.rpartition("/")[0] for n in known.files if n.endswith(".safetensors")})
    if nested:
        return Check(
            "fail",
            f"the safetensors files are not in the top folder, but in {_some(nested)}",
            "Use a repository that has them in the top folder.",
        )
    others = sorted(
        {ending for ending in _OTHER_WEIGHTS if any(n.endswith(ending) for n in known.files)}
    )
    return Check(
        "fail",
        f"there are no safetensors files, only {_some(others)}"
        if others
        else "there are no safetensors files",
        "Convert the weights to safetensors, or use a repository that has them.",
    )


def _config(known: RepoFacts) -> list[Check]:
    if "config.json" in known.files:
        return [Check("ok", "config.json is there")]
    nested = sorted(n.rpartition("/")[0] for n in known.files if n.endswith("/config.json"))
    return [
        Check(
            "fail",
            f"config.json is not in the top folder, but in {_some(nested)}"
            if nested
            else "config.json is missing",
            "Use a repository in the format of transformers.",
        )
    ]


def _chat_template(known: RepoFacts) -> Check:
    if known.chat_template:
        return Check("ok", "it has a chat template")
    if known.chat_template is None:
        return Check("UNKNOWN", "whether it has a chat template, which the chat probe needs")
    return Check(
        "warn",
        "it has no chat template, and the probe is a chat",
        "Probe with tokenize, or use a model that was made for chats.",
    )


def _size(known: RepoFacts, spec: Spec, memory: float | None) -> Check | None:
    found = weight_files(known.files)
    if not found:
        return None  # that is a failure of its own
    if missing_files(found)[0]:
        return Check("UNKNOWN", "the size of the weights: files are missing")
    sizes = [size for name in found if (size := known.files[name]) is not None]
    if len(sizes) < len(found):
        return Check("UNKNOWN", "the size of the weights: the hub does not tell it")
    weights, kind = sum(sizes) / GB, number_format(known)
    shown = f"weights {gigabytes(weights)} GB" + (f" ({kind})" if kind else "")
    option = get_path(spec, "instance.optionId")
    if memory is None:
        what = f"instance option {option}" if option else get_path(spec, "instance.gpu")
        return Check("UNKNOWN", f"{shown}; the memory of {what or 'its GPUs'} is not known")
    gpu, count = str(get_path(spec, "instance.gpu")), _count(spec)
    shown += f" on {memory:g} GB ({count} × {gpu})"
    if weights <= memory * TIGHT:
        return Check("ok", shown)
    remedy = _roomier(known, gpu, count, weights)
    if weights > memory:
        return Check("fail", f"{shown}: they do not fit", remedy)
    return Check("warn", f"{shown}: TIGHT, little is left for the KV cache", remedy)


def _roomier(known: RepoFacts, gpu: str, count: int, weights: float) -> str:
    ways = [f"{n} × {g}" for g, n in instances.with_memory(gpu, count, weights / TIGHT)]
    if not (known.config or {}).get("quantization_config"):
        ways.insert(0, "a quantized model")
    if not ways:
        return "Use a smaller model."
    *first, last = ways
    return f"Use {', '.join(first)} or {last}." if first else f"Use {last}."


def number_format(known: RepoFacts) -> str:
    """How the weights are stored, such as bfloat16 or fp8; empty when config.json does not say."""
    config = known.config or {}
    quantization = config.get("quantization_config")
    inner = config.get("text_config")
    said = [quantization.get("quant_method")] if isinstance(quantization, Mapping) else []
    for part in (config, inner if isinstance(inner, Mapping) else {}):
        said += [part.get("dtype"), part.get("torch_dtype")]
    # Anybody can write a config.json: nothing but a short word is repeated.
    words = (word for word in said if isinstance(word, str) and _WORD.fullmatch(word))
    return next(words, "")


def gigabytes(amount: float) -> str:
    """An amount in GB, with a decimal where it matters."""
    return f"{amount:.1f}" if amount >= 0.1 else f"{amount:.3f}"


def _some(names: list[str], total: int = 0) -> str:
    """The first of `names`, and how many more there are, of `total` where that is given."""
    more = max(total, len(names)) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
