"""Having the clean and the attacked pictures described, and scoring what was said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from foundation.images.files import ImageError, load_image
from foundation.progress import Progress
from foundation.protocols import Encoder, JobContext
from generator.classes.names import Names
from generator.transfer.table import Case
from generator.victims.survival import SAVED, SURVIVALS, NotApplicableError
from generator.vlm.client import Reply, VlmClient, VlmError, VlmRefusedError
from generator.vlm.costs import CapReached
from generator.vlm.journal import Journal, question_digest
from generator.vlm.scoring import (
    Keyword,
    TextSimilarity,
    judge_question,
    keywords_in,
    matched,
    overlap,
    parse_judgement,
    parse_keywords,
)
from generator.vlm.transport import Stopped
from generator.vlm.verdicts import Described, VlmVerdict
from generator.vlm.wire import Ask

QUESTION = "Describe this picture in one or two sentences. Name what it shows."
_MOST_FAILURES = 5
"""Questions in a row without an answer, after which no more are asked."""


class Inquiry(BaseModel):
    """What is asked, and how often.

    Attributes:
        models: who is asked; () for the model of the settings alone.
        question: goes along with each picture.
        samples: answers to each; sample i has the seed `seed` + i, for the clean picture and the attacked one alike.
        keywords: those of the target, as in `parse_keywords`; () for the words of the target itself.
        judge: whether a judge model compares texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = ()
    question: str = Field(default=QUESTION, min_length=1, max_length=2000)
    samples: int = Field(default=3, ge=1, le=100)
    seed: int = Field(default=0, ge=0, le=2**31 - 1000)
    keywords: tuple[str, ...] = ()
    judge: bool = False


@dataclass
class Descriptions:
    """What there is, complete or not; `ended` says why no more was asked, "" if all was; `unreadable` by picture."""

    described: list[Described] = field(default_factory=list)
    unreadable: dict[tuple[str, str], str] = field(default_factory=dict)
    stopped: bool = False
    ended: str = ""


class _EndedError(Exception):
    """No more questions are to be asked; the text says why."""


@dataclass(eq=False)
class _Asking:
    """The client and the journal together, and how many questions failed in a row."""

    client: VlmClient
    journal: Journal
    inquiry: Inquiry
    context: JobContext
    failures: int = 0

    def ask(self, ask: Ask) -> tuple[Reply, bool]:
        """Return the answer, and whether it was known. VlmError if there is none, _EndedError, Stopped."""
        digest = question_digest(ask, self.client.settings)
        known = self.journal.find(digest)
        if known is not None:
            return known, True
        try:
            reply = self.client.ask(ask, lambda: self.context.stop_requested)
        except (VlmRefusedError, CapReached) as error:
            raise _EndedError(str(error)) from error
        except VlmError as error:
            self.failures += 1
            if self.failures >= _MOST_FAILURES:
                raise _EndedError(f"{self.failures} questions in a row failed, the last so: {error}") from error
            raise
        self.failures = 0
        self.journal.add(digest, reply)
        return reply, False

    def samples(
        self,
        model: str,
        picture: Image.Image,
        keep: list[VlmVerdict],
        tell: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        """Have a picture described, and add the samples to `keep` one by one, for what is there to stay.

        `tell` is called before each is asked for, `heard` when it is there.
        """
        for number in range(self.inquiry.samples):
            seed = self.inquiry.seed + number
            tell()
            ask = Ask(model, self.inquiry.question, picture, seed, self.client.settings.temperature)
            try:
                reply, known = self.ask(ask)
            except VlmError as error:
                keep.append(VlmVerdict(sample=number, seed=seed, error=str(error)))
                heard()
                continue
            except _EndedError as error:
                keep.append(VlmVerdict(sample=number, seed=seed, error=str(error)))
                raise
            keep.append(
                VlmVerdict(
                    sample=number,
                    seed=seed,
                    text=reply.text,
                    prompt_tokens=reply.usage.prompt,
                    completion_tokens=reply.usage.completion,
                    estimated=reply.usage.estimated,
                    latency_s=reply.latency_s,
                    remembered=known,
                )
            )
            heard()

    def judged(self, verdict: VlmVerdict, reference: str) -> VlmVerdict:
        """Return a verdict with what the judge makes of its text beside another."""
        settings = self.client.settings
        ask = Ask(
            settings.judge_model or settings.model,
            judge_question(reference, verdict.text),
            None,
            self.inquiry.seed,
            None if settings.temperature is None else 0.0,
        )
        try:
            reply, _known = self.ask(ask)
        except VlmError as error:
            return verdict.model_copy(update={"judge_error": str(error)})
        score = parse_judgement(reply.text)
        why = "" if score is not None else f"The judge answered with something other than a number: {reply.text[:80]}"
        return verdict.model_copy(update={"judge": score, "judge_error": why})


def describe(
    context: JobContext,
    cases: Sequence[Case],
    client: VlmClient,
    inquiry: Inquiry,
    *,
    survivals: Sequence[str] = (SAVED,),
    names: Names | None = None,
    encoder: Encoder | None = None,
    targets: Mapping[str, Image.Image] | None = None,
    journal: Journal | None = None,
    on_answer: Callable[[Descriptions], None] = lambda _found: None,
) -> Descriptions:
    """Have every case described by every model, from the files on disk, and score the texts.

    `targets` are the pictures that attacks by name led to, which are described, too, where no words say what was
    wanted; `encoder` compares texts. `on_answer` hears after every answer what there is by then. What the journal
    knows is not asked again. Failed questions are in the verdicts, as sentences. Asked to stop, or refused for good,
    it returns what there is by then; StudioError only for keywords that are none, and a journal that cannot be
    written.
    """
    names = names or Names()
    scorer = _Scorer(inquiry, names, None if encoder is None else TextSimilarity(encoder))
    asking = _Asking(client, Journal() if journal is None else journal, inquiry, context)
    found = Descriptions()
    models = inquiry.models or (client.settings.model,)
    total, done = len(cases) * len(models) * len(survivals) * 2 * inquiry.samples, 0

    def tell() -> None:
        nonlocal done
        context.progress(Progress(min(done, total), total, f"{model} looks at {case.image}", unit="items"))
        done += 1

    def heard() -> None:
        scorer.score(entry)
        on_answer(replace(found, described=[*found.described, scorer.described(entry)]))

    try:
        for case in cases:
            try:
                photo, attacked = load_image(case.photo), load_image(case.attacked)
            except ImageError as error:
                found.unreadable[case.attack, case.image] = str(error)
                continue
            for model in models:
                of_target: list[VlmVerdict] = []
                target = (targets or {}).get(case.attack)
                if target is not None and not case.question.targets:
                    asking.samples(model, target, of_target, lambda: None, lambda: None)
                texts = case.question.targets or tuple(v.text for v in of_target if v.answered)
                for survival in survivals:
                    entry = _Entry(case, model, survival, texts)
                    try:
                        clean, changed = (SURVIVALS[survival].apply(picture) for picture in (photo, attacked))
                    except NotApplicableError:  # the tables say why
                        done += 2 * inquiry.samples
                        continue
                    try:
                        asking.samples(model, clean, entry.clean, tell, heard)
                        asking.samples(model, changed, entry.attacked, tell, heard)
                        scorer.score(entry)
                        if inquiry.judge:
                            _judge(asking, entry)
                    except (_EndedError, Stopped):
                        scorer.score(entry)
                        found.described.append(scorer.described(entry))
                        raise
                    found.described.append(scorer.described(entry))
    except Stopped:
        found.stopped = True
    except _EndedError as error:
        found.ended = str(error)
    context.progress(Progress(total, total, "Described", unit="items"))
    return found


@dataclass
class _Entry:
    """What is being put together."""

    case: Case
    model: str
    survival: str
    target_texts: tuple[str, ...]
    clean: list[VlmVerdict] = field(default_factory=list)
    attacked: list[VlmVerdict] = field(default_factory=list)


def _judge(asking: _Asking, entry: _Entry) -> None:
    """Have the texts judged: against the target's, or, without a target, the attacked against the clean."""
    for verdicts in (entry.clean, entry.attacked) if entry.target_texts else (entry.attacked,):
        references = entry.target_texts or tuple(v.text for v in entry.clean if v.answered)
        for index, verdict in enumerate(verdicts):
            if verdict.answered and references:
                verdicts[index] = asking.judged(verdict, references[index % len(references)])


@dataclass(frozen=True, eq=False)
class _Scorer:
    """Fills in the scores that need nobody to be asked."""

    inquiry: Inquiry
    names: Names
    similarity: TextSimilarity | None

    def keywords(self, entry: _Entry) -> tuple[tuple[Keyword, ...], tuple[Keyword, ...]]:
        """Return those of the target, and of the true label."""
        question = entry.case.question
        own = parse_keywords(self.inquiry.keywords, self.names)
        return own or keywords_in(question.targets, self.names), keywords_in([question.label], self.names)

    def score(self, entry: _Entry) -> None:
        """Score all texts; twice is as good as once."""
        target_words, label_words = self.keywords(entry)
        said = [(verdict.sample, verdict.text) for verdict in entry.clean if verdict.answered]
        for verdicts in (entry.clean, entry.attacked):
            for index, verdict in enumerate(verdicts):
                if not verdict.answered:
                    continue
                clean = [text for sample, text in said if verdicts is entry.attacked or sample != verdict.sample]
                scores = {
                    "target_keywords": matched(target_words, verdict.text),
                    "label_keywords": matched(label_words, verdict.text),
                    "target_overlap": _mean(overlap, verdict.text, entry.target_texts),
                    "clean_overlap": _mean(overlap, verdict.text, clean),
                }
                if self.similarity is not None:
                    scores["target_cosine"] = _mean(self.similarity.between, verdict.text, entry.target_texts)
                    scores["clean_cosine"] = _mean(self.similarity.between, verdict.text, clean)
                verdicts[index] = verdict.model_copy(update=scores)

    def described(self, entry: _Entry) -> Described:
        """Return an entry as a value."""
        target_words, label_words = self.keywords(entry)
        case = entry.case
        return Described(
            image=case.image,
            attack=case.attack,
            model=entry.model,
            survival=entry.survival,
            label=case.question.label,
            targets=case.question.targets,
            target_words=tuple(map(str, target_words)),
            label_words=tuple(map(str, label_words)),
            target_texts=entry.target_texts,
            clean=tuple(entry.clean),
            attacked=tuple(entry.attacked),
        )


def _mean(measure: Callable[[str, str], float | None], text: str, others: Sequence[str]) -> float | None:
    found = [score for other in others if (score := measure(text, other)) is not None]
    return fmean(found) if found else None
