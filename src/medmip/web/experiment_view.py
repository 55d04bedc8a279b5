"""Experiments as whoever asks for them sees them."""

from collections.abc import Sequence

from medmip.accounts.errors import NotAllowed
from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.experiments.experiment import Experiment, Summary
from medmip.experiments.service import ExperimentService
from medmip.web.door import Door
from medmip.web.schemas import ListedExperiment, SeenExperiment


class ExperimentView:
    """Tells what experiments are to a caller."""

    def __init__(self, service: ExperimentService, door: Door) -> None:
        self._service = service
        self._door = door

    def seen(self, experiment: Experiment, caller: Caller) -> SeenExperiment:
        """One experiment that the caller may see."""
        return SeenExperiment(
            **{name: getattr(experiment, name) for name in Experiment.model_fields},
            mine=experiment.user == caller.name,
            starred=bool(self._service.stars.among([experiment.id], caller.name)),
            shares=not self._door.doorman.open and may_share(experiment, caller),
            sharing=self._service.sharing.of(experiment.id),
        )

    def own(self, identity: str, caller: Caller) -> Experiment:
        """An experiment of the caller's; raises NotFound, and NotAllowed where it is another's."""
        found = self._service.get(identity, caller)
        if found.user != caller.name:
            raise NotAllowed(
                "The experiment is another person's", remedy="Run it again to have one of your own."
            )
        return found

    def listed(self, found: Sequence[Summary], caller: Caller) -> list[ListedExperiment]:
        """A page of experiments that the caller may see."""
        identities = [part.id for part in found]
        starred = self._service.stars.among(identities, caller.name)
        comments = self._service.comments.count(identities)
        return [
            ListedExperiment(
                **{name: getattr(part, name) for name in Summary.model_fields},
                mine=part.user == caller.name,
                starred=part.id in starred,
                comments=comments.get(part.id, 0),
            )
            for part in found
        ]


def may_share(experiment: Experiment, caller: Caller) -> bool:
    """Whether it is the caller's to share: its author's who may analyse, or an administrator's."""
    if caller.may(Right.ADMINISTER):
        return True
    return experiment.user == caller.name and caller.may(Right.ANALYSE)
