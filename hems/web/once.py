"""A command that is sent twice, because the answer to the first was lost, is carried out once."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from hems.domain.override import ChargeNow
from hems.web.gate import RefusedError

KEYS_KEPT = 256
"""Commands whose repetition is recognised: a household gives a handful a day."""


class Once:
    """Results of commands by the key that their sender made for them."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, tuple[str, asyncio.Task[ChargeNow]]] = OrderedDict()

    async def __call__(self, key: str, content: str, work: Callable[[], Coroutine[Any, Any, ChargeNow]]) -> ChargeNow:
        """The result of ``work()``, or of the same command when it came before. A failed one may be tried again.

        Raises:
            RefusedError: 409, the key belongs to a command with another content.
        """
        known = self._asked.get(key)
        if known is None:
            known = (content, asyncio.create_task(work()))
            self._asked[key] = known
            known[1].add_done_callback(lambda done: self._forget_failed(key, done))
            while len(self._asked) > KEYS_KEPT:
                self._asked.popitem(last=False)
        if known[0] != content:
            raise RefusedError(409, "This Idempotency-Key was used for another command; make a new one.")
        return await asyncio.shield(known[1])

    def _forget_failed(self, key: str, done: asyncio.Task[ChargeNow]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._asked.pop(key, None)
