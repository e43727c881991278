"""A real Prometheus and Alertmanager with the configuration of deploy/, pointed at the services of a test."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.ports import LOOPBACK, free_port
from deploy.process import Child, start_child
from tests.support.commands import ROOT
from tests.support.waiting import wait_until

SCRAPE = "500ms"


class _Server:
    """A program on a port of its own; its data lie in `folder`."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = free_port()
        self._program = program
        self._folder = folder
        self._child: Child | None = None

    def stop(self) -> None:
        """What it said is printed: pytest shows it when the test has failed."""
        if self._child is not None:
            code = self._child.stop()
            print(f"--- {self._child.name}: exit code {code}; the end of its log:\n{self._child.log_tail(20)}")

    def _run(self, name: str, *options: str) -> None:
        listen = f"--web.listen-address={LOOPBACK}:{self.port}"
        argv = [str(self._program), listen, "--log.level=warn", *options]
        self._child = start_child(name, argv, log_file=self._folder / f"{name}.log")
        wait_until(self._ready, f"{name} to be ready")

    def _ready(self) -> bool:
        assert self._child is not None
        assert self._child.exit_code() is None, self._child.log_tail()
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"http://{LOOPBACK}:{self.port}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None


class Alertmanager(_Server):
    """Takes alerts; whom it would tell, it cannot reach."""

    def start(self) -> None:
        """With the example of deploy/, and without the gossip port that it opens to everybody by default."""
        config = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
        data = self._folder / "alerts"
        self._run("alertmanager", f"--config.file={config}", f"--storage.path={data}", "--cluster.listen-address=")

    def receivers(self) -> dict[str, str]:
        """Who is told of each alert that fires."""
        alerts = self._get("/api/v2/alerts")
        return {one["labels"]["alertname"]: one["receivers"][0]["name"] for one in alerts}


class Prometheus(_Server):
    """Scrapes and judges by the files of deploy/, in half seconds."""

    def start(self, ports: Mapping[str, int]) -> None:
        """`ports` by their names in deploy/prometheus/targets; who is not named is not looked for."""
        config = self._folder / "config"
        shutil.copytree(ROOT / "deploy" / "prometheus", config)
        for file in (config / "targets").glob("*.yml"):
            targets = [f"{LOOPBACK}:{ports[file.stem]}"] if file.stem in ports else []
            file.write_text(yaml.safe_dump([{"targets": targets}]), encoding="utf-8")
        main = config / "prometheus.yml"
        main.write_text(main.read_text(encoding="utf-8").replace("_interval: 15s", f"_interval: {SCRAPE}"))
        self._run("prometheus", f"--config.file={main}", f"--storage.tsdb.path={self._folder / 'data'}")

    def query(self, text: str) -> list[dict[str, Any]]:
        """The series that an instant query answers with. Fails with Prometheus's own words for one it does not take."""
        found: list[dict[str, Any]] = self._get("/api/v1/query", query=text)["data"]["result"]
        return found

    def holds(self, condition: str) -> bool:
        """Whether a query such as `sum(x) >= 2` answers with anything."""
        return bool(self.query(condition))

    def rules(self) -> list[dict[str, Any]]:
        """The alert rules with their health and state."""
        return [rule for group in self._get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
