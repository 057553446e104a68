"""Dataclasses -> JSON schemas of OpenAPI 3.0, the version of BentoML's document and of its Swagger UI."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from typing import Any

from docstring_parser import parse_from_object
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from lookalike.search_fields import ranges

Schema = dict[str, Any]
REF = "#/components/schemas/{model}"


class _Generator(GenerateJsonSchema):
    """Docstrings of fields are descriptions, and a Range is minimum and maximum."""

    def normalize_name(self, name: str) -> str:
        """Schemas of the service are named apart from those of BentoML."""
        name = super().normalize_name(name).removesuffix("Response")
        return name if name.startswith("OpenAI") else f"Lookalike{name}"

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"]) | {"nullable": True}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """What may be left out need not be null as well, and has no default then."""
        described = super().default_schema(schema)
        if schema.get("default") in (None, ()):
            described = {name: value for name, value in described.items() if name not in ("default", "nullable")}
        return described

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        described = _described(super().dataclass_schema(schema), schema["cls"])
        for name, allowed in ranges(schema["cls"]).items():
            excluded = {"exclusiveMaximum": True} if allowed.below else {}
            described["properties"][name] |= {"minimum": allowed.least, "maximum": allowed.most} | excluded
        return described

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _described(super().typed_dict_schema(schema), schema.get("cls", dict))


def _described(schema: JsonSchemaValue, of: type) -> JsonSchemaValue:
    schema.pop("title", None)
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    for base in of.__mro__:
        for param in parse_from_object(base).params if dataclasses.is_dataclass(base) or base is of else ():
            if param.arg_name in schema["properties"]:
                schema["properties"][param.arg_name]["description"] = " ".join((param.description or "").split())
    return schema


class Schemas:
    """The schemas of some types, and of the types of their fields."""

    def __init__(self, types: Iterable[type]) -> None:
        inputs: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]] = [
            (of, "validation", TypeAdapter(of)) for of in dict.fromkeys(types)
        ]
        schemas, shared = TypeAdapter.json_schemas(inputs, ref_template=REF, schema_generator=_Generator)
        self._schemas = {of: schema for (of, _), schema in schemas.items()}
        self._shared: dict[str, Schema] = shared.get("$defs", {})

    def of(self, of: type) -> Schema:
        """Of a class: a reference."""
        return self._schemas[of]

    def inline(self, of: type) -> Schema:
        """The schema of a class itself."""
        return self._shared[self._schemas[of]["$ref"].rpartition("/")[2]]

    def referred(self, document: object) -> dict[str, Schema]:
        """By name, the schemas that a document, or one of them, refers to."""
        names = set(re.findall(REF.format(model=r"(\w+)"), json.dumps([document, self._shared])))
        return {name: schema for name, schema in self._shared.items() if name in names}
