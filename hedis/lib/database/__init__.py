"""Django's PostgreSQL backend, with a private server that starts at the first connection."""
