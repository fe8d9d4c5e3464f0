"""The HTTP service on Ray Serve: `serve run fillmask.server.ray_serve:deployment model=… max_replicas=4`.

A replica is the application of `fillmask serve`, with its batches, limits and
metrics; Ray Serve starts replicas, spreads requests over them, adds some when
requests wait and replaces those that die. Keys for requests are taken from
FILLMASK_API_KEY or FILLMASK_API_KEY_FILE on the nodes, as by `fillmask serve`.
The application works under any `route_prefix`.
"""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import Any

from fillmask.errors import InputError, MissingExtraError
from fillmask.server.limits import Limits
from fillmask.server.settings import ServerSettings

try:
    from ray import serve
except ImportError as missing:
    raise MissingExtraError("Ray Serve", "ray") from missing

_RAY_DEFAULTS = {"min_replicas": 1, "max_replicas": 1, "cpus": 1.0, "target_requests": 8.0}
_INTEGERS = ("threads", "replicas")
_SETTINGS = (
    "model",
    "engine",
    "precision",
    "device",
    "threads",
    "replicas",
    "timeout",
    "restore_timeout",
    "batch_wait",
)
_LISTS = ("allowed_hosts", "cors", "limits")


def deployment(args: dict[str, str]) -> serve.Application:
    """The application for `serve run` or a Serve config.

    Args:
        args: settings of `fillmask serve` by name (model, engine, precision, device, threads, replicas, timeout,
            restore_timeout, batch_wait; allowed_hosts, cors and limits, several with spaces between), and of Ray Serve:
            min_replicas, max_replicas, cpus (of a replica) and target_requests (in a replica, before another is added).

    Raises:
        InputError: no such setting, or a value that cannot be used.
    """
    ray, settings = _settings(args)

    def build() -> Any:
        from fillmask.server.http.app import create_app
        from fillmask.server.http.auth import read_keys
        from fillmask.server.service import Service

        # Keys are read on the node and not sent about with the application.
        service = Service(replace(settings, api_keys=read_keys(())))
        service.give_up = lambda message: os._exit(1)  # Ray Serve starts another replica
        return create_app(service)

    made: Any = serve.deployment(serve.ingress(build)())
    made = made.options(
        name="fillmask",
        ray_actor_options={"num_cpus": ray["cpus"]},
        max_ongoing_requests=1000,  # the service has limits and refusals of its own
        autoscaling_config={
            "min_replicas": int(ray["min_replicas"]),
            "max_replicas": int(max(ray["min_replicas"], ray["max_replicas"])),
            "target_ongoing_requests": ray["target_requests"],
        },
    )
    application: serve.Application = made.bind()
    return application


def _settings(args: dict[str, str]) -> tuple[dict[str, float], ServerSettings]:
    ray: dict[str, float] = dict(_RAY_DEFAULTS)
    # Ray's proxy listens, so the replica is called by any address, as a service that listens at all of them.
    settings: dict[str, Any] = {"threads": 1, "host": "0.0.0.0"}
    kinds = {field.name: field.type for field in fields(ServerSettings)}
    for name, value in args.items():
        try:
            if name in ray:
                ray[name] = float(value)
            elif name in _INTEGERS:
                settings[name] = int(value)
            elif name == "limits":
                settings[name] = Limits().with_settings(value.split())
            elif name in _LISTS:
                settings[name] = tuple(value.split())
            elif name in _SETTINGS:
                settings[name] = float(value) if kinds[name] == "float" else str(value)
            else:
                raise InputError(
                    f"there is no setting {name!r}; expected any of {', '.join([*_SETTINGS, *_LISTS, *_RAY_DEFAULTS])}"
                )
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{name} is {value!r}; expected a number") from error
    return ray, ServerSettings(**settings)
