"""JSON Schemas that leave a model nothing to invent."""

from typing import Any


def closed(schema: Any) -> Any:
    """The same schema, in which objects have no fields but those that are named.

    A schema that says itself what other fields an object may have keeps that. Left open, a model
    goes on to invent fields, and may not end.
    """
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result
