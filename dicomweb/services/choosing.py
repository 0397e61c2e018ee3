"""Choosing among what is stored and what can be made of it, which is found out only where it matters."""

from __future__ import annotations

from collections.abc import Callable

from dicomweb.services.conversions import TARGETS
from dicomweb.wire.negotiation import Accepted, Offers, Representation, choose, choose_stored
from dicomweb.wire.offers import Made


def choose_lazily(
    accepted: Accepted, offers: Callable[[Made], Offers], made: Callable[[], Made]
) -> Representation:
    """The offer to send; `offers` gives those there are when certain syntaxes can be made, `made` which can.

    Raises NotAcceptable.
    """
    return likely(accepted, offers) or choose(accepted, offers(made()))


def likely(accepted: Accepted, offers: Callable[[Made], Offers]) -> Representation | None:
    """A form that need not be converted, if it wins even when anything could be made."""
    return choose_stored(accepted, [offer for offer in offers(TARGETS) if not offer.converted])
