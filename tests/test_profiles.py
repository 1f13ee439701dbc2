"""Presets, profiles and single values in layers: every preset under every profile, against the table of quirks."""

from __future__ import annotations

from dataclasses import fields
from itertools import product

import pytest
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.errors import UsageError
from avreplay.core.params.av2a import Params, make_params
from avreplay.core.params.options import OptionSet, list_options, option, option_set, preset_and_profile
from avreplay.core.params.ovavel import OvavelParams, make_ovavel_params
from avreplay.core.params.presets import OVAVEL_PRESETS, PRESETS
from avreplay.evaluate.files.params_file import decoder_params
from test_quirks import quirk_rows

MAKERS = {"av2a": (Params, PRESETS, make_params), "ovavel": (OvavelParams, OVAVEL_PRESETS, make_ovavel_params)}

QUIRKS = {
    row[0].strip("`"): (row[1].split("`")[1], row[2].split("`")[1])
    for row in quirk_rows()
    if row[1].startswith("`") and row[2].startswith("`")
}
"""What the table of ``docs/quirks.md`` says of each option: its value in the release and in the paper."""

KEPT = ("refine_rule", "audio_scores", "min_length", "max_gap")
"""The release has one rule on AVE and another elsewhere, and no trained models, which decide segment by segment: of
these, the presets say how."""

CASES = [
    (decoder, preset, profile)
    for decoder, (_, presets, _) in MAKERS.items()
    for preset, profile in product((None, *presets), (None, "release", "paper"))
]


def spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def wanted(decoder: str, preset: str | None, profile: str | None, name: str) -> str:
    """The value of an option by the table: the profile's for a quirk, else the preset's, else the default."""
    of, presets, _ = MAKERS[decoder]
    chosen = presets[preset] if preset else {}
    own = spelled(chosen.get(name, getattr(of(), name)))
    if profile is None or name not in QUIRKS:
        return own
    if name in KEPT and profile == "release":
        return own
    if name == "strategy" and own == "fused_argmax":
        return own  # the fine-tuned model's rule is the same in both
    return QUIRKS[name][profile == "paper"]


@pytest.mark.parametrize(("decoder", "preset", "profile"), CASES, ids=lambda c: str(c))
def test_each_option_of_each_preset_under_each_profile(decoder, preset, profile):
    of, _, make = MAKERS[decoder]
    for made in (
        make(preset, profile),
        DECODERS.get(decoder).make_params(preset, profile),
        decoder_params(decoder, preset, profile)[1],
    ):
        found = {f.name: spelled(getattr(made, f.name)) for f in fields(of)}
        assert found == {f.name: wanted(decoder, preset, profile, f.name) for f in fields(of)}


@pytest.mark.parametrize(("decoder", "preset", "profile"), CASES, ids=lambda c: str(c))
def test_what_is_given_wins_over_both(decoder, preset, profile, tmp_path):
    """Each option, at a value that neither preset nor profile gives it: by --set, and in a file."""
    of, _, make = MAKERS[decoder]
    layered = make(preset, profile)
    for f in fields(of):
        for value in other_values(f, getattr(layered, f.name)):
            assert make(preset, profile, {f.name: value}) == layered.override({f.name: value})
            text = f"{f.name}={spelled(value)}"
            assert getattr(decoder_params(decoder, preset, profile, None, [text])[1], f.name) == value
    name, value = next((f.name, v) for f in fields(of) for v in other_values(f, getattr(layered, f.name)))
    file = tmp_path / "p.toml"
    file.write_text(f"{name} = {value!r}\n".replace("True", "true").replace("False", "false").replace("'", '"'))
    assert decoder_params(decoder, preset, profile, file)[1] == layered.override({name: value})


def other_values(f, now):
    if f.metadata["choices"]:
        return [c for c in f.metadata["choices"] if c != now]
    if isinstance(now, bool):
        return [not now]
    return ["3"] if isinstance(now, str) else [now + 1 if f.metadata["high"] is None else 0.125]


def test_the_paper_has_one_rule_of_refinement():
    """AV²A, section 3.4: a candidate passes above tau_r, on AVE too; only the release takes the arg-max there."""
    for preset in ("clip_clap_ave", "languagebind_ave"):
        assert make_params(preset).refine_rule == make_params(preset, "release").refine_rule == "argmax"
        assert make_params(preset, "paper").refine_rule == "threshold"
        assert make_params(preset, "paper", {"refine_rule": "argmax"}).refine_rule == "argmax"
        kept = ("alpha", "tau0", "tau_f", "tau_r", "decay")
        assert all(getattr(make_params(preset, "paper"), n) == PRESETS[preset][n] for n in kept)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.endswith(("mgn_ma", "jomold", "cmpae"))])
@pytest.mark.parametrize("profile", [None, "release", "paper"])
def test_trained_models_decide_segment_by_segment_under_every_profile(preset, profile):
    """Their own evaluation (first rows of the paper's Tables 3 and 6) has neither clip rows for segments nor bridges;
    the release has nothing of them."""
    made = make_params(preset, profile)
    assert (made.audio_scores, made.min_length, made.max_gap, made.refine) == ("segment", 1, 0, False)


def test_every_option_with_two_ways_is_a_row_of_the_table():
    for of, _, _ in MAKERS.values():
        assert {f.name for f in fields(of) if f.metadata["quirk"]} <= set(QUIRKS)
        assert {o.name for o in list_options(of) if o.release != o.paper} <= set(QUIRKS)


def test_a_decoder_of_others_declares_both_kinds_of_quirk():
    @option_set
    class Mine(OptionSet):
        rule: str = option("a", "which", choices=("a", "b"), paper="a", release_by_preset=True)
        width: int = option(3, "how wide", low=1, paper=1)

    presets = {"special": {"rule": "b", "width": 7}}
    profiles = {"release": {"rule": "a", "width": 3}, "paper": {"rule": "a", "width": 1}}
    assert preset_and_profile(Mine, "special", presets, "release", profiles) == {"rule": "b", "width": 3}
    assert preset_and_profile(Mine, "special", presets, "paper", profiles) == {"rule": "a", "width": 1}
    assert preset_and_profile(Mine, None, presets, "release", profiles) == profiles["release"]
    with pytest.raises(UsageError, match="did you mean 'paper'"):
        preset_and_profile(Mine, "special", presets, "papers", profiles)
