"""`transformers serve` with a vision-language model of random weights, as a program: ... serve_tiny FOLDER PORT

The model, a LLaVA of a few thousand weights, is made from a configuration and saved into the folder, with a tokenizer
of words and a processor made here: nothing is fetched from anywhere.
"""

import sys
from pathlib import Path

from foundation import torchvision_cure  # noqa: F401  (before transformers imports torchvision)

WORDS = ("a", "cat", "dog", "frog", "on", "mat", "What", "is", "this")
_MARKS = ("<unk>", "<pad>", "<eos>", "<image>")
_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }} {% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}<image>{% endif %} {% endfor %}{% endfor %}assistant "
)


def save_tiny(folder: Path) -> None:
    """Save the model with its tokenizer and processor."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = [*_MARKS, "user", "assistant", *WORDS]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="<eos>",
        extra_special_tokens={"image_token": "<image>"},
    )
    tiny = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**tiny, num_hidden_layers=2, image_size=28, patch_size=14),
        text_config=transformers.LlamaConfig(
            **tiny,
            vocab_size=len(words),
            num_hidden_layers=1,
            num_key_value_heads=2,
            bos_token_id=None,
            eos_token_id=None,  # or a random model may say nothing at all
            pad_token_id=words.index("<pad>"),
        ),
        image_token_index=words.index("<image>"),
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    picture = transformers.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    transformers.LlavaProcessor(
        picture,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_TEMPLATE,
    ).save_pretrained(folder)


def main(folder: Path, port: str) -> None:
    """Make the model, and serve it by the program's own command line until the process is ended."""
    from transformers.cli.transformers import app
    from transformers.models.auto import image_processing_auto

    # Beside a PyTorch that torchvision was not compiled for, torchvision decodes no pictures, and Pillow has to.
    image_processing_auto.DEFAULT_TO_PIL_BACKEND_IMAGE_PROCESSORS.append("CLIPImageProcessor")
    save_tiny(folder)
    app(["serve", "--host", "127.0.0.1", "--port", port, "--device", "cpu"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
