"""What `pipeline` makes of transformers' arguments: used, accepted, or refused by name with what to do instead."""

import copy
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import write_classifier
from tokenizers import Tokenizer as Backend

import fillmask
from fillmask import FillMask, pipeline
from fillmask.errors import InputError
from fillmask.tasks.classify import Classifier
from fillmask.tokenization.tokenizer import Tokenizer

TEXT = "The old dog went to the <mask>."


class Dtype:
    """Stands for torch.float32 and its like, whose names are all that counts."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"torch.{self.name}"


@pytest.mark.parametrize(
    "arguments",
    [
        {"framework": "pt", "use_fast": True, "trust_remote_code": True, "batch_size": 8, "num_workers": 0},
        {"device": -1},
        {"device": "cpu"},
        {"device_map": "auto"},
        {"device_map": "cpu"},
        {"device_map": {"": "cpu"}},
        {"model_kwargs": {"dtype": "auto", "low_cpu_mem_usage": True, "use_safetensors": True}},
        {"feature_extractor": None, "image_processor": None, "config": None, "token": None, "revision": None},
        {"dtype": "auto"},
        {"token": "hf_secret"},
    ],
)
def test_arguments_that_change_no_answer(modernbert_folder: Path, arguments: dict[str, Any]) -> None:
    found = pipeline("fill-mask", model=str(modernbert_folder), precision="float32", **arguments)
    assert found(TEXT) == FillMask(modernbert_folder, precision="float32")(TEXT)
    assert "hf_secret" not in str(found._arguments)


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_dtypes_are_precisions(modernbert_folder: Path, name: str) -> None:
    for dtype in ("float32", Dtype("float32")):
        assert pipeline("fill-mask", modernbert_folder, **{name: dtype}).model.engine.precision == "float32"
    assert pipeline(model=modernbert_folder, model_kwargs={name: "float32"}).model.engine.precision == "float32"
    with pytest.raises(InputError, match=rf"{name} is torch.float16; fillmask computes in float32.*leave {name} out"):
        pipeline("fill-mask", modernbert_folder, **{name: Dtype("float16")})
    with pytest.raises(InputError, match="precision 'float32', and precision is 'int8'; pass one of them"):
        pipeline("fill-mask", modernbert_folder, precision="int8", **{name: "float32"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"framework": "tf"}, "framework is 'tf'; .*leave it out"),
        ({"use_fast": False}, "use_fast is False, .*leave it out"),
        ({"feature_extractor": "x"}, "takes no feature_extractor here: .*text only"),
        ({"config": "x"}, "takes no config here: the config is read from the checkpoint"),
        ({"model_kwargs": {"load_in_8bit": True}}, "takes no load_in_8bit here: use precision='int8'"),
        ({"model_kwargs": {"cache_dir": "/x"}}, "takes no cache_dir here: set HF_HOME"),
        ({"model_kwargs": {"local_files_only": True}}, "set HF_HUB_OFFLINE=1"),
        ({"model_kwargs": [1]}, r"model_kwargs is \[1\]; expected a dict"),
        ({"device_map": {"encoder": 0, "head": 1}}, "which splits a model; .*use device="),
        ({"device_map": "cpu", "device": "cuda:0"}, "device_map asks for device 'cpu', and device is 'cuda:0'"),
        ({"topk": 3}, "no argument 'topk'"),
        ({"tokenizer": object()}, "tokenizer is a object; expected a folder, a hub id, or a fast tokenizer"),
    ],
)
def test_arguments_that_are_refused(modernbert_folder: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pipeline("fill-mask", modernbert_folder, **arguments)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("restore", r"there is no task 'restore'; use pipeline\(\"fill-mask\"\).restore\(text\)"),
        ("zero-shot-classification", "use pipeline.*finetune"),
        ("text-generation", "restore"),
        ("token-classification", "there is no task 'token-classification'; expected fill-mask or text-classification"),
    ],
)
def test_other_tasks(task: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pipeline(task)  # type: ignore[call-overload]


def test_a_model_object_is_refused_with_its_name() -> None:
    class BertForMaskedLM:
        name_or_path = "google-bert/bert-base-uncased"

    with pytest.raises(InputError, match=r"a BertForMaskedLM; expected its folder or hub id \('google-bert/"):
        pipeline("fill-mask", BertForMaskedLM())  # type: ignore[call-overload]


def test_text_classification_is_a_classifier(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path, "bad", "good")
    classify = pipeline("text-classification", model=folder, top_k=None, device=-1)
    assert isinstance(classify, Classifier)
    assert {label["label"] for label in classify(["It was good."])[0]} == {"bad", "good"}
    assert isinstance(pipeline("sentiment-analysis", folder), Classifier)
    with pytest.raises(InputError, match="the bundled model does not classify"):
        pipeline("sentiment-analysis")


def test_a_tokenizer_of_another_folder(modernbert_folder: Path, tmp_path: Path) -> None:
    """Its answers, also after a copy; its limit is the model's."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(modernbert_folder / name, tmp_path)
    expected = FillMask(modernbert_folder)(TEXT)
    own = fillmask.FillMask(modernbert_folder).tokenizer
    backend = Backend.from_file(str(tmp_path / "tokenizer.json"))
    wide = Tokenizer(backend, own.special_tokens_map, 10_000)
    for tokenizer in (str(tmp_path), tmp_path, str(modernbert_folder), own, wide):
        unmask = pipeline("fill-mask", str(modernbert_folder), tokenizer=tokenizer)
        assert unmask(TEXT) == expected
        assert unmask.tokenizer.model_max_length == own.model_max_length
    assert wide.model_max_length == 10_000
    again = pickle.loads(pickle.dumps(pipeline("fill-mask", modernbert_folder, tokenizer=tmp_path)))
    assert again(TEXT) == expected
    assert copy.copy(unmask)(TEXT) == expected
    with pytest.raises(fillmask.CheckpointNotFoundError, match="has no tokenizer"):
        pipeline("fill-mask", modernbert_folder, tokenizer=Path(__file__).parent)
