"""SQLAlchemy, Core and ORM, on psycopg and on asyncpg: what its dialects ask when they connect,
casts around parameters, many rows in one statement, relationships, reflection."""

import asyncio
import datetime as dt
import ssl
import uuid
from decimal import Decimal

from sqlalchemy import (
    ARRAY, TIMESTAMP, BigInteger, Boolean, Column, Date, Float, ForeignKey, Identity, Integer,
    LargeBinary, MetaData, Numeric, String, Table, Text, Uuid, bindparam, create_engine, delete,
    exc, func, inspect, insert, select, text, tuple_, update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship, selectinload,
)

import rows
import twins
from twins import MARKER, Record, compare, finish


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(20), unique=True)
    n4: Mapped[int | None] = mapped_column(Integer)
    n8: Mapped[int | None] = mapped_column(BigInteger)
    t: Mapped[str | None] = mapped_column(Text)
    ok: Mapped[bool | None] = mapped_column(Boolean)
    f8: Mapped[float | None] = mapped_column(Float(53))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    uid: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    d: Mapped[dt.date | None] = mapped_column(Date)
    ts: Mapped[dt.datetime | None] = mapped_column(TIMESTAMP)
    tstz: Mapped[dt.datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)
    doc: Mapped[dict | None] = mapped_column(JSONB(none_as_null=True))
    tags: Mapped[list | None] = mapped_column(ARRAY(Text))
    note: Mapped[str | None] = mapped_column(Text)
    orders: Mapped[list["Order"]] = relationship(back_populates="item", order_by="Order.id")


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_code: Mapped[str] = mapped_column(String(20), ForeignKey("items.code"))
    quantity: Mapped[int | None] = mapped_column(Integer)
    remark: Mapped[str | None] = mapped_column(Text)
    item: Mapped[Item] = relationship(back_populates="orders")


items, orders = Item.__table__, Order.__table__


def attempt(record, label, connection, statement, *parameters):
    """What a statement answers: its rows, or everything that tells its error apart."""
    try:
        with connection.begin_nested():
            result = connection.execute(statement, *parameters)
            if result.returns_rows:
                answer = [list(result.keys()), [tuple(row) for row in result]]
            else:
                answer = result.rowcount
    except exc.DBAPIError as error:
        answer = [type(error).__name__, getattr(error.orig, "sqlstate", None)]
    record.note(label, answer)


def core(record, connection):
    connection.execute(text("TRUNCATE items, orders RESTART IDENTITY"))
    for number in range(2):
        attempt(record, "insert", connection, insert(items).returning(items), rows.row(number))
    # One statement with the rows of many, and its results sorted back.
    attempt(
        record, "many", connection,
        insert(items).returning(items.c.id, items.c.code, sort_by_parameter_order=True),
        [rows.row(number) for number in range(2, 20)],
    )
    for row in rows.extremes():
        attempt(record, "ends of the types", connection, insert(items).returning(items), row)
    one, other = rows.row(4), rows.row(5)
    for name in ("code", "n4", "uid", "d", "tstz"):
        column = items.c[name]
        for condition in (
            column == one[name], column != one[name], column.in_([one[name], other[name]]),
            column.is_distinct_from(one[name]), column.is_(None),
            column == func.any(bindparam("all", [one[name], other[name]], type_=ARRAY(column.type))),
        ):
            attempt(record, name, connection, select(items).where(condition).order_by(items.c.id))
    attempt(
        record, "groups", connection,
        select(items.c.n4, func.count(), func.count(items.c.code.distinct()))
        .group_by(items.c.n4).having(func.count() > 100),
    )
    attempt(
        record, "pairs", connection,
        select(items.c.id).where(tuple_(items.c.code, items.c.n4).in_([(one["code"], one["n4"])])),
    )
    attempt(
        record, "update", connection,
        update(items).where(items.c.code == one["code"])
        .values(t=f"{MARKER} new", doc={"a": MARKER}, amount=Decimal("7.1"), ok=None)
        .returning(items),
    )
    put = upsert(items).values(code=other["code"], n4=77)
    attempt(
        record, "upsert", connection,
        put.on_conflict_do_update(index_elements=["code"], set_={"n4": put.excluded.n4})
        .returning(items.c.id, items.c.n4),
    )
    attempt(record, "delete", connection, delete(items).where(items.c.d == rows.row(9)["d"]))
    attempt(record, "unique", connection, insert(items), {"code": one["code"]})
    attempt(record, "not null", connection, insert(items), {"t": MARKER})
    attempt(record, "foreign key", connection, insert(orders), {"item_code": "nothing"})
    attempt(record, "too long", connection, insert(items), {"code": "x" * 21})
    attempt(record, "afterwards", connection, select(func.count()).select_from(items))


def shown(item):
    return {name: getattr(item, name) for name in ["id", *rows.COLUMNS]}


def orm(record, connection):
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        for number in range(200, 204):
            item = Item(**rows.row(number))
            item.orders = [Order(quantity=number + extra, remark=MARKER) for extra in range(2)]
            session.add(item)
        session.commit()
        session.expire_all()
        for option in (joinedload, selectinload):
            found = session.scalars(
                select(Item).options(option(Item.orders)).where(Item.n4 == 2).order_by(Item.id)
            ).unique().all()
            record.note(
                option.__name__,
                [[shown(item), [[order.quantity, order.remark] for order in item.orders]] for item in found],
            )
            session.expire_all()
        order = session.scalars(select(Order).where(Order.quantity == 201).order_by(Order.id)).first()
        record.note("lazy", shown(order.item))
        order.item.t = f"{MARKER} by the session"
        order.item.tags = [*order.item.tags, MARKER]
        order.remark = None
        session.flush()
        session.refresh(order.item)
        record.note("refreshed", [order.item.t, order.item.tags])
        joined = select(Item.code, func.count(Order.id)).join(Item.orders).group_by(Item.code, Item.id)
        record.note("joined", [tuple(row) for row in session.execute(joined.order_by(Item.id))])
        session.delete(session.scalars(select(Order).order_by(Order.id)).first())
        record.note("get", shown(session.get(Item, 1)))
        session.add(Item(code=rows.row(3)["code"]))
        try:
            session.commit()
        except exc.IntegrityError as error:
            session.rollback()
            record.note("integrity", error.orig.sqlstate)
        record.note("count", session.scalar(select(func.count()).select_from(Order)))
        streamed = session.scalars(select(Item).order_by(Item.id).execution_options(yield_per=5))
        record.note("streamed", [item.t for item in streamed])


def reflection(record, connection):
    """The catalogue is asked, and the declared names come back; types of encrypted columns are
    their domains in the catalogue, which is what it is."""
    found = inspect(connection)
    record.note("tables", sorted(found.get_table_names()))
    record.note("unique", found.get_unique_constraints("items"))
    record.note("foreign", found.get_foreign_keys("orders"))
    record.note("columns", [column["name"] for column in found.get_columns("items")])
    reflected = Table("items", MetaData(), Column("id", Integer, primary_key=True), autoload_with=connection)
    attempt(record, "reflected", connection, select(reflected.c.id, reflected.c.note).order_by(reflected.c.id))


def steps(connection, record):
    for step in (core, orm, reflection):
        step(record, connection)
    connection.commit()


def with_psycopg(url):
    record = Record()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), pool_pre_ping=True)
    for _ in range(2):
        with engine.connect() as connection:
            steps(connection, record)
    engine.dispose()
    return record


async def with_asyncpg(url, **arguments):
    record = Record()
    engine = create_async_engine(
        url.replace("postgresql:", "postgresql+asyncpg:"), pool_pre_ping=True, connect_args=arguments
    )
    async with engine.connect() as connection:
        await connection.run_sync(steps, record)
    await engine.dispose()
    return record


def main():
    count = compare({
        "psycopg, plain": with_psycopg(twins.PLAIN),
        "psycopg, proxy with TLS": with_psycopg(twins.with_libpq_tls(twins.PROXY)),
    })
    trusting = ssl.create_default_context(cafile=twins.PROXY_CA)
    count += compare({
        "asyncpg, plain": asyncio.run(with_asyncpg(twins.PLAIN)),
        "asyncpg, proxy with TLS": asyncio.run(with_asyncpg(twins.PROXY, ssl=trusting)),
    })
    finish(count)


main()
