"""A result's recipe to copy: as a command, and as Python. Pure functions of a recipe."""

from app.ui.markup import markup
from generator.recipes.recipe import Recipe
from generator.recipes.spelling import FLAGS, command_of, python_of, sayable

# Copies by the clipboard where the browser lets pages use it, and selects the text in any case, so that it can be
# copied by hand.
COPY_JS = """
element.addEventListener('click', async event => {
  const button = event.target.closest('button[data-copy]');
  const text = button?.closest('.cx-copy')?.querySelector('pre');
  if (!text) return;
  const range = document.createRange();
  range.selectNodeContents(text);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  let copied = false;
  try {
    await navigator.clipboard.writeText(text.textContent);
    copied = true;
  } catch {
    copied = document.execCommand('copy');
  }
  button.nextElementSibling.textContent = copied ? 'copied' : 'selected: copy it by the keyboard';
});
"""


def copy_as(recipe: Recipe, *, whole: bool) -> str:
    """The command and the Python that make the picture of a recipe again, folded away.

    ``whole``: whether the picture was made to the end; of one that was stopped, only its file says where.
    """
    if not whole or not sayable(recipe):
        words = "No flag says all of this recipe (it was stopped, or made by an older version): the file itself does."
        photo = " source.png" if recipe.task == "attack" else ""
        again = f"python -m generator {recipe.task}{photo} --from FILE.png"
        return markup.details("Copy as", _block("command", again, words))
    brought = [name for name in FLAGS if getattr(recipe, name) or (name == "source" and recipe.task == "attack")]
    files = " and ".join(f"{name}.png" for name in brought)
    words = f"Beside it have to be {files}: what it was made with." if files else ""
    return markup.details("Copy as", _block("command", command_of(recipe), words) + _block("Python", python_of(recipe)))


def _block(what: str, text: str, words: str = "") -> str:
    hint = f'<p class="cx-hint">{markup.text(words)}</p>' if words else ""
    return (
        '<div class="cx-copy"><div class="cx-row">'
        f'<button class="cx-button" data-copy>Copy the {markup.text(what)}</button>'
        f'<span class="cx-hint" role="status"></span></div>{hint}{markup.code_block(text)}</div>'
    )
