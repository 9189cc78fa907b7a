import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from histoloom.errors import TileError
from histoloom.tiles import Look, samples
from histoloom.tiles.samples import (
    EMBEDDED_SAMPLE_TITLE,
    PUBLIC_SAMPLES,
    PublicSample,
    embedded_sample,
    fetch_sample,
    sample_cache_folder,
)
from histoloom.tiles.stains import HEMATOXYLIN_EOSIN

CONTENT = b"a small slide"


class QuietHandler(SimpleHTTPRequestHandler):
    requests_seen: list[str]

    def do_GET(self):
        self.requests_seen.append(self.path)
        super().do_GET()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A file server with one sample, `small.svs`; `requests_seen` lists what was asked for."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "small.svs").write_bytes(CONTENT)
    handler = type("Handler", (QuietHandler,), {"requests_seen": []})
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=served))
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    http.requests_seen = handler.requests_seen
    http.url = f"http://127.0.0.1:{http.server_port}/"
    sample = PublicSample("small.svs", hashlib.sha256(CONTENT).hexdigest(), http.url, "Small", "CC0-1.0")
    monkeypatch.setitem(PUBLIC_SAMPLES, "small.svs", sample)
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def test_the_embedded_sample_is_named_for_what_it_is_and_looks_like_hematoxylin_and_eosin():
    tile = embedded_sample()
    assert tile.shape == (512, 512)
    assert tile.provenance["title"] == EMBEDDED_SAMPLE_TITLE == "Colon, haematoxylin and DAB recoloured as eosin"
    stains = Look.from_tile(tile).stains
    angles = np.rad2deg(np.arccos(np.clip((stains.vectors * HEMATOXYLIN_EOSIN).sum(1), -1, 1)))
    assert angles.max() < 30
    # Pink stroma and glands: more red than blue, more blue than green, as eosin under a microscope.
    red, green, blue = np.median(tile.read().reshape(-1, 3), axis=0)
    assert red > blue > green
    assert np.array_equal(embedded_sample().read(), tile.read())


def test_a_sample_is_fetched_once_and_then_comes_from_the_cache(server, tmp_path):
    first = fetch_sample("small.svs", tmp_path / "cache")
    assert first.read_bytes() == CONTENT
    assert fetch_sample("small.svs", tmp_path / "cache") == first
    assert server.requests_seen == ["/small.svs"]


def test_another_place_may_serve_a_sample(server, tmp_path, monkeypatch):
    sample = PUBLIC_SAMPLES["small.svs"]
    monkeypatch.setitem(
        PUBLIC_SAMPLES, "small.svs", PublicSample(sample.file_name, sample.sha256, "http://127.0.0.1:9/", "", "")
    )
    assert fetch_sample("small.svs", tmp_path / "cache", base_url=server.url).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path):
    path = fetch_sample("small.svs", tmp_path / "cache")
    path.write_bytes(b"half")
    assert fetch_sample("small.svs", tmp_path / "cache").read_bytes() == CONTENT


def test_a_file_with_another_hash_is_refused_and_not_kept(server, tmp_path):
    (tmp_path / "served" / "small.svs").write_bytes(b"something else")
    with pytest.raises(TileError, match="not the expected file"):
        fetch_sample("small.svs", tmp_path / "cache")
    assert not [each for each in (tmp_path / "cache").rglob("*") if each.is_file()]


def test_without_a_network_a_sentence_says_where_to_put_the_file(tmp_path):
    with pytest.raises(TileError, match=r"could not be downloaded .no connection.; check the network, or put the file"):
        fetch_sample("CMU-1-Small-Region.svs", tmp_path, base_url="http://127.0.0.1:9/")


def test_a_server_without_the_file_is_named_by_its_answer(server, tmp_path):
    with pytest.raises(TileError, match="the server answers 404"):
        fetch_sample("small.svs", tmp_path / "cache", base_url=f"{server.url}elsewhere")


def test_a_server_that_is_silent_is_not_waited_for(tmp_path, monkeypatch):
    import socket

    monkeypatch.setattr(samples, "_SECONDS_OF_SILENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(TileError, match="does not answer"):
            fetch_sample("CMU-1-Small-Region.svs", tmp_path, base_url=address)


def test_a_cache_that_cannot_be_written_to_is_refused(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TileError, match=r"cannot be kept in .*choose another cache folder"):
        fetch_sample("small.svs", tmp_path / "file" / "cache")


def test_an_unknown_sample_is_refused_with_the_known_ones():
    with pytest.raises(TileError, match=r"no sample called 'kidney'; choose one of: CMU-1-Small-Region\.svs"):
        fetch_sample("kidney")


def test_the_cache_is_the_argument_then_the_environment_then_the_systems_place(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOLOOM_CACHE", str(tmp_path / "b"))
    assert sample_cache_folder(tmp_path / "a") == tmp_path / "a"
    assert sample_cache_folder() == tmp_path / "b"
    monkeypatch.delenv("HISTOLOOM_CACHE")
    assert "histoloom" in str(sample_cache_folder())


def test_the_public_slide_is_pinned_by_its_hash():
    sample = PUBLIC_SAMPLES["CMU-1-Small-Region.svs"]
    assert sample.sha256 == "ed92d5a9f2e86df67640d6f92ce3e231419ce127131697fbbce42ad5e002c8a7"
    assert sample.source.startswith("https://")
    assert sample.licence == "CC0-1.0"
