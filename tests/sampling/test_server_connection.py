"""How a server is reached: proxies, certificates, schemes, hosts, keys; a fault is named in one line, with its fix."""

import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from scripted_server import KEYS, PROBLEMS, Reply, ScriptedServer, answer, error, free_url

from longcot.files.errors import BadInput
from longcot.sampling.server.sampler import ServerSampler
from longcot.sampling.settings import Sampling, Server
from longcot.sampling.task import SampleTask, sample_arm

ONE = Sampling(max_tokens=9, samples=1)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in (*PROXIES, *(name.lower() for name in PROXIES)):
        monkeypatch.delenv(name, raising=False)


def fails(run_served, url: str, said: str, **how) -> None:
    """Sampling ends at once, with one line."""
    with pytest.raises(BadInput, match=said) as caught:
        run_served(url, sampling=ONE, **how)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "socks5h://me:pass@127.0.0.1:1", "no:url:"]
)
def test_this_machine_is_reached_without_a_proxy(serve, run_served, monkeypatch, proxy):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    server = serve()
    assert {trace.key for trace in run_served(server.url.replace("127.0.0.1", "localhost"))} == KEYS


@pytest.mark.parametrize(
    "name, proxy, said",
    [
        ("ALL_PROXY", "socks5://me:secret-1@127.0.0.1:1", "ALL_PROXY is a SOCKS proxy.*pip install socksio.*NO_PROXY"),
        ("http_proxy", "socks4://127.0.0.1:1", "http_proxy is no proxy's URL; write http://HOST:PORT"),
        (
            "HTTP_PROXY",
            "http://127.0.0.1:1",
            "the proxy of HTTP_PROXY does not lead there.*add gpu7.invalid to NO_PROXY",
        ),
        ("HTTP_PROXY", "http://proxy.invalid:1", "the proxy of HTTP_PROXY does not lead there"),
    ],
)
def test_a_proxy_that_is_of_no_use(run_served, monkeypatch, name, proxy, said):
    monkeypatch.setenv(name, proxy)
    with pytest.raises(BadInput, match=said) as caught:
        run_served("http://gpu7.invalid:8000/v1", sampling=ONE)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "other.org, gpu7.invalid")
    fails(run_served, "http://gpu7.invalid:8000/v1", "no host is known by the name gpu7.invalid")


def test_a_proxy_is_used_for_another_host(serve, run_served, monkeypatch):
    class Proxy(ScriptedServer):
        def reply(self, path, body, key):
            return super().reply(path.removeprefix("http://gpu7.invalid"), body, key)

    proxy = Proxy()
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
    assert len(run_served("http://gpu7.invalid/v1", sampling=ONE)) == 6 == len(proxy.asked)
    proxy.script = lambda number, body: error(407, "Proxy Authentication Required")
    with pytest.raises(BadInput, match="the proxy of HTTP_PROXY wants a login"):
        run_served("http://gpu7.invalid/v1", sampling=Sampling(max_tokens=9, samples=2))
    proxy.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> dict[str, Path]:
    """Files of a certificate and its key: of this address, one that has expired, and one of another name."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make certificates with")
    folder, made = tmp_path_factory.mktemp("certificates"), {}
    for name, days, host in (("good", 2, "IP:127.0.0.1"), ("old", 0, "IP:127.0.0.1"), ("other", 2, "DNS:gpu7.org")):
        key, request, signed, extra = (folder / f"{name}.{end}" for end in ("key", "csr", "crt", "txt"))
        extra.write_text(f"subjectAltName={host}\n")
        for command in (
            f"ecparam -name prime256v1 -genkey -noout -out {key}",
            f"req -new -key {key} -subj /CN=test -out {request}",
            f"x509 -req -in {request} -signkey {key} -days {days} -extfile {extra} -out {signed}",
        ):
            subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
        made[name] = folder / f"{name}.pem"
        made[name].write_text(signed.read_text() + key.read_text())
    return made


@pytest.mark.parametrize(
    "name, known, said",
    [
        ("good", False, "its certificate does not hold .self-signed certificate.*SSL_CERT_FILE"),
        ("old", True, "its certificate does not hold .certificate has expired.*renewed"),
        ("other", True, "its certificate does not hold .*not valid for '127.0.0.1'.*the name that it is for"),
    ],
)
def test_a_certificate_that_does_not_hold(serve, run_served, monkeypatch, certificates, name, known, said):
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates[name]))
    fails(run_served, serve(certificate=certificates[name]).url, f"no server at https://.*{said}")


def test_a_certificate_that_holds_and_one_that_is_not_there(serve, run_served, monkeypatch, certificates, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["good"]))
    server = serve(certificate=certificates["good"])
    assert {trace.key for trace in run_served(server.url)} == KEYS
    fails_at = server.url.replace("https", "http")
    with pytest.raises(BadInput, match="it speaks https; write https:// for http://"):
        run_served(fails_at, sampling=Sampling(max_tokens=9, samples=5))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    with pytest.raises(BadInput, match="SSL_CERT_FILE or SSL_CERT_DIR names cannot be read.*unset it"):
        run_served(server.url, sampling=Sampling(max_tokens=9, samples=5))


def test_https_at_a_port_of_http(serve, run_served):
    fails(run_served, serve().url.replace("http", "https"), "no server at https://.*it speaks http; write http:// for")


@pytest.mark.parametrize(
    "url, said",
    [
        ("gpu7:8000/v1", "no server at gpu7:8000/v1: .*begins with http:// .*write http://gpu7:8000/v1"),
        ("//gpu7:8000/v1", "write http://gpu7:8000/v1"),
        ("ftp://gpu7:8000/v1", "begins with http:// .*write http://gpu7:8000/v1"),
        ("http:///v1", "begins with http:// or https:// and a host"),
        ("http://gpu7:80000/v1", "Port out of range"),
        ("http://gpu7:port/v1", "write it as http://HOST:PORT/v1"),
        ("http://gpu 7/v1", "white space in the URL"),
        ("http://gpu7\n/v1", r"white space|URL"),
        ("http://[::1/v1", "write it as http://HOST:PORT/v1"),
        ("", "begins with http://"),
        ("http://no-such-host.invalid:8000/v1", "no host is known by the name no-such-host.invalid.*spelling"),
    ],
)
def test_a_url_that_leads_nowhere(run_served, url, said):
    fails(run_served, url, said)


def test_one_wrong_host_of_two_is_said_and_the_other_does_the_work(serve, run_served, caplog):
    server = serve()
    assert {t.key for t in run_served("http://no-such-host.invalid/v1", server.url)} == KEYS
    assert "no host is known by the name no-such-host.invalid" in caplog.text and len(server.asked) == 6


def test_a_server_that_sends_on_is_not_followed_with_a_prompt(serve, run_served):
    server = serve()
    moved = Reply(301, {}, {"Location": f"{server.url}/models"})
    server.script = lambda number, body: moved
    fails(run_served, server.url, f"sends requests on to {server.url}/models; write that server's URL")


@pytest.mark.parametrize(
    "key, said",
    [
        ("sk-secret\nsk-second", "a line break in it"),
        ("Bearer sk-secret", "white space in it.*without Bearer"),
        ("sk-secr\u00e9t", "a character at place 8 that no key has"),
        ("\u201csk-secret\u201d", "a character at place 1"),
        ("sk-secret\x01", "a character at place 10"),
        ('"sk-secret"', "quotes around it"),
        ("'sk-secret'", "quotes around it"),
    ],
)
def test_a_key_that_cannot_be_sent(serve, run_served, monkeypatch, key, said):
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(BadInput, match=f"the key in MY_KEY has {said}") as caught:
        run_served(serve().url, key="MY_KEY")
    assert "secr" not in str(caught.value) and "\n" not in str(caught.value)


def test_white_space_at_the_ends_of_a_key_is_left_out(serve, run_served, monkeypatch):
    monkeypatch.setenv("MY_KEY", " sk-secret-1\r\n")
    server = serve()
    run_served(server.url, key="MY_KEY", sampling=ONE)
    assert set(server.keys) == {"Bearer sk-secret-1"}


@pytest.mark.parametrize(
    "card, pages, name",
    [
        ({"owned_by": "vllm"}, {"/version": {"version": "0.25.0"}}, "vllm 0.25.0"),
        ({}, {"/version": {"version": "0.25.0"}}, "vllm 0.25.0"),
        ({"owned_by": "sglang"}, {"/get_server_info": {"version": "0.5.9", "model_path": "x"}}, "sglang 0.5.9"),
        ({"owned_by": "org"}, {"/info": {"version": "3.3.6", "model_id": "org/m"}}, "tgi 3.3.6"),
        ({"owned_by": "llamacpp"}, {"/props": {"build_info": "b6900-e9fa078"}}, "llama.cpp b6900-e9fa078"),
        ({"owned_by": "library"}, {"/api/version": {"version": "0.12.3"}}, "ollama 0.12.3"),
        ({"owned_by": "vllm"}, {}, "vllm"),
        ({"owned_by": "vllm"}, {"/version": {"version": "<script>"}}, "vllm"),
        ({"owned_by": "a <b>company</b>"}, {"/version": ["no", "object"]}, "a bcompany/b"),
        ({}, {}, "BaseHTTP/0.6"),
    ],
)
def test_the_software_of_a_server(serve, tiny_model, tmp_path, card, pages, name):
    server = serve()
    server.cards[0] |= card
    server.pages = {path: Reply(body=body) for path, body in pages.items()}
    row = {"name": "a", "base": {"path": str(tiny_model), "precision": "float32"}, "traces": "traces/a/b.jsonl"}
    row |= {"served_as": "m", "sampling": {"max_tokens": 8}, "server": {"urls": [server.url]}}
    out = sample_arm(SampleTask.model_validate(row), PROBLEMS[:2], tmp_path)
    (served_by,) = json.loads(out.with_name("b.jsonl.manifest.json").read_text())["served_by"]
    assert served_by.startswith(name) and served_by.count(" ") <= 2


def test_two_servers_of_two_versions(serve, tiny_model):
    servers = [serve(lambda number, body: Reply(body=answer(body), stall_s=0.1)) for _ in range(3)]
    for server, version in zip(servers, ("0.25.0", "0.26.1", "0.25.0"), strict=True):
        server.pages = {"/version": Reply(body={"version": version})}
    sampler = ServerSampler(Server(urls=[server.url for server in servers]), "m", str(tiny_model))
    assert sampler.served_by == []
    list(sampler.responses([], set(), ONE, model="m", adapter=""))
    assert sampler.served_by == ["vllm 0.25.0", "vllm 0.26.1"]


def test_a_server_that_does_not_say_what_it_is(serve, run_served):
    server = serve()
    stuck = Reply(body={}, stall_s=9)
    server.pages = dict.fromkeys(("/version", "/info", "/props", "/server_info"), stuck)
    server.pages["/get_server_info"] = error(401, "not for you")
    done = threading.Event()
    threading.Timer(6, done.set).start()
    assert {trace.key for trace in run_served(server.url)} == KEYS and not done.is_set()


def test_a_port_that_speaks_neither(run_served):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up():
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with pytest.raises(BadInput, match="no connection .*6 of 6 samples are missing"):
            run_served(url, sampling=ONE, retries=1)
        listening.shutdown(socket.SHUT_RDWR)
    fails(run_served, free_url(), "no server at .*start one, for example with")
