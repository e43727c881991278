"""Settings from the environment, read once by a command's entry point and passed on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.topics import Topics
from services.common.kafka_connection import MECHANISMS, SECURITIES, Connection, UnusableCertificate

_KAFKA = "BELLWETHER_KAFKA_"
_OF_TLS = ("CA", "CERTIFICATE", "KEY")
_OF_SASL = ("SASL_MECHANISM", "USER", "PASSWORD", "PASSWORD_FILE")


class BadSetting(Exception):
    """A setting that cannot be used; the message names the variable and what it takes."""


@dataclass(frozen=True)
class Settings:
    """What an installation sets. Ports are TCP ports on 127.0.0.1 unless `host` says otherwise.

    `open_items`: items (about 10 kB each) of the customers whom one rules worker keeps open in memory.
    `max_items`: events of one customer within the horizon; what comes beyond goes to the dead letters.
    `store`: where customers rest, in "memory" or in "rocksdb" below the data directory. `standbys`: how many other
    workers keep each partition's states up to date.
    `feed_silent_minutes`: after so long without a heartbeat, a feed that ever sent one is told to ops.
    `snapshot_minutes`: so long after a change reports are told of a customer; 0: never.
    `merge_settle_seconds`: so long after a merge became known another ingest may still send under the old id.
    `sealing_key_file`: the master keys that wrap the customers' keys; `sealing_key_may_be_made`: nobody has named it.
    `personal_data`: what ingest does with values that look personal in other fields: "refuse", "warn" or "off".
    """

    kafka: Connection
    clock: str
    timezone: str
    data_dir: Path
    database_url: str
    ingest_database_url: str
    directory: Path | None
    topics: Topics
    partitions: int
    horizon_months: int
    host: str
    ingest_port: int
    rules_port: int
    notifier_port: int
    open_items: int
    max_items: int
    store: str
    standbys: int
    feed_silent_minutes: int
    snapshot_minutes: int
    merge_settle_seconds: int
    sealing_key_file: Path
    sealing_key_may_be_made: bool
    personal_data: str

    @property
    def zone(self) -> ZoneInfo:
        """The company's zone."""
        return ZoneInfo(self.timezone)


def read_settings(env: Mapping[str, str]) -> Settings:
    """Settings with their defaults; raises BadSetting naming the variable at fault."""
    data_dir = Path(env.get("BELLWETHER_DATA_DIR", ".bellwether"))
    directory = env.get("BELLWETHER_DIRECTORY")
    settings = Settings(
        kafka=read_connection(env),
        clock=env.get("BELLWETHER_CLOCK", "wall"),
        timezone=env.get("BELLWETHER_TIMEZONE", "Asia/Shanghai"),
        data_dir=data_dir,
        database_url=env.get("BELLWETHER_DATABASE_URL", f"sqlite:///{data_dir / 'notifier.db'}"),
        ingest_database_url=env.get("BELLWETHER_INGEST_DATABASE_URL", f"sqlite:///{data_dir / 'ingest.db'}"),
        directory=Path(directory) if directory else None,
        topics=Topics(env.get("BELLWETHER_TOPIC_PREFIX", "bellwether")),
        partitions=_whole(env, "BELLWETHER_PARTITIONS", 8, 1, 10_000),
        horizon_months=_whole(env, "BELLWETHER_HORIZON_MONTHS", 36, 1, 1200),
        host=env.get("BELLWETHER_HOST", "127.0.0.1"),
        ingest_port=_whole(env, "BELLWETHER_INGEST_PORT", 8080, 1, 65535),
        rules_port=_whole(env, "BELLWETHER_RULES_PORT", 8081, 1, 65535),
        notifier_port=_whole(env, "BELLWETHER_NOTIFIER_PORT", 8082, 1, 65535),
        open_items=_whole(env, "BELLWETHER_OPEN_ITEMS", 100_000, 0, 1_000_000_000),
        max_items=_whole(env, "BELLWETHER_MAX_ITEMS", 200_000, 100, 1_000_000_000),
        store=env.get("BELLWETHER_STORE", "memory"),
        standbys=_whole(env, "BELLWETHER_STANDBYS", 1, 0, 10),
        feed_silent_minutes=_whole(env, "BELLWETHER_FEED_SILENT_MINUTES", 60, 1, 1_000_000),
        snapshot_minutes=_whole(env, "BELLWETHER_SNAPSHOT_MINUTES", 10, 0, 1_000_000),
        merge_settle_seconds=_whole(env, "BELLWETHER_MERGE_SETTLE_SECONDS", 60, 0, 86_400),
        sealing_key_file=Path(env.get("BELLWETHER_SEALING_KEY_FILE", data_dir / "sealing.key")),
        sealing_key_may_be_made="BELLWETHER_SEALING_KEY_FILE" not in env,
        personal_data=env.get("BELLWETHER_PERSONAL_DATA", "refuse"),
    )
    _check(settings)
    return settings


def read_connection(env: Mapping[str, str]) -> Connection:
    """How Kafka is reached. A variable that is empty counts as not set. Raises BadSetting, for files too."""
    connection = Connection(
        servers=env.get("BELLWETHER_KAFKA") or "127.0.0.1:9092",
        security=_one_of(env, f"{_KAFKA}SECURITY", SECURITIES, "PLAINTEXT"),
        ca=_file(env, f"{_KAFKA}CA"),
        certificate=_file(env, f"{_KAFKA}CERTIFICATE"),
        key=_file(env, f"{_KAFKA}KEY"),
        mechanism=_one_of(env, f"{_KAFKA}SASL_MECHANISM", MECHANISMS, "SCRAM-SHA-512"),
        user=env.get(f"{_KAFKA}USER", ""),
        password=_password(env),
    )
    _refuse_useless(env, connection)
    if (connection.certificate is None) != (connection.key is None):
        raise BadSetting(f"{_KAFKA}CERTIFICATE and {_KAFKA}KEY belong together: set both, or none")
    if connection.sasl and not (connection.user and connection.password):
        raise BadSetting(
            f"{_KAFKA}SECURITY is {connection.security}: set {_KAFKA}USER and {_KAFKA}PASSWORD_FILE "
            f"(or {_KAFKA}PASSWORD) too"
        )
    try:
        connection.tls_context()
    except UnusableCertificate as error:
        raise BadSetting(f"{_KAFKA}CA, {_KAFKA}CERTIFICATE or {_KAFKA}KEY: {error}") from error
    return connection


def _refuse_useless(env: Mapping[str, str], connection: Connection) -> None:
    """Who sets a certificate or a user believes that it is used."""
    for names, used, wanted in ((_OF_TLS, connection.tls, "SSL"), (_OF_SASL, connection.sasl, "SASL_SSL")):
        for name in names:
            if env.get(f"{_KAFKA}{name}") and not used:
                raise BadSetting(
                    f"{_KAFKA}{name} is set, and {_KAFKA}SECURITY is {connection.security}, which does not use it: "
                    f"set that to {wanted}, or take {_KAFKA}{name} away"
                )


def _one_of(env: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
    text = env.get(name) or default
    if text not in choices:
        raise BadSetting(f'{name} is "{text}": set it to {", ".join(choices[:-1])} or {choices[-1]}')
    return text


def _file(env: Mapping[str, str], name: str) -> Path | None:
    text = env.get(name)
    if not text:
        return None
    try:
        with Path(text).open("rb"):
            return Path(text)
    except OSError as error:
        raise BadSetting(f"{name} is {text}: it cannot be read ({error.strerror})") from error


def _password(env: Mapping[str, str]) -> str:
    """Without the line end that an editor leaves."""
    file, given = _file(env, f"{_KAFKA}PASSWORD_FILE"), env.get(f"{_KAFKA}PASSWORD", "")
    if file is None:
        return given
    if given:
        raise BadSetting(f"{_KAFKA}PASSWORD and {_KAFKA}PASSWORD_FILE are both set: take one of them away")
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadSetting(f"{_KAFKA}PASSWORD_FILE is {file}: it is no text in UTF-8") from None
    if not password:
        raise BadSetting(f"{_KAFKA}PASSWORD_FILE is {file}: it is empty")
    return password


def _whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise BadSetting(f'{name} is "{text}": set it to a whole number from {low} to {high}')
    return int(text)


def _check(settings: Settings) -> None:
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadSetting(
            f'BELLWETHER_TIMEZONE is "{settings.timezone}": set it to a zone such as Asia/Shanghai'
        ) from None
    if settings.store not in ("memory", "rocksdb"):
        raise BadSetting(f'BELLWETHER_STORE is "{settings.store}": set it to memory or rocksdb')
    if settings.personal_data not in ("refuse", "warn", "off"):
        raise BadSetting(f'BELLWETHER_PERSONAL_DATA is "{settings.personal_data}": set it to refuse, warn or off')
    if settings.clock not in ("wall", "event") and not settings.clock.startswith("manual:"):
        raise BadSetting(f'BELLWETHER_CLOCK is "{settings.clock}": set it to wall, event or manual:FILE')
