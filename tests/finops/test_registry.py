"""Plug-ins: a new file is the only edit."""

import sys
from itertools import count

import pytest
from django.core.exceptions import ImproperlyConfigured

from finops.registry import Registry, UnknownPlugin, discover, load_plugins

packages = count()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write the given modules into a new package; gives back its name."""

    def write(**modules: str) -> str:
        name = f"plugins_for_this_test_{next(packages)}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        for module, text in modules.items():
            (tmp_path / name / f"{module}.py").write_text(text)
        return name

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in [name for name in sys.modules if name.startswith("plugins_for_this_test_")]:
        del sys.modules[name]


def plugin(name: str) -> str:
    return f"from types import SimpleNamespace\nTHING = SimpleNamespace(id={name!r})\n"


def test_every_module_is_imported_in_name_order(folder):
    package = folder(b="", a="", _c="")
    assert [module.__name__ for module in discover(package)] == [
        f"{package}._c",
        f"{package}.a",
        f"{package}.b",
    ]


def test_plugins_are_keyed_by_their_id(folder):
    package = folder(one=plugin("first"), two=plugin("second"), _shared="X = 1\n")
    assert list(load_plugins(package, "THING")) == ["first", "second"]


def test_a_broken_plugin_stops_the_start_and_is_named(folder):
    package = folder(good=plugin("good"), bad="import not_installed_anywhere\n")
    with pytest.raises(
        ImproperlyConfigured, match=rf"{package}\.bad cannot be imported: .*not_installed"
    ):
        load_plugins(package, "THING")


@pytest.mark.parametrize("text", ["", "THING = None\n", plugin(""), "THING = object()\n"])
def test_a_plugin_without_its_object_is_refused(folder, text):
    with pytest.raises(ImproperlyConfigured, match="must define THING"):
        load_plugins(folder(empty=text), "THING")


def test_an_id_is_taken_once(folder):
    with pytest.raises(ImproperlyConfigured, match="Two plug-ins carry the id 'same'"):
        load_plugins(folder(one=plugin("same"), two=plugin("same")), "THING")


def test_an_unknown_id_names_the_known_ones():
    registry: Registry[int] = Registry("source")
    with pytest.raises(UnknownPlugin, match=r"There is no source 'x'\. Known: none yet\."):
        registry.get("x")
    registry.register("b", 2)
    registry.register("a", 1)
    with pytest.raises(KeyError) as caught:
        registry.get("x")
    assert str(caught.value) == "There is no source 'x'. Known: a, b."
    assert registry.get("b") == 2
    assert registry.all() == {"b": 2, "a": 1}
    assert "a" in registry
    assert len(registry) == 2
    assert list(registry) == ["b", "a"]
