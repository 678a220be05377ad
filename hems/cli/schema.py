"""``hems schema NAME``: the JSON Schema of the site file and of every document."""

import json
import sys

from pydantic import TypeAdapter

from hems import wire
from hems.aggregator import MESSAGES
from hems.cli.field_docs import with_field_docs
from hems.config import site_schema


def schema_names() -> tuple[str, ...]:
    """Every name that has a schema."""
    return ("site", *sorted(wire.DOCUMENTS), *sorted(MESSAGES))


def schema_text(name: str) -> str:
    """A schema as indented JSON that ends in a line break.

    Raises:
        KeyError: no such name.
    """
    if name in MESSAGES:
        content = wire.schema_of(TypeAdapter(MESSAGES[name]), title=name)
    else:
        content = site_schema() if name == "site" else wire.json_schema(name)
    content = with_field_docs(content, root=wire.DOCUMENTS.get(name) or MESSAGES.get(name))
    return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def schema(name: str) -> int:
    """Print a schema.

    Returns:
        0, or 2 where there is no such name.
    """
    if name not in schema_names():
        sys.stderr.write(f'there is no schema "{name}"; there are {", ".join(schema_names())}\n')
        return 2
    sys.stdout.write(schema_text(name))
    return 0
