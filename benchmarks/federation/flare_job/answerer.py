# ruff: noqa: ARG002 - NVFLARE's own signatures
"""A site's side: one step of Newton's method over its records, in answer to each message."""

import numpy as np
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal


class Answerer(Executor):
    """Holds so many records of its own."""

    def __init__(self, patients: int, covariates: int) -> None:
        super().__init__()
        rng = np.random.default_rng(20)
        self.x = np.column_stack([np.ones(patients), rng.normal(size=(patients, covariates))])

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """Listens from the beginning of the job."""
        if event_type == EventType.START_RUN:
            fl_ctx.get_engine().register_aux_message_handler("round", self.answered)

    def answered(self, topic: str, request: Shareable, fl_ctx: FLContext) -> Shareable:
        """X'WX at the coefficients that are sent."""
        fitted = 1 / (1 + np.exp(-(self.x @ np.frombuffer(request["beta"]))))
        reply = make_reply(ReturnCode.OK)
        reply["information"] = ((self.x * (fitted * (1 - fitted))[:, None]).T @ self.x).tobytes()
        return reply

    def execute(
        self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal
    ) -> Shareable:
        """No task is ever given."""
        return make_reply(ReturnCode.TASK_UNKNOWN)
