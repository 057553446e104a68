"""Who may do what: hosts, keys, rights, the audit log. Middlewares that are around the whole application."""
