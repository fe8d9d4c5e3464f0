"""Checkpoints of the Hugging Face hub, through `huggingface_hub`.

Its cache, environment (`HF_HOME`, `HF_HUB_OFFLINE`, `HF_ENDPOINT`, tokens)
and progress bars are used as they are. Only the files that fillmask reads are
fetched: never a pickle, never code. Knows names and files, not what is in
them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fillmask.errors import CheckpointError, CheckpointNotFoundError

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
FILES = (
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-?????-of-?????.safetensors",
    *TOKENIZER_FILES,
)
_ID = re.compile(r"(?P<repository>[\w][\w.-]*(?:/[\w][\w.-]*)?)(?:@(?P<revision>[\w][\w./-]*))?")


@dataclass(frozen=True)
class HubName:
    """A repository of the hub, and a branch, tag or commit of it (None for its main branch)."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"


def parse(text: str) -> HubName | None:
    """`id` or `id@revision` as a hub name; None where the text cannot be one, being a path."""
    match = _ID.fullmatch(text)
    return HubName(match["repository"], match["revision"]) if match else None


def fetch(name: HubName) -> Path:
    """The folder of the checkpoint in the hub's cache, downloaded first where needed.

    The folder is named after the commit that was resolved.

    Raises:
        CheckpointNotFoundError: no such repository or revision, no access, or offline and not in the cache.
        CheckpointError: the hub cannot be reached, or answers with an error.
    """
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name.repository, revision=name.revision, allow_patterns=list(FILES)))
    except errors.GatedRepoError as error:
        raise CheckpointNotFoundError(
            f"{name.repository} is gated: ask for access on its hub page, then set HF_TOKEN or run 'hf auth login'"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointNotFoundError(
            f"the hub has no model {name.repository!r}, or it is private; check the name, or set HF_TOKEN. For a folder, give a path that exists"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointNotFoundError(
            f"{name.repository} has no revision {name.revision!r}; expected a branch, a tag or a commit"
        ) from error
    except errors.HFValidationError as error:
        raise CheckpointNotFoundError(f"there is no folder {str(name)!r}, and it is no hub id ({error})") from error
    except errors.LocalEntryNotFoundError as error:
        raise CheckpointNotFoundError(
            f"{name} is not in the hub's cache, and the hub cannot be asked (offline, or HF_HUB_OFFLINE is set);"
            f" go online and run 'fillmask models pull {name}', or give a folder"
        ) from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise CheckpointError(f"cannot download {name}: {str(error).splitlines()[0]}") from error


def cached() -> list[tuple[HubName, Path]]:
    """Checkpoints in the hub's cache that have a config and safetensors, with their folders."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    found = []
    for repository in sorted(repositories, key=lambda r: r.repo_id):
        for revision in sorted(repository.revisions, key=lambda r: r.commit_hash):
            names = {file.file_name for file in revision.files}
            if (
                repository.repo_type == "model"
                and "config.json" in names
                and any(n.endswith(".safetensors") for n in names)
            ):
                found.append((HubName(repository.repo_id, revision.commit_hash), Path(revision.snapshot_path)))
    return found
