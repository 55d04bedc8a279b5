"""Taking blocks, or all of MIP, off a server: a script of what goes, and what is left."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote

from medmip.deploy.answers import Answers
from medmip.deploy.blocks.certificate import OF_SETUP
from medmip.deploy.blocks.declaration import (
    CONFIGURATION,
    FORMER,
    HOME,
    INSTALLED,
    USER,
    Block,
    BlockName,
    Service,
)
from medmip.deploy.blocks.firewall import QUIET
from medmip.deploy.blocks.proxy import CERTIFICATE
from medmip.deploy.blocks.registry import BLOCKS, CERTIFICATE_STATE, DATABASE_TLS
from medmip.deploy.contents import CLOSED_HUB
from medmip.deploy.installation import Installation
from medmip.deploy.placement import Placement, of_node, placements
from medmip.deploy.playbook import play, refuse_others, workspace_of
from medmip.deploy.server_files import UNITS, server_files

_WORDS = f"""\
set -eu
mode=$1 former={FORMER} home={HOME} closed={CLOSED_HUB} user={USER}
"""
_VERBS = """\
does() { echo "$1"; test "$mode" = do; }
gone() {
  for path; do
    if test -e "$path" || test -L "$path"; then
      if does "removed $path"; then rm -rf -- "$path"; fi
    fi
  done
}
stopped() {
  if systemctl is-active --quiet "$1" || systemctl is-enabled --quiet "$1" 2>/dev/null; then
    if does "stopped $1"; then systemctl disable --now --quiet "$1"; fi
  fi
}
back() {
  if test -e "$former/files$1"; then
    if does "put back $1"; then mv -f "$former/files$1" "$1"; fi
  elif grep -qs 'Written by .mip deploy' "$1"; then
    gone "$1"
  fi
}
as_before() {
  test -e "$former/units/$1" || return 0
  if grep -qx enabled "$former/units/$1" || test "$1" = ssh.service; then
    if does "$1 runs as before MIP"; then systemctl try-reload-or-restart "$1"; fi
  elif test "$1" = nftables.service; then
    # To stop it would flush rules of others as well.
    if does "$1 is off as before MIP"; then systemctl disable --quiet "$1"; fi
  else
    stopped "$1"
  fi
  gone "$former/units/$1"
}
"""
_DATABASE = """\
set_up=$former/units/postgresql.service
if test -e "$set_up" && does "dropped the database mip and its readers"; then
  cd /
  systemctl start postgresql.service
  sql() { runuser -u postgres -- psql -XqAt -c "$1"; }
  for try in $(seq 30); do sql "SELECT 1" >/dev/null 2>&1 && break; sleep 1; done
  sql "DROP DATABASE IF EXISTS mip WITH (FORCE)"
  sql "SELECT quote_ident(rolname) FROM pg_roles
       WHERE rolname LIKE 'mip\\_reader\\_%' OR rolname = 'mip_ldsm_readers'" |
    while read -r role; do sql "DROP ROLE $role"; done
  # What readers asked.
  find /var/lib/postgresql -path '*/log/*.json' -delete
fi
for folder in /etc/postgresql/*/main; do
  gone "$folder/conf.d/mip.conf"
  for name in pg_hba.conf pg_ident.conf; do
    test -e "$folder/$name.before-mip" || continue
    if does "put back $folder/$name"; then mv -f "$folder/$name.before-mip" "$folder/$name"; fi
  done
done
if test "$mode" = do && test -e "$set_up"; then
  systemctl try-restart postgresql.service
fi
"""
_HUB = """\
if test -d $home/hub; then
  if does "closed the hub: $home/$closed holds what was its"; then
    systemctl stop mip.service 2>/dev/null || true
    mv $home/hub $home/$closed
  fi
fi
"""
_PROXY = (
    f"gone {CERTIFICATE}\n"
    + """\
site=/etc/nginx/sites-available/default
link=/etc/nginx/sites-enabled/default
if test -e $former/units/nginx.service && test -e $site && test ! -e $link; then
  if does "put back $link"; then ln -s $site $link; fi
fi
"""
)
_FIREWALL = (
    f"gone {QUIET}\n"
    + """\
for table in mip mip_quiet; do
  if nft list table inet $table >/dev/null 2>&1; then
    if does "removed the firewall's table $table"; then nft delete table inet $table; fi
  fi
done
if test "$mode" = do && test ! -e /etc/nftables.conf; then
  printf '#!/usr/sbin/nft -f\\nflush ruleset\\n' >/etc/nftables.conf
fi
"""
)
_CERTIFICATE = f"""\
gone {" ".join(OF_SETUP)}
gone {CERTIFICATE_STATE} /var/lib/private/{CERTIFICATE_STATE.rpartition("/")[2]}
"""
_OTHERS = {
    BlockName.HOSPITAL_DATABASE: _DATABASE,
    BlockName.FEDERATION_HUB: _HUB,
    BlockName.WEB_ANALYTICS: _PROXY,
    BlockName.CERTIFICATE_RENEWAL: _CERTIFICATE,
    BlockName.INFRASTRUCTURE: _FIREWALL,
}


def removal(answers: Answers, blocks: Sequence[Block]) -> str:
    """A script that removes what of these blocks is on a server, and says each thing.

    It takes `do`, or `plan` to say it alone; where nothing is there it says nothing. Data stay,
    as do packages and what was not ours.
    """
    whole = answers.model_copy(update={"blocks": tuple(BlockName), "servers": {}})
    everything = server_files(of_node(whole))
    lines = [_WORDS + _VERBS + "# The blocks."]
    for block in reversed(blocks):
        lines += [f"stopped {service.unit}" for service in block.services]
        lines += [line for service in block.services for line in _notes(service)]
        for file in everything:
            if file.block is block.name and not file.path.startswith(f"{HOME}/"):
                keeps = file.path.startswith(f"{UNITS}/")
                lines.append(f"{'gone' if keeps else 'back'} {file.path}")
        lines += [f"gone {secret.path}" for secret in block.secrets if secret.path]
        lines.append(_OTHERS.get(block.name, ""))
        for program in block.foreign:
            lines.append(f"as_before {program.unit}")
            lines.append(f"gone {CONFIGURATION}/applied/{program.unit}")
    lines.append('if test "$mode" = do; then systemctl daemon-reload; fi')
    return "\n".join(line for line in lines if line) + "\n"


def unwanted(placed: Placement) -> str:
    """The script that takes off a server what of MIP is not wanted on it (any more)."""
    answers = placed.answers
    lines = [removal(answers, [block for block in BLOCKS if not placed.has(block.name)])]
    here = {service.name for block in placed.every_block for service in block.services}
    for block in (one for one in BLOCKS if placed.has(one.name)):
        for service in (one for one in block.services if one.name not in here):
            lines += [f"stopped {service.unit}", *_notes(service)]
            lines.append(f"gone {UNITS}/{service.name}.service {UNITS}/{service.name}.timer")
    if not placed.has_node:
        lines.append("back /etc/logrotate.d/mip")
    if not placed.is_apart:
        lines.append(f"gone {DATABASE_TLS}")
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"


def _notes(service: Service) -> list[str]:
    """Lines by which what was noted of a service goes."""
    noted = [f"gone {CONFIGURATION}/applied/{service.unit}"]
    return noted + [f"gone /var/lib/systemd/timers/stamp-{service.unit}"] * bool(service.when)


def everything_removed(placed: Placement, folder: Path, *, purge: bool) -> str:
    """The script that takes MIP off a server; with purge, data and configuration as well."""
    answers = placed.answers
    ours = [one for block in BLOCKS for one in block.folders if not one.stays]
    paths = [one.path for one in ours if one.path not in (CONFIGURATION, INSTALLED)]
    paths += [FORMER, "/usr/local/bin/mip"]
    paths += [f"{CONFIGURATION}/upgrade.json", f"{CONFIGURATION}/upgraded.json"]
    if not placed.is_here:
        # This process would go with it.
        paths.append(INSTALLED)
    lines = [removal(answers, BLOCKS), f"gone {' '.join(map(quote, paths))}"]
    if purge:
        data = [HOME, answers.backup.to, CONFIGURATION]
        lines.append(f"gone {' '.join(map(quote, data))}")
        lines.append(
            f"if id -u {USER} >/dev/null 2>&1; then\n"
            f'  if does "removed the account {USER}"; then userdel {USER}; fi\nfi'
        )
    elif not folder.is_relative_to(CONFIGURATION):
        lines.append(
            f"if test -d {CONFIGURATION}; then rmdir --ignore-fail-on-non-empty {CONFIGURATION}; fi"
        )
    return "\n".join(lines) + "\n"


def uninstall(installation: Installation, say: Callable[[str], None], *, purge: bool) -> None:
    """Takes MIP off every server; `left` tells what stays. Raises DeployError."""
    placed = placements(installation.answers)
    refuse_others(placed)
    variables = {
        one.name: {
            "become": one.become,
            "removal": everything_removed(one, installation.folder, purge=purge),
        }
        for one in placed
    }
    with workspace_of(installation) as workspace:
        play(placed, "removal.yml", variables, workspace, say)
    if any(one.is_here for one in placed):
        shutil.rmtree(INSTALLED, ignore_errors=True)


def left(answers: Answers, folder: Path, *, purge: bool) -> list[str]:
    """What an uninstallation leaves on servers, a line each."""
    packages = sorted({name for block in answers.every_block for name in block.packages})
    stay = [
        f"packages of the distribution, which others may use: {' '.join(packages)}",
        "the journal of systemd, and the logs of nginx and PostgreSQL",
    ]
    if not purge:
        stay = [
            f"{HOME}: the data, and the account {USER} that they belong to",
            f"{answers.backup.to}: backups, encrypted",
            f"{folder}: the configuration, by which `mip deploy setup` sets all up again",
            *stay,
        ]
    elif not folder.is_relative_to(CONFIGURATION):
        stay.insert(0, f"{folder}: the configuration")
    return stay
