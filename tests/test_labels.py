"""Label names: spelling, aliases, and what is said about a name that is not known."""

from __future__ import annotations

import json

import pytest
from avreplay.core.errors import DataError
from avreplay.core.labels import LabelIndex, folded, merged_aliases
from avreplay.evaluate.datasets import ave, llp
from avreplay.evaluate.files.label_aliases import read_aliases


@pytest.mark.parametrize(
    "name",
    [
        "Baby_cry_infant_cry",
        "Baby cry, infant cry",
        "baby cry infant cry",
        "BABY-CRY,INFANT CRY",
        " baby_cry  infant cry ",
    ],
)
def test_one_label_many_spellings(name):
    assert LabelIndex(llp.LABELS).find(name, "here") == llp.LABELS.index("Baby_cry_infant_cry")
    assert LabelIndex(ave.LABELS).find(name, "here") == ave.LABELS.index("baby cry, infant cry")


@pytest.mark.parametrize("labels", [llp.LABELS, ave.LABELS])
def test_lower_case_names_of_the_release_are_found(labels):
    index = LabelIndex(labels)
    spellings = [str.lower, str.upper, lambda x: x.lower().replace("_", " "), lambda x: x.replace(" ", "_")]
    for spell in spellings:
        assert index.mapping([spell(label) for label in labels]) == list(range(len(labels)))


def test_every_known_alias_means_one_label():
    for module in (llp, ave):
        index = LabelIndex(module.LABELS, module.ALIASES)
        for alias, label in module.ALIASES.items():
            assert module.LABELS[index.find(alias, "here")] == label


def test_unknown_label_names_place_and_nearest():
    with pytest.raises(
        DataError,
        match=r"^video 'a': the label 'basket ball' is not one of the 25 labels; the nearest is 'Basketball_bounce'$",
    ):
        LabelIndex(llp.LABELS).find("basket ball", "video 'a'")
    assert LabelIndex(llp.LABELS).mapping(["dog", "wolf"]) == [3, -1]
    with pytest.raises(DataError, match=r"not one of the 0 labels$"):
        LabelIndex(()).find("dog", "here")


def test_labels_that_fold_together_are_refused():
    with pytest.raises(DataError, match="'Dog bark' and 'dog_bark'"):
        LabelIndex(["Dog bark", "Cat", "dog_bark"])
    with pytest.raises(DataError, match="'Dog' and 'Dog'"):
        LabelIndex(["Dog", "Dog"])


def test_names_of_punctuation_only_stay_apart():
    assert LabelIndex(["+", "-", "Größe"]).mapping(["-", "+", "GRÖSSE"]) == [1, 0, 2]
    assert folded("C++ / C_plus") == "c c plus"


def test_aliases():
    index = LabelIndex(["Dog", "Cat"], {"hound": "dog", "Woof woof": "Dog", "dog": "Dog"})
    assert index.mapping(["HOUND", "woof_woof", "dog", "cat"]) == [0, 0, 0, 1]
    with pytest.raises(
        DataError, match="the alias 'hound': the label 'dogg' is not one of the 2 labels; the nearest is 'Dog'"
    ):
        LabelIndex(["Dog", "Cat"], {"hound": "dogg"})
    with pytest.raises(DataError, match="the alias 'cat' of 'Dog' already names 'Cat'"):
        LabelIndex(["Dog", "Cat"], {"cat": "Dog"})
    with pytest.raises(DataError, match="the alias 'Puss' of 'Cat' already names 'Dog'"):
        LabelIndex(["Dog", "Cat"], {"puss": "Dog", "Puss": "Cat"})


def test_a_users_alias_goes_before_the_datasets():
    both = merged_aliases({"Violin": "Violin_fiddle", "Chicken": "Chicken_rooster"}, {"violin": "Cello"})
    assert both == {"Chicken": "Chicken_rooster", "violin": "Cello"}
    assert merged_aliases({"a": "b"}, None) == {"a": "b"}


def test_alias_files(tmp_path):
    plain, nested = tmp_path / "a.json", tmp_path / "a.toml"
    plain.write_text(json.dumps({"hound": "Dog"}), encoding="utf-8")
    nested.write_text('[aliases]\n"woof woof" = "Dog"\n', encoding="utf-8")
    assert read_aliases(plain) == {"hound": "Dog"}
    assert read_aliases(nested) == {"woof woof": "Dog"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "{", "not readable"),
        ("a.toml", "= 1", "not readable"),
        ("a.json", '["hound"]', "expected object, got array"),
        ("a.json", '{"hound": 3}', "'hound': expected str, got int"),
        ("a.json", '{"aliases": {"hound": null}}', "'aliases', 'hound': expected str, got null"),
        ("a.json", '{"hound": "a\\nb"}', "'hound': expected a name of 1 to 1000 characters"),
        ("a.json", '{"": "Dog"}', "expected a name of 1 to 1000 characters"),
        ("a.json", '{"hound": "Dog", "hound": "Cat"}', "'hound' is duplicated"),
    ],
)
def test_bad_alias_files(tmp_path, name, text, words):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words) as caught:
        read_aliases(file)
    assert str(file) in str(caught.value)


def test_missing_alias_file(tmp_path):
    with pytest.raises(DataError, match="there is no alias file"):
        read_aliases(tmp_path / "none.json")
