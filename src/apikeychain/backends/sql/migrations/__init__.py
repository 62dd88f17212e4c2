"""Alembic's environment: migrations that travel inside the wheel."""
