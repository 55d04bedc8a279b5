"""The thresholds of a whole federation: its hub states them, and a hospital is only stricter."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from medmip.catalogue.atomic_file import write_atomically
from medmip.federation.offering import laxer_fields
from medmip.privacy.policy import Policy, PolicyError, checked

Stated = Mapping[str, int | float | bool | str]
"""Some thresholds by name; the others are left to each hospital."""


def read_common(path: Path) -> Stated:
    """What the hub's `policy.toml` states; nothing without it. Raises PolicyError."""
    try:
        stated: Stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(
            f"cannot be read: {error}",
            where=str(path),
            remedy="Write it with `mip hub policy minimum_patients=20`.",
        ) from None
    checked(stated, path.name)
    return stated


def write_common(path: Path, stated: Stated) -> None:
    """Puts these thresholds in the place of the former; raises PolicyError."""
    checked(stated, path.name)
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in stated.items()]
    write_atomically(path, "".join(lines).encode())


def stricter(own: Policy, stated: Stated) -> Policy:
    """A hospital's policy with those of the federation's thresholds that are stricter."""
    common = Policy.model_validate(own.model_dump() | dict(stated))
    kept = set(laxer_fields(common, own))
    return own.model_copy(
        update={name: getattr(common, name) for name in stated if name not in kept}
    )


def breaches(policy: Policy, stated: Stated) -> list[str]:
    """The thresholds in which a policy lets out more than the federation allows."""
    return laxer_fields(policy, Policy.model_validate(policy.model_dump() | dict(stated)))
