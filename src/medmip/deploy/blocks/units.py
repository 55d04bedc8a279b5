"""systemd units of our services, hardened, from the one table."""

from collections.abc import Sequence

from medmip.deploy.blocks.declaration import HOME, USER, Secret, Service

ON_FAILURE = "OnFailure=mip-notice@%p.service"
"""Tells people, where they asked for it; a unit that is started again has not failed."""
HARDENED = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
PrivateTmp=yes
PrivateDevices=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077
LimitCORE=0
"""


def unit(service: Service, name: str, backups: str, secrets: Sequence[Secret] = ()) -> str:
    """The unit file of a service.

    name is the portal's address, backups the folder of backups, secrets those that are there.
    """
    after = " ".join(("network-online.target", *service.after))
    lines = [
        "# Written by `mip deploy setup`.",
        "[Unit]",
        f"Description={service.title}",
        f"After={after}",
        "Wants=network-online.target",
        *(() if service.name.endswith("@") else (ON_FAILURE,)),
        "StartLimitIntervalSec=600",
        "StartLimitBurst=20",
        "",
        "[Service]",
        *_account(service),
        f"ExecStart={service.command} {service.arguments.format(name=name)}",
    ]
    if service.afterwards:
        # With a plus: as root, which needs no confining.
        lines.append(f"ExecStartPost=+{service.command} {service.afterwards}")
    if service.when:
        lines.append("Type=oneshot")
    else:
        # A node that is killed comes back by itself, slower each time it is killed again.
        lines += ["Restart=always", "RestartSec=2", "TimeoutStopSec=30"]
    lines += [
        f"LoadCredential={secret.name}:{secret.path}"
        for secret in secrets
        if secret.name in service.credentials
    ]
    lines += [f"ReadWritePaths={path.format(backups=backups)}" for path in service.writes]
    lines.append(HARDENED.rstrip())
    if service.network:
        lines.append("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6")
    else:
        lines += ["PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX", "IPAddressDeny=any"]
    if not service.compiles:
        lines.append("MemoryDenyWriteExecute=yes")
    if not service.when:
        lines += ["", "[Install]", "WantedBy=multi-user.target"]
    return "\n".join(lines) + "\n"


def _account(service: Service) -> list[str]:
    if not service.state:
        return [
            f"User={USER}",
            f"Group={USER}",
            f"Environment=HOME={HOME} MIP_HOME={HOME} PYTHONUNBUFFERED=1",
            f"WorkingDirectory={HOME}",
        ]
    return [
        "DynamicUser=yes",
        f"StateDirectory={service.state.removeprefix('/var/lib/')}",
        "StateDirectoryMode=0700",
        f"Environment=HOME={service.state} PYTHONUNBUFFERED=1",
        f"WorkingDirectory={service.state}",
        "TimeoutStartSec=600",
    ]


def timer(service: Service) -> str:
    """The timer of a service that runs at times; one that was missed is made up for."""
    return (
        "# Written by `mip deploy setup`.\n"
        "[Unit]\n"
        f"Description={service.title}, at its time\n"
        "\n"
        "[Timer]\n"
        f"OnCalendar={service.when}\n"
        "RandomizedDelaySec=10min\n"
        "Persistent=yes\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )
