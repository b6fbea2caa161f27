"""Values that fit a JSON schema, as far as pydantic writes such schemas: for tests that send what is described."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
MOST_ITEMS = 3
MOST_OPTIONAL = 4
"""Fields of an object that are not required, at once: of many random ones the first refusal hides the others."""
ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=20)


def fitting(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    """Values that fit a schema; ``root`` is the document that its references are about."""
    if "$ref" in schema:
        place: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        return st.deferred(lambda: fitting(place, root))
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        return st.one_of([fitting(one, root) for one in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "object":
        return _objects(schema, root)
    if kind == "array":
        return _arrays(schema, root)
    return _scalars(kind, schema)


def _scalars(kind: str | None, schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if kind == "string":
        if "pattern" in schema:
            return st.from_regex(schema["pattern"])
        return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 30), 30))
    if kind == "integer":
        return st.integers(low, high)
    if kind == "number":
        low, high = schema.get("exclusiveMinimum", low), schema.get("exclusiveMaximum", high)
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return {"boolean": st.booleans(), "null": st.none()}.get(kind or "", ANYTHING)


def _arrays(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*[fitting(one, root) for one in schema["prefixItems"]]).map(list)
    least = schema.get("minItems", 0)
    most = max(least, min(schema.get("maxItems", MOST_ITEMS), MOST_ITEMS))
    return st.lists(fitting(schema.get("items", {}), root), min_size=least, max_size=most)


def _objects(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    fields = {name: fitting(one, root) for name, one in schema.get("properties", {}).items()}
    required = schema.get("required", ())
    optional = sorted(set(fields) - set(required))

    @st.composite
    def objects(draw: Any) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(optional), unique=True, max_size=MOST_OPTIONAL)) if optional else []
        found = {name: draw(fields[name]) for name in (*required, *chosen)}
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping):
            names = fitting(schema.get("propertyNames", {"type": "string"}), root)
            found |= draw(st.dictionaries(names, fitting(more, root), max_size=MOST_ITEMS))
        return found

    return objects()
