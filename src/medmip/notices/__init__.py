"""Notices of what happened here, by e-mail, Slack or webhook, where the hospital asks for them."""
