"""Provisioning and compose files, which cannot be run here: held to documented schemas and to each other."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

from storescope import dashboards
from tests.audit.logs import records_of, write_some
from tests.dashboards.prometheus_server import find_binary

FOLDER = Path(dashboards.__file__).parent
COMPOSE = FOLDER / "compose"
SOURCES = FOLDER / "provisioning" / "datasources" / "storescope.yaml"
PROVIDER = FOLDER / "provisioning" / "dashboards" / "storescope.yaml"
SCHEMAS = Path(__file__).parent / "schemas"
FILES = {
    "grafana-datasources": SOURCES,
    "grafana-dashboards": PROVIDER,
    "tempo": COMPOSE / "tempo.yaml",
    "loki": COMPOSE / "loki.yaml",
    "collector": COMPOSE / "collector.yaml",
}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def check(schema: str, document: Any) -> None:
    rules = orjson.loads((SCHEMAS / f"{schema}.json").read_bytes())
    checker = jsonschema.Draft202012Validator(rules, format_checker=jsonschema.FormatChecker())
    checker.check_schema(rules)
    checker.validate(document)


def sources() -> dict[str, dict[str, Any]]:
    """Return the data sources as Grafana has them, its `$$` read, by their uid."""
    model = yaml.safe_load(SOURCES.read_text().replace("$$", "$"))
    return {source["uid"]: source for source in model["datasources"]}


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(COMPOSE / "compose.yaml")["services"]
    return found


@pytest.mark.parametrize("schema", FILES)
def test_files_are_as_their_documentation_has_them(schema: str) -> None:
    check(schema, load(FILES[schema]))


@pytest.mark.parametrize("schema", FILES)
def test_a_misspelt_key_is_found(schema: str) -> None:
    def spelt_wrong(node: Any) -> list[Any]:
        """Return every mapping in a document."""
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        return [*([node] if isinstance(node, dict) and node else []), *(m for n in inner for m in spelt_wrong(n))]

    document = load(FILES[schema])
    for position in range(len(spelt_wrong(document))):
        spoilt = copy.deepcopy(document)
        spelt_wrong(spoilt)[position]["endpiont"] = 1
        with pytest.raises(jsonschema.ValidationError):
            check(schema, spoilt)


def check_compose(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)


def test_the_compose_file_follows_the_compose_specification(tmp_path: Path) -> None:
    done = check_compose(COMPOSE / "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "compose.yaml").write_text((COMPOSE / "compose.yaml").read_text().replace("command:", "comand:"))
    assert check_compose(tmp_path / "compose.yaml").returncode != 0


def test_versions_are_pinned_and_ports_stay_on_this_machine() -> None:
    for name, service in services().items():
        if name != "app":
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_what_is_mounted_is_there_and_ships_in_the_wheel() -> None:
    patterns = {".yaml", ".json"}
    for service in services().values():
        for source, *_ in (volume.split(":") for volume in service.get("volumes", ())):
            if source.startswith("."):
                path = (COMPOSE / source).resolve()
                files = [file for file in path.rglob("*") if file.is_file()] or [path]
                assert all(file.suffix in patterns and file.is_file() for file in files), source
    assert {"app", "prometheus", "tempo", "loki", "grafana"} <= set(services())


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """With the rules where the compose file mounts them."""
    (tmp_path / "rules").symlink_to(dashboards.PROMETHEUS)
    (tmp_path / "prometheus.yaml").write_text((COMPOSE / "prometheus.yaml").read_text())
    command = [find_binary("promtool"), "check", "config", str(tmp_path / "prometheus.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 rule files found" in done.stdout
    assert "../prometheus:/etc/prometheus/rules:ro" in services()["prometheus"]["volumes"]
    assert "--config.file=/etc/prometheus/prometheus.yaml" in services()["prometheus"]["command"]


def test_addresses_name_services_and_their_ports() -> None:
    ports = {
        "prometheus": 9090,
        "tempo": load(COMPOSE / "tempo.yaml")["server"]["http_listen_port"],
        "loki": load(COMPOSE / "loki.yaml")["server"]["http_listen_port"],
    }
    assert {source["url"] for source in sources().values()} == {f"http://{n}:{p}" for n, p in ports.items()}
    (target,) = load(COMPOSE / "prometheus.yaml")["scrape_configs"][0]["static_configs"][0]["targets"]
    assert f"--port={target.removeprefix('app:')}" in services()["app"]["command"]
    receiver = load(COMPOSE / "tempo.yaml")["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    spans = services()["app"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert spans == receiver.replace("0.0.0.0", "http://tempo")
    logs = load(COMPOSE / "collector.yaml")["exporters"]["otlphttp"]["endpoint"]
    assert logs == f"http://loki:{ports['loki']}/otlp"


def test_the_step_of_queries_is_the_scrape_interval() -> None:
    scraped = load(COMPOSE / "prometheus.yaml")["global"]["scrape_interval"]
    assert sources()["storescope-prometheus"]["jsonData"]["timeInterval"] == scraped


def test_links_lead_to_data_sources_that_are_there_and_use_grafanas_own_variables() -> None:
    text = SOURCES.read_text()
    assert set(re.findall(r"(\$+)\{", text)) == {"$$"}, "one $ alone is an environment variable to Grafana"
    named = set(re.findall(r"datasourceUid: (\S+)", text))
    assert named <= set(sources())
    assert set(re.findall(r"\$\{(\S+?)\}", text)) == {"__value.raw", "__span.traceId"}


def test_exemplars_are_linked_by_the_label_that_they_carry() -> None:
    """`middleware/_metrics.py` calls it so; tests/dashboards/test_live.py reads it from a real Prometheus."""
    links = sources()["storescope-prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert {link["name"] for link in links} == {"trace_id"}
    assert [link.get("datasourceUid") for link in links] == ["storescope-tempo", None]


async def test_a_line_of_the_audit_log_leads_to_its_trace(tmp_path: Path) -> None:
    """The derived fields' pattern fits a line as it is written, and one of structlog's."""
    from storescope.middleware import AuditLog  # noqa: PLC0415 (only this test needs a log)

    async with AuditLog.open(tmp_path / "audit") as log:
        await write_some(log, 1)
    written = records_of(log)[1] | {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    for line in (orjson.dumps(written).decode(), '{"event": "x", "trace_id": "0af7651916cd43dd8448eb211c80319c"}'):
        for field in sources()["storescope-loki"]["jsonData"]["derivedFields"]:
            found = re.search(field["matcherRegex"], line)
            assert found is not None
            assert found[1] == "0af7651916cd43dd8448eb211c80319c"


def test_the_dashboards_are_mounted_where_the_provider_looks() -> None:
    (provider,) = load(PROVIDER)["providers"]
    assert f"../grafana:{provider['options']['path']}:ro" in services()["grafana"]["volumes"]


def test_the_collector_follows_the_folder_of_the_example_app() -> None:
    (pattern,) = load(COMPOSE / "collector.yaml")["receivers"]["filelog"]["include"]
    folder, *_ = services()["app"]["command"]
    assert pattern == f"{folder}/audit/*.jsonl"
    assert f"app:{folder}" in services()["app"]["volumes"]
    assert f"app:{folder}:ro" in services()["collector"]["volumes"]
