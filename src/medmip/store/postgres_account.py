"""Whether the account that a hospital's database is read by may write there."""

from medmip.store.postgres import Moment
from medmip.store.sources import Source, SourceError

# Of the account and every role that it may take on, since SET ROLE needs no password.
_ROLES = """
SELECT r.oid, r.rolname::text AS name, r.rolsuper, r.rolcreaterole OR r.rolcreatedb AS makes
FROM pg_catalog.pg_roles AS r
WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
"""
_WRITES = f"""
WITH role AS ({_ROLES}), told (what) AS (
    SELECT 'it is a superuser, or may become one' FROM role WHERE rolsuper
    UNION ALL
    SELECT 'it may make roles or databases' FROM role WHERE makes
    UNION ALL
    SELECT 'it has the role ' || name FROM role
    WHERE name IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')
    UNION ALL
    SELECT 'it may make schemas' FROM role
    WHERE pg_catalog.has_database_privilege(oid, pg_catalog.current_database(), 'CREATE')
    UNION ALL
    SELECT 'it may make tables in ' || n.nspname FROM role, pg_catalog.pg_namespace AS n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND pg_catalog.has_schema_privilege(role.oid, n.oid, 'CREATE')
    UNION ALL
    SELECT 'it may change ' || n.nspname || '.' || c.relname
    FROM role, pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND (
            c.relowner = role.oid
            OR pg_catalog.has_table_privilege(role.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR pg_catalog.has_any_column_privilege(role.oid, c.oid, 'INSERT, UPDATE')
        )
)
SELECT what::text AS what FROM told LIMIT 1
"""  # noqa: S608 - a constant within a constant


def refuse_writer(found: Moment, source: Source) -> None:
    """Raises SourceError where the account may write, unless the source's settings allow it.

    Every transaction is read-only in any case; an account that cannot write stays harmless
    whatever MIP's process is made to do.
    """
    if source.settings.may_write:
        return
    writes = found.table(_WRITES)
    if writes.num_rows:
        raise SourceError(
            f"The account of {source.name} may write: {writes.column(0)[0].as_py()}.",
            where=f"sources.{source.name}.database",
            remedy="Let the database's administrator make one that may only SELECT, as "
            "docs/it-administrator.md shows, or say may_write = true.",
        )
