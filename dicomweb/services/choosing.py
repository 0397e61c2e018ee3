"""Choosing among what is stored and what can be made of it, which is found out only where it matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from dicomweb.services.conversions import TARGETS, Kind, why_not_made
from dicomweb.wire.media_types import AS_STORED
from dicomweb.wire.negotiation import Accepted, NotAcceptable, Offers, Representation, choose, choose_stored
from dicomweb.wire.offers import Made
from dicomweb.wire.transfer_syntaxes import DEFAULTS


def choose_lazily(
    accepted: Accepted, offers: Callable[[Made], Offers], made: Callable[[], Made]
) -> Representation:
    """The offer to send; `offers` gives those there are when certain syntaxes can be made, `made` which can.

    Raises NotAcceptable.
    """
    return likely(accepted, offers) or choose(accepted, offers(made()))


@contextmanager
def explaining(kinds: Iterable[Kind]) -> Iterator[None]:
    """Tell with NotAcceptable why what was asked for cannot be made of such instances, where that is known."""
    try:
        yield
    except NotAcceptable as error:
        if error.asked and (why := _why(error, tuple(kinds))):
            raise NotAcceptable(error.offers, error.asked, why) from error
        raise


def _why(error: NotAcceptable, kinds: tuple[Kind, ...]) -> str:
    """The first reason that is known for a transfer syntax that was asked for."""
    for one in error.asked:
        syntax = one.transfer_syntax
        if syntax in ("", AS_STORED):
            syntax = DEFAULTS.get(one.media, "")
        if syntax and one.quality > 0 and not any(offer.transfer_syntax == syntax for offer in error.offers):
            reasons = (why_not_made(kind, syntax) for kind in kinds)
            if reason := next(filter(None, reasons), ""):
                return reason
    return ""


def likely(accepted: Accepted, offers: Callable[[Made], Offers]) -> Representation | None:
    """A form that need not be converted, if it wins even when anything could be made."""
    return choose_stored(accepted, [offer for offer in offers(TARGETS) if not offer.converted])
