"""A W&B server on the loopback, as much of one as `wandb` needs, with faults on request.

It keeps what it is sent the way the real one does: history rows by their offset, so that a request
that is sent twice counts once. What a run of wandb has asked for that is unknown here is listed in
``unknown``: a test that finds it empty has seen the whole conversation.
"""

import base64
import gzip
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

ENTITY = "somebody"
KEY = "k" * 40
VIEWER = {"id": "U", "username": ENTITY, "entity": ENTITY, "flags": "{}", "teams": {"edges": []}}
INFO = {"cliVersionInfo": {"max_cli_version": "99"}, "latestLocalVersionInfo": None, "features": []}
HISTORY = "wandb-history.jsonl"


@dataclass
class Faults:
    """What goes wrong. Only requests whose path or operation matches ``only`` count."""

    fail_first: int = 0  # answered with `status`
    status: int = 500
    die_after: int | None = None  # requests answered before no other ever is
    hang: bool = False  # accepts, and never answers
    key: str | None = None  # every other one is refused
    only: str = ""
    seen: int = 0

    def answer(self, name: str, key: str) -> int:
        """The status to answer with: 200, or 0 for not at all."""
        if self.key is not None and key != self.key and not name.startswith("/upload/"):
            return 401
        if not re.search(self.only, name):
            return 200
        self.seen += 1
        if self.hang or (self.die_after is not None and self.seen > self.die_after):
            return 0
        return self.status if self.seen <= self.fail_first else 200


@dataclass
class Run:
    """What the server has of a run."""

    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    lines_sent: int = 0  # with those that were sent again


class WandbServer:
    """``with WandbServer() as server``: listens at ``server.url`` until the block ends."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.projects: set[tuple[str, str]] = set()
        self.views: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, Run] = {}
        self.asked: list[str] = []
        self.unknown: list[str] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        server = self

        class Handler(_Handler):
            wandb = server

        self.http = _Quiet(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> "WandbServer":
        kwargs = {"poll_interval": 0.02}
        threading.Thread(target=self.http.serve_forever, kwargs=kwargs, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    def run(self, name: str) -> Run:
        return self.runs.setdefault(name, Run())

    def steps(self, name: str) -> list[int]:
        """The training steps of a run's rows, in the order in which it shows them."""
        return [row["train/step"] for row in self.runs[name].history if "train/step" in row]

    def route(self, method: str, path: str, body: bytes) -> Any:
        if path == "/graphql":
            return self.graphql(json.loads(body))
        if found := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", path):
            return self.stream(self.run(found[1]), json.loads(body))
        if found := re.match(r"/upload/([^/]+)/(.*)", path):
            self.run(found[1]).files[found[2]] = body
            return {}
        self.unknown.append(f"{method} {path}")
        return {}

    def stream(self, run: Run, sent: dict[str, Any]) -> dict[str, Any]:
        for name, part in (sent.get("files") or {}).items():
            if name == HISTORY:
                rows = [json.loads(line) for line in part["content"]]
                at = part["offset"]
                assert at <= len(run.history), "a row was left out"
                run.history[at : at + len(rows)] = rows
                run.lines_sent += len(rows)
            elif name == "wandb-summary.json":
                run.summary = json.loads(part["content"][-1])
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]
        return {"exitcode": None, "limits": {}}

    def graphql(self, asked: dict[str, Any]) -> dict[str, Any]:
        operation, given = _operation(asked), asked.get("variables") or {}
        answer = getattr(self, f"on_{operation}", None)
        if answer is None:
            self.unknown.append(operation)
            return {"data": {}}
        return {"data": answer(given)}

    def on_Viewer(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 (W&B's names)
        return {"viewer": VIEWER, "serverInfo": INFO}

    def on_ServerInfo(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"serverInfo": INFO}

    on_ServerFeaturesQuery = on_ServerInfo  # noqa: N815

    def on_UpsertBucket(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name, new = given["name"], given["name"] not in self.runs
        run = self.run(name)
        run.about |= {key: value for key, value in given.items() if value is not None}
        if given.get("config"):
            run.config = {k: v["value"] for k, v in json.loads(given["config"]).items()}
        bucket = {
            "id": f"R{name}",
            "name": name,
            "displayName": given.get("displayName") or name,
            "config": "{}",
            "sweepName": None,
            "historyLineCount": len(run.history),
            "project": {"id": "P", "name": run.about["project"], "entity": _entity(run.about)},
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": new}}

    def on_RunResumeStatus(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        run = self.runs.get(given["name"])
        bucket = None if run is None else _resumable(given["name"], run)
        entity = _entity(given)
        return {"model": {"id": "P", "name": given["project"], "entity": entity, "bucket": bucket}}

    def on_RunStoppedStatus(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"project": {"run": {"stopped": False}}}

    def on_CreateRunFiles(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        to = f"{self.url}/upload/{given['run']}"
        files = [{"name": name, "uploadUrl": f"{to}/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}

    def on_ArtifactType(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"project": {"artifact": None}}

    def on_CreateArtifact(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Says that it has it already, so that nothing of it is uploaded."""
        latest = {"id": "A", "versionIndex": 0}
        sequence = {"id": "S", "latestArtifact": latest}
        artifact = {"id": "A", "state": "COMMITTED", "artifactSequence": sequence}
        return {"createArtifact": {"artifact": artifact}}

    # what `wandb_workspaces` asks to save workspaces and reports

    def on_GetDefaultEntity(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"viewer": {"id": "U", "entity": ENTITY}}

    def on_GetProjects(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        names = sorted(name for entity, name in self.projects if entity == given["entity"])
        edges = [{"node": _project(given["entity"], name)} for name in names]
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        return {"models": {"pageInfo": page, "edges": edges}}

    def on_CreateProject(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        asked = given["input"]
        self.projects.add((asked["entityName"], asked["name"]))
        return {"upsertModel": {"inserted": True}}

    def on_upsertView(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """A view of a project that is there: a new one, or in place of the one with this id."""
        assert (given["entityName"], given["projectName"]) in self.projects
        new = not given.get("id")
        name = base64.b64encode(f"View:{len(self.views)}".encode()).decode()
        known = name if new else given["id"]
        assert new or known in self.views
        self.views[known] = given | {"id": known, "spec": json.loads(given["spec"])}
        return {"upsertView": {"view": self._view(known), "inserted": new}}

    on_UpsertView2 = on_upsertView  # noqa: N815

    def on_View(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = [one for one, of in self.views.items() if of["name"] == given["viewName"]]
        return {"project": {"allViews": {"edges": [{"node": self._view(one)} for one in found]}}}

    def _view(self, known: str) -> dict[str, Any]:
        view = self.views[known]
        project = {
            "id": "P",
            "name": view["projectName"],
            "entityName": view["entityName"],
        }
        return view | {"project": project, "spec": json.dumps(view["spec"])}


def _project(entity: str, name: str) -> dict[str, Any]:
    about = {"id": "P", "name": name, "entityName": entity, "user": None}
    return {"__typename": "Project", **about, "createdAt": "2026-01-01", "isBenchmark": False}


def _operation(asked: dict[str, Any]) -> str:
    named = asked.get("operationName")
    if named:
        return named
    found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
    return found[1] if found else "anonymous"


def _entity(given: dict[str, Any]) -> dict[str, Any]:
    return {"id": "E", "name": given.get("entity") or ENTITY}


def _resumable(name: str, run: Run) -> dict[str, Any]:
    return {
        "id": f"R{name}",
        "name": name,
        "displayName": run.about.get("displayName", name),
        "historyLineCount": len(run.history),
        "eventsLineCount": 0,
        "logLineCount": 0,
        "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
        "eventsTail": "[]",
        "summaryMetrics": json.dumps(run.summary),
        "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "tags": run.about.get("tags", []),
        "sweepName": None,
        "wandbConfig": '{"t": 1}',
    }


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is no fault of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wandb: WandbServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts: list[bytes] = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def key(self) -> str:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        return base64.b64decode(given).decode().partition(":")[2] if scheme == "Basic" else given

    def answer(self) -> None:
        body, server = self.body(), self.wandb
        name = _operation(json.loads(body)) if self.path == "/graphql" else self.path
        with server.lock:
            server.asked.append(name)
            status = server.faults.answer(name, self.key())
            said = server.route(self.command, self.path, body) if status == 200 else {}
        if status == 0:
            server.closing.wait()
            self.close_connection = True
            return
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer  # noqa: N815
