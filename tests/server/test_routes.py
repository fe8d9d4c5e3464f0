"""One table decides on the path; what it does not know, by whatever spelling, is nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.server.http.routes import TASKS, RouteTable, checked_root_path

_METHODS = {
    **{path: frozenset({"POST"}) for path in TASKS},
    "/": frozenset({"GET", "POST"}),
    "/info": frozenset({"GET"}),
    "/metrics": frozenset({"GET"}),
    "/health": frozenset({"GET"}),
    "/health/live": frozenset({"GET"}),
}
_TABLE = RouteTable(_METHODS)


@pytest.mark.parametrize("path", list(TASKS))
def test_every_route_of_the_model_has_its_task(path: str) -> None:
    route = _TABLE.find(path, "POST")
    assert (route.path, route.task, route.error) == (path, TASKS[path], None)


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n", "/", "\0", " ", ";a", "\u2028", "\x0b", "%0A", "?", "#"])
@pytest.mark.parametrize("path", ["/v1/fill-mask", "/v1/restore", "/info", "/health/live"])
def test_an_ending_is_another_path(path: str, ending: str) -> None:
    for method in ("GET", "POST"):
        error = _TABLE.find(path + ending, method).error
        assert error is not None
        assert error.error_type == "not_found"


@given(st.text(), st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "get"]), st.sampled_from(["", "/p", "/v1"]))
def test_a_route_is_what_the_table_holds(path: str, method: str, root_path: str) -> None:
    route = _TABLE.find(path, method, root_path=root_path)
    if route.error is None and route.redirect is None:
        assert route.method in _METHODS[route.path]
        assert path in (route.path, root_path + route.path, root_path)
    if route.task is None:
        assert route.method != "POST" or route.error is not None


def test_a_wrong_method_names_the_right_ones() -> None:
    error = _TABLE.find("/v1/score", "GET").error
    assert error is not None
    assert (error.status, error.headers) == (405, {"Allow": "POST"})
    error = _TABLE.find("/info", "POST").error
    assert error is not None
    assert (error.status, error.headers) == (405, {"Allow": "GET, HEAD"})
    assert _TABLE.find("/info", "HEAD").method == "GET"


@pytest.mark.parametrize("table", [_TABLE, RouteTable(_METHODS, root_path="/some/prefix")])
def test_a_prefix_may_be_there_or_not(table: RouteTable) -> None:
    given_by_server = "/some/prefix" if table is _TABLE else ""
    for path in ("/v1/fill-mask", "/some/prefix/v1/fill-mask"):
        assert table.find(path, "POST", root_path=given_by_server).task == "fill-mask"
    assert table.find("/some/prefix", "POST", root_path=given_by_server).task == "fill-mask"
    assert table.find("/some/prefix", "GET", root_path=given_by_server).redirect == "/some/prefix/"
    for path in ("/some/prefixx/info", "/some/prefix//info", "/some/prefix/some/prefix/info", "/some/info"):
        assert table.find(path, "GET", root_path=given_by_server).error is not None


def test_health_needs_no_key_and_all_else_does() -> None:
    assert not _TABLE.find("/health/live", "GET").needs_key
    assert not _TABLE.find("/health", "HEAD").needs_key
    for path in ("/", "/info", "/metrics", "/nowhere", "/health/live\n", "/health/"):
        assert _TABLE.find(path, "GET").needs_key


def test_metrics_at_a_port_of_their_own() -> None:
    table = RouteTable(_METHODS, metrics_port=9)
    assert table.find("/metrics", "GET", port=8).error is not None
    route = table.find("/metrics", "GET", port=9)
    assert (route.error, route.needs_key) == (None, False)
    assert table.find("/health", "GET", port=9).error is None
    for path in ("/", "/info", "/v1/fill-mask"):
        assert table.find(path, "POST", port=9).error is not None


def test_a_route_without_limits_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="/v2/new"):
        RouteTable({"/v2/new": frozenset({"POST"})})


def test_prefixes() -> None:
    assert [checked_root_path(prefix) for prefix in ("", "/", "/a", "/a/b/")] == ["", "", "/a", "/a/b"]
    for wrong in ("a", "//a", "/a b", "/a?b", "https://example.org/a"):
        with pytest.raises(ValueError, match="expected a path"):
            checked_root_path(wrong)
