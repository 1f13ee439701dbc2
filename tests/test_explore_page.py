"""The explorer's page in a real Chromium, over the real server: what it shows is what the commands print, whatever ids
and labels hold, and everything can be reached by keys, on a narrow screen, in light and dark."""

from __future__ import annotations

import json
import re
import shlex
from xml.etree import ElementTree

import numpy as np
import pytest
from avreplay.cache import import_bundle
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.decoders.registry import DECODERS
from avreplay.core.events import TRACKS
from avreplay.extract.demo.run import extract_demo
from click.testing import CliRunner
from explore_browser import LOW_CONTRAST, after, choose_video, drawn, label_row, opened, ready, serving, settled, shown
from PIL import Image
from playwright.sync_api import expect

pytestmark = [pytest.mark.process, pytest.mark.media]

MISSING, UNREADABLE = "demo_test_002", "demo_test_003"
HOSTILE = [
    '<img src=x onerror="window.hacked=1">', '"><script>window.hacked=1<\\script>', "javascript:window.hacked=1",
    "a b&c=d#e?f",
]  # fmt: skip
HOSTILE_LABELS = ["</text><script>window.hacked=1</script>", "${window.hacked=1}", "l' OR 1=1", "plain"]
HOUR = 3600


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The demo's videos and store; one file has been lost since, and one damaged."""
    folder = tmp_path_factory.mktemp("world") / "demo"
    made = extract_demo(folder, videos=4)
    (folder / "videos" / f"{MISSING}.mp4").unlink()
    (folder / "videos" / f"{UNREADABLE}.mp4").write_bytes(b"no video at all" * 100)
    return made


@pytest.fixture(scope="module")
def demo(world):
    annotated = ("--dataset", "json", "--annotations", world.annotations)
    with serving(world.store, "--videos", world.store.parent / "videos", *annotated, "--preset", "demo") as url:
        yield url


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A store of imported scores with hostile names and an hour-long video, without annotations."""
    folder, rng = tmp_path_factory.mktemp("odd"), np.random.default_rng(0)
    segments = [10] * len(HOSTILE) + [HOUR]
    total, labels = sum(segments), len(HOSTILE_LABELS)
    active = np.repeat(rng.random((total // 10, labels)) < 0.4, 10, axis=0)
    scores = (2 * active + rng.normal(0, 0.5, (total, labels))).astype(np.float32)
    ends = np.cumsum(segments)
    clip = np.stack([scores[b - n : b].mean(axis=0) for b, n in zip(ends, segments, strict=True)])
    bundle = ScoreBundle.create(
        video_ids=[*HOSTILE, "hour"], labels=HOSTILE_LABELS, segments_per_video=segments, kind="probability",
        visual_segments=1 / (1 + np.exp(-scores)), audio_segments=1 / (1 + np.exp(-scores)),
        visual_features=rng.normal(size=(total, 4)).astype(np.float32), audio_clip=1 / (1 + np.exp(-clip)),
        visual_clip=1 / (1 + np.exp(-clip[:, None])),
    )  # fmt: skip
    import_bundle(bundle, folder / "store")
    plain = [part for value in ("refine=false", "audio_scores=segment", "tau0=0.6") for part in ("--set", value)]
    with serving(folder / "store", *plain) as url:
        yield url


def evaluated(page, world, folder):
    """What ``avreplay evaluate`` prints for the command that the page shows."""
    words = page.get_by_test_id("command").text_content().split()
    out = folder / "predictions.json"
    done = CliRunner().invoke(main, [*words[1:-1], str(out)])
    assert done.exit_code == 0, done.output
    annotations = ("--dataset", "json", "--annotations", str(world.annotations))
    scored = CliRunner().invoke(main, ["evaluate", str(out), *annotations, "--json"])
    return json.loads(scored.stdout)["metrics"]


MOVES = (
    [lambda t: t("param-tau0").fill("0.61803"), lambda t: t("param-alpha").press("ArrowLeft")],
    [lambda t: t("param-refine").uncheck(), lambda t: t("param-method").select_option("naive"),
     lambda t: t("param-audio_scores").fill("2")],
    [lambda t: t("preset").select_option("naive_demo")],
    [lambda t: t("profile").select_option("paper")],
)  # fmt: skip


def test_figures_follow_every_move_to_the_digit(browser, demo, world, tmp_path):
    with opened(browser, demo) as page:
        t = page.get_by_test_id
        page.locator("#more summary").click()
        seen = []
        for moves in MOVES:
            for move in moves:
                after(page, lambda move=move: move(t))
            expected = evaluated(page, world, tmp_path)
            assert shown(page) == {name: (f"{value:.1f}", value) for name, value in expected.items()}
            seen.append(tuple(expected.values()))
        assert len(set(seen)) > 2
        assert "tau0=" not in t("command").text_content()  # a preset is a new beginning
        after(page, page.locator("#reset").click)
        assert evaluated(page, world, tmp_path) == {name: value for name, (_, value) in shown(page).items()}


def test_every_option_of_every_decoder_is_a_native_input(browser, demo):
    kinds = {"float": "range", "int": "range", "bool": "checkbox"}
    with opened(browser, demo, refusals=2) as page:
        for name in ("ovavel", "av2a"):
            page.locator("#decoder").select_option(name)
            for option in DECODERS.get(name).options():
                node = page.get_by_test_id(f"param-{option.name}")
                expect(node).to_be_attached()
                tag = node.evaluate("n => n.matches('select') ? 'select' : n.type")
                expected = kinds.get(type(option.default).__name__, tag)
                assert tag in (expected, "select"), option.name
                assert tag in ("range", "checkbox", "select", "text")
                assert option.help in page.locator(f"#{node.get_attribute('aria-describedby')}").text_content()


def test_the_baseline_and_the_differences(browser, demo):
    with opened(browser, demo) as page:
        t = page.get_by_test_id
        before = shown(page)
        after(page, t("pin-baseline").click)
        after(page, lambda: t("param-tau0").fill("0.5"))
        now = shown(page)
        for name, (text, value) in before.items():
            pinned = t(f"baseline-{name}")
            assert (pinned.text_content(), float(pinned.get_attribute("data-value"))) == (text, value)
            change = page.locator(f".tile:has([data-testid=metric-{name}]) .change")
            sign = "up" if now[name][1] > value else "down" if now[name][1] < value else "same"
            assert change.get_attribute("data-sign") == sign
        page.wait_for_url(lambda url: "baseline.decoder" in url and "tau0=0.5" in url)
        kept = page.url
        after(page, page.locator("#swap").click)
        assert shown(page) == before
        after(page, page.locator("#unpin").click)
        assert not t("baseline-audio_seg").is_visible()
        page.goto("about:blank")
        page.goto(kept)  # the address holds setting and baseline
        ready(page)
        settled(page)
        assert shown(page) == now
        assert float(t("baseline-audio_seg").get_attribute("data-value")) == before["audio_seg"][1]
        assert t("param-tau0").input_value() == "0.5"


def test_a_storm_of_moves_is_one_request_at_a_time_and_ends_at_the_last(browser, demo):
    with opened(browser, demo) as page:
        flying, most, sent = set(), 0, 0

        def begun(request):
            nonlocal most, sent
            if "/api/figures" in request.url:
                flying.add(request)
                most, sent = max(most, len(flying)), sent + 1

        page.on("request", begun)
        page.on("requestfinished", lambda request: flying.discard(request))
        gap = page.evaluate(
            """async () => {
              const slider = document.querySelector('[data-testid=param-tau0]');
              let longest = 0, last = performance.now();
              const first = last;
              for (let i = 0; i < 300; i++) {
                slider.value = 0.2 + 0.6 * ((i * 37) % 300) / 300;
                slider.dispatchEvent(new Event('input', {bubbles: true}));
                await new Promise((r) => setTimeout(r));
                const now = performance.now();
                [longest, last] = [Math.max(longest, now - last), now];
              }
              slider.value = 0.77;
              slider.dispatchEvent(new Event('input', {bubbles: true}));
              return longest / (last - first);
            }"""
        )
        settled(page)
        assert most == 1
        assert sent < 300
        assert gap < 0.5  # a page that freezes takes the storm as one
        stormy = shown(page)
        assert "tau0=0.77" in page.get_by_test_id("command").text_content()
        after(page, lambda: page.get_by_test_id("param-tau0").fill("0.3"))
        after(page, lambda: page.get_by_test_id("param-tau0").fill("0.77"))
        assert shown(page) == stormy


def test_an_impossible_setting_is_told_in_place(browser, demo):
    with opened(browser, demo, refusals=1) as page:
        before = shown(page)
        page.get_by_label("alpha, as a number").fill("7")
        expect(page.locator("#setting-problem")).to_contain_text("alpha is 7")
        assert page.locator(".figures.stale").count() == 1
        assert page.get_by_test_id("pin-baseline").is_disabled()
        page.locator("#list-sort").select_option("figure")  # of the last setting that could be replayed
        settled(page)
        assert page.locator("#list .row").count() > 3
        page.locator("#reset").click()
        expect(page.locator("#setting-problem")).to_be_empty()
        assert shown(page) == before


def test_a_server_that_is_gone_is_told_calmly(browser, demo):
    with opened(browser, demo) as page:
        page.route("**/api/**", lambda route: route.abort())
        page.get_by_test_id("param-tau0").fill("0.4")
        expect(page.locator("#lost")).to_contain_text("does not answer")
        page.unroute("**/api/**")
        with page.expect_response(lambda r: "/api/figures" in r.url):
            expect(page.locator("#lost")).to_be_hidden(timeout=8000)
        expect(page.get_by_test_id("command")).to_contain_text("tau0=0.4")


def test_the_list_sorts_and_filters(browser, demo):
    with opened(browser, demo) as page:
        rows = page.locator("[data-testid=video-list] [role=option]")

        def column(name):
            return [float(x) for x in rows.locator(name).all_text_contents()]

        assert rows.locator(".id").all_text_contents() == sorted(rows.locator(".id").all_text_contents())
        page.locator("#list-sort").select_option("figure")
        page.locator("#list-descending").click()
        settled(page)
        assert column(".figure") == sorted(column(".figure"), reverse=True)
        after(page, page.get_by_test_id("pin-baseline").click)
        after(page, lambda: page.get_by_test_id("param-tau0").fill("0.45"))
        page.locator("#list-sort").select_option("change")
        page.locator("#list-descending").click()
        settled(page)
        broken = rows.locator(".change").evaluate_all("all => all.map((n) => n.dataset.sign)")
        assert broken == sorted(broken, key=["down", "same", "up"].index)  # what did this move break?
        assert "down" in broken
        page.locator("#list-kind").select_option("false_alarm")
        settled(page)
        assert rows.count() == page.locator(".kind.false_alarm").count() > 0
        page.locator("#list-text").fill("no such video")
        expect(page.get_by_test_id("video-list")).to_contain_text("No video is like this")


def test_a_video_plays_seeks_and_repeats_an_event(browser, demo):
    with opened(browser, demo) as page:
        partial = []
        page.on("response", lambda r: partial.append(r.status) if re.search(r"/media/\d+\?", r.url) else None)
        choose_video(page, "demo_test_001")
        player, time = page.get_by_test_id("player"), "() => document.querySelector('#player').currentTime"
        page.wait_for_function("() => document.querySelector('#player').readyState > 1")
        assert player.evaluate("n => [n.tagName, n.error, n.duration > 9]") == ["VIDEO", None, True]
        assert 206 in partial
        page.locator("#timeline").focus()
        page.keyboard.press("k")
        page.wait_for_function("() => document.querySelector('#player').currentTime > 0.4")
        page.keyboard.press("k")
        page.wait_for_function("() => document.querySelector('#player').paused")
        row = label_row(page, "Audio", page.locator("#timeline .name title").first.text_content())
        page.mouse.click(row["left"] + 0.653 * row["width"], row["y"])
        page.wait_for_function("() => Math.abs(document.querySelector('#player').currentTime - 6.5) < 0.15")
        expect(page.locator(".now")).to_have_text("0:06.5")
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("() => document.querySelector('#player').currentTime === 5")
        page.locator("body").press("l")
        page.wait_for_function("() => document.querySelector('#player').currentTime > 9")
        page.locator("body").press("j")
        page.locator("body").press("[")
        begin = page.evaluate(time)
        assert begin == int(begin) < 9  # an event begins with a segment
        repeat = page.get_by_role("button", name="Repeat the event")
        repeat.click()
        page.wait_for_function("() => !document.querySelector('#player').paused")
        page.evaluate("document.querySelector('#player').currentTime = 9.9")
        page.wait_for_function("() => document.querySelector('#player').currentTime < 9")
        expect(repeat).to_have_attribute("aria-pressed", "true")
        repeat.click()
        expect(repeat).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#timeline image").first).to_be_attached()
        assert len(page.locator("#timeline .wave").get_attribute("d")) > 500


def test_a_video_without_a_file_that_plays_is_one_sentence(browser, demo):
    with opened(browser, demo, refusals=6) as page:
        for name, words in ((MISSING, "file"), (UNREADABLE, "read")):
            choose_video(page, name)
            expect(page.locator("#no-media")).to_contain_text(words)
            assert not page.get_by_test_id("player").is_visible()
            assert page.locator("#timeline .name").count() > 0
            page.locator("#timeline").press("ArrowRight")
            expect(page.get_by_test_id("why")).to_contain_text("selection")


def test_why_and_the_smallest_change(browser, demo):
    """A click on a label at a second tells its stages; the change that is offered turns the answer."""
    with opened(browser, demo) as page:
        choose_video(page, "demo_test_001")
        why, turned = page.get_by_test_id("why"), 0
        for name in page.locator("#timeline .name title").all_text_contents()[:2]:
            for second in (1.5, 8.5):
                row = label_row(page, "Audio", name)
                page.mouse.click(row["left"] + second / 10 * row["width"], row["y"])
                expect(why).to_contain_text(f"Audio, {name}, 0:0{int(second)}")
                expect(why).to_contain_text("selection")
                verdict = why.locator(".where strong").text_content()
                expect(why).not_to_contain_text("Looking for the smallest change", timeout=20_000)
                if why.locator("button.first").count() == 0:
                    continue
                after(page, why.locator("button.first").click)
                expect(why.locator(".where strong")).not_to_have_text(verdict)
                assert (verdict == "an event") != (why.locator(".where strong").text_content() == "an event")
                turned += 1
                after(page, page.locator("#reset").click)
                expect(why.locator(".where strong")).to_have_text(verdict)
        assert turned


def test_a_new_word_is_found_and_dropped(browser, demo):
    with opened(browser, demo, refusals=1) as page:
        said = page.locator("#word-says")
        page.get_by_test_id("new-label").fill("barking dog")
        page.get_by_test_id("new-label").press("Enter")
        expect(said).to_contain_text("“barking dog” was looked for in all videos")
        expect(said).to_contain_text("it does not know barking dog")
        expect(page.locator("#list-label")).to_have_value("barking dog")
        expect(page.locator("#timeline .name title", has_text="barking dog")).not_to_have_count(0)
        page.get_by_test_id("new-label").fill("barking dog")
        page.get_by_test_id("new-label").press("Enter")
        expect(said).to_contain_text("already")
        page.get_by_role("button", name="Drop barking dog").click()
        expect(said).to_contain_text("dropped")
        assert page.locator("#pick-label option", has_text="barking dog").count() == 0


def test_the_events_of_a_video_are_those_of_replay(browser, demo, world, tmp_path):
    with opened(browser, demo) as page:
        choose_video(page, "demo_test_001")
        page.locator("#table-box summary").click()
        after(page, lambda: page.get_by_test_id("param-tau0").fill("0.66"))
        evaluated(page, world, tmp_path)
        video = json.loads((tmp_path / "predictions.json").read_text())["videos"]["demo_test_001"]
        expected = {
            (track.replace("_", "-"), e["label"], f"0:{e['onset']:02d}–0:{e['offset']:02d}")
            for track in TRACKS
            for e in video[track]
        }
        settled(page)
        rows = [
            [cell.text_content() for cell in row.locator("td").all()] for row in page.locator("#table tbody tr").all()
        ]
        found = {(r[0].lower(), r[1], span) for r in rows for span in r[3].split(", ") if span}
        assert found == expected != set()


@pytest.mark.parametrize("decoder", ["av2a", "sebb"])
def test_how_sure_the_decoder_is_of_each_event(browser, odd, decoder, tmp_path):
    """In the table, at the chosen cell and under the pointer: confidences, and seconds that are finer than segments,
    are those that replay writes."""
    chosen = HOSTILE[0]
    with opened(browser, odd) as page:
        if decoder != "av2a":
            after(page, lambda: page.locator("#decoder").select_option(decoder))
        page.locator(f"#list .row .id >> text={json.dumps(chosen)}").click()
        expect(page.locator("#video-title")).to_have_text(chosen)
        settled(page)
        drawn(page)
        page.locator("#table-box summary").click()
        words = page.get_by_test_id("command").text_content()
        out = tmp_path / "predictions.json"
        done = CliRunner().invoke(main, [*shlex.split(words)[1:-1], str(out)])
        assert done.exit_code == 0, done.output
        video = json.loads(out.read_text())["videos"][chosen]
        expected = {}
        for track in TRACKS:
            for e in video[track]:
                finer = f"{e['onset_seconds']:.3f}–{e['offset_seconds']:.3f} s: " if "onset_seconds" in e else ""
                key = track.replace("_", "-"), e["label"]
                expected[key] = [*expected.get(key, []), f"{finer}{e['confidence']:.3f}"]
        assert any("s: " in text for found in expected.values() for text in found) == (decoder == "sebb")
        rows = [
            [cell.text_content() for cell in row.locator("td").all()] for row in page.locator("#table tbody tr").all()
        ]
        assert {(r[0].lower(), r[1]): sorted(r[5].split(", ")) for r in rows if r[5]} == {
            key: sorted(found) for key, found in expected.items()
        }
        rule = "what the decoder sebb gives" if decoder == "sebb" else "the mean raw score of the label in the event's"
        expect(page.locator("#table caption")).to_contain_text(rule)
        track, label = next(key for key in expected if key[0] == "visual")
        first = next(e for e in video["visual"] if e["label"] == label)
        place = label_row(page, "Visual", label)
        x = place["left"] + place["width"] * (first["onset"] + 0.5) / 10
        page.mouse.move(x, place["y"])
        expect(page.locator("#timeline")).to_have_attribute(
            "title", re.compile(rf"^{re.escape(label)}: event .*confidence {first['confidence']:.3f}")
        )
        page.mouse.click(x, place["y"])
        expect(page.get_by_test_id("event-words")).to_contain_text(f"confidence {first['confidence']:.3f}")
        expect(page.get_by_test_id("event-words")).to_have_attribute("title", re.compile(re.escape(rule)))
        # the search for the smallest change, which may compile a kernel first, is over before the next page is opened
        told = re.compile("The smallest change after|No change of one option")
        expect(page.get_by_test_id("why")).to_contain_text(told, timeout=180_000)


def test_hostile_names_are_text(browser, odd):
    with opened(browser, odd) as page:
        assert set(page.locator("#list .id").all_text_contents()) == {*HOSTILE, "hour"}
        for name in HOSTILE:
            page.locator(f"#list .row .id >> text={json.dumps(name)}").click()
            expect(page.locator("#video-title")).to_have_text(name)
            page.locator("#pick-label").select_option(HOSTILE_LABELS[0])
            expect(page.get_by_test_id("why")).to_contain_text(HOSTILE_LABELS[0])
            assert HOSTILE_LABELS[0] in page.locator("#timeline .name title").all_text_contents()
        page.locator("#table-box summary").click()
        settled(page)
        assert page.evaluate("[...document.scripts].map((s) => new URL(s.src).pathname)") == ["/static/main.js"]
        page.wait_for_url(lambda url: "video=a+b%26c%3Dd%23e%3Ff" in url)
        kept = page.url
        page.goto("about:blank")
        page.goto(kept)
        ready(page)
        expect(page.locator("#video-title")).to_have_text(HOSTILE[-1])


def test_a_store_without_annotations_or_encoder_says_so(browser, odd):
    with opened(browser, odd) as page:
        assert page.locator("[data-testid^=metric-]").count() == 0
        expect(page.locator("#figure-groups")).to_contain_text("No annotations were given")
        assert page.get_by_test_id("new-label").is_disabled()
        assert page.locator("#word-says").text_content().endswith(".")
        expect(page.locator("#no-media")).to_contain_text("--videos")


def test_an_hour_zooms_and_pans_and_draws_what_is_seen(browser, odd):
    with opened(browser, odd) as page:
        choose_video(page, "hour")
        page.locator("#pick-label").select_option("plain")
        timeline = page.get_by_test_id("timeline")
        expect(page.get_by_test_id("why")).to_contain_text("smallest change after which", timeout=60_000)
        drawn(page)
        ticks = (
            "() => [...document.querySelectorAll('#timeline .tick')].map((t) => t.textContent)"
            ".filter((t) => t.includes(':'))"
        )
        assert page.evaluate(ticks)[-1] == "1:00:00"
        counts, box = [page.locator("#timeline svg *").count()], timeline.bounding_box()
        page.mouse.move(box["x"] + 500, box["y"] + 60)
        for _ in range(12):
            page.mouse.wheel(0, -200)
        page.wait_for_selector("#timeline .point", state="attached")
        drawn(page)
        near = page.evaluate(ticks)
        counts.append(page.locator("#timeline svg *").count())
        assert 1 <= page.locator("#timeline .point").count() < 120
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 60, steps=5)
        page.mouse.up()
        drawn(page)
        assert page.evaluate(ticks) != near
        assert max(counts) < 600
        timeline.press("0")
        drawn(page)
        assert page.evaluate(ticks)[-1] == "1:00:00"
        timeline.press("+")
        drawn(page)
        assert page.evaluate(ticks)[-1] != "1:00:00"


def test_everything_by_keys_alone(browser, demo):
    with opened(browser, demo) as page:
        focused = "() => document.activeElement.dataset.testid ?? document.activeElement.id"
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate(focused) == "param-alpha":
                break
        assert page.evaluate(focused) == "param-alpha"
        ring = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert ring == "solid"
        before = shown(page)
        after(page, lambda: page.keyboard.press("PageUp"))
        assert shown(page) != before
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "alpha, as a number"
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        assert page.evaluate(focused) == "list-text"
        page.keyboard.type("demo_test_00")
        for _ in range(9):
            page.keyboard.press("Tab")
            if page.evaluate(focused) == "video-list":
                break
        settled(page)
        page.keyboard.press("Home")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#video-title")).to_have_text("demo_test_001")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("t")
        assert page.evaluate(focused) == "timeline"
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        expect(page.get_by_test_id("why")).to_contain_text("0:02")
        expect(page.locator("#live")).to_contain_text("0:02")
        page.keyboard.press("Tab")
        assert page.evaluate(focused) != "timeline"
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("?")
        expect(page.locator("#help")).to_contain_text("play or pause")
        page.keyboard.press("Escape")
        expect(page.locator("#help")).to_be_hidden()


@pytest.mark.parametrize(("width", "scheme"), [(480, "dark"), (1280, "light")])
def test_narrow_and_wide_light_and_dark(browser, demo, width, scheme):
    with opened(browser, demo, width=width, color_scheme=scheme) as page:
        after(page, page.get_by_test_id("pin-baseline").click)
        after(page, lambda: page.get_by_test_id("param-tau0").fill("0.5"))
        page.locator("#more summary").click()
        page.locator("#help-button").click()
        page.locator("#table-box summary").click()
        page.locator("#timeline").press("Enter")
        expect(page.get_by_test_id("why")).to_contain_text("selection")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(LOW_CONTRAST) == []
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 28)"
        assert dark == (scheme == "dark")
        page.locator("#theme").select_option("light" if dark else "dark")
        assert page.evaluate(LOW_CONTRAST) == []


def test_stills_params_report_and_print(browser, demo, world, tmp_path):
    with opened(browser, demo) as page:
        choose_video(page, "demo_test_001")
        after(page, lambda: page.get_by_test_id("param-tau0").fill("0.7"))
        page.locator("#timeline").press("Enter")
        settled(page)

        def saved(button):
            with page.expect_download() as download:
                page.locator(button).click()
            file = tmp_path / download.value.suggested_filename
            download.value.save_as(file)
            return file

        expect(page.locator("#timeline image").first).to_be_attached()
        still = ElementTree.parse(saved("#still-svg")).getroot()
        kinds = {node.tag.rpartition("}")[2] for node in still.iter()}
        assert {"path", "text", "image"} <= kinds
        assert "script" not in kinds
        assert "demo_test_001" in "".join(still.itertext())
        with Image.open(saved("#still-png")) as picture:
            assert picture.size == (2 * int(still.get("width")), 2 * int(still.get("height")))
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 50
        params = saved("#save")
        out = tmp_path / "by-params.json"
        done = CliRunner().invoke(main, ["replay", str(world.store), "--params", str(params), "--out", str(out)])
        assert done.exit_code == 0, done.output
        assert json.loads(out.read_text())["params"]["tau0"] == 0.7
        with page.context.expect_page() as tab:
            page.locator("#report").click()
        tab.value.wait_for_url("**/report/**")
        tab.value.wait_for_selector("text=demo_test_001")
        page.emulate_media(media="print")
        assert page.get_by_test_id("timeline").is_visible()
        assert page.get_by_test_id("command").is_visible()
        assert not page.get_by_test_id("param-tau0").is_visible()
        assert not page.get_by_test_id("video-list").is_visible()
