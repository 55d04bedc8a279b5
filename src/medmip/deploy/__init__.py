"""What the administrator of an installation does: back up, prove a backup, restore."""
