"""What the groups may do with this app's tables (see ``finops.groups``)."""

_VIEWS = (
    "view_pnl",
    "view_charge_lines",
    "view_reconciliation",
    "export_figures",
    "view_audit",
)

GRANTS: dict[str, tuple[str, ...]] = {
    "finance": _VIEWS,
    "finance-lead": (*_VIEWS, "close_month"),
    "approver": _VIEWS,
    "admin": (
        *_VIEWS,
        "enter_admin",
        "operate_loads",
        "close_month",
        "send_usage",
        "add_apitoken",
        "change_apitoken",
        "view_apitoken",
        "view_job",
        "add_tenant",
        "change_tenant",
        "view_tenant",
        "add_user",
        "change_user",
        "view_user",
        "add_settingoverride",
        "change_settingoverride",
        "delete_settingoverride",
        "view_settingoverride",
        *("add_exchangerate", "change_exchangerate", "delete_exchangerate", "view_exchangerate"),
    ),
}
