import torch

from clip_model.captions import every_text
from clip_model.model import (
    MEAN,
    STD,
    CompactText,
    encode_images,
    encode_tokens,
    make_model,
    open_clip_config,
    renew_statistics,
    tokenize,
)
from tests.clip_model.standins import CONCEPTS

TEXTS = ["a golden retriever", "a photo of a red pizza pie", "dog"]


def small(seed: int = 0):
    return make_model(
        open_clip_config(image_size=32, embed_dim=16, tower="test_resnet", width=32, layers=2), seed
    ).eval()


def test_a_model_follows_its_seed_and_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    one, two, other = small(1).state_dict(), small(1).state_dict(), small(2).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["text_projection"], other["text_projection"])


def test_shortened_texts_have_the_embeddings_of_open_clip() -> None:
    model = small()
    with torch.no_grad():
        torch.testing.assert_close(
            encode_tokens(model, tokenize(TEXTS)), model.encode_text(tokenize(TEXTS), normalize=True)
        )


def test_the_compact_embedding_is_the_full_one_with_strangers_at_zero() -> None:
    model = small()
    text = CompactText(model, every_text(CONCEPTS.all))
    full = small(7)
    full.load_state_dict(text.full_state(model.state_dict()))
    unknown = "a zebra of a pizza"
    with torch.no_grad():
        mine, theirs = text.encode(tokenize([*TEXTS, unknown])), full.encode_text(tokenize([*TEXTS, unknown]))
    torch.testing.assert_close(mine, torch.nn.functional.normalize(theirs, dim=-1))
    zebra = tokenize(["zebra"])[0, 1]
    assert full.token_embedding.weight[zebra].abs().sum() == 0
    assert len(text.known) + 1 == model.token_embedding.weight.shape[0] < 100


def test_strangers_are_put_between_start_and_end_and_never_learn() -> None:
    model = small()
    text = CompactText(model, every_text(CONCEPTS.all))
    tokens = tokenize(TEXTS * 10)
    mixed = text.with_strangers(tokens, torch.Generator().manual_seed(0), share=1.0)
    known = {*text.known.tolist(), 0}
    for before, after in zip(tokens.tolist(), mixed.tolist(), strict=True):
        assert [t for t in after if t in known and t] == [t for t in before if t]  # the words keep their order
        strangers = [t for t in after if t not in known]
        assert 1 <= len(strangers) <= 3 and after[0] == before[0]
        assert max(after) == after[[t for t in after if t].__len__() - 1]  # the end still is the end
    text.encode(mixed).sum().backward()
    assert model.token_embedding.weight.grad[text.STRANGER].abs().sum() == 0
    assert model.token_embedding.weight.grad[1:].abs().sum() > 0


def test_image_embeddings_are_unit_vectors_with_a_gradient() -> None:
    model = small()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = encode_images(model, images)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    found[:, 0].sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0


def test_batch_norm_counts_all_batches_alike_and_nothing_else_moves() -> None:
    model = small()
    model.visual.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.rand(12, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    renew_statistics(model, images.split(4))
    first = next(m for m in model.visual.modules() if isinstance(m, torch.nn.BatchNorm2d))
    conv = next(m for m in model.visual.modules() if isinstance(m, torch.nn.Conv2d))
    with torch.no_grad():
        seen = conv((images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    torch.testing.assert_close(first.running_mean, seen.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    variances = torch.stack([part.var(dim=(0, 2, 3)) for part in seen.split(4)])
    torch.testing.assert_close(first.running_var, variances.mean(0), rtol=1e-4, atol=1e-5)
    moved = {n.rpartition(".")[2] for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    assert moved == {"running_mean", "running_var", "num_batches_tracked"} and not model.visual.training
