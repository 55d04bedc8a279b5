"""What notices say, in each language: one sentence for one event, one for several."""

from collections.abc import Mapping
from dataclasses import dataclass

from medmip.notices.event import Kind


@dataclass(frozen=True, slots=True)
class Words:
    """A language: sentences by kind, of one and of {count}, and what stands around them."""

    sentences: Mapping[Kind, tuple[str, str]]
    summary: str
    more: str
    foot: str

    def sentence(self, kind: Kind, count: int) -> str:
        one, many = self.sentences[kind]
        return one if count == 1 else many.format(count=count)
