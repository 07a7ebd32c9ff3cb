"""Shared prefixes change nothing: log-probabilities and gradients are those of separate, unshared rows."""

from contextlib import nullcontext

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from sparring.errors import ModelError
from sparring.forward import attend_by_plan, check_forward, recomputed, token_logprobs


def small_model(layers: int = 2, **more: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=61, hidden_size=64, intermediate_size=128, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True, **more,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


ROWS = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 9], [1, 2, 3, 4, 5, 6], [7, 8], [1, 2, 3, 4, 10, 11, 12]]
WHERE = [[3, 5], [3], [5], [1], [4, 5, 6]]


def separately(model: LlamaForCausalLM) -> torch.Tensor:
    parts = []
    for row, places in zip(ROWS, WHERE, strict=True):
        logps = torch.log_softmax(model(torch.tensor([row])).logits[0], -1)
        parts += [logps[p - 1, row[p]] for p in places]
    return torch.stack(parts)


@pytest.mark.parametrize("block", [1, 4, 7, 1000])
@pytest.mark.parametrize("chunk", [2, 512])
def test_logprobs_and_gradients_equal_those_of_separate_rows(block: int, chunk: int) -> None:
    model = small_model()
    weights = torch.tensor([0.5, -1.0, 2.0, 0.3, 1.0, -0.7, 0.1, 0.9])
    expected = separately(model)
    (expected * weights).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    scored = token_logprobs(model, ROWS, WHERE, block=block, chunk=chunk)
    (scored.logprobs * weights).sum().backward()
    torch.testing.assert_close(scored.logprobs, expected, atol=1e-5, rtol=0)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-4)


def test_layers_that_are_run_again_give_the_same_gradients_and_keep_less() -> None:
    model = small_model()
    attend_by_plan(model)
    kept: dict[bool, int] = {}
    gradients: dict[bool, dict[str, torch.Tensor]] = {}
    for again in (False, True):
        storages: dict[int, int] = {}

        def note(tensor: torch.Tensor, storages: dict[int, int] = storages) -> torch.Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            with recomputed(model) if again else nullcontext():
                scored = token_logprobs(model, ROWS, WHERE)
            scored.logprobs.sum().backward()
        kept[again] = sum(storages.values())
        gradients[again] = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
    assert not any(module.training for module in model.modules())
    assert kept[True] < 0.7 * kept[False]
    assert gradients[True].keys() == gradients[False].keys()
    for name, gradient in gradients[True].items():
        assert torch.equal(gradient, gradients[False][name])


def test_a_model_whose_layers_cannot_be_run_again_is_refused() -> None:
    with pytest.raises(ModelError, match="activation_checkpointing"), recomputed(torch.nn.Linear(2, 2)):  # type: ignore[arg-type]  # no layers
        pass


def test_equal_prefixes_are_run_once() -> None:
    assert token_logprobs(small_model(), ROWS, WHERE).nodes == 6 + 1 + 2 + 3


def test_a_model_with_ordinary_attention_passes_the_check() -> None:
    check_forward(small_model())


def test_a_model_that_the_forest_does_not_understand_is_refused() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=61, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=3,
    )  # fmt: skip
    with pytest.raises(ModelError, match="full attention"):
        check_forward(MistralForCausalLM(config).eval(), tolerance=1e-5)


def test_the_divergence_to_a_reference_is_the_sum_over_the_vocabulary() -> None:
    model, reference = small_model(), small_model()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(1.1)
    scored = token_logprobs(model, ROWS, WHERE, block=7, chunk=2, reference=reference)
    expected = []
    for row, places in zip(ROWS, WHERE, strict=True):
        ours, theirs = (torch.log_softmax(m(torch.tensor([row])).logits[0], -1) for m in (model, reference))
        expected += [(ours[p - 1].exp() * (ours[p - 1] - theirs[p - 1])).sum() for p in places]
    assert scored.divergence is not None
    torch.testing.assert_close(scored.divergence, torch.stack(expected), atol=1e-5, rtol=1e-4)
