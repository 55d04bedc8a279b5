"""Policy, the guard at the door, and the ledger of everything released or refused."""
