"""Log rotation of what does not rotate itself."""

from medmip.deploy.blocks.declaration import HOME, USER


def rotation() -> str:
    """The broker's log for logrotate; MIP's own logs rotate themselves, nginx' by its package.

    The broker keeps its log open, so that it is copied and cut.
    """
    return (
        "# Written by `mip deploy setup`.\n"
        f"{HOME}/logs/nats-server.log {{\n"
        f"    su {USER} {USER}\n"
        "    weekly\n"
        "    rotate 8\n"
        "    maxsize 50M\n"
        "    missingok\n"
        "    notifempty\n"
        "    compress\n"
        "    copytruncate\n"
        "}\n"
    )
