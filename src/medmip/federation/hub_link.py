"""The hub's connection for a command beside the running hub, such as `mip run`."""

from medmip.federation.client import FederationClient
from medmip.federation.connection import connect_hub
from medmip.federation.coordinator import Coordinator
from medmip.federation.hub_folder import HubFolder


class HubLink:
    """While it is entered, a coordinator asks through the broker that the running hub started."""

    def __init__(self, folder: HubFolder, coordinator: Coordinator) -> None:
        self._folder = folder
        self._coordinator = coordinator
        self._client: FederationClient | None = None

    async def __aenter__(self) -> "HubLink":
        self._client = await connect_hub(self._folder, "hub command")
        await self._coordinator.begin(self._client)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()
