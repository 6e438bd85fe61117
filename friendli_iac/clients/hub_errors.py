"""What an error of huggingface_hub means for a model that is to be served."""

from __future__ import annotations

from friendli_iac.core.preflight import Check


def unknown(text: str, remedy: str) -> Check:
    """What cannot be learnt, and what would help."""
    return Check("UNKNOWN", text, remedy)


def why(error: Exception, repo: str, revision: str, *, host: str, token: bool) -> Check:
    """What an error of the library means. Its own words are not repeated: an address or a
    header may be in them.
    """
    from huggingface_hub import errors

    spelling = "Check the spelling"
    match error:
        case errors.HFValidationError():
            return Check("fail", f"{repo!r} is no name of a repository", "Write it as OWNER/NAME.")
        case errors.GatedRepoError():
            who = "the token here may not see it" if token else "there is no HF_TOKEN"
            return unknown(
                f"{repo} is gated, and {who}",
                "Set HF_TOKEN to a token of somebody who accepted its terms.",
            )
        case errors.RepositoryNotFoundError() if token and _status(error) == 404:
            return Check(
                "fail",
                f"{repo} is not on {host}, or it is private and HF_TOKEN may not see it",
                f"{spelling}, or set HF_TOKEN to a token that may read it.",
            )
        case errors.RepositoryNotFoundError() if not token:
            return unknown(
                f"{repo} is private, or not on {host}: without HF_TOKEN it does not say",
                f"{spelling}, and set HF_TOKEN to a token that may read it.",
            )
        case errors.RevisionNotFoundError():
            return Check(
                "fail",
                f"{repo} has no revision {revision!r}",
                "Name a branch, a tag or a commit of it.",
            )
        case errors.DisabledRepoError():
            return Check("fail", f"{host} has disabled {repo}", "Use another one.")
        case errors.HfHubHTTPError() if _status(error) == 401 and token:
            return unknown(
                f"{repo} was not looked at: {host} does not accept HF_TOKEN",
                "Set HF_TOKEN to a valid token, or unset it.",
            )
        case errors.HfHubHTTPError():
            return unknown(
                f"{repo} was not looked at: {host} answered {_status(error)}",
                "Try again later.",
            )
        case ValueError() | KeyError() | TypeError() | AttributeError():
            return unknown(
                f"{repo} was not looked at: what {host} answered makes no sense",
                "Check HF_ENDPOINT.",
            )
        case _:
            return unknown(
                f"{repo} was not looked at: {host} cannot be reached ({type(error).__name__})",
                "Check the network and HF_ENDPOINT, or try again later.",
            )


def _status(error: Exception) -> int:
    return int(getattr(getattr(error, "response", None), "status_code", 0))
