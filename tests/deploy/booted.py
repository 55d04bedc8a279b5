"""A bare Debian server, booted under systemd-nspawn on a network of its own.

Neither Docker nor a systemd of the host is needed: the server has a view of control groups and
processes of its own, so that killing one process is a power cut and leaves nothing behind. How
each line came to be is in docs/decisions/building-blocks.md.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import missing
from tests.project.tree import ROOT

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "iproute2", "python3", "python3-venv", "python3-apt",
    "ca-certificates", "logrotate", "netbase", "nftables", "openssh-server",
    "unattended-upgrades", "postgresql", "nginx-light",
)  # fmt: skip
"""A server has the first seven lines of these; the rest is there since it has no network."""
FEWEST = ("systemd", "systemd-sysv", "dbus", "iproute2", "python3")
"""Of these, what a server has that everything else is brought to by a bundle."""
ADDRESS, OUTSIDE = "10.77.0.10", "10.77.0.1"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RUN = """
umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
root=$1 name=$2; shift 2
while :; do
  systemd-nspawn -D "$root" -M "$name" --boot --register=no --keep-unit --private-network \
    --network-bridge=br0 --console=pipe --link-journal=no --resolv-conf=off --timezone=off \
    --kill-signal=SIGRTMIN+3 --capability=CAP_BPF,CAP_PERFMON --system-call-filter=bpf "$@"
  code=$?; [ $code = 133 ] || exit $code
done
"""


def mirror() -> str:
    """Where this machine gets Debian's packages from."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.exists():
            for line in path.read_text().splitlines():
                words = line.split()
                if words and words[0] in ("URIs:", "deb"):
                    return next(word for word in words[1:] if "://" in word)
    return missing("this machine has no sources of Debian's packages")


def control_groups() -> Path:
    """The root of the second version's control groups."""
    for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")):
        if (path / "cgroup.procs").exists() and (path / "cgroup.controllers").exists():
            return path
    return missing("control groups of the second version are not mounted here")


def refuse_where_none_can_boot() -> None:
    """Skips, or fails where every test is asked for, on a machine that can boot no server."""
    if os.geteuid() != 0:
        missing("only root can boot a server under systemd-nspawn")
    for program in ("systemd-nspawn", "mmdebstrap", "ip", "nsenter", "unshare"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    control_groups()
    if not (ROOT / "src/medmip/web/static/index.html").is_file():
        missing("the portal is not built (make portal)")


def root_in_the_making(
    folder: Path, packages: Sequence[str], release: str
) -> subprocess.Popen[bytes]:
    """A process that fills a folder with a release of Debian as a server has it."""
    return subprocess.Popen(
        [
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}",
            '--aptopt=APT::Install-Recommends "false"',
            "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*", release, str(folder), mirror(),
        ]
    )  # fmt: skip


@contextmanager
def network(name: str) -> Iterator[None]:
    """A network namespace with a bridge, in which an outsider has the address OUTSIDE."""
    # A run of the tests that was killed leaves its own behind.
    subprocess.run(["ip", "netns", "delete", name], stderr=subprocess.DEVNULL, check=False)
    for words in (
        ("netns", "add", name),
        ("-n", name, "link", "set", "lo", "up"),
        ("-n", name, "link", "add", "br0", "type", "bridge"),
        ("-n", name, "address", "add", f"{OUTSIDE}/24", "dev", "br0"),
        ("-n", name, "link", "set", "br0", "up"),
    ):
        subprocess.run(["ip", *words], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@contextmanager
def layered(root: Path, above: Path) -> Iterator[Path]:
    """A copy of a root that costs what is changed in it."""
    for folder in ("upper", "work", "merged"):
        (above / folder).mkdir(parents=True)
    options = f"lowerdir={root},upperdir={above}/upper,workdir={above}/work"
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(above / "merged")], check=True
    )
    try:
        yield above / "merged"
    finally:
        subprocess.run(["umount", str(above / "merged")], check=True)


def prepare(root: Path, name: str, address: str = ADDRESS) -> None:
    """What a machine has before anything is installed: names, an address, nothing waited for."""
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{address} {name}\n")
    (root / "etc/hostname").write_text("hospital\n")
    (root / "etc/systemd/network/10-host0.network").write_text(
        f"[Match]\nName=host0\n[Network]\nAddress={address}/24\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )
    for unit in ("systemd-networkd-wait-online.service", "apt-daily.timer"):
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    link = wanted / "systemd-networkd.service"
    if not link.is_symlink():
        link.symlink_to("/lib/systemd/system/systemd-networkd.service")


@dataclass
class Server:
    """A booted server, and what boots it."""

    begin: Callable[[], subprocess.Popen[bytes]]

    def __post_init__(self) -> None:
        self.process = self.begin()

    def boot(self) -> None:
        """Boots it again after a power cut, from the disk as that left it, whole or not."""
        self.process = self.begin()
        self.wait(whole=False)

    def run(
        self, *command: str, check: bool = True, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as root."""
        ended = subprocess.run(
            [
                "nsenter", "-t", str(self._leader()), "-m", "-u", "-i", "-n", "-p", "-C", "-r",
                "-w", "--", "/usr/bin/env", "-i", f"PATH={_PATH}", "HOME=/", "TERM=dumb",
                "LANG=C.UTF-8", *command,
            ],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )  # fmt: skip
        if check:
            assert ended.returncode == 0, (
                f"{command}\n{ended.stdout[-6000:]}\n{ended.stderr[-3000:]}"
            )
        return ended

    def wait(self, seconds: float = 60, *, whole: bool = True) -> None:
        """Until the server has booted; with whole, every unit is to be started."""
        until = time.monotonic() + seconds
        state = "not there"
        while time.monotonic() < until:
            with contextlib.suppress(StopIteration, subprocess.TimeoutExpired):
                state = self.run("systemctl", "is-system-running", check=False, seconds=10).stdout
                if state.strip() in ("running", "degraded"):
                    break
            time.sleep(0.2)
        if not whole and state.strip() == "degraded":
            return
        assert state.strip() == "running", self.run(
            "systemctl", "--no-pager", "--failed", check=False
        ).stdout

    def cut_power(self) -> None:
        """Kills every process of the server at once."""
        self.process.kill()
        self.process.wait(30)

    def _leader(self) -> int:
        """The process that is the first one inside: the child of systemd-nspawn."""
        below = [self.process.pid]
        for pid in below:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd-nspawn":
                return int(next(iter(children)))
            below += map(int, children)
        raise StopIteration


@contextmanager
def booted(root: Path, name: str, bound: Path, log: Path, *, within: str = "") -> Iterator[Server]:
    """A server that runs until the block is left; bound is seen inside as /media/mip.

    within names the network where it is another one than the server's own; name is short, since
    the interface there is called by it.
    """
    group = control_groups() / name
    written = log.open("ab")

    def begin() -> subprocess.Popen[bytes]:
        _removed(group)
        group.mkdir()
        return subprocess.Popen(
            [
                "bash", "-c", 'echo $BASHPID > "$0/cgroup.procs"; exec "$@"', str(group),
                "nsenter", f"--net=/run/netns/{within or name}", "unshare", "--mount", "--cgroup",
                "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
                "bash", "-c", _RUN, "run", str(root), name, f"--bind-ro={bound}:/media/mip",
            ],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )  # fmt: skip

    server = Server(begin)
    try:
        yield server
    finally:
        server.cut_power()
        written.close()
        _removed(group)


@contextmanager
def apart(name: str, script: str) -> Iterator[int]:
    """A process of a script with its own view of mounts and control groups, in a network.

    The script is to end in `exec sleep infinity`; the process is for nsenter to go to.
    """
    group = control_groups() / name
    _removed(group)
    group.mkdir()
    process = subprocess.Popen(
        [
            "bash", "-c", 'echo $BASHPID > "$0/cgroup.procs"; exec "$@"', str(group),
            "nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "--cgroup",
            "--propagation", "private", "bash", "-c", script,
        ]
    )  # fmt: skip
    try:
        until = time.monotonic() + 20
        while Path(f"/proc/{process.pid}/comm").read_text().strip() != "sleep":
            assert time.monotonic() < until
            time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.wait(20)
        _removed(group)


def _removed(group: Path) -> None:
    """Ends a control group whose processes were killed, once the last of them is gone."""
    until = time.monotonic() + 10
    while group.exists() and time.monotonic() < until:
        for folder in (*sorted(group.rglob("*"), reverse=True), group):
            if folder.is_dir():
                with contextlib.suppress(OSError):
                    folder.rmdir()
        time.sleep(0.1)
