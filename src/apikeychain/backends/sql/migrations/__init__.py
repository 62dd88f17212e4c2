"""Migrations that travel inside the wheel, laid out as Alembic has them."""
