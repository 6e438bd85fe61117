"""What a request body means for the settings of an endpoint: defaults, merging, contradictions."""

from .catalog import DEFAULT_OPTION_ID, INSTANCE_OPTIONS, find_option
from .model import DEFAULT_AUTOSCALING, Json
from .validation import ApiError, Body

_COMMENT_KEYS = ("initialVersionComment", "newVersionComment")
_MODEL_KEYS = ("hfModelRepo", "hfModelRepoRevision", "uploadedModelId", "wandbArtifactVersionName")


def settings_of_create(body: Body) -> Json:
    """The settings of version 0."""
    sent = _sent(body)
    _check_contradictions(sent)
    if "simplescale" not in sent and "autoscalingPolicy" not in sent:
        raise ApiError(400, {"detail": "Either autoscalingPolicy or simplescale is required."})
    return _complete(
        {key: value for key, value in sent.items() if key not in ("projectId", *_COMMENT_KEYS)}
    )


def settings_of_update(current: Json, body: Body) -> Json:
    """`current` with what a PUT changes.

    Merge or replace is unknown in the real API. The emulator merges: what is absent or null at the
    top level stays, and so do the keys that a sent `advanced` lacks; a null in it is a value. A
    partial `autoscalingPolicy` is filled up with the defaults of the OpenAPI.
    """
    sent = _sent(body)
    _check_contradictions(sent)
    merged = dict(current)
    if "simplescale" in sent or "autoscalingPolicy" in sent:
        merged.pop("simplescale", None)
        merged.pop("autoscalingPolicy", None)
    other_model = sent.get("hfModelRepo", current.get("hfModelRepo")) != current.get("hfModelRepo")
    if other_model or "uploadedModelId" in sent or "wandbArtifactVersionName" in sent:
        # A revision is a commit of its repository: it says nothing about another one.
        for key in _MODEL_KEYS:
            merged.pop(key, None)
    merged |= {key: value for key, value in sent.items() if key not in _COMMENT_KEYS}
    if "advanced" in sent:
        merged["advanced"] = {**current["advanced"], **sent["advanced"]}
    if "hfModelRepoRevision" in sent and "hfModelRepo" not in merged:
        raise ApiError(400, {"detail": "hfModelRepoRevision needs hfModelRepo."})
    return _complete(merged)


def settings_of_artifact(current: Json | None, body: Body) -> Json:
    """The settings of an endpoint that the W&B route creates, or rolls out again."""
    changes = {
        key: body[key]
        for key in ("name", "autoscalingPolicy", "wandbArtifactVersionName")
        if body.get(key) is not None
    }
    if accelerator := body.get("accelerator"):
        option = find_option(accelerator["type"], accelerator["count"])
        if option is None:
            raise ApiError(400, {"detail": "No such accelerator."})
        changes["instanceOptionId"] = option
    if current is not None:
        return settings_of_update(current, changes)
    defaults = {
        "name": "wandb-" + body["wandbArtifactVersionName"].split("/")[-1].split(":")[0],
        "instanceOptionId": DEFAULT_OPTION_ID,
        "autoscalingPolicy": {},
        "advanced": {"tokenizer_skip_special_tokens": True, "tokenizer_add_special_tokens": True},
    }
    return settings_of_create(defaults | changes)


def _sent(body: Body) -> Body:
    return {key: value for key, value in body.items() if value is not None}


def _check_contradictions(sent: Body) -> None:
    if "simplescale" in sent and "autoscalingPolicy" in sent:
        raise ApiError(400, {"detail": "autoscalingPolicy and simplescale exclude each other."})
    if "uploadedModelId" in sent and ("hfModelRepo" in sent or "hfModelRepoRevision" in sent):
        raise ApiError(400, {"detail": "hfModelRepo and uploadedModelId exclude each other."})


def _complete(settings: Json) -> Json:
    """`settings` with the defaults of the OpenAPI; 400 for values that cannot be."""
    if settings["instanceOptionId"] not in INSTANCE_OPTIONS:
        raise ApiError(400, {"detail": f"No instance option {settings['instanceOptionId']}."})
    completed = {**settings, "advanced": {"max_token_count": 2560, **settings["advanced"]}}
    if "autoscalingPolicy" in settings:
        policy = {**DEFAULT_AUTOSCALING, **settings["autoscalingPolicy"]}
        if policy["minReplica"] > policy["maxReplica"]:
            raise ApiError(400, {"detail": "minReplica is greater than maxReplica."})
        completed["autoscalingPolicy"] = policy
    return completed
