"""Types of fields that JSON Schema can say more of than Python."""

from typing import Annotated

from pydantic import Field, WithJsonSchema

DateTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]  # RFC 3339, UTC
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
