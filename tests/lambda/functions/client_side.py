"""A function that reads by the client in its three forms: SQLAlchemy, Powertools' parameters, and plainly."""

from __future__ import annotations

import os
import ssl
from typing import Any

from sqlalchemy import create_engine, text

from vaultgate import client
from vaultgate.powertools import VaultProvider

PATH = "database/creds/records"
ENGINE = create_engine(
    "mysql+pymysql://",
    creator=client.sqlalchemy_creator(
        PATH,
        host=os.environ["RDS_HOST"],
        port=int(os.environ["RDS_PORT"]),
        database=os.environ["RDS_DB_NAME"],
        ssl=ssl.create_default_context(cafile=os.environ["RDS_CA_BUNDLE"]),
    ),
)
PARAMETERS = VaultProvider()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Who the database knows us as, by each way, and what the table counts; or, asked for memory, only what is in that."""
    if event.get("memory"):
        return {"client": client.read(PATH).data["username"]}
    with ENGINE.connect() as connection:
        user, count = connection.execute(text("SELECT CURRENT_USER(), (SELECT COUNT(*) FROM orders)")).one()
    return {
        "count": count,
        "sqlalchemy": user.partition("@")[0],
        "powertools": PARAMETERS.get(f"{PATH}#username"),
        "client": client.read(PATH).data["username"],
        "lease": client.read(PATH).lease_id,
    }
