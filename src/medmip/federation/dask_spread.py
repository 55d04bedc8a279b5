"""A cohort's partitions dealt among the threads of a cluster, where their blocks are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from medmip.federation.partition_work import Piece, Row, dealt, kept

if TYPE_CHECKING:
    from distributed import Client, Future


@dataclass(frozen=True)
class Spread:
    """A cohort's partitions as the cluster has them, and what stands there for each row."""

    client: "Client"
    threads: Mapping[str, int]
    rows: tuple[Row, ...]
    held: tuple["Future", ...]

    def holds(self, client: "Client", threads: Mapping[str, int]) -> bool:
        """Whether the cluster still has them, dealt among these threads of its workers."""
        return (
            self.client is client
            and self.threads == threads
            and all(row.status in ("pending", "finished") for row in self.held)
        )


def spread_out(client: "Client", threads: Mapping[str, int], pieces: Sequence[Piece]) -> Spread:
    """Gives each thread a row of pieces, which leaves its worker when that is lost."""
    homes = [home for home, many in sorted(threads.items()) for _ in range(many)]
    rows = tuple(dealt(pieces, homes))
    held = tuple(
        client.submit(
            kept,
            row,
            key=f"mip-row-{token_hex(8)}",
            workers=[row.home],
            allow_other_workers=True,
        )
        for row in rows
    )
    return Spread(client, threads, rows, held)
