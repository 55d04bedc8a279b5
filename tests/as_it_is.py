"""A home that publishes what it reads as it is: for tests of what comes before or after."""

from medmip.catalogue.home import Home

POLICY = """
[anonymisation]
patient_codes = "keep"
codes = []
ages = []
identifiers = "ignore"
"""


def as_it_is(home: Home) -> Home:
    """The home, with a policy for all its datasets under which nothing is done to them."""
    home.policies.mkdir(exist_ok=True)
    (home.policies / "default.toml").write_text(POLICY)
    return home
