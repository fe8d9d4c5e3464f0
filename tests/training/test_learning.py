"""How weights are moved: optimizers, a body that is held still, averages, and the sweep of rates."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")

from test_pretrain import RECIPE, Corpus, corpus, start

from fillmask import InputError
from fillmask.training.optimizers import NorMuon, is_body, orthogonalized
from fillmask.training.processes import Processes
from fillmask.training.recipe import Recipe, Stage
from fillmask.training.reporting import Silent
from fillmask.training.sweep import check_one_process, sweep

__all__ = ["corpus"]  # a fixture

SHORT = dataclasses.replace(RECIPE, tokens=16 * 32 * 20, stages=(Stage(1.0, 32, 0.3),))


def weights(model: Any) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def test_orthogonalized_matrices_have_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((16, 48), (48, 16), (24, 24)):
        values = torch.linalg.svdvals(orthogonalized(torch.randn(shape)))
        assert values.max() < 1.35
        assert values.median() > 0.6


def test_normuon_gives_every_row_the_same_length_at_first() -> None:
    """Its definition after one step: Muon's update with rows of one length, of the same norm as a whole."""
    torch.manual_seed(0)
    gradient = torch.randn(8, 32) * torch.logspace(-2, 1, 8)[:, None]
    parameter = torch.nn.Parameter(torch.zeros(8, 32))
    parameter.grad = gradient.clone()
    NorMuon([parameter], lr=0.5, weight_decay=0.0).step()
    update = orthogonalized(gradient * 0.05 * 0.95 + gradient * 0.05)
    rows = update / update.square().mean(1, keepdim=True).sqrt()
    expected = -0.5 * rows * (update.norm() / rows.norm())
    # bfloat16 inside, and the iteration is scaled: directions and lengths agree to a percent.
    torch.testing.assert_close(parameter.detach(), expected, atol=5e-3, rtol=5e-2)
    lengths = parameter.detach().norm(dim=1)
    torch.testing.assert_close(lengths, lengths.mean().expand(8), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["normuon", "adamw"])
def test_other_optimizers_learn_and_resume(corpus: Corpus, tmp_path: Path, optimizer: str) -> None:
    recipe = dataclasses.replace(SHORT, optimizer=optimizer, average=0.5, hold=0.2, body_rate=0.5)
    whole = start(corpus, recipe)
    losses = [float(whole.train_step()) for _ in range(recipe.steps)]
    assert losses[-1] < losses[0]
    whole.finish()
    resumed: list[float] = []
    for stop in (2, 11, 15, 20):
        run = start(corpus, recipe)
        run.resume(tmp_path)
        resumed += [float(run.train_step()) for _ in range(stop - run.step)]
        run.save(tmp_path)
    np.testing.assert_allclose(resumed, losses, atol=1e-5)
    run.finish()
    assert run.average.count == whole.average.count == 10
    for name, value in weights(run.model).items():
        torch.testing.assert_close(value, weights(whole.model)[name], atol=1e-5, rtol=1e-5)


def test_averaged_weights_are_the_mean_of_the_last(corpus: Corpus, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SHORT, average=0.2)
    run = start(corpus, recipe)
    steps = []
    for _ in range(recipe.steps):
        run.train_step()
        steps.append(weights(run.model))
    run.finish()
    for name, value in weights(run.model).items():
        expected = torch.stack([step[name] for step in steps[-4:]]).double().mean(0).float()
        torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)
    # The state keeps the weights themselves, so that a longer run goes on from them.
    run.save(tmp_path)
    longer = start(corpus, dataclasses.replace(recipe, tokens=2 * recipe.tokens))
    assert longer.resume(tmp_path)
    assert longer.average.count == 0
    for name, value in weights(longer.model).items():
        torch.testing.assert_close(value, steps[-1][name])


def test_the_loop_judges_the_mean(corpus: Corpus, tmp_path: Path) -> None:
    run = start(corpus, dataclasses.replace(SHORT, average=0.5))
    (*_, last) = run.run(tmp_path, log_every=5, validate_every=20)
    assert last.validation == run.validate()
    assert run.average.count == 10
    again = start(corpus, dataclasses.replace(SHORT, average=0.5))
    assert list(again.run(tmp_path)) == []
    again.finish()
    assert again.validate() == last.validation


def test_a_held_body_stays_as_it_is(corpus: Corpus) -> None:
    run = start(corpus, dataclasses.replace(SHORT, hold=0.25), family="bert")
    before = weights(run.model)
    body = {name for name in before if is_body(name, run.model.base_model_prefix)}
    assert "bert.encoder.layer.0.output.dense.weight" in body
    assert not body & {"bert.embeddings.word_embeddings.weight", "cls.predictions.transform.dense.weight"}
    for _ in range(5):
        run.train_step()
    held = weights(run.model)
    assert all(torch.equal(held[name], before[name]) for name in body)
    assert not torch.equal(
        held["bert.embeddings.word_embeddings.weight"], before["bert.embeddings.word_embeddings.weight"]
    )
    assert not torch.equal(
        held["cls.predictions.transform.dense.weight"], before["cls.predictions.transform.dense.weight"]
    )
    run.train_step()
    assert not torch.equal(weights(run.model)["bert.encoder.layer.0.output.dense.weight"], before["bert.encoder.layer.0.output.dense.weight"])  # fmt: skip


def test_the_body_has_a_rate_of_its_own(corpus: Corpus) -> None:
    recipe = dataclasses.replace(SHORT, body_rate=0.25)
    for family, prefix in (("bert", "bert"), ("modernbert", "model")):
        run = start(corpus, recipe, family=family)
        named = {id(p): name for name, p in run.model.named_parameters()}
        rates = {named[id(p)]: group["lr"] for o in run.optimizers for group in o.param_groups for p in group["params"]}
        assert set(rates) == set(named.values())
        for name, rate in rates.items():
            full = recipe.muon_lr if rate in (recipe.muon_lr, recipe.muon_lr / 4) else recipe.lr
            assert rate == full * (0.25 if is_body(name, prefix) else 1.0), name


def test_a_sweep_takes_the_best_rates_and_goes_on_where_it_was_stopped(corpus: Corpus, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SHORT, tokens=16 * 32 * 40)
    started: list[float] = []

    def begin(trial: Recipe) -> Any:
        started.append(trial.lr)
        if len(started) == 3:
            raise KeyboardInterrupt
        return start(corpus, trial)

    factors = (0.01, 1.0, 4.0)
    with pytest.raises(KeyboardInterrupt):
        sweep(begin, recipe, tmp_path, Silent(), tokens=1, factors=factors)
    best = sweep(begin, recipe, tmp_path, Silent(), tokens=1, factors=factors)
    assert started == pytest.approx([recipe.lr * f for f in (0.01, 1.0, 4.0, 4.0)])
    table = json.loads((tmp_path / "sweep.json").read_text())
    assert table["conditions"]["tokens"] == 20 * recipe.batch_tokens
    assert [trial["factor"] for trial in table["trials"]] == list(factors)
    losses = {trial["lr"]: trial["loss"] for trial in table["trials"]}
    assert best.lr == min(losses, key=lambda lr: losses[lr]) != recipe.lr * 0.01
    assert best.muon_lr == pytest.approx(best.lr * recipe.muon_lr / recipe.lr)
    lines = (tmp_path / "sweep.md").read_text().splitlines()
    assert len(lines) == 4 + len(factors)
    assert f"{losses[best.lr]:.3f}" in next(line for line in lines if f"| {best.lr:g} |" in line)
    # A whole sweep is not run again; one of other conditions is.
    assert sweep(begin, recipe, tmp_path, Silent(), tokens=1, factors=factors) == best
    assert len(started) == 4


def test_sweeps_that_cannot_be(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is longer than the training"):
        sweep(lambda trial: start(corpus, trial), dataclasses.replace(SHORT, tokens=512), tmp_path, Silent())
    with pytest.raises(InputError, match="runs in one process, and this training has 2"):
        check_one_process(Processes(0, 2))
