"""Subjects of the federation's messages, and who may publish and hear which.

    mip.site.<node>.<verb>     from the hub to one site; its own inbox is mip.site.<node>.inbox
    mip.hub.<node>.<verb>      from one site to the hub
    mip.answer.<node>.<token>  from one site, in answer to the hub

A node's permissions are allow-lists over these, so that it can neither hear nor speak for another,
nor learn that there is another. Answers have subjects of their own, since what the broker's
`allow_responses` permits is forgotten whenever it reads its configuration again: an answer that
was being computed while another hospital was invited would be lost.
"""

from dataclasses import dataclass

HUB_INBOX = "mip.inbox.hub"
EVERY_SITE_TO_HUB = "mip.hub.*.>"
DESK = "membership"
"""The verb by which nodes enrol and members renew, rotate and leave."""


def to_site(node: str, verb: str) -> str:
    """Where the hub asks a site."""
    return f"mip.site.{node}.{verb}"


def all_to_site(node: str) -> str:
    """Everything that a site hears."""
    return f"mip.site.{node}.>"


def answer_inbox(node: str, asker: str) -> str:
    """The prefix of a site's answers to one asker at the hub; `*` hears those of all sites."""
    return f"mip.answer.{node}.{asker}"


def site_inbox(node: str) -> str:
    """The prefix of answers to a site's own questions."""
    return f"mip.site.{node}.inbox"


def to_hub(node: str, verb: str) -> str:
    """Where a site tells or asks the hub."""
    return f"mip.hub.{node}.{verb}"


def node_of(subject: str) -> str:
    """The node that a subject belongs to."""
    return subject.split(".")[2]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a connection may publish and hear."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


HUB = Permissions(
    publish=("mip.site.>",),
    subscribe=(EVERY_SITE_TO_HUB, "mip.answer.>", f"{HUB_INBOX}.>"),
)


def member(node: str) -> Permissions:
    """What a member may do."""
    publish = (f"mip.hub.{node}.>", f"mip.answer.{node}.>")
    return Permissions(publish, (all_to_site(node),))


def candidate(node: str) -> Permissions:
    """What an invited node, or one that waits for approval, may do: speak to the desk."""
    return Permissions((to_hub(node, DESK),), (f"{site_inbox(node)}.>",))
