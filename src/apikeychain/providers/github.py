"""GitHub's REST API: a repository and its issues, to read.

Source: https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api (read on 2026-11-24): one
without a User-Agent is refused, and X-GitHub-Api-Version names the version that is wanted.
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import PathParameter, ProxyRoute, QueryParameter

GITHUB = Provider(
    "github",
    "https://api.github.com",
    HeaderCredential("Authorization", "Bearer "),
    user_agent="apikeychain",
    headers=(("X-GitHub-Api-Version", "2022-11-28"),),
    source="https://docs.github.com/rest/using-the-rest-api/getting-started-with-the-rest-api",
    reviewed="2026-11-24",
)

_REPOSITORY = (
    PathParameter("owner", pattern=r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}"),
    PathParameter("repo", pattern=r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}"),
)
_PAGE = (
    QueryParameter("per_page", type="integer", minimum=1, maximum=100),
    QueryParameter("page", type="integer", minimum=1, maximum=10_000),
)
_TOLERATED = ("authorization", "user-agent", "x-github-api-version")
_ANSWER = ("Link", "X-GitHub-Media-Type")

ROUTES = (
    ProxyRoute(
        "repository",
        provider="github",
        path="/repos/{owner}/{repo}",
        parameters=_REPOSITORY,
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
    ),
    ProxyRoute(
        "issues",
        provider="github",
        path="/repos/{owner}/{repo}/issues",
        parameters=(
            *_REPOSITORY,
            QueryParameter("state", choices=("open", "closed", "all")),
            QueryParameter("labels", max_length=200),
            QueryParameter("sort", choices=("created", "updated", "comments")),
            QueryParameter("direction", choices=("asc", "desc")),
            *_PAGE,
        ),
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
    ),
)
