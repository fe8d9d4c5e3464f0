"""An HTTP service over one model: `fillmask serve`.

Two kinds of process. The server (`http`, `service`, `scheduling`) speaks HTTP,
tokenizes texts, decides what is admitted and what waits, and makes batches. A
model process (`worker`) owns the model and answers what it is sent, so that its
death is an event to handle and not the end of the service.

    HTTP ─ connection ─ limits_middleware ─ app ─ service ─┬─ batcher ──┐                ┌─ batches ─┐
           slow clients  host, route, key,                 └─ jobs ─────┴─ replica ─pipe─┤           ├─ scheduler ─ engine
                         capacity, body                                                  └─ jobs ────┘

The package knows HTTP, limits, queues, and processes. How a task runs is for
`tasks` and `restore` to know.
"""
