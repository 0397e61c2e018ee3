"""Status and response module of a store request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.keys import InstanceKey
from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt
from dicomweb.services.stow_answer import response_module, store_status
from dicomweb.services.stow_tally import Told

REASONS = [Reason.PROCESSING_FAILURE, Reason.OUT_OF_RESOURCES, Reason.DATA_SET_MISMATCH, Reason.CANNOT_UNDERSTAND]
RECEIPTS = st.builds(
    lambda outcome, reason, number, identified: Receipt(
        outcome,
        InstanceKey("1", "2", str(number)) if identified or outcome is not Outcome.REFUSED else None,
        failure=Failure(reason, "why") if outcome is Outcome.REFUSED else None,
    ),
    st.sampled_from(Outcome),
    st.sampled_from(REASONS),
    st.integers(1, 5),
    st.booleans(),
)


@given(st.lists(RECEIPTS, min_size=1, max_size=6))
def test_the_status_says_whether_anything_was_stored(receipts: list[Receipt]) -> None:
    """PS3.18 Table 10.5.3-1."""
    stored = sum(receipt.outcome is not Outcome.REFUSED for receipt in receipts)
    status = store_status(receipts)
    assert (status < 300) == (stored > 0)
    assert (status == 200) == all(
        receipt.outcome in (Outcome.STORED, Outcome.REPLACED, Outcome.DUPLICATE) for receipt in receipts
    )


@given(st.lists(RECEIPTS, min_size=1, max_size=6))
def test_every_receipt_stands_in_one_sequence(receipts: list[Receipt]) -> None:
    """PS3.18 Table I.1-1."""
    told = response_module([Told("part", receipt) for receipt in receipts], "http://lake")
    assert sum(len(told.get(tag, {"Value": []})["Value"]) for tag in ("00081198", "00081199", "0008119A")) == len(
        receipts
    )
    assert list(told) == sorted(told)
    for sequence in told.values():
        for item in sequence.get("Value", []):
            if isinstance(item, dict):
                assert list(item) == sorted(item)
