"""JSON schemas of the settings, made from `KEYS`: `docs/generate.py` writes them into the package.

`[tool.linkpolicy]` and linkpolicy.toml have the same keys; config.toml holds them in tables.
"""

from __future__ import annotations

import json
import os
from typing import Any

from uvx_policy.settings.keys import CONFIG_TABLES, KEYS, SEED_FROM, Key

_DRAFT = "http://json-schema.org/draft-07/schema#"
#: schema of `[tool.linkpolicy]` and linkpolicy.toml; of config.toml
PROJECT_FILE, CONFIG_FILE = "linkpolicy.schema.json", "config.schema.json"


def for_validate_pyproject(tool_name: str) -> dict[str, Any]:
    """The schema of `[tool.linkpolicy]`: entry point of `validate_pyproject.tool_schema`."""
    del tool_name
    path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "schema", PROJECT_FILE)
    with open(path, encoding="utf-8") as stream:
        schema: dict[str, Any] = json.load(stream)
    return schema


def files() -> dict[str, str]:
    """Name of each schema file -> its text."""
    return {
        name: json.dumps(schema, indent=2) + "\n"
        for name, schema in ((PROJECT_FILE, project_schema()), (CONFIG_FILE, config_schema()))
    }


def project_schema() -> dict[str, Any]:
    """Of `[tool.linkpolicy]` and of linkpolicy.toml."""
    return {
        "$schema": _DRAFT,
        "$id": f"https://linkpolicy.readthedocs.io/schema/{PROJECT_FILE}",
        "title": "Settings of a project for linkpolicy",
        **_table({key.name: _value(key) for key in KEYS}),
    }


def config_schema() -> dict[str, Any]:
    """Of a config.toml, of the user or of the machine."""
    settings = {key.name: _value(key) for key in KEYS}
    directory = {"type": "string", "pattern": r"^(/|~/|[A-Za-z]:[/\\])"}
    path = {**directory, "description": "A pattern for the directories of projects"}
    tables: dict[str, Any] = {
        "defaults": _table(settings),
        "caches": {
            "type": "object",
            "properties": {SEED_FROM: {"type": "array", "items": directory}},
            "additionalProperties": directory,
        },
        "rules": {
            "type": "array",
            "items": {**_table({"path": path, **settings}), "required": ["path"]},
        },
    }
    return {
        "$schema": _DRAFT,
        "$id": f"https://linkpolicy.readthedocs.io/schema/{CONFIG_FILE}",
        "title": "Settings of a user or a machine for linkpolicy",
        **_table(
            {
                name: {**tables[name], "description": meaning}
                for name, meaning in CONFIG_TABLES.items()
            }
        ),
    }


def _table(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _value(key: Key) -> dict[str, Any]:
    if key.is_boolean:
        shape: dict[str, Any] = {"type": "boolean", "default": key.default == "true"}
    else:
        shape = {"enum": [*key.allowed, *key.aliases], "default": key.default}
    return {"description": key.meaning, **shape}
