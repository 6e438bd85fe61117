"""Where pull requests and issues are: GitHub and GitLab, seen as one `Forge`."""

from friendli_iac.clients.forges.base import Comment, Forge, Issue, Pull, Verdict
from friendli_iac.clients.forges.github import GitHub
from friendli_iac.clients.forges.gitlab import GitLab

__all__ = ["Comment", "Forge", "GitHub", "GitLab", "Issue", "Pull", "Verdict"]
