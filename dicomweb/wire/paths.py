"""The resources of DICOMweb that are served: one table for routing, OPTIONS and the capabilities description.

Templates are relative to the DICOMweb root. A variable stands for one segment, but for `path`, which stands for
the rest; `wire.routing` finds the route of a path. What a table cannot say (search parameters, media types) is
with the services.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dicomweb.model.keys import InstanceKey, Scope, parse_uid


@dataclass(frozen=True, slots=True)
class Route:
    """One transaction on one resource."""

    method: str
    template: str
    """`/studies/{study}/series`."""
    operation: str
    """The name under which a service registers its handler."""
    section: str
    """Where PS3.18 has the resource; `-` for what the standard does not name."""
    summary: str


_STUDY = "/studies/{study}"
_SERIES = "/studies/{study}/series/{series}"
_INSTANCE = "/studies/{study}/series/{series}/instances/{instance}"

WADO_PATH = "/wado"
"""Of WADO-URI (PS3.18 9): below the DICOMweb root and, as its clients expect it, below that of the server."""

AS_OF = "/asof"
"""Below it, under a revision, lies the DICOMweb root as it was then (see `services.as_of`)."""

ROUTES: tuple[Route, ...] = (
    Route("GET", "/", "capabilities", "8.9", "What this server can do"),
    Route("OPTIONS", "/", "capabilities", "8.9", "What this server can do"),
    Route("GET", "/studies", "search_studies", "10.6", "Search for studies"),
    Route("GET", _STUDY + "/series", "search_study_series", "10.6", "Search for series of a study"),
    Route("GET", _STUDY + "/instances", "search_study_instances", "10.6", "Search for instances of a study"),
    Route("GET", _SERIES + "/instances", "search_series_instances", "10.6", "Search for instances of a series"),
    Route("GET", "/series", "search_series", "10.6", "Search for series"),
    Route("GET", "/instances", "search_instances", "10.6", "Search for instances"),
    Route("POST", "/studies", "store", "10.5", "Store instances"),
    Route("POST", _STUDY, "store_study", "10.5", "Store instances of a study"),
    Route("GET", _STUDY, "retrieve_study", "10.4.1.1.1", "Retrieve the instances of a study"),
    Route("GET", _SERIES, "retrieve_series", "10.4.1.1.1", "Retrieve the instances of a series"),
    Route("GET", _INSTANCE, "retrieve_instance", "10.4.1.1.1", "Retrieve an instance"),
    Route("GET", _STUDY + "/metadata", "metadata_study", "10.4.1.1.2", "Retrieve a study without bulk data"),
    Route("GET", _SERIES + "/metadata", "metadata_series", "10.4.1.1.2", "Retrieve a series without bulk data"),
    Route(
        "GET", _INSTANCE + "/metadata", "metadata_instance", "10.4.1.1.2", "Retrieve an instance without bulk data"
    ),
    Route("GET", _STUDY + "/bulkdata", "bulkdata_study", "10.4.1.1.5", "Retrieve all bulk data of a study"),
    Route("GET", _SERIES + "/bulkdata", "bulkdata_series", "10.4.1.1.5", "Retrieve all bulk data of a series"),
    Route(
        "GET", _INSTANCE + "/bulkdata", "bulkdata_instance", "10.4.1.1.5", "Retrieve all bulk data of an instance"
    ),
    Route(
        "GET", _INSTANCE + "/bulkdata/{path}", "bulkdata_path", "10.4.1.1.5", "Retrieve the value of one attribute"
    ),
    Route("GET", _STUDY + "/pixeldata", "pixeldata_study", "10.4.1.1.6", "Retrieve all pixel data of a study"),
    Route("GET", _SERIES + "/pixeldata", "pixeldata_series", "10.4.1.1.6", "Retrieve all pixel data of a series"),
    Route(
        "GET", _INSTANCE + "/pixeldata", "pixeldata_instance", "10.4.1.1.6", "Retrieve pixel data of an instance"
    ),
    Route("GET", _INSTANCE + "/frames", "frames_all", "10.4.1.1.6", "Retrieve all frames"),
    Route("GET", _INSTANCE + "/frames/{frames}", "frames", "10.4.1.1.6", "Retrieve the listed frames"),
    Route("GET", _STUDY + "/rendered", "rendered_study", "10.4.1.1.3", "Pictures of a study"),
    Route("GET", _SERIES + "/rendered", "rendered_series", "10.4.1.1.3", "Pictures of a series"),
    Route(
        "GET", _INSTANCE + "/rendered", "rendered_instance", "10.4.1.1.3", "Pictures, video or text of an instance"
    ),
    Route("GET", _INSTANCE + "/frames/{frames}/rendered", "rendered_frames", "10.4.1.1.3", "Pictures of frames"),
    Route("GET", _STUDY + "/thumbnail", "thumbnail_study", "10.4.1.1.4", "A small picture of a study"),
    Route("GET", _SERIES + "/thumbnail", "thumbnail_series", "10.4.1.1.4", "A small picture of a series"),
    Route("GET", _INSTANCE + "/thumbnail", "thumbnail_instance", "10.4.1.1.4", "A small picture of an instance"),
    Route(
        "GET",
        _INSTANCE + "/frames/{frames}/thumbnail",
        "thumbnail_frames",
        "10.4.1.1.4",
        "A small picture of a frame",
    ),
    Route(
        "GET",
        WADO_PATH,
        "wado_uri",
        "9",
        "WADO-URI: one instance, as it is or rendered; also at `/wado` of the server",
    ),
    Route("DELETE", _STUDY, "delete_study", "-", "Delete a study"),
    Route("DELETE", _SERIES, "delete_series", "-", "Delete a series"),
    Route("DELETE", _INSTANCE, "delete_instance", "-", "Delete an instance"),
    Route("POST", _STUDY + "/undelete", "undelete_study", "-", "Undo a deletion in a study, by its revision"),
    Route("POST", _SERIES + "/undelete", "undelete_series", "-", "Undo a deletion in a series, by its revision"),
    Route("POST", _INSTANCE + "/undelete", "undelete_instance", "-", "Undo the deletion of an instance"),
    Route(
        "GET", _STUDY + "/history", "history_study", "-", "Who stored, replaced, deleted, restored what and when"
    ),
    Route("GET", _SERIES + "/history", "history_series", "-", "The history of a series"),
    Route("GET", _INSTANCE + "/history", "history_instance", "-", "The history of an instance"),
    Route("GET", "/labels", "labels", "-", "All labels in use, and how much bears each"),
    Route("GET", _STUDY + "/labels", "labels_study", "-", "The labels of a study"),
    Route("GET", _SERIES + "/labels", "labels_series", "-", "The labels of a series"),
    Route("GET", _INSTANCE + "/labels", "labels_instance", "-", "The labels of an instance"),
    Route("PUT", _STUDY + "/labels/{label}", "label_study", "-", "Put a label on a study"),
    Route("PUT", _SERIES + "/labels/{label}", "label_series", "-", "Put a label on a series"),
    Route("PUT", _INSTANCE + "/labels/{label}", "label_instance", "-", "Put a label on an instance"),
    Route("DELETE", _STUDY + "/labels/{label}", "unlabel_study", "-", "Take a label off a study"),
    Route("DELETE", _SERIES + "/labels/{label}", "unlabel_series", "-", "Take a label off a series"),
    Route("DELETE", _INSTANCE + "/labels/{label}", "unlabel_instance", "-", "Take a label off an instance"),
    Route(
        "GET",
        AS_OF + "/{revision}/{path}",
        "asof",
        "-",
        "Whatever is searched or retrieved, as it was at a revision or time; also by `asof=` on the resource",
    ),
)


def scope_of(variables: Mapping[str, str]) -> Scope:
    """The study, series or instance the variables of a route name. Raises IllegalUid."""
    series, instance = variables.get("series"), variables.get("instance")
    return Scope(
        parse_uid(variables["study"]),
        None if series is None else parse_uid(series),
        None if instance is None else parse_uid(instance),
    )


def instance_key_of(variables: Mapping[str, str]) -> InstanceKey:
    """The instance the variables of a route name. Raises IllegalUid."""
    return InstanceKey(
        parse_uid(variables["study"]), parse_uid(variables["series"]), parse_uid(variables["instance"])
    )


def scope_path(scope: Scope) -> str:
    """The resource of the scope, below the root. UIDs in a scope need no escaping (see `parse_uid`)."""
    path = f"/studies/{scope.study}"
    if scope.series is not None:
        path += f"/series/{scope.series}"
    if scope.instance is not None:
        path += f"/instances/{scope.instance}"
    return path


def retrieve_url(root: str, scope: Scope) -> str:
    """Where the scope can be retrieved: the value of RetrieveURL (0008,1190)."""
    return root + scope_path(scope)


def undelete_url(root: str, scope: Scope, revision: int) -> str:
    """Where the deletion of the scope can be undone by POST."""
    return f"{retrieve_url(root, scope)}/undelete?revision={revision}"


def bulkdata_root(root: str, key: InstanceKey) -> str:
    """What stands before a relative BulkDataURI of the instance, with its trailing slash."""
    return f"{root}/studies/{key.study}/series/{key.series}/instances/{key.instance}/bulkdata/"


def bulkdata_url(root: str, key: InstanceKey, path: Sequence[str]) -> str:
    """The resource of one bulk value; `path` is tags and 1-based item numbers in turn."""
    return bulkdata_root(root, key) + "/".join(path)


def frame_url(root: str, key: InstanceKey, number: int) -> str:
    """The resource of one frame, counted from 1."""
    return f"{retrieve_url(root, key.scope)}/frames/{number}"
