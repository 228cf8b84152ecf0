"""What stands outside the walls between tenants is a short list. A longer one is a decision, made here."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest
from django.apps import apps

from integration_manager.embedded import CLONE
from integration_manager.tenancy import TenantModel

# Models without an account, and why.
NO_ACCOUNT = {
    "accounts.Account",  # the tenant itself
    "accounts.User",  # may belong to several accounts
    "accounts.Mail",  # to a person: sign-in, verification, notices
    "accounts.SignInLink",
    "accounts.Tries",
    "account.EmailAddress",  # allauth: of a user
    "account.EmailConfirmation",
    "mfa.Authenticator",
    "auth.Group",
    "auth.Permission",
    "admin.LogEntry",
    "contenttypes.ContentType",
    "sessions.Session",
    "usersessions.UserSession",
}
# Who opens both walls, and for what.
EVERYONE = {
    ("alerts/mail.py", "whose a mail about alerts is"),  # only of those that an older version wrote
    ("alerts/planning.py", "news of alerts"),  # which accounts have some
    ("alerts/posting.py", "posts to channels"),  # which one is due next
    ("alerts/views/staff.py", "alerts of all accounts"),  # how many, and in which account
    ("accounts/invitations.py", "an invitation by its token"),
    ("accounts/people.py", "other accounts of a user"),  # whether a user who is removed here is to be deleted
    ("accounts/switching.py", "the accounts of a user"),
    ("carts/grants.py", "the way back from a consent page"),  # whose it is
    ("carts/setup_links.py", "a setup link by its token"),
    ("carts/webhooks.py", "webhook"),  # whose address it is
    ("integration_manager/health.py", "metrics"),
    ("integration_manager/operators.py", "admin"),
    ("integration_manager/im/demo.py", "demo"),
    ("integration_manager/im/rotate_keys.py", "rotate_keys"),
    ("orders/bulk_run.py", "bulk actions"),  # of which nobody is at
    ("orders/jobs.py", "tick"),
    ("orders/abandoned.py", "orders that nobody sends"),
    ("orders/forgetting.py", "personal data"),
    ("orders/retention.py", "retention"),
    ("orders/out_of_stock.py", "orders that wait for stock"),
    ("orders/expiry.py", "retention of orders"),
    ("orders/watch.py", "the watch over orders"),
    ("orders/watch.py", "alerts about what is gone"),
}
# What only the wall itself may say.
ONLY_IN_TENANCY = ("im_system", "app.account", "RESET ROLE")
MAY_NAME_ROLES = {"integration_manager/tenancy.py", "integration_manager/im/migrate_roles.py"}


@cache
def source() -> dict[str, str]:
    """Every Python file of the product: its path → its text."""
    others = ("tests", "benchmarks", "node_modules")
    folders = [one for one in CLONE.iterdir() if one.is_dir() and not one.name.startswith(".")]
    paths = [*CLONE.glob("*.py"), *(path for one in folders if one.name not in others for path in one.rglob("*.py"))]
    return {str(path.relative_to(CLONE)): path.read_text() for path in sorted(paths)}


@cache
def trees() -> dict[str, ast.AST]:
    """Those files in which the word stands, under whatever name: its path → what is written there."""
    return {name: ast.parse(text) for name, text in source().items() if "everyone" in text.lower()}


def calls(tree: ast.AST, function: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = node.func
            if getattr(named, "attr", getattr(named, "id", "")) == function:
                yield node


def test_the_models_without_an_account() -> None:
    found = {m._meta.label for m in apps.get_models() if not issubclass(m, TenantModel)}
    assert found <= NO_ACCOUNT, f"not decided: {found - NO_ACCOUNT}"


def test_the_uses_of_everyone() -> None:
    found = set()
    for name, tree in trees().items():
        for call in calls(tree, "everyone"):
            reason = call.args[0] if call.args else None
            assert isinstance(reason, ast.Constant), f"{name}: the reason is a text that stands there"
            found.add((name, reason.value))
    assert found == EVERYONE


def test_a_reference_to_everyone_is_a_call() -> None:
    """So that the list above cannot be got round by another name for it."""
    for name, tree in trees().items():
        if name == "integration_manager/tenancy.py":
            continue
        called = {id(call.func) for call in calls(tree, "everyone")}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "everyone":
                assert id(node) in called, f"{name}:{node.lineno}"
            assert not (isinstance(node, ast.alias) and node.name in ("everyone", "_EVERYONE")), name


@pytest.mark.parametrize("word", ONLY_IN_TENANCY)
def test_roles_and_the_tenants_setting_are_touched_in_one_place(word: str) -> None:
    found = {name for name, text in source().items() if word in text and "/migrations/" not in name}
    assert found <= MAY_NAME_ROLES, found - MAY_NAME_ROLES
