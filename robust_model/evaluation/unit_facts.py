"""What a finished unit of work says beside its tensors: the facts that the journal keeps of it."""

from pydantic import BaseModel, ConfigDict, Field

from robust_model.attacks import PassCount
from robust_model.evaluation.record.schema import Sample
from robust_model.evaluation.record.values import Count, Distance, Look, Numbers, Seconds


class UnitFacts(BaseModel):
    """What every unit says: the passes and the time that it took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passes: PassCount
    seconds: Seconds


class AttackFacts(UnitFacts):
    """What one attack did to a batch, besides: the fields of `AttackResults`, of this batch alone.

    `extra` are the attack's own facts. Journals of before ties, silence and ends were looked at have none of them.
    """

    distance_max: Distance
    tied: Count = 0
    speechless: Count = 0
    samples: tuple[Sample, ...]
    extra: Numbers
    ends: Look | None = Field(None)
