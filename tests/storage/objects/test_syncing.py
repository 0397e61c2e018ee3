"""What has to be synced."""

from __future__ import annotations

from storage.objects.syncing import LIFETIME, DurableFolders


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_all_folders_up_to_the_root_are_planned_first() -> None:
    plan = DurableFolders().plan(["a/b/1", "a/c/2"])

    assert plan.files == ("a/b/1", "a/c/2")
    assert sorted(plan.folders) == ["", "a", "a/b", "a/c"]


def test_an_object_at_the_top_needs_the_root_alone() -> None:
    assert DurableFolders().plan(["format.json"]).folders == ("",)


def test_what_was_done_is_not_planned_again() -> None:
    folders = DurableFolders()
    folders.done(folders.plan(["a/b/1"]))

    assert folders.plan(["a/b/2"]).folders == ("a/b",)
    assert sorted(folders.plan(["a/c/1"]).folders) == ["a", "a/c"]


def test_what_failed_is_planned_again() -> None:
    folders = DurableFolders()
    folders.failed(folders.plan(["a/1"]))

    assert sorted(folders.plan(["a/1"]).folders) == ["", "a"]


def test_a_folder_is_trusted_for_a_while_only() -> None:
    clock = Clock()
    folders = DurableFolders(clock)
    folders.done(folders.plan(["a/1"]))

    clock.now = LIFETIME - 1
    assert folders.plan(["a/1"]).folders == ("a",)
    clock.now = LIFETIME
    assert sorted(folders.plan(["a/1"]).folders) == ["", "a"]


def test_a_folder_made_while_a_plan_is_carried_out_is_not_trusted() -> None:
    folders = DurableFolders()
    plan = folders.plan(["a/1"])
    folders.made("a")
    folders.done(plan)

    assert sorted(folders.plan(["a/2"]).folders) == ["", "a"]
