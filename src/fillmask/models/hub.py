"""Checkpoints of the Hugging Face hub, through `huggingface_hub`.

Its cache, environment (`HF_HOME`, `HF_HUB_OFFLINE`, `HF_ENDPOINT`, tokens)
and progress bars are used as they are. Only the files that fillmask reads are
fetched: never a pickle, never code. Knows names and files, not what is in
them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatch
from http import HTTPStatus
from pathlib import Path
from typing import Any

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


# The token of a call that passes one; None for the one that `huggingface_hub` finds itself.
_token: ContextVar[str | bool | None] = ContextVar("token", default=None)


@contextmanager
def using_token(token: str | bool | None) -> Iterator[None]:
    """Download with a token, which is not kept; True or None for the stored one, False for none."""
    reset = _token.set(token)
    try:
        yield
    finally:
        _token.reset(reset)


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

    The folder is named after the commit that was resolved. Where the hub cannot be asked, a cached snapshot will do
    that holds all files that fillmask reads.

    Raises:
        CheckpointNotFoundError: no such repository or revision, no access, or offline and not in the cache.
        CheckpointError: the hub cannot be reached, or answers with an error.
    """
    from huggingface_hub import errors, snapshot_download

    try:
        with _answers_in_time():
            downloaded = snapshot_download(
                name.repository, revision=name.revision, allow_patterns=list(FILES), token=_token.get()
            )
        return Path(downloaded)
    except errors.IncompleteSnapshotError as error:
        folder = Path(error.snapshot_path)
        missing = [file for file in needed_files(listed_files(name, folder.name)) if not (folder / file).exists()]
        if not missing:
            return folder
        raise CheckpointNotFoundError(
            f"the cached snapshot of {name} lacks {missing[0]}, and {_fault(error)}; when the hub can"
            f" be asked again, run 'fillmask models pull {name}'"
        ) from error
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
    except (errors.HfHubHTTPError, OSError) as error:  # LocalEntryNotFoundError is an OSError
        if _status(error) is None and isinstance(error, errors.LocalEntryNotFoundError):
            raise CheckpointNotFoundError(
                f"{name} is not in the hub's cache, and {_fault(error)}; when the hub can be asked again, run"
                f" 'fillmask models pull {name}', or give a folder now"
            ) from error
        kind = CheckpointNotFoundError if _status(error) in (401, 403) else CheckpointError
        raise kind(f"cannot download {name}: {_fault(error)}") from error


@contextmanager
def _answers_in_time() -> Iterator[None]:
    """Give the hub as long to answer each question as `huggingface_hub` gives a download: HF_HUB_DOWNLOAD_TIMEOUT.

    By itself it waits for ever for an answer about a repository.
    """
    from huggingface_hub import constants, get_session

    def limit(request: Any) -> None:
        if request.extensions.get("timeout", {}).get("read") is None:
            seconds = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
            timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
            request.extensions = {**request.extensions, "timeout": timeout}

    session = get_session()
    hooks = session.event_hooks
    session.event_hooks = {**hooks, "request": [*hooks["request"], limit]}
    try:
        yield
    finally:
        session.event_hooks = hooks


def needed_files(names: Collection[str]) -> list[str]:
    """Of a repository's files, those without which its model would not load, or would load with another tokenizer.

    The vocabulary is read from tokenizer.json where there is one; the older files beside it are not needed then.
    """
    weights = ["model.safetensors"]
    if weights[0] not in names and "model.safetensors.index.json" in names:
        weights = [
            "model.safetensors.index.json",
            *(n for n in names if fnmatch(n, "model-?????-of-?????.safetensors")),
        ]
    vocabulary = ["tokenizer.json"] if "tokenizer.json" in names else ["vocab.txt", "vocab.json", "merges.txt"]
    settings = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
    return ["config.json", *weights, *(name for name in [*vocabulary, *settings] if name in names)]


def listed_files(name: HubName, commit: str) -> list[str]:
    """The files of a repository at a commit, as the hub last listed them; empty where it never did. Asks nobody."""
    from huggingface_hub import errors, get_cached_repo_tree

    try:
        return [entry.path for entry in get_cached_repo_tree(name.repository, revision=commit)]
    except errors.CachedRepoTreeNotFoundError:
        return []


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status that the hub answered with; None where it did not answer."""
    answers = (getattr(cause, "response", None) for cause in _causes(error))
    return next((answer.status_code for answer in answers if answer is not None), None)


def _fault(error: BaseException) -> str:
    """What keeps the hub from being asked, and what to do where that is not to go online."""
    status = _status(error)
    if status is not None:
        try:
            phrase = f"{status} ({HTTPStatus(status).phrase})"
        except ValueError:
            phrase = str(status)
        if status in (401, 403):
            return f"the hub answers {phrase}: set HF_TOKEN to a token that may read the model, or ask for access to it"
        if status == 429:
            return f"the hub answers {phrase}: it limits requests; wait some minutes, or set HF_TOKEN"
        if status >= 500:
            return f"the hub answers {phrase}: the fault is the hub's; try again later"
        return f"the hub answers {phrase}; check the name and the revision"
    names = [kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__]
    if any("Timeout" in name for name in names):
        return "the hub does not answer in time"
    if "OfflineModeIsEnabled" in names:
        return "the hub is not asked (HF_HUB_OFFLINE is set)"
    if isinstance(error, ConnectionError) or any("ConnectError" in name or "ProxyError" in name for name in names):
        return "the hub cannot be reached (no connection)"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def cached() -> list[tuple[HubName, Path]]:
    """Checkpoints in the hub's cache that have a config and safetensors, with their folders."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    checkpoints = []
    for repository in sorted(repositories, key=lambda r: r.repo_id):
        for revision in sorted(repository.revisions, key=lambda r: r.commit_hash):
            names = {file.file_name for file in revision.files}
            if (
                repository.repo_type == "model"
                and "config.json" in names
                and any(n.endswith(".safetensors") for n in names)
            ):
                name = HubName(repository.repo_id, revision.commit_hash)
                checkpoints.append((name, Path(revision.snapshot_path)))
    return checkpoints
