"""The file of channels and its command: what it says of a mistake, and that it never says a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.ports import free_port
from services.cli import main
from services.common.settings import BadSetting, read_settings
from services.notifier.channels.file import ChannelsInvalid, read_channels_file
from services.notifier.config import read_notifier_settings
from tests.support.providers.wecom import WecomAppServer, WecomBotServer
from tests.unit.notifier.making import DIRECTORY_YAML, NOON

SECRET = "s3cret-of-nobody"

EVERY_KIND = """
allow: [10.20.0.0/16]
channels:
  mail: {kind: email, url: {env: SMTP}, a_minute: 60}
  hook: {kind: webhook, url: {env: URL}, secret: {file: %s}}
  own-hooks: {kind: webhook, secret: {env: KEY}}
  alerts: {kind: alertmanager, url: {env: URL}, token: {env: KEY}, allow: [127.0.0.0/8]}
  sales-group: {kind: wecom_bot, key: {env: KEY}}
  wecom: {kind: wecom_app, corp: ww1, agent: 1000002, secret: {env: KEY}}
  ding: {kind: dingtalk, token: {env: KEY}, secret: {env: KEY}, keyword: 预警}
  feishu: {kind: feishu, token: {env: KEY}}
  lark: {kind: lark, token: {env: KEY}, secret: {env: KEY}}
  slack: {kind: slack, token: {env: KEY}, channel: C1}
  slack-hook: {kind: slack, webhook: {env: URL}}
  pager: {kind: pagerduty, routing_key: {env: ROUTING}}
"""
ENV = {
    "SMTP": f"smtp://us:{SECRET}@mail.example.com?from=b@example.com",
    "URL": f"https://example.com/{SECRET}",
    "KEY": SECRET,
    "ROUTING": "r" * 32,
}


def write(folder: Path, text: str) -> Path:
    (folder / "secret").write_text(SECRET + "\n", encoding="utf-8")
    file = folder / "channels.yaml"
    file.write_text(text.replace("%s", str(folder / "secret")), encoding="utf-8")
    return file


def run(folder: Path, text: str, *arguments: str, **env: str) -> Result:
    (folder / "people.yaml").write_text(DIRECTORY_YAML, encoding="utf-8")
    (folder / "now").write_text(NOON.isoformat(), encoding="utf-8")
    given = {
        "BELLWETHER_CHANNELS_FILE": str(write(folder, text)),
        "BELLWETHER_DIRECTORY": str(folder / "people.yaml"),
        "BELLWETHER_CLOCK": f"manual:{folder / 'now'}",
        "BELLWETHER_DATABASE_URL": f"sqlite:///{folder / 'notifier.db'}",
        **ENV,
        **env,
    }
    return CliRunner().invoke(main, ["channels", *arguments], env=given)


def test_every_kind_is_opened_with_its_secrets_and_none_is_shown(tmp_path: Path) -> None:
    done = run(tmp_path, EVERY_KIND, "check")
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
    lines = done.output.splitlines()
    assert lines[0] == "inbox: always there"
    assert [line.partition(":")[0] for line in lines[1:4]] == ["mail", "hook", "own-hooks"]
    assert "sales-group: wecom_bot, 20 in 60 s for a bot; reaches 5 of 5 people" in lines
    assert "wecom: wecom_app, 30 in 60 s and 1000 in 3600 s for a member; reaches 0 of 5 people" in lines
    assert "mail: email, 60 in 60 s for a server; reaches 4 of 5 people" in lines
    assert "lark: feishu, 5 in 1 s and 100 in 60 s for a bot; reaches 5 of 5 people" in lines


def test_the_files_channels_stand_beside_those_of_the_variables(tmp_path: Path) -> None:
    env = {
        **ENV,
        "BELLWETHER_CHANNELS": "inbox,webhook",
        "BELLWETHER_WEBHOOK_URL": "https://hook.example.com/",
        "BELLWETHER_WEBHOOK_SECRET": "s",
        "BELLWETHER_CHANNELS_FILE": str(write(tmp_path, EVERY_KIND)),
    }
    own = read_notifier_settings(env, read_settings({}))
    assert own.channels[:3] == ("webhook", "mail", "hook")
    assert tuple(own.open_channels(lambda: NOON)) == own.channels
    assert SECRET not in repr(own)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("channels: {a: {kind: wecom_bot, key: s3cret-of-nobody}}", "channels.a.key: Value error, a secret does not"),
        ("channels: {a: {kind: wecom_bot}}", "channels.a.key: Field required"),
        ("channels: {a: {kind: pigeon}}", "channels.a: Input tag 'pigeon'"),
        ("channels: {a: {kind: slack}}", "set webhook, or token"),
        ("channels: {A B: {kind: slack}}", "String should match pattern"),
        ("channels: {inbox: {kind: wecom_bot, key: {env: KEY}}}", "the inbox is always there"),
        ("channels: {a: {kind: wecom_bot, key: {env: KEY}, allow: [here]}}", "here is no network"),
        ("channels: {a: {kind: wecom_bot, key: {env: KEY}, home: 'ftp://x'}}", "must be an http or https URL"),
        ("channels: {a: {kind: wecom_bot, key: {env: KEY, file: x}}}", "a secret does not stand in this file"),
        ("allow: [10.0.0.1/8]\nchannels: {}", "allow: Value error, 10.0.0.1/8"),
        ("channels: [", "line 1: this is no YAML"),
        ("chanels: {}", "chanels: Extra inputs are not permitted"),
        ("channels: {a: {kind: wecom_bot, key: {env: NOWHERE}}}", "the variable NOWHERE is not set or empty"),
        ("channels: {a: {kind: wecom_bot, key: {file: /nowhere}}}", "the file /nowhere cannot be read"),
        ("channels: {a: {kind: pagerduty, routing_key: {env: KEY}}}", "it has 32 characters, and this one 16"),
        ("channels: {a: {kind: webhook, secret: {env: KEY}, url: {env: KEY}}}", "holds no http or https URL"),
        ("channels: {a: {kind: email, url: {env: KEY}}}", "must look like smtp://"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_without_what_may_be_a_secret(
    tmp_path: Path, text: str, said: str
) -> None:
    done = run(tmp_path, text, "check")
    assert done.exit_code == 1
    assert said in done.output
    assert SECRET not in done.output
    assert "Traceback" not in done.output


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ChannelsInvalid, match="No such file"):
        read_channels_file(tmp_path / "nowhere.yaml")


def test_one_name_stands_for_one_channel(tmp_path: Path) -> None:
    env = {"BELLWETHER_CHANNELS": "webhook", "BELLWETHER_WEBHOOK_URL": "https://h/", "BELLWETHER_WEBHOOK_SECRET": "s"}
    done = run(tmp_path, "channels: {webhook: {kind: webhook, secret: {env: KEY}}}", "check", **env)
    assert 'both have "webhook"' in done.output


def test_networks_that_are_none_are_refused_by_the_variables_name() -> None:
    with pytest.raises(BadSetting, match="BELLWETHER_CHANNELS_ALLOW"):
        read_notifier_settings({"BELLWETHER_CHANNELS_ALLOW": "everywhere"}, read_settings({})).open_channels(
            lambda: NOON
        )


def test_the_button_sends_a_test_and_says_what_became_of_it(tmp_path: Path) -> None:
    with WecomBotServer(lambda: NOON, SECRET) as server:
        text = f"channels: {{group: {{kind: wecom_bot, key: {{env: KEY}}, home: '{server.home}', allow: [127.0.0.1]}}}}"
        done = run(tmp_path, text, "test", "group", "--to", "wang")
        assert (done.exit_code, done.output[:15]) == (0, "group: accepted")
        (message,) = server.accepted
        assert message["text"]["content"].startswith("【测试】Bellwether 通知渠道 group")
        server.key = "another"
        failed = run(tmp_path, text, "test", "group", "--to", "wang")
        assert (failed.exit_code, failed.output[:21]) == (2, "group: bad_credential")
        assert SECRET not in failed.output


def test_the_button_reaches_an_address_that_nobody_has_yet(tmp_path: Path) -> None:
    with WecomAppServer(lambda: NOON, "ww1", SECRET, 7) as server:
        app = "kind: wecom_app, corp: ww1, agent: 7, secret: {env: KEY}"
        text = f"channels: {{wecom: {{{app}, home: '{server.home}', allow: [127.0.0.1]}}}}"
        assert run(tmp_path, text, "test", "wecom", "--to", "LiNa").exit_code == 0
        assert [message["touser"] for message in server.accepted] == ["LiNa"]
        stranger = run(tmp_path, text, "test", "wecom", "--to", "Nobody")
        assert (stranger.exit_code, stranger.output[:18]) == (2, "wecom: bad_address")
        known = run(tmp_path, text, "test", "wecom", "--to", "wang")
        assert "no usable WeCom user id" in known.output


def test_a_private_address_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    with WecomBotServer(lambda: NOON, SECRET) as server:
        text = f"channels: {{group: {{kind: wecom_bot, key: {{env: KEY}}, home: '{server.home}'}}}}"
        refused = run(tmp_path, text, "test", "group", "--to", "wang")
        assert "not public" in refused.output
        assert server.asked == []
        allowed = run(tmp_path, text, "test", "group", "--to", "wang", BELLWETHER_CHANNELS_ALLOW="127.0.0.0/8")
        assert allowed.exit_code == 0
        everywhere = run(tmp_path, f"allow: [127.0.0.1]\n{text}", "test", "group", "--to", "wang")
        assert everywhere.exit_code == 0


def test_a_channel_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    done = run(tmp_path, "channels: {group: {kind: wecom_bot, key: {env: KEY}}}", "test", "pigeon", "--to", "wang")
    assert (done.exit_code, "group" in done.output) == (1, True)


GROUP = "channels: {group: {kind: wecom_bot, key: {env: KEY}}}"


def test_people_are_those_of_the_database_as_the_notifier_has_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'notifier.db'}"
    (tmp_path / "hr.csv").write_text("id,name,department,method.wecom_app\nann,Ann,sales,LiNa\nbob,Bob,sales,\n")
    brought = ["directory", "import", str(tmp_path / "hr.csv"), "--fallback", "bob"]
    assert CliRunner().invoke(main, brought, env={"BELLWETHER_DATABASE_URL": url}).exit_code == 0
    assert "group: wecom_bot, 20 in 60 s for a bot; reaches 2 of 2 people" in run(tmp_path, GROUP, "check").output
    with WecomAppServer(lambda: NOON, "ww1", SECRET, 7) as server:
        app = "kind: wecom_app, corp: ww1, agent: 7, secret: {env: KEY}"
        text = f"channels: {{wecom: {{{app}, home: '{server.home}', allow: [127.0.0.1]}}}}"
        # Known by her id; not verified, and so there is no address to send to, rather than a stranger called "ann".
        assert "no usable WeCom user id" in run(tmp_path, text, "test", "wecom", "--to", "ann").output


def test_while_the_database_is_away_people_are_those_of_the_file(tmp_path: Path) -> None:
    nobody_there = f"postgresql://127.0.0.1:{free_port()}/none"
    done = run(tmp_path, GROUP, "check", BELLWETHER_DATABASE_URL=nobody_there)
    assert done.exit_code == 0, done.output
    assert "group: wecom_bot, 20 in 60 s for a bot; reaches 5 of 5 people" in done.stdout
    assert "the database cannot be asked" in done.stderr
    without = run(tmp_path, GROUP, "check", BELLWETHER_DATABASE_URL=nobody_there, BELLWETHER_DIRECTORY="")
    assert "people are not known" in without.stderr
    assert "group: wecom_bot, 20 in 60 s for a bot" in without.stdout.splitlines()


def test_without_any_directory_channels_are_checked_all_the_same(tmp_path: Path) -> None:
    done = run(tmp_path, GROUP, "check", BELLWETHER_DIRECTORY="")
    assert (done.exit_code, done.output.splitlines()[1]) == (0, "group: wecom_bot, 20 in 60 s for a bot")
