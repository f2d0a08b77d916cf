"""The hub without the hub: a local server with the part of its wire format that an upload needs (create, preupload,
LFS, commit), and a cache with weights made on the spot."""

from __future__ import annotations

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import nn


class Hub(ThreadingHTTPServer):
    """`files` holds the repository after the commits; `refuse` is the status of every call, if not 0."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.created: list[dict] = []
        self.commits: list[str] = []
        self.refuse = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args) -> None:
        pass

    def answer(self, value, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_GET(self) -> None:
        if re.search(r"/tree/main", self.path):
            return self.answer(
                [
                    {"type": "file", "path": path, "size": len(data), "oid": "0" * 40}
                    for path, data in self.server.files.items()
                ]
            )
        return self.answer(
            {"id": "jane/detector", "sha": "0" * 40, "siblings": [{"rfilename": path} for path in self.server.files]}
        )

    def do_PUT(self) -> None:
        self.server.objects[self.path.rsplit("/", 1)[1]] = self.body()
        self.answer({})

    def do_POST(self) -> None:
        content = self.body()
        if self.server.refuse:
            return self.answer({"error": "no"}, self.server.refuse)
        if self.path == "/api/repos/create":
            self.server.created.append(json.loads(content))
            return self.answer({"url": f"{self.server.address}/jane/detector", "id": "jane/detector"})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = json.loads(content)["files"]
            return self.answer(
                {
                    "files": [
                        {
                            "path": f["path"],
                            "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular",
                            "shouldIgnore": False,
                        }
                        for f in files
                    ]
                }
            )
        if self.path.endswith("/info/lfs/objects/batch"):
            requested = json.loads(content)["objects"]
            return self.answer(
                {
                    "transfer": "basic",
                    "objects": [
                        {**o, "actions": {"upload": {"href": f"{self.server.address}/lfs/{o['oid']}", "header": {}}}}
                        for o in requested
                    ],
                }
            )
        return self.commit(content)

    def commit(self, content: bytes) -> None:
        for line in map(json.loads, content.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.server.commits.append(value["summary"])
            elif line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                self.server.files.pop(value["path"], None)
        self.answer(
            {
                "commitUrl": f"{self.server.address}/jane/detector/commit/{'0' * 40}",
                "commitOid": "0" * 40,
                "pullRequestUrl": None,
            }
        )


@contextmanager
def hub():
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def cache_weights(folder: Path, architecture: str, seed: int = 3) -> nn.Module:
    """Put an architecture of timm with random weights into a new hub cache, as if it had been downloaded; the network.

    Args:
        folder: what `HF_HUB_CACHE` is to name.
    """
    torch.manual_seed(seed)
    network = timm.create_model(architecture)
    repository = timm.get_pretrained_cfg(architecture).hf_hub_id.replace("/", "--")
    snapshot = folder / f"models--{repository}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    save_file(network.state_dict(), snapshot / "model.safetensors")
    (snapshot / "config.json").write_text(json.dumps({"architecture": architecture}))
    reference = folder / f"models--{repository}" / "refs" / "main"
    reference.parent.mkdir()
    reference.write_text("0" * 40)
    return network.eval()
