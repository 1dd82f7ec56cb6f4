"""oslo.messaging's in-memory transport without its polling: a message wakes the listeners at once.

The stock driver sleeps 50 ms between two looks, which a chain of calls between services pays at every step.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from oslo_messaging._drivers import base, impl_fake

_LONGEST_WAIT = 1.0  # seconds; after it, look whether the listener was stopped
_arrival = threading.Condition()
_stock_deliver = impl_fake.FakeExchange.deliver_message


def install() -> None:
    """Replace the driver's delivery and polling in this process and its forks."""
    impl_fake.FakeExchange.deliver_message = _deliver
    impl_fake.FakeListener.poll = base.batch_poll_helper(_poll)
    impl_fake.FakeDriver._check_serialize = staticmethod(lambda message: None)


def _deliver(exchange: Any, topic: str, ctxt: Any, message: Any, **where: Any) -> None:
    _stock_deliver(exchange, topic, ctxt, message, **where)
    with _arrival:
        _arrival.notify_all()


def _poll(listener: Any, timeout: float | None = None) -> Any:
    end = None if timeout is None else time.monotonic() + timeout
    while not listener._stopped.is_set():
        with _arrival:
            message = _take(listener)
            left = _LONGEST_WAIT if end is None else end - time.monotonic()
            if message is not None or left <= 0:
                return message
            _arrival.wait(min(left, _LONGEST_WAIT))
    return None


def _take(listener: Any) -> Any:
    for target in listener._targets:
        exchange = listener._exchange_manager.get_exchange(target.exchange)
        ctxt, message, reply_queue, requeue = exchange.poll(target, listener._pool)
        if message is not None:
            return impl_fake.FakeIncomingMessage(ctxt, message, reply_queue, requeue)
    return None
