"""The HTTP service on Ray Serve: `serve run fillmask.server.ray_serve:deployment model=… max_replicas=4`.

A replica is the application of `fillmask serve`, with its batches, limits and
metrics; Ray Serve starts replicas, spreads requests over them, adds some when
requests wait and replaces those that die. A key for requests is taken from
FILLMASK_API_KEY on the nodes, as by `fillmask serve`.
"""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import Any

from fillmask.errors import InputError, MissingExtraError
from fillmask.server.settings import ServerSettings

try:
    from ray import serve
except ImportError as missing:
    raise MissingExtraError("Ray Serve", "ray") from missing

_OWN = {"min_replicas": 1, "max_replicas": 1, "cpus": 1.0, "target_requests": 8.0}
_WHOLE = ("threads", "replicas")
_TAKEN = ("model", "engine", "precision", "device", "threads", "replicas", "timeout", "restore_timeout", "batch_wait")


def deployment(args: dict[str, str]) -> serve.Application:
    """The application for `serve run` or a Serve config.

    Args:
        args: settings of `fillmask serve` by name (model, engine, precision, device, threads, replicas, timeout,
            restore_timeout, batch_wait), and of Ray Serve: min_replicas, max_replicas, cpus (of a replica) and
            target_requests (in a replica, before another is added).

    Raises:
        InputError: no such setting, or a value that cannot be used.
    """
    own, settings = _settings(args)

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
        ray_actor_options={"num_cpus": own["cpus"]},
        max_ongoing_requests=1000,  # the service has limits and refusals of its own
        autoscaling_config={
            "min_replicas": int(own["min_replicas"]),
            "max_replicas": int(max(own["min_replicas"], own["max_replicas"])),
            "target_ongoing_requests": own["target_requests"],
        },
    )
    application: serve.Application = made.bind()
    return application


def _settings(args: dict[str, str]) -> tuple[dict[str, float], ServerSettings]:
    own: dict[str, float] = dict(_OWN)
    settings: dict[str, Any] = {"threads": 1}
    kinds = {field.name: field.type for field in fields(ServerSettings)}
    for name, value in args.items():
        try:
            if name in own:
                own[name] = float(value)
            elif name in _WHOLE:
                settings[name] = int(value)
            elif name in _TAKEN:
                settings[name] = float(value) if kinds[name] == "float" else str(value)
            else:
                raise InputError(f"there is no setting {name!r}; expected any of {', '.join([*_TAKEN, *_OWN])}")
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{name} is {value!r}; expected a number") from error
    return own, ServerSettings(**settings)
