"""What the groups may do with this app's tables (see ``finops.groups``)."""

GRANTS: dict[str, tuple[str, ...]] = {
    "admin": (
        "add_connection",
        "change_connection",
        "view_connection",
        "add_source",
        "change_source",
        "view_source",
        "add_revenuerow",
        "change_revenuerow",
        "delete_revenuerow",
        "view_revenuerow",
        "add_pricelistentry",
        "change_pricelistentry",
        "view_pricelistentry",
        *("add_invoice", "change_invoice", "view_invoice"),
        *("add_invoiceline", "change_invoiceline", "delete_invoiceline", "view_invoiceline"),
        "view_delivery",
        "view_load",
        "view_loadtotal",
        "view_lakefile",
        "view_rejectedrow",
        "view_usagerecord",
        "view_usagecheck",
        "view_workerdeployment",
        "add_logpushsettings",
        "change_logpushsettings",
        "view_logpushsettings",
        "view_logobject",
        "view_usageload",
    )
}
