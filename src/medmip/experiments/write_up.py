"""What is written about an experiment: its methods, and the code that asks for it again."""

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.data_model import DataModel
from medmip.experiments.experiment import Experiment
from medmip.experiments.methods import Algorithms, Methods, methods_of
from medmip.experiments.reproduction import ADDRESS, RequestCode, code_of


class WriteUp(BaseModel):
    """The paragraph for a paper, and the request as code."""

    model_config = ConfigDict(frozen=True)

    methods: Methods
    code: RequestCode


def write_up_of(
    experiment: Experiment,
    algorithms: Algorithms,
    model: DataModel | None,
    address: str = ADDRESS,
    *,
    token: bool,
) -> WriteUp:
    """The write-up of an experiment; raises Conflict where it has no result.

    model is its data model, None where that is not there any more; address is the portal's, and
    token tells whether that wants to know who asks.
    """
    methods = methods_of(experiment, algorithms, model)
    federated = experiment.provenance is not None and bool(experiment.provenance.sites)
    code = code_of(experiment.request, address, token=token, federated=federated)
    return WriteUp(methods=methods, code=code)
