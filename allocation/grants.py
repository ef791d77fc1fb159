"""What the groups may do with this app's tables (see ``finops.groups``)."""

GRANTS: dict[str, tuple[str, ...]] = {
    "admin": (
        "add_glaccount",
        "change_glaccount",
        "delete_glaccount",
        "view_glaccount",
    )
}
