"""How Alembic runs our migrations: on the connection it is handed, inside that connection's transaction."""

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    target_metadata=config.attributes["target_metadata"],
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction is already open
)
context.run_migrations()
