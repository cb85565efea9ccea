"""Which request runs when, without any socket; most of it is seen through the server's tests."""

from __future__ import annotations

import threading

from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.dispatch import Claim, Dispatcher


def test_requests_that_wait_when_all_is_closed_are_forgotten() -> None:
    dispatcher, claim = Dispatcher(GatewayOptions(max_running=1)), Claim()
    began, may_end, ran = threading.Event(), threading.Event(), []
    for number in range(3):
        request = dispatcher.admit(claim, 10)
        assert request is not None
        request.is_rows = True

        def work(request, number=number):
            ran.append(number)
            began.set()
            may_end.wait(10)
            dispatcher.release(request)

        request.work = work
        dispatcher.submit(request)
    assert began.wait(10)
    assert dispatcher.load(1).in_flight == 3
    dispatcher.close()
    dispatcher.close_claim(claim)
    may_end.set()
    assert dispatcher.join(10)
    assert ran == [0]
    assert dispatcher.load(0).in_flight == 0
