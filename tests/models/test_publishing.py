"""Uploads to a stand-in of the hub on the loopback interface: which files arrive, and what a refusal says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from uploads import Hub, run_python, upload_hub

from fillmask import InputError
from fillmask.models.publishing import check_repository, push


@pytest.fixture
def hub() -> Iterator[Hub]:
    with upload_hub() as running:
        yield running


def test_the_files_of_the_checkpoint_go_up_and_nothing_else(hub: Hub, modernbert_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(modernbert_folder, tmp_path / "mine"))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Mine\n")
    (folder / "training").mkdir()
    (folder / "training" / "state.pt").write_bytes(b"of the training")
    (folder / "notes.txt").write_text("mine alone")
    script = (
        f"from fillmask import FillMask; print(FillMask({str(folder)!r}).push_to_hub('someone/new', private=True,"
        " commit_message='First'))"
    )
    result = run_python(hub, tmp_path / "home", "-c", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"{hub.url}/someone/new/commit/{'1' * 40}"
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert set(hub.files) == expected
    assert all(hub.files[name] == (folder / name).read_bytes() for name in expected)
    assert hub.private
    assert hub.summary == "First"
    assert hub.tokens == {"Bearer hf_secret"}


@pytest.mark.parametrize(("status", "remedy"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (400, "hub's answer")])
def test_a_refusal_names_the_status_and_the_remedy(
    hub: Hub, modernbert_folder: Path, tmp_path: Path, status: int, remedy: str
) -> None:
    hub.status = status
    script = f"from pathlib import Path; from fillmask.models.publishing import push; push(Path({str(modernbert_folder)!r}), 'a/b')"
    result = run_python(hub, tmp_path / "home", "-c", script)
    last = result.stderr.strip().splitlines()[-1]
    assert "CheckpointError" in last
    assert str(status) in last
    assert remedy in last


def test_a_hub_that_does_not_answer_is_said_so(hub: Hub, modernbert_folder: Path, tmp_path: Path) -> None:
    hub.url = "http://127.0.0.1:9"
    script = f"from pathlib import Path; from fillmask.models.publishing import push; push(Path({str(modernbert_folder)!r}), 'a/b')"
    last = run_python(hub, tmp_path / "home", "-c", script).stderr.strip().splitlines()[-1]
    assert "CheckpointError: the hub can't be reached" in last
    assert "check the network" in last


@pytest.mark.parametrize("name", ["", "a/b/c", "a b", "someone/model@main", "../x"])
def test_a_name_that_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected a name such as"):
        check_repository(name)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no checkpoint"):
        push(tmp_path, "someone/new")
