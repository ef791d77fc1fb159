"""The people of the access stories: each test reads as who tries what."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group

from finops.models import Tenant, User

PASSWORD = "correct horse battery staple"


def person(name: str, *groups: str, **fields: Any) -> User:
    user = User.objects.create_user(username=name, password=PASSWORD, **fields)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def fresh(user: User) -> User:
    """The same person in the next request, without what the object remembers."""
    return User.objects.get(pk=user.pk)


@pytest.fixture
def acme(db) -> Tenant:
    return Tenant.objects.create(
        slug="acme", name="Acme", first_seen=datetime(2026, 1, 1, tzinfo=UTC)
    )


@pytest.fixture
def globex(db) -> Tenant:
    return Tenant.objects.create(
        slug="globex", name="Globex", first_seen=datetime(2026, 1, 2, tzinfo=UTC)
    )


@pytest.fixture
def alice(db) -> User:
    """Finance, for the whole company."""
    return person("alice", "finance")


@pytest.fixture
def bob(db) -> User:
    """Approver, for the whole company."""
    return person("bob", "approver")


@pytest.fixture
def charlie(acme) -> User:
    """Finance, for Acme only."""
    user = person("charlie", "finance")
    user.tenant_scope.set([acme])
    return user


@pytest.fixture
def dora(db) -> User:
    """Signed in, in no group."""
    return person("dora")


@pytest.fixture
def erin(db) -> User:
    """Admin by group: no superuser, not even staff."""
    return person("erin", "admin")


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser(username="root", password=PASSWORD)
