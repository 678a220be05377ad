"""What makes a value a document: something stored or sent, with a schema of its own."""

from typing import Final

STRICT: Final = {"extra": "forbid", "allow_inf_nan": False}
"""Reading rules of every document, for ``hems.wire``: an unknown key is a spelling mistake and a number is a number.
Nested values inherit them."""
