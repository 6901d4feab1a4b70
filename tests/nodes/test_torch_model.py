"""PyTorch models answer as the module itself, and nothing but data is read from their files."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits, load_iris

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.nodes.torch_devices import Execution
from umbel.nodes.torch_model import TorchModel, open_model

pytestmark = pytest.mark.slow  # what it imports takes seconds

IRIS = load_iris().data.astype(np.float32)
DIGITS = load_digits().images[:16, None].astype(np.float32)


class Mlp(torch.nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4, width), torch.nn.Dropout(0.5), torch.nn.Linear(width, 3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(x)
        return result


class Two(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": a + b, "difference": a - b}


def opened(path: Path, **settings: object) -> TorchModel:
    return open_model(ModelFile("pytorch", str(path), options={"device": "cpu", **settings}))


def exported(module: torch.nn.Module, *args: torch.Tensor, path: Path, **shapes: Any) -> Path:
    program = torch.export.export(module.eval(), args, **shapes)
    torch.export.save(program, path)
    return path


@pytest.fixture(scope="module")
def mlp() -> Mlp:
    torch.manual_seed(0)
    return Mlp().eval()


@pytest.fixture(scope="module")
def pt2(mlp: Mlp, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(
        mlp,
        torch.zeros(2, 4),
        path=tmp_path_factory.mktemp("pt2") / "model.pt2",
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )


def of_module(module: torch.nn.Module, x: Any) -> Any:
    with torch.inference_mode():
        return module(torch.from_numpy(x)).numpy()


def test_an_exported_program_tells_its_types(mlp: Mlp, pt2: Path) -> None:
    model = opened(pt2.parent)
    np.testing.assert_array_equal(model.predict(x=IRIS), of_module(mlp, IRIS))
    np.testing.assert_array_equal(model.predict(x=IRIS.tolist()), of_module(mlp, IRIS))
    assert model.signature is not None
    (x,), (output,) = model.signature.inputs, model.signature.outputs
    assert (x.name, x.type.dtype, x.type.shape) == ("x", "float32", ("batch", 4))
    assert (output.name, output.type.dtype, output.type.shape) == (
        "output",
        "float32",
        ("batch", 3),
    )


def test_several_inputs_and_outputs_bear_their_names(tmp_path: Path) -> None:
    path = exported(Two(), torch.zeros(3), torch.zeros(3), path=tmp_path / "two.pt2")
    model = opened(path)
    result = model.predict(a=np.arange(3), b=np.ones(3))
    assert {name: value.tolist() for name, value in result.items()} == {
        "sum": [1, 2, 3],
        "difference": [-1, 0, 1],
    }
    assert model.signature is not None
    assert model.signature.keyed
    assert [port.name for port in model.signature.inputs] == ["a", "b"]
    assert [port.name for port in model.signature.outputs] == ["sum", "difference"]
    with pytest.raises(InvalidInput, match=r"expected inputs \['a', 'b'\]"):
        model.predict(a=np.ones(3))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_torchscript_and_weights_with_a_class(
    mlp: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.jit.script(mlp).save(tmp_path / "model.pt")
    np.testing.assert_array_equal(
        opened(tmp_path / "model.pt").predict(x=IRIS), of_module(mlp, IRIS)
    )
    save_file(mlp.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "my_networks.py").write_text(
        "import torch\n"
        "class Mlp(torch.nn.Module):\n"
        "    def __init__(self, width):\n"
        "        super().__init__()\n"
        "        nn = torch.nn\n"
        "        self.layers = nn.Sequential(\n"
        "            nn.Linear(4, width), nn.Dropout(0.5), nn.Linear(width, 3))\n"
        "    def forward(self, x):\n"
        "        return self.layers(x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "model.safetensors"
    model = opened(path, **{"class": "my_networks:Mlp", "kwargs": {"width": 8}})
    np.testing.assert_array_equal(model.predict(x=IRIS), of_module(mlp, IRIS))
    with pytest.raises(DeclarationError, match="does not fit my_networks:Mlp"):
        opened(path, **{"class": "my_networks:Mlp", "kwargs": {"width": 9}})
    with pytest.raises(DeclarationError, match='settings={"class"'):
        opened(path)
    for wrong in ("my_networks:Nothing", "no_such_module:Mlp"):
        with pytest.raises(DeclarationError, match="there is no class"):
            opened(path, **{"class": wrong})


def test_images_of_four_axes(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Flatten())
    path = exported(
        net, torch.zeros(2, 1, 8, 8), path=tmp_path / "net.pt2",
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    np.testing.assert_allclose(
        opened(path).predict(x=DIGITS), of_module(net.eval(), DIGITS), rtol=1e-6
    )


@pytest.mark.parametrize("rows", [IRIS[:, :3], IRIS[0], "text", [[1, 2, 3, "a"]], [[1, 2], [3]]])
def test_inputs_that_do_not_fit_are_the_client_s_mistake(pt2: Path, rows: object) -> None:
    with pytest.raises(InvalidInput, match="x"):
        opened(pt2).predict(x=rows)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_wrong_width_is_the_client_s_mistake_where_the_file_tells_nothing(
    mlp: Mlp, tmp_path: Path
) -> None:
    torch.jit.script(mlp).save(tmp_path / "model.ts")
    with pytest.raises(InvalidInput, match=r"\[150, 3\].*cannot be multiplied"):
        opened(tmp_path).predict(x=IRIS[:, :3])


def test_a_tensor_that_comes_stays_a_tensor(mlp: Mlp, pt2: Path) -> None:
    result = opened(pt2).predict(x=torch.from_numpy(IRIS))
    assert isinstance(result, torch.Tensor)
    np.testing.assert_array_equal(result.numpy(), of_module(mlp, IRIS))


def test_devices_and_dtypes_are_checked(pt2: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no device 'gpu'"):
        opened(pt2, device="gpu")
    with pytest.raises(DeclarationError, match="a dtype such as"):
        opened(pt2, dtype="floaty")
    if not torch.cuda.is_available():
        with pytest.raises(DeclarationError, match="sees 0 GPUs"):
            opened(pt2, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_gpu_agrees_with_the_cpu(pt2: Path) -> None:
    np.testing.assert_allclose(
        opened(pt2, device="cuda").predict(x=IRIS), opened(pt2).predict(x=IRIS), rtol=1e-4
    )


class Hostile:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.trace, "it ran"))


def test_a_file_of_torch_save_is_not_read(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"weights": Hostile(trace)}, tmp_path / "model.pt")
    with pytest.raises(DeclarationError, match="torch.export.save"):
        opened(tmp_path, allow_pickle=True)
    assert not trace.exists()


def changed(source: Path, target: Path, name: str, change: Any) -> Path:
    """A copy of an archive in which ``change`` was applied to the member ``name``."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            new.writestr(member, change(content) if member.filename.endswith(name) else content)
    return target


def saved(value: object) -> bytes:
    import io

    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def with_use_pickle(content: bytes) -> bytes:
    config = json.loads(content)
    for payload in config["config"].values():
        payload["use_pickle"] = True
    return json.dumps(config).encode()


def replaced(old: str, new: str) -> Any:
    return lambda content: content.decode().replace(old, new).encode()


def test_an_exported_file_with_more_than_data_needs_permission(pt2: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    evil = f"__import__('pathlib').Path('{trace}').write_text('it ran')"
    hostile = [
        ("sample_inputs/model.pt", lambda _: saved(((Hostile(trace),), {})), "sample inputs"),
        ("weights_config.json", with_use_pickle, "pickled values"),
        ("model.json", replaced("Symbol('s", f"{evil}.Symbol('s"), "a size"),
        ("model.json", replaced("torch.ops.aten.linear.default", "torch.hub.load"), "an operator"),
        ("model.json", replaced('"guards_code": []', f'"guards_code": ["{evil}"]'), "a guard"),
        ("model.json", replaced("builtins.tuple", "my_module.Tree"), "of type"),
    ]
    for number, (name, change, said) in enumerate(hostile):
        path = changed(pt2, tmp_path / f"{number}.pt2", name, change)
        with pytest.raises(DeclarationError, match=f"more than data .*{said}"):
            opened(path)
        assert not trace.exists()
    digest = hashlib.sha256((tmp_path / "1.pt2").read_bytes()).hexdigest()
    with pytest.raises(DeclarationError, match=f'settings={{"sha256": "{digest}"}}'):
        opened(tmp_path / "1.pt2")


def test_a_compiled_library_in_an_exported_file_needs_permission(pt2: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    shutil.copy(pt2, path)
    with zipfile.ZipFile(path, "a") as archive:
        folder = archive.namelist()[0].split("/")[0]
        archive.writestr(f"{folder}/data/aotinductor/model/run.so", b"\x7fELF")
    with pytest.raises(DeclarationError, match="a member 'data/aotinductor/model/run.so'"):
        opened(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".pt2", ".pt", ".safetensors"])
def test_a_broken_file_is_named(tmp_path: Path, pt2: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    for content in (b"", b"garbage", pt2.read_bytes()[:-200]):
        path.write_bytes(content)
        with pytest.raises(DeclarationError, match="model"):
            opened(
                path,
                **{"class": "torch.nn:Linear", "kwargs": {"in_features": 1, "out_features": 1}},
            )


def test_a_node_of_an_exported_program(mlp: Mlp, pt2: Path) -> None:
    node = predictor("pytorch", uri=str(pt2))
    np.testing.assert_array_equal(node(IRIS), of_module(mlp, IRIS))
    with pytest.raises(InvalidInput, match="expected shape"):
        node(IRIS[:, :2])


def test_an_answer_stays_a_tensor_for_the_next_model(mlp: Mlp, pt2: Path) -> None:
    first = opened(pt2, output="tensor")
    given = first.predict(x=IRIS)
    assert isinstance(given, torch.Tensor)
    assert first.takes_tensors
    last = opened(pt2, output="array")
    assert isinstance(last.predict(x=torch.from_numpy(IRIS)), np.ndarray)
    assert not opened(pt2).takes_tensors


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_is_near_and_the_dtype_stays(mlp: Mlp, pt2: Path, precision: str) -> None:
    answer = opened(pt2, precision=precision).predict(x=IRIS)
    assert answer.dtype == np.float32
    full = of_module(mlp, IRIS)
    assert not np.array_equal(answer, full)
    np.testing.assert_allclose(answer, full, atol=0.05, rtol=0.05)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, within torch
def test_a_compiled_model_gives_the_same(mlp: Mlp, pt2: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler on the CPU")
    compiled = opened(pt2, compile=True)
    for rows in (1, 7, 150):
        answer = compiled.predict(x=IRIS[:rows])
        np.testing.assert_allclose(answer, of_module(mlp, IRIS[:rows]), atol=1e-5)


def test_settings_of_the_device_that_nobody_has(pt2: Path) -> None:
    with pytest.raises(DeclarationError, match="one of 'full', 'bfloat16', 'float16'"):
        opened(pt2, precision="half")
    if not torch.cuda.is_available():
        with pytest.raises(DeclarationError, match="this process sees 0 GPUs"):
            opened(pt2, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gives_what_the_cpu_gives(mlp: Mlp, pt2: Path) -> None:
    on_gpu = opened(pt2, device="cuda").predict(x=IRIS)
    np.testing.assert_allclose(on_gpu, of_module(mlp, IRIS), atol=1e-4)
    kept = opened(pt2, device="cuda", output="tensor").predict(x=IRIS)
    assert kept.device.type == "cuda"


def test_no_array_is_made_between_two_models(
    mlp: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from umbel import inference_graph
    from umbel.nodes import torch_model

    batch = ({0: torch.export.Dim("batch")},)
    after = torch.nn.Linear(3, 2).eval()
    first = exported(mlp, torch.zeros(2, 4), path=tmp_path / "a.pt2", dynamic_shapes=batch)
    second = exported(after, torch.zeros(2, 3), path=tmp_path / "b.pt2", dynamic_shapes=batch)
    a = predictor("pytorch", uri=str(first), name="a", settings={"device": "cpu"})
    b = predictor("pytorch", uri=str(second), name="b", settings={"device": "cpu"})
    made: list[int] = []
    plain = torch_model._plain
    monkeypatch.setattr(torch_model, "_plain", lambda one: made.append(1) or plain(one))

    @inference_graph
    def chain(x):
        return b(a(x))

    answer = chain.local(IRIS)
    with torch.inference_mode():
        wanted = after(mlp(torch.from_numpy(IRIS))).numpy()
    np.testing.assert_array_equal(answer, wanted)
    assert len(made) == 1, "the first model made an array"


class OnAGpu:
    """What a tensor on a GPU is to who moves it."""

    device = torch.device("cuda:0")

    def __init__(self) -> None:
        self.moves: list[tuple[torch.device, bool]] = []

    def to(self, device: torch.device, *, non_blocking: bool) -> OnAGpu:
        self.moves.append((device, non_blocking))
        return self


def test_a_copy_from_the_gpu_is_waited_for() -> None:
    """Its values are read at once: without waiting they may not be there yet."""
    tensor: Any = OnAGpu()
    Execution(torch.device("cpu")).moved(tensor)
    Execution(torch.device("cuda:1")).moved(tensor)
    assert tensor.moves == [(torch.device("cpu"), False), (torch.device("cuda:1"), True)]


def test_tensors_move_to_whatever_device_a_model_has() -> None:
    moved = Execution(torch.device("meta")).moved(torch.ones(2, 3))
    assert (moved.device.type, tuple(moved.shape)) == ("meta", (2, 3))
    there = torch.ones(2)
    assert Execution(torch.device("cpu")).moved(there) is there
