"""Values in layers, and where each comes from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agglo.layers import Layer, Origin, Setting, make_layer, nest, resolve
from agglo.project import Project

_NAMES = st.sampled_from(["a", "b", "c"])
_VALUES = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
    lambda below: st.dictionaries(_NAMES, below, min_size=1, max_size=3),
    max_leaves=5,
)
_TREES = st.dictionaries(_NAMES, _VALUES, max_size=3)


def layer(name: str, values: dict[str, object]) -> Layer:
    return make_layer(name, f"{name}.yaml", values, {})  # type: ignore[arg-type]


def flat(layers: list[Layer]) -> Layer:
    """Layers merged into one."""
    return Layer("merged", {k: Setting(v.value, v.origin) for k, v in resolve(layers).items()})


def test_maps_merge_and_scalars_and_lists_replace() -> None:
    layers = [layer("low", {"m": {"x": 1, "y": [1, 2]}}), layer("high", {"m": {"y": [3]}})]
    assert nest(resolve(layers)) == {"m": {"x": 1, "y": [3]}}


def test_a_value_knows_what_it_overrode() -> None:
    low = make_layer("low", "low.yaml", {"k": 1}, {("k",): 4})
    high = make_layer("high", "high.yaml", {"k": 2}, {("k",): 7})
    value = resolve([low, high])["k",]
    assert value.origin == Origin("high", "high.yaml", 7)
    assert [(s.value, str(s.origin)) for s in value.overrode] == [(1, "low.yaml:4")]


def test_a_map_over_a_scalar_and_back() -> None:
    up = resolve([layer("low", {"k": 1}), layer("high", {"k": {"x": 2}})])
    assert nest(up) == {"k": {"x": 2}}
    down = resolve([layer("low", {"k": {"x": 2, "y": 3}}), layer("high", {"k": 1})])
    assert nest(down) == {"k": 1}
    assert sorted(str(s.value) for s in down["k",].overrode) == ["2", "3"]


@given(_TREES, _TREES)
def test_the_later_layer_wins(low: dict[str, object], high: dict[str, object]) -> None:
    resolved = resolve([layer("low", low), layer("high", high)])
    for key, setting in layer("high", high).settings.items():
        assert resolved[key].value == setting.value


_LEAF = st.one_of(st.integers(), st.lists(st.integers(), max_size=2))
_SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "leaf": _LEAF,
        "map": st.dictionaries(_NAMES, _LEAF, min_size=1),
        "deep": st.fixed_dictionaries({"in": _LEAF}),
    },
)


@given(_SHAPED, _SHAPED, _SHAPED)
def test_merging_is_associative(a: dict[str, object], b: dict[str, object], c: dict[str, object]) -> None:
    one, two, three = layer("a", a), layer("b", b), layer("c", c)
    assert nest(resolve([flat([one, two]), three])) == nest(resolve([one, flat([two, three])]))


def test_the_portals_accent_comes_from_the_shared_defaults(project: Project) -> None:
    values = project.values(project.requests["67447-schiltigheim/portal"])
    accent = values["theme", "accent"]
    assert str(accent.origin).startswith("stacks/defaults.yaml:")
    assert accent.overrode[0].origin.layer == "schema"
