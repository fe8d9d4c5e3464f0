"""Put a checkpoint on the Hugging Face hub, through `huggingface_hub`.

Only the files of a checkpoint go up: config, weights, tokenizer, calibration, and the model card. The state of a
training stays where it is. Knows names and files, not what is in them.
"""

from __future__ import annotations

from pathlib import Path

from fillmask.errors import CheckpointError, InputError
from fillmask.models.hub import FILES, parse

# What a checkpoint folder may hold beside the files that fillmask reads from the hub.
_PUBLISHED = (*FILES, "README.md", "restoration.json")


def push(folder: Path, repo_id: str, *, private: bool = False, message: str | None = None) -> str:
    """Upload a checkpoint folder to a repository of the hub, which is made if it is not there.

    The token is that of `HF_TOKEN` or of `hf auth login`.

    Args:
        folder: with config.json, model.safetensors, and the tokenizer's files.
        repo_id: such as `name/model`; the branch is the main one.
        private: whether a new repository is private. An existing one stays as it is.
        message: of the commit.

    Returns:
        The address of the commit.

    Raises:
        InputError: `repo_id` is no name of a repository, or the folder holds no checkpoint.
        CheckpointError: the hub refuses the upload or can't be reached.
    """
    check_repository(repo_id)
    if not (folder / "config.json").is_file() or not any(folder.glob("model*.safetensors")):
        raise InputError(f"{folder} holds no checkpoint: expected config.json and model.safetensors")
    from huggingface_hub import HfApi, errors

    api = HfApi(library_name="fillmask")
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            allow_patterns=list(_PUBLISHED),
            commit_message=message or f"Upload {folder.name} with fillmask",
        )
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        remedy = (
            "set HF_TOKEN to a token that may write, or run 'hf auth login'"
            if status in (401, 403)
            else "try again later"
            if status >= 500
            else "see the hub's answer above"
        )
        answer = " ".join(str(error).split())
        raise CheckpointError(
            f"the hub refused the upload to {repo_id} with status {status}: {answer}; {remedy}"
        ) from error
    except Exception as error:
        # huggingface_hub's HTTP library differs between its versions: httpx, httpx2, or requests, whose errors are OSErrors.
        if not isinstance(error, OSError) and not type(error).__module__.startswith("httpx"):
            raise
        raise CheckpointError(f"the hub can't be reached to upload to {repo_id}: {error}; check the network") from error
    return str(commit.commit_url)


def check_repository(repo_id: str) -> None:
    """Check the name before a long training rather than after it.

    Raises:
        InputError: it can't be the name of a repository.
    """
    name = parse(repo_id)
    if name is None or name.revision is not None:
        raise InputError(f"found {repo_id!r} as the repository; expected a name such as 'name/model'")
