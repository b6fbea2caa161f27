"""The result of a finished text as markup. Pure functions of a snapshot and the media addresses."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.records.pictures import Picture, PictureResult, note_of, result_of
from app.ui.markup import markup, results
from app.ui.markup.media import Media
from app.ui.markup.nearness import nearness
from app.ui.text.vocabulary import unknown_sentence
from foundation.jobs.store.model import JobSnapshot


def text_view(job: JobSnapshot, media: Media, titles: Mapping[str, str], index: int) -> str:
    """The pictures of a text: picture ``index`` large, all of them below to choose from, and what to take away."""
    result = result_of(job)
    if result is None:
        return markup.notice(note_of(job) or results.NO_PICTURE)
    images = result.images
    index = min(index, len(images) - 1)
    folder, stem = Path(job.folder), results.file_stem(job.title)
    url = media.url(folder / images[index].file)
    links = [markup.download_link(url, f"{stem}{f'-{index + 1}' if len(images) > 1 else ''}.png")]
    whole = "strip" if result.recipe.prompt_to else "sheet"
    if result.overview:
        overview = media.url(folder / result.overview)
        links.append(markup.download_link(overview, f"{stem}-{whole}.png", f"Download {whole}"))
    if result.video:
        links.append(markup.download_link(media.url(folder / result.video), f"{stem}.mp4", "Download video"))
    links.append(markup.true_size(result.size))
    return markup.join(
        [
            _video(job, media, result.video) if result.video else "",
            _large(job, media, images[index], url),
            _thumbs(job, media, images, index),
            f'<div class="cx-row">{"".join(links)}</div>',
            results.early_end(job, result),
            _unknown(result, titles),
            results.runaway_words(result),
            results.taken_words(result),
        ]
    )


def text_more(job: JobSnapshot, titles: Mapping[str, str], index: int) -> str:
    """How near the picture came to each prompt, what classifiers that took part see, and the recipe."""
    result = result_of(job)
    if result is None:
        return ""
    image = result.images[min(index, len(result.images) - 1)]
    facts = markup.facts(results.distance_facts(image, result.recipe)) if image.linf is not None else ""
    return markup.join(
        [
            nearness(image, titles),
            facts,
            results.seen(image.after, titles),
            results.recipe_fold(result.recipe),
        ]
    )


def _large(job: JobSnapshot, media: Media, image: Picture, url: str) -> str:
    if image.source:
        return markup.compare(media.url(Path(job.folder) / image.source), url, words="the photo it started from")
    return f'<div class="cx-canvas">{markup.picture(url, job.title)}</div>'


def _thumbs(job: JobSnapshot, media: Media, images: Sequence[Picture], index: int) -> str:
    if len(images) < 2:
        return ""
    buttons = "".join(
        f'<button class="cx-thumb" data-pick="image:{number}" aria-pressed="{str(number == index).lower()}" '
        f'aria-label="Picture {number + 1} of {len(images)}">'
        f"{markup.picture(media.url(Path(job.folder) / image.file), '')}</button>"
        for number, image in enumerate(images)
    )
    return f'<div class="cx-thumbs">{buttons}</div>'


def _video(job: JobSnapshot, media: Media, file: str) -> str:
    url = markup.text(media.url(Path(job.folder) / file))
    alt = markup.text(f"{job.title}, as a video")
    return (
        f'<div class="cx-canvas"><video src="{url}" aria-label="{alt}" controls autoplay loop muted playsinline>'
        "</video></div>"
    )


def _unknown(result: PictureResult, titles: Mapping[str, str]) -> str:
    sentences = [unknown_sentence(titles.get(name, name), list(words)) for name, words in result.unknown_words.items()]
    return markup.notice(" ".join(sentences), tone="warn") if sentences else ""
