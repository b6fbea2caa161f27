"""A result's recipe to copy: as a command, as Python, and as a link to this page. Pure functions of a recipe."""

import json
from urllib.parse import quote

from app.records.params import GridOrder, GridParams
from app.ui.markup import markup
from generator.grids.grid import Grid
from generator.grids.spelling import CELL, grid_command_of, grid_python_of
from generator.recipes.recipe import Recipe
from generator.recipes.spelling import FLAGS, command_of, python_of, sayable

# Copies by the clipboard where the browser lets pages use it, and selects the text in any case, so that it can be
# copied by hand.
COPY_JS = """
// Only the browser knows under which address it found the page.
const complete = () => {
  for (const place of element.querySelectorAll('[data-link]')) {
    const link = location.origin + location.pathname + place.dataset.link, text = place.querySelector('pre');
    if (text.textContent !== link) text.textContent = link;
  }
};
new MutationObserver(complete).observe(element, {childList: true, subtree: true});
complete();
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


LINK_START = "#recipe="
GRID = "grid"
"""What a link calls the axes of a grid, beside the fields of its recipe."""
STUDIO_WORDS = "It asks a running studio: write its address there, and its token if it has one."
LINK_WORDS = "Fills the form in, of whoever may open this page. Photos do not go along: they are asked for."


def copy_as(recipe: Recipe, *, whole: bool) -> str:
    """The command and the Python that make the picture of a recipe again, folded away.

    ``whole``: whether the picture was made to the end; of one that was stopped, only its file says where.
    """
    link = _block("link", link_of(recipe), LINK_WORDS, link=link_of(recipe))
    if not whole or not sayable(recipe):
        words = "No flag says all of this recipe (it was stopped, or made by an older version): the file itself does."
        photo = " source.png" if recipe.task == "attack" else ""
        again = f"python -m generator {recipe.task}{photo} --from FILE.png"
        return markup.details("Copy as", _block("command", again, words) + link)
    said = _block("command", command_of(recipe), _files_words(recipe)) + _block("Python", python_of(recipe))
    return markup.details("Copy as", said + link)


def copy_grid_as(grid: Grid) -> str:
    """The command, the Python and the link that make a grid again, folded away."""
    flags = sayable(grid.base)
    words = _files_words(grid.base)
    if not flags:
        words = f"No flag says all of its recipe (an older version made it): {CELL} is any picture of the grid. {words}"
    command = grid_command_of(grid, of_cell=not flags)
    said = _block("command", command, words) if command is not None else ""
    if flags:
        said += _block("Python", grid_python_of(grid), f"{STUDIO_WORDS} {_files_words(grid.base)}")
    link = link_of(grid.base, GridOrder.of(grid))
    return markup.details("Copy as", said + _block("link", link, LINK_WORDS, link=link))


def _files_words(recipe: Recipe) -> str:
    brought = [name for name in FLAGS if getattr(recipe, name) or (name == "source" and recipe.task == "attack")]
    files = " and ".join(f"{name}.png" for name in brought)
    return f"Beside it have to be {files}: what it was made with." if files else ""


def link_of(recipe: Recipe, grid: GridOrder | None = None) -> str:
    """The part of an address that fills the form in. It stays in the browser: no server log has it."""
    said = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"revisions"})
    axes = {} if grid is None else {GRID: grid.model_dump(mode="json")}
    return LINK_START + quote(json.dumps({"version": recipe.version, "task": recipe.task, **said, **axes}), safe="")


def read_link(text: str) -> tuple[Recipe, GridOrder | None]:
    """What a link says, without its start: a recipe, and of a grid its axes. StudioError names what does not fit."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or GRID not in said:
        return Recipe.parse_json(text), None
    axes = said.pop(GRID)
    told = GridParams.asked({"recipe": Recipe.parse_json(json.dumps(said)).model_dump(), GRID: axes})
    grid = told.whole()
    return grid.base, told.grid


def _block(what: str, text: str, words: str = "", *, link: str = "") -> str:
    hint = f'<p class="cx-hint">{markup.text(words)}</p>' if words else ""
    place = f' data-link="{markup.text(link)}"' if link else ""
    return (
        f'<div class="cx-copy"{place}><div class="cx-row">'
        f'<button class="cx-button" data-copy>Copy the {markup.text(what)}</button>'
        f'<span class="cx-hint" role="status"></span></div>{hint}{markup.code_block(text)}</div>'
    )
