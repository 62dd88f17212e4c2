"""What PostgreSQL is asked of itself: roles, and what stands in the schema. `:role` is who serves, or will."""

from sqlalchemy import text

_OWNERS = "(SELECT relowner FROM pg_class WHERE relnamespace = to_regnamespace(:schema))"
# Every role that it could become, but for those that are refused as such.
_COULD_BE = f"""
    could_be AS (
        SELECT r.oid FROM pg_roles r, pg_roles me
        WHERE me.rolname = :role AND NOT me.rolsuper AND pg_has_role(me.oid, r.oid, 'MEMBER')
        AND NOT r.rolsuper AND r.oid NOT IN {_OWNERS}
    )
"""  # noqa: S608  # constants

# Names of the catalogue are told without their schema where they are found by this path alone, and plain ones bare.
PLAIN = text("SELECT set_config('search_path', 'pg_catalog', true), set_config('quote_all_identifiers', 'off', true)")

# Also those that this one could become.
ROLES = text(f"""
    SELECT r.rolname AS name, r.rolsuper AS is_superuser, r.rolbypassrls AS bypasses, r.rolcreaterole AS makes_roles,
        r.rolreplication AS replicates,
        r.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files') AS reaches_files,
        r.oid IN {_OWNERS} AS owns
    FROM pg_roles r
    WHERE pg_has_role(session_user, r.oid, 'MEMBER') OR pg_has_role(current_user, r.oid, 'MEMBER')
    ORDER BY 1
""")  # noqa: S608  # constants

# What the role may do with each, and what the mightiest may that it could become.
TABLES = text(f"""
    WITH {_COULD_BE}
    SELECT c.relname AS name, c.relkind = 'r' AND NOT c.relispartition AS is_table,
        c.relrowsecurity AND c.relforcerowsecurity AS forced,
        NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal)
            AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid)
            AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhparent, inhrelid)) AS alone,
        ARRAY(
            SELECT verb FROM unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS verb
            WHERE has_table_privilege(CAST(:role AS name), c.oid, verb)
        ) AS verbs,
        ARRAY(
            SELECT DISTINCT verb FROM could_be, unnest(ARRAY['SELECT', 'INSERT', 'REFERENCES']) AS verb
            WHERE has_any_column_privilege(could_be.oid, c.oid, verb)
            UNION
            SELECT DISTINCT verb FROM could_be, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS verb
            WHERE has_table_privilege(could_be.oid, c.oid, verb)
        ) AS most_verbs,
        ARRAY(
            SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            AND has_column_privilege(CAST(:role AS name), c.oid, attnum, 'UPDATE')
        ) AS columns,
        ARRAY(
            SELECT DISTINCT attname::text FROM could_be, pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            AND has_column_privilege(could_be.oid, c.oid, attnum, 'UPDATE')
        ) AS most_columns
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY 1
""")  # noqa: S608  # constants

# Restrictive ones only take away, and those of roles that it cannot become are an operator's own.
WRITTEN_POLICIES = text(f"""
    WITH {_COULD_BE}
    SELECT c.relname AS table, p.polname AS name,
        pg_get_expr(p.polqual, c.oid) AS using, pg_get_expr(p.polwithcheck, c.oid) AS check,
        p.polroles <> ARRAY[0]::oid[] AS of_owner,
        p.polroles IN (ARRAY[0]::oid[], ARRAY[c.relowner])
            AND p.polcmd = CASE WHEN p.polwithcheck IS NULL THEN 'r' ELSE '*' END AS plain
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace = to_regnamespace(:schema) AND p.polpermissive
    AND p.polroles && (ARRAY[0, c.relowner]::oid[] || ARRAY(SELECT oid FROM could_be))
""")  # noqa: S608  # constants

WRITTEN_FUNCTIONS = text("""
    SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name,
        p.prosrc AS source, p.proconfig AS settings,
        p.provolatile = 'v' AS changes,
        p.prosecdef AND p.provolatile IN ('s', 'v') AND l.lanname = 'sql' AND p.proowner = n.nspowner
            AND NOT has_function_privilege('public', p.oid, 'EXECUTE') AS as_made,
        has_function_privilege(CAST(:role AS name), p.oid, 'EXECUTE') AS granted
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = :schema
    ORDER BY 1
""")

MAKES_THINGS = text(f"""
    WITH {_COULD_BE}
    SELECT bool_or(has_schema_privilege(oid, CAST(:schema AS text), 'CREATE')) AS found FROM could_be
""")  # noqa: S608  # constants

# What may be reached by the rights of another: a view's, one upon another too, and those of a rule on some table.
VIEWS = text(f"""
    WITH RECURSIVE {_COULD_BE},
    views(oid, opens) AS (
        SELECT oid, false FROM pg_class WHERE relnamespace = to_regnamespace(:schema)
        UNION
        SELECT v.oid, views.opens OR v.relkind = 'm' OR (
            (
                o.rolbypassrls
                OR EXISTS (SELECT FROM pg_roles w WHERE w.oid IN {_OWNERS} AND pg_has_role(o.oid, w.oid, 'USAGE'))
            )
            AND NOT EXISTS (
                SELECT FROM pg_options_to_table(v.reloptions)
                WHERE option_name = 'security_invoker' AND option_value::boolean
            )
        )
        FROM views
        JOIN pg_depend d ON d.refobjid = views.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_rewrite w ON w.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_class v ON v.oid = w.ev_class JOIN pg_roles o ON o.oid = v.relowner
    )
    SELECT DISTINCT n.nspname || '.' || v.relname AS name
    FROM views JOIN pg_class v ON v.oid = views.oid JOIN pg_namespace n ON n.oid = v.relnamespace
    WHERE views.opens AND n.nspname <> :schema AND EXISTS (
        SELECT FROM could_be WHERE has_schema_privilege(could_be.oid, n.oid, 'USAGE') AND (
            has_any_column_privilege(could_be.oid, v.oid, 'SELECT, INSERT, UPDATE')
            OR has_table_privilege(could_be.oid, v.oid, 'DELETE')
        )
    )
    ORDER BY 1
""")  # noqa: S608  # constants
