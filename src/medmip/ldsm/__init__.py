"""Published versions in a real PostgreSQL, for psql, R and BI tools of those who may read rows."""
