"""What was done to a column, in a sentence for the dataset's card."""

from pydantic import BaseModel, ConfigDict


class Step(BaseModel):
    """One thing that was done to one column; column is None for the records as a whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str | None
    done: str

    def __str__(self) -> str:
        return f"{self.column}: {self.done}" if self.column else self.done
