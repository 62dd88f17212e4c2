from served_postgres import OnPostgres


class TestPostgresStore(OnPostgres):
    pass
