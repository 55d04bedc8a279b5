import stat
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.federation.clock import Skew, now
from medmip.federation.identity import Identity, PublicIdentity, UnusableIdentity
from medmip.federation.succession import BrokenSuccession, Succession, newest


def test_an_nkey_is_written_as_nats_writes_it() -> None:
    # What the official library (nkeys 0.2.1) makes of the same seed.
    nkey = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
    assert Identity(bytes(range(32))).public.nkey == nkey


def test_a_key_file_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    made = Identity.made()
    made.write(tmp_path / "identity.key")
    assert stat.S_IMODE((tmp_path / "identity.key").stat().st_mode) == 0o600
    assert Identity.read(tmp_path / "identity.key").public == made.public


def test_a_damaged_key_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "identity.key").write_bytes(b"short")
    with pytest.raises(UnusableIdentity, match="damaged"):
        Identity.read(tmp_path / "identity.key")
    with pytest.raises(UnusableIdentity, match="cannot be read"):
        Identity.read(tmp_path / "missing.key")


def test_an_identity_shows_no_private_key() -> None:
    made = Identity.made()
    assert made.seed.hex() not in repr(made)
    assert str(made.seed) not in repr(made)


def test_a_fingerprint_is_read_out_in_groups() -> None:
    groups = Identity.made().public.fingerprint.split()
    assert [len(group) for group in groups] == [4] * 8


@given(st.binary(max_size=200), st.integers(0, 511))
def test_a_signature_holds_for_its_content_alone(content: bytes, bit: int) -> None:
    made = Identity.made()
    signature = made.sign(content)
    assert made.public.verifies(signature, content)
    assert not made.public.verifies(signature, content + b"x")
    assert not Identity.made().public.verifies(signature, content)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not made.public.verifies(bytes(changed), content)


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33])
def test_a_malformed_public_key_is_refused(text: str) -> None:
    with pytest.raises(UnusableIdentity):
        PublicIdentity.from_hex(text)


def test_a_pinned_key_is_followed_through_every_succession() -> None:
    first, second, third = Identity.made(), Identity.made(), Identity.made()
    chain = (Succession.made(first, second, now()), Succession.made(second, third, now()))
    assert newest(first.public, chain) == third.public
    assert newest(second.public, chain) == third.public
    assert newest(third.public, chain) == third.public
    stranger = Identity.made().public
    assert newest(stranger, chain) == stranger


@pytest.mark.parametrize("field", ["former", "following"])
def test_a_succession_needs_both_signatures(field: str) -> None:
    first, second = Identity.made(), Identity.made()
    step = Succession.made(first, second, now())
    forged = step.model_copy(update={f"signed_by_{field}": "00" * 64})
    with pytest.raises(BrokenSuccession):
        newest(first.public, (forged,))
    swapped = step.model_copy(update={"following": Identity.made().public.hex})
    with pytest.raises(BrokenSuccession):
        newest(first.public, (swapped,))


def test_a_stored_succession_still_holds() -> None:
    step = Succession.made(Identity.made(), Identity.made(), now())
    assert Succession.model_validate_json(step.model_dump_json()).checked() == step


def test_a_clock_is_measured_in_the_middle_of_the_way() -> None:
    sent = now()
    back = sent + timedelta(seconds=4)
    skew = Skew.between(sent, sent + timedelta(seconds=92), back)
    assert (skew.seconds, skew.uncertainty) == (90.0, 2.0)
    assert skew.too_large
    assert str(skew) == "90.0 s ahead"
    assert not Skew(61.0, 2.0).too_large
    assert Skew(-61.0, 0.5).too_large
