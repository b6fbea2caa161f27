"""What a model with a vocabulary of its own knows, to look through, and what of a prompt it does not know."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.ui.markup import markup
from app.visitors.vocabulary import Thing, Vocabulary
from foundation.catalogue.entry import ModelInfo
from generator.encoders.vocabulary import unknown_words
from generator.recipes.prompts import PromptError, parse_prompts
from generator.recipes.recipe import Recipe
from generator.recipes.schema import MAX_PROMPT_LENGTH
from generator.synthesis.leading import classes_named
from generator.synthesis.words import unknown_words as words_nobody_knows

EXAMPLES = (
    *("a goldfish", "a school bus", "a red sports car", "jellyfish in blue water", "pizza", "a frog"),
    *("a lighthouse", "a lemon", "a king penguin", "a mushroom"),
)
MOST_EXAMPLES = 6

# Filters the list while one types, and hands on what is clicked.
VOCABULARY_JS = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('[data-pick]');
  if (chosen) trigger('select', {pick: chosen.dataset.pick});
});
element.addEventListener('input', event => {
  const wanted = event.target.value.trim().toLowerCase();
  let found = 0;
  for (const item of element.querySelectorAll('li')) {
    item.hidden = !item.dataset.names.includes(wanted);
    found += !item.hidden;
  }
  element.querySelector('.cx-none').hidden = found > 0;
});
"""


def vocabulary_of(info: ModelInfo | None, vocabulary: Vocabulary | None) -> Vocabulary | None:
    """What is shown of a model: its things and colours, else its words; None for a general vocabulary."""
    if vocabulary is not None or info is None or not info.vocabulary:
        return vocabulary
    return Vocabulary(tuple(Thing((word,)) for word in info.vocabulary))


def vocabulary_markup(vocabulary: Vocabulary | None) -> str:
    """The vocabulary as a list that folds away and can be searched; empty without one."""
    if vocabulary is None:
        return ""
    counts = [_count(vocabulary.things, "thing"), _count(vocabulary.colours, "colour")]
    colours = f'<p class="cx-hint">Colours: {markup.text(", ".join(vocabulary.colours))}.</p>'
    items = "".join(
        f'<li data-names="{markup.text(" ".join((*thing.names, thing.kind)).lower())}">'
        f'<button class="cx-word" data-pick="{markup.text(thing.names[0])}" '
        f'title="{markup.text(", ".join(thing.names[1:]))}">{markup.text(thing.names[0])}</button></li>'
        for thing in vocabulary.things
    )
    inner = (
        '<div class="cx-vocabulary"><input type="search" placeholder="Search" aria-label="Search the vocabulary">'
        f'<ul>{items}</ul><p class="cx-hint cx-none" hidden>It knows no such word.</p>'
        f"{colours if vocabulary.colours else ''}</div>"
    )
    return markup.details(f"What it knows: {' and '.join(filter(None, counts))}", inner)


def _count(listed: Sequence[object], what: str) -> str:
    return f"{len(listed)} {what}{'s' * (len(listed) != 1)}" if listed else ""


def examples_for(infos: Iterable[ModelInfo]) -> tuple[str, ...]:
    """Prompts to try, of words that all of the models know."""
    known = [frozenset(word.casefold() for word in info.vocabulary) for info in infos if info.vocabulary]
    fitting = [prompt for prompt in EXAMPLES if not any(unknown_words(prompt, words) for words in known)]
    return tuple(fitting[:MOST_EXAMPLES]) or EXAMPLES[:1]


def examples_markup(prompts: Sequence[str]) -> str:
    """Prompts as buttons."""
    buttons = "".join(
        f'<button class="cx-word" data-pick="{markup.text(prompt)}">{markup.text(prompt)}</button>'
        for prompt in prompts
    )
    return f'<div class="cx-words-row"><span>Try</span>{buttons}</div>'


def unknown_hint(lines: Sequence[str], infos: Iterable[ModelInfo]) -> str:
    """What of the prompts each of the models never saw, in a sentence; empty if they know it all."""
    texts = [text for line in lines for text in _texts(line)]
    sentences = []
    for info in infos:
        known = frozenset(word.casefold() for word in info.vocabulary)
        unknown = dict.fromkeys(word for text in texts for word in unknown_words(text, known)) if known else {}
        if unknown:
            sentences.append(unknown_sentence(info.title, tuple(unknown)))
    return (
        f'<p class="cx-hint cx-unknown-words" role="status">{markup.text(" ".join(sentences))}</p>' if sentences else ""
    )


def leading_hint(line: str, names: Mapping[str, Sequence[str]], titles: Mapping[str, str]) -> str:
    """Which classifiers (``names``: their classes) lead a prompt along, to what, in a sentence; empty if none does."""
    leaders: dict[str, list[str]] = {}
    for model, found in classes_named(_texts(line), names).items():
        classes = " and ".join(dict.fromkeys(name for _, name in found.values()))
        leaders.setdefault(classes, []).append(titles.get(model, model))
    said = [f"{' and '.join(models)}, to \u201c{classes}\u201d" for classes, models in leaders.items() if classes]
    if not said:
        return ""
    return f'<p class="cx-hint cx-leading" role="status">Leading along: {markup.text("; ".join(said))}.</p>'


@dataclass(frozen=True)
class KnownWords:
    """What the list says of a model's words: enough to know what it never saw, without loading it."""

    words: frozenset[str]

    def unknown_words(self, text: str, /) -> tuple[str, ...]:
        """The words of a text that the model never saw; () if its vocabulary is general."""
        return unknown_words(text, self.words) if self.words else ()


def refuse_unknown_prompts(recipe: Recipe, infos: Iterable[ModelInfo], led: Collection[str] = ()) -> None:
    """Refuse a recipe with a prompt of which none of its models knows a single word: nothing would lead the picture.

    ``led`` are the texts of prompts that classifiers lead to.

    Raises:
        StudioError: the same that the work itself would end with, before it is queued.
    """
    readers = {info.title: KnownWords(frozenset(word.casefold() for word in info.vocabulary)) for info in infos}
    words_nobody_knows(recipe.guides, readers, led)


def unknown_sentence(model: str, words: Sequence[str]) -> str:
    """Which words a model never saw, as a sentence."""
    named = ", ".join(f"\u201c{word}\u201d" for word in words)
    return f"{model} never saw {named} in training, so {'that' if len(words) == 1 else 'those'} will hardly show."


def _texts(line: str) -> list[str]:
    """The prompts in a line, as far as it can be read already."""
    if not line.strip() or len(line) > MAX_PROMPT_LENGTH:
        return []
    try:
        return [prompt.text for prompt in parse_prompts(line)]
    except PromptError:
        return []
