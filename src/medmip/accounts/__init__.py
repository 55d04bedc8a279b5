"""Who may enter and do what: people, roles, log-in, sessions, tokens, the allow-list."""
