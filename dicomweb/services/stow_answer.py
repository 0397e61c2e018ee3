"""The answer to a store request: status and Store Instances Response Module (PS3.18 10.5.3, Annex I).

    all stored                         200
    all stored, some with warnings     202
    some stored                        202
    none: the store is full            507
    none: nothing of it can be read    400
    none: anything else                409

Instances that the archive could identify stand in Failed SOP Sequence, what it could not in Other Failures
Sequence; each failure has a reason of Table I.2-2 and, as Error Comment (0000,0902), a sentence for a reader. That
sentence may be longer than an LO of 64 characters: nobody is helped by half of it.

Warning reasons (Table I.2-1): B007 for an odd data set that was stored as it came. Stored beside the current
version of the instance, which stays current, is B100, a reason of ours: nothing was coerced or discarded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from dicomweb.encoding.xml_output import to_xml
from dicomweb.model.keys import Scope
from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt
from dicomweb.model.query import JsonAttributes
from dicomweb.services.removal import REVISION
from dicomweb.services.stow_tally import Told
from dicomweb.wire.exchange import Answer
from dicomweb.wire.negotiation import DICOM_JSON, DICOM_XML, JSON, Representation
from dicomweb.wire.paths import retrieve_url

OFFERS = (Representation(DICOM_JSON, False), Representation(JSON, False), Representation(DICOM_XML, False))
"""What the response can be told in."""
SKIPPED = "X-Dicomlake-Skipped"
"""Header: how many entries of a zip were passed over because they are no DICOM files."""
ODD_DATA_SET = 0xB007
NOT_CURRENT = 0xB100
_RETRIEVE_URL, _SOP_CLASS, _SOP_INSTANCE = "00081190", "00081150", "00081155"
_WARNING_REASON, _FAILURE_REASON = "00081196", "00081197"
_FAILED, _REFERENCED, _OTHER = "00081198", "00081199", "0008119A"
_FAILED_ATTRIBUTES, _SELECTOR_ATTRIBUTE, _ERROR_COMMENT = "00741048", "00720026", "00000902"
_UNKNOWN = Failure(Reason.PROCESSING_FAILURE, "the instance was not stored")


def answer_stored(told: Sequence[Told], form: Representation, *, root: str, skipped: int = 0) -> Answer:
    """The answer that tells of every part of the request. `told` is not empty."""
    status = store_status([one.receipt for one in told])
    module = response_module(told, root)
    body = to_xml(module) if form.media == DICOM_XML else orjson.dumps(module)
    headers = [("Content-Type", form.media)]
    if revision := max(one.receipt.revision for one in told):
        headers.append((REVISION, str(revision)))
    if skipped:
        headers.append((SKIPPED, str(skipped)))
    return Answer(status, tuple(headers), body, compressible=True)


def store_status(receipts: Sequence[Receipt]) -> int:
    """The status of a request with these outcomes (PS3.18 Table 10.5.3-1)."""
    refused = [receipt for receipt in receipts if receipt.outcome is Outcome.REFUSED]
    if len(refused) < len(receipts):
        odd = any(_warning_reason(receipt) for receipt in receipts)
        return 202 if refused or odd else 200
    reasons = [(receipt.failure or _UNKNOWN).reason for receipt in refused]
    if any(reason & 0xFF00 == Reason.OUT_OF_RESOURCES for reason in reasons):
        return 507
    unreadable = all(receipt.key is None for receipt in refused)
    return 400 if unreadable and all(reason & 0xF000 == 0xC000 for reason in reasons) else 409


def response_module(told: Sequence[Told], root: str) -> JsonAttributes:
    """The Store Instances Response Module (PS3.18 Table I.1-1)."""
    failed: list[JsonAttributes] = []
    referenced: list[JsonAttributes] = []
    other: list[JsonAttributes] = []
    studies: set[str] = set()
    for one in told:
        receipt = one.receipt
        if receipt.outcome is Outcome.REFUSED:
            (failed if receipt.key else other).append(_failure(one))
        else:
            referenced.append(_reference(one, root))
            if receipt.key:
                studies.add(receipt.key.study)
    # Type 2: empty where the instances are of several studies.
    url = [retrieve_url(root, Scope(study)) for study in studies] if len(studies) == 1 else []
    module: JsonAttributes = {_RETRIEVE_URL: _element("UR", *url)}
    for tag, items in ((_FAILED, failed), (_REFERENCED, referenced), (_OTHER, other)):
        if items:
            module[tag] = _element("SQ", *items)
    return module


def _failure(one: Told) -> JsonAttributes:
    receipt = one.receipt
    failure = receipt.failure or _UNKNOWN
    return {
        _ERROR_COMMENT: _element("LO", f"{one.label}: {failure.message}"),
        **(_sop_reference(receipt) if receipt.key else {}),
        _FAILURE_REASON: _element("US", failure.reason),
    }


def _reference(one: Told, root: str) -> JsonAttributes:
    receipt = one.receipt
    item = _sop_reference(receipt)
    if receipt.key:
        item[_RETRIEVE_URL] = _element("UR", retrieve_url(root, receipt.key.scope))
    reason = _warning_reason(receipt)
    if reason:
        item[_WARNING_REASON] = _element("US", reason)
        comment = "; ".join(receipt.warnings) or "stored beside the current version, which stays current"
        item = {_ERROR_COMMENT: _element("LO", f"{one.label}: {comment}"), **item}
    if receipt.warned_tags:
        tags = [{_SELECTOR_ATTRIBUTE: _element("AT", tag)} for tag in receipt.warned_tags]
        item[_FAILED_ATTRIBUTES] = _element("SQ", *tags)
    return dict(sorted(item.items()))


def _sop_reference(receipt: Receipt) -> JsonAttributes:
    """SOP Instance Reference Macro (PS3.3 Table 10-11)."""
    instance = [receipt.key.instance] if receipt.key else []
    sop_class = [receipt.sop_class] if receipt.sop_class else []
    return {_SOP_CLASS: _element("UI", *sop_class), _SOP_INSTANCE: _element("UI", *instance)}


def _warning_reason(receipt: Receipt) -> int:
    if receipt.outcome is Outcome.KEPT:
        return NOT_CURRENT
    return ODD_DATA_SET if receipt.warnings and receipt.outcome is not Outcome.REFUSED else 0


def _element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
