"""Stores on object stores: a real S3 server on loopback; its requests counted, its death, two writers, and URLs."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import moto.s3.models
import numpy as np
import pytest
from avreplay.cache import (
    StoreWriter,
    VideoRecord,
    import_bundle,
    open_store,
    store_info,
    verify_store,
    write_score_set,
)
from avreplay.cache.layout import location
from avreplay.cache.layout.location import Location
from avreplay.cache.storage import lease, s3_objects
from avreplay.cache.storage.locks import take_lock
from avreplay.cache.storage.objects import ABSENT, MemoryObjects
from avreplay.cli import main
from avreplay.core.bundle import ScoreBundle
from avreplay.core.errors import AvreplayError, Changed, DataError, NoAnswer, UsageError
from avreplay.extract.demo.world import write_demo_world
from avreplay.extract.forecast.store_size import GETS_A_SHARD, PUTS_A_SHARD, READS_A_SHARD, REQUESTS_A_COMMAND
from click.testing import CliRunner, Result
from made_store import CONFIG, names, video, vocabulary, write_store
from s3_server import BUCKET, S3Server
from store_files import tree

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def one_server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def server(one_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    for name, value in one_server.environment.items():
        monkeypatch.setenv(name, value)
    one_server.reset()
    one_server.start()
    forget_connections()
    one_server.counted()
    yield one_server
    one_server.reset()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that ends soon, and one try of a request."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def forget_connections() -> None:
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def url(server: S3Server, request: pytest.FixtureRequest) -> str:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[-60:]
    return f"s3://{BUCKET}/{name}"


def key(url: str) -> str:
    return url.removeprefix(f"s3://{BUCKET}/")


def scores(videos: int = 8) -> ScoreBundle:
    rng = np.random.default_rng(0)
    segments = np.full(videos, 3)
    window = np.array([(v, a, b) for v in range(videos) for a in range(2) for b in range(a + 1, 4)])
    return ScoreBundle.create(
        video_ids=names(videos), labels=("a", "b", "c"), kind="similarity", segment_seconds=1.0,
        segments_per_video=segments, has_audio=np.ones(videos, bool), has_visual=np.ones(videos, bool),
        window_video=window[:, 0], window_start=window[:, 1], window_end=window[:, 2],
        window_audio=rng.normal(size=(len(window), 3)), window_visual=rng.normal(size=(len(window), 1, 3)),
        visual_segments=rng.normal(size=(3 * videos, 3)), audio_segments=rng.normal(size=(3 * videos, 3)),
        audio_clip=rng.normal(size=(videos, 3)), visual_clip=rng.normal(size=(videos, 1, 3)),
    )  # fmt: skip


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


# --- the same store as in a folder ------------------------------------------------------------------------------


def everything(url: str) -> None:
    write_store(url, 10)
    write_score_set(url, "tuned", open_store(url).bundle(), {"epochs": 1})


def test_the_bytes_are_those_of_a_local_store(server: S3Server, url: str, tmp_path: Path) -> None:
    everything(url)
    everything(str(tmp_path / "s"))
    assert server.objects(key(url)) == tree(tmp_path / "s")  # without any trace of the lease
    assert verify_store(url) == []
    there, here = store_info(url), store_info(str(tmp_path / "s"))
    assert {**there, "url": ""} == {**here, "url": ""}
    server.client.put_object(Bucket=BUCKET, Key=f"{key(url)}/shards/00001/audio_clip/c/0/0", Body=b"x")
    server.client.put_object(Bucket=BUCKET, Key=f"{key(url)}/shards/00001/new", Body=b"x")
    assert {p.path for p in verify_store(url)} == {"shards/00001/audio_clip/c/0/0", "shards/00001/new"}


def test_a_replaced_shard(server: S3Server, url: str, tmp_path: Path) -> None:
    for place in (url, str(tmp_path / "s")):
        write_store(place, 16)
        with StoreWriter.open(place, CONFIG, []) as writer:
            writer.finish_replacements()
            lost = VideoRecord("v9", "truncated", "the file ends before its content does")
            writer.replace_shard(1, [video(f"v{i}") if i != 9 else (lost, None) for i in range(8, 16)])
            writer.finish()
    assert server.objects(key(url)) == tree(tmp_path / "s")


# --- requests ---------------------------------------------------------------------------------------------------

# Before: HEAD and GET of each name that might be there. What is left is one request for each file, and a few.
MOST = {"import": 40, "import again": 8, "extract": 112, "extract again": 26, "info": 18, "verify": 65, "replay": 48}


def test_requests(server: S3Server, url: str, tmp_path: Path) -> None:
    from avreplay.cache import write_bundle

    write_bundle(scores(), tmp_path / "b.npz")
    write_demo_world(tmp_path / "videos", videos=2)
    extract = ("extract", tmp_path / "videos", "--store", url, "--no-calibration")
    replay = ("replay", url, "--set", "method=label_shift", "--out", tmp_path / "p.json")
    commands = {
        "import": ("import", tmp_path / "b.npz", f"{url}-scores"),
        "import again": ("import", tmp_path / "b.npz", f"{url}-scores"),
        "extract": extract, "extract again": extract, "info": ("info", url), "verify": ("verify", url),
        "replay": replay,
    }  # fmt: skip
    taken = {}
    for name, command in commands.items():
        server.counted()
        done = run(*command)
        assert done.exit_code == ("extract" in name), done.output  # one of the demo's videos is broken
        taken[name] = len(server.counted())
    assert {n: k for n, k in taken.items() if k > MOST[n]} == {}


def test_requests_of_a_shard_are_those_that_a_plan_counts(server: S3Server, url: str) -> None:
    taken = {}
    for shards in (4, 12):
        server.counted()
        write_store(f"{url}-{shards}", shards, shard_videos=1)
        methods = [method for method, _ in server.counted()]
        open_store(f"{url}-{shards}").embeddings()
        taken[shards] = methods.count("PUT"), methods.count("GET"), len(server.counted())
        assert sum(taken[shards][:2]) - shards * (PUTS_A_SHARD + GETS_A_SHARD) < REQUESTS_A_COMMAND
    for few, many, said in zip(taken[4], taken[12], (PUTS_A_SHARD, GETS_A_SHARD, READS_A_SHARD), strict=True):
        assert abs((many - few) / 8 - said) <= 1.5


# --- the server dies ------------------------------------------------------------------------------------------------


def import_scores(url: str) -> None:
    import_bundle(scores(2), url)


def extract_shards(url: str) -> None:
    write_store(url, 2, shard_videos=1)


@pytest.mark.parametrize("write", [import_scores, extract_shards])
@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.usefixtures("quick")
def test_the_server_dies_at_any_request(
    server: S3Server, url: str, tmp_path: Path, write: object, applied: bool
) -> None:
    assert callable(write)
    write(str(tmp_path / "s"))
    whole = tree(tmp_path / "s")
    server.counted()
    write(f"{url}/whole")
    requests = len(server.counted())
    for request in [*range(int(applied), requests, 31), requests - 2]:
        here = f"{url}/{request}"
        server.die_at(request, applied=applied)
        with contextlib.suppress(NoAnswer):  # what comes last, the removal of the lease, may be lost
            write(here)
        server.start()
        write(here)
        assert server.objects(key(here)) == whole


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 8 KiB go in parts of 4."""
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr(s3_objects, "LARGE", 8192)
    monkeypatch.setattr(s3_objects, "PART", 4096)


@pytest.mark.usefixtures("quick", "small_parts")
@pytest.mark.parametrize("in_pieces", [False, True])
def test_the_server_dies_between_the_parts_of_a_file(
    server: S3Server, url: str, tmp_path: Path, in_pieces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_pieces:
        monkeypatch.setattr(location, "_AT_ONCE", 4096)
    bundle = scores(240)
    import_bundle(bundle, tmp_path / "s")
    whole = tree(tmp_path / "s")
    large = {name for name, content in whole.items() if len(content) >= 8192}
    assert len(large) > 3
    assert not any(name.endswith("zarr.json") for name in large)
    server.counted()
    import_bundle(bundle, f"{url}/whole")
    methods = [method for method, _ in server.counted()]
    assert server.objects(key(f"{url}/whole")) == whole
    last = methods.count("POST") - 1  # each upload is begun and completed by one
    begun = 0
    for which, request, applied in [
        ("?uploads", 1, True), ("partNumber=", 1, False), ("POST", last, False), ("POST", last, True),
    ]:  # fmt: skip
        here = f"{url}/{which.strip('?=')}-{applied}"
        server.die_at(request, applied=applied, which=which)
        with pytest.raises(NoAnswer):
            import_bundle(bundle, here)
        server.start()
        left = server.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        begun += any(upload["Key"].startswith(key(here)) for upload in left)
        for name, content in server.objects(key(here)).items():  # a part of a file is no file
            assert name in (".locks/lease.json", "zarr.json") or content == whole[name]
        assert verify_store(here) == []
        import_bundle(bundle, here)
        assert server.objects(key(here)) == whole
    assert begun


@pytest.mark.usefixtures("small_parts")
def test_a_large_file_is_created_once(server: S3Server, tmp_path: Path) -> None:
    objects = Location(f"s3://{BUCKET}/x").storage.objects  # type: ignore[union-attr]
    path, content = f"{BUCKET}/{tmp_path.name}", bytes(20_000)
    objects.put(path, content, ABSENT)
    objects.put(path, content, ABSENT)  # the answer to the first was lost
    assert objects.get(path).content == content
    pieces = [memoryview(content)[:7000], memoryview(content)[7000:]]
    objects.put_pieces(path, pieces, ABSENT)  # the same in pieces
    with pytest.raises(Changed):
        objects.put_pieces(path, [memoryview(bytes(19_999) + b"x")], ABSENT)
    assert objects.get(path).content == content


def test_ranges_are_of_one_version(server: S3Server, tmp_path: Path) -> None:
    objects = Location(f"s3://{BUCKET}/x").storage.objects  # type: ignore[union-attr]
    path = f"{BUCKET}/{tmp_path.name}"
    objects.put(path, b"0123456789")
    get = objects.ranges(path)
    assert (get(2, 5), get(8, 12)) == (b"234", b"89")
    objects.put(path, b"abcdefghij")
    assert get(2, 5) == b""
    assert objects.ranges(path)(2, 5) == b"cde"


@pytest.mark.usefixtures("quick")
def test_the_server_dies_while_it_is_read(server: S3Server, url: str, tmp_path: Path) -> None:
    write_store(url, 8)
    replay = ("replay", url, "--set", "method=label_shift", "--out", tmp_path / "p.json")
    for request in (0, 1, 3, 9):
        server.die_at(request, applied=False)
        done = run(*replay)
        assert done.exit_code == 1
        assert f"Error: the server of {url} does not answer" in done.stderr
        server.start()
    assert run(*replay).exit_code == 0


def commands_of(url: str, tmp_path: Path) -> list[tuple[object, ...]]:
    from avreplay.cache import write_bundle

    write_bundle(scores(2), tmp_path / "b.npz")
    return [("import", tmp_path / "b.npz", url), ("info", url), ("verify", url)]


ANSWERS = {
    "refuses access": [(403, "AccessDenied"), (403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"),
                       (400, "ExpiredToken")],
    "does not answer": [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable")],
    "does not exist": [(404, "NoSuchBucket")],
    "cannot be used": [(400, "SomethingNew"), (418, "Teapot"), (301, "PermanentRedirect")],
}  # fmt: skip


@pytest.mark.parametrize(("sentence", "answer"), [(s, a) for s, found in ANSWERS.items() for a in found])
@pytest.mark.usefixtures("quick")
def test_a_server_that_refuses(
    server: S3Server, url: str, tmp_path: Path, sentence: str, answer: tuple[int, str]
) -> None:
    server.answer = (*answer, b"")
    for command in commands_of(url, tmp_path):
        done = run(*command)
        assert done.exit_code == 1
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("quick")
def test_an_answer_that_is_no_answer(server: S3Server, url: str, tmp_path: Path) -> None:
    for body in (b"<html>proxy</html>", b"\xff\0", b"<a>" * 3000):
        for status in (200, 403, 404, 502):
            server.answer = (status, "", body)
            for command in commands_of(url, tmp_path):
                done = run(*command)
                assert done.exit_code == 1
                assert done.stderr.count("\n") == 1


def test_a_server_that_is_silent_is_given_up(
    server: S3Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert s3_objects.ATTEMPTS * max(s3_objects.READ_SECONDS, s3_objects.CONNECT_SECONDS) <= 25
    monkeypatch.setattr(s3_objects, "READ_SECONDS", 0.3)
    server.silent = 3.0
    began = time.monotonic()
    done = run("info", url)
    assert f"the server of {url} does not answer" in done.stderr
    assert time.monotonic() - began < 0.3 * s3_objects.ATTEMPTS + 10
    server.silent = 0.0


def test_nobody_listens_or_nothing_is_known(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_connections()
    for command in commands_of(url, tmp_path):
        assert f"the server of {url} does not answer" in run(*command).stderr
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    forget_connections()
    assert f"there are no credentials for {url}" in run("info", url).stderr
    forget_connections()


def test_the_limits_of_time_are_the_users_if_there_are_any(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3_objects.connect("s3").config_kwargs["read_timeout"] == s3_objects.READ_SECONDS
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 77}})
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    given = s3_objects.connect("s3").config_kwargs
    assert given["read_timeout"] == 77
    assert given["connect_timeout"] == s3_objects.CONNECT_SECONDS
    assert "retries" not in given


# --- two writers ----------------------------------------------------------------------------------------------------

RACER = """
import logging, sys
sys.path.insert(0, {tests!r})
from avreplay.cache import StoreWriter
from avreplay.cache.storage import lease
from avreplay.core.errors import DataError
from made_store import CONFIG, names, video, vocabulary
lease.LEASE_SECONDS, lease.RENEW_SECONDS = 3.0, 0.2
logging.disable(logging.CRITICAL)
print("ready", flush=True)
for line in sys.stdin:
    url, first, videos, part = line.split()
    part = None if part == "-" else tuple(map(int, part.split("/")))
    ids = names(int(first) + int(videos))[int(first):]
    try:
        with StoreWriter.open(url, CONFIG, ids, shard_videos=1, part=part) as writer:
            for index, planned in writer.pending():
                writer.write_shard(index, [video(v) for v in planned])
            writer.set_vocabulary(vocabulary())
            writer.finish()
        print("wrote", flush=True)
    except DataError as error:
        print("refused", error, flush=True)
"""


@pytest.fixture(scope="module")
def racers(one_server: S3Server) -> Iterator[list[subprocess.Popen[str]]]:
    code = RACER.format(tests=str(Path(__file__).parent))
    found = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **one_server.environment},
        )
        for _ in range(2)
    ]  # fmt: skip
    for racer in found:
        assert answer(racer) == "ready"
    yield found
    for racer in found:
        racer.kill()
        racer.communicate()


def answer(racer: subprocess.Popen[str]) -> str:
    assert racer.stdout is not None
    return racer.stdout.readline().strip()


def ask(racer: subprocess.Popen[str], *values: object) -> None:
    assert racer.stdin is not None
    racer.stdin.write(" ".join(map(str, values)) + "\n")
    racer.stdin.flush()


def test_two_writers_that_start_at_once(server: S3Server, url: str, racers: list[subprocess.Popen[str]]) -> None:
    outcomes = []
    for attempt in range(5):
        here = f"{url}/{attempt}"
        for first, racer in enumerate(racers):
            ask(racer, here, 2 * first, 2, "-")  # each has videos of its own
        told = [answer(racer) for racer in racers]
        wrote = [k for k, line in enumerate(told) if line == "wrote"]
        outcomes.append(len(wrote))
        assert all(line == "wrote" or "another process is writing" in line for line in told), told
        store = open_store(here)
        assert {record.id for record in store.videos} >= {f"v{2 * k + i}" for k in wrote for i in range(2)}
        assert store.complete
        assert verify_store(here) == []
        assert not any(".locks" in name for name in server.objects(key(here)))
    assert set(outcomes) <= {1, 2}


def test_writers_of_parts_at_once(
    server: S3Server, url: str, tmp_path: Path, racers: list[subprocess.Popen[str]]
) -> None:
    write_store(str(tmp_path / "s"), 4, shard_videos=1)
    for attempt in range(2):
        here = f"{url}/{attempt}"
        for k, racer in enumerate(racers):
            ask(racer, here, 0, 4, f"{k + 1}/2")
        assert [answer(racer) for racer in racers] == ["wrote", "wrote"]
        assert server.objects(key(here)) == tree(tmp_path / "s")


@pytest.mark.usefixtures("quick")
def test_the_lease_of_a_killed_writer_ends(
    server: S3Server, url: str, racers: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    racer = racers.pop()
    server.counted()
    ask(racer, url, 0, 6, "-")
    while f"/{BUCKET}/{key(url)}/shards/00001/zarr.json" not in {path for _, path in server.counted()}:
        time.sleep(0.01)
    racer.kill()
    racer.communicate()
    assert any("lease" in name for name in server.objects(key(url)))
    write_store(url, 6, shard_videos=1)
    write_store(str(tmp_path / "s"), 6, shard_videos=1)
    assert server.objects(key(url)) == tree(tmp_path / "s")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("where", ["s3", "memory"])
def test_a_writer_that_was_away_finds_its_place_taken(
    server: S3Server, url: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = url if where == "s3" else f"memory://{tmp_path.name}/s"
    monkeypatch.setattr(lease.Lease, "_renew_always", lambda self, _: None)
    away = StoreWriter.open(place, CONFIG, names(4), shard_videos=2)
    away.write_shard(0, [video("v0"), video("v1")])
    with StoreWriter.open(place, CONFIG, names(4), shard_videos=2) as other:
        assert [k for k, _ in other.pending()] == [1]
        with pytest.raises(DataError, match="another process has taken over the writing of"):
            away.write_shard(1, [video("v2"), video("v3")])
        away.close()
        other.write_shard(1, [video("v2"), video("v3")])
        other.set_vocabulary(vocabulary())
        other.finish()
    write_store(str(tmp_path / "s"), 4, shard_videos=2)
    assert {f: Location(place).sha256(f) for f in Location(place).files()} == {
        f: Location(tmp_path / "s").sha256(f) for f in Location(tmp_path / "s").files()
    }


def test_who_may_write_beside_whom(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 10.0)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)

    def tried(part: tuple[int, int] | None) -> str:
        try:
            take_lock(Location(url), part).close()
        except DataError as error:
            return str(error)
        return ""

    whole = take_lock(Location(url))
    assert "another process is writing" in tried(None)
    assert "another process is writing" in tried((1, 2))
    whole.close()
    first = take_lock(Location(url), (1, 2))
    assert "another process is writing" in tried(None)
    assert f"another process is writing part 1/2 of {url}; take another part" in tried((1, 2))
    assert "other processes are writing" in tried((1, 3))
    assert tried((2, 2)) == ""
    with first.changing_shared():
        assert tried((2, 2)) == ""
    first.close()
    assert tried(None) == ""


def test_the_lease_lasts_while_its_writer_lives(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 2.0)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)
    with StoreWriter.open(url, CONFIG, names(2)) as writer:
        time.sleep(2.5)
        with pytest.raises(DataError, match="another process is writing"):
            StoreWriter.open(url, CONFIG, names(2))
        writer.write_shard(0, [video("v0"), video("v1")])


@pytest.mark.parametrize("where", ["s3", "memory", "s3 without conditions"])
def test_nothing_of_another_writer_is_removed(
    server: S3Server, url: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that was stopped just before it removes something."""
    place = f"memory://{tmp_path.name}/s" if where == "memory" else url
    monkeypatch.setattr(lease.Lease, "_renew_always", lambda self, _: None)
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.3)
    server.heeds_conditions = "without" not in where
    objects = Location(place).storage.objects  # type: ignore[union-attr]
    path = Location(f"{place}-beside").storage.full("file")
    objects.put(path, b"mine")
    mine = objects.get(path).version
    objects.put(path, b"another's")
    with pytest.raises(Changed):
        objects.delete_version(path, mine)
    assert objects.get(path).content == b"another's"
    if "without" in where:
        return
    away = StoreWriter.open(place, CONFIG, names(2), shard_videos=2)
    away.write_shard(0, [video("v0"), video("v1")])
    away._place.storage.guard = lambda removing: None if not removing else away._lock.check(removing)  # type: ignore[union-attr]
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1e9)  # for what is left of the time, the first one trusts its lease
    other = Location(place)
    other.storage.objects.put(  # type: ignore[union-attr]
        other.storage.full(lease.NAME), json.dumps({"writers": {"whole": {"token": "x"}}}).encode()
    )
    with pytest.raises(DataError, match="another process has taken over"):
        away._place.remove("shards/00000")
    assert open_store(place).committed == [0]
    away.close()
    assert json.loads(objects.get(other.storage.full(lease.NAME)).content)["writers"]["whole"]["token"] == "x"


@pytest.mark.parametrize("where", ["s3", "memory"])
def test_conditional_writes(server: S3Server, where: str, tmp_path: Path) -> None:
    objects = Location(f"s3://{BUCKET}/x" if where == "s3" else f"memory://{tmp_path.name}").storage.objects  # type: ignore[union-attr]
    path = f"{BUCKET}/{tmp_path.name}" if where == "s3" else f"/{tmp_path.name}/a"
    first = objects.put(path, b"1", ABSENT)
    with pytest.raises(Changed):
        objects.put(path, b"2", ABSENT)
    if where == "s3":
        assert objects.put(path, b"1", ABSENT) == first  # the answer to the first was lost, and it was tried again
    second = objects.put(path, b"2", first)
    with pytest.raises(Changed):
        objects.put(path, b"3", first)
    with pytest.raises(Changed):
        objects.delete_version(path, first)
    assert objects.get(path).content == b"2"
    assert objects.get(path).age is not None
    objects.delete_version(path, second)
    with pytest.raises(Changed):
        objects.put(path, b"3", second)
    with pytest.raises(FileNotFoundError):
        objects.get(path)


def test_one_of_many_changes_at_once_takes_place(server: S3Server, tmp_path: Path) -> None:
    objects = Location(f"s3://{BUCKET}/x").storage.objects  # type: ignore[union-attr]
    path, done = f"{BUCKET}/{tmp_path.name}", []

    def add(k: int) -> None:
        while True:
            try:
                found = objects.get(path)
                known, version = json.loads(found.content), found.version
            except FileNotFoundError:
                known, version = [], ABSENT
            try:
                objects.put(path, json.dumps([*known, k]).encode(), version)
            except Changed:
                continue
            done.append(k)
            return

    threads = [threading.Thread(target=add, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(objects.get(path).content)) == sorted(done) == list(range(8))


def test_a_filesystem_without_conditional_writes_says_so_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MemoryObjects, "is_conditional", False)
    place = f"memory://{tmp_path.name}/s"
    with caplog.at_level(logging.WARNING):
        everything(place)
    assert "make sure that only one process writes there" in caplog.text
    assert verify_store(place) == []
    with pytest.raises(UsageError, match="leave --shard and --devices out"):
        StoreWriter.open(place, CONFIG, names(16), part=(1, 2))


def test_a_server_that_ignores_conditions_is_found_out(
    server: S3Server, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.heeds_conditions = False
    with caplog.at_level(logging.WARNING):
        write_store(url, 2)
    assert f"{url} has no conditional writes" in caplog.text
    assert verify_store(url) == []
    assert not any(".locks" in name for name in server.objects(key(url)))


# --- URLs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/s", "https://127.0.0.1:9/s"])
def test_http_is_only_read(url: str, tmp_path: Path) -> None:
    for command in commands_of(url, tmp_path)[:1]:
        assert f"{url} cannot be written" in run(*command).stderr
    with pytest.raises(UsageError, match="only reads"):
        StoreWriter.open(url, CONFIG, names(2))
    assert "does not answer" in run("info", url).stderr


def test_names_that_the_server_cannot_have(server: S3Server) -> None:
    for url in ("s3://b/x", "s3://UPPER_case/x", f"s3://{BUCKET}/\udcff", f"s3://{'b' * 70}/x", "s3://b b/x"):
        with pytest.raises(AvreplayError) as refused:
            open_store(url)
        assert len(str(refused.value).splitlines()) == 1
