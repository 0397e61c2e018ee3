"""Whether a statement may be asked: one SELECT, about the views and nothing else.

DuckDB's own parser takes the statement apart, in a database of its own that holds nothing, and what it found is
compared with what is known to be harmless. Nothing is judged by the text: comments, quotes and odd spellings have
been resolved by then. What is not known is refused.

    a statement         exactly one, SELECT with all that belongs to it (WITH, UNION, WINDOW, VALUES ...)
    a table             a view, or a name that a WITH of the statement gives; never with a schema before it
    a table function    `unnest`, `range`, `generate_series`, `json_each`, `json_tree`
    a function          any but those that DuckDB says have effects or look at the server; makers of huge values
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from storage.catalog.schema import TABLES
from storage.catalog.sql_views import VIEWS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_CHARACTERS = 20_000
"""Characters of a statement."""
_MOST_DEPTH = 200
"""Nodes within one another."""
_NODES = frozenset(
    (
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EMPTY", "EXPRESSION_LIST", "PIVOT"),
        *("LIMIT_MODIFIER", "ORDER_MODIFIER", "DISTINCT_MODIFIER", "LIMIT_PERCENT_MODIFIER"),
        *("ASCENDING", "DESCENDING", "ORDER_DEFAULT"),
    )
)
_TABLE_FUNCTIONS = frozenset(("unnest", "range", "generate_series", "json_each", "json_tree"))
_EFFECTS_ALLOWED = frozenset(
    (
        *("now", "today", "current_date", "get_current_time", "get_current_timestamp", "transaction_timestamp"),
        *("random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error"),
    )
)
_REFUSED = frozenset(
    (
        *(
            "getenv",
            "query",
            "current_setting",
            "getvariable",
            "json_execute_serialized_sql",
            "json_serialize_sql",
        ),
        # one short call of these makes a value as large as its caller likes
        *("repeat", "lpad", "rpad", "format", "printf", "list_resize", "array_resize"),
        *("bitstring", "range", "generate_series"),
    )
)
_RESERVED = ("duckdb_", "pragma_", "sqlite_", "pg_", "information_schema")
_TABLES = frozenset(table.name for table in TABLES)

_parsing = threading.Lock()


class StatementRefused(Exception):
    """The statement is none that may be asked; says why, to whoever asked it."""


def check_statement(sql: str) -> None:
    """Raises StatementRefused unless the statement may be asked."""
    if len(sql) > MOST_CHARACTERS:
        raise StatementRefused(f"a statement may have {MOST_CHARACTERS} characters")
    if "\0" in sql:
        raise StatementRefused("a statement has no NUL characters")
    nodes = list(_walk(_parsed(sql), 0))
    given = {name for node in nodes for name in _given_names(node)}
    for name in given:
        if name.startswith(_RESERVED) or (name in _TABLES and name not in VIEWS):
            raise StatementRefused(f"WITH may not give the name {name}")
    for node in nodes:
        _check_kind(node)
        _check_table(node, given)
        _check_function(node)


def plain_statement(sql: str) -> str:
    """A statement that was checked, as DuckDB writes it: without comments, and without what ends it."""
    import duckdb

    try:
        with _parsing:
            ((text,),) = _parser().execute("SELECT json_deserialize_sql(json_serialize_sql($1))", [sql]).fetchall()
    except duckdb.Error as error:
        raise StatementRefused("the statement is not understood") from error
    return str(text).rstrip().removesuffix(";")


def _parsed(sql: str) -> dict[str, Any]:
    import duckdb

    options = "skip_null := true, skip_empty := true, skip_default := true"
    try:
        with _parsing:
            ((text,),) = _parser().execute(f"SELECT json_serialize_sql($1, {options})", [sql]).fetchall()
    except duckdb.Error as error:
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            _parser.cache_clear()  # that database answers nothing any more
        raise StatementRefused("only SELECT is understood") from error
    try:
        found: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise StatementRefused("the statement is nested too deep") from error
    if found.get("error"):
        told = str(found.get("error_message", ""))
        raise StatementRefused(told if found.get("error_type") == "parser" else "only SELECT is understood")
    statements = found.get("statements", [])
    if len(statements) != 1:
        raise StatementRefused(f"one statement is asked at a time, not {len(statements)}")
    statement: dict[str, Any] = statements[0]
    return statement


@cache
def _parser() -> DuckDBPyConnection:
    import duckdb

    return duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "threads": 1,
            "memory_limit": "64MB",
            "lock_configuration": True,
        },
    )


@cache
def _refused_functions() -> frozenset[str]:
    """Functions with effects, as this DuckDB has them."""
    sql = (
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE has_side_effects OR stability <> 'CONSISTENT'"
    )
    with _parsing:
        found = {name for (name,) in _parser().execute(sql).fetchall()}
    return frozenset(found - _EFFECTS_ALLOWED) | _REFUSED


def _walk(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > _MOST_DEPTH:
        raise StatementRefused("the statement is nested too deep")
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _walk(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, depth + 1)


def _given_names(node: dict[str, Any]) -> Iterator[str]:
    """The names that the WITH of a node gives."""
    map_ = node.get("cte_map")
    if isinstance(map_, dict):
        yield from (str(one.get("key", "")).lower() for one in map_.get("map", ()))
    if isinstance(node.get("cte_name"), str):
        yield node["cte_name"].lower()


def _check_kind(node: dict[str, Any]) -> None:
    kind = node.get("type")
    # expressions have a class, types a name of their own: both say nothing of tables
    if isinstance(kind, str) and "class" not in node and not kind.endswith("_TYPE_INFO") and kind not in _NODES:
        raise StatementRefused("this kind of statement is not understood; only SELECT is")


def _check_table(node: dict[str, Any], given: set[str]) -> None:
    if node.get("type") != "BASE_TABLE":
        return
    path = [str(part) for part in node.get("qualified_name", {}).get("path", ())]
    before = [node.get("catalog_name"), node.get("schema_name")]
    name = str(node.get("table_name", "")).lower()
    if any(before) or len(path) > 1 or (name not in VIEWS and name not in given) or "at_clause" in node:
        raise StatementRefused(f"there are the views {', '.join(VIEWS)}, each named without a schema")


def _check_function(node: dict[str, Any]) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        call = node.get("function", {})
        name = str(call.get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS or _qualified(call):
            raise StatementRefused(f"the table function {name} is not to be had")
        call["of_table"] = True
    elif node.get("class") in ("FUNCTION", "WINDOW") and "of_table" not in node:
        name = str(node.get("function_name", "")).lower()
        if name in _refused_functions() or name.startswith(_RESERVED) or _qualified(node):
            raise StatementRefused(f"the function {name} is not to be had")


def _qualified(call: dict[str, Any]) -> bool:
    path = call.get("qualified_name", {}).get("path", ())
    return len(path) > 1 or bool(call.get("schema")) or bool(call.get("catalog"))
