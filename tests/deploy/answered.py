"""Answers for an installation, as an administrator may give them."""

from medmip.deploy.answers import Answers, parsed
from medmip.deploy.placement import Placement, of_node

PUBLIC = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
PLAIN = f"""
name = "mip.hospital.example"
recipients = ["{PUBLIC}"]
[who]
maintainers = ["10.0.0.0/24"]
"""
BY_ACME = """
[certificate]
kind = "acme"
terms_agreed = true
contact = "it@hospital.example"
"""
EVERY_BLOCK = f"""
name = "mip.hospital.example"
recipients = ["{PUBLIC}"]
blocks = ["hospital-database", "reference", "data-factory", "web-analytics", "federation-hub"]
[who]
maintainers = ["10.0.0.0/24", "fd00::/64"]
people = ["10.0.0.0/8"]
sites = ["192.0.2.0/24"]
[login]
kind = "oidc"
[login.oidc]
issuer = "https://login.hospital.example"
client_id = "mip"
client_secret_file = "/run/secret"
[[imaging.receiver.peers]]
title = "PACS"
address = "10.9.0.4"
"""


def everything() -> Answers:
    """Every block, log-in by a provider, networks of both families."""
    return parsed(EVERY_BLOCK, "answers.toml")


def plain() -> Answers:
    """The shortest answers that there are."""
    return parsed(PLAIN, "answers.toml")


def alone(answers: Answers) -> Placement:
    """The one server of answers that name no other."""
    assert not answers.servers
    return of_node(answers)
