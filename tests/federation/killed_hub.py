"""A hub's operator who invites, approves and revokes without end, until killed."""

import itertools
import sys
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.federation.admission import open_invitation
from medmip.federation.clock import now
from medmip.federation.hub_folder import HubFolder
from medmip.federation.identity import Identity
from medmip.federation.membership import Membership
from medmip.federation.succession import Succession
from medmip.store.state import open_state

home = Home(Path(sys.argv[1]))
folder, membership = HubFolder(home), Membership(open_state(home))
print("ready", flush=True)
for number in itertools.count(int(sys.argv[2])):
    name = f"Hospital {number}"
    invitation = open_invitation(folder, membership, name, now())
    site = Identity.made()
    membership.enrol(invitation.one_time.public.node, site.public, "1", now())
    membership.approve(name, now())
    step = Succession.made(site, Identity.made(), now())
    membership.rotate(site.public.node, step, now())
    folder.rotate(now())
    membership.revoke(name, now())
    print("round", flush=True)
