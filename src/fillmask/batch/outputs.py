"""A shard as files: encoded whole in memory, then committed so that it is there or not.

A file is written under another name, flushed to the disk and renamed; the
rejects of a shard come before its answers, and both before the manifest's
line. So whatever happens a shard that the manifest names is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fillmask.batch.columns import Column, plain
from fillmask.batch.manifest import CommittedShard, part_name, rejects_name, resumable
from fillmask.batch.rows import ROW, ShardRows
from fillmask.data.atomic import write_bytes
from fillmask.data.remote import AnyPath
from fillmask.data.values import json_text


@dataclass(frozen=True)
class EncodedShard:
    """A shard ready to be committed.

    Attributes:
        shard, count, rows, rejected, masks: as of `CommittedShard`.
        data: its file.
        rejects: the file of its rejects; empty where there are none.
    """

    shard: int
    count: int
    rows: int
    rejected: int
    masks: int
    data: bytes
    rejects: bytes


@dataclass(frozen=True)
class ShardEncoder:
    """Makes files of shards.

    Attributes:
        format: one of `fillmask.choices.SHARD_FORMATS`.
        types: of the carried columns.
        provenance: JSON that says where the answers come from; Parquet files carry it.
    """

    format: str
    types: Mapping[str, str]
    provenance: str

    def encode(self, rows: ShardRows, answers: Sequence[Column], masks: int) -> EncodedShard:
        """A shard: for each row its number, what it carried, and its answers."""
        if self.format == "parquet":
            from fillmask.batch.arrow_rows import encode_parquet

            data = encode_parquet(rows, answers, self.types, self.provenance)
        else:
            data = _lines(rows, answers)
        rejects = "".join(f"{reject.to_json()}\n" for reject in rows.rejects).encode()
        return EncodedShard(rows.shard, rows.count, len(rows.numbers), len(rows.rejects), masks, data, rejects)


def _lines(rows: ShardRows, answers: Sequence[Column]) -> bytes:
    names = [column.name for column in answers]
    values = zip(*(plain(column.values) for column in answers), strict=True)
    lines = [
        json_text({ROW: number, **record, **dict(zip(names, answer, strict=True))})
        for number, record, answer in zip(rows.numbers, rows.carried.records(), values, strict=True)
    ]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def commit(folder: AnyPath, encoded: EncodedShard, format: str) -> CommittedShard:
    """Put a shard's files in their places, and say what they are.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    rejects = folder / rejects_name(encoded.shard)
    try:
        if encoded.rejects:
            write_bytes(rejects, encoded.rejects)
        else:
            rejects.unlink(missing_ok=True)
        write_bytes(folder / part_name(encoded.shard, format), encoded.data)
    except OSError as error:
        raise resumable(error) from error
    return CommittedShard(
        encoded.shard, encoded.count, encoded.rows, encoded.rejected, encoded.masks, len(encoded.data)
    )
