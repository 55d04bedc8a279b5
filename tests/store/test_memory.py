"""Free memory is the machine's, or what is left of a narrower limit."""

from pathlib import Path

import pytest

from medmip.store.memory import UNKNOWN, available

GIB = 2**30


@pytest.fixture
def machine(tmp_path):
    """A machine with 8 GiB free, and the process's group two below the root."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:  {8 * GIB // 1024} kB\n")
    (tmp_path / "own").write_text("1:name=systemd:/x\n0::/system.slice/mip.service\n")
    group = tmp_path / "groups" / "system.slice" / "mip.service"
    group.mkdir(parents=True)

    def limited(folder, limit, high="max", used=GIB, idle=0):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.high").write_text(f"{high}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {idle}\n")

    def found():
        return available(tmp_path / "meminfo", tmp_path / "own", tmp_path / "groups")

    return group, limited, found


def test_without_a_limit_it_is_the_machines(machine):
    group, limited, found = machine
    assert found() == 8 * GIB
    limited(group, "max")
    assert found() == 8 * GIB


def test_the_narrowest_limit_counts_from_the_process_s_group_up(machine):
    group, limited, found = machine
    limited(group, 4 * GIB, idle=GIB // 2)
    assert found() == 3 * GIB + GIB // 2
    limited(group, 4 * GIB, high=2 * GIB)
    assert found() == GIB
    limited(group.parent, 3 * GIB, used=3 * GIB)
    assert found() == 0
    limited(group.parent, 2 * GIB, used=3 * GIB)
    assert found() == 0


def test_where_nothing_is_told_little_is_taken_to_be_free(tmp_path):
    assert available(tmp_path / "no", tmp_path / "no", tmp_path / "no") == UNKNOWN


def test_this_machine_tells():
    assert 0 < available() < 2**50
    assert Path("/proc/meminfo").exists()
