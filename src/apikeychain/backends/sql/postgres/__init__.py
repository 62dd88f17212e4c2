"""The store in PostgreSQL, by asyncpg: the database itself keeps tenants apart, with row-level security.

Files: `engine` (connections, TLS, time limits), `migration` and `walls` (roles, tables, policies, grants, functions),
`opening` (what is refused at the start), `tenant_store` and `store` (the port), `chains` and `aside` (the ledger, and
the loop in which it is written), `signals` (LISTEN/NOTIFY).
"""
