"""Notes, each in a value `note/TITLE`: what tests/guests/notebook is in Rust.

Where a value is no text, the exception is caught by nobody: the component traps.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import kv


class Notes(exports.Notes):
    def remember(self, title: str, text: str) -> None:
        # An error of the store is raised by the call, and leaves as one.
        kv.set(key(title), text.encode())

    def recall(self, title: str) -> str | None:
        value = kv.get(key(title))
        return None if value is None else value.decode()


def key(title: str) -> str:
    if not title:
        raise Err("a note needs a title")
    return f"note/{title}"
