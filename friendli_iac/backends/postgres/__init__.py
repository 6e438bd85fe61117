"""A Postgres database. Needs psycopg, and so is imported only when a state is kept there."""

from friendli_iac.backends.postgres.store import PostgresStore, open_postgres

__all__ = ["PostgresStore", "open_postgres"]
