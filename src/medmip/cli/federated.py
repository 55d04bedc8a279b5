"""The sites of a hub's federation, for a command that runs beside `mip serve`."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.federation.sites import Sites


def sites_of(place: "Home", connected: ExitStack) -> "Sites | None":
    """The sites, connected to until the stack is left; None where this home is no hub.

    Raises HubUnreachable where `mip serve` does not run there.
    """
    from medmip.federation.hub_folder import HubFolder

    folder = HubFolder(place)
    if not folder.is_whole:
        return None

    from medmip.catalogue.model_store import ModelStore
    from medmip.federation.background import Background
    from medmip.federation.common_policy import read_common
    from medmip.federation.coordinator import Coordinator
    from medmip.federation.hub_link import HubLink
    from medmip.federation.membership import Membership
    from medmip.federation.sites import Sites, directory_of
    from medmip.store.state import open_state

    membership = Membership(open_state(place))
    coordinator = Coordinator(folder.settings.federation, lambda: directory_of(membership))
    connected.enter_context(Background(HubLink(folder, coordinator)))
    sites = Sites(coordinator, ModelStore(place), lambda: read_common(folder.policy))
    sites.settle()
    return sites
