"""The one decision which route a request is for.

The router behind it compares paths by patterns, and what else decides on a
path would have to read it in the very same way. So the path is compared here,
with `==`, once for each request; limits, keys and metrics take the route that
comes out, and the router sees the path of that route and never the client's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fillmask.server.errors import ApiError

# The task of each route that asks the model.
TASKS = {
    "/": "fill-mask",
    "/v1/fill-mask": "fill-mask",
    "/v1/score": "score",
    "/v1/classify": "classify",
    "/v1/restore": "restore",
}
HEALTH = ("/health", "/health/live", "/health/ready")  # for everybody, without a key
METRICS = "/metrics"


@dataclass(frozen=True)
class Route:
    """Where a request goes.

    Attributes:
        path: the path of the route; `other` for a request that no route is for.
        method: the method that the application answers: GET for a HEAD request.
        task: the task of the model that is asked; None for all other routes.
        needs_key: whether the request must carry a key, where the service has keys.
        error: why no route is for the request.
        redirect: where the client is to go instead.
    """

    path: str
    method: str
    task: str | None = None
    needs_key: bool = True
    error: ApiError | None = field(default=None, compare=False)
    redirect: str | None = None


class RouteTable:
    """All routes of the application.

    Args:
        methods: the methods of each path.
        root_path: the prefix under which a proxy shows the service.
        metrics_port: the port on which `/metrics` is answered in place of the others.

    Raises:
        ValueError: a route that reads a body has no task, and so no limits.
    """

    def __init__(
        self, methods: Mapping[str, frozenset[str]], *, root_path: str = "", metrics_port: int | None = None
    ) -> None:
        unlimited = [path for path, names in methods.items() if "POST" in names and path not in TASKS]
        if unlimited:
            raise ValueError(f"routes without limits: {unlimited}")
        self._root_path = root_path
        self._metrics_port = metrics_port
        observed = {*HEALTH, METRICS}
        self._metrics_routes = {path: names for path, names in methods.items() if path in observed}
        self._routes = {path: names for path, names in methods.items() if metrics_port is None or path != METRICS}

    def find(self, path: str, method: str, *, root_path: str = "", port: int | None = None) -> Route:
        """The route of a request.

        Args:
            path: of the request, with or without the prefix.
            root_path: the prefix that the server in front says; that of the table where it says none.
            port: the port that the request came in at.
        """
        on_metrics_port = self._metrics_port is not None and port == self._metrics_port
        routes = self._metrics_routes if on_metrics_port else self._routes
        prefix = root_path.rstrip("/") or self._root_path
        if prefix and path == prefix and method in ("GET", "HEAD"):
            return Route("other", method, redirect=prefix + "/")  # relative links of the page need the slash
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            path = path[len(prefix) :] or "/"
        methods = routes.get(path)
        if methods is None:
            error = ApiError("not_found", "there is nothing at this path; see /docs")
            return Route("other", method, error=error, needs_key=not on_metrics_port)
        open_to_all = path in HEALTH or on_metrics_port
        answered = "GET" if method == "HEAD" else method
        if answered not in methods:
            names = sorted({*methods, *(("HEAD",) if "GET" in methods else ())})
            error = ApiError(
                "method_not_allowed",
                f"{method[:20]} is not possible here; expected {' or '.join(names)}",
                {"Allow": ", ".join(names)},
            )
            return Route(path, method, error=error, needs_key=not open_to_all)
        return Route(path, answered, TASKS[path] if answered == "POST" else None, needs_key=not open_to_all)


def checked_root_path(root_path: str) -> str:
    """The prefix without a slash at its end.

    Raises:
        ValueError: it is no path.
    """
    prefix = root_path.rstrip("/")
    if prefix and (not prefix.startswith("/") or "//" in prefix or any(c in prefix for c in "?#% \t\r\n")):
        raise ValueError(f"the prefix is {root_path!r}; expected a path such as /fillmask")
    return prefix
