"""Forms made from recipes, and status cards."""

from __future__ import annotations

from typing import Any, Literal, Self

import pytest
from pydantic import model_validator

from histoloom.errors import RecipeError
from histoloom.gui.recipe_form import RecipeForm
from histoloom.gui.status_card import Level, StatusCard
from histoloom.layouts.generators_by_name import LAYOUT_GENERATORS
from histoloom.recipes import Recipe, recipe_field


class Brewing(Recipe):
    temperature: float = recipe_field(92.0, "Temperature", "How hot.", unit="°C", gt=0.0, le=100.0)
    minutes: int = recipe_field(4, "Time", "How long.", unit="min", ge=1, lt=60)
    stirred: bool = recipe_field(False, "Stirred", "Whether it is stirred.")
    kind: Literal["green", "black"] = recipe_field("black", "Kind", "Which leaves.")
    path: tuple[float, ...] = recipe_field((1.0, 2.0), "Path", "What no form shows.")

    @model_validator(mode="after")
    def _not_bitter(self) -> Self:
        if self.kind == "green" and self.temperature > 85:
            raise ValueError("green leaves turn bitter above 85 °C")
        return self


@pytest.fixture
def form(qtbot: Any) -> RecipeForm:
    form = RecipeForm(Brewing, advanced=("stirred",))
    qtbot.addWidget(form)
    return form


def test_a_form_starts_with_the_defaults_and_gives_them_back(form: RecipeForm) -> None:
    assert form.recipe == Brewing()


def test_fields_have_units_limits_and_tooltips(form: RecipeForm) -> None:
    temperature, minutes = form.fields["temperature"], form.fields["minutes"]
    assert temperature.native.suffix() == " °C"
    assert temperature.tooltip == "How hot."
    assert temperature.max == 100.0
    assert temperature.min > 0.0
    assert (minutes.min, minutes.max) == (1, 59)


def test_changes_are_told_as_recipes(form: RecipeForm, qtbot: Any) -> None:
    with qtbot.waitSignal(form.changed) as signal:
        form.fields["minutes"].value = 7
    assert signal.args == [Brewing(minutes=7)]


def test_a_contradiction_is_explained_in_one_sentence(form: RecipeForm, qtbot: Any) -> None:
    with qtbot.assertNotEmitted(form.changed):
        form.fields["kind"].value = "green"
    assert "green leaves turn bitter above 85 °C" in form.problem
    with pytest.raises(RecipeError):
        _ = form.recipe
    form.fields["temperature"].value = 70.0
    assert not form.problem
    assert form.recipe == Brewing(kind="green", temperature=70.0)


def test_a_recipe_fills_the_form_and_reset_empties_it(form: RecipeForm) -> None:
    recipe = Brewing(temperature=60.5, minutes=9, stirred=True, kind="green", path=(5.0,))
    form.recipe = recipe
    assert form.recipe == recipe
    form.reset()
    assert form.recipe == Brewing()


@pytest.mark.parametrize("name", LAYOUT_GENERATORS)
def test_every_layout_generator_has_a_form(name: str, qtbot: Any) -> None:
    recipe_type = LAYOUT_GENERATORS[name].recipe_type
    form = RecipeForm(recipe_type)
    qtbot.addWidget(form)
    assert form.recipe == recipe_type()


def test_a_card_shows_its_sentence_and_calls_back(qtbot: Any) -> None:
    card = StatusCard()
    qtbot.addWidget(card)
    called = []
    card.show_status(Level.ERROR, "The weave process died.", "Restart", lambda: called.append(1))
    assert card.level is Level.ERROR
    assert card.text == "The weave process died."
    card.click()
    assert called == [1]
    card.show_status(Level.OK, "Ready.")
    card.click()
    assert called == [1]


def test_small_numbers_are_shown_as_they_are(qtbot) -> None:
    from histoloom.training.systems.pix2pix_recipe import Pix2PixRecipe

    form = RecipeForm(Pix2PixRecipe)
    qtbot.addWidget(form)
    assert form.recipe == Pix2PixRecipe()
    for values in ({"learning_rate": 1.5e-4}, {"learning_rate": 3e-7, "average_decay": 0.99985}, {"seed": 2**40}):
        form.recipe = Pix2PixRecipe(**values)
        assert form.recipe == Pix2PixRecipe(**values)


class Packing(Recipe):
    left_out: tuple[str, ...] = recipe_field((), "Left out", "What stays at home.")


def test_names_are_written_with_commas_between_them(qtbot: Any) -> None:
    form = RecipeForm(Packing)
    qtbot.addWidget(form)
    assert form.recipe == Packing()
    form.recipe = Packing(left_out=("tent", "stove 2"))
    assert form.fields["left_out"].value == "tent, stove 2"
    assert form.recipe == Packing(left_out=("tent", "stove 2"))
    form.fields["left_out"].value = " stove 2 ,,"
    assert form.recipe == Packing(left_out=("stove 2",))
    form.reset()
    assert form.recipe == Packing()
