"""The restoration as one JSON object, by the schema in docs/guide/restoration.schema.json."""

from __future__ import annotations

import json

from fillmask.restore.restoration import Restoration


def render(restoration: Restoration) -> str:
    """All that is known of the restoration, for programs."""
    # Half of a surrogate pair cannot be written as UTF-8: those are escaped, all else is readable.
    text = json.dumps(restoration.to_dict(), ensure_ascii=False, indent=2)
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text) + "\n"
