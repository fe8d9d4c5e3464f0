"""An HTTP service over one model: `fillmask serve`.

Two kinds of process. The server (`app`, `gate`, `service`) speaks HTTP, reads
texts into token ids, decides what is let in and what waits, and makes batches.
A model process (`worker`) owns the model and answers what it is sent, so that
its death is an event to handle and not the end of the service.

    HTTP ─ gate ─ app ─ service ─┬─ batcher ──┐                ┌─ batches ─┐
           limits, key,          └─ jobs ─────┴─ replica ─pipe─┤           ├─ turns ─ engine
           admission, deadline                                 └─ jobs ────┘
"""
