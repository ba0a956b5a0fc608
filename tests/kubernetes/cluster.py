"""A real Kubernetes of one node on this machine: etcd, its servers, and a kubelet with containerd and runc.

All of it is in namespaces of its own and ends with them; outside are a bridge, through which pods and this machine
reach each other, and a folder of control groups, and both are taken away at the end. What an image would hold,
containerd mounts into every container from this machine: its programs, this Python, and Potable.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.kubernetes import images
from tests.runs.cluster import free_port

PARTS = Path(os.environ.get("POTABLE_K8S", str(Path(sys.prefix, "k8s"))))
_PATH = os.pathsep.join(str(PARTS / part) for part in ("bin", "usr/bin", "usr/sbin"))
_CHECKOUT = Path(__file__).parents[2]
MANIFESTS = _CHECKOUT / "docs" / "kubernetes"
_BRIDGE = "potable0"
_NET = "10.213.97"
GATEWAY = f"{_NET}.1"
"""This machine, as pods see it."""
_SERVICES = "10.213.98"
_API = f"{_SERVICES}.1"
"""The API server, at the address of its service, for nothing here forwards services to what is behind them."""
_ROOT = "token-of-root"
USER = "token-of-a-user"
"""Of one who may only edit the namespace `work`."""
_START = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
# a kubelet sets these for the whole machine, unless it finds them as it wants them
for pair in kernel/panic=10 kernel/panic_on_oops=1 vm/overcommit_memory=1 vm/panic_on_oom=0 \\
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  found=/run/$(basename ${{pair%=*}})
  echo ${{pair#*=}} > $found
  mount --bind $found /proc/sys/${{pair%=*}}
done
containerd --config containerd.toml > containerd.log 2>&1 &
until ctr --address /run/containerd.sock version > /dev/null 2>&1; do sleep 0.1; done
for image in images/*; do ctr --address /run/containerd.sock --namespace k8s.io images import "$image"; done
{servers}
until [ -e up ]; do sleep 0.1; done
{others}
wait -n
"""


@dataclass(frozen=True)
class Kubernetes:
    """A running one."""

    folder: Path
    url: str

    def call(self, path: str, body: dict[str, Any] | None = None, method: str = "") -> dict[str, Any]:
        """One call of its REST interface, by one who may do everything."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_ROOT}"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method or ("POST" if body else "GET"))
        trusted = ssl.create_default_context(cafile=str(self.folder / "certs" / "apiserver.crt"))
        with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def apply(self, file: Path) -> list[dict[str, Any]]:
        """Make what a file of manifests describes, in the namespace `work`; returns what it says."""
        said: list[dict[str, Any]] = list(YAML(typ="safe").load_all(file.read_text(encoding="utf-8")))
        for each in said:
            self.call(kind(each), each)
        return said

    def claimed(self, folder: Path) -> None:
        """The volume that docs/kubernetes claims, in a folder of the node that its user owns."""
        os.chown(folder, images.USER, images.USER)
        space, modes = {"storage": "100Gi"}, ["ReadWriteMany"]
        volume = {"capacity": space, "accessModes": modes, "hostPath": {"path": str(folder)}}
        self.call("/api/v1/persistentvolumes", {"metadata": {"name": "lake"}, "spec": volume})
        self.apply(MANIFESTS / "volume.yaml")

    def pods(self) -> list[dict[str, Any]]:
        """All pods of the namespace `work`."""
        found: list[dict[str, Any]] = self.call("/api/v1/namespaces/work/pods")["items"]
        return found

    @property
    def config(self) -> Path:
        """A kubeconfig of the user."""
        return self.folder / "user.yaml"


def kind(manifest: dict[str, Any]) -> str:
    """Where all of a kind are in the namespace `work`."""
    version = manifest["apiVersion"]
    return f"/api{'s' * ('/' in version)}/{version}/namespaces/work/{manifest['kind'].lower()}s"


@contextmanager
def kubernetes(folder: Path, variables: dict[str, str], project: Path | None = None) -> Iterator[Kubernetes]:
    """A Kubernetes whose image `MACHINE` has these variables, and a project in /project.

    Skips where it has not been built or cannot run.
    """
    if not (PARTS / "bin" / "kubernetes").is_file():
        pytest.skip("there is no Kubernetes: `make .venv/.k8s` builds it, by Go and from Debian's packages")
    if os.geteuid() != 0:
        pytest.skip("a kubelet needs root")
    groups = f"potable-{os.getpid()}"
    made = Kubernetes(folder, f"https://{_API}")
    images.write(folder / "images", PARTS / "bin" / "busybox", variables)
    _written(made, groups, project)
    with _bridge(), _control_groups(groups):
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "start.sh"]
        environment = {**os.environ, "PATH": f"{_PATH}:/usr/sbin:/sbin:{os.environ['PATH']}"}
        with (folder / "start.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit"
            _until(lambda: bool(made.call(role)), process, "its API")
            _furnished(made)
            (folder / "up").touch()
            _until(lambda: _ready(made), process, "its node")
            yield made
        finally:
            process.kill()
            process.wait(10)


def _written(made: Kubernetes, groups: str, project: Path | None) -> None:
    folder = made.folder
    subprocess.run(["openssl", "genrsa", "-out", "accounts.key", "2048"], cwd=folder, check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f'{_ROOT},root,1,"system:masters"\n{USER},user,2\n')
    for name, token in (("root", _ROOT), ("user", USER)):
        (folder / f"{name}.yaml").write_text(json.dumps(_kubeconfig(made, token)))
    (folder / "containerd.toml").write_text(_containerd(folder))
    (folder / "passwd").write_text(f"{Path('/etc/passwd').read_text()}potable:x:{images.USER}:{images.USER}::/tmp:\n")
    (folder / "container.json").write_text(json.dumps(_container(folder, project)))
    (folder / "net").mkdir()
    ranges, routes = [[{"subnet": f"{_NET}.0/24", "gateway": GATEWAY}]], [{"dst": f"{_SERVICES}.0/24", "gw": GATEWAY}]
    ipam = {"type": "host-local", "ranges": ranges, "routes": routes, "dataDir": "/run/ipam"}
    plugins = [{"type": "bridge", "bridge": _BRIDGE, "ipam": ipam}]
    (folder / "net" / "net.conflist").write_text(json.dumps({"cniVersion": "1.0.0", "name": "n", "plugins": plugins}))
    (folder / "kubelet.json").write_text(json.dumps(_kubelet(folder, groups)))
    (folder / "start.sh").write_text(_START.format(servers=_started(_servers(made)), others=_started(_others(folder))))


def _started(lines: list[str]) -> str:
    return "\n".join(f"{line} > {line.split()[0]}.log 2>&1 &" for line in lines)


def _servers(made: Kubernetes) -> list[str]:
    etcd, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    return [
        f"etcd --data-dir etcd --unsafe-no-fsync --listen-client-urls {etcd} --advertise-client-urls {etcd}"
        f" --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster default={peer}",
        f"kube-apiserver --etcd-servers {etcd} --bind-address {_API} --secure-port 443"
        " --cert-dir certs --token-auth-file tokens.csv --authorization-mode Node,RBAC"
        f" --service-account-issuer {made.url} --service-account-key-file accounts.key"
        f" --service-account-signing-key-file accounts.key --service-cluster-ip-range {_SERVICES}.0/24"
        " --endpoint-reconciler-type none --kubelet-preferred-address-types InternalIP",
    ]


def _others(folder: Path) -> list[str]:
    return [
        "kube-controller-manager --kubeconfig root.yaml --service-account-private-key-file accounts.key"
        " --root-ca-file certs/apiserver.crt --leader-elect=false --secure-port 0",
        "kube-scheduler --kubeconfig root.yaml --leader-elect=false --secure-port 0",
        f"kubelet --config kubelet.json --kubeconfig root.yaml --hostname-override node --node-ip {GATEWAY}"
        f" --root-dir {folder}/kubelet --cert-dir {folder}/kubelet-certs",
    ]


def _kubeconfig(made: Kubernetes, token: str) -> dict[str, Any]:
    server = {"server": made.url, "certificate-authority": str(made.folder / "certs" / "apiserver.crt")}
    context = {"cluster": "here", "user": "who", "namespace": "work"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": server}],
        "users": [{"name": "who", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": context}],
        "current-context": "here",
    }


def _containerd(folder: Path) -> str:
    # without CAP_SYS_RESOURCE nothing may be spared by the kernel when memory ends
    return f"""
version = 2
root = "{folder}/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "/run/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{images.SHELL}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
base_runtime_spec = "{folder}/container.json"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PARTS}/usr/lib/cni"
conf_dir = "{folder}/net"
"""


def _container(folder: Path, project: Path | None) -> dict[str, Any]:
    """What every container begins with."""
    shown = subprocess.run([PARTS / "usr" / "bin" / "ctr", "oci", "spec"], check=True, capture_output=True).stdout
    begun: dict[str, Any] = json.loads(shown)
    own = [Path("/usr"), Path("/etc"), Path(sys.base_prefix), Path(sys.prefix), _CHECKOUT / "src"]
    places = {**{str(path): path for path in own}, "/etc/passwd": folder / "passwd"}
    places |= {"/project": project} if project else {}
    begun["mounts"] += [
        {"destination": place, "source": str(source), "type": "bind", "options": ["rbind", "ro"]}
        for place, source in places.items()
    ]
    return begun


def _kubelet(folder: Path, groups: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd.sock",
        # the API server asks it for logs and for commands in containers
        "address": GATEWAY,
        "port": free_port(),
        "healthzPort": 0,
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{groups}",
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "100Mi"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "podLogsDir": str(folder / "logs"),
        "resolvConf": "",
        "volumePluginDir": str(folder / "plugins"),
    }


def _furnished(made: Kubernetes) -> None:
    """A namespace, and one who may edit what is in it."""
    made.call("/api/v1/namespaces", {"metadata": {"name": "work"}})
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "user"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "user"}],
    }
    made.call(f"/apis/{group}/v1/namespaces/work/rolebindings", binding)


def _ready(made: Kubernetes) -> bool:
    """Whether the node takes pods, and those of the namespace have an account."""
    nodes = made.call("/api/v1/nodes")["items"]
    conditions = {item["type"]: item["status"] for node in nodes for item in node["status"].get("conditions", ())}
    made.call("/api/v1/namespaces/work/serviceaccounts/default")
    return conditions.get("Ready") == "True"


def _until(reached: Callable[[], bool], process: subprocess.Popen[bytes], what: str, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "Kubernetes ended"
        with contextlib.suppress(OSError):
            if reached():
                return
        time.sleep(0.3)
    raise AssertionError(f"{what} does not come up")


@contextmanager
def _bridge() -> Iterator[None]:
    """What pods and this machine reach each other through; nothing is forwarded anywhere else."""
    # one may be left of a test that was killed
    subprocess.run(["ip", "link", "delete", _BRIDGE], check=False, capture_output=True)
    subprocess.run(["ip", "link", "add", _BRIDGE, "type", "bridge"], check=True)
    try:
        for address in (f"{GATEWAY}/24", f"{_API}/32"):
            subprocess.run(["ip", "address", "add", address, "dev", _BRIDGE], check=True)
        subprocess.run(["ip", "link", "set", _BRIDGE, "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", _BRIDGE], check=True)


@contextmanager
def _control_groups(name: str) -> Iterator[None]:
    """A folder of every hierarchy of control groups, which end with their processes."""
    here = Path("/sys/fs/cgroup")
    roots = [here] if (here / "cgroup.controllers").exists() else [path for path in here.iterdir() if path.is_dir()]
    for root in roots:
        (root / name).mkdir(exist_ok=True)
    try:
        yield
    finally:
        for root in roots:
            for path, _, _ in os.walk(root / name, topdown=False):
                _until_removed(Path(path))


def _until_removed(path: Path, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            return path.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
