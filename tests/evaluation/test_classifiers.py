"""A given classifier: its classes by number and name, inception scores, and files that are none."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchmetrics.image.inception import InceptionScore

from reskin.errors import ReskinError, SettingsError, WeightsError
from reskin.evaluation.classifiers import Classifier, find_classifier
from reskin.evaluation.evaluate import evaluate_request
from reskin.evaluation.pictures import HeldOut
from reskin.evaluation.request import Request
from reskin.evaluation.styles import style_scores
from reskin.images import write_image
from reskin.methods.translator import Translator
from reskin.metrics.inception_score import inception_score
from reskin.networks.init import initialise
from reskin.networks.squeezenet import SqueezeNet
from reskin.types import Direction


class Same(Translator):
    """Gives back what it gets."""

    directions = ("a2b",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        return images


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    """Four images in each domain: the red channel is bright in A, the blue one in B."""
    draw = np.random.default_rng(0)
    for domain, channel in (("a", 0), ("b", 2)):
        for index in range(4):
            image = draw.integers(0, 60, (40, 40, 3), dtype=np.uint8)
            image[..., channel] += 180
            write_image(tmp_path / domain / "test" / f"{index}.png", image)
    return tmp_path


def squeezenet(path: Path, classes: int = 5) -> Path:
    """Weights of a SqueezeNet that was made for a few classes."""
    torch.manual_seed(0)
    network = SqueezeNet(classes)
    initialise(network, "kaiming")
    if path.suffix == ".safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    return path


def message(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes."""
    length, digits = len(content), b""
    while length > 127:
        digits += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + digits + bytes([length]) + content


def varint(number: int, value: int) -> bytes:
    return bytes([number << 3, value])


def colour_classifier(path: Path) -> Path:
    """An ONNX file of one node: the mean of each channel, three classes named by colours.

    Written out after onnx.proto3, so that the test needs no package for it.
    """
    dims = b"".join(message(1, varint(1, size)) for size in (1, 3, 8, 8))
    out_dims = b"".join(message(1, varint(1, size)) for size in (1, 3, 1, 1))

    def value(name: bytes, shape: bytes) -> bytes:
        return message(1, name) + message(2, message(1, varint(1, 1) + message(2, shape)))

    node = message(1, b"x") + message(2, b"y") + message(3, b"pool") + message(4, b"GlobalAveragePool")
    graph = message(1, node) + message(2, b"g") + message(11, value(b"x", dims))
    graph += message(12, value(b"y", out_dims))
    path.write_bytes(varint(1, 7) + message(7, graph) + message(8, varint(2, 11)))
    return path


def test_an_onnx_file_is_a_classifier_with_names(domains: Path) -> None:
    file, names = colour_classifier(domains / "colours.onnx"), domains / "names.txt"
    names.write_text("red\ngreen\nblue\n", encoding="utf-8")
    asked = Request(
        a=domains / "a",
        b=domains / "b",
        metrics=("classes", "inception_score"),
        classes=("blue", "1"),
        classifier=file,
        class_names=names,
        classifier_size=8,
    )
    classifier = find_classifier(file, names, edge_px=8)
    image = np.full((8, 8, 3), 255, np.uint8)
    image[..., 1] = 0
    # Mean and deviation of ImageNet's images, by channel.
    wanted = [(1 - 0.485) / 0.229, -0.456 / 0.224, (1 - 0.406) / 0.225]
    assert classifier.scores([image])[0].tolist() == pytest.approx(wanted, abs=1e-5)
    scores = evaluate_request(Same(), asked)
    assert scores["named_share_a2b"].value == 1  # three classes are all among the first five
    assert (
        "colours.onnx (" in scores["named_share_a2b"].note and "class 2, 1" in scores["named_share_a2b"].note
    )
    assert scores["cis_nats_a2b"].value == 0 and scores["cis_exp_a2b"].value == 1
    assert scores["is_exp_a2b"].value == pytest.approx(math.exp(scores["is_nats_a2b"].value))
    assert "4 inputs, 1 output of each" in scores["is_nats_a2b"].note and scores["is_nats_a2b"].count == 4


@pytest.mark.sweep
def test_named_share_counts_by_a_given_network(domains: Path) -> None:
    """Independent: the five likeliest of eight classes by numpy, of the same weights read apart."""
    file = squeezenet(domains / "eight.pth", 8)
    asked = Request(a=domains / "a", b=domains / "b", metrics=("classes",), classes=("3",), classifier=file)
    scores = evaluate_request(Same(), asked)
    network = SqueezeNet(8).eval()
    network.load_state_dict(torch.load(file, weights_only=True))
    found = {}
    for domain in "ab":
        images = HeldOut(sorted((domains / domain / "test").iterdir()), None, {}, domains)
        squares = [
            torch.from_numpy(each.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1 for each in images
        ]
        large = [torch.nn.functional.interpolate(each, (224, 224), mode="bicubic") for each in squares]
        with torch.no_grad():
            values = torch.cat([network.classify(each) for each in large]).numpy()
        found[domain] = np.mean([3 in np.argsort(-row)[:5] for row in values])
    assert scores["named_share_a2b"].value == pytest.approx(found["a"])
    assert scores["named_share_real_b"].value == pytest.approx(found["b"])
    assert "SqueezeNet 1.1 of eight.pth" in scores["named_share_a2b"].note


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torchmetrics, about its buffer and one split
def test_the_exponential_is_the_inception_score_of_torchmetrics() -> None:
    rows = torch.randn(30, 1, 6, generator=torch.Generator().manual_seed(1))
    reference = InceptionScore(feature=torch.nn.Identity(), splits=1)
    reference.update(rows[:, 0])
    expected = float(reference.compute()[0])
    classifier = Classifier("x", "", 1, lambda squares: squares.flatten(1)[:, :6])
    probabilities = torch.stack([classifier.probabilities(row.view(1, 6, 1, 1)) for row in rows])
    assert inception_score(probabilities).exponential[0] == pytest.approx(expected, rel=1e-5)


def test_inception_scores_of_several_outputs_by_hand(domains: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two inputs with two outputs: classes 0 and 1, and twice class 0 (ln 2 / 2, and 0.562335)."""
    monkeypatch.setattr("reskin.evaluation.styles.STYLES", 2)
    outputs = iter([torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])])
    monkeypatch.setattr(
        "reskin.evaluation.styles._outputs",
        lambda model, way, images: (torch.zeros(2, 3, 8, 8) for _ in images),
    )
    classifier = Classifier("x", "", 8, lambda squares: next(outputs))
    source = HeldOut(sorted((domains / "a" / "test").iterdir())[:2], None, {}, domains)
    scores = style_scores(Same(), {"a": source, "b": source}, None, classifier)
    assert scores["cis_nats_a2b"].value == pytest.approx(math.log(2) / 2)
    assert scores["is_nats_a2b"].value == pytest.approx(0.562335, abs=1e-6)
    assert (scores["cis_nats_a2b"].spread or 0) > 0


def test_scores_and_probabilities_are_told_apart() -> None:
    rows = torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    same = Classifier("x", "", 1, lambda squares: rows)
    assert torch.equal(same.probabilities(torch.zeros(2, 3, 1, 1)), rows)
    logits = Classifier("x", "", 1, lambda squares: rows * 3)
    assert torch.allclose(logits.probabilities(torch.zeros(2, 3, 1, 1)), (rows.double() * 3).softmax(1))


def test_both_kinds_of_files_give_the_same(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    one, other = (find_classifier(squeezenet(tmp_path / f"x.{end}")) for end in ("pth", "safetensors"))
    assert torch.equal(one.scores([image]), other.scores([image])) and one.scores([image]).shape == (1, 5)


@pytest.mark.parametrize(
    "content", [b"", b"no weights", b"\x80\x04.", struct.pack("<Q", 1 << 60), b"\x08\x07"]
)
@pytest.mark.parametrize("end", ["onnx", "pth", "safetensors", "txt"])
def test_files_that_are_no_classifier_are_one_line(tmp_path: Path, content: bytes, end: str) -> None:
    path = tmp_path / f"x.{end}"
    path.write_bytes(content)
    with pytest.raises(ReskinError) as error:
        find_classifier(path).scores([np.zeros((8, 8, 3), np.uint8)])
    assert str(error.value).count("\n") == 0 and str(path) in str(error.value)


@pytest.mark.sweep
def test_what_is_wrong_with_classes_is_said_before_anything_is_translated(domains: Path) -> None:
    file, names = squeezenet(domains / "x.pth"), domains / "names.txt"
    names.write_text("cat\ndog\ncow\nhen\npig\n", encoding="utf-8")

    def ask(**options: object) -> None:
        given = {"metrics": ("classes",), "classes": ("cat",), "classifier": file, "class_names": names}
        request = Request(a=domains / "a", b=domains / "b", **(given | options))  # type: ignore[arg-type]
        evaluate_request(Same(), request)

    ask()
    wrong: list[tuple[type[ReskinError], str, dict[str, object]]] = [
        (SettingsError, "Did you mean 'cat'", {"classes": ("catt",)}),
        (SettingsError, "--class-names", {"class_names": None}),
        (WeightsError, "does not exist", {"classifier": domains / "none.pth"}),
        (SettingsError, "cannot be read", {"class_names": domains / "none.txt"}),
        (SettingsError, "no metric takes them", {"metrics": ("swd",)}),
        (SettingsError, "numbers or names", {"classes": ()}),
        (SettingsError, "classifier_size", {"classifier_size": 0}),
        (ReskinError, "0 to 4", {"classes": ("5",)}),
    ]
    for kind, text, options in wrong:
        with pytest.raises(kind, match=text):
            ask(**options)
    for content, text in (
        ("cat\ncat\n", "stands twice"),
        ("\n", "no class"),
        ("cat\ndog\n", "2 names for the 5"),
    ):
        names.write_text(content, encoding="utf-8")
        with pytest.raises(SettingsError, match=text):
            ask()
    names.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        ask()
