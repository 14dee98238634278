"""Plugins of other distributions: found, isolated when broken, told apart when they collide."""

from __future__ import annotations

import pytest

from lior.errors import BrokenPlugin, DuplicatePlugin, UnknownPlugin
from lior.plugins.registry import Registry

GOOD = """
class Shout:
    api_version = 1
    vocab = 256
    def fit(self, documents): pass
    def snapshot(self): return {}
    def restore(self, snapshot): pass
    def encode(self, data): return data.upper()
    def decode(self, tokens): return bytes(tokens)
"""


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import nonexistent_dep", "ModuleNotFoundError: No module named 'nonexistent_dep'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
        ("", "AttributeError.*Bad"),
    ],
)
def test_broken_names_its_distribution_and_cause(install, source, cause):
    install("lior-bad", "[lior.frames]\nbad = tp_bad:Bad", tp_bad=source)
    registry = Registry(environ={})
    with pytest.raises(BrokenPlugin, match=f"'bad' of lior-bad 1.2 cannot be loaded: {cause}") as caught:
        registry.get("frame", "bad")
    assert "uninstall lior-bad" in str(caught.value)
    assert registry.get("frame", "lowrank"), "the others keep working"


def test_collision_names_both_and_the_remedy_works(install):
    install("lior-dup", "[lior.tokenizers]\nbytes = tp_dup:Shout", tp_dup=GOOD)
    registry = Registry(environ={})
    with pytest.raises(
        DuplicatePlugin, match=r"lior-dup 1\.2 .* and lior 0.*|lior 0.* and lior-dup 1\.2"
    ) as caught:
        registry.get("tokenizer", "bytes")
    targets = [origin.target for origin in registry.origins("tokenizer", "bytes")]
    assert str(caught.value).endswith(
        "Uninstall one of them, list in LIOR_ALLOW_PLUGINS the distributions to use, or give the class in "
        f"place of the name: {targets[0]} or {targets[1]}."
    )
    mended = Registry(environ={"LIOR_ALLOW_PLUGINS": "lior"})
    assert mended.origin("tokenizer", "bytes").distribution == "lior"
    assert [registry.get("tokenizer", target).__name__ for target in sorted(targets)] == ["Bytes", "Shout"]


def test_distribution_listed_twice_is_no_collision(install, tmp_path, monkeypatch):
    """As in a checkout, where an egg-info directory lies beside the installed distribution."""
    install("lior-shout", "[lior.tokenizers]\nshout = tp_shout:Shout", tp_shout=GOOD)
    egg = tmp_path / "checkout" / "lior_shout.egg-info"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: Lior_Shout\nVersion: 1.3\n")
    (egg / "entry_points.txt").write_text("[lior.tokenizers]\nshout = tp_shout:Shout\n")
    monkeypatch.syspath_prepend(str(egg.parent))
    origin = Registry(environ={}).origin("tokenizer", "shout")
    assert origin.version == "1.3", "the first on sys.path is the one that is imported"


@pytest.mark.parametrize(("allow", "seen"), [("lior-other", False), ("Lior.Shout,lior-other", True)])
def test_allow_list_always_allows_lior(install, allow, seen):
    install("lior-shout", "[lior.tokenizers]\nshout = tp_shout:Shout", tp_shout=GOOD)
    registry = Registry(environ={"LIOR_ALLOW_PLUGINS": allow})
    assert registry.names("tokenizer") == ["bpe", "bytes", *(["shout"] if seen else [])]
    if not seen:
        hidden = r"^tokenizer 'shout' of lior-shout 1\.2 is hidden by the variable LIOR_ALLOW_PLUGINS\.$"
        with pytest.raises(UnknownPlugin, match=hidden):
            registry.get("tokenizer", "shout")


def test_damaged_metadata_is_reported_and_hides_nothing_else(install):
    install("lior-torn", "[lior.frames]\nno target here\n")
    site = install("lior-shout", "[lior.tokenizers]\nshout = tp_shout:Shout", tp_shout=GOOD)
    nameless = site / "nameless-1.dist-info"
    nameless.mkdir()
    (nameless / "METADATA").write_text("Metadata-Version: 2.1\n")
    (nameless / "entry_points.txt").write_text("[lior.frames]\nx = y:Z\n")
    registry = Registry(environ={})
    assert {"bytes", "shout"} <= set(registry.names("tokenizer"))
    assert len(registry.faults) == 2
    assert any("lior_torn" in fault for fault in registry.faults)
    assert any("nameless" in fault and "no Name" in fault for fault in registry.faults)


COMMAND = """
import click

@click.command()
def hello():
    "Say hello."
    click.echo("hello from a plugin")
"""


def test_command_of_a_plugin_is_listed_unimported_and_runs(install, lior):
    site = install("lior-hello", "[lior.commands]\nhello = tp_hello:hello", tp_hello=COMMAND)
    assert "from lior-hello 1.2" in lior("--help", path=site).stdout
    assert lior("hello", path=site).stdout == "hello from a plugin\n"
    assert lior("helo", path=site).stderr.startswith("lior: error: no command 'helo'. Did you mean 'hello'?")


def test_broken_command_breaks_only_itself(install, lior):
    site = install("lior-hello", "[lior.commands]\nhello = tp_hello:hello", tp_hello="import nonexistent_dep")
    assert lior("--help", path=site).returncode == 0
    result = lior("hello", path=site)
    assert result.returncode == 1
    assert result.stderr.startswith("lior: error: command 'hello' of lior-hello 1.2 cannot be loaded")
    assert len(result.stderr.splitlines()) == 1


def test_command_that_claims_a_built_in_name_is_ignored_aloud(install, lior):
    site = install("lior-thief", "[lior.commands]\nconfig = tp_thief:hello", tp_thief=COMMAND)
    assert "ignored: lior-thief 1.2 claims a name of lior" in lior("--help", path=site).stdout
    assert "hello" not in lior("config", "list", path=site).stdout


def test_malformed_variable_leaves_the_help(lior):
    result = lior("--help", LIOR_ALLOW_PLUGINS="!")
    assert result.returncode == 0
    assert "LIOR_ALLOW_PLUGINS: '!' is not" in " ".join(result.stdout.split())
    assert lior("plugins", LIOR_ALLOW_PLUGINS="!").returncode == 2
